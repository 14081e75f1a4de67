"""What goes wrong around a form: sent twice, too old, signed out, two at once, no database."""

import threading

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from statuspage.db import db
from statuspage.domain.components import claims_store
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.staff.members import Role
from tests.conftest import on_sqlite
from tests.helpers.admin import BASE, fields_of, text_of
from tests.web.admin.test_incidents import an_opening, an_update


def test_resubmitted_update_posts_once(ann, world, an_incident, stored):
    public_id = an_incident()
    address = f"/admin/incidents/{public_id}/updates"
    form = fields_of(ann.get(f"/admin/incidents/{public_id}"), address)
    form |= an_update(world)
    answers = [ann.post(address, form) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert answers[0].location == answers[1].location
    assert len(stored(lambda: incidents.get(public_id).updates)) == 2


def test_resubmitted_incident_opens_once(ann, world, stored):
    form = an_opening(world, nonce="the-same-nonce")
    first, second = (ann.post("/admin/incidents", form) for _ in range(2))
    assert first.location == second.location
    assert len(stored(lambda: incidents.published())) == 1


def at_once(*calls):
    """Run the calls in threads that start together; their results in order."""
    barrier, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(number, call):
        barrier.wait()
        results[number] = call()

    threads = [
        threading.Thread(target=run, args=(number, call)) for number, call in enumerate(calls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def another_tab(app, browser):
    """A client with the same cookies, so that two requests can be under way."""
    client = app.test_client()
    for cookie in browser.client._cookies.values():
        client._cookies[cookie._storage_key] = cookie
    return client


def sending(client, address, form, token):
    def send():
        return client.post(
            address,
            data={"csrf_token": token, **form},
            base_url=BASE,
            headers={"Referer": BASE + address},
        )

    return send


def test_concurrent_submissions_post_once(app, ann, world, an_incident, stored):
    public_id = an_incident()
    address, token = f"/admin/incidents/{public_id}/updates", ann.token()
    form = an_update(world, nonce="one-click")
    answers = at_once(*(sending(another_tab(app, ann), address, form, token) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.location for answer in answers}) == 1
    assert len(stored(lambda: incidents.get(public_id).updates)) == 2


def test_updates_of_two_people_are_both_stored(app, person, ann, world, an_incident, stored):
    bob = person(Role.EDITOR, "Bob")
    public_id = an_incident()
    address = f"/admin/incidents/{public_id}/updates"
    anns, bobs = ann.token(), bob.token()
    answers = at_once(
        sending(another_tab(app, ann), address, an_update(world, body="Ann's."), anns),
        sending(another_tab(app, bob), address, an_update(world, body="Bob's."), bobs),
    )
    assert [answer.status_code for answer in answers] == [303, 303]
    updates = stored(lambda: incidents.get(public_id).updates)
    assert {update.body for update in updates[:2]} == {"Ann's.", "Bob's."}

    ann.post(address, an_update(world, status="resolved"))
    open_claims = stored(
        lambda: [row for row in claims_store.claims_since(updates[0].posted_at) if not row.ends_at]
    )
    assert open_claims == [], "nothing stays red after two posts at once"


def test_posting_after_another_update_says_so(person, ann, world, an_incident):
    bob = person(Role.EDITOR, "Bob")
    public_id = an_incident()
    address, page = f"/admin/incidents/{public_id}/updates", f"/admin/incidents/{public_id}"
    anns = fields_of(ann.get(page), address)
    bob.post(address, an_update(world))
    answer = ann.post(address, anns | an_update(world, body="Mine."))
    assert "Bob posted an update while you wrote" in text_of(ann.get(answer.location))


def test_form_without_a_csrf_token_keeps_its_text(ann, world, stored):
    form = an_opening(world, body="Two lines\nof careful words")
    answer = ann.post("/admin/incidents", form, token="stale")
    assert answer.status_code == 400
    assert "has expired" in text_of(answer)
    kept = fields_of(answer, "/admin/incidents")
    assert kept["body"] == "Two lines\nof careful words"
    assert kept["name"] == form["name"]
    assert stored(lambda: incidents.unresolved()) == []
    assert ann.post("/admin/incidents", {**kept, "csrf_token": ann.token()}).status_code == 303


def test_signed_out_author_keeps_the_text(ann, world, stored):
    form = an_opening(world)
    token = ann.token()
    ann.post("/admin/sign-out")
    answer = ann.post("/admin/incidents", form, token=token)
    assert answer.status_code == 401
    assert "Sign in again" in text_of(answer)
    assert fields_of(answer, "/admin/incidents")["body"] == form["body"]
    assert stored(lambda: incidents.unresolved()) == []


@on_sqlite
@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}],
)
def test_cross_site_form_is_not_echoed(ann, world, headers):
    answer = ann.post(
        "/admin/incidents", an_opening(world, body="Planted words here"), token="x", headers=headers
    )
    assert answer.status_code == 403
    assert "Planted" not in answer.text
    assert ann.get("/admin/").status_code == 200, "the session stands"


def test_password_is_never_echoed(visitor, world):
    answer = visitor.post(
        "/admin/sign-in", {"email": "a@example.com", "password": "my secret words"}, token="stale"
    )
    assert answer.status_code == 400
    assert "my secret words" not in answer.text


def test_form_without_a_database_keeps_its_text(app, ann, world, an_incident, stored):
    public_id = an_incident()
    address, token = f"/admin/incidents/{public_id}/updates", ann.token()
    form = an_update(world, body="Words that took\nten minutes to find.")

    def gone(*_args):
        raise OperationalError("COMMIT", {}, Exception("the server has gone away"))

    with app.app_context():
        engine = db.engine
    sa.event.listen(engine, "commit", gone)
    try:
        answer = ann.post(address, form, token=token)
    finally:
        sa.event.remove(engine, "commit", gone)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    kept = fields_of(answer, address)
    assert kept["body"] == "Words that took\nten minutes to find."
    assert kept["status"] == "identified"
    assert len(stored(lambda: incidents.get(public_id).updates)) == 1
    assert ann.post(address, kept).status_code == 303


@on_sqlite
def test_admin_without_a_database_says_so(app, ann, world):
    def gone(*_args):
        raise OperationalError("BEGIN", {}, Exception("unable to open database file"))

    with app.app_context():
        engine = db.engine
    sa.event.listen(engine, "begin", gone)
    try:
        answer = ann.get("/admin/")
    finally:
        sa.event.remove(engine, "begin", gone)
    assert answer.status_code == 503
    assert "The database is unavailable" in answer.text


@on_sqlite
def test_lone_surrogates_and_control_characters_cause_no_error(ann, world, stored):
    answer = ann.post("/admin/incidents", an_opening(world, body="A\x00B\x0bC \ufffe done here"))
    assert answer.status_code == 303
    incident = stored(lambda: incidents.get(answer.location.rpartition("/")[2]))
    assert incident.updates[0].body == "ABC  done here"


@on_sqlite
def test_overlong_text_is_refused_and_kept(ann, world):
    body = "word " * 6000
    answer = ann.post("/admin/incidents", an_opening(world, body=body))
    assert answer.status_code == 422
    assert "too long" in answer.text
    assert fields_of(answer, "/admin/incidents")["body"].strip() == body.strip()
