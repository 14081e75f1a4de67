"""Signing in and out: who gets in, how long, and what guessers meet."""

import re

import pytest

from statuspage import clock
from statuspage.domain.events import SYSTEM
from statuspage.domain.staff import members as staff
from statuspage.domain.staff.members import Role
from tests.conftest import on_sqlite
from tests.helpers.admin import Browser, text_of

PASSWORD = "correct horse battery"
NEW = "another lantern in the fog"

pytestmark = on_sqlite


def form_of_password(browser):
    return browser.get("/admin/account").text.rpartition("<form")[2]


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


def a_link(committed, email):
    with committed():
        return staff.create_sign_in_link(staff.with_email(email), at=clock.now())


def test_password_signs_in(visitor, bea):
    answer = visitor.sign_in(" Bea@Example.com ", PASSWORD)
    assert (answer.status_code, answer.location) == (303, "/admin/")
    assert visitor.get("/admin/").status_code == 200


def test_wrong_password_and_unknown_person_get_the_same_response(visitor, bea):
    wrong = visitor.sign_in("bea@example.com", "not this one at all")
    unknown = visitor.sign_in("nobody@example.com", "not this one at all")
    assert wrong.status_code == unknown.status_code == 422

    def same(answer):
        page = re.sub(r'value="[^"]*"', "", answer.text)
        return page.replace("nobody", "bea")

    assert same(wrong) == same(unknown)
    assert "Wrong e-mail or password" in text_of(wrong)


def test_refused_sign_in_keeps_the_address_but_not_the_password(visitor, bea):
    page = visitor.sign_in("bea@example.com", "not this one at all").text
    assert 'value="bea@example.com"' in page
    assert "not this one" not in page


def test_sign_in_fields_have_autocomplete_hints(visitor, world):
    page = visitor.get("/admin/sign-in").text
    assert 'autocomplete="username"' in page
    assert 'autocomplete="current-password"' in page
    assert "onpaste" not in page


def test_guesses_at_one_account_are_limited_with_a_reason(visitor, bea):
    token = visitor.token()
    form = {"email": "bea@example.com", "password": "guess guess guess"}
    codes = [visitor.post("/admin/sign-in", form, token=token).status_code for _ in range(7)]
    assert codes == [422] * 6 + [429]
    answer = visitor.post("/admin/sign-in", form, token=token)
    assert "Too many attempts" in answer.text
    assert answer.headers["Retry-After"]


def test_guessing_with_other_spellings_of_an_address_is_slowed_down(visitor, bea):
    spellings = ["bea@example.com", '"BEA"@example.com', "bea@EXAMPLE.com.", '"b\\ea"@example.com']
    token = visitor.token()
    codes = [
        visitor.post(
            "/admin/sign-in", {"email": spelling, "password": "wrong"}, token=token
        ).status_code
        for spelling in spellings * 2
    ]
    assert codes[:7] == [422] * 6 + [429]


def test_address_with_control_characters_reaches_no_account(app, visitor, bea):
    with app.app_context():
        assert staff.with_email("bea@example.com") is not None
        assert staff.with_email("b\x01ea@example.com") is None
    answer = visitor.post(
        "/admin/sign-in",
        {"email": "b\x01ea@example.com", "password": "guess guess guess"},
        token=visitor.token(),
    )
    assert answer.status_code == 422


def guess(browser, times, *, networks=("203.0.113.7",), email="bea@example.com"):
    """Status codes of wrong passwords, from the networks in turn."""
    token = browser.token()
    return [
        browser.post(
            "/admin/sign-in",
            {"email": email, "password": "guess guess guess"},
            token=token,
            environ_overrides={"REMOTE_ADDR": networks[number % len(networks)]},
        ).status_code
        for number in range(times)
    ]


NETWORKS = [f"203.0.113.{number}" for number in range(1, 7)]


def test_a_stranger_cannot_keep_someone_out_of_a_browser_they_signed_in_with(app, bea):
    known, new, stranger = Browser(app), Browser(app), Browser(app)
    assert known.sign_in("bea@example.com", PASSWORD).status_code == 303
    known.post("/admin/sign-out")
    codes = guess(stranger, 30, networks=NETWORKS)
    assert codes[:20] == [422] * 20
    assert codes[20:] == [429] * 10

    assert new.sign_in("bea@example.com", PASSWORD).status_code == 429
    assert known.sign_in("bea@example.com", PASSWORD).status_code == 303


def test_a_stranger_in_one_network_keeps_nobody_else_out(app, bea):
    assert guess(Browser(app), 10)[-1] == 429
    assert Browser(app).sign_in("bea@example.com", PASSWORD).status_code == 303


def test_a_known_browser_may_guess_no_more_than_others(app, bea):
    known = Browser(app)
    known.sign_in("bea@example.com", PASSWORD)
    known.post("/admin/sign-out")
    assert guess(known, 7, networks=NETWORKS) == [422] * 6 + [429]
    assert guess(known, 7, email="other@example.com") == [422] * 6 + [429]


def test_the_mark_of_a_known_browser_is_of_one_person_and_cannot_be_made(app, bea):
    stranger = Browser(app)
    stranger.client.set_cookie(
        "__Secure-statuspage-device",
        "WzEsImEiXQ.aaaaaa.bbbb",
        domain="status.example.com",
        path="/admin/sign-in",
        secure=True,
    )
    assert guess(stranger, 7)[-1] == 429
    answer = Browser(app).sign_in("bea@example.com", PASSWORD)
    (mark,) = [one for one in answer.headers.getlist("Set-Cookie") if "-device" in one]
    for part in ("__Secure-", "Secure", "HttpOnly", "SameSite=Strict", "Path=/admin/sign-in"):
        assert part in mark


def test_guessing_at_many_accounts_from_one_address_is_slowed_down(visitor, world):
    token = visitor.token()
    codes = [
        visitor.post(
            "/admin/sign-in", {"email": f"p{n}@example.com", "password": "x" * 12}, token=token
        ).status_code
        for n in range(21)
    ]
    assert codes[-1] == 429


def test_ipv6_addresses_of_one_network_share_a_limit(visitor, world):
    """Whoever has one IPv6 address has 2**64 of them."""
    token = visitor.token()
    codes = [
        visitor.post(
            "/admin/sign-in",
            {"email": f"p{n}@example.com", "password": "x" * 12},
            token=token,
            environ_overrides={"REMOTE_ADDR": f"2001:db8:1:2::{n:x}"},
        ).status_code
        for n in range(21)
    ]
    assert (codes[0], codes[-1]) == (422, 429)


@pytest.mark.parametrize(
    "entry", ["203.0.113.7:{}", '"[2001:db8::{:x}]:443"', "[2001:db8::{:x}]", "::ffff:203.0.113.7"]
)
def test_guessing_is_slowed_down_whatever_the_proxy_writes_after_the_address(another, world, entry):
    browser = Browser(another(proxy_hops=1))
    token = browser.token()
    codes = [
        browser.post(
            "/admin/sign-in",
            {"email": f"p{n}@example.com", "password": "x" * 12},
            token=token,
            headers={"X-Forwarded-For": entry.format(40_000 + n), "X-Forwarded-Proto": "https"},
        ).status_code
        for n in range(21)
    ]
    assert (codes[0], codes[-1]) == (422, 429)


def test_signing_in_rightly_is_never_slowed_down(app, bea):
    for _ in range(8):
        assert Browser(app).sign_in("bea@example.com", PASSWORD).status_code == 303


@pytest.mark.parametrize(
    "next_, leads_to",
    [
        ("/admin/incidents?q=a", "/admin/incidents?q=a"),
        ("https://evil.example/admin/", "/admin/"),
        ("//evil.example/admin/", "/admin/"),
        ("/\\evil.example", "/admin/"),
        ("/admin/\\..\\evil", "/admin/"),
        ("/administrator", "/admin/"),
        ("javascript:alert(1)", "/admin/"),
        ("/admin/\n//evil.example", "/admin/"),
        ("http:///admin/", "/admin/"),
    ],
)
def test_sign_in_redirects_only_within_the_admin(visitor, bea, next_, leads_to):
    answer = visitor.sign_in("bea@example.com", PASSWORD, next=next_)
    assert answer.location == leads_to


def test_opening_a_sign_in_link_does_not_use_it(visitor, committed, bea):
    token = a_link(committed, "bea@example.com")
    for _ in range(3):
        page = visitor.get(f"/admin/sign-in/{token}")
        assert page.status_code == 200
        assert "Sign in" in page.text
    assert visitor.post(f"/admin/sign-in/{token}").status_code == 303
    assert visitor.get("/admin/").status_code == 200


def test_sign_in_link_works_once(app, committed, bea):
    token = a_link(committed, "bea@example.com")
    assert Browser(app).post(f"/admin/sign-in/{token}").status_code == 303
    second = Browser(app).post(f"/admin/sign-in/{token}")
    assert second.status_code == 404
    assert "no longer works" in second.text


def test_sign_in_link_expires_after_twelve_hours(visitor, committed, bea, traveller):
    token = a_link(committed, "bea@example.com")
    traveller.shift(12 * 3600 + 1)
    assert visitor.post(f"/admin/sign-in/{token}").status_code == 404


def test_sign_in_by_link_allows_a_new_password_without_the_old_one(app, committed, bea, traveller):
    stolen, here = Browser(app), Browser(app)
    stolen.sign_in("bea@example.com", PASSWORD)
    here.post(f"/admin/sign-in/{a_link(committed, 'bea@example.com')}")
    assert 'name="current_password"' not in form_of_password(here)
    assert here.post("/admin/account", {"password": NEW}).status_code == 303
    assert stolen.get("/admin/").status_code == 302
    assert Browser(app).sign_in("bea@example.com", NEW).status_code == 303
    # It counts once, and for a quarter of an hour.
    assert 'name="current_password"' in form_of_password(here)
    assert here.post("/admin/account", {"password": PASSWORD}).status_code == 422
    late = Browser(app)
    late.post(f"/admin/sign-in/{a_link(committed, 'bea@example.com')}")
    traveller.shift(15 * 60 + 1)
    assert late.post("/admin/account", {"password": PASSWORD}).status_code == 422


def test_password_is_not_accepted_as_a_link(app, bea):
    """A session that began with the password proves nothing by its age."""
    browser = Browser(app)
    browser.sign_in("bea@example.com", PASSWORD)
    assert browser.post("/admin/account", {"password": NEW}).status_code == 422


def test_signing_out_ends_the_session(ann):
    answer = ann.post("/admin/sign-out")
    assert answer.status_code == 303
    assert answer.headers["Clear-Site-Data"] == '"cache"'
    assert ann.get("/admin/").status_code == 302


def test_new_password_ends_other_sessions_and_keeps_this_one(app, bea):
    here, there = Browser(app), Browser(app)
    here.sign_in("bea@example.com", PASSWORD)
    there.sign_in("bea@example.com", PASSWORD)
    answer = here.post(
        "/admin/account",
        {"current_password": PASSWORD, "password": "another horse battery"},
    )
    assert answer.status_code == 303
    assert here.get("/admin/").status_code == 200
    assert there.get("/admin/").status_code == 302
    assert Browser(app).sign_in("bea@example.com", PASSWORD).status_code == 422


def test_changing_the_password_requires_the_current_one(app, bea):
    here = Browser(app)
    here.sign_in("bea@example.com", PASSWORD)
    answer = here.post(
        "/admin/account", {"current_password": "wrong", "password": "another horse battery"}
    )
    assert answer.status_code == 422
    assert "not your current password" in answer.text
    assert "another horse" not in answer.text


@pytest.mark.parametrize(
    "password, said",
    [
        ("short", "at least 12 characters"),
        ("Passwordpassword", "This is a common password"),
        ("northwind 2026 spring", "Leave out “northwind”"),
    ],
)
def test_weak_password_is_refused_with_a_reason(ann, password, said):
    answer = ann.post("/admin/account", {"password": password})
    assert answer.status_code == 422
    assert said in answer.text
    assert password not in answer.text


def test_the_cookie_is_for_https_and_for_this_site_only(visitor, bea):
    cookie = visitor.sign_in("bea@example.com", PASSWORD).headers.getlist("Set-Cookie")[-1]
    assert "HttpOnly" in cookie
    assert "Secure" in cookie
    assert "SameSite=Lax" in cookie


def test_the_cookie_is_of_this_host_alone(visitor, bea):
    answer = visitor.sign_in("bea@example.com", PASSWORD)
    name, *told = answer.headers.getlist("Set-Cookie")[-1].split("; ")
    assert name.startswith("__Host-statuspage=")
    assert "Path=/" in told
    assert "Secure" in told
    assert not any(one.lower().startswith("domain") for one in told)


def test_session_cookie_over_http_has_a_name_browsers_accept(another):
    client = another(base_url="http://127.0.0.1:8000").test_client()
    cookie = client.get("/admin/sign-in").headers["Set-Cookie"]
    assert cookie.startswith("statuspage=")
    assert "Secure" not in cookie


def test_signing_in_starts_a_new_session(visitor, bea):
    before = visitor.token()
    visitor.sign_in("bea@example.com", PASSWORD)
    stale = visitor.post("/admin/sign-out", token=before)
    assert stale.status_code == 400, "a token from before the sign-in must not count any more"


def test_deactivated_member_is_signed_out_at_once(app, owner, ann, stored):
    person = stored(lambda: staff.with_email("ann@example.com").id)
    assert ann.get("/admin/").status_code == 200
    assert owner.post(f"/admin/team/{person}/disable").status_code == 303
    assert ann.get("/admin/").status_code == 302
