"""Many at the desk at the same moment: each version has one author, the others are told."""

import threading
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
from sqlalchemy import event

from statuspage.db import db
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.templates import IncidentTemplate
from tests.conftest import on_postgresql
from tests.helpers.admin import Browser

EDITORS = 8
VERSIONS = (1, 2)


def test_concurrent_edits_have_one_winner_and_show_both_texts(app, ann, an_incident, stored):
    public_id = an_incident()
    update_id = stored(lambda: incidents.get(public_id).updates[0].public_id)
    address = f"/admin/incidents/{public_id}/updates/{update_id}/edit"
    token = ann.token()
    for version in VERSIONS:
        together = threading.Barrier(EDITORS)

        def edit(who, version=version, together=together):
            browser = Browser(app)
            browser.client._cookies = dict(ann.client._cookies)
            words = f"The words of editor {who} in version {version}."
            form = {"body": words, "reason": "", "expected_version": str(version)}
            together.wait()
            return words, browser.post(address, form, token=token)

        with ThreadPoolExecutor(EDITORS) as pool:
            answers = list(pool.map(edit, range(EDITORS)))
        won = [words for words, answer in answers if answer.status_code == 303]
        kept = stored(lambda: incidents.get(public_id).updates[0].body)
        assert won == [kept]
        for words, answer in answers:
            if words != kept:
                assert answer.status_code == 409
                assert words in answer.text
                assert kept in answer.text
    assert stored(lambda: len(incidents.get(public_id).updates[0].versions)) == len(VERSIONS)


@on_postgresql
def test_editing_an_object_deleted_meanwhile_is_a_conflict(app, ann):
    form = {"name": "Checkout", "title": "It is slow", "body": "We look.", "update_status": ""}
    assert ann.post("/admin/templates", form).status_code == 303
    with app.app_context():
        public_id = db.session.scalar(sa.select(IncidentTemplate.public_id))

    def remove(_session, _context, _instances):
        with db.engine.begin() as somebody_else:
            somebody_else.execute(sa.delete(IncidentTemplate.__table__))

    event.listen(db.session, "before_flush", remove, once=True)
    changed = form | {"body": "Words that took an hour."}
    answer = ann.post(f"/admin/templates/{public_id}", changed)
    assert answer.status_code == 409
    assert "Someone else changed this first" in answer.text
    assert "Words that took an hour." in answer.text


def test_character_the_database_refuses_is_not_a_500(ann):
    for address in ("/admin/incidents/%00", "/admin/components/%00"):
        assert ann.get(address).status_code == 404
    assert ann.get("/admin/incidents?q=%00").status_code < 500
    form = {
        "nonce": "\0",
        "name": "Checkout is slow",
        "status": "investigating",
        "body": "We look.",
    }
    answer = ann.post("/admin/incidents", form | {"action": "publish"})
    assert answer.status_code in (303, 422)
    assert answer.status_code == 303 or "Checkout is slow" in answer.text
