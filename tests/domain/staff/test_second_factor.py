"""The second factor: codes as RFC 6238 counts them, recovery codes, secrets that stay sealed."""

import math
import re
from datetime import UTC, datetime
from threading import Barrier, Thread
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.events import SYSTEM
from statuspage.domain.staff import members as staff
from statuspage.domain.staff import second_factor, totp
from statuspage.domain.staff.members import Role
from statuspage.domain.staff.second_factor import RecoveryCode, SecondFactor
from statuspage.errors import Invalid
from statuspage.lib import encryption
from tests.helpers.domain import ANNA, AT, HOUR, SECOND
from tests.helpers.totp_app import code_at, step_at

KEYS = ("the present secret key",)
STEP = totp.STEP_S * SECOND


@pytest.fixture
def anna(session):
    person = staff.create(
        "anna@example.com", name="Anna", role=Role.OWNER, password=None, by=SYSTEM, at=AT
    )
    db.session.flush()
    return person


def turn_on(person, *, at=AT, keys=KEYS):
    """The secret that the app has learnt, and the recovery codes."""
    second_factor.set_up(person, keys=keys, at=at)
    secret = second_factor.secret_to_confirm(person, keys=keys, at=at)
    first = code_at(secret, at)
    return secret, second_factor.confirm(person, first, keys=keys, by=ANNA, at=at)


def accepts(person, typed, *, at, keys=KEYS):
    return second_factor.accept_code(person, typed, keys=keys, at=at)


# ── codes ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "seconds, digits",
    [
        # RFC 6238, appendix B, SHA-1; of its eight digits the last six.
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_totp_codes_match_rfc_6238(seconds, digits):
    secret, at = b"12345678901234567890", datetime.fromtimestamp(seconds, UTC)
    assert code_at(secret, at) == digits
    assert totp.matching_step(secret, digits, at=at) == step_at(at)


def test_totp_accepts_one_step_of_clock_drift():
    secret = totp.new_secret()
    now = step_at(AT)
    found = [
        totp.matching_step(secret, code_at(secret, AT + off * STEP), at=AT) for off in range(-2, 3)
    ]
    assert found == [None, now - 1, now, now + 1, None]


@pytest.mark.parametrize(
    "typed", ["", "12345", "abcdef", "1" * 4000, "-12345", "\ud800" * 6, "²²²²²²"]
)
def test_totp_rejects_what_is_not_a_code(typed):
    assert totp.matching_step(totp.new_secret(), typed, at=AT) is None


def test_totp_accepts_full_width_digits():
    secret = b"12345678901234567890"
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in "287082")
    assert totp.matching_step(secret, wide, at=datetime.fromtimestamp(59, UTC)) == 1


def test_the_address_tells_an_app_everything_it_needs():
    secret = b"12345678901234567890"
    parts = urlsplit(totp.address(secret, issuer="North: wind & Söhne", account="a+b@example.com"))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert parts.path == "/North%20%20wind%20%26%20S%C3%B6hne:a%2Bb%40example.com"
    assert parse_qs(parts.query) == {
        "secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"],
        "issuer": ["North  wind & Söhne"],
    }
    assert totp.as_text(secret) == "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"


def test_second_factor_is_off_until_a_first_code_is_confirmed(anna):
    second_factor.set_up(anna, keys=KEYS, at=AT)
    secret = second_factor.secret_to_confirm(anna, keys=KEYS, at=AT)
    with pytest.raises(Invalid, match="That code is not valid"):
        second_factor.confirm(anna, "000000", keys=KEYS, by=ANNA, at=AT - HOUR)
    assert not second_factor.is_on(anna)
    assert not accepts(anna, code_at(secret, AT), at=AT)
    second_factor.confirm(anna, f" {code_at(secret, AT)[:3]} {code_at(secret, AT)[3:]}", **now())
    assert second_factor.is_on(anna)
    assert second_factor.who_has_one() == {anna.id}


def now():
    return {"keys": KEYS, "by": ANNA, "at": AT}


def test_unconfirmed_totp_secret_expires_after_an_hour(anna):
    second_factor.set_up(anna, keys=KEYS, at=AT)
    secret = second_factor.secret_to_confirm(anna, keys=KEYS, at=AT)
    later = AT + HOUR
    assert second_factor.secret_to_confirm(anna, keys=KEYS, at=later) is None
    with pytest.raises(Invalid, match="Start again"):
        second_factor.confirm(anna, code_at(secret, later), keys=KEYS, by=ANNA, at=later)


def test_second_setup_keeps_the_first_factor_until_confirmed(anna):
    secret, _ = turn_on(anna)
    with pytest.raises(Invalid, match="already on"):
        second_factor.set_up(anna, keys=KEYS, at=AT)
    assert accepts(anna, code_at(secret, AT + STEP), at=AT + STEP)


def test_totp_code_works_once_and_older_codes_stop_working(anna):
    secret, _ = turn_on(anna)
    assert not accepts(anna, code_at(secret, AT), at=AT), "it was used to confirm"
    ahead = AT + STEP
    assert accepts(anna, code_at(secret, ahead), at=AT), "the phone's clock is ahead"
    for at in (AT, ahead, ahead + STEP):
        assert not accepts(anna, code_at(secret, ahead), at=at)
    assert not accepts(anna, code_at(secret, AT), at=ahead)
    assert accepts(anna, code_at(secret, AT + 2 * STEP), at=AT + 2 * STEP)


def test_concurrent_use_of_a_totp_code_admits_one(app):
    with app.app_context():
        person = staff.create(
            "anna@example.com", name="Anna", role=Role.OWNER, password=None, by=SYSTEM, at=AT
        )
        db.session.flush()
        secret, codes = turn_on(person)
        db.session.commit()
    later = AT + STEP
    barrier, answers = Barrier(2), []

    def use():
        with app.app_context():
            anna = staff.with_email("anna@example.com")
            db.session.rollback()
            for accept in (
                lambda: accepts(anna, code_at(secret, later), at=later),
                lambda: second_factor.accept_recovery_code(anna, codes[0], by=ANNA, at=AT),
            ):
                barrier.wait()
                answers.append(accept())
                db.session.commit()

    threads = [Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False, False, True, True]


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "١٢٣٤٥٦", "\ud800", "x" * 100_000])
def test_totp_rejects_a_wrong_code(anna, typed):
    turn_on(anna)
    assert not accepts(anna, typed, at=AT + HOUR)
    assert not second_factor.accept_recovery_code(anna, typed, by=ANNA, at=AT)


# ── recovery codes ─────────────────────────────────────────────────────────────


def test_each_of_ten_recovery_codes_works_once(anna):
    _, codes = turn_on(anna)
    assert len(set(codes)) == second_factor.recovery_codes_left(anna) == 10
    for left, code in enumerate(codes, start=1):
        assert second_factor.accept_recovery_code(anna, code, by=ANNA, at=AT)
        assert not second_factor.accept_recovery_code(anna, code, by=ANNA, at=AT)
        assert second_factor.recovery_codes_left(anna) == 10 - left


def test_recovery_codes_have_enough_entropy(anna):
    """Four characters find a code, the others prove it."""
    _, codes = turn_on(anna)
    proofs = [re.sub(r"\W", "", code)[4:] for code in codes]
    letters = len(set("".join(proofs)))
    assert letters >= 16  # Of thirty-one, in eighty.
    assert len(set(proofs)) == len(proofs)
    assert min(map(len, proofs)) * math.log2(letters) >= 32


def test_recovery_code_ignores_case_blanks_and_dashes(anna):
    _, codes = turn_on(anna)
    typed = f"  {codes[0].upper().replace('-', ' ')} "
    assert second_factor.accept_recovery_code(anna, typed, by=ANNA, at=AT)
    assert not second_factor.accept_recovery_code(anna, codes[1] + "2", by=ANNA, at=AT)
    assert not second_factor.accept_recovery_code(anna, codes[1][:-1], by=ANNA, at=AT)


def test_recovery_codes_are_hashed_and_replaced_as_a_set(anna):
    _, codes = turn_on(anna)
    kept = db.session.execute(sa.select(RecoveryCode.label, RecoveryCode.code_hash)).all()
    assert {label for label, _ in kept} == {code[:4] for code in codes}
    assert all(code_hash.startswith("$argon2id$") for _, code_hash in kept)
    fresh = second_factor.renew_recovery_codes(anna, by=ANNA, at=AT)
    assert not second_factor.accept_recovery_code(anna, codes[0], by=ANNA, at=AT)
    assert second_factor.accept_recovery_code(anna, fresh[0], by=ANNA, at=AT)


def test_recovery_code_of_another_person_is_refused(anna):
    secret, codes = turn_on(anna)
    ben = staff.create(
        "ben@example.com", name="Ben", role=Role.EDITOR, password=None, by=SYSTEM, at=AT
    )
    db.session.flush()
    later = AT + STEP
    assert not accepts(ben, code_at(secret, later), at=later)
    turn_on(ben)
    assert not accepts(ben, code_at(secret, later), at=later)
    assert not second_factor.accept_recovery_code(ben, codes[0], by=ANNA, at=AT)


def test_disabling_the_second_factor_deletes_all_of_it(anna):
    secret, codes = turn_on(anna)
    second_factor.remove(anna, by=ANNA, at=AT)
    second_factor.remove(anna, by=ANNA, at=AT)
    assert not second_factor.is_on(anna)
    assert not accepts(anna, code_at(secret, AT + STEP), at=AT + STEP)
    assert not second_factor.accept_recovery_code(anna, codes[0], by=ANNA, at=AT)
    for table in (SecondFactor, RecoveryCode):
        assert db.session.scalar(sa.select(sa.func.count()).select_from(table)) == 0


def test_second_factor_changes_are_audited_without_a_new_revision(anna):
    before = events.revision()
    _, codes = turn_on(anna)
    second_factor.accept_recovery_code(anna, codes[0], by=ANNA, at=AT)
    second_factor.renew_recovery_codes(anna, by=ANNA, at=AT)
    second_factor.remove(anna, by=ANNA, at=AT)
    db.session.flush()
    kinds = [event.kind for event in events.latest(4)]
    assert kinds == [
        "staff.second_factor_off",
        "staff.recovery_codes_renewed",
        "staff.recovery_code_used",
        "staff.second_factor_on",
    ]
    assert events.revision() == before


# ── secrets in the database ────────────────────────────────────────────────────


def test_totp_secret_is_encrypted_in_the_database(anna):
    secret, _ = turn_on(anna)
    kept = db.session.scalar(sa.select(SecondFactor.sealed_secret))
    purpose = f"second-factor:{anna.id}"
    assert encryption.decrypt(KEYS, kept, purpose=purpose) == (secret, KEYS[0])
    assert encryption.decrypt(KEYS, kept, purpose="second-factor:999") is None
    assert encryption.decrypt(("another secret key",), kept, purpose=purpose) is None
    for broken in ("", "no base64!", "AAAA", kept[:-8]):
        assert encryption.decrypt(KEYS, broken, purpose=purpose) is None


def test_totp_secret_is_reencrypted_on_use_after_a_key_rotation(anna):
    secret, _ = turn_on(anna)
    rotated, later = ("a new secret key", *KEYS), AT + STEP
    assert accepts(anna, code_at(secret, later), at=later, keys=rotated)
    db.session.expire_all()
    later += STEP
    assert accepts(anna, code_at(secret, later), at=later, keys=rotated[:1])


def test_recovery_codes_still_work_after_the_key_is_lost(anna):
    secret, codes = turn_on(anna)
    later = AT + STEP
    assert not accepts(anna, code_at(secret, later), at=later, keys=("a new secret key",))
    assert second_factor.accept_recovery_code(anna, codes[0], by=ANNA, at=AT)
