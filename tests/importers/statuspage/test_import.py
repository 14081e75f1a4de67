"""`flask import statuspage`: recorded pages of GitHub and DigitalOcean, brought in and held
against the recordings."""

import functools
import http.server
import json
import re
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from statuspage.config import PROJECT
from statuspage.db import db
from statuspage.demo import seed as demo
from statuspage.domain import page_settings
from statuspage.domain.claims import Claim, effective
from statuspage.domain.components import claims_store
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM, Event
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Incident, IncidentUpdate, UpdateInput
from statuspage.domain.statuses import ComponentStatus, IncidentKind, IncidentStatus
from tests.conftest import on_sqlite

SAMPLES = PROJECT / "tests/samples/statuspage"
SUMMARIES = sorted(SAMPLES.glob("*/summary-*.json"))
FEEDS = sorted([*SAMPLES.glob("*/*.atom"), *SAMPLES.glob("*/*.rss")])
ATOM = "{http://www.w3.org/2005/Atom}"


def name_of(path):
    return f"{path.parent.name}/{path.name}"


@pytest.fixture
def bring(app, tmp_path, traveller):
    """`bring(*files)` imports copies of them from a folder of their own."""

    def run(*files, options=()):
        folder = tmp_path / "given"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for number, file in enumerate(files):
            if isinstance(file, Path):
                shutil.copy(file, folder / file.name)
            else:
                (folder / f"{number}.json").write_text(
                    file if isinstance(file, str) else json.dumps(file)
                )
        return app.test_cli_runner().invoke(args=["import", "statuspage", str(folder), *options])

    traveller.move_to(datetime(2026, 9, 1, 12, tzinfo=UTC))
    return run


def load(name):
    return json.loads((SAMPLES / name).read_text())


def moment(words):
    return datetime.fromisoformat(words) if words else None


def statuses_now():
    """Public id → effective status of each component on the page."""
    spans = {}
    for row in db.session.scalars(sa.select(claims_store.ComponentClaim)):
        spans.setdefault(row.component_id, []).append(row.span)
    at = datetime(2026, 9, 1, 12, tzinfo=UTC)
    return {
        one.public_id: effective(spans.get(one.id, []), at).status for one in components.listed()
    }


def everything():
    """All rows of all tables."""
    return {
        table.name: sorted(map(repr, db.session.execute(sa.select(table))))
        for table in db.metadata.sorted_tables
    }


# ── JSON ───────────────────────────────────────────────────────────────────────


@on_sqlite
@pytest.mark.parametrize("path", SUMMARIES, ids=name_of)
def test_components_have_the_status_their_page_showed(app, bring, path):
    result = bring(path)

    assert result.exit_code == 0, result.output
    told = json.loads(path.read_text())["components"]
    with app.app_context():
        assert statuses_now() == {one["id"]: one["status"] for one in told if not one["group"]}


@on_sqlite
@pytest.mark.parametrize("path", SUMMARIES, ids=name_of)
def test_components_and_groups_keep_their_fields(app, bring, path):
    bring(path)

    told = json.loads(path.read_text())["components"]
    with app.app_context():
        for one in told:
            row = (components.get_group if one["group"] else components.get)(one["id"])
            assert row.name == one["name"].strip()
            assert row.description == one["description"]
            assert row.position == one["position"]
            assert row.created_at == moment(one["created_at"])
            assert row.updated_at == moment(one["updated_at"])
            if not one["group"]:
                assert (row.group.public_id if row.group else None) == one["group_id"]
                assert row.showcase == one["showcase"]
                assert row.only_show_if_degraded == one["only_show_if_degraded"]
                assert str(row.start_date or "") == (one["start_date"] or "")


@on_sqlite
@pytest.mark.parametrize(
    "path", [*SUMMARIES, SAMPLES / "github" / "incidents-resolved-5.json"], ids=name_of
)
def test_incidents_keep_ids_times_texts_and_order(app, bring, path):
    bring(path)

    document = json.loads(path.read_text())
    with app.app_context():
        for told in [*document["incidents"], *document.get("scheduled_maintenances", [])]:
            row = incidents.get(told["id"])
            assert row.name == told["name"].strip()
            assert row.status == told["status"]
            assert row.impact == told["impact"]
            assert row.kind == ("maintenance" if "scheduled_for" in told else "incident")
            assert row.shortlink == told["shortlink"]
            assert row.reminder_intervals == told.get("reminder_intervals")
            assert row.mitigated_at == moment(told["monitoring_at"])
            for field in ("created_at", "updated_at", "resolved_at"):
                assert getattr(row, field) == moment(told[field])
            # Theirs is when a maintenance was announced; ours, when the work begins.
            assert row.announced_at == moment(told["started_at"])
            assert row.started_at == moment(told.get("scheduled_for") or told["started_at"])
            for field in ("scheduled_for", "scheduled_until"):
                assert getattr(row, field) == moment(told.get(field))
            assert [as_recorded(one) for one in row.updates] == [
                expected(one) for one in told["incident_updates"]
            ]


def as_recorded(row):
    return (
        row.public_id,
        row.status,
        row.body,
        row.posted_at,
        row.created_at,
        row.updated_at,
        row.notify,
        row.tweet_id,
        row.custom_tweet,
        [
            (one.component.public_id, one.name, one.old_status, one.new_status)
            for one in row.changes
        ],
    )


def expected(told):
    return (
        told["id"],
        told["status"],
        told["body"],
        moment(told["display_at"]),
        moment(told["created_at"]),
        moment(told["updated_at"]),
        told["deliver_notifications"],
        told["tweet_id"],
        told["custom_tweet"],
        [
            tuple(one[key] for key in ("code", "name", "old_status", "new_status"))
            for one in told["affected_components"] or []
        ],
    )


@on_sqlite
def test_html_in_a_recording_is_sanitised_and_returned_unchanged(app, bring):
    page = load("github/summary-3-unresolved-incidents.json")
    body = 'Line one<br />line two <a href="https://example.com">here</a> '
    body += "<script>alert(1)</script> a < b"
    page["incidents"][0]["incident_updates"][0]["body"] = body

    bring(page)

    with app.app_context():
        update = incidents.get(page["incidents"][0]["id"]).updates[0]
        assert update.body == body
        assert "Line one<br>line two" in update.body_html
        assert 'href="https://example.com"' in update.body_html
        assert "<script" not in update.body_html
        assert "a &lt; b" in update.body_html


@on_sqlite
def test_status_without_an_incident_becomes_a_manual_status(app, bring):
    bring(SAMPLES / "github" / "summary-9-of-11-major-outage.json")

    with app.app_context():
        standing = {
            one.name: claims_store.standing(one).status
            for one in components.listed()
            if claims_store.standing(one)
        }
        assert list(standing.values()) == [ComponentStatus.MAJOR_OUTAGE]


@on_sqlite
def test_claim_worse_than_the_page_ends_at_the_import(app, bring):
    page = load("github/summary-11-of-11-degraded.json")
    page["components"][0]["status"] = "operational"

    bring(page)

    with app.app_context():
        assert statuses_now()[page["components"][0]["id"]] == "operational"
        assert sorted(set(statuses_now().values())) == ["degraded_performance", "operational"]


@on_sqlite
def test_claims_follow_recorded_changes_and_end_with_the_incident(app, bring):
    bring(SAMPLES / "github" / "incidents-resolved-5.json")

    with app.app_context():
        for told in load("github/incidents-resolved-5.json")["incidents"]:
            row = incidents.get(told["id"])
            claims = claims_store.claims_of([row.id])
            assert claims
            assert min(one.starts_at for one in claims) >= row.started_at
            assert max(one.ends_at for one in claims) <= row.resolved_at
            said = {
                one["new_status"]
                for update in told["incident_updates"]
                for one in update["affected_components"] or []
            }
            assert {one.status for one in claims} <= said


# ── feeds ──────────────────────────────────────────────────────────────────────


def entries(path):
    """(id, name, HTML, published) of each entry."""
    root = etree.parse(path).getroot()
    if root.tag == "rss":
        return [
            (
                item.findtext("link").rpartition("/")[2],
                item.findtext("title"),
                item.findtext("description"),
            )
            for item in root.iterfind("channel/item")
        ]
    return [
        (
            entry.find(f"{ATOM}link").get("href").rpartition("/")[2],
            entry.findtext(f"{ATOM}title"),
            entry.findtext(f"{ATOM}content"),
        )
        for entry in root.iterfind(f"{ATOM}entry")
    ]


@on_sqlite
@pytest.mark.parametrize("path", FEEDS, ids=name_of)
def test_feed_becomes_incidents_with_ordered_updates(app, bring, path):
    result = bring(path)

    assert result.exit_code == 0, result.output
    with app.app_context():
        told = entries(path)
        assert db.session.scalar(sa.select(sa.func.count(Incident.id))) == len(told)
        for public_id, name, html in told:
            row = incidents.get(public_id)
            assert row.name == name.strip()
            parts = re.split(r"<p>\s*<small>", html)[1:]
            assert len(row.updates) == len(parts)
            for update, part in zip(row.updates, parts, strict=True):
                label = re.search("<strong>(.*?)</strong> - ", part)
                day, time = re.findall("<var[^>]*>(.*?)</var>", part)[:2]
                month = part.split()[0]
                assert update.posted_at.strftime("%b %d %H:%M") == (
                    f"{month} {int(day):02d} {time}"
                )
                assert (
                    update.body == part[label.end() :].strip().removesuffix("</p>").strip().strip()
                )
                if label[1] != "Update":
                    assert update.status.label == label[1]
            assert row.status == row.updates[0].status
            assert (row.resolved_at is not None) == row.is_over
            planned = "<strong>Scheduled</strong>" in html
            assert row.kind == ("maintenance" if planned else "incident")


def one_entry(published, body):
    return f"""<feed xmlns="http://www.w3.org/2005/Atom">
      <updated>{published}</updated><author><name>Example</name></author>
      <link rel="alternate" href="https://status.example.com"/>
      <entry><published>{published}</published><updated>{published}</updated>
      <link rel="alternate" href="https://status.example.com/incidents/abc123"/>
      <title>Slow pages</title><content type="html">{body.replace("<", "&lt;")}</content>
      </entry></feed>"""


def line(day, time, zone, label):
    month, number = day.split()
    return (
        f"<p><small>{month} <var data-var='date'>{number}</var>,"
        f" <var data-var='time'>{time}</var> {zone}</small><br>"
        f"<strong>{label}</strong> - Words.</p>"
    )


@on_sqlite
def test_feed_years_and_zones_follow_from_the_entry(app, bring):
    """Across new year, and where the clocks went back between two updates."""
    body = (
        line("Jan  1", "00:30", "PST", "Resolved")
        + line("Dec 31", "23:50", "PST", "Update")
        + line("Oct 31", "23:50", "PDT", "Investigating")
    )

    result = bring(one_entry("2021-01-01T00:30:12-08:00", body))

    assert result.exit_code == 0, result.output
    with app.app_context():
        row = incidents.get("abc123")
        assert [one.posted_at.isoformat() for one in row.updates] == [
            "2021-01-01T08:30:12+00:00",
            "2021-01-01T07:50:00+00:00",
            "2020-11-01T06:50:00+00:00",
        ]
        assert [one.status for one in row.updates] == [
            "resolved",
            "investigating",
            "investigating",
        ]


@on_sqlite
def test_feed_adds_later_updates_to_a_recorded_incident(app, bring):
    bring(SAMPLES / "github" / "summary-critical-35-updates.json")
    result = bring(
        SAMPLES / "github" / "summary-critical-35-updates.json",
        SAMPLES / "github" / "history-2026.atom",
    )

    assert result.exit_code == 0, result.output
    with app.app_context():
        row = incidents.get("zkxwbgr0cnmx")
        assert row.status is IncidentStatus.RESOLVED
        assert row.impact == "critical"
        assert len(row.updates) > 35
        assert not any(one.ends_at is None for one in claims_store.claims_of([row.id]))


@on_sqlite
def test_maintenance_window_is_read_from_the_feed(app, bring):
    bring(SAMPLES / "github" / "history-with-scheduled-event.atom")

    with app.app_context():
        row = incidents.get("67vdd3b7d1zq")
        assert row.kind is IncidentKind.MAINTENANCE
        assert row.scheduled_for.isoformat() == "2025-05-28T16:30:00+00:00"
        assert row.scheduled_until.isoformat() == "2025-05-29T16:30:00+00:00"


# ── a whole folder, again and again ────────────────────────────────────────────


@pytest.mark.parametrize(
    ("folder", "counts"),
    [
        (
            "github",
            "0 groups, 12 components, 71 incidents, 12 maintenances, 434 updates",
        ),
        (
            "digitalocean",
            "17 groups, 239 components, 48 incidents, 13 maintenances, 210 updates",
        ),
    ],
)
def test_folder_is_imported_and_a_repeat_changes_nothing(app, client, traveller, folder, counts):
    traveller.move_to(datetime(2026, 9, 1, 12, tzinfo=UTC))
    runner = app.test_cli_runner()
    first = runner.invoke(args=["import", "statuspage", str(SAMPLES / folder)])
    assert first.exit_code == 0, first.output
    assert f"Read {counts}, " in first.output
    with app.app_context():
        before = everything()
        assert len(before["event"]) == 1

    second = runner.invoke(args=["import", "statuspage", str(SAMPLES / folder)])

    assert "Nothing has changed" in second.output
    with app.app_context():
        assert everything() == before
    for address in ("/", "/history", "/history.atom", "/history.rss", "/uptime"):
        assert client.get(address).status_code == 200, address


@on_sqlite
@pytest.mark.parametrize("path", [*SUMMARIES, *FEEDS], ids=name_of)
def test_repeating_any_recording_changes_nothing(app, bring, path):
    bring(path)
    with app.app_context():
        before = everything()

    result = bring(path)

    assert "Nothing has changed" in result.output
    with app.app_context():
        assert everything() == before


@on_sqlite
def test_newer_recording_updates_what_changed(app, bring):
    older, newer = (
        SAMPLES / "github" / "summary-critical-35-updates.json",
        SAMPLES / "github" / "summary-all-operational.json",
    )
    bring(older)

    result = bring(newer)

    assert "no source contains its end" in result.output
    assert "(1): zkxwbgr0cnmx" in result.output
    with app.app_context():
        assert set(statuses_now().values()) == {ComponentStatus.OPERATIONAL}
        assert incidents.get("zkxwbgr0cnmx").is_over
        before = everything()
    assert "Nothing has changed" in bring(newer).output
    assert "Nothing has changed" in bring(older).output
    with app.app_context():
        assert everything() == before


@on_sqlite
def test_text_edited_at_statuspage_becomes_a_revision(app, bring):
    page = load("github/summary-3-unresolved-incidents.json")
    bring(page)
    incident = page["incidents"][0]
    update = incident["incident_updates"][0]
    old, update["body"] = update["body"], "Better words."
    for one in (page["page"], incident, update):
        one["updated_at"] = "2026-02-09T18:00:00.000Z"

    bring(page)

    with app.app_context():
        row = incidents.get(incident["id"]).updates[0]
        assert row.body == "Better words."
        assert [one.body for one in row.versions] == [old]
        assert row.edited_at == datetime(2026, 2, 9, 18, tzinfo=UTC)


@on_sqlite
def test_local_changes_survive_an_import(app, bring, committed, traveller):
    page = load("github/summary-3-unresolved-incidents.json")
    bring(page)
    public_id = page["incidents"][0]["id"]
    with committed():
        incidents.post_update(
            incidents.get(public_id),
            UpdateInput(status=IncidentStatus.RESOLVED, body="Over, we say."),
            by=SYSTEM,
            at=datetime(2026, 9, 1, 12, tzinfo=UTC),
        )
    page["page"]["updated_at"] = page["incidents"][0]["updated_at"] = "2026-09-02T00:00:00.000Z"

    result = bring(page)

    assert f"changed here since the import; not overwritten (1): {public_id}" in result.output
    with app.app_context():
        assert incidents.get(public_id).updates[0].body == "Over, we say."


@on_sqlite
def test_removed_component_is_archived_with_its_history(app, bring):
    page = load("github/summary-critical-35-updates.json")
    bring(page)
    gone = next(one for one in page["components"] if one["status"] != "operational")
    page["components"].remove(gone)
    page["incidents"] = []
    page["page"]["updated_at"] = "2026-08-30T00:00:00.000Z"

    bring(page)

    with app.app_context():
        assert components.get(gone["id"]).archived_at is not None
        assert gone["id"] not in statuses_now()
        assert incidents.get("zkxwbgr0cnmx").updates


# ── what is told ───────────────────────────────────────────────────────────────


def test_import_is_one_event_without_notifications(app, bring):
    bring(SAMPLES / "digitalocean" / "summary-tweet-id.json")

    with app.app_context():
        (event,) = db.session.scalars(sa.select(Event))
        assert event.kind == "page.imported"
        assert not event.notify
        assert event.data["written"]["component"] == 205
        assert page_settings.get().name == "DigitalOcean"
        tweets = sa.select(IncidentUpdate.tweet_id).where(IncidentUpdate.tweet_id.is_not(None))
        assert all(tweet > 2**53 for tweet in db.session.scalars(tweets))


@on_sqlite
def test_unsupported_data_is_reported(bring):
    page = load("github/summary-all-operational.json")
    page["page"]["favourite_colour"] = "green"
    page["components"][0]["automation_email"] = "x@example.com"

    result = bring(page)

    assert "page field 'favourite_colour' is not imported (1): kctbh9vrtdwd" in result.output
    assert "component field 'automation_email' is not imported (1): 8l4ygp009s5s" in result.output


@on_sqlite
def test_database_with_another_page_is_left_alone(app, bring, committed):
    with committed():
        demo.seed(at=datetime(2026, 9, 1, tzinfo=UTC))
    with app.app_context():
        before = everything()

    result = bring(SAMPLES / "github" / "summary-all-operational.json")

    assert result.exit_code == 1
    assert "This database already holds a page (Brambleway)" in result.output
    with app.app_context():
        assert everything() == before


def broken(change):
    page = load("github/summary-3-unresolved-incidents.json")
    change(page)
    return page


def second_page(page):
    page["page"]["time_zone"] = "Mars/Olympus"


UNREADABLE = {
    "no JSON": "{",
    "HTML": "<html><body>Sign in</body></html>",
    "an entity bomb": '<!DOCTYPE x [<!ENTITY a "b">]><feed>&a;</feed>',
    "a page without a name": broken(lambda page: page["page"].update(name=7)),
}
PARTLY_UNREADABLE = {
    "a feed without updates": one_entry("2021-01-01T00:30:12Z", "<p>Hello</p>"),
    "an unknown status in a feed": one_entry(
        "2021-01-01T00:30:12Z", line("Jan  1", "00:30", "UTC", "Exploded")
    ),
    "a day that is none": one_entry(
        "2021-01-01T00:30:12Z", line("Feb 31", "00:30", "UTC", "Resolved")
    ),
    "unknown status": broken(lambda page: page["components"][0].update(status="green")),
    "a time without zone": broken(
        lambda page: page["incidents"][0].update(created_at="2026-01-01T00:00:00")
    ),
    "a time beyond reach": broken(
        lambda page: page["incidents"][0].update(created_at="9999-12-31T23:59:59-14:00")
    ),
    "an id twice": broken(lambda page: page["components"].append(page["components"][0])),
    "an update of two incidents": broken(
        lambda page: page["incidents"][1]["incident_updates"].append(
            page["incidents"][0]["incident_updates"][0]
        )
    ),
    "an unknown zone": broken(second_page),
    "an empty name": broken(lambda page: page["incidents"][0].update(name=" ")),
}


@on_sqlite
@pytest.mark.parametrize(
    ("content", "options"),
    [
        *((content, []) for content in UNREADABLE.values()),
        *((content, ["--strict"]) for content in (UNREADABLE | PARTLY_UNREADABLE).values()),
    ],
    ids=[*UNREADABLE, *(f"strict: {name}" for name in UNREADABLE | PARTLY_UNREADABLE)],
)
def test_what_can_not_be_read_is_refused_in_one_sentence_and_nothing_is_written(
    app, bring, content, options
):
    result = bring(content, load("github/summary-all-operational.json"), options=options)

    assert result.exit_code == 1
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert re.fullmatch(r"(Importing\n)?Error: [^\n]+\n", result.output), result.output
    with app.app_context():
        assert not any(everything()[name] for name in ("page", "incident", "component", "event"))


@on_sqlite
@pytest.mark.parametrize("content", PARTLY_UNREADABLE.values(), ids=PARTLY_UNREADABLE)
def test_import_leaves_out_and_reports_a_part_that_cannot_be_read(bring, content):
    result = bring(content)

    assert result.exit_code == 0, result.output
    assert "cannot be read and is left out: " in result.output


ODD_VALUES = [
    (("page", "time_zone"), None, "page.time_zone: "),
    (("page", "time_zone"), "Pacific Time (US & Canada)", "page.time_zone: "),
    (("components", 0, "position"), None, "component.position: "),
    (("components", 0, "showcase"), None, "component.showcase: "),
    (("components", 0, "only_show_if_degraded"), None, "component.only_show_if_degraded: "),
    (("components", 0, "description"), 7, "component.description: "),
    (("components", 0, "name"), " ", "component: name: "),
    (("components", 0, "name"), "n" * 1001, "component: name: "),
    (("components", 0, "status"), "on_fire", "component: status: "),
    (("incidents", 0, "shortlink"), "javascript:alert(1)", "incident.shortlink: "),
    (("incidents", 0, "incident_updates", 0, "body"), None, "incident.incident_updates: body: "),
    (
        ("incidents", 0, "incident_updates", 0, "status"),
        "exploded",
        "incident.incident_updates: status: ",
    ),
    (("incidents", 0, "impact"), "huge", "incident: impact: "),
    (("incidents", 0, "status"), "exploded", "incident: status: "),
    (("incidents", 1), None, "incident: "),
    (("scheduled_maintenances",), None, "scheduled_maintenances is not a list"),
]


@on_sqlite
@pytest.mark.parametrize(("path", "value", "reason"), ODD_VALUES)
def test_import_leaves_out_the_smallest_part_around_an_odd_value(app, bring, path, value, reason):
    page = load("github/summary-3-unresolved-incidents.json")
    spoil(page, path, value)

    result = bring(page)

    assert result.exit_code == 0, result.output
    assert f"cannot be read and is left out: {reason}" in result.output
    with app.app_context():
        rows = everything()
        is_component = reason.startswith("component: ")
        is_incident = reason.startswith("incident: ")
        assert len(components.listed()) == len(page["components"]) - is_component
        assert len(rows["incident"]) == 3 - is_incident
        assert page_settings.get().time_zone == "Etc/UTC"
    assert "Nothing has changed" in bring(page).output
    assert bring(page, options=["--strict"]).exit_code == 1


@on_sqlite
def test_import_leaves_out_an_odd_value_beside_one_that_is_nested_deeply(app, bring):
    page = load("github/summary-3-unresolved-incidents.json")
    deep = []
    for _ in range(700):
        deep = [deep]
    page["incidents"][0] |= {"something": deep, "reminder_intervals": {}}

    result = bring(page)

    assert result.exit_code == 0, result.output
    assert "incident.reminder_intervals: " in result.output
    with app.app_context():
        assert incidents.get(page["incidents"][0]["id"]) is not None


@on_sqlite
def test_import_takes_reminder_intervals_as_a_list_and_incidents_without_components(app, bring):
    page = load("github/summary-3-unresolved-incidents.json")
    incident_id = page["incidents"][0]["id"]
    page["incidents"][0]["reminder_intervals"] = [1, 5]
    page["incidents"][0]["components"] = None

    result = bring(page, options=["--strict"])

    assert result.exit_code == 0, result.output
    with app.app_context():
        assert incidents.get(incident_id).reminder_intervals == "[1, 5]"


@on_sqlite
def test_import_reads_pages_of_2017_whose_updates_name_no_component(app, bring):
    page = load("github/summary-3-unresolved-incidents.json")
    update = page["incidents"][0]["incident_updates"][0]
    update["affected_components"] = [{"name": "No components were affected by this update."}]

    result = bring(page, options=["--strict"])

    assert result.exit_code == 0, result.output
    with app.app_context():
        row = incidents.get(page["incidents"][0]["id"])
        assert [one.changes for one in row.updates if one.public_id == update["id"]] == [[]]


@on_sqlite
def test_a_part_that_became_unreadable_is_neither_archived_nor_ended(app, bring):
    page = load("github/summary-3-unresolved-incidents.json")
    bring(page)
    component_id, incident_id = page["components"][0]["id"], page["incidents"][0]["id"]
    page["components"][0]["status"] = page["incidents"][0]["status"] = "exploded"
    page["page"]["updated_at"] = "2026-08-30T00:00:00.000Z"

    result = bring(page)

    assert result.exit_code == 0, result.output
    with app.app_context():
        assert components.get(component_id).archived_at is None
        assert not incidents.get(incident_id).is_over


@on_sqlite
def test_line_ends_of_texts_are_given_back_as_recorded(client, bring):
    page = load("github/summary-3-unresolved-incidents.json")
    page["components"][0]["description"] = "One\r\ntwo"
    page["incidents"][0]["incident_updates"][0]["body"] = "We are\r\n\r\nlooking."

    bring(page)

    summary = client.get("/api/v2/summary.json").json
    by_id = {component["id"]: component for component in summary["components"]}
    assert by_id[page["components"][0]["id"]]["description"] == "One\r\ntwo"
    update = next(
        update
        for incident in summary["incidents"]
        for update in incident["incident_updates"]
        if update["id"] == page["incidents"][0]["incident_updates"][0]["id"]
    )
    assert update["body"] == "We are\r\n\r\nlooking."


def a_maintenance(**fields):
    """A page with one scheduled maintenance, announced as Statuspage does."""
    page = load("github/summary-all-operational.json")
    component = next(one for one in page["components"] if not one["group"])
    page["scheduled_maintenances"] = [
        {
            "id": "plannedwork1",
            "name": "Database work",
            "status": "scheduled",
            "created_at": "2026-08-01T10:00:00.000Z",
            "updated_at": "2026-08-01T10:00:00.000Z",
            "impact": "maintenance",
            "started_at": "2026-08-01T10:00:00.000Z",
            "scheduled_for": "2026-09-01T13:00:00.000Z",
            "scheduled_until": "2026-09-01T15:00:00.000Z",
            "incident_updates": [
                {
                    "id": "announcement",
                    "status": "scheduled",
                    "body": "We replace a disk.",
                    "created_at": "2026-08-01T10:00:00.000Z",
                    "updated_at": "2026-08-01T10:00:00.000Z",
                    "display_at": "2026-08-01T10:00:00.000Z",
                    "affected_components": [
                        {
                            "code": component["id"],
                            "name": component["name"],
                            "old_status": "operational",
                            "new_status": "operational",
                        }
                    ],
                }
            ],
            "components": [component],
        }
        | fields
    ]
    return page, component["id"]


@on_sqlite
def test_imported_maintenance_puts_its_components_under_maintenance_when_started(
    app, bring, committed
):
    page, component_id = a_maintenance()
    assert bring(page).exit_code == 0
    with app.app_context():
        assert statuses_now()[component_id] == "operational"
    with committed():
        row = incidents.get("plannedwork1")
        incidents.post_update(
            row,
            UpdateInput(status=IncidentStatus.IN_PROGRESS, body="It begins.", claims=row.claims),
            by=SYSTEM,
            at=datetime(2026, 9, 1, 11, tzinfo=UTC),
        )
    with app.app_context():
        assert statuses_now()[component_id] == "under_maintenance"


@on_sqlite
def test_an_imported_incident_lists_the_components_of_its_recording(app, client, bring):
    page, component_id = a_maintenance()
    other = next(
        one for one in page["components"] if not one["group"] and one["id"] != component_id
    )
    first = page["scheduled_maintenances"][0]["incident_updates"][0]
    change = {"code": other["id"], "name": other["name"]}
    change |= {"old_status": "operational", "new_status": "operational"}
    second = first | {
        "id": "second",
        "display_at": "2026-08-02T10:00:00.000Z",
        "affected_components": first["affected_components"],
    }
    first["affected_components"] = [*first["affected_components"], change]
    page["scheduled_maintenances"][0]["incident_updates"].insert(0, second)

    bring(page)

    told = client.get("/api/v2/summary.json").json["scheduled_maintenances"][0]
    assert [one["id"] for one in told["components"]] == [component_id]
    assert "Nothing has changed" in bring(page).output

    page["page"]["updated_at"] = "2026-08-31T00:00:00.000Z"
    page["scheduled_maintenances"][0]["components"] = [other]
    bring(page)
    told = client.get("/api/v2/summary.json").json["scheduled_maintenances"][0]
    assert [one["id"] for one in told["components"]] == [other["id"]]


@on_sqlite
def test_a_postmortem_in_a_feed_does_not_move_its_incident_to_another_year(app, bring):
    html = line("Dec 26", "09:00", "UTC", "Postmortem") + line("Dec 24", "10:30", "UTC", "Resolved")
    html += line("Dec 24", "08:00", "UTC", "Investigating")
    entry = one_entry("2013-12-24T10:30:12Z", html)
    entry = re.sub(
        r"(<feed.*?<updated>)[^<]*", r"\g<1>2014-03-01T00:00:00Z", entry, count=1, flags=re.S
    )

    result = bring(entry)

    assert result.exit_code == 0, result.output
    with app.app_context():
        (row,) = incidents.published()
        assert row.started_at == datetime(2013, 12, 24, 8, 0, tzinfo=UTC)
        assert row.resolved_at == datetime(2013, 12, 24, 10, 30, 12, tzinfo=UTC)
        assert row.updates[0].posted_at == datetime(2013, 12, 26, 9, tzinfo=UTC)


@on_sqlite
def test_recordings_of_two_pages_are_not_mixed(bring):
    result = bring(
        SAMPLES / "github" / "summary-all-operational.json",
        SAMPLES / "digitalocean" / "summary-tweet-id.json",
    )
    assert result.exit_code == 1
    assert "two pages: " in result.output


@on_sqlite
@pytest.mark.parametrize("source", ["nowhere", "."])
def test_folder_without_recordings_is_refused(app, tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    result = app.test_cli_runner().invoke(args=["import", "statuspage", source])
    assert result.exit_code == 1
    assert source in result.output


@on_sqlite
def test_other_file_is_named_and_skipped(app, bring):
    result = bring([1, 2], {"months": "none"}, SAMPLES / "github" / "summary-all-operational.json")

    assert result.exit_code == 0, result.output
    assert "not data of a Statuspage page (2): 0.json, 1.json" in result.output


@on_sqlite
@pytest.mark.parametrize("path", [*SUMMARIES, *FEEDS], ids=name_of)
def test_single_file_equals_a_folder_with_it(app, bring, path):
    runner = app.test_cli_runner()
    alone = runner.invoke(args=["import", "statuspage", str(path)])
    assert alone.exit_code == 0, alone.output

    assert "Nothing has changed" in bring(path).output


HISTORY = {
    "months": [
        {
            "name": "January",
            "year": 2026,
            "starts_on": 4,
            "days": 31,
            "incidents": [
                {
                    "code": "slowpages001",
                    "name": "Slow pages",
                    "message": "This incident has been resolved.",
                    "impact": "major",
                    "timestamp": "Dec <var data-var='date'>31</var>, <var data-var='time'>23:17"
                    "</var> - Jan <var data-var='date'> 1</var>, <var data-var='time'>01:30"
                    "</var> UTC",
                },
                {
                    "code": "kz4khcgdsfdv",
                    "name": "Known from elsewhere",
                    "message": "Less than is known.",
                    "impact": "minor",
                    "timestamp": "Jan <var data-var='date'>2</var>, <var data-var='time'>00:17"
                    "</var> - <var data-var='time'>01:30</var> UTC",
                },
            ],
        }
    ]
}


@on_sqlite
def test_history_adds_only_missing_incidents(app, bring):
    files = (HISTORY, SAMPLES / "github" / "summary-9-of-11-major-outage.json")

    result = bring(*files)

    assert result.exit_code == 0, result.output
    assert "contains only the last update; the earlier ones are missing (1): slowpages001" in (
        result.output
    )
    with app.app_context():
        row = incidents.get("slowpages001")
        assert row.impact == "major"
        assert row.started_at == datetime(2025, 12, 31, 23, 17, tzinfo=UTC)
        assert row.resolved_at == datetime(2026, 1, 1, 1, 30, tzinfo=UTC)
        assert [one.body for one in row.updates] == ["This incident has been resolved."]
        assert incidents.get("kz4khcgdsfdv").name != "Known from elsewhere"
    assert "Nothing has changed" in bring(*files).output


@on_sqlite
def test_history_page_has_three_months_newest_first(app, bring):
    day = "<var data-var='date'>10</var>"
    hours = "<var data-var='time'>00:17</var> - <var data-var='time'>01:30</var> UTC"
    row = {
        "code": "n8766lc3ybbs",
        "name": "Slow pages",
        "message": "This incident has been resolved.",
        "impact": "none",
        "timestamp": f"Aug {day}, {hours}",
    }
    history = {
        "months": [
            {"name": "September", "year": 2024, "starts_on": 0, "days": 30, "incidents": []},
            {"name": "August", "year": 2024, "starts_on": 4, "days": 31, "incidents": [row]},
            {"name": "July", "year": 2024, "starts_on": 1, "days": 31, "incidents": []},
        ],
        "show_component_filter": True,
        "component_filter": None,
    }

    result = bring(history, SAMPLES / "github" / "summary-all-operational.json")

    assert result.exit_code == 0, result.output
    with app.app_context():
        found = incidents.get("n8766lc3ybbs")
        assert (found.name, found.impact) == ("Slow pages", "none")
        assert found.started_at == datetime(2024, 8, 10, 0, 17, tzinfo=UTC)
        assert found.resolved_at == datetime(2024, 8, 10, 1, 30, tzinfo=UTC)


@on_sqlite
def test_maintenance_without_a_recorded_end_ends_as_scheduled(app, bring):
    bring(
        SAMPLES / "digitalocean" / "summary-groups-mixed-maintenances.json",
        SAMPLES / "digitalocean" / "summary-groups-all-operational.json",
    )

    with app.app_context():
        row = incidents.get("4k500h2lyjhv")
        assert row.status is IncidentStatus.COMPLETED
        assert row.resolved_at == row.scheduled_until


@on_sqlite
def test_text_too_large_to_render_is_shown_plain(app, bring):
    page = load("github/summary-3-unresolved-incidents.json")
    page["incidents"][0]["incident_updates"][0]["body"] = body = "[" * 30_000

    result = bring(page)

    assert result.exit_code == 0, result.output
    with app.app_context():
        update = incidents.get(page["incidents"][0]["id"]).updates[0]
        assert update.body == body
        assert update.body_html == f"<p>{body}</p>"


# ── a live address ─────────────────────────────────────────────────────────────


@pytest.fixture
def live(tmp_path):
    """A page behind a real socket: its folder and its address."""
    root = tmp_path / "live"
    (root / "api" / "v2").mkdir(parents=True)
    handler = functools.partial(QuietHandler, directory=root)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield root, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@on_sqlite
def test_live_page_is_imported_by_url(app, live, traveller):
    root, address = live
    recorded = SAMPLES / "github"
    api = root / "api" / "v2"
    shutil.copy(recorded / "summary-all-operational.json", api / "summary.json")
    shutil.copy(recorded / "incidents-resolved-5.json", api / "incidents.json")
    shutil.copy(recorded / "history-2026.atom", root / "history.atom")

    result = app.test_cli_runner().invoke(args=["import", "statuspage", f"{address}/"])

    assert result.exit_code == 0, result.output
    with app.app_context():
        assert set(statuses_now().values()) == {ComponentStatus.OPERATIONAL}
        assert incidents.get("9tpgqq1h4bs7") is not None
        assert incidents.get("zkxwbgr0cnmx") is not None


@on_sqlite
def test_url_without_a_statuspage_is_refused(app, live):
    root, address = live
    runner = app.test_cli_runner()

    missing = runner.invoke(args=["import", "statuspage", address])
    assert missing.exit_code == 1
    assert "has no api/v2/summary.json" in missing.output

    (root / "api" / "v2" / "summary.json").write_text("<!doctype html><p>Hello")
    other = runner.invoke(args=["import", "statuspage", address])
    assert other.exit_code == 1
    assert "Error: " in other.output

    unreachable = runner.invoke(args=["import", "statuspage", "http://127.0.0.1:9/"])
    assert unreachable.exit_code == 1
    assert "cannot be read: no connection" in unreachable.output


@on_sqlite
def test_import_refuses_a_redirect_to_another_host(app, live):
    root, address = live
    shutil.copy(
        SAMPLES / "github" / "summary-all-operational.json", root / "api" / "v2" / "summary.json"
    )

    class Redirecting(QuietHandler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", f"{address}{self.path}")
            self.end_headers()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    runner = app.test_cli_runner()
    other_name = runner.invoke(
        args=["import", "statuspage", f"http://localhost:{server.server_port}"]
    )
    same_name = runner.invoke(
        args=["import", "statuspage", f"http://127.0.0.1:{server.server_port}"]
    )
    server.shutdown()
    thread.join()
    server.server_close()

    assert other_name.exit_code == 1
    assert f"redirects to {address}/api/v2/summary.json: import from there." in other_name.output
    assert same_name.exit_code == 0, same_name.output


@on_sqlite
def test_a_live_page_may_answer_a_missing_document_with_a_web_page(app, live):
    root, address = live
    shutil.copy(
        SAMPLES / "github" / "summary-all-operational.json", root / "api" / "v2" / "summary.json"
    )
    (root / "history.json").write_text("<!DOCTYPE html><p>Not here")

    result = app.test_cli_runner().invoke(args=["import", "statuspage", address])

    assert result.exit_code == 0, result.output
    assert "the page does not have it (4): " in result.output


# ── anything at all ────────────────────────────────────────────────────────────

TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2026, 8, 1), timezones=st.just(UTC)).map(
    lambda at: at.isoformat(timespec="milliseconds")
)
STATUS = st.sampled_from([one.value for one in ComponentStatus])
NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=20)


@st.composite
def summaries(draw):
    """Any page whose recording is well formed, however odd its story."""
    parts = [
        {
            "id": f"c{number}",
            "name": draw(NAMES),
            "status": draw(STATUS),
            "created_at": "2019-01-01T00:00:00.000Z",
            "updated_at": draw(TIMES),
            "position": draw(st.integers(0, 9)),
        }
        for number in range(draw(st.integers(1, 4)))
    ]
    ids = [one["id"] for one in parts]
    made = [draw(stories(number, ids)) for number in range(draw(st.integers(0, 3)))]
    return {
        "page": {
            "id": "p",
            "name": draw(NAMES),
            "url": "https://example.com",
            "time_zone": "Etc/UTC",
            "updated_at": "2026-08-02T00:00:00.000Z",
        },
        "components": parts,
        "incidents": [one for one in made if "scheduled_for" not in one],
        "scheduled_maintenances": [one for one in made if "scheduled_for" in one],
        "status": {"indicator": "none", "description": ""},
    }


@st.composite
def stories(draw, number, ids):
    is_planned = draw(st.booleans())
    steps = ["scheduled", "in_progress", "verifying", "completed"]
    if not is_planned:
        steps = ["investigating", "identified", "monitoring", "resolved"]
    times = sorted(draw(st.lists(TIMES, min_size=1, max_size=5)))
    updates = [
        {
            "id": f"u{number}-{index}",
            "status": draw(st.sampled_from(steps)),
            "body": draw(st.text(max_size=30)).encode("utf-8", "ignore").decode(),
            "created_at": at,
            "updated_at": at,
            "display_at": at,
            "affected_components": [
                {"code": one, "name": one, "old_status": draw(STATUS), "new_status": draw(STATUS)}
                for one in draw(st.lists(st.sampled_from(ids), unique=True))
            ],
        }
        for index, at in enumerate(times)
    ]
    story = {
        "id": f"i{number}",
        "name": draw(NAMES),
        "status": updates[-1]["status"],
        "created_at": times[0],
        "updated_at": times[-1],
        "impact": "maintenance" if is_planned else draw(st.sampled_from(["none", "critical"])),
        "started_at": times[0],
        "incident_updates": updates[::-1],
    }
    if updates[-1]["status"] in ("resolved", "completed"):
        story["resolved_at"] = times[-1]
    return story | ({"scheduled_for": times[0], "scheduled_until": times[-1]} if is_planned else {})


AGAIN = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def forget_all(app):
    with app.app_context():
        for table in reversed(db.metadata.sorted_tables):
            db.session.execute(table.delete())
        db.session.commit()


@on_sqlite
@AGAIN
@given(page=summaries())
def test_any_page_is_imported_with_the_statuses_it_showed(app, bring, page):
    forget_all(app)

    result = bring(page)

    assert result.exit_code == 0, result.output
    with app.app_context():
        assert statuses_now() == {one["id"]: one["status"] for one in page["components"]}
        before = everything()
    assert "Nothing has changed" in bring(page).output
    with app.app_context():
        assert everything() == before


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.just([]), st.just({}), st.just("2026-13-45T99:99:99Z"), st.just("\x00"), st.just(10**30),
)  # fmt: skip


def places(value, path=()):
    """The path of every value in a document."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in parts:
        if isinstance(part, dict | list):
            yield from places(part, (*path, key))
        else:
            yield (*path, key)


MUTABLE = load("github/summary-3-unresolved-incidents.json")
PLACES = [path for path in places(MUTABLE) if path]


@on_sqlite
@AGAIN
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), JUNK), min_size=1, max_size=3))
def test_damaged_recording_is_never_half_imported(app, bring, changes):
    forget_all(app)
    page = json.loads(json.dumps(MUTABLE))
    for path, junk in changes:
        spoil(page, path, junk)

    result = bring(json.dumps(page))

    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    with app.app_context():
        events = everything()["event"]
        if not any(path[0] == "page" for path, _ in changes):
            assert result.exit_code == 0, result.output
        if result.exit_code == 0:
            assert len(events) == 1
        else:
            assert result.exit_code == 1
            assert not any(everything()[name] for name in ("page", "incident", "component"))


def spoil(document, path, junk):
    for key in path[:-1]:
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return  # An earlier change took that place away.
    try:
        document[path[-1]] = junk
    except (IndexError, TypeError):
        return


@on_sqlite
def test_manual_status_survives_an_import(app, bring, committed):
    page = load("github/summary-all-operational.json")
    bring(page)
    public_id = page["components"][0]["id"]
    with committed():
        claims_store.set_status(
            components.get(public_id),
            Claim(ComponentStatus.MAJOR_OUTAGE),
            by=SYSTEM,
            at=datetime(2026, 9, 1, 12, tzinfo=UTC),
        )

    bring(page)

    with app.app_context():
        assert statuses_now()[public_id] == "major_outage"
