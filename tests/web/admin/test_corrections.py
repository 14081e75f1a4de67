"""Putting right what was told: edits, corrections, retraction, redaction, the past."""

from datetime import UTC, datetime, timedelta

import pytest

from statuspage import clock
from statuspage.domain import events
from statuspage.domain.claims import OPERATIONAL
from statuspage.domain.components import claims_store
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.staff.members import Role
from statuspage.domain.statuses import IncidentStatus
from tests.conftest import on_sqlite
from tests.helpers.admin import fields_of, text_of
from tests.web.admin.test_incidents import affected, an_update


def first_update(stored, public_id):
    return stored(lambda: incidents.get(public_id).updates[-1])


def test_editing_an_update_keeps_the_earlier_text(ann, an_incident, stored):
    public_id = an_incident()
    update = first_update(stored, public_id)
    address = f"/admin/incidents/{public_id}/updates/{update.public_id}/edit"
    form = fields_of(ann.get(address))
    answer = ann.post(address, {**form, "body": "Few payments.", "reason": "Figures came in"})
    assert answer.status_code == 303
    page = text_of(ann.get(f"/admin/incidents/{public_id}"))
    assert "Few payments." in page
    assert "Some card payments are declined." in page
    assert "changed by Ann : Figures came in" in page or "changed by Ann: Figures came in" in page


@on_sqlite
def test_correction_is_sent_only_if_staff_tick_it(ann, an_incident, stored):
    public_id = an_incident()
    update = first_update(stored, public_id)
    address = f"/admin/incidents/{public_id}/updates/{update.public_id}/edit"
    form = fields_of(ann.get(address))
    assert "notify" not in form, "a typo is told to nobody"
    for ticked in ({}, {"notify": "y"}):
        form = fields_of(ann.get(address))
        ann.post(address, {**form, "body": f"Corrected {len(ticked)}.", **ticked})
        assert stored(lambda: events.latest(1)[0]).notify is bool(ticked)


def test_second_editor_sees_both_texts(person, ann, an_incident, stored):
    bob = person(Role.EDITOR, "Bob")
    public_id = an_incident()
    update = first_update(stored, public_id)
    address = f"/admin/incidents/{public_id}/updates/{update.public_id}/edit"
    anns, bobs = fields_of(ann.get(address)), fields_of(bob.get(address))
    assert ann.post(address, {**anns, "body": "Ann's words."}).status_code == 303

    answer = bob.post(address, {**bobs, "body": "Bob's words.", "reason": "Clearer"})
    assert answer.status_code == 409
    page = text_of(answer)
    assert "Ann's words." in page
    assert "Bob's words." in page
    assert first_update(stored, public_id).body == "Ann's words."

    again = bob.post(address, fields_of(answer, address))
    assert again.status_code == 303
    update = first_update(stored, public_id)
    assert update.body == "Bob's words."
    assert [version.body for version in update.versions] == [
        "Some card payments are declined.",
        "Ann's words.",
    ]
    assert update.versions[-1].reason == "Clearer"


def test_editing_name_and_facts_is_a_correction(ann, an_incident, stored):
    public_id = an_incident()
    address = f"/admin/incidents/{public_id}/edit"
    form = fields_of(ann.get(address))
    answer = ann.post(
        address,
        {**form, "name": "EU cards declined", "what_you_can_do": "Wait.", "reason": "Narrower"},
    )
    assert answer.status_code == 303
    incident = stored(lambda: incidents.get(public_id))
    assert (incident.name, incident.what_you_can_do) == ("EU cards declined", "Wait.")
    assert ("name", "Cards declined", "EU cards declined", "Narrower") in [
        (one.field, one.old, one.new, one.reason) for one in incident.corrections
    ]


def test_concurrent_edits_of_facts_conflict(ann, an_incident, stored):
    public_id = an_incident()
    address = f"/admin/incidents/{public_id}/edit"
    form = fields_of(ann.get(address))
    ann.post(address, {**form, "name": "First"})
    answer = ann.post(address, {**form, "nonce": "other", "name": "Second"})
    assert answer.status_code == 409
    assert "First" in answer.text
    assert fields_of(answer, address)["name"] == "Second"


def test_edit_without_a_new_time_keeps_seconds(ann, an_incident, stored, traveller):
    promised = clock.now() + timedelta(minutes=20, seconds=37)
    public_id = an_incident(next_update_by=promised, at=clock.now())
    address = f"/admin/incidents/{public_id}/edit"
    form = fields_of(ann.get(address))
    assert form["next_update_by"] == "2026-03-10T13:20"
    ann.post(address, {**form, "name": "Other name"})
    assert stored(lambda: incidents.get(public_id).next_update_by) == promised


def test_each_moment_can_be_corrected_with_a_reason(ann, world, an_incident, stored):
    public_id = an_incident()
    ann.post(f"/admin/incidents/{public_id}/updates", an_update(world, status="resolved"))
    typed = {
        "started_at": "2026-03-10T10:00",
        "detected_at": "2026-03-10T10:10",
        "told_at": "2026-03-10T10:15",
        "mitigated_at": "2026-03-10T11:00",
        "resolved_at": "2026-03-10T12:30",
    }
    for moment, value in typed.items():
        address = f"/admin/incidents/{public_id}/moments/{moment}"
        assert ann.get(address).status_code == 200
        answer = ann.post(address, {"value": value, "reason": "From the logs"})
        assert answer.status_code == 303, answer.text
    incident = stored(lambda: incidents.get(public_id))
    assert incident.started_at == datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
    assert incident.resolved_at == datetime(2026, 3, 10, 11, 30, tzinfo=UTC)
    assert {one.field for one in incident.corrections} == set(typed)


def test_corrected_moment_requires_a_reason_and_a_past_time(ann, an_incident):
    address = f"/admin/incidents/{an_incident()}/moments/started_at"
    answer = ann.post(address, {"value": "2026-03-10T10:00", "reason": ""})
    assert answer.status_code == 422
    assert 'href="#reason">Give a reason' in answer.text
    answer = ann.post(address, {"value": "2026-03-11T10:00", "reason": "x"})
    assert answer.status_code == 422
    assert 'href="#value">This time is in the future.' in answer.text


def test_skipped_local_hour_is_refused(person, an_incident, traveller):
    traveller.move_to(datetime(2026, 4, 2, 12, tzinfo=UTC))
    ann = person(Role.EDITOR, "Ann")
    address = f"/admin/incidents/{an_incident()}/moments/started_at"
    answer = ann.post(address, {"value": "2026-03-29T02:30", "reason": "x"})
    assert answer.status_code == 422
    assert "does not exist in Europe/Vienna" in answer.text


def test_repeated_local_hour_asks_which_one(person, an_incident, stored, traveller):
    traveller.move_to(datetime(2025, 10, 27, 12, tzinfo=UTC))
    ann = person(Role.EDITOR, "Ann")
    public_id = an_incident()
    address = f"/admin/incidents/{public_id}/moments/started_at"
    form = {"value": "2025-10-26T02:30", "reason": "From the logs"}
    asked = ann.post(address, form)
    assert asked.status_code == 422
    assert "occurs twice" in asked.text
    assert 'name="value-fold"' in asked.text

    assert ann.post(address, {**form, "value-fold": "1"}).status_code == 303
    assert stored(lambda: incidents.get(public_id).started_at) == datetime(
        2025, 10, 26, 1, 30, tzinfo=UTC
    )
    assert ann.post(address, {**form, "value-fold": "0"}).status_code == 303
    assert stored(lambda: incidents.get(public_id).started_at) == datetime(
        2025, 10, 26, 0, 30, tzinfo=UTC
    )


def test_retracted_incident_releases_all_claims_and_gives_the_reason(
    ann, world, an_incident, stored, status_of
):
    public_id = an_incident()
    address = f"/admin/incidents/{public_id}/retract"
    assert "Card payments" in ann.get(address).text
    assert ann.post(address, {"reason": " "}).status_code == 422
    assert ann.post(address, {"reason": "It was a test."}).status_code == 303
    assert status_of(world.cards) == OPERATIONAL
    page = text_of(ann.get(f"/admin/incidents/{public_id}"))
    assert "It was a test." in page
    assert "Publish update" not in page
    assert stored(lambda: incidents.published()) == []


def test_redaction_removes_a_secret_from_every_version(ann, an_incident, stored):
    public_id = an_incident(body="The key is hunter2hunter2, sorry.")
    update = first_update(stored, public_id)
    edit = f"/admin/incidents/{public_id}/updates/{update.public_id}/edit"
    ann.post(edit, {**fields_of(ann.get(edit)), "body": "No key: hunter2hunter2."})
    address = f"/admin/incidents/{public_id}/redact"
    assert ann.post(address, {"words": "hunter2hunter2"}).status_code == 303
    assert "hunter2" not in ann.get(f"/admin/incidents/{public_id}").text
    assert "[redacted]" in ann.get(f"/admin/incidents/{public_id}").text
    refused = ann.post(address, {"words": "nowhere to be found"})
    assert refused.status_code == 422


def test_backfilled_incident_sends_nothing(ann, world, stored, status_of):
    form = {
        "name": "Night of the long query",
        "body": "Nobody noticed but the logs.",
        "started_at": "2026-03-09T22:00",
        "resolved_at": "2026-03-09T23:00",
        **affected(world.api, "major_outage", ""),
    }
    answer = ann.post("/admin/incidents/backfill", form)
    assert answer.status_code == 303
    incident = stored(lambda: incidents.get(answer.location.rpartition("/")[2]))
    assert incident.is_backfilled
    assert incident.status is IncidentStatus.RESOLVED
    assert incident.started_at == datetime(2026, 3, 9, 21, tzinfo=UTC)
    assert not incident.updates[0].notify
    assert status_of(world.api) == OPERATIONAL

    refused = ann.post("/admin/incidents/backfill", {**form, "resolved_at": "2026-03-09T21:00"})
    assert refused.status_code == 422
    assert 'href="#resolved_at">It must end after it started.' in refused.text


@on_sqlite
@pytest.mark.parametrize("field", ["started_at", "resolved_at"])
@pytest.mark.parametrize("sent", ["blank", "missing"])
def test_backfill_refuses_a_missing_time(ann, field, sent):
    form = {
        "name": "Night of the long query",
        "body": "Nobody noticed but the logs.",
        "started_at": "2026-03-09T22:00",
        "resolved_at": "2026-03-09T23:00",
        field: "",
    }
    if sent == "missing":
        del form[field]
    refused = ann.post("/admin/incidents/backfill", form)
    assert refused.status_code == 422
    assert f'href="#{field}">Enter a date and a time.' in refused.text


def test_the_record_of_a_component_can_be_corrected(ann, world, an_incident, stored, at):
    public_id = an_incident()
    ann.post(f"/admin/incidents/{public_id}/updates", an_update(world, status="resolved"))
    page = ann.get(f"/admin/components/{world.cards}")
    row = stored(lambda: claims_store.claims_since(at - timedelta(days=1))[0])
    address = f"/admin/components/{world.cards}/claims/{row.id}"
    assert address in page.text
    form = fields_of(ann.get(address))
    assert form["starts_at"] == "2026-03-10T12:00"
    refused = ann.post(address, {**form, "share": "40 %"})
    assert refused.status_code == 422
    answer = ann.post(address, {**form, "share": "40 %", "reason": "Counted anew"})
    assert answer.status_code == 303
    assert stored(lambda: claims_store.get_claim(row.id).share) == 40
    assert "Counted anew" in ann.get("/admin/audit").text


@on_sqlite
def test_a_retracted_incident_offers_no_postmortem(ann, world, an_incident):
    public_id = an_incident()
    ann.post(f"/admin/incidents/{public_id}/updates", an_update(world, status="resolved"))
    page = f"/admin/incidents/{public_id}"
    assert "Write the postmortem" in ann.get(page).text
    ann.post(f"{page}/retract", {"reason": "A mistake."})
    assert "Write the postmortem" not in ann.get(page).text
