"""Scheduled maintenance by the Manage API."""

from datetime import timedelta

import pytest

from statuspage.domain import events, page_settings
from statuspage.domain.incidents import maintenance
from tests.conftest import on_sqlite

WINDOW = {"scheduled_for": "2026-03-11T10:00:00Z", "scheduled_until": "2026-03-11T12:00:00Z"}
BY_ITSELF = {"scheduled_auto_in_progress": True, "scheduled_auto_completed": True}


@pytest.fixture
def api(program):
    return program.post("/components", {"component": {"name": "API"}}).json["id"]


@pytest.fixture
def planned(program):
    """`planned(…)` schedules maintenance by the API and gives the answer."""

    def make(**fields):
        sent = {"incident": {"name": "Upgrade", **WINDOW, **fields}}
        answer = program.post("/incidents", sent)
        assert answer.status_code == 201, answer.text
        return answer.json

    return make


@pytest.fixture
def change(program, traveller):
    """`change(incident, status="in_progress", …)` sends a PATCH a minute later."""

    def send(made, **fields):
        traveller.shift(timedelta(minutes=1))
        return program.patch(f"/incidents/{made['id']}", {"incident": fields})

    return send


@pytest.fixture
def tick(committed):
    """One step of the worker, `hours` after the pinned moment."""

    def run(at):
        with committed():
            for public_id in maintenance.due(at=at):
                maintenance.advance(public_id, at=at)

    return run


def status_of(program, component_id):
    return program.get(f"/components/{component_id}").json["status"]


def test_maintenance_with_auto_transitions_starts_and_ends_on_time(
    program, api, planned, tick, at, traveller
):
    made = planned(status="scheduled", component_ids=[api], **BY_ITSELF)
    assert (made["status"], made["impact"]) == ("scheduled", "maintenance")
    assert made["scheduled_for"] == WINDOW["scheduled_for"]
    assert made["scheduled_until"] == WINDOW["scheduled_until"]
    assert (made["scheduled_auto_in_progress"], made["scheduled_auto_completed"]) == (True, True)
    assert made["incident_updates"][0]["body"] == "Maintenance is planned."
    assert status_of(program, api) == "operational"
    traveller.shift(timedelta(hours=22))
    tick(at + timedelta(hours=22))
    running = program.get(f"/incidents/{made['id']}").json
    assert (running["status"], status_of(program, api)) == ("in_progress", "under_maintenance")
    assert program.get("/incidents/active_maintenance").json == [running]
    traveller.shift(timedelta(hours=2))
    tick(at + timedelta(hours=24))
    done = program.get(f"/incidents/{made['id']}").json
    assert (done["status"], status_of(program, api)) == ("completed", "operational")
    assert done["resolved_at"] == WINDOW["scheduled_until"]


@on_sqlite
def test_maintenance_without_auto_transitions_waits_for_the_program(
    program, api, planned, change, tick, at
):
    made = planned(component_ids=[api])
    assert (made["scheduled_auto_in_progress"], made["scheduled_auto_completed"]) == (False, False)
    tick(at + timedelta(hours=23))
    assert program.get(f"/incidents/{made['id']}").json == made
    assert change(made, status="in_progress").json["status"] == "in_progress"
    assert status_of(program, api) == "under_maintenance"
    assert change(made, status="verifying").json["status"] == "verifying"
    done = change(made, status="completed", components={api: "operational"}).json
    assert [update["status"] for update in done["incident_updates"]] == [
        "completed",
        "verifying",
        "in_progress",
        "scheduled",
    ]
    assert status_of(program, api) == "operational"


@on_sqlite
def test_scheduled_auto_transition_sets_both_transitions(planned, change):
    made = planned(scheduled_auto_transition="1")
    assert (made["scheduled_auto_in_progress"], made["scheduled_auto_completed"]) == (True, True)
    seen = change(made, scheduled_auto_completed=False).json
    assert (seen["scheduled_auto_in_progress"], seen["scheduled_auto_completed"]) == (True, False)
    assert seen["incident_updates"] == made["incident_updates"]


@on_sqlite
def test_components_have_their_status_during_maintenance(program, api, planned, change):
    for moves, claimed in (
        (None, "under_maintenance"),
        (True, "under_maintenance"),
        (False, "operational"),
    ):
        stands = {"component_ids": [api]} if moves is None else {"components": {api: "operational"}}
        made = planned(**stands, auto_transition_to_maintenance_state=moves)
        change(made, status="in_progress")
        assert status_of(program, api) == claimed
        change(made, status="completed")
        assert status_of(program, api) == "operational"


@on_sqlite
def test_maintenance_may_claim_a_worse_status(program, api, planned, change):
    made = planned(components={api: "major_outage"})
    assert status_of(program, api) == "operational"
    change(made, status="in_progress")
    assert status_of(program, api) == "major_outage"


@on_sqlite
def test_unused_maintenance_settings_are_returned(program, planned, change):
    kept = {
        "auto_transition_to_operational_state": False,
        "auto_transition_to_maintenance_state": True,
        "auto_transition_deliver_notifications_at_start": True,
        "auto_transition_deliver_notifications_at_end": False,
        "scheduled_remind_prior": True,
    }
    made = planned(**kept, auto_tweet_on_creation=True)
    assert {key: made[key] for key in kept} == kept
    seen = change(made, scheduled_remind_prior=False, metadata={"a": {}}).json
    assert {key: seen[key] for key in kept} == kept | {"scheduled_remind_prior": False}
    assert made["scheduled_reminded_at"] is None


@on_sqlite
@pytest.mark.parametrize("told", [True, False])
def test_program_decides_whether_start_and_end_are_sent(planned, tick, at, app, told):
    quiet = "auto_transition_deliver_notifications_at"
    planned(**BY_ITSELF, **{f"{quiet}_start": told, f"{quiet}_end": not told})
    for hours, is_told in ((22, told), (24, not told)):
        tick(at + timedelta(hours=hours))
        with app.app_context():
            newest = events.latest(1)[0]
            assert (newest.kind, newest.notify) == ("maintenance.update_posted", is_told)


@on_sqlite
def test_moved_window_is_announced_and_a_visible_correction(program, planned, change, client):
    made = planned()
    moved = {"scheduled_for": "2026-03-12T10:00:00Z", "scheduled_until": "2026-03-12T11:00:00Z"}
    seen = change(made, **moved).json
    assert {key: seen[key] for key in moved} == moved
    assert seen["incident_updates"][0]["body"] == (
        "The planned time has changed: 12 Mar, 10:00–11:00 UTC."
    )
    assert "corrected from" in client.get(f"/incidents/{made['id']}").text
    longer = change(made, scheduled_until="2026-03-12T12:30:00+01:00", body="Half an hour more.")
    assert longer.json["incident_updates"][0]["body"] == "Half an hour more."
    assert longer.json["scheduled_until"] == "2026-03-12T11:30:00Z"
    assert change(made, **{**moved, "scheduled_until": "2026-03-12T11:30:00Z"}).json == longer.json


@on_sqlite
def test_one_request_may_extend_and_advance_maintenance(program, planned, change, api):
    made = planned(component_ids=[api])
    seen = change(made, status="in_progress", scheduled_until="2026-03-11T13:00:00Z").json
    assert (seen["status"], seen["scheduled_until"]) == ("in_progress", "2026-03-11T13:00:00Z")
    assert len(seen["incident_updates"]) == 2
    assert status_of(program, api) == "under_maintenance"


@on_sqlite
def test_refused_change_leaves_the_maintenance_unchanged(program, planned, change):
    made = planned()
    for fields in (
        {"scheduled_until": "2026-03-11T09:00:00Z"},
        {"scheduled_until": "2026-03-09T09:00:00Z"},
        {"status": "investigating"},
        {"scheduled_for": "x"},
    ):
        refused = change(made, scheduled_auto_transition=True, **fields)
        assert (refused.status_code, len(refused.json["message"]) > 10) == (422, True), fields
        assert program.get(f"/incidents/{made['id']}").json == made, fields


@on_sqlite
def test_started_maintenance_can_only_move_its_end(planned, change):
    made = planned()
    change(made, status="in_progress")
    refused = change(made, scheduled_for="2026-03-11T09:00:00Z")
    assert refused.status_code == 422
    assert "has started" in refused.json["message"]


@on_sqlite
def test_maintenance_may_be_created_in_progress_or_completed(program, api):
    sent = {"name": "Now", "status": "in_progress", "component_ids": [api]}
    made = program.post("/incidents", {"incident": sent}).json
    assert (made["status"], made["scheduled_for"]) == ("in_progress", "2026-03-10T12:00:00Z")
    assert made["scheduled_until"] is None
    assert status_of(program, api) == "under_maintenance"
    over = {"name": "Past", "status": "completed", **WINDOW}
    past = {key: value.replace("-11T", "-09T") for key, value in WINDOW.items()}
    done = program.post("/incidents", {"incident": over | past}).json
    assert (done["status"], done["resolved_at"]) == ("completed", "2026-03-10T12:00:00Z")


@on_sqlite
def test_cancelled_maintenance_is_completed_for_programs(program, planned, committed, at, change):
    from statuspage.domain.events import SYSTEM
    from statuspage.domain.incidents import verbs as incidents

    made = planned()
    with committed():
        row = incidents.get(made["id"], lock=True)
        maintenance.cancel(row, body="Not today.", by=SYSTEM, at=at)
    seen = program.get(f"/incidents/{made['id']}").json
    assert (seen["status"], seen["incident_updates"][0]["status"]) == ("completed", "completed")
    assert change(made, status="completed", name="Upgrade").json == seen


@on_sqlite
def test_impact_override_is_returned_and_changes_nothing(planned, change):
    made = planned(impact_override="critical")
    assert (made["impact"], made["impact_override"]) == ("maintenance", "critical")
    seen = change(made, impact_override="none").json
    assert (seen["impact"], seen["impact_override"]) == ("maintenance", "none")


@pytest.mark.parametrize("moves", [True, False])
def test_patching_the_transition_changes_what_the_start_does(program, planned, change, api, moves):
    made = planned(component_ids=[api], auto_transition_to_maintenance_state=not moves)
    change(made, auto_transition_to_maintenance_state=moves)
    change(made, status="in_progress")
    assert status_of(program, api) == ("under_maintenance" if moves else "operational")


def test_the_transition_may_be_set_by_the_patch_that_starts(program, planned, change, api):
    made = planned(component_ids=[api], auto_transition_to_maintenance_state=False)
    change(made, status="in_progress", auto_transition_to_maintenance_state=True)
    assert status_of(program, api) == "under_maintenance"


def test_a_stated_component_status_stays_when_the_transition_changes(program, planned, change, api):
    made = planned(components={api: "degraded_performance"})
    change(made, auto_transition_to_maintenance_state=False)
    change(made, status="in_progress")
    assert status_of(program, api) == "degraded_performance"


def test_a_local_time_that_the_clock_skips_is_refused(program, committed, at):
    with committed():
        page_settings.get().time_zone = "Europe/Vienna"
    window = {"scheduled_for": "2027-03-28T02:30:00", "scheduled_until": "2027-03-28T04:30:00"}
    refused = program.post("/incidents", {"incident": {"name": "Upgrade", **window}})
    assert refused.status_code == 422
    assert "This time does not exist in Europe/Vienna: clocks go forward then." in refused.text
    window["scheduled_for"] = "2027-03-28T03:30:00"
    made = program.post("/incidents", {"incident": {"name": "Upgrade", **window}})
    assert made.json["scheduled_for"] == "2027-03-28T03:30:00+02:00"


@on_sqlite
@pytest.mark.parametrize(
    "written",
    [
        "2027-05-01 10:00:00 UTC",
        "2027-05-01 12:00:00 +0200",
        "Sat, 01 May 2027 10:00:00 GMT",
        "Sat, 1 May 2027 08:00:00 -0200",
        "1 May 2027 10:00:00 -0000",
        "2027-05-01T10:00:00Z",
    ],
)
def test_a_window_may_be_written_as_ruby_and_mail_write_it(program, page_id, written):
    sent = {
        "name": "Upgrade",
        "status": "scheduled",
        "scheduled_for": written,
        "scheduled_until": "2027-05-01T11:00:00Z",
    }
    answer = program.post("/incidents", {"incident": sent})
    assert answer.status_code == 201, answer.text
    assert answer.json["scheduled_for"] == "2027-05-01T10:00:00Z"


@pytest.mark.parametrize("written", ["2026-03-11 12:00:00 +0200", "2026-03-11 10:00:00 UTC"])
def test_a_time_may_be_written_as_ruby_writes_it(planned, written):
    assert planned(scheduled_for=written)["scheduled_for"] == WINDOW["scheduled_for"]
