"""The second factor at the desk: set up, asked for, lost, required."""

import re
from base64 import b32decode
from html import unescape

import pytest

from statuspage import clock
from statuspage.config import Settings
from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.events import SYSTEM
from statuspage.domain.staff import members as staff
from statuspage.domain.staff import second_factor, totp
from statuspage.domain.staff.members import Role
from tests.conftest import SECRET, on_sqlite
from tests.helpers.admin import Browser, text_of
from tests.helpers.apps import create_app
from tests.helpers.totp_app import code_at

PASSWORD = "correct horse battery"
HERE = "/admin/account/second-factor"
CODE = "/admin/sign-in/code"
KEYS = (SECRET,)

pytestmark = on_sqlite


@pytest.fixture
def bea(committed, world):
    with committed():
        return staff.create(
            "bea@example.com",
            name="Bea",
            role=Role.OWNER,
            password=PASSWORD,
            by=SYSTEM,
            at=clock.now(),
        )


@pytest.fixture
def app_of_bea(committed, bea, traveller):
    """`(codes now, recovery codes)`: Bea's second factor is on; half a minute has passed."""
    with committed():
        person = staff.with_email("bea@example.com")
        second_factor.set_up(person, keys=KEYS, at=clock.now())
        secret = second_factor.secret_to_confirm(person, keys=KEYS, at=clock.now())
        first = code_at(secret, clock.now())
        recovery = second_factor.confirm(person, first, keys=KEYS, by=SYSTEM, at=clock.now())
    traveller.shift(totp.STEP_S)
    return lambda: code_at(secret, clock.now()), recovery


def half_way(app):
    browser = Browser(app)
    answer = browser.sign_in("bea@example.com", PASSWORD, next="/admin/incidents")
    assert (answer.status_code, answer.location) == (303, f"{CODE}?next=/admin/incidents")
    return browser


def is_in(browser):
    return browser.get("/admin/").status_code == 200


def written_secret(page):
    found = re.search(r'<code class="secret">([^<]+)</code>', page.text)
    return found[1].replace(" ", "")


def test_setup_shows_qr_code_and_secret_and_needs_a_code(app, bea, stored):
    here, there = Browser(app), Browser(app)
    for browser in (here, there):
        browser.sign_in("bea@example.com", PASSWORD)
    assert here.post(HERE, {"current_password": "not mine"}).status_code == 422
    assert here.post(HERE, {"current_password": PASSWORD}).location == HERE
    page = here.get(HERE)
    path = re.search(r'<path d="(M[0-9hv Mz-]+)"', page.text)
    assert path, "the QR code is drawn in the page"
    assert 'autocomplete="one-time-code"' in page.text
    assert 'inputmode="numeric"' in page.text
    secret = b32decode(written_secret(page))

    wrong = here.post(f"{HERE}/confirm", {"one_time_password": "000000"})
    assert wrong.status_code == 422
    assert "That code is not valid" in text_of(wrong)
    assert written_secret(wrong) == written_secret(page)

    code = code_at(secret, clock.now())
    shown = here.post(f"{HERE}/confirm", {"one_time_password": code})
    codes = re.findall(r"<li><code>([^<]+)</code>", shown.text)
    assert len(codes) == 10
    assert is_in(here)
    assert not is_in(there), "a change of the second factor ends the other sessions"
    again = here.get(HERE)
    assert "You have 10 recovery codes left" in text_of(again)
    assert not any(code in again.text for code in codes), "they are shown once"
    assert stored(lambda: events.latest(1)[0].kind) == "staff.second_factor_on"


def test_password_alone_gives_no_access(app, bea, app_of_bea):
    browser = half_way(app)
    assert not is_in(browser)
    for path in ("/admin/incidents", "/admin/account", HERE):
        assert browser.get(path).status_code == 302
    assert browser.post("/admin/account", {"password": "another horse battery"}).status_code == 401
    page = browser.get(CODE).text
    assert 'autocomplete="one-time-code"' in page
    assert 'inputmode="numeric"' in page


def test_totp_code_completes_sign_in_and_redirects_to_the_target(app, bea, app_of_bea):
    codes_now, _ = app_of_bea
    browser = half_way(app)
    answer = browser.post(CODE, {"one_time_password": codes_now(), "next": "/admin/incidents"})
    assert (answer.status_code, answer.location) == (303, "/admin/incidents")
    assert is_in(browser)
    thief = half_way(app)
    assert thief.post(CODE, {"one_time_password": codes_now()}).status_code == 422
    assert not is_in(thief), "whoever looked over a shoulder comes too late"


def test_recovery_code_signs_in_once(app, bea, app_of_bea, stored):
    _, recovery = app_of_bea
    browser = half_way(app)
    assert browser.post(CODE, {"recovery_code": recovery[0]}).status_code == 303
    assert is_in(browser)
    assert "You have 9 recovery codes left" in text_of(browser.get(HERE))
    assert stored(lambda: events.latest(1)[0].kind) == "staff.recovery_code_used"
    second = half_way(app).post(CODE, {"recovery_code": recovery[0]})
    assert second.status_code == 422
    assert "recovery code is not valid" in text_of(second)
    assert recovery[0] not in second.text, "what proves who one is never comes back on a page"


def test_sign_in_link_replaces_the_password_but_not_the_code(app, bea, app_of_bea, committed):
    codes_now, _ = app_of_bea
    with committed():
        token = staff.create_sign_in_link(staff.with_email("bea@example.com"), at=clock.now())
    browser = Browser(app)
    assert browser.post(f"/admin/sign-in/{token}").location.startswith(CODE)
    assert not is_in(browser)
    assert browser.post(CODE, {"one_time_password": codes_now()}).status_code == 303
    assert is_in(browser)
    assert Browser(app).post(f"/admin/sign-in/{token}").status_code == 404


def test_code_guesses_are_limited_per_account(app, bea, app_of_bea):
    codes_now, _ = app_of_bea
    answers = []
    for _ in range(3):
        browser = half_way(app)
        token = browser.token()
        answers += [
            browser.post(CODE, {"one_time_password": "123456"}, token=token).status_code
            for _ in range(3)
        ]
    assert answers == [422] * 6 + [429] * 3
    right = {"one_time_password": codes_now()}
    assert browser.post(CODE, right, token=token).status_code == 429


def test_who_has_the_password_cannot_keep_its_owner_out_at_the_second_step(
    app, bea, app_of_bea, traveller
):
    codes_now, _ = app_of_bea
    known = half_way(app)
    assert known.post(CODE, {"one_time_password": codes_now()}).status_code == 303
    known.post("/admin/sign-out")
    stranger = half_way(app)
    token = stranger.token()
    guesses = [
        stranger.post(CODE, {"recovery_code": "wrong"}, token=token).status_code for _ in range(7)
    ]
    assert guesses == [422] * 6 + [429]

    traveller.shift(60)
    known.sign_in("bea@example.com", PASSWORD)
    assert known.post(CODE, {"one_time_password": codes_now()}).status_code == 303


@pytest.mark.parametrize("end", ["time", "password", "disabled"])
def test_pending_second_step_expires(app, bea, app_of_bea, committed, traveller, end):
    codes_now, _ = app_of_bea
    browser = half_way(app)
    token = browser.token()
    with committed():
        person = staff.with_email("bea@example.com")
        now = {"by": SYSTEM, "at": clock.now()}
        match end:
            case "time":
                traveller.shift(601)
            case "password":
                staff.set_password(person, "another horse battery", **now)
            case "disabled":
                staff.create("o@example.com", name="O", role=Role.OWNER, password=None, **now)
                staff.disable(person, **now)
    answer = browser.post(CODE, {"one_time_password": codes_now()}, token=token)
    assert (answer.status_code, answer.location) == (303, "/admin/sign-in?next=/admin/")
    assert not is_in(browser)


def test_code_page_requires_a_password_first(visitor, world):
    assert visitor.get(CODE).location == "/admin/sign-in?next=/admin/"
    answer = visitor.post(CODE, {"one_time_password": "123456"})
    assert (answer.status_code, answer.location) == (303, "/admin/sign-in?next=/admin/")


def test_new_recovery_codes_and_disabling_require_the_password(app, bea, app_of_bea, stored):
    codes_now, recovery = app_of_bea
    browser = half_way(app)
    browser.post(CODE, {"one_time_password": codes_now()})
    for path in (f"{HERE}/recovery-codes", f"{HERE}/off"):
        refused = browser.post(path, {"current_password": "guess"})
        assert refused.status_code == 422
        assert "not your current password" in text_of(refused)
    fresh = browser.post(f"{HERE}/recovery-codes", {"current_password": PASSWORD})
    assert len(re.findall(r"<li><code>", fresh.text)) == 10
    assert recovery[1] not in fresh.text
    assert browser.post(f"{HERE}/off", {"current_password": PASSWORD}).status_code == 303
    assert is_in(browser)
    assert Browser(app).sign_in("bea@example.com", PASSWORD).location == "/admin/"


def test_owner_resets_a_second_factor_with_their_own_password(
    app, bea, app_of_bea, owner, committed
):
    person = next(one for one in owner.get("/admin/team").text.split("<li ") if "Bea" in one)
    assert "Second factor" in person
    path = f"/admin/team/{bea.id}/second-factor"
    assert "has lost the app" in text_of(owner.get(path))
    with committed():
        olga = staff.with_email("olga@example.com")
        olga.password_hash = staff.hash_of("stable horse battery")
    assert owner.post(path, {"current_password": PASSWORD}).status_code == 422
    answer = owner.post(path, {"current_password": "stable horse battery"})
    assert answer.status_code == 303
    assert Browser(app).sign_in("bea@example.com", PASSWORD).location == "/admin/"
    assert "Bea has no second factor" in text_of(
        owner.post(path, {"current_password": "stable horse battery"})
    )


def test_rotated_secret_key_keeps_second_factors_working(settings, bea, app_of_bea, traveller):
    codes_now, _ = app_of_bea
    new = "another key that nobody has seen"
    with_the_old = {"secret_key": new, "old_secret_keys": SECRET}
    for keys in (with_the_old, {"secret_key": new}):
        rotated = create_app(settings.model_copy(update=keys), watch=False)
        browser = half_way(rotated)
        assert browser.post(CODE, {"one_time_password": codes_now()}).status_code == 303
        assert is_in(browser)
        traveller.shift(totp.STEP_S)
        with rotated.app_context():
            db.engine.dispose()


class TestRequired:
    """With `STATUSPAGE_REQUIRE_SECOND_FACTOR=1`."""

    @pytest.fixture
    def settings(self, settings) -> Settings:
        return settings.model_copy(update={"require_second_factor": True})

    def test_who_has_none_sets_it_up_before_anything_else(self, app, bea):
        browser = Browser(app)
        browser.sign_in("bea@example.com", PASSWORD)
        for path in ("/admin/", "/admin/incidents/new", "/admin/team"):
            assert browser.get(path).location == HERE
        kept = browser.post("/admin/incidents", {"body": "Words that took\nan hour."})
        assert kept.status_code == 403
        assert "Words that took\nan hour." in unescape(kept.text)
        assert "requires two-factor sign-in" in text_of(browser.get(HERE))
        assert browser.get("/admin/account").status_code == 200

        browser.post(HERE, {"current_password": PASSWORD})
        secret = b32decode(written_secret(browser.get(HERE)))
        code = code_at(secret, clock.now())
        assert browser.post(f"{HERE}/confirm", {"one_time_password": code}).status_code == 200
        assert is_in(browser)
