"""Sessions: where a member of staff is signed in, since when, and until when.

The browser keeps a random key, the row its hash. A session ends when its row goes, when
nothing came from it for `IDLE`, and after `LONGEST` in any case.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from statuspage.db import Model, PublicId, db

IDLE = timedelta(days=7)
"""A week: whoever is on call now and then need not look for a phone in an outage. What is
dangerous asks for the password again."""
LONGEST = timedelta(days=30)
NOTED_EVERY = timedelta(minutes=5)
"""A sign of life is written down at most this often."""
MAX_BROWSER = 64


class AdminSession(Model):
    __tablename__ = "desk_session"

    public_id: Mapped[PublicId]
    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    key_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    browser: Mapped[str] = mapped_column(sa.String(MAX_BROWSER))
    """In plain words, such as `Firefox on Windows`. Nothing more is kept of it."""
    began_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]

    def works(self, at: datetime) -> bool:
        """Neither idle nor going on for too long at this moment."""
        return self.last_seen_at > at - IDLE and self.began_at > at - LONGEST

    def is_note_due(self, at: datetime) -> bool:
        return self.last_seen_at <= at - NOTED_EVERY


# ── verbs ──────────────────────────────────────────────────────────────────────


def start(staff_id: int, *, browser: str, at: datetime) -> str:
    """The key of a new session, which nobody can read again."""
    over = sa.or_(AdminSession.last_seen_at <= at - IDLE, AdminSession.began_at <= at - LONGEST)
    _delete(over)
    key = secrets.token_urlsafe(32)
    db.session.add(
        AdminSession(
            staff_id=staff_id,
            key_hash=_hash(key),
            browser=browser[:MAX_BROWSER],
            began_at=at,
            last_seen_at=at,
        )
    )
    return key


def renew(session: AdminSession) -> str:
    """A new key for a session that goes on: the one from before opens nothing."""
    key = secrets.token_urlsafe(32)
    session.key_hash = _hash(key)
    return key


def touch(session_id: int, *, at: datetime) -> None:
    """Write down a sign of life."""
    statement = sa.update(AdminSession).where(AdminSession.id == session_id).values(last_seen_at=at)
    db.session.execute(statement.execution_options(synchronize_session=False))


def end(session: AdminSession) -> None:
    _delete(AdminSession.id == session.id)


def end_all(staff_id: int, *, but: AdminSession | None = None) -> None:
    """End every session of this person, or every other one."""
    others = AdminSession.id != but.id if but else sa.true()
    _delete(AdminSession.staff_id == staff_id, others)


# ── finders ────────────────────────────────────────────────────────────────────


def with_key(key: str, *, at: datetime) -> AdminSession | None:
    """The session whose key this is, while it works."""
    row = db.session.scalar(sa.select(AdminSession).where(AdminSession.key_hash == _hash(key)))
    return row if row and row.works(at) else None


def of(staff_id: int, *, at: datetime) -> list[AdminSession]:
    """Where this person is signed in, the last seen first."""
    query = sa.select(AdminSession).where(AdminSession.staff_id == staff_id)
    query = query.order_by(AdminSession.last_seen_at.desc(), AdminSession.id.desc())
    return [row for row in db.session.scalars(query) if row.works(at)]


# ── helpers ────────────────────────────────────────────────────────────────────


def _hash(key: str) -> str:
    # 256 random bits need no slow hash.
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


def _delete(*which: sa.ColumnElement[bool]) -> None:
    db.session.execute(
        sa.delete(AdminSession).where(*which).execution_options(synchronize_session="fetch")
    )
