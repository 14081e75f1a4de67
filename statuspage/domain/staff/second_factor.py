"""The second factor: codes of an authenticator app, asked for after the password.

Owns the secrets behind the codes, sealed, and the recovery codes for when the app is lost,
hashed. `keys` are the secret keys of the settings, the present one first.
"""

import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from argon2 import PasswordHasher
from sqlalchemy.orm import Mapped, mapped_column

from statuspage.db import Model, db
from statuspage.domain import events
from statuspage.domain.events import Actor
from statuspage.domain.staff import members as staff
from statuspage.domain.staff import totp
from statuspage.domain.staff.members import Staff
from statuspage.errors import Invalid
from statuspage.lib import encryption

RECOVERY_CODES = 10
SET_UP_WITHIN = timedelta(hours=1)
"""A secret that was shown and never confirmed is worth nothing afterwards."""

# Without those that look alike.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_LABEL = 4
_LENGTH = 12
"""Of a recovery code: four characters find it, eight (39 bits) prove it, behind Argon2id."""

# At the least that OWASP asks for: ten are hashed at once while others wait for the database,
# and unlike passwords they are random.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

_IS_NOT_THE_CODE = (
    "That code is not valid. Check the app again; if it still fails, let your phone set"
    " its clock automatically."
)


class SecondFactor(Model):
    staff_id: Mapped[int] = mapped_column(
        sa.ForeignKey("staff.id", ondelete="CASCADE"), unique=True
    )
    sealed_secret: Mapped[str]
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    """None: shown, and no code of it typed yet."""
    last_step: Mapped[int] = mapped_column(default=0)
    """The half minute of the last code that was accepted; none up to it counts again."""


class RecoveryCode(Model):
    __table_args__ = (sa.UniqueConstraint("staff_id", "label"),)

    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id", ondelete="CASCADE"))
    label: Mapped[str] = mapped_column(sa.String(_LABEL))
    code_hash: Mapped[str]


# ── verbs ──────────────────────────────────────────────────────────────────────


def set_up(person: Staff, *, keys: Sequence[str], at: datetime) -> None:
    """Make a secret for an app to learn. It asks for nothing until it is confirmed.

    Raises `Invalid` where a second factor is on.
    """
    if is_on(person):
        raise Invalid(second_factor="Your second factor is already on.")
    _forget(person)
    sealed_secret = encryption.encrypt(keys[0], totp.new_secret(), purpose=_purpose(person))
    db.session.add(
        SecondFactor(staff_id=person.id, sealed_secret=sealed_secret, created_at=at, last_step=0)
    )


def confirm(
    person: Staff, typed: str, *, keys: Sequence[str], by: Actor, at: datetime
) -> list[str]:
    """Turn it on with a first code; the recovery codes, which nobody can read again.

    Raises `Invalid` on a wrong code, or when there is nothing to confirm any more.
    """
    secret = secret_to_confirm(person, keys=keys, at=at)
    row = _row(person)
    if row is None or secret is None:
        raise Invalid(second_factor="This took more than an hour. Start again.")
    step = totp.matching_step(secret, _digits(typed), at=at)
    if step is None:
        raise Invalid(one_time_password=_IS_NOT_THE_CODE)
    row.confirmed_at, row.last_step = at, step
    codes = _new_recovery_codes(person)
    _record("staff.second_factor_on", person, by, at)
    return codes


def accept_code(person: Staff, typed: str, *, keys: Sequence[str], at: datetime) -> bool:
    """Whether this is a code of the person's app that was not used before; it is now."""
    row = _row(person)
    if row is None or row.confirmed_at is None:
        return False
    plain = encryption.decrypt(keys, row.sealed_secret, purpose=_purpose(person))
    if plain is None:
        return False
    secret, key = plain
    step = totp.matching_step(secret, _digits(typed), at=at)
    if step is None:
        return False
    values: dict[str, object] = {"last_step": step}
    if key != keys[0]:
        values["sealed_secret"] = encryption.encrypt(keys[0], secret, purpose=_purpose(person))
    used = db.session.execute(
        sa.update(SecondFactor)
        .where(SecondFactor.id == row.id, SecondFactor.last_step < step)
        .values(values)
        .execution_options(synchronize_session=False)
    )
    return bool(used.rowcount == 1)  # type: ignore[attr-defined]


def accept_recovery_code(person: Staff, typed: str, *, by: Actor, at: datetime) -> bool:
    """Whether this is one of the person's recovery codes; it is used up then."""
    plain = re.sub(r"[\W_]+", "", typed.lower())[: _LENGTH + 1]
    query = sa.select(RecoveryCode).where(
        RecoveryCode.staff_id == person.id, RecoveryCode.label == plain[:_LABEL]
    )
    row = db.session.scalar(query)
    if not staff.is_hash_of(row.code_hash if row else None, plain) or row is None:
        return False
    used = db.session.execute(sa.delete(RecoveryCode).where(RecoveryCode.id == row.id))
    if used.rowcount != 1:  # type: ignore[attr-defined]
        return False
    _record("staff.recovery_code_used", person, by, at)
    return True


def renew_recovery_codes(person: Staff, *, by: Actor, at: datetime) -> list[str]:
    """Ten new ones; those from before stop working. Raises `Invalid` where it is off."""
    if not is_on(person):
        raise Invalid(second_factor="Your second factor is off.")
    codes = _new_recovery_codes(person)
    _record("staff.recovery_codes_renewed", person, by, at)
    return codes


def remove(person: Staff, *, by: Actor, at: datetime) -> None:
    """From now on the password is enough. Does nothing where it is."""
    was_on = is_on(person)
    _forget(person)
    if was_on:
        _record("staff.second_factor_off", person, by, at)


def reset(person: Staff, *, by: Actor, at: datetime) -> None:
    """Remove it for somebody who lost the app; every session of theirs ends.

    Raises `Invalid` where it is off.
    """
    if not is_on(person):
        raise Invalid(second_factor=f"{person.name} has no second factor.")
    remove(person, by=by, at=at)
    staff.end_ways_in(person)


# ── finders ────────────────────────────────────────────────────────────────────


def is_on(person: Staff) -> bool:
    row = _row(person)
    return row is not None and row.confirmed_at is not None


def on_since(person: Staff) -> datetime | None:
    row = _row(person)
    return row.confirmed_at if row else None


def who_has_one() -> set[int]:
    """Ids of the staff whose second factor is on."""
    query = sa.select(SecondFactor.staff_id).where(SecondFactor.confirmed_at.is_not(None))
    return set(db.session.scalars(query))


def recovery_codes_left(person: Staff) -> int:
    query = sa.select(sa.func.count()).where(RecoveryCode.staff_id == person.id)
    return db.session.scalar(query) or 0


def secret_to_confirm(person: Staff, *, keys: Sequence[str], at: datetime) -> bytes | None:
    """What the app has to learn now; None where nothing is being set up."""
    row = _row(person)
    if row is None or row.confirmed_at is not None or row.created_at <= at - SET_UP_WITHIN:
        return None
    plain = encryption.decrypt(keys, row.sealed_secret, purpose=_purpose(person))
    return plain[0] if plain else None


# ── helpers ────────────────────────────────────────────────────────────────────


def _row(person: Staff) -> SecondFactor | None:
    return db.session.scalar(sa.select(SecondFactor).where(SecondFactor.staff_id == person.id))


def _purpose(person: Staff) -> str:
    """Bound to the person: another's row is of no use in one's own."""
    return f"second-factor:{person.id}"


def _digits(typed: str) -> str:
    return "".join(typed.split())


def _new_recovery_codes(person: Staff) -> list[str]:
    db.session.execute(sa.delete(RecoveryCode).where(RecoveryCode.staff_id == person.id))
    codes: dict[str, str] = {}
    while len(codes) < RECOVERY_CODES:
        code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        codes[code[:_LABEL]] = code
    for label, code in codes.items():
        row = RecoveryCode(staff_id=person.id, label=label, code_hash=_hasher.hash(code))
        db.session.add(row)
    return [f"{code[:4]}-{code[4:8]}-{code[8:]}" for code in codes.values()]


def _forget(person: Staff) -> None:
    for table in (SecondFactor, RecoveryCode):
        db.session.execute(
            sa.delete(table)
            .where(table.staff_id == person.id)
            .execution_options(synchronize_session="fetch")
        )


def _record(kind: str, person: Staff, by: Actor, at: datetime) -> None:
    """All of it concerns how this person signs in, so they are told (ASVS 6.3.7)."""
    db.session.flush()
    events.record(
        kind,
        subject=staff.subject_of(person),
        title=person.name,
        by=by,
        at=at,
        notify=True,
        is_public=False,
    )
