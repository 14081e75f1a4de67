"""Maintenance at the desk: announced, begun, checked, ended, moved, called off."""

from datetime import UTC, datetime, timedelta

import pytest

from statuspage import clock
from statuspage.domain.claims import OPERATIONAL
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.staff.members import Role
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from tests.conftest import on_sqlite
from tests.helpers.admin import fields_of, text_of
from tests.helpers.domain import let_time_pass
from tests.web.admin.test_incidents import affected

pytestmark = on_sqlite


def an_announcement(world, **more):
    return {
        "name": "Database upgrade",
        "body": "Short interruptions.",
        "scheduled_for": "2026-03-11T02:00",
        "scheduled_until": "2026-03-11T03:00",
        "auto_start": "y",
        "auto_end": "y",
        "action": "publish",
        **affected(world.api, "under_maintenance", ""),
        **more,
    }


def test_times_are_entered_in_the_page_time_zone(ann, world, stored, status_of):
    assert "In Europe/Vienna." in ann.get("/admin/maintenance/new").text
    answer = ann.post("/admin/maintenance", an_announcement(world))
    assert answer.status_code == 303
    one = stored(lambda: incidents.get(answer.location.rpartition("/")[2]))
    assert one.scheduled_for == datetime(2026, 3, 11, 1, tzinfo=UTC)
    assert one.scheduled_until == datetime(2026, 3, 11, 2, tzinfo=UTC)
    assert (one.auto_start, one.auto_end, one.remind_at) == (True, True, None)
    assert status_of(world.api) == OPERATIONAL, "it has not begun"


def test_reminder_is_sent_unless_staff_disable_it(ann, world, stored):
    form = fields_of(ann.get("/admin/maintenance/new"), "/admin/maintenance")
    assert form["reminds"] == "y"
    answer = ann.post("/admin/maintenance", an_announcement(world, reminds="y"))
    one = stored(lambda: incidents.get(answer.location.rpartition("/")[2]))
    assert one.remind_at == one.scheduled_for - timedelta(hours=1)


def test_window_ending_before_its_start_is_refused_and_kept(ann, world):
    answer = ann.post(
        "/admin/maintenance", an_announcement(world, scheduled_until="2026-03-11T01:00")
    )
    assert answer.status_code == 422
    assert 'href="#scheduled_until">It must end after it starts.' in answer.text
    assert fields_of(answer, "/admin/maintenance")["body"] == "Short interruptions."


def test_window_requires_start_and_end(ann, world):
    answer = ann.post("/admin/maintenance", an_announcement(world, scheduled_for=""))
    assert answer.status_code == 422
    assert 'href="#scheduled_for">Enter a date and a time.' in answer.text


def test_it_is_begun_checked_and_ended_by_hand(
    ann, world, a_maintenance, stored, status_of, traveller
):
    public_id = a_maintenance(auto_start=False, auto_end=False)
    page, address = f"/admin/incidents/{public_id}", f"/admin/incidents/{public_id}/updates"
    seen = []
    traveller.shift(timedelta(days=1))
    for _ in range(3):
        form = fields_of(ann.get(page), address)
        assert ann.post(address, {**form, "action": "publish"}).status_code == 303
        seen.append((form["status"], status_of(world.api).status))
    assert seen == [
        ("in_progress", ComponentStatus.UNDER_MAINTENANCE),
        ("verifying", ComponentStatus.UNDER_MAINTENANCE),
        ("completed", ComponentStatus.OPERATIONAL),
    ]
    assert stored(lambda: incidents.get(public_id).status) is IncidentStatus.COMPLETED


def test_maintenance_can_be_moved_before_and_extended_after_its_start(
    ann, a_maintenance, stored, traveller, committed
):
    public_id = a_maintenance()
    address = f"/admin/maintenance/{public_id}/reschedule"
    moved = {
        "scheduled_for": "2026-03-12T02:00",
        "scheduled_until": "2026-03-12T03:00",
        "body": "One day later.",
    }
    assert ann.post(address, moved).status_code == 303
    assert stored(lambda: incidents.get(public_id).scheduled_for) == datetime(
        2026, 3, 12, 1, tzinfo=UTC
    )
    traveller.move_to(datetime(2026, 3, 12, 1, 30, tzinfo=UTC))
    with committed():
        assert let_time_pass(clock.now())
    form = fields_of(ann.get(address))
    answer = ann.post(
        address, {**form, "scheduled_until": "2026-03-12T05:00", "body": "It takes longer."}
    )
    assert answer.status_code == 303
    assert stored(lambda: incidents.get(public_id).scheduled_until) == datetime(
        2026, 3, 12, 4, tzinfo=UTC
    )
    again = {**form, "nonce": "a new form"}
    refused = ann.post(address, {**again, "scheduled_for": "2026-03-12T02:10", "body": "No."})
    assert refused.status_code == 422
    assert "only its end can change" in text_of(refused)


def test_maintenance_can_be_cancelled(ann, a_maintenance, stored):
    public_id = a_maintenance()
    address = f"/admin/maintenance/{public_id}/cancel"
    assert ann.post(address, {"body": ""}).status_code == 422
    assert ann.post(address, {"body": "Not needed."}).status_code == 303
    assert stored(lambda: incidents.get(public_id).status) is IncidentStatus.CANCELLED


def test_draft_maintenance_is_edited_and_announced(ann, world, stored):
    location = ann.post("/admin/maintenance", an_announcement(world, action="save")).location
    public_id = location.rpartition("/")[2]
    address = f"/admin/maintenance/{public_id}/draft"
    assert ann.get(location).location == address
    form = fields_of(ann.get(address), address)
    assert form["scheduled_for"] == "2026-03-11T02:00"
    form |= {"scheduled_until": "2026-03-11T04:00", "action": "publish"}
    assert ann.post(address, form).status_code == 303
    one = stored(lambda: incidents.get(public_id))
    assert not one.is_draft
    assert one.scheduled_until == datetime(2026, 3, 11, 3, tzinfo=UTC)


@pytest.fixture
def a_draft(ann, world):
    """The id of a maintenance that nobody has announced yet."""
    location = ann.post("/admin/maintenance", an_announcement(world, action="save")).location
    return location.rpartition("/")[2]


def test_draft_maintenance_keeps_all_form_fields(ann, world, a_draft, stored, client):
    address = f"/admin/maintenance/{a_draft}/draft"
    typed = {
        "name": "Network work",
        "body": "Longer interruptions.",
        "scheduled_for": "2026-03-12T02:00",
        "scheduled_until": "2026-03-12T05:30",
        "what_still_works": "Bank transfers",
        "auto_start": "",
        **affected(world.cards, "degraded_performance", "", "EU cards"),
    }
    form = fields_of(ann.get(address), address)
    del form["auto_start"], form["auto_end"], form[f"claim-{world.api}-on"]
    sent = {**form, **typed, f"claim-{world.api}-status": "under_maintenance", "action": "save"}
    del sent["auto_start"]
    assert ann.post(address, sent).status_code == 303

    again = fields_of(ann.get(address), address)
    kept = {name: again[name] for name in typed if name in again}
    assert kept == {name: value for name, value in typed.items() if name != "auto_start"}
    assert not {"auto_start", "auto_end", f"claim-{world.api}-on"} & again.keys()
    one = stored(lambda: incidents.get(a_draft))
    assert one.is_draft
    assert [row.component.public_id for row in one.affected] == [world.cards]
    assert client.get(f"/incidents/{a_draft}").status_code == 404


def test_draft_with_an_invalid_window_is_refused_and_kept(ann, a_draft, stored):
    address = f"/admin/maintenance/{a_draft}/draft"
    form = fields_of(ann.get(address), address)
    for action in ("save", "publish"):
        wrong = {"scheduled_until": "2026-03-11T01:00", "body": "Other words.", "action": action}
        answer = ann.post(address, {**form, **wrong})
        assert answer.status_code == 422
        assert 'href="#scheduled_until">It must end after it starts.' in answer.text
        assert fields_of(answer, address)["body"] == "Other words."
    one = stored(lambda: incidents.get(a_draft))
    assert (one.is_draft, one.updates[0].body) == (True, "Short interruptions.")


def test_announced_maintenance_is_no_longer_a_draft(ann, a_draft, stored):
    address = f"/admin/maintenance/{a_draft}/draft"
    form = fields_of(ann.get(address), address)
    assert ann.post(address, {**form, "action": "publish"}).status_code == 303
    assert ann.get(address).location == f"/admin/incidents/{a_draft}"
    late = {**form, "nonce": "another form", "name": "Something else", "action": "save"}
    answer = ann.post(address, late)
    assert answer.status_code == 422
    assert "post an update instead" in text_of(answer)
    assert stored(lambda: incidents.get(a_draft).name) == "Database upgrade"


def test_viewer_reads_a_draft_and_cannot_change_it(person, ann, a_draft, stored):
    address = f"/admin/maintenance/{a_draft}/draft"
    form = fields_of(ann.get(address), address)
    viewer = person(Role.VIEWER, "Vera")
    assert viewer.get(address).status_code == 200
    assert viewer.post(address, {**form, "name": "Mine", "action": "publish"}).status_code == 403
    one = stored(lambda: incidents.get(a_draft))
    assert (one.name, one.is_draft) == ("Database upgrade", True)


def test_overdue_manual_maintenance_is_on_the_overview(ann, a_maintenance, traveller):
    a_maintenance(auto_start=False)
    traveller.shift(timedelta(days=1, minutes=5))
    assert "Database upgrade Should have started" in text_of(ann.get("/admin/"))
    assert "Needs your action" in text_of(ann.get("/admin/maintenance"))


def test_maintenance_list_is_searched_by_name(ann, a_maintenance):
    a_maintenance("Database upgrade")
    a_maintenance("Network work")
    page = text_of(ann.get("/admin/maintenance?q=network"))
    assert "Network work" in page
    assert "Database upgrade" not in page


def test_announced_maintenance_offers_no_early_start(ann, a_maintenance):
    public_id = a_maintenance()
    form = fields_of(
        ann.get(f"/admin/incidents/{public_id}"), f"/admin/incidents/{public_id}/updates"
    )
    assert form["status"] == "scheduled"
    assert form["body"] == ""


def test_completing_maintenance_before_it_starts_asks_first(ann, a_maintenance, stored):
    public_id = a_maintenance()
    sent = {"status": "completed", "body": "Done already.", "action": "publish"}
    address = f"/admin/incidents/{public_id}/updates"
    assert "To publish “Completed” now" in text_of(ann.post(address, sent))
    assert ann.post(address, {**sent, "starts_early": "y"}).status_code == 303
    done = stored(lambda: incidents.get(public_id))
    assert done.started_at == done.resolved_at == clock.now()


def test_starting_maintenance_early_asks_first(ann, world, a_maintenance, stored, client):
    public_id = a_maintenance()
    address = f"/admin/incidents/{public_id}/updates"
    sent = {
        "status": "in_progress",
        "body": "We start now.",
        "action": "publish",
        **affected(world.api, "under_maintenance", ""),
    }
    refused = ann.post(address, sent)
    assert refused.status_code == 422
    assert (
        "planned to start 11 Mar 13:00 Europe/Vienna, in 1 day. To publish “In progress” now, tick"
        in text_of(refused)
    )
    form = fields_of(refused, address)
    assert (form["status"], form["body"]) == ("in_progress", "We start now.")
    assert "starts_early" not in form
    assert stored(lambda: incidents.get(public_id).status) is IncidentStatus.SCHEDULED

    assert ann.post(address, {**sent, "starts_early": "y"}).status_code == 303
    begun = stored(lambda: incidents.get(public_id))
    assert begun.status is IncidentStatus.IN_PROGRESS
    assert begun.started_at == clock.now()
    assert begun.scheduled_for == clock.now() + timedelta(days=1)
    page = text_of(client.get("/"))
    assert "Scheduled maintenance until 11 Mar, 14:00 CET" in page
    assert "Started 13:00 CET" in page
