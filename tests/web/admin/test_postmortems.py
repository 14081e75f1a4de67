"""Postmortems at the desk: written, reviewed, published, edited, their actions followed."""

import pytest

from statuspage.domain.incidents import postmortems
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.postmortems import ActionState, PostmortemState
from statuspage.domain.staff.members import Role
from statuspage.domain.statuses import IncidentStatus
from tests.conftest import on_sqlite
from tests.helpers.admin import fields_of, text_of
from tests.web.admin.test_incidents import an_update

pytestmark = on_sqlite


@pytest.fixture
def resolved(ann, world, an_incident):
    public_id = an_incident()
    ann.post(f"/admin/incidents/{public_id}/updates", an_update(world, status="resolved"))
    return public_id


def of(stored, public_id):
    return stored(lambda: postmortems.of(incidents.get(public_id)))


def filled(ann, address):
    form = fields_of(ann.get(address))
    return form | {
        "summary": "Cards were *declined*.",
        "root_cause": "A bad deploy.",
        "action-0-title": "Test deploys",
        "action-0-owner": "Ed",
        "action-0-due_on": "2026-03-01",
    }


def test_postmortem_goes_from_draft_through_review_to_publication(ann, resolved, stored):
    address = f"/admin/incidents/{resolved}/postmortem"
    assert ann.post(address, filled(ann, address) | {"action": "save"}).status_code == 303
    assert of(stored, resolved).state is PostmortemState.DRAFT
    assert ann.post(address, fields_of(ann.get(address)) | {"action": "review"}).status_code == 303
    assert of(stored, resolved).state is PostmortemState.IN_REVIEW
    assert ann.post(address, fields_of(ann.get(address)) | {"action": "publish"}).status_code == 303
    document = of(stored, resolved)
    assert document.published_parts["summary"] == "Cards were *declined*."
    assert [action.title for action in document.actions] == ["Test deploys"]
    assert stored(lambda: incidents.get(resolved).status) is IncidentStatus.POSTMORTEM


def test_publishing_requires_summary_and_root_cause(ann, resolved, stored):
    address = f"/admin/incidents/{resolved}/postmortem"
    form = filled(ann, address) | {"root_cause": "", "action": "publish"}
    answer = ann.post(address, form)
    assert answer.status_code == 422
    assert 'href="#root_cause">Write “Root cause”' in answer.text
    assert fields_of(answer)["summary"] == "Cards were *declined*."
    assert fields_of(answer)["action-0-title"] == "Test deploys"
    assert of(stored, resolved) is None


def test_button_adds_an_action_row(ann, resolved, stored):
    address = f"/admin/incidents/{resolved}/postmortem"
    more = ann.post(address, filled(ann, address) | {"action": "more"})
    assert more.status_code == 200
    form = fields_of(more)
    assert form["action-0-title"] == "Test deploys"
    assert form["action-1-title"] == ""
    assert of(stored, resolved) is None, "a new row saves nothing"
    ann.post(address, form | {"action-1-title": "Alert sooner", "action": "save"})
    titles = [action.title for action in of(stored, resolved).actions]
    assert titles == ["Test deploys", "Alert sooner"]


def test_invalid_due_date_is_refused_at_its_row(ann, resolved):
    address = f"/admin/incidents/{resolved}/postmortem"
    answer = ann.post(address, filled(ann, address) | {"action-0-due_on": "soon"})
    assert answer.status_code == 422
    assert "Enter a date" in answer.text
    assert 'value="soon"' in answer.text


def test_edit_after_publication_keeps_the_earlier_version(ann, resolved, stored):
    address = f"/admin/incidents/{resolved}/postmortem"
    ann.post(address, filled(ann, address) | {"action": "publish"})
    edited = fields_of(ann.get(address)) | {"summary": "Some cards.", "action": "save"}
    ann.post(address, edited)
    assert of(stored, resolved).published_parts["summary"] == "Cards were *declined*."
    assert "It has unpublished changes" in text_of(ann.get(address))
    again = fields_of(ann.get(address)) | {"reason": "Clearer", "action": "publish"}
    ann.post(address, again)
    document = of(stored, resolved)
    assert document.published_parts["summary"] == "Some cards."
    assert [one.reason for one in document.versions] == ["Clearer"]
    assert "Clearer" in ann.get(address).text


def test_second_author_sees_both_texts(ann, resolved, stored):
    address = f"/admin/incidents/{resolved}/postmortem"
    ann.post(address, filled(ann, address) | {"action": "save"})
    form = fields_of(ann.get(address)) | {"action": "save"}
    ann.post(address, form | {"nonce": "first", "summary": "First."})
    answer = ann.post(address, form | {"nonce": "second", "summary": "Second."})
    assert answer.status_code == 409
    assert "First." in answer.text
    again = fields_of(answer, address)
    assert again["summary"] == "Second."
    assert ann.post(address, again).status_code == 303
    document = of(stored, resolved)
    assert document.parts["summary"] == "Second."
    assert [action.title for action in document.actions] == ["Test deploys"]


def test_open_incident_has_no_postmortem(ann, an_incident):
    address = f"/admin/incidents/{an_incident()}/postmortem"
    assert "belongs to a resolved incident" in ann.get(address).text
    answer = ann.post(address, filled(ann, address))
    assert answer.status_code == 422


def test_actions_are_followed_until_done(ann, resolved, stored):
    address = f"/admin/incidents/{resolved}/postmortem"
    ann.post(address, filled(ann, address) | {"action": "publish"})
    action = of(stored, resolved).actions[0]
    assert "Test deploys Late, was due 1 Mar, Ed" in text_of(ann.get("/admin/"))
    page = ann.get("/admin/postmortems")
    assert f"/admin/postmortems/actions/{action.public_id}" in page.text
    answer = ann.post(f"/admin/postmortems/actions/{action.public_id}", {"state": "done"})
    assert answer.status_code == 303
    assert stored(lambda: postmortems.get_action(action.public_id).state) is ActionState.DONE
    assert "Test deploys" not in text_of(ann.get("/admin/"))
    wrong = ann.post(f"/admin/postmortems/actions/{action.public_id}", {"state": "perhaps"})
    assert wrong.status_code == 422


def test_publishing_one_s_own_postmortem_is_no_review(ann, person, resolved, stored):
    address = f"/admin/incidents/{resolved}/postmortem"
    ann.post(address, filled(ann, address) | {"action": "review"})
    ann.post(address, fields_of(ann.get(address)) | {"action": "publish"})
    assert of(stored, resolved).reviewer is None
    assert "without a review" in text_of(ann.get(address))


def test_a_colleague_who_publishes_a_postmortem_has_reviewed_it(ann, person, resolved, stored):
    address = f"/admin/incidents/{resolved}/postmortem"
    ann.post(address, filled(ann, address) | {"action": "review"})
    ben = person(Role.EDITOR, "Ben")
    ben.post(address, fields_of(ben.get(address)) | {"action": "publish"})
    assert of(stored, resolved).reviewer == "Ben"
    assert "By Ann, reviewed by Ben, published" in text_of(ben.get(address))
