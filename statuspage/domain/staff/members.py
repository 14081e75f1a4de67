"""Staff: who may do what at the desk, and how they prove who they are."""

import hashlib
import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from sqlalchemy.orm import Mapped, mapped_column

from statuspage.db import Model, db
from statuspage.domain import events, page_settings
from statuspage.domain.events import Actor, ActorKind
from statuspage.domain.staff import passwords, sessions
from statuspage.domain.staff.passwords import MAX_PASSWORD
from statuspage.domain.staff.sessions import AdminSession
from statuspage.errors import Invalid
from statuspage.lib import email_address
from statuspage.lib.markdown import clean

LINK_LIFETIME = timedelta(hours=12)

_hasher = PasswordHasher()


class Permission(StrEnum):
    VIEW = "view"
    PUBLISH = "publish"
    """Incidents, maintenance, postmortems, statuses set by hand."""
    CONFIGURE = "configure"
    """Components and page settings."""
    MANAGE_STAFF = "manage_staff"


class Role(StrEnum):
    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"

    def may(self, permission: Permission) -> bool:
        return permission in _MAY[self]


_MAY = {
    Role.OWNER: frozenset(Permission),
    Role.EDITOR: frozenset({Permission.VIEW, Permission.PUBLISH, Permission.CONFIGURE}),
    Role.VIEWER: frozenset({Permission.VIEW}),
}


class Staff(Model):
    email: Mapped[str] = mapped_column(unique=True)
    """The normal form in lower case; as typed where an earlier version stored it."""
    name: Mapped[str]
    role: Mapped[Role]
    password_hash: Mapped[str | None]
    """None: signs in by link only."""
    session_version: Mapped[int] = mapped_column(default=1)
    """Raised when every session of this person must end."""
    disabled_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    # What Flask-Login asks of a user; written out, so that the domain needs no Flask.
    is_authenticated = True
    is_anonymous = False

    @property
    def is_active(self) -> bool:
        return self.disabled_at is None

    def get_id(self) -> str:
        """What the session cookie carries; it stops matching once sessions must end."""
        return f"{self.id}.{self.session_version}"

    @property
    def actor(self) -> Actor:
        return Actor(ActorKind.STAFF, self.name, self.id)


class SignInLink(Model):
    """A one-time way in. Only a hash of its token is stored."""

    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id", ondelete="CASCADE"))
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    expires_at: Mapped[datetime]


# ── verbs ──────────────────────────────────────────────────────────────────────


def create(
    email: str,
    *,
    name: str,
    role: Role,
    password: str | None,
    by: Actor,
    at: datetime,
    breached: Path | None = None,
) -> Staff:
    """A new member of staff. Raises `Invalid` on a taken address or a weak password.

    `breached` is the list of breached passwords, where there is one, here and below.
    """
    try:
        email = email_address.normalized(email).lower()
    except ValueError:
        raise Invalid(email="Enter an e-mail address.") from None
    if with_email(email) is not None:
        raise Invalid(email="Someone with this address is already on the team.")
    name = clean(name).strip() or email.partition("@")[0]
    staff = Staff(email=email, name=name, role=role, created_at=at, session_version=1)
    if password is not None:
        staff.password_hash = _hash(password, staff.email, breached)
    db.session.add(staff)
    _record("staff.created", staff, by, at)
    return staff


def set_password(
    staff: Staff,
    password: str,
    *,
    by: Actor,
    at: datetime,
    keep: AdminSession | None = None,
    breached: Path | None = None,
) -> None:
    """Change the password; every session of this person but `keep` ends. Raises `Invalid`."""
    staff.password_hash = _hash(password, staff.email, breached)
    end_ways_in(staff, keep=keep)
    _record("staff.password_changed", staff, by, at, notify=True)


def set_role(staff: Staff, role: Role, *, by: Actor, at: datetime) -> None:
    """Change what somebody may do. Raises `Invalid` when no owner would be left."""
    if staff.role is Role.OWNER and role is not Role.OWNER:
        _keep_an_owner(staff)
    staff.role = role
    _record("staff.role_changed", staff, by, at)


def disable(staff: Staff, *, by: Actor, at: datetime) -> None:
    """Lock somebody out at once. Raises `Invalid` when no owner would be left.

    Their password is void: whoever may come back begins with a new sign-in link.
    """
    _keep_an_owner(staff)
    staff.disabled_at = at
    staff.password_hash = None
    end_ways_in(staff)
    _record("staff.disabled", staff, by, at)


def enable(staff: Staff, *, by: Actor, at: datetime) -> None:
    """Let somebody in again, by a sign-in link."""
    staff.disabled_at = None
    _record("staff.enabled", staff, by, at)


def take_back(
    staff: Staff,
    *,
    role: Role,
    password: str | None,
    by: Actor,
    at: datetime,
    breached: Path | None = None,
) -> None:
    """Let somebody who was locked out in again, in this role. Raises `Invalid`.

    With `password` that one works; without, they begin with a sign-in link.
    """
    if staff.is_active:
        raise Invalid(email="Someone with this address is already on the team.")
    if password is not None:
        staff.password_hash = _hash(password, staff.email, breached)
    staff.disabled_at, staff.role = None, role
    _record("staff.enabled", staff, by, at)
    if password is not None:
        _record("staff.password_changed", staff, by, at, notify=True)


def end_sessions(
    staff: Staff, *, by: Actor, at: datetime, keep: AdminSession | None = None
) -> None:
    """Sign this person out everywhere, or everywhere else."""
    end_ways_in(staff, keep=keep)
    _record("staff.sessions_ended", staff, by, at)


def end_ways_in(staff: Staff, *, keep: AdminSession | None = None) -> None:
    """Sessions and unused links of this person stop working, all but this one session.

    Nothing of it stands in the log: what they end for does. Whose session is kept needs a
    new cookie, for `get_id` changes.
    """
    staff.session_version += 1
    sessions.end_all(staff.id, but=keep)
    db.session.execute(sa.delete(SignInLink).where(SignInLink.staff_id == staff.id))


def authenticate(email: str, password: str) -> Staff | None:
    """The active member with this password; None otherwise, after the same time."""
    staff = with_email(email)
    is_right = is_hash_of(staff.password_hash if staff else None, password)
    return staff if staff and is_right and staff.is_active else None


def is_hash_of(stored: str | None, secret: str) -> bool:
    """Whether this is an Argon2id hash of `secret`; False for None, after as long."""
    try:
        # Longer than any password: it is wrong, and must not keep us busy.
        _hasher.verify(stored or _nobody(), _bytes(secret) if len(secret) <= MAX_PASSWORD else b"")
    except Argon2Error:
        return False
    return stored is not None


def hash_of(secret: str) -> str:
    """What is kept of something that a person types to prove who they are (Argon2id)."""
    return _hasher.hash(_bytes(secret))


def create_sign_in_link(staff: Staff, *, at: datetime, by: Actor | None = None) -> str:
    """A token that signs this person in once within twelve hours.

    `by`: who made it for them, which the log and the person are told.
    """
    token = secrets.token_urlsafe(32)
    db.session.execute(sa.delete(SignInLink).where(SignInLink.expires_at < at))
    db.session.add(
        SignInLink(staff_id=staff.id, token_hash=_digest(token), expires_at=at + LINK_LIFETIME)
    )
    if by is not None:
        _record("staff.sign_in_link_made", staff, by, at, notify=True)
    return token


def link_is_good(token: str, *, at: datetime) -> bool:
    """The link would work now; looking does not use it up."""
    return _link(token, at) is not None


def use_sign_in_link(token: str, *, at: datetime) -> Staff | None:
    """The person whose link this is; it works once. None when used, unknown or expired."""
    link = _link(token, at)
    if link is None:
        return None
    used = db.session.execute(sa.delete(SignInLink).where(SignInLink.id == link.id))
    if used.rowcount != 1:  # type: ignore[attr-defined]
        return None
    staff = db.session.get(Staff, link.staff_id)
    return staff if staff and staff.is_active else None


# ── finders ────────────────────────────────────────────────────────────────────


def get(staff_id: int) -> Staff | None:
    return db.session.get(Staff, staff_id)


def with_id(session_id: str) -> Staff | None:
    """The person whom a cookie names (`Staff.get_id`), while nothing ended all sessions."""
    staff_id, _, _version = session_id.partition(".")
    staff = get(int(staff_id)) if staff_id.isdecimal() and len(staff_id) < 10 else None
    return staff if staff and staff.is_active and staff.get_id() == session_id else None


def with_subject(subject: str) -> Staff | None:
    """The person whom an event is about (`subject_of`)."""
    noun, _, staff_id = subject.partition("-")
    return get(int(staff_id)) if noun == "staff" and staff_id.isdecimal() else None


def with_email(email: str) -> Staff | None:
    """The person with this address, however it is spelt."""
    spellings = email_address.spellings(email)
    rows = db.session.scalars(sa.select(Staff).where(Staff.email.in_(spellings)))
    return min(rows, key=lambda row: spellings.index(row.email), default=None)


def listed() -> list[Staff]:
    """Everyone, by name."""
    return list(db.session.scalars(sa.select(Staff).order_by(Staff.name, Staff.id)))


def subject_of(staff: Staff) -> str:
    """What stands for a person in the log."""
    return f"staff-{staff.id}"


# ── helpers ────────────────────────────────────────────────────────────────────


def _hash(password: str, email: str, breached: Path | None) -> str:
    page = page_settings.get()
    # Without the top-level domain, which says nothing of anybody.
    names = (page.name if page else "", *email.rpartition(".")[0].split("@"))
    passwords.check(password, names=names, breached=breached)
    return hash_of(password)


def _bytes(password: str) -> bytes:
    return password.encode(errors="surrogatepass")


@cache
def _nobody() -> str:
    """Verified when nobody has that address, so that both answers take the same time."""
    return _hasher.hash(secrets.token_hex(16))


def _keep_an_owner(staff: Staff) -> None:
    others = [
        member
        for member in listed()
        if member.role is Role.OWNER and member.is_active and member.id != staff.id
    ]
    if staff.role is Role.OWNER and not others:
        raise Invalid(role="The page needs an owner. Make someone else an owner first.")


def _link(token: str, at: datetime) -> SignInLink | None:
    query = sa.select(SignInLink).where(
        SignInLink.token_hash == _digest(token), SignInLink.expires_at > at
    )
    return db.session.scalar(query)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _record(kind: str, staff: Staff, by: Actor, at: datetime, *, notify: bool = False) -> None:
    """`notify`: it concerns how this person signs in, so they are told (ASVS 6.3.7)."""
    db.session.flush()
    events.record(
        kind,
        subject=subject_of(staff),
        title=staff.name,
        by=by,
        at=at,
        notify=notify,
        is_public=False,
    )
