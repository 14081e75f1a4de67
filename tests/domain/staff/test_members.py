"""Staff: who may do what, and how they prove who they are."""

import time
from threading import Barrier, Thread

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from statuspage.db import db
from statuspage.domain.events import SYSTEM
from statuspage.domain.staff import members as staff
from statuspage.domain.staff.members import Permission, Role, SignInLink, Staff
from statuspage.errors import Invalid
from tests.helpers.domain import AT, HOUR, SECOND

PASSWORD = "correct horse battery"


def added(email="anna@example.com", role=Role.OWNER, password=None) -> Staff:
    return staff.create(email, name="", role=role, password=password, by=SYSTEM, at=AT)


@pytest.fixture
def anna(session):
    return added(" Anna@Example.COM ", password=PASSWORD)


def test_password_is_stored_as_an_argon2_hash(anna):
    first = anna.password_hash
    assert first.startswith("$argon2id$")
    staff.set_password(anna, PASSWORD, by=SYSTEM, at=AT)
    assert anna.password_hash != first


def test_sign_in_ignores_the_case_of_the_address(anna):
    assert (anna.email, anna.name) == ("anna@example.com", "anna")
    assert staff.authenticate("ANNA@example.com ", PASSWORD) is anna


def test_failed_sign_ins_all_get_the_same_refusal(anna):
    added("link@example.com", Role.EDITOR)
    for email, password in [
        ("anna@example.com", "wrong horse battery"),
        ("anna@example.com", PASSWORD + " "),
        ("anna@example.com", ""),
        ("anna@example.com", "\ud800" * 12),
        ("anna@example.com", "x" * 1_000_000),
        ("nobody@example.com", PASSWORD),
        ("\ud800@example.com", PASSWORD),
        ("link@example.com", ""),
    ]:
        assert staff.authenticate(email, password) is None
    added("ben@example.com")
    staff.disable(anna, by=SYSTEM, at=AT)
    assert staff.authenticate("anna@example.com", PASSWORD) is None


def test_overlong_password_is_not_truncated_to_match(session):
    anna = added(password="x" * staff.MAX_PASSWORD)
    assert staff.authenticate(anna.email, "x" * staff.MAX_PASSWORD) is anna
    assert staff.authenticate(anna.email, "x" * staff.MAX_PASSWORD + "y") is None


def test_unknown_address_takes_as_long_as_a_wrong_password(anna, monkeypatch):
    # At its real cost, which the other tests are spared.
    monkeypatch.setattr(staff, "_hasher", PasswordHasher())
    staff._nobody.cache_clear()
    staff.set_password(anna, PASSWORD, by=SYSTEM, at=AT)
    staff.authenticate("nobody@example.com", PASSWORD)  # makes the hash nobody has

    def took(email) -> float:
        begin = time.process_time()
        for _ in range(2):
            staff.authenticate(email, "wrong horse battery")
        return time.process_time() - begin

    assert 0.4 < took("nobody@example.com") / took("anna@example.com") < 2.5


@pytest.mark.parametrize("password", ["short", "x" * 11, "x" * 257])
def test_weak_password_is_refused(session, password):
    anna = added()
    before = anna.password_hash
    with pytest.raises(Invalid):
        staff.set_password(anna, password, by=SYSTEM, at=AT)
    with pytest.raises(Invalid):
        added("ben@example.com", password=password)
    assert anna.password_hash == before
    assert staff.listed() == [anna]


@pytest.mark.parametrize("email", ["", "anna", "a b@example.com", "@", "x" * 255 + "@example.com"])
def test_staff_member_requires_a_valid_address(session, email):
    with pytest.raises(Invalid):
        added(email)


def test_staff_address_is_unique(session):
    added()
    with pytest.raises(Invalid, match="already on the team"):
        added("ANNA@example.com")


# ── sessions ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("end", ["password", "disabled", "ended"])
def test_new_password_or_deactivation_ends_every_session(session, end):
    added("owner@example.com")
    anna = added()
    cookie, link = anna.get_id(), staff.create_sign_in_link(anna, at=AT)
    assert staff.with_id(cookie) is anna
    match end:
        case "password":
            staff.set_password(anna, PASSWORD + "!", by=SYSTEM, at=AT)
        case "disabled":
            staff.disable(anna, by=SYSTEM, at=AT)
            assert staff.with_id(anna.get_id()) is None
            staff.enable(anna, by=SYSTEM, at=AT)
        case "ended":
            staff.end_sessions(anna, by=SYSTEM, at=AT)
    assert staff.with_id(cookie) is None
    assert staff.with_id(anna.get_id()) is anna
    assert not staff.link_is_good(link, at=AT)


@pytest.mark.parametrize(
    "cookie", ["", ".", "1", "1.", "x.1", "1.2", "²", "9" * 400 + ".1", "-1.1"]
)
def test_invented_session_key_finds_no_session(session, cookie):
    added()
    assert staff.with_id(cookie) is None


def test_sign_in_link_works_once_within_twelve_hours(session):
    anna = added()
    link = staff.create_sign_in_link(anna, at=AT)
    assert link not in str(db.session.scalar(sa.select(SignInLink.token_hash)))
    assert staff.link_is_good(link, at=AT + 12 * HOUR - SECOND)
    assert not staff.link_is_good(link, at=AT + 12 * HOUR)
    assert staff.use_sign_in_link(link, at=AT + 12 * HOUR) is None
    assert staff.use_sign_in_link(link, at=AT + HOUR) is anna
    assert staff.use_sign_in_link(link, at=AT + HOUR) is None
    assert staff.use_sign_in_link("\ud800", at=AT) is None


def test_concurrent_use_of_a_sign_in_link_admits_one(app):
    with app.app_context():
        link = staff.create_sign_in_link(added(), at=AT)
        db.session.commit()
    barrier, answers = Barrier(2), []

    def use():
        with app.app_context():
            barrier.wait()
            answers.append(staff.use_sign_in_link(link, at=AT) is not None)
            db.session.commit()

    threads = [Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False, True]


# ── roles ──────────────────────────────────────────────────────────────────────


def test_last_owner_cannot_be_demoted(session):
    anna = added()
    added("ben@example.com", Role.EDITOR)
    with pytest.raises(Invalid, match="needs an owner"):
        staff.set_role(anna, Role.EDITOR, by=SYSTEM, at=AT)
    with pytest.raises(Invalid, match="needs an owner"):
        staff.disable(anna, by=SYSTEM, at=AT)
    second = added("carl@example.com")
    staff.disable(second, by=SYSTEM, at=AT)
    with pytest.raises(Invalid, match="needs an owner"):
        staff.set_role(anna, Role.VIEWER, by=SYSTEM, at=AT)
    staff.enable(second, by=SYSTEM, at=AT)
    staff.set_role(anna, Role.VIEWER, by=SYSTEM, at=AT)
    assert anna.role is Role.VIEWER


@pytest.mark.parametrize(
    "role, may",
    [
        (Role.OWNER, {*Permission}),
        (Role.EDITOR, {Permission.VIEW, Permission.PUBLISH, Permission.CONFIGURE}),
        (Role.VIEWER, {Permission.VIEW}),
    ],
)
def test_roles_have_their_permissions(role, may):
    assert {permission for permission in Permission if role.may(permission)} == may


@pytest.mark.parametrize(
    "stored, typed",
    [
        ("anna@bücher.example", "Anna@BÜCHER.example"),
        ("anna@bücher.example", " anna@bücher.example"),
        ("josé@example.com", "JOSÉ@example.com"),
        ("a..b@example.com", '"a..b"@example.com'),
        ("anna@a_b.example", "anna@a_b.example"),
        ("anna@xn--bcher-kva.example", "anna@bücher.example."),
        ("anna@xn--bcher-kva.example", '"anna"@BÜCHER.example'),
    ],
)
def test_an_account_is_found_by_any_spelling_of_its_address(anna, stored, typed):
    anna.email = stored
    assert staff.authenticate(typed, PASSWORD) is anna
    if stored.isascii() and "_" not in stored:
        with pytest.raises(Invalid, match="already on the team"):
            added(typed)


@pytest.mark.parametrize("typed", ["ada", "ada@", "ada@b c.de", "jöhn@example.com", "a@b@c.de"])
def test_an_account_needs_an_address_that_mail_can_reach(session, typed):
    with pytest.raises(Invalid) as invalid:
        added(typed)
    assert invalid.value.errors == {"email": "Enter an e-mail address."}


def test_an_account_may_have_an_address_of_this_network(session):
    assert added("Root@LOCALHOST").email == "root@localhost"
