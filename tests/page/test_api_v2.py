"""The public API of Statuspage, as a client of theirs asks for it."""

import html
import json
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from statuspage.domain import page_settings
from statuspage.domain.claims import Claim
from statuspage.domain.components import claims_store
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import corrections, drafts, maintenance
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Moment, UpdateInput
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from statuspage.importers.statuspage import history
from statuspage.importers.statuspage.documents import Reading
from tests.conftest import on_sqlite
from tests.helpers import site
from tests.page.feeds.test_feed_properties import same_examples, words
from tests.page.feeds.test_feeds import queries

PAGE = "id name url time_zone updated_at"
COMPONENT = (
    "id name status created_at updated_at position description showcase start_date group_id"
    " page_id group only_show_if_degraded"
)
INCIDENT = (
    "id name status created_at updated_at monitoring_at resolved_at impact shortlink started_at"
    " page_id incident_updates components"
)
UPDATE = (
    "id status body incident_id created_at updated_at display_at affected_components"
    " deliver_notifications custom_tweet tweet_id"
)
DOCUMENTS = {
    "status": "page status",
    "summary": "page components incidents scheduled_maintenances status",
    "components": "page components",
    "incidents": "page incidents",
    "incidents/unresolved": "page incidents",
    "scheduled-maintenances": "page scheduled_maintenances",
    "scheduled-maintenances/upcoming": "page scheduled_maintenances",
    "scheduled-maintenances/active": "page scheduled_maintenances",
}

pytestmark = on_sqlite


@pytest.fixture
def world(committed, at):
    return site.northwind(committed, at)


@pytest.fixture
def ask(client):
    """The document of that name."""

    def asked(name):
        answer = client.get(f"/api/v2/{name}.json")
        assert answer.status_code == 200
        assert answer.content_type == "application/json; charset=utf-8"
        return json.loads(answer.data)

    return asked


# ── shape ──────────────────────────────────────────────────────────────────────


def test_documents_have_their_keys_in_order(ask, world):
    for name, keys in DOCUMENTS.items():
        document = ask(name)
        assert " ".join(document) == keys
        assert " ".join(document["page"]) == PAGE
        for row in document.get("components", []):
            assert " ".join(row) == COMPONENT + (" components" if row["group"] else "")
        for incident in document.get("incidents", []):
            assert " ".join(incident) == f"{INCIDENT} reminder_intervals"
        for window in document.get("scheduled_maintenances", []):
            assert " ".join(window) == f"{INCIDENT} scheduled_for scheduled_until"
        for event in [*document.get("incidents", []), *document.get("scheduled_maintenances", [])]:
            assert {" ".join(update) for update in event["incident_updates"]} == {UPDATE}
            assert {" ".join(row) for row in event["components"]} == {COMPONENT}
    assert list(ask(f"incidents/{world.open}")) == ["page", "incident"]


def test_times_are_in_the_page_time_zone_with_milliseconds(ask, committed, world):
    shown = ask("summary")
    assert shown["page"]["time_zone"] == "Europe/Vienna"
    assert shown["page"]["updated_at"] == "2026-03-10T13:00:00.000+01:00"
    assert shown["incidents"][0]["started_at"] == "2026-03-10T12:22:00.000+01:00"


def test_utc_is_written_as_z(ask, committed, at):
    with committed():
        page_settings.create("Northwind", by=SYSTEM, at=at)
    assert ask("status")["page"]["updated_at"] == "2026-03-10T12:00:00.000Z"


def test_page_without_components_is_operational(ask, committed, at):
    with committed():
        page = page_settings.create("Northwind", by=SYSTEM, at=at)
    shown = ask("summary")
    assert shown["status"] == {"indicator": "none", "description": "All Systems Operational"}
    assert (shown["components"], shown["incidents"]) == ([], [])
    assert shown["page"]["id"] == page.public_id
    assert shown["page"]["url"] == "https://status.example.com"


def test_api_is_a_404_before_setup(client):
    assert client.get("/api/v2/summary.json").status_code == 404


# ── components ─────────────────────────────────────────────────────────────────


def test_components_and_groups_are_sorted_by_position_then_age(ask, world):
    rows = ask("components")["components"]
    assert [(row["position"], row["name"]) for row in rows] == [
        (1, "Website"),
        (1, "Card payments"),
        (1, "Sign-in"),
        (2, "Payments"),
        (2, "Bank transfers"),
        (3, "Search"),
        (4, "Account"),
        (5, "Webhooks"),
    ]


def test_group_lists_its_components_and_has_their_worst_status(ask, world):
    rows = {row["id"]: row for row in ask("components")["components"]}
    group = rows[world.group]
    assert group["components"] == [world.cards, world.transfers]
    assert group["status"] == rows[world.cards]["status"] == "partial_outage"
    assert (group["group"], group["group_id"]) == (True, None)
    assert (rows[world.cards]["group"], rows[world.cards]["group_id"]) == (False, world.group)


def test_component_shown_only_if_degraded_is_hidden_while_operational(ask, committed, at):
    with committed():
        site.a_page(at)
        group = site.a_group("Regions", at)
        shy = site.a_component("Backup", at, only_show_if_degraded=True, group=group)
    assert ask("components")["components"] == []

    with committed():
        claims_store.set_status(shy, site.DEGRADED, by=SYSTEM, at=at)
    rows = ask("components")["components"]
    assert [(row["name"], row["status"]) for row in rows] == [
        ("Regions", "degraded_performance"),
        ("Backup", "degraded_performance"),
    ]


def test_component_updated_at_moves_when_an_incident_releases_it(
    ask, committed, traveller, world, at
):
    traveller.shift(timedelta(minutes=20))
    with committed():
        site.resolve(incidents.get(world.open), at + timedelta(minutes=20))
    (cards,) = (row for row in ask("components")["components"] if row["id"] == world.cards)
    assert cards["status"] == "operational"
    assert cards["updated_at"] == "2026-03-10T13:20:00.000+01:00"


def test_page_status_follows_its_components(ask, committed, at):
    with committed():
        site.a_page(at)
        both = [site.a_component(name, at) for name in ("Search", "Mail")]
    for statuses, indicator, description in (
        ("operational operational", "none", "All Systems Operational"),
        ("operational under_maintenance", "maintenance", "Service Under Maintenance"),
        ("degraded_performance under_maintenance", "minor", "Partially Degraded Service"),
        ("partial_outage partial_outage", "minor", "Minor Service Outage"),
        ("major_outage operational", "major", "Partial System Outage"),
        ("major_outage major_outage", "critical", "Major Service Outage"),
    ):
        with committed():
            for one, status in zip(both, statuses.split(), strict=True):
                component = components.get(one.public_id)
                claims_store.set_status(component, Claim(ComponentStatus(status)), by=SYSTEM, at=at)
        assert ask("status")["status"] == {"indicator": indicator, "description": description}


# ── incidents ──────────────────────────────────────────────────────────────────


def test_open_incident_lists_component_changes_and_statuses(ask, world):
    (incident,) = ask("incidents/unresolved")["incidents"]
    assert (incident["id"], incident["status"], incident["impact"]) == (
        world.open,
        "identified",
        "minor",
    )
    assert incident["shortlink"] == f"https://status.example.com/incidents/{world.open}"
    newest, first = incident["incident_updates"]
    assert newest["body"] == site.SAID
    assert newest["affected_components"] == [
        {
            "code": world.cards,
            "name": "Payments - Card payments",
            "old_status": "degraded_performance",
            "new_status": "partial_outage",
        }
    ]
    assert first["affected_components"][0]["old_status"] == "operational"
    assert {update["incident_id"] for update in (newest, first)} == {world.open}
    (row,) = incident["components"]
    assert row == next(c for c in ask("components")["components"] if c["id"] == world.cards)


def test_drafts_and_retracted_incidents_are_not_listed(client, world):
    for name in [*DOCUMENTS, f"incidents/{world.open}"]:
        text = client.get(f"/api/v2/{name}.json").text
        assert "Nobody may read this" not in text
        assert "Told by mistake" not in text
    for public_id in (world.draft, world.retracted):
        assert client.get(f"/api/v2/incidents/{public_id}.json").status_code == 404


def test_draft_update_is_not_listed(ask, committed, world, at):
    with committed():
        drafts.save_update(
            incidents.get(world.open),
            UpdateInput(status=IncidentStatus.MONITORING, body="Not yet."),
            by=SYSTEM,
            at=at,
        )
    assert len(ask(f"incidents/{world.open}")["incident"]["incident_updates"]) == 2


def test_open_incidents_are_sorted_by_change_and_all_by_creation(ask, committed, at):
    with committed():
        site.a_page(at)
        search = site.a_component("Search", at)
        update = UpdateInput(IncidentStatus.INVESTIGATING, "We look into it.")
        told = [
            incidents.open_incident(name, update, by=SYSTEM, at=at + timedelta(minutes=number))
            for number, name in enumerate(("first", "second", "third"))
        ]
        site.say(told[0], "Still.", at + timedelta(minutes=9), search)
        site.resolve(told[1], at + timedelta(minutes=10))

    def names(document):
        return [incident["name"] for incident in document["incidents"]]

    assert names(ask("summary")) == names(ask("incidents/unresolved")) == ["first", "third"]
    assert names(ask("incidents")) == ["third", "second", "first"]


def test_backfilled_incident_keeps_its_own_dates(ask, world):
    shown = ask("incidents")["incidents"]
    assert [one["name"] for one in shown] == [
        "Card payments declined in Europe",
        "Slow loads",
        "Late transfers",
    ]
    assert shown[1]["created_at"] == shown[1]["started_at"] == "2026-03-08T10:00:00.000+01:00"


def test_incident_lists_components_in_page_order(ask, committed, world, at):
    with committed():
        named = [components.get(one) for one in (world.webhooks, world.transfers, world.cards)]
        one = incidents.open_incident(
            "Everything is slow",
            UpdateInput(
                status=IncidentStatus.INVESTIGATING,
                body="We look into it.",
                claims=dict.fromkeys(named, site.DEGRADED),
            ),
            by=SYSTEM,
            at=at,
        )
    rows = ask(f"incidents/{one.public_id}")["incident"]["components"]
    assert [row["name"] for row in rows] == ["Card payments", "Bank transfers", "Webhooks"]


def test_lists_hold_fifty_entries(ask, committed, world, at):
    with committed():
        website = components.listed()[0]
        for number in range(51):
            site.a_past_incident(website, at - timedelta(days=number + 3), at)
    assert len(ask("incidents")["incidents"]) == 50


def test_monitoring_at_is_the_first_monitoring_update(ask, committed, world, at):
    with committed():
        cards = components.get(world.cards)
        incident = incidents.get(world.open)
        for minutes, step in ((1, "monitoring"), (2, "identified"), (3, "monitoring")):
            when = at + timedelta(minutes=minutes)
            site.say(incident, "Watching.", when, cards, status=IncidentStatus(step))
    shown = ask(f"incidents/{world.open}")["incident"]
    assert shown["monitoring_at"] == "2026-03-10T13:01:00.000+01:00"
    assert shown["resolved_at"] is None


def test_corrected_start_is_served(ask, committed, world, at):
    with committed():
        corrections.correct_moment(
            incidents.get(world.open), Moment.STARTED, at - timedelta(hours=2),
            reason="Logs say so.", by=SYSTEM, at=at,
        )  # fmt: skip
    shown = ask(f"incidents/{world.open}")["incident"]
    assert shown["started_at"] == "2026-03-10T11:00:00.000+01:00"


def test_postmortem_is_the_newest_update_in_markdown(ask, world):
    shown = ask(f"incidents/{world.past}")["incident"]
    newest = shown["incident_updates"][0]
    assert shown["status"] == newest["status"] == "postmortem"
    assert "## Summary\n\nA replica was *read-only*." in newest["body"]
    assert " ".join(newest) == UPDATE


def test_archived_component_is_not_listed_with_an_incident(ask, committed, world, at):
    with committed():
        components.archive(components.get(world.cards), by=SYSTEM, at=at)
    shown = ask(f"incidents/{world.open}")["incident"]
    assert shown["components"] == []
    assert shown["incident_updates"][0]["affected_components"][0]["code"] == world.cards


# ── maintenance ────────────────────────────────────────────────────────────────


def test_maintenance_moves_from_upcoming_to_active_to_all(ask, committed, traveller, world, at):
    def ids(name):
        return [one["id"] for one in ask(name)["scheduled_maintenances"]]

    assert ids("scheduled-maintenances/upcoming") == ids("summary") == [world.planned]
    assert ids("scheduled-maintenances/active") == []
    (one,) = ask("summary")["scheduled_maintenances"]
    assert one["scheduled_for"] == "2026-03-11T13:00:00.000+01:00"
    assert one["started_at"] == one["created_at"] == "2026-03-10T13:00:00.000+01:00"
    assert (one["status"], one["impact"]) == ("scheduled", "maintenance")
    assert one["incident_updates"][0]["affected_components"] == [
        {
            "code": world.webhooks,
            "name": "Webhooks",
            "old_status": "operational",
            "new_status": "operational",
        }
    ]

    traveller.move_to(at + timedelta(days=1))
    with committed():
        maintenance.advance(world.planned, at=at + timedelta(days=1))
    assert ids("scheduled-maintenances/active") == ids("summary") == [world.planned]
    assert ids("scheduled-maintenances/upcoming") == []

    with committed():
        maintenance.advance(world.planned, at=at + timedelta(days=1, hours=1))
    assert ids("scheduled-maintenances/active") == ids("summary") == []
    assert ids("scheduled-maintenances") == [world.planned]


def test_cancelled_maintenance_is_served_as_completed(ask, committed, world, at):
    with committed():
        maintenance.cancel(incidents.get(world.planned), body="Not needed.", by=SYSTEM, at=at)
    assert ask("scheduled-maintenances/upcoming")["scheduled_maintenances"] == []
    assert ask("summary")["scheduled_maintenances"] == []
    (one,) = ask("scheduled-maintenances")["scheduled_maintenances"]
    assert (one["status"], one["incident_updates"][0]["status"]) == ("completed", "completed")
    assert one["resolved_at"] == "2026-03-10T13:00:00.000+01:00"
    assert one["incident_updates"][0]["body"] == "Not needed."


def test_upcoming_maintenance_is_sorted_by_start_before_active(ask, committed, at):
    with committed():
        site.a_page(at)
        search = site.a_component("Search", at)
        for name, start in (("c", 26), ("b", 2), ("a", 1), ("running", 0)):
            one = site.a_maintenance(search, at - timedelta(minutes=5), at + timedelta(hours=start))
            one.name = name
        maintenance.advance(one.public_id, at=at)
    shown = ask("summary")["scheduled_maintenances"]
    assert [one["name"] for one in shown] == ["a", "b", "c", "running"]


# ── transport ──────────────────────────────────────────────────────────────────


def test_api_allows_other_origins_and_conditional_requests(client, world):
    for name in [*DOCUMENTS, f"incidents/{world.open}"]:
        address = f"/api/v2/{name}.json"
        first = client.get(address, headers={"Origin": "https://elsewhere.example"})
        etag = first.headers["ETag"]
        again = client.get(f"{address}?cachebust=1", headers={"If-None-Match": etag})
        head = client.head(address)
        zipped = client.get(address, headers={"Accept-Encoding": "br"})
        assert (first.status_code, again.status_code, head.status_code) == (200, 304, 200)
        assert (again.data, head.data) == (b"", b"")
        assert zipped.headers["Content-Encoding"] == "br"
        for answer in (first, again, head, zipped):
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert "Set-Cookie" not in answer.headers
            assert answer.headers["Cache-Control"].startswith("public, max-age=")


def test_unknown_path_gets_a_json_404(client, world):
    for name in ("v2/nothing.json", "v2/incidents/000000000000.json", "v2", "x/y", "v2/summary"):
        answer = client.get(f"/api/{name}")
        assert answer.status_code == 404
        assert answer.content_type == "application/json; charset=utf-8"
        assert answer.json == {"error": "Not found", "message": "There is nothing at this address."}
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_preflight_request_is_answered(client, world):
    asking = {"Origin": "https://a.example", "Access-Control-Request-Headers": "x-mine"}
    for path in ("/api/v2/summary.json", "/api/v2/nothing.json", "/history.json"):
        answer = client.options(path, headers=asking)
        assert answer.status_code == 204
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "GET" in answer.headers["Access-Control-Allow-Methods"]
        assert "*" in answer.headers["Access-Control-Allow-Headers"]


def test_api_refuses_writes(client, world):
    answer = client.post("/api/v2/summary.json", json={"status": "major_outage"})
    assert answer.status_code == 405
    assert set(answer.json) == {"error", "message"}
    assert "GET" in answer.headers["Allow"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert client.post("/api/v2/nothing.json").status_code == 404


def test_api_query_count_is_constant(app, client, committed, world, at):
    every = [f"/api/v2/{name}.json" for name in [*DOCUMENTS, f"incidents/{world.open}"]]
    every.append("/history.json")
    few = {address: queries(app, client, address) for address in every}
    with committed():
        cards = components.get(world.cards)
        for number in range(9):
            site.a_component(f"Region {number}", at, group=components.groups()[0])
            incident = site.an_open_incident(cards, at)
            incident = site.an_open_incident(cards, at)
            site.resolve(incident, at)
            site.a_maintenance(cards, at, at + timedelta(days=number))
    many = {address: queries(app, client, address) for address in every}

    assert {address: many[address] for address in every if many[address] > few[address]} == {}
    assert few["/api/v2/status.json"] <= 7
    assert max(few.values()) <= 19


def test_api_without_database_and_copy_gets_a_503(client, committed, world):
    with committed() as session:
        session.execute(sa.text("DROP TABLE claim"))
    answer = client.get("/api/v2/summary.json")
    assert answer.status_code == 503
    assert set(answer.json) == {"error", "message"}
    assert answer.headers["Retry-After"] == "30"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


# ── history.json ───────────────────────────────────────────────────────────────


def test_history_json_has_three_months_newest_first(client, world):
    answer = client.get("/history.json")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    months = answer.json["months"]
    assert [(m["name"], m["year"], m["starts_on"], m["days"]) for m in months] == [
        ("March", 2026, 0, 31),
        ("February", 2026, 0, 28),
        ("January", 2026, 4, 31),
    ]
    assert (answer.json["start_time"], answer.json["end_time"]) == (
        "2026-01-01T00:00:00Z",
        "2026-03-31T23:59:59Z",
    )
    assert [incident["code"] for incident in months[0]["incidents"]] == [world.open, world.past]
    assert months[0]["incidents"][1] == {
        "code": world.past,
        "name": "Slow loads",
        "message": "A slow query was found and fixed.",
        "impact": "minor",
        "timestamp": "Mar <var data-var='date'> 8</var>, <var data-var='time'>10:00</var>"
        " - <var data-var='time'>10:35</var> CET",
    }


def test_history_json_continues_before_the_oldest_incident(client, world):
    """Programs read page after page until they find a page of empty months."""
    (november,) = (
        month
        for month in client.get("/history.json?page=2").json["months"]
        if month["name"] == "November"
    )
    assert [incident["name"] for incident in november["incidents"]] == ["Late transfers"]
    older = client.get("/history.json?page=9").json
    assert [month["incidents"] for month in older["months"]] == [[], [], []]
    assert older["months"][0]["name"] == "March"
    refused = client.get("/history.json?page=zero")
    assert refused.status_code == 404
    assert refused.json["error"] == "Not found"


def test_our_own_importer_reads_history_json(client, world):
    recording = history.parse(
        client.get("/history.json").json, Reading("ours"), zone=ZoneInfo("CET")
    )
    past = next(one for one in recording.incidents if one.id == world.past)
    assert past.began_at.isoformat() == "2026-03-08T09:00:00+00:00"
    assert past.last_word_at.isoformat() == "2026-03-08T09:35:00+00:00"


# ── the page about it ──────────────────────────────────────────────────────────


def test_api_page_shows_current_examples(ask, client, world):
    page = client.get("/api").text
    shown = [
        json.loads(html.unescape(text)) for text in re.findall(r"<code>({.*?})</code>", page, re.S)
    ]
    status, component, incident = shown
    assert status == ask("status")
    assert component == ask("components")["components"][0]
    served = ask(f"incidents/{world.open}")["incident"]
    assert list(incident) == list(served)
    assert served["incident_updates"][0]["body"].startswith(
        incident["incident_updates"][0]["body"].rstrip("…")
    )


def test_api_page_links_are_valid(client, world):
    links = set(re.findall(r'<a href="(/[^"#?]*)', client.get("/api").text))
    assert {f"/api/v2/{name}.json" for name in DOCUMENTS} <= links
    assert {path: client.get(path).status_code for path in links} == dict.fromkeys(links, 200)


def test_front_page_links_to_the_api(client, world):
    assert '<a href="/api">API</a>' in client.get("/").text


def test_api_page_before_setup_says_so(client):
    assert client.get("/api").status_code == 503


# ── whatever is written ────────────────────────────────────────────────────────


@same_examples
@given(name=words, body=words, group=words, at_us=st.integers(0, 10**15))
def test_any_text_makes_valid_json(app, client, committed, name, body, group, at_us):
    """And every id and every moment keeps its shape."""
    app.extensions["published"]._entries.clear()  # Earlier examples would slow this one down.
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
    with committed():
        if page_settings.get() is None:
            site.a_page(at)
        one = site.a_component(name, at, group=site.a_group(group, at))
        incidents.open_incident(
            name,
            UpdateInput(status=IncidentStatus.INVESTIGATING, body=body, claims={one: site.MAJOR}),
            by=SYSTEM,
            at=at,
        )
    for address in ("/api/v2/summary.json", "/history.json"):
        answer = client.get(address)
        assert answer.status_code == 200
        hold_shape(json.loads(answer.data.decode("utf-8")))


ID = re.compile(r"[0-9b-df-hj-np-tv-z]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d")


def hold_shape(value, key=""):
    if isinstance(value, dict):
        for name, inner in value.items():
            hold_shape(inner, name)
    elif isinstance(value, list):
        for inner in value:
            hold_shape(inner, key)
    elif value is not None and (key == "id" or key.endswith("_id")) and key != "tweet_id":
        assert ID.fullmatch(value)
    elif value is not None and key.endswith("_at"):
        assert TIME.fullmatch(value)
