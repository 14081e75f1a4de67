"""People at the desk, each with a browser of their own, and things for them to work on."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest

from statuspage import clock
from statuspage.domain import page_settings
from statuspage.domain.claims import Claim, effective
from statuspage.domain.components import claims_store
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import drafts, maintenance
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Schedule, UpdateInput
from statuspage.domain.staff import members as staff
from statuspage.domain.staff.members import Role
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from tests.helpers.admin import Browser


@dataclass
class World:
    """Public ids of what stands on the page."""

    cards: str
    transfers: str
    api: str
    group: str


@pytest.fixture
def world(committed, at):
    """A page in Vienna with a group of two components and one beside it."""
    with committed():
        page_settings.create("Northwind", time_zone="Europe/Vienna", by=SYSTEM, at=at)
        group = components.add_group("Payments", by=SYSTEM, at=at)
        cards = components.add_component("Card payments", group=group, by=SYSTEM, at=at)
        transfers = components.add_component("Bank transfers", group=group, by=SYSTEM, at=at)
        api = components.add_component("API", by=SYSTEM, at=at)
        return World(cards.public_id, transfers.public_id, api.public_id, group.public_id)


@pytest.fixture
def person(app, committed, world):
    """`person(Role.EDITOR, "Ann")`: the browser of somebody who has signed in by link."""

    def sign_in(role, name):
        with committed():
            email = f"{name.lower()}@example.com"
            member = staff.create(
                email, name=name, role=role, password=None, by=SYSTEM, at=clock.now()
            )
            token = staff.create_sign_in_link(member, at=clock.now())
        browser = Browser(app)
        assert browser.post(f"/admin/sign-in/{token}").status_code == 303
        return browser

    return sign_in


@pytest.fixture
def ann(person):
    return person(Role.EDITOR, "Ann")


@pytest.fixture
def owner(person):
    return person(Role.OWNER, "Olga")


@pytest.fixture
def visitor(app):
    return Browser(app)


@pytest.fixture
def an_incident(committed, world):
    """`an_incident(name=…)` opens one that claims card payments; returns its id."""

    def open_it(name="Cards declined", body="Some card payments are declined.", **more):
        with committed():
            claims = more.pop(
                "claims", {world.cards: Claim(ComponentStatus.PARTIAL_OUTAGE, Decimal(12))}
            )
            claims = {components.get(one): claim for one, claim in claims.items()}
            status = more.pop("status", IncidentStatus.INVESTIGATING)
            when = {name: more.pop(name) for name in ("started_at", "detected_at") if name in more}
            by = more.pop("by", SYSTEM)
            at = more.pop("at", clock.now() - timedelta(hours=1))
            keep = drafts.create if more.pop("draft", False) else incidents.open_incident
            update = UpdateInput(status, body, claims, **more)
            return keep(name, update, by=by, at=at, **when).public_id

    return open_it


@pytest.fixture
def a_maintenance(committed, world):
    """`a_maintenance()` announces one of tomorrow; returns its id."""

    def announce(name="Database upgrade", **more):
        with committed():
            api = components.get(world.api)
            now = clock.now()
            more.setdefault("scheduled_for", now + timedelta(days=1))
            more.setdefault("scheduled_until", now + timedelta(days=1, hours=1))
            keep = maintenance.draft if more.pop("draft", False) else maintenance.schedule
            update = UpdateInput(
                more.pop("status", IncidentStatus.SCHEDULED),
                "Short interruptions.",
                {api: maintenance.UNDER_MAINTENANCE},
            )
            return keep(name, update, Schedule(**more), by=SYSTEM, at=now).public_id

    return announce


@pytest.fixture
def stored(app):
    """`stored(lambda: …)` asks the domain in a session of its own."""

    def ask(question):
        with app.app_context():
            return question()

    return ask


@pytest.fixture
def status_of(stored):
    """How a component stands now."""

    def ask(public_id):
        def question():
            component = components.get(public_id)
            rows = claims_store.claims_since(clock.now())
            spans = [row.span for row in rows if row.component_id == component.id]
            return effective(spans, clock.now())

        return stored(question)

    return ask
