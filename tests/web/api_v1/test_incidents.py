"""Incidents by the Manage API: opened, read and listed."""

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from statuspage.config import PROJECT
from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import corrections, drafts
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.page_settings import PageEdit
from statuspage.domain.statuses import IncidentStatus
from tests.conftest import on_sqlite

RECORDED = json.loads((PROJECT / "tests/samples/statuspage/manage-v1/incident.json").read_text())
RECORDED_UPDATE = json.loads(
    (PROJECT / "tests/samples/statuspage/manage-v1/incident-update.json").read_text()
)


@pytest.fixture
def component(program):
    """`component("API")` makes a component and gives its id."""

    def make(name: str, **rest) -> str:
        return program.post("/components", {"component": {"name": name, **rest}}).json["id"]

    return make


@pytest.fixture
def opened(program):
    """`opened(name="Errors", …)` opens an incident by the API and gives the answer."""

    def make(**fields):
        answer = program.post("/incidents", {"incident": {"name": "Errors", **fields}})
        assert answer.status_code == 201, answer.text
        return answer.json

    return make


def status_of(program, component_id):
    return program.get(f"/components/{component_id}").json["status"]


# ── its shape ──────────────────────────────────────────────────────────────────


def test_opened_incident_has_the_keys_of_statuspage(program, component, opened, page_id):
    api = component("API")
    made = opened(
        body="Requests fail.",
        status="identified",
        component_ids=[api],
        components={api: "partial_outage"},
        impact_override="major",
        metadata={"port": {"runId": "r_1", "n": [1, {"deep": None}]}},
    )
    assert list(made) == list(RECORDED)
    assert list(made["incident_updates"][0]) == list(RECORDED_UPDATE)
    assert list(made["components"][0]) == list(RECORDED["components"][0])
    affected = {"code": api, "name": "API"}
    affected |= {"old_status": "operational", "new_status": "partial_outage"}
    assert list(affected) == list(RECORDED["incident_updates"][0]["affected_components"][0])
    (update,) = made["incident_updates"]
    assert update["affected_components"] == [affected]
    assert (update["body"], update["status"]) == ("Requests fail.", "identified")
    assert (update["display_at"], update["deliver_notifications"]) == (
        "2026-03-10T12:00:00.000Z",
        True,
    )
    assert (made["impact"], made["impact_override"]) == ("major", "major")
    assert made["metadata"] == {"port": {"runId": "r_1", "n": [1, {"deep": None}]}}
    assert made["created_at"] == made["updated_at"] == "2026-03-10T12:00:00Z"
    assert made["page_id"] == page_id
    assert made["shortlink"] == f"https://status.example.com/incidents/{made['id']}"
    assert made["components"][0]["status"] == "partial_outage"
    assert program.get(f"/incidents/{made['id']}").json == made
    assert program.get(f"/incidents/{made['id']}.json").json == made


@on_sqlite
def test_missing_values_are_null_or_empty_as_at_statuspage(opened):
    made = opened()
    nothing = {key: made[key] for key in made if made[key] in (None, False, [], {})}
    recorded_nothing = {key for key in RECORDED if RECORDED[key] in (None, False, [], {})}
    assert recorded_nothing < set(nothing)
    assert made["metadata"] == {}
    assert (made["impact"], made["status"]) == ("none", "investigating")


@on_sqlite
def test_update_without_a_body_has_its_status_as_text(opened):
    for status in ("investigating", "identified", "monitoring", "resolved"):
        (update,) = opened(status=status)["incident_updates"]
        assert update["body"] == IncidentStatus(status).sentence


@on_sqlite
def test_times_are_in_the_page_time_zone(program, opened, committed, at):
    with committed():
        from statuspage.domain import page_settings

        page_settings.edit(page_settings.get(), PageEdit("P", "America/Chicago"), by=SYSTEM, at=at)
    made = opened()
    assert made["created_at"] == "2026-03-10T07:00:00-05:00"
    assert made["incident_updates"][0]["created_at"] == "2026-03-10T07:00:00.000-05:00"


# ── opening ────────────────────────────────────────────────────────────────────


def test_incident_opened_by_a_program_is_public_and_audited(
    program, component, opened, client, app
):
    opened(body="All requests *fail*.", components={component("API"): "major_outage"})
    page = client.get("/").text
    assert "<em>fail</em>" in page
    assert "Major outage" in page
    with app.app_context():
        (event,) = [one for one in events.latest(10) if one.kind == "incident.opened"]
        assert (event.actor_name, event.notify) == ("deployer", True)


@on_sqlite
def test_incident_without_notifications_sends_nothing(opened, app):
    assert not opened(deliver_notifications=False)["incident_updates"][0]["deliver_notifications"]
    with app.app_context():
        (event,) = [one for one in events.latest(10) if one.kind == "incident.opened"]
        assert event.notify is False


@on_sqlite
def test_incident_may_be_created_resolved(program, component, opened):
    api = component("API")
    made = opened(status="resolved", components={api: "major_outage"})
    assert made["resolved_at"] == "2026-03-10T12:00:00Z"
    assert status_of(program, api) == "operational"
    assert program.get("/incidents/unresolved").json == []


@on_sqlite
def test_component_named_without_status_keeps_its_manual_status(program, component, opened):
    api = component("API", status="partial_outage")
    made = opened(component_ids=[api])
    assert status_of(program, api) == "partial_outage"
    assert made["impact"] == "minor"
    program.patch(f"/incidents/{made['id']}", {"incident": {"status": "resolved"}})
    assert status_of(program, api) == "operational"


@on_sqlite
def test_form_accepts_every_component_notation_of_clients(program, component):
    api, web = component("API"), component("Web")
    listed = program.send(
        "POST",
        f"/incidents?incident[name]=Errors&incident[components][]={api}&incident[status]=",
    )
    assert [one["id"] for one in listed.json["components"]] == [api]
    data = {
        "incident[name]": "Errors",
        "incident[component_ids][]": [api, web],
        f"incident[components][{web}]": "degraded_performance",
        f"incident[components][{api}]": "",
        "incident[deliver_notifications]": "false",
        "incident[metadata][jira][key]": "OPS-1",
        "incident[scheduled_for]": "",
    }
    made = program.send("POST", "/incidents.json", data=data).json
    assert [one["status"] for one in made["components"]] == ["operational", "degraded_performance"]
    assert made["incident_updates"][0]["deliver_notifications"] is False
    assert made["metadata"] == {"jira": {"key": "OPS-1"}}


@on_sqlite
def test_reminders_are_returned_as_at_statuspage(opened):
    for sent in ("[1, 5]", [1, 5], "4", 4, "[]", [], None):
        recorded = None if sent is None else str(sent)
        assert opened(reminder_intervals=sent)["reminder_intervals"] == recorded


WRONG = {
    "no name": {"name": ""},
    "a blank name": {"name": " "},
    "a long name": {"name": "x" * 256},
    "a long body": {"body": "x" * 25_001},
    "an unknown status": {"status": "broken"},
    "a step of ours only": {"status": "cancelled"},
    "a postmortem": {"status": "postmortem"},
    "an unknown impact": {"impact_override": "bad"},
    "an unknown component": {"component_ids": ["nothing"]},
    "an unknown component with a status": {"components": {"nothing": "operational"}},
    "an unknown component status": {"components": {"nothing": "green"}},
    "components that are no list": {"components": 5},
    "ids that are numbers": {"component_ids": [1]},
    "metadata that is no object": {"metadata": [1]},
    "metadata of plain values": {"metadata": {"key": "OPS-1"}},
    "a word for a truth value": {"deliver_notifications": "perhaps"},
    "reminders that are words": {"reminder_intervals": "often"},
    "reminders in the past": {"reminder_intervals": [-1]},
    "a window of an incident": {"status": "identified", "scheduled_for": "2026-04-01T10:00:00Z"},
    "maintenance without a window": {"status": "scheduled"},
    "maintenance without an end": {"scheduled_for": "2026-04-01T10:00:00Z"},
    "a window in the past": {
        "scheduled_for": "2026-01-01T10:00:00Z",
        "scheduled_until": "2026-01-01T11:00:00Z",
    },
    "a year beyond years": {
        "scheduled_for": "0001-01-01T00:00:00+14:00",
        "scheduled_until": "9999-12-31T23:59:59-12:00",
    },
    "no time at all": {"status": "scheduled", "scheduled_for": "soon"},
    "a past without a day": {"backfilled": True},
    "a past that lies ahead": {"backfilled": True, "backfill_date": "2026-03-11"},
    "a past with components": {
        "backfilled": True,
        "backfill_date": "2026-03-01",
        "components": {"nothing": "operational"},
    },
}


@on_sqlite
def test_refused_incident_is_a_422_with_a_sentence_and_stores_nothing(program):
    for case, fields in WRONG.items():
        refused = program.post("/incidents", {"incident": {"name": "Errors", **fields}})
        assert refused.status_code == 422, case
        assert len(refused.json["message"]) > 10, case
    assert program.get("/incidents").json == []


@on_sqlite
def test_backfilled_incident_is_resolved_and_sends_nothing(program, opened, app):
    made = opened(backfilled=True, backfill_date="2026-02-03", body="It was down.", status="")
    assert (made["status"], made["resolved_at"]) == ("resolved", "2026-02-03T12:00:00Z")
    (update,) = made["incident_updates"]
    assert update["display_at"] == "2026-02-03T12:00:00.000Z"
    with app.app_context():
        assert not any(event.notify for event in events.latest(10))
    assert made["created_at"] == made["resolved_at"]
    newer = opened()
    assert [incident["id"] for incident in program.get("/incidents").json] == [
        newer["id"],
        made["id"],
    ]
    today = opened(backfilled=True, backfill_date="2026-03-10T09:30:00+01:00")
    assert today["resolved_at"] == "2026-03-10T08:30:00Z"


# ── lists ──────────────────────────────────────────────────────────────────────


@on_sqlite
def test_incidents_are_listed_newest_first_without_drafts(
    program, opened, committed, at, traveller
):
    ids = []
    for name in "ABC":
        ids.insert(0, opened(name=name)["id"])
        traveller.shift(timedelta(minutes=1))
    with committed():
        drafts.create(
            "Draft",
            UpdateInput(IncidentStatus.INVESTIGATING, "Secret"),
            by=SYSTEM,
            at=at,
        )
        drafts.save_update(
            incidents.get(ids[0]),
            UpdateInput(status=IncidentStatus.IDENTIFIED, body="Secret"),
            by=SYSTEM,
            at=at,
        )
    listed = program.get("/incidents").json
    assert [one["id"] for one in listed] == ids
    assert [len(one["incident_updates"]) for one in listed] == [1, 1, 1]
    assert [incident["id"] for incident in program.get("/incidents?limit=2&page=2").json] == ids[2:]
    assert len(program.get("/incidents?limit=10000000000000000000").json) == 3
    assert program.get("/incidents?page=99999999999999999").json == []
    assert program.get("/incidents?q=secret").json == []


def test_incident_lists_hold_what_their_names_say(program, opened):
    ahead = {"scheduled_for": "2026-03-11T10:00:00Z", "scheduled_until": "2026-03-11T12:00:00Z"}
    running = {"scheduled_for": "2026-03-10T10:00:00Z", "scheduled_until": "2026-03-10T14:00:00Z"}
    names = {
        "open": {"status": "monitoring"},
        "over": {"status": "resolved"},
        "planned": {"status": "scheduled", **ahead},
        "running": {"status": "in_progress", **running},
        "checked": {"status": "verifying"},
        "done": {"status": "completed"},
    }
    for name, fields in names.items():
        opened(name=name, **fields)

    def listed(which):
        return {incident["name"] for incident in program.get(f"/incidents{which}").json}

    assert listed("") == set(names)
    assert listed("/unresolved.json") == {"open"}
    assert listed("/scheduled") == {"planned", "running", "checked"}
    assert listed("/upcoming") == {"planned"}
    assert listed("/active_maintenance") == {"running", "checked"}


def test_search_covers_names_statuses_updates_and_postmortems(program, opened):
    first = opened(name="Checkout ÄRGER 100%", body="It is slow.")["id"]
    second = opened(name="Search", body="Elasticsearch is full_up.", status="resolved")["id"]
    program.put(
        f"/incidents/{second}/postmortem", {"postmortem": {"body_draft": "The *Müll* heap."}}
    )

    def found(q):
        answer = program.get("/incidents", query_string={"q": q})
        return {one["id"] for one in answer.json}

    assert found("checkout") == found("100%") == found("slow") == found("investigating") == {first}
    assert found("full_up") == {second}
    assert found("l_up") == {second}
    assert found("%") == {first}
    assert found("Müll") == set()
    program.put(f"/incidents/{second}/postmortem/publish")
    assert found("Müll") == {second}
    assert found(" ") == {first, second}
    assert found("nothing") == set()


def test_list_query_count_is_constant(program, component, opened, app):
    api, web = component("API"), component("Web")

    def queries(path):
        said = []
        with app.app_context():
            engine = db.engine

        def note(*args):
            said.append(args[2])

        sa.event.listen(engine, "before_cursor_execute", note)
        try:
            assert program.get(path).status_code == 200
        finally:
            sa.event.remove(engine, "before_cursor_execute", note)
        return len(said)

    opened(component_ids=[api], body="One")
    program.get("/incidents")  # The use of the token is noted once a minute.
    few = queries("/incidents"), queries("/incidents/unresolved")
    for number in range(4):
        made = opened(name=str(number), components={api: "partial_outage", web: "major_outage"})
        program.patch(f"/incidents/{made['id']}", {"incident": {"body": "More."}})
    assert (queries("/incidents"), queries("/incidents/unresolved")) == few
    assert max(few) <= 16


@on_sqlite
def test_unknown_incident_is_a_404(program):
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        sent = {"json": {"incident": {}}} if method in ("PATCH", "PUT") else {}
        for incident_id in ("nothing", "0" * 64, "'; --"):
            answer = program.send(method, f"/incidents/{incident_id}", **sent)
            assert answer.status_code == 404


@on_sqlite
def test_line_ends_come_back_as_they_were_sent(program, component, opened, client, page_id):
    text = "First line.\r\nSecond line.\r\n\r\n- one\r\n  - two"
    public_id = component("API", description=text)
    assert program.get(f"/components/{public_id}").json["description"] == text
    shown = client.get("/api/v2/components.json").json["components"]
    assert [row["description"] for row in shown] == [text]

    made = opened(body=text, status="investigating")
    assert made["incident_updates"][0]["body"] == text
    read = program.get(f"/incidents/{made['id']}").json
    assert read["incident_updates"][0]["body"] == text
    (public,) = client.get("/api/v2/incidents.json").json["incidents"]
    assert public["incident_updates"][0]["body"] == text
    page = client.get(f"/incidents/{made['id']}").text
    assert "<p>First line.<br>\nSecond line.</p>\n<ul>\n<li>one<ul>\n<li>two</li>" in page


@on_sqlite
def test_a_text_that_differs_in_line_ends_only_is_no_edit(program, opened, app, committed, at):
    made = opened(body="First line.\r\nSecond line.", status="investigating")
    with committed():
        update = incidents.get(made["id"]).updates[0]
        words = {"body": "First line.\nSecond line.", "expected_version": 1}
        corrections.edit_update(update, **words, by=SYSTEM, at=at)
        assert (update.version, update.versions) == (1, [])


def test_the_text_may_be_called_message_as_in_the_api_of_2014(program):
    sent = {"name": "n", "status": "investigating", "message": "Real words."}
    made = program.post("/incidents", {"incident": sent}).json
    assert made["incident_updates"][0]["body"] == "Real words."
    changed = program.patch(
        f"/incidents/{made['id']}",
        data={"incident[message]": "More.", "incident[status]": "identified"},
    ).json
    assert changed["incident_updates"][0]["body"] == "More."
