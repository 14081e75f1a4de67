"""A status page with something to tell: trouble now, trouble past, work ahead."""

from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from statuspage.domain import components, incidents
from statuspage.domain.events import SYSTEM
from tests.public import site


@dataclass
class World:
    """Public ids of what stands on the page."""

    cards: str
    transfers: str
    webhooks: str
    group: str
    open: str
    past: str
    planned: str
    retracted: str
    draft: str

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every kind of page a customer can read."""
        return (
            "/",
            "/history",
            "/history?page=2",
            f"/incidents/{self.open}",
            f"/incidents/{self.past}",
            f"/incidents/{self.planned}",
            "/maintenance",
            "/uptime",
            f"/components/{self.cards}",
            "/subscribe",
        )


@pytest.fixture
def world(committed, at):
    """Northwind in Vienna: cards fail for some, a resolved incident, a maintenance tomorrow."""
    with committed():
        site.a_page(at)
        web = site.a_component("Website", at)
        group = components.add_group("Payments", by=SYSTEM, at=at)
        cards = site.a_component("Card payments", at, group=group)
        transfers = site.a_component("Bank transfers", at, group=group)
        site.a_component("Search", at, start_date=date(2026, 2, 28))
        quiet = components.add_group("Account", by=SYSTEM, at=at)
        site.a_component("Sign-in", at, group=quiet)
        webhooks = site.a_component("Webhooks", at)
        opened = site.an_open_incident(cards, at)
        past = site.a_past_incident(web, at - timedelta(days=2, hours=3), at)
        site.a_postmortem(past, at)
        site.a_past_incident(transfers, at - timedelta(days=120), at, name="Late transfers")
        planned = site.a_maintenance(webhooks, at, at + timedelta(days=1))
        wrong = site.a_past_incident(web, at - timedelta(days=5), at, name="Told by mistake")
        incidents.retract(wrong, reason="It belonged to another page.", by=SYSTEM, at=at)
        draft = incidents.open_incident(
            "Nobody may read this",
            status=opened.status,
            body="Secret words.",
            claims={},
            by=SYSTEM,
            at=at,
            draft=True,
        )
        return World(
            cards.public_id,
            transfers.public_id,
            webhooks.public_id,
            group.public_id,
            opened.public_id,
            past.public_id,
            planned.public_id,
            wrong.public_id,
            draft.public_id,
        )
