"""Scheduled maintenance in customers' calendars: what is planned, moved, called off and done."""

import itertools
from datetime import UTC, datetime, timedelta

import icalendar
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statuspage.db import db
from statuspage.domain import page_settings
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import corrections, drafts, maintenance
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Facts, IncidentEdit, Schedule, UpdateInput
from statuspage.domain.statuses import IncidentStatus
from tests.conftest import on_sqlite
from tests.helpers import site
from tests.helpers.calendar_rules import check_calendar
from tests.helpers.domain import let_time_pass

SITE = "https://status.example.com"
CALENDAR = "/maintenance.ics"
DAY = timedelta(days=1)

pytestmark = on_sqlite


@pytest.fixture
def northwind(committed, at):
    """A page with two components and nothing planned; their public ids."""
    with committed():
        site.a_page(at)
        group = components.add_group("Payments", by=SYSTEM, at=at)
        return {
            name: site.a_component(name, at, **more).public_id
            for name, more in (("Search", {}), ("Cards, wallets", {"group": group}))
        }


@pytest.fixture
def plan(committed, northwind, at):
    """`plan(…)` announces maintenance of Search for tomorrow; its public id."""

    def announced(name="Database upgrade", **more):
        more.setdefault("body", "We move to a **new** version.")
        start = more.pop("start", at + DAY)
        with committed():
            search = components.get(northwind["Search"])
            keep = maintenance.draft if more.pop("draft", False) else maintenance.schedule
            schedule = Schedule(start, more.pop("end", start + timedelta(hours=1)))
            update = UpdateInput(
                IncidentStatus.SCHEDULED,
                claims={search: maintenance.UNDER_MAINTENANCE},
                **more,
            )
            return keep(name, update, schedule, by=SYSTEM, at=at).public_id

    return announced


def events(client, address=CALENDAR):
    return check_calendar(client.get(address).data, SITE + address)


# ── what stands in it ──────────────────────────────────────────────────────────


def test_maintenance_is_an_event_with_window_text_and_link(client, plan):
    planned = plan(facts=Facts("Nobody; reads go on", None, "Expect; slower, results"))
    (event,) = events(client)
    assert event.text("UID") == f"{planned}@status.example.com"
    assert event.text("SUMMARY") == "Northwind: Database upgrade"
    assert event.raw("DTSTART") == "20260311T120000Z"
    assert event.raw("DTEND") == "20260311T130000Z"
    assert (event.raw("STATUS"), event.raw("TRANSP")) == ("CONFIRMED", "TRANSPARENT")
    assert event.texts("CATEGORIES") == ["Search"]
    assert event.raw("URL") == f"{SITE}/incidents/{planned}"
    assert event.text("DESCRIPTION") == (
        "Scheduled\nAffects: Search\nWho is affected: Nobody; reads go on\n"
        "What you can do: Expect; slower, results\n\n"
        "10 March 2026, 13:00 CET: Scheduled\nWe move to a new version."
    )


def test_calendar_has_its_type_and_allows_other_origins(client, plan):
    plan()
    answer = client.get(CALENDAR)
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8; method=PUBLISH"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Cache-Control"].startswith("public, max-age=15")
    calendar = icalendar.Calendar.from_ical(answer.data)
    assert calendar["X-WR-CALNAME"] == "Northwind maintenance"
    assert calendar.walk("VEVENT")[0].duration == timedelta(hours=1)


def test_empty_calendar_is_valid(client, northwind):
    assert events(client) == []
    assert icalendar.Calendar.from_ical(client.get(CALENDAR).data).walk("VEVENT") == []


def test_calendar_is_a_404_before_setup(client):
    assert client.get(CALENDAR).status_code == 404


def test_calendar_has_only_published_maintenance(client, committed, northwind, plan, at):
    plan("Nobody may read this", draft=True)
    wrong = plan("Told by mistake")
    with committed():
        site.an_open_incident(components.get(northwind["Search"]), at)
        corrections.retract(incidents.get(wrong), reason="Not ours.", by=SYSTEM, at=at)
    assert events(client) == []


def test_past_events_stay_for_ninety_days(client, committed, plan, traveller, at):
    plan()
    with committed():
        let_time_pass(at=at + DAY)
    with committed():
        let_time_pass(at=at + DAY + timedelta(hours=1))
    traveller.move_to(at + 91 * DAY)
    (event,) = events(client)
    assert event.raw("STATUS") == "CONFIRMED"
    assert event.text("DESCRIPTION").startswith("Completed\n")
    traveller.shift(timedelta(hours=2))
    assert events(client) == []


def test_component_has_its_own_calendar(client, committed, northwind, plan, at):
    plan("Later", start=at + 2 * DAY)
    plan("Sooner")
    search, cards = (f"/components/{public_id}.ics" for public_id in northwind.values())
    names = [event.text("SUMMARY") for event in events(client, search)]
    assert names == ["Northwind: Sooner", "Northwind: Later"]
    assert events(client, cards) == []
    name = "X-WR-CALNAME:Northwind maintenance: Payments › Cards\\, wallets\r\n".encode()
    assert name in client.get(cards).data
    with committed():
        components.archive(components.get(northwind["Search"]), by=SYSTEM, at=at)
    assert client.get(search).status_code == 404
    assert client.get("/components/000000000000.ics").status_code == 404


# ── what changes ───────────────────────────────────────────────────────────────


def test_change_raises_the_sequence_of_the_event(client, committed, plan, at):
    planned = plan()
    minutes = itertools.count(1)
    seen = []

    def after(change):
        moment = at + timedelta(minutes=next(minutes))
        with committed():
            change(incidents.get(planned), moment)
        (event,) = events(client)
        seen.append(event)
        return event

    after(lambda one, moment: None)
    moved = after(
        lambda one, moment: maintenance.reschedule(
            one,
            UpdateInput(status=one.status, claims=one.claims, body="Later and longer."),
            scheduled_for=at + 3 * DAY,
            scheduled_until=at + 3 * DAY + timedelta(hours=2),
            by=SYSTEM,
            at=moment,
        )
    )
    assert (moved.raw("DTSTART"), moved.raw("DTEND")) == ("20260313T120000Z", "20260313T140000Z")
    renamed = after(
        lambda one, moment: corrections.edit_incident(
            one,
            IncidentEdit(
                name="Database and search upgrade",
                facts=one.facts,
                next_update_by=None,
                impact_override=None,
            ),
            expected_version=one.version,
            by=SYSTEM,
            at=moment,
        )
    )
    assert renamed.text("SUMMARY") == "Northwind: Database and search upgrade"
    edited = after(
        lambda one, moment: corrections.edit_update(
            one.updates[0], body="Much later.", expected_version=1, by=SYSTEM, at=moment
        )
    )
    assert "Much later." in edited.text("DESCRIPTION")
    cancelled = after(
        lambda one, moment: maintenance.cancel(one, body="Not needed.", by=SYSTEM, at=moment)
    )
    assert cancelled.raw("STATUS") == "CANCELLED"
    assert cancelled.text("SUMMARY") == "Northwind, cancelled: Database and search upgrade"
    assert cancelled.text("DESCRIPTION").startswith("Cancelled\n")

    assert len({event.text("UID") for event in seen}) == 1
    revisions = [int(event.raw("SEQUENCE")) for event in seen]
    assert revisions == sorted(set(revisions)), "each is higher than the one before"
    stamps = [event.moment("DTSTAMP") for event in seen]
    assert stamps == sorted(set(stamps))


def test_start_and_end_raise_the_sequence(client, committed, plan, at):
    plan()
    revisions = []
    for moment in (at, at + DAY, at + DAY + timedelta(hours=1)):
        with committed():
            let_time_pass(at=moment)
        (event,) = events(client)
        revisions.append((event.raw("SEQUENCE"), event.text("DESCRIPTION").partition("\n")[0]))
    assert revisions == [("0", "Scheduled"), ("1", "In progress"), ("2", "Completed")]


def test_redaction_removes_the_secret_and_raises_the_sequence(client, committed, plan, at):
    planned = plan("Upgrade with hunter2secret")
    (before,) = events(client)
    with committed():
        later = at + timedelta(minutes=1)
        corrections.redact(incidents.get(planned), "hunter2secret", by=SYSTEM, at=later)
    (after,) = events(client)
    assert b"hunter2secret" not in client.get(CALENDAR).data
    assert after.raw("SEQUENCE") == before.raw("SEQUENCE")
    assert after.moment("DTSTAMP") > before.moment("DTSTAMP")


def test_unchanged_calendar_keeps_its_bytes(client, committed, plan, traveller, at):
    planned = plan()
    before = client.get(CALENDAR)
    traveller.shift(DAY)
    with committed():
        drafts.save_update(
            incidents.get(planned),
            UpdateInput(status=incidents.get(planned).status, body="Nobody reads this yet."),
            by=SYSTEM,
            at=at + DAY,
        )
    after = client.get(CALENDAR)
    assert after.data == before.data
    unchanged = client.get(CALENDAR, headers={"If-None-Match": before.headers["ETag"]})
    assert (unchanged.status_code, unchanged.data) == (304, b"")


def test_calendar_query_count_is_constant(app, client, plan, at):
    def queries() -> int:
        statements = []

        def listen(*parts):
            statements.append(parts[2])

        with app.app_context():
            engine = db.engine
        sa.event.listen(engine, "before_cursor_execute", listen)
        assert events(client)
        sa.event.remove(engine, "before_cursor_execute", listen)
        return len(statements)

    plan()
    alone = queries()
    for day in range(2, 9):
        plan(f"Upgrade {day}", start=at + day * DAY)
    assert queries() == alone


# ── whatever is written ────────────────────────────────────────────────────────

NASTY = [
    "BEGIN:VEVENT\r\nUID:x",
    "\nEND:VCALENDAR\n",
    "\\n\\;\\,",
    ";,:\"'",
    "\x00\x0b\x1b\x7f\x85",
    "\u2028\u2029\u202e",
    "\ud800\ufffe",
    "🔥👩‍👩‍👧" * 9,
    "ä" * 80,
    "  \t  ",
]
anything = st.one_of(
    st.sampled_from(NASTY), st.text(st.characters(exclude_categories=()), max_size=90)
)
words = st.lists(anything, min_size=1, max_size=3).map(lambda parts: "x " + " ".join(parts))


@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(name=words, body=words, who=words, component=words)
def test_any_text_makes_a_valid_calendar_with_one_event(
    app, client, committed, name, body, who, component
):
    at = datetime(2026, 3, 10, 12, tzinfo=UTC)
    with committed():
        page = page_settings.get() or site.a_page(at)
        row = site.a_component(component, at)
        planned = maintenance.schedule(
            name[:250],
            UpdateInput(
                status=IncidentStatus.SCHEDULED,
                body=body,
                claims={row: maintenance.UNDER_MAINTENANCE},
                facts=Facts(who_is_affected=who[:300]),
            ),
            Schedule(scheduled_for=at, scheduled_until=at + timedelta(microseconds=1_500_000)),
            by=SYSTEM,
            at=at - DAY,
        )
        stored = (planned.name, row.name, page.name)
    try:
        (event,) = events(client)
        said = " ".join(f"{stored[2]}: {stored[0]}".split())
        assert event.text("SUMMARY") == said
        assert event.texts("CATEGORIES") == [" ".join(stored[1].split())]
        (parsed,) = icalendar.Calendar.from_ical(client.get(CALENDAR).data).walk("VEVENT")
        assert str(parsed["SUMMARY"]) == said
    finally:
        with committed():
            corrections.retract(incidents.get(planned.public_id), reason="Next.", by=SYSTEM, at=at)
