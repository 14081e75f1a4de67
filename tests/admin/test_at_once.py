"""Many at the desk at the same moment: each version has one author, the others are told."""

import threading
from concurrent.futures import ThreadPoolExecutor

from statuspage.domain import incidents
from tests.admin.conftest import Browser

EDITORS = 8
VERSIONS = (1, 2)


def test_of_many_who_edit_at_once_one_wins_and_the_others_see_both_texts(
    app, ann, an_incident, stored
):
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
