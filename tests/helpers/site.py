"""A page to read, told through the verbs of the domain, and a reader of its HTML."""

import html
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser

from statuspage.domain import page_settings
from statuspage.domain.claims import Claim
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import corrections, drafts, maintenance, postmortems
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Facts, Moments, Schedule, UpdateInput
from statuspage.domain.incidents.postmortems import Action, ActionState, Part
from statuspage.domain.statuses import ComponentStatus, IncidentStatus

PARTIAL = Claim(ComponentStatus.PARTIAL_OUTAGE, Decimal(12), "EU")
DEGRADED = Claim(ComponentStatus.DEGRADED_PERFORMANCE)
MAJOR = Claim(ComponentStatus.MAJOR_OUTAGE)

SAID = (
    "A configuration change on our cache cluster makes one of three payment workers charge"
    " against a **stale balance**. We have stopped all automatic recharges and are rolling the"
    " change back."
)


LONG = timedelta(days=400)
"""Components and groups are older than what the pages show of them."""


def a_page(at, **more):
    return page_settings.create("Northwind", time_zone="Europe/Vienna", by=SYSTEM, at=at, **more)


A_YEAR = timedelta(days=365)
"""How long before its history a page exists, so that every day shown has data."""


def a_component(name, at, **more):
    return components.add_component(name, by=SYSTEM, at=at - A_YEAR, **more)


def a_group(name, at):
    return components.add_group(name, by=SYSTEM, at=at - A_YEAR)


def an_open_incident(component, at: datetime):
    """Cards declined since 38 minutes before `at`; identified, the next update promised."""
    incident = incidents.open_incident(
        "Card payments declined in Europe",
        UpdateInput(
            status=IncidentStatus.INVESTIGATING,
            body="Some card payments in Europe are being declined. We are looking into it.",
            claims={component: DEGRADED},
            facts=Facts(
                "About 12 % of card payments", "Bank transfers", "Retry, or pay by transfer"
            ),
            next_update_by=at - timedelta(minutes=5),
        ),
        started_at=at - timedelta(minutes=38),
        detected_at=at - timedelta(minutes=34),
        by=SYSTEM,
        at=at - timedelta(minutes=32),
    )
    say(incident, SAID, at - timedelta(minutes=9), component, promise=at + timedelta(minutes=15))
    return incident


def say(incident, body, at, component, claim=PARTIAL, *, promise=None, status=None):
    return incidents.post_update(
        incident,
        UpdateInput(
            status=status or IncidentStatus.IDENTIFIED,
            body=body,
            claims={component: claim},
            next_update_by=promise,
        ),
        by=SYSTEM,
        at=at,
    )


def resolve(incident, at, body="Everything works again."):
    return incidents.post_update(
        incident, UpdateInput(status=IncidentStatus.RESOLVED, body=body), by=SYSTEM, at=at
    )


def a_past_incident(component, started_at, at, *, claim=PARTIAL, minutes=35, name="Slow loads"):
    return incidents.backfill(
        name,
        UpdateInput(
            status=IncidentStatus.RESOLVED,
            body="A slow query was found and fixed.",
            claims={component: claim},
        ),
        Moments(started_at=started_at, resolved_at=started_at + timedelta(minutes=minutes)),
        by=SYSTEM,
        at=at,
    )


def a_maintenance(component, at, start, hours=1):
    return maintenance.schedule(
        "Webhook delivery moves to a new queue",
        UpdateInput(
            status=IncidentStatus.SCHEDULED,
            body="Deliveries may be late.",
            claims={component: maintenance.UNDER_MAINTENANCE},
            facts=Facts("Deliveries up to 5 minutes late; none are lost"),
        ),
        Schedule(scheduled_for=start, scheduled_until=start + timedelta(hours=hours)),
        by=SYSTEM,
        at=at,
    )


def a_postmortem(incident, at):
    postmortem = postmortems.save(
        incident,
        {Part.SUMMARY: "A replica was *read-only*.", Part.ROOT_CAUSE: "Nobody tested failover."},
        [
            Action("Refuse to start a writer on a replica", ActionState.DONE),
            Action("Rehearse failover", due_on=(at + timedelta(days=8)).date()),
        ],
        expected_version=None,
        by=SYSTEM,
        at=at,
    )
    postmortems.publish(postmortem, by=SYSTEM, at=at)
    return postmortem


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
            "/api",
        )


def northwind(committed, at) -> World:
    """Northwind in Vienna: cards fail for some, a resolved incident, a maintenance tomorrow."""
    with committed():
        return _northwind(at)


def _northwind(at) -> World:
    a_page(at)
    web = a_component("Website", at)
    group = a_group("Payments", at)
    cards = a_component("Card payments", at, group=group)
    transfers = a_component("Bank transfers", at, group=group)
    a_component("Search", at, start_date=date(2026, 2, 28))
    quiet = a_group("Account", at)
    a_component("Sign-in", at, group=quiet)
    webhooks = a_component("Webhooks", at)
    opened = an_open_incident(cards, at)
    past = a_past_incident(web, at - timedelta(days=2, hours=3), at)
    a_postmortem(past, at)
    a_past_incident(transfers, at - timedelta(days=120), at, name="Late transfers")
    planned = a_maintenance(webhooks, at, at + timedelta(days=1))
    wrong = a_past_incident(web, at - timedelta(days=5), at, name="Told by mistake")
    corrections.retract(wrong, reason="It belonged to another page.", by=SYSTEM, at=at)
    draft = drafts.create(
        "Nobody may read this", UpdateInput(opened.status, "Secret words."), by=SYSTEM, at=at
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


# ── reading ────────────────────────────────────────────────────────────────────


def text_of(response) -> str:
    """What a reader sees: tags gone, blanks joined."""
    plain = re.sub(r"<(script|style|title)\b.*?</\1>", " ", response.text, flags=re.S)
    plain = re.sub(r"<(?!/?(b|bdi|a|span|time|em|strong|ins|del)\b)[^>]+>", " ", plain)
    plain = re.sub(r"<[^>]+>", "", plain)
    return re.sub(r"\s+", " ", html.unescape(plain))


class Page(HTMLParser):
    """An HTML page taken apart; `errors` lists what a validator would refuse."""

    VOID = frozenset(["meta", "link", "br", "hr", "img", "input"])

    def __init__(self, source: str) -> None:
        super().__init__()
        self.errors: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()
        self.errors += [f"<{tag}> is never closed" for tag in self.open]
        ids = [attributes["id"] for _, attributes in self.tags if "id" in attributes]
        self.errors += [
            f"id {one} stands twice" for one in {one for one in ids if ids.count(one) > 1}
        ]

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        if len(set(names)) != len(names):
            self.errors.append(f"<{tag}> has an attribute twice: {names}")
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.errors.append(f"</{tag}> closes {self.open[-1:] or 'nothing'}")
        else:
            self.open.pop()

    def all(self, *tags):
        return [(tag, attributes) for tag, attributes in self.tags if tag in tags]
