"""Events: what happened, who did it and when, written once with the change itself.

The same row is the audit log and the reason to notify. A commit of one that changes the
page also moves the revision, the counter by which every process knows that its pages are old.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from statuspage.db import Model, db

CHANGED_AT = "content_changed_at"
"""Of a session: when what it is about to commit changed the page."""


class ActorKind(StrEnum):
    STAFF = "staff"
    TOKEN = "token"
    SYSTEM = "system"


@dataclass(frozen=True)
class Actor:
    """Who did it: a member of staff, an API token, or the program itself."""

    kind: ActorKind
    name: str
    staff_id: int | None = None


SYSTEM = Actor(ActorKind.SYSTEM, "Status page")


class Event(Model):
    __table_args__ = (sa.Index("ix_event_to_tell", "notify", "fanned_out_at"),)

    kind: Mapped[str] = mapped_column(sa.String(64), index=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor_kind: Mapped[ActorKind]
    actor_name: Mapped[str]
    staff_id: Mapped[int | None] = mapped_column(sa.ForeignKey("staff.id", ondelete="SET NULL"))
    subject: Mapped[str] = mapped_column(sa.String(64), index=True)
    """Public id of what changed."""
    title: Mapped[str]
    """Its name at that time, for people who read the log."""
    data: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    notify: Mapped[bool] = mapped_column(default=False)
    """Subscribers, or the member of staff it is about, are to be told; `notify` takes it from
    here."""
    fanned_out_at: Mapped[datetime | None]
    """When everyone it concerns was entered in the ledger."""
    fanned_out_to: Mapped[int] = mapped_column(default=0)
    """Highest row id of the subscribers that were entered so far."""


class Revision(Model):
    """One row: the number that every commit of a change to the page raises."""

    number: Mapped[int]
    changed_at: Mapped[datetime]


def record(
    kind: str,
    *,
    subject: str,
    title: str,
    by: Actor,
    at: datetime,
    data: dict[str, Any] | None = None,
    notify: bool = False,
    is_public: bool = True,
    changed_at: datetime | None = None,
) -> Event:
    """Write down that `kind` happened; the commit moves the revision, in the same transaction.

    What changes nothing that the public sees (`is_public=False`: tokens, subscribers)
    leaves the revision alone, so that no page is rebuilt for it. `changed_at` is when the
    public content changed; None: now, `at`.
    """
    event = Event(
        kind=kind,
        at=at,
        actor_kind=by.kind,
        actor_name=by.name,
        staff_id=by.staff_id,
        subject=subject,
        title=title,
        data=data or {},
        notify=notify,
    )
    db.session.add(event)
    if is_public:
        db.session.info[CHANGED_AT] = changed_at or at
    return event


def revision() -> int:
    """The present revision; 0 before anything happened."""
    return db.session.scalar(sa.select(Revision.number).where(Revision.id == 1)) or 0


def changed_at() -> datetime | None:
    """When the content last changed."""
    return db.session.scalar(sa.select(Revision.changed_at).where(Revision.id == 1))


def latest(limit: int, *, before: int | None = None) -> list[Event]:
    """Newest events first; `before` is the id to go on from."""
    query = sa.select(Event).order_by(Event.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Event.id < before)
    return list(db.session.scalars(query))


def latest_of(kinds: Collection[str], limit: int) -> list[Event]:
    """Newest events of these kinds first."""
    if not kinds:
        return []
    query = sa.select(Event).where(Event.kind.in_(kinds)).order_by(Event.id.desc())
    return list(db.session.scalars(query.limit(limit)))


def pending_fanout(limit: int) -> list[Event]:
    """Events that subscribers were not all entered for yet, oldest first."""
    query = sa.select(Event).where(Event.notify.is_(True), Event.fanned_out_at.is_(None))
    return list(db.session.scalars(query.order_by(Event.id).limit(limit)))


def about(subject: str, limit: int = 100) -> list[Event]:
    """Newest events about one thing first."""
    query = sa.select(Event).where(Event.subject == subject)
    return list(db.session.scalars(query.order_by(Event.id.desc()).limit(limit)))


def since(number: int, limit: int = 5000) -> tuple[int, list[tuple[int, str, str]]]:
    """The newest id, and (id, kind, subject) of at most `limit` events after `number`."""
    newest = db.session.scalar(sa.select(sa.func.max(Event.id))) or 0
    query = sa.select(Event.id, Event.kind, Event.subject).where(Event.id > number)
    rows = db.session.execute(query.order_by(Event.id.desc()).limit(limit))
    return newest, [(row_id, kind, subject) for row_id, kind, subject in rows]


def newest_at(kind: str) -> datetime | None:
    """When something of this kind happened the last time."""
    return db.session.scalar(sa.select(sa.func.max(Event.at)).where(Event.kind == kind))


def redact(subject: str, secret: str, mark: str) -> int:
    """Take a secret out of the log about one thing; returns how many entries held it."""
    changed = 0
    for event in about(subject, limit=10_000):
        data = _without(event.data, secret, mark)
        title = event.title.replace(secret, mark)
        if (data, title) != (event.data, event.title):
            event.data, event.title = data, title
            changed += 1
    return changed


def _without(value: Any, secret: str, mark: str) -> Any:
    """The same JSON with the mark wherever a text holds the secret."""
    match value:
        case str():
            return value.replace(secret, mark)
        case dict():
            return {key: _without(inner, secret, mark) for key, inner in value.items()}
        case list():
            return [_without(inner, secret, mark) for inner in value]
    return value


def get(event_id: int, kind: str) -> Event | None:
    """The event with this id, if it is of this kind."""
    event = db.session.get(Event, event_id)
    return event if event is not None and event.kind == kind else None


# ── the revision ───────────────────────────────────────────────────────────────


@sa.event.listens_for(db.session, "before_commit")
def _raise_revision(session: Session) -> None:
    # Last of all: everybody who changes the page waits here for everybody else, and who waits
    # with more to lock would wait for somebody who waits for them.
    at = session.info.pop(CHANGED_AT, None)
    if at is None:
        return
    session.flush()
    raise_it = (
        sa.update(Revision)
        .where(Revision.id == 1)
        .values(number=Revision.number + 1, changed_at=at)
        .execution_options(synchronize_session=False)
    )
    is_raised = session.execute(raise_it).rowcount > 0  # type: ignore[attr-defined]
    if not is_raised:
        session.execute(sa.insert(Revision).values(id=1, number=1, changed_at=at))


@sa.event.listens_for(db.session, "after_rollback")
def _forget_the_change(session: Session) -> None:
    session.info.pop(CHANGED_AT, None)
