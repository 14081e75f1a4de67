"""Postmortems: drafted, reviewed, published, edited with every version kept."""

from datetime import date
from threading import Barrier, Thread

import pytest

from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.incidents import postmortems
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.incidents.postmortems import Action, ActionState, Part, PostmortemState
from statuspage.domain.statuses import IncidentStatus
from statuspage.errors import Conflict, Invalid
from tests.helpers.domain import ANNA, AT, BEN, HOUR

S = IncidentStatus
PARTS = {Part.SUMMARY: "Checkout *failed*.", Part.ROOT_CAUSE: "A bad deploy.", Part.LUCK: " "}


@pytest.fixture
def resolved(session):
    incident = incidents.open_incident(
        "Checkout errors", UpdateInput(status=S.INVESTIGATING, body="Looking."), by=ANNA, at=AT
    )
    post(incident, S.RESOLVED)
    return incident


def post(incident, status):
    incidents.post_update(
        incident, UpdateInput(status=status, body="Words."), by=ANNA, at=AT + HOUR
    )


def saved(incident, parts=PARTS, actions=(), expected_version=None):
    return postmortems.save(
        incident, parts, actions, expected_version=expected_version, by=ANNA, at=AT + HOUR
    )


def published(incident):
    document = saved(incident)
    postmortems.publish(document, by=BEN, at=AT + 2 * HOUR)
    return document


def test_postmortem_requires_a_resolved_incident(session):
    incident = incidents.open_incident(
        "Open", UpdateInput(status=S.INVESTIGATING, body="Looking."), by=ANNA, at=AT
    )
    with pytest.raises(Invalid):
        saved(incident)
    assert postmortems.of(incident) is None


def test_postmortem_draft_is_not_public(resolved):
    document = saved(resolved)
    assert (document.state, document.author) == (PostmortemState.DRAFT, "Anna")
    assert document.parts_html == {
        "summary": "<p>Checkout <em>failed</em>.</p>",
        "root_cause": "<p>A bad deploy.</p>",
    }
    assert document.published_html == {}
    assert postmortems.published_of([resolved.id]) == {}
    assert resolved.status is S.RESOLVED
    postmortems.submit_for_review(document, by=ANNA, at=AT + HOUR)
    assert document.state is PostmortemState.IN_REVIEW


def test_publishing_a_postmortem_marks_the_incident_and_names_the_reviewer(resolved):
    document = published(resolved)
    assert (document.state, document.reviewer) == (PostmortemState.PUBLISHED, "Ben")
    assert resolved.status is S.POSTMORTEM
    assert resolved.resolved_at == AT + HOUR
    assert postmortems.published_of([resolved.id]) == {resolved.id: document}
    assert events.about(resolved.public_id)[0].notify


@pytest.mark.parametrize("missing", [Part.SUMMARY, Part.ROOT_CAUSE])
def test_publishing_a_postmortem_requires_summary_and_root_cause(resolved, missing):
    document = saved(resolved, {part: words for part, words in PARTS.items() if part != missing})
    with pytest.raises(Invalid) as invalid:
        postmortems.publish(document, by=BEN, at=AT + 2 * HOUR)
    assert invalid.value.errors.keys() == {missing.value}
    assert resolved.status is S.RESOLVED


def test_postmortem_cannot_close_a_reopened_incident(resolved):
    document = saved(resolved)
    post(resolved, S.IDENTIFIED)
    with pytest.raises(Invalid, match="reopened"):
        postmortems.publish(document, by=BEN, at=AT + 2 * HOUR)
    assert resolved.status is S.IDENTIFIED


def test_later_update_keeps_the_postmortem(resolved):
    published(resolved)
    post(resolved, S.RESOLVED)
    assert resolved.status is S.POSTMORTEM


def test_reopened_incident_shows_its_postmortem_once_resolved_again(resolved):
    published(resolved)
    post(resolved, S.IDENTIFIED)
    assert resolved.status is S.IDENTIFIED
    post(resolved, S.RESOLVED)
    assert resolved.status is S.POSTMORTEM
    assert resolved.updates[0].status is S.RESOLVED


def test_unpublished_postmortem_stays_hidden_when_resolved_again(resolved):
    saved(resolved)
    post(resolved, S.IDENTIFIED)
    post(resolved, S.RESOLVED)
    assert resolved.status is S.RESOLVED


def test_readers_see_the_published_version_until_the_next_publication(resolved):
    document = published(resolved)
    parts = {**PARTS, Part.SUMMARY: "Better words."}
    saved(resolved, parts, expected_version=1)
    assert document.has_unpublished_changes
    assert document.published_parts["summary"] == "Checkout *failed*."
    postmortems.publish(document, by=BEN, at=AT + 3 * HOUR, reason="Clearer")
    (version,) = document.versions
    assert version.parts["summary"] == "Checkout *failed*."
    assert version.parts_html["summary"] == "<p>Checkout <em>failed</em>.</p>"
    assert (version.replaced_by, version.reason) == ("Ben", "Clearer")
    assert document.published_html["summary"] == "<p>Better words.</p>"
    assert document.edited_at == AT + 3 * HOUR
    event = events.about(resolved.public_id)[0]
    assert (event.kind, event.notify) == ("postmortem.edited", False)


def test_publishing_an_unchanged_postmortem_records_nothing(resolved):
    document = published(resolved)
    before = events.revision()
    postmortems.publish(document, by=BEN, at=AT + 3 * HOUR)
    assert (document.versions, document.edited_at, events.revision()) == ([], None, before)


def test_concurrent_postmortem_edit_reports_the_other_text(resolved):
    saved(resolved)
    for stale in (None, 0, 2):
        with pytest.raises(Conflict) as conflict:
            saved(resolved, {Part.SUMMARY: "Mine."}, expected_version=stale)
        assert conflict.value.theirs["summary"] == "Checkout *failed*."


def test_refused_postmortem_names_its_part_and_saves_nothing(resolved):
    document = saved(resolved)
    for parts, actions, field in [
        ({**PARTS, Part.LUCK: "[" * 999}, [], "luck"),
        ({**PARTS, Part.SUMMARY: "New."}, [Action(" ")], "actions"),
    ]:
        with pytest.raises(Invalid) as invalid:
            saved(resolved, parts, actions, expected_version=1)
        assert invalid.value.errors.keys() == {field}
    assert (document.version, document.parts["summary"]) == (1, "Checkout *failed*.")


def test_action_items_are_followed_until_done(resolved):
    actions = [
        Action("Check the flag", due_on=date(2026, 4, 1), owner="Platform"),
        Action("Alert earlier", ActionState.DONE),
    ]
    document = saved(resolved, actions=actions)
    first, second = document.actions
    assert (first.state, first.done_at, second.done_at) == (ActionState.OPEN, None, AT + HOUR)
    postmortems.set_action_state(first, ActionState.DONE, by=BEN, at=AT + 3 * HOUR)
    assert first.done_at == AT + 3 * HOUR
    kept = Action("Check each flag", ActionState.DONE, public_id=first.public_id)
    saved(resolved, actions=[kept], expected_version=1)
    assert [(item.title, item.done_at) for item in document.actions] == [
        ("Check each flag", AT + 3 * HOUR)
    ]
    postmortems.set_action_state(first, ActionState.OPEN, by=BEN, at=AT + 4 * HOUR)
    assert postmortems.get_action(first.public_id).done_at is None


def test_concurrent_first_drafts_make_one_postmortem(app):
    with app.app_context():
        incident = incidents.open_incident(
            "Over", UpdateInput(status=S.RESOLVED, body="Over."), by=ANNA, at=AT
        )
        public_id = incident.public_id
        db.session.commit()
    barrier, answers = Barrier(2), []

    def save():
        with app.app_context():
            barrier.wait()
            try:
                saved(incidents.get(public_id))
                db.session.commit()
                answers.append("saved")
            except Conflict:
                db.session.rollback()
                answers.append("told")

    threads = [Thread(target=save) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["saved", "told"]
