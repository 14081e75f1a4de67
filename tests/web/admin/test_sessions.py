"""One's sessions at the desk: seen, ended, and what asks for the password again."""

import re

import pytest
import sqlalchemy as sa

from statuspage import clock
from statuspage.db import db
from statuspage.domain import tokens
from statuspage.domain.events import SYSTEM
from statuspage.domain.staff import members as staff
from statuspage.domain.staff import sessions
from statuspage.domain.staff.members import Role
from statuspage.domain.staff.sessions import AdminSession
from tests.conftest import on_sqlite
from tests.helpers.admin import Browser, fields_of, text_of

PASSWORD = "correct horse battery"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

pytestmark = on_sqlite


@pytest.fixture
def bea(app, committed, world):
    """`bea(agent)`: another browser in which Bea is signed in by her password."""
    with committed():
        staff.create(
            "bea@example.com",
            name="Bea",
            role=Role.OWNER,
            password=PASSWORD,
            by=SYSTEM,
            at=clock.now(),
        )

    def sign_in(agent=FIREFOX):
        browser = Browser(app)
        browser.client.environ_base["HTTP_USER_AGENT"] = agent
        assert browser.sign_in("bea@example.com", PASSWORD).status_code == 303
        return browser

    return sign_in


def is_in(browser):
    return browser.get("/admin/audit").status_code == 200


def test_account_lists_sessions_and_marks_the_current_one(bea, traveller):
    bea(IPHONE)
    traveller.shift(3600)
    here = bea()
    page = text_of(here.get("/admin/account"))
    assert re.search(r"Firefox on Linux This one since 14:00", page)
    assert re.search(r"Safari on iPhone since 13:00 , last seen about 13:00", page)
    assert IPHONE not in here.get("/admin/account").text


def test_ending_one_session_keeps_the_others(bea):
    phone, here, third = bea(IPHONE), bea(), bea()
    page = here.get("/admin/account").text
    item = next(one for one in page.split("<li>") if "Safari on iPhone" in one)
    path = re.search(r'formaction="(/admin/account/sessions/[^"]+/end)"', item)[1]
    refused = here.post(path, {"current_password": "guess"})
    assert refused.status_code == 422
    assert 'href="#end_password">That is not your current password' in refused.text
    assert here.post(path, {"current_password": PASSWORD}).status_code == 303
    assert [is_in(one) for one in (phone, here, third)] == [False, True, True]
    assert here.post(path).status_code == 404


def test_session_of_another_person_cannot_be_ended(bea, ann, app):
    bea()
    with app.app_context():
        foreign = sessions.of(staff.with_email("bea@example.com").id, at=clock.now())[0].public_id
    assert ann.post(f"/admin/account/sessions/{foreign}/end").status_code == 404


def test_signing_out_elsewhere_keeps_this_session(bea, app, committed):
    phone, here = bea(IPHONE), bea()
    with committed():
        link = staff.create_sign_in_link(staff.with_email("bea@example.com"), at=clock.now())
    assert here.post("/admin/account/sessions/end-others").status_code == 422
    proof = {"current_password": PASSWORD}
    assert here.post("/admin/account/sessions/end-others", proof).status_code == 303
    assert not is_in(phone)
    assert is_in(here)
    assert Browser(app).post(f"/admin/sign-in/{link}").status_code == 404
    assert "Sign out everywhere else" not in here.get("/admin/account").text


def test_cookie_is_invalid_after_signing_out(bea, app):
    here = bea()
    stolen = here.cookie
    here.post("/admin/sign-out")
    thief = Browser(app)
    thief.cookie = stolen
    assert not is_in(thief)


def test_cookie_from_before_a_new_password_is_invalid(bea, app):
    here = bea()
    stolen = here.cookie
    here.post("/admin/account", {"current_password": PASSWORD, "password": "another horse battery"})
    thief = Browser(app)
    thief.cookie = stolen
    assert is_in(here)
    assert not is_in(thief)


def test_session_expires_after_a_week_without_use(bea, traveller):
    here = bea()
    for _ in range(3):
        traveller.shift(6 * 86_400)
        assert is_in(here)
    traveller.shift(7 * 86_400)
    assert not is_in(here)


def test_last_seen_is_stored_every_few_minutes(bea, app, traveller):
    here = bea()
    writes = []

    def listen(_connection, _cursor, statement, *_rest):
        if statement.startswith("UPDATE desk_session"):
            writes.append(statement)

    with app.app_context():
        sa.event.listen(db.engine, "before_cursor_execute", listen)
    seen = []
    for _ in range(6):
        traveller.shift(100)
        assert is_in(here)
        with app.app_context():
            seen.append(db.session.scalar(sa.select(AdminSession.last_seen_at)).minute)
    assert (seen, len(writes)) == ([0, 0, 5, 5, 5, 10], 2)


# ── the password again ─────────────────────────────────────────────────────────

TOKEN = {"name": "Prometheus", "scopes": "read"}


def test_creating_a_token_requires_the_password_and_keeps_the_form(bea, stored):
    here = bea()
    for guess in ({}, {"current_password": "guess"}):
        refused = here.post("/admin/tokens", TOKEN | guess)
        assert refused.status_code == 422
        assert "not your current password" in text_of(refused)
        assert 'value="Prometheus"' in refused.text
        assert re.search(r'value="read"[^>]* checked', refused.text)
        assert "guess" not in refused.text
    assert stored(tokens.listed) == []
    made = here.post("/admin/tokens", TOKEN | {"current_password": PASSWORD})
    assert "Shown once" in made.text


def test_reauthentication_attempts_are_limited(bea):
    here = bea()
    codes = [
        here.post("/admin/tokens", TOKEN | {"current_password": f"guess {n}"}).status_code
        for n in range(7)
    ]
    assert codes == [422] * 6 + [429]


def test_person_without_a_password_acts_soon_after_signing_in(owner, traveller):
    traveller.shift(14 * 60)
    assert "Shown once" in owner.post("/admin/tokens", TOKEN).text
    traveller.shift(60)
    for path, form in [
        ("/admin/tokens", TOKEN | {"name": "Grafana"}),
        ("/admin/account/second-factor", {}),
        ("/admin/team", {"email": "new@example.com", "role": "viewer"}),
    ]:
        refused = owner.post(path, form)
        assert refused.status_code == 422, path
        assert "Choose one under “Your account”" in text_of(refused)


def test_the_only_owner_chooses_a_first_password_at_any_time_and_goes_on(owner, traveller):
    traveller.shift(3 * 60 * 60)
    assert owner.post("/admin/account", {"password": PASSWORD}).status_code == 303
    new = {"email": "new@example.com", "name": "Nia", "role": "viewer"}
    assert owner.post("/admin/team", new).status_code in (200, 303)
    refused = owner.post("/admin/account", {"password": f"{PASSWORD}-2"})
    assert refused.status_code == 422, "the second password needs the first one"


@pytest.fixture
def cleo(committed):
    """The address of an editor on the team."""
    with committed():
        editor = staff.create(
            "cleo@example.com",
            name="Cleo",
            role=Role.EDITOR,
            password=None,
            by=SYSTEM,
            at=clock.now(),
        )
        return f"/admin/team/{editor.id}"


def team():
    return [(one.email, one.name, one.role, one.is_active) for one in staff.listed()]


@pytest.mark.parametrize(
    ("path", "typed", "form"),
    [
        ("{cleo}/role", {"role": "viewer"}, None),
        ("{cleo}/disable", {}, None),
        ("/admin/team", {"email": "n@x.example", "name": "N", "role": "viewer"}, "/admin/team"),
    ],
    ids=["role", "lock-out", "new-person"],
)
def test_team_changes_require_reauthentication_and_keep_the_form(
    bea, cleo, stored, traveller, path, typed, form
):
    here, before, path = bea(), stored(team), path.format(cleo=cleo)
    traveller.shift(15 * 60)
    for guess in ({}, {"current_password": "guess"}):
        refused = here.post(path, typed | guess)
        assert refused.status_code == 422
        assert 'href="#current_password"' in refused.text
        again = fields_of(refused, form)
        assert again == again | typed | {"current_password": ""}
    assert stored(team) == before
    assert here.post(path, again | {"current_password": PASSWORD}).status_code == 303
    assert stored(team) != before


def test_recent_password_covers_team_changes_in_that_browser_only(app, bea, cleo, traveller):
    def sets_a_role(browser, **more):
        return browser.post(f"{cleo}/role", {"role": "viewer"} | more).status_code == 303

    here = bea()
    traveller.shift(15 * 60 - 1)
    assert sets_a_role(here), "the sign-in was a proof too"
    assert "current_password" not in here.get("/admin/team").text
    traveller.shift(1)
    thief = Browser(app)
    thief.cookie = here.cookie
    assert "current_password" in here.get("/admin/team").text
    assert sets_a_role(here, current_password=PASSWORD)
    traveller.shift(15 * 60 - 1)
    assert sets_a_role(here)
    assert not sets_a_role(thief)
    assert here.post(f"{cleo}/link").status_code == 422, "a way in asks every time"
    traveller.shift(1)
    assert not sets_a_role(here)
