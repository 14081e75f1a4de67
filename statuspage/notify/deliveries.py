"""Deliveries: one row per event and subscriber, from fan-out until the message is sent.

Owns the delivery table and its state changes. Each is a compare-and-set that the caller
commits; sending happens between two of them, outside any transaction.
"""

import random
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, aliased, mapped_column

from statuspage.db import Model, db
from statuspage.domain.events import Event
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber

LEASE = timedelta(seconds=60)
"""A leased delivery is retried after this unless its worker renews the lease."""
MAX_ATTEMPTS = 12
MAX_LOST_LEASES = 20
"""After so many dead workers the message itself may be what kills them: staff decide."""
POISON = (
    f"{MAX_LOST_LEASES} workers died while sending this. Check their logs before sending it again."
)
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=6)
KEPT_FOR = timedelta(days=90)


class DeliveryState(StrEnum):
    PENDING = "waiting"
    SENDING = "sending"
    RETRYING = "later"
    """Failed; retried at `due_at`."""
    SENT = "sent"
    FAILED = "dead"
    """Failed for good; staff can replay it."""
    HELD = "held"
    """An unusually large or repeated send: staff decide."""
    CANCELLED = "dropped"
    """The message or its recipient no longer exists, or staff cancelled it."""


class Priority:
    """Lower goes first."""

    DIRECT = 0
    """Requested by one person: a confirmation, a test."""
    NEWS = 1
    BACKGROUND = 2
    """Not urgent: postmortems, corrections."""


class Delivery(Model):
    __table_args__ = (
        sa.UniqueConstraint("event_id", "subscriber_id"),
        sa.Index("ix_delivery_next", "state", "channel", "priority", "subscriber_id", "event_id"),
        sa.Index("ix_delivery_due", "state", "due_at"),
    )

    event_id: Mapped[int] = mapped_column(sa.ForeignKey("event.id", ondelete="CASCADE"))
    subscriber_id: Mapped[int] = mapped_column(
        sa.ForeignKey("subscriber.id", ondelete="CASCADE"), index=True
    )
    channel: Mapped[Channel]
    state: Mapped[DeliveryState]
    priority: Mapped[int] = mapped_column(sa.SmallInteger)
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    """`RETRYING`: when it is retried; `SENDING`: when the lease expires."""
    lease: Mapped[str | None] = mapped_column(sa.String(16))
    lost_leases: Mapped[int] = mapped_column(sa.SmallInteger, server_default="0")
    """How many leases expired because their worker died."""
    sent_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    """The last failure."""
    last_error: Mapped[str | None]
    """Our description of the response; holds no address."""
    remote_id: Mapped[str | None]
    """The vendor's id of the message, if it can be edited or replied to."""


@dataclass(frozen=True)
class LeasedDelivery:
    """A delivery that only this worker may send until its lease expires."""

    id: int
    event_id: int
    subscriber_id: int
    attempts: int
    lease: str


@dataclass(frozen=True)
class Outcome:
    """The result of sending a leased delivery."""

    leased: LeasedDelivery
    state: DeliveryState
    error: str | None = None
    retry_after: timedelta | None = None
    remote_id: str | None = None
    is_gone: bool = False
    """The receiver is gone: unsubscribe it."""
    is_ours: bool = False
    """The refusal is about us or this text: the subscriber is not quarantined."""


# ── state changes ──────────────────────────────────────────────────────────────────────


def enter(
    event: Event,
    chosen: sa.Select[int, Channel],
    priority: int,
    state: DeliveryState,
    *,
    at: datetime,
) -> int:
    """Insert a delivery for each (subscriber id, channel) that has none for this event yet.

    Returns the number inserted.
    """
    rows = chosen.subquery()
    exists_already = sa.exists().where(
        Delivery.event_id == event.id, Delivery.subscriber_id == rows.c[0]
    )
    values: list[sa.ColumnElement[object]] = [
        sa.literal(event.id),
        rows.c[0],
        rows.c[1],
        sa.literal(state.value),
        sa.literal(priority),
        sa.literal(0),
        sa.literal(at, Delivery.due_at.type),
    ]
    columns = ("event_id", "subscriber_id", "channel", "state", "priority", "attempts", "due_at")
    inserted = db.session.execute(
        sa.insert(Delivery).from_select(
            columns, sa.select(*values).select_from(rows).where(~exists_already)
        )
    )
    return inserted.rowcount  # type: ignore[attr-defined, no-any-return]


def lease(channel: Channel, limit: int, *, at: datetime) -> list[LeasedDelivery]:
    """Lease up to `limit` pending deliveries, the most urgent first."""
    lease = secrets.token_hex(8)
    chosen = (
        sa.select(Delivery.id)
        .where(Delivery.state == DeliveryState.PENDING, Delivery.channel == channel)
        .order_by(Delivery.priority, Delivery.subscriber_id, Delivery.event_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = db.session.execute(
        sa.update(Delivery)
        .where(Delivery.id.in_(chosen), Delivery.state == DeliveryState.PENDING)
        .values(
            state=DeliveryState.SENDING,
            lease=lease,
            due_at=at + LEASE,
            attempts=Delivery.attempts + 1,
        )
        .returning(Delivery.id, Delivery.event_id, Delivery.subscriber_id, Delivery.attempts)
        .execution_options(synchronize_session=False)
    )
    leased = [LeasedDelivery(*row, lease) for row in rows]
    # `RETURNING` has no order.
    return sorted(leased, key=lambda delivery: (delivery.subscriber_id, delivery.event_id))


def renew(leased: Collection[LeasedDelivery], *, at: datetime) -> None:
    """Extend the leases of deliveries that are still being sent; lost ones stay lost."""
    db.session.execute(
        sa.update(Delivery)
        .where(
            Delivery.id.in_([delivery.id for delivery in leased]),
            Delivery.lease.in_({delivery.lease for delivery in leased}),
        )
        .values(due_at=at + LEASE)
        .execution_options(synchronize_session=False)
    )


def record_results(outcomes: Sequence[Outcome], *, at: datetime) -> list[Outcome]:
    """Store the results of leased deliveries.

    Returns those stored; a delivery whose lease was lost belongs to another worker now.
    """
    recorded = []
    for outcome in outcomes:
        leased = outcome.leased
        values: dict[str, object] = {
            "state": outcome.state,
            "lease": None,
            "last_error": outcome.error,
        }
        if outcome.state is DeliveryState.SENT:
            values |= {"sent_at": at, "remote_id": outcome.remote_id}
        if outcome.state in (DeliveryState.RETRYING, DeliveryState.FAILED):
            values["failed_at"] = at
        if outcome.state is DeliveryState.RETRYING:
            if leased.attempts >= MAX_ATTEMPTS:
                values["state"] = DeliveryState.FAILED
            values["due_at"] = at + backoff(leased.attempts, outcome.retry_after)
        if outcome.state is DeliveryState.PENDING:
            values["attempts"] = leased.attempts - 1
        written = db.session.execute(
            sa.update(Delivery)
            .where(Delivery.id == leased.id, Delivery.lease == leased.lease)
            .values(**values)
            .execution_options(synchronize_session=False)
        )
        if written.rowcount == 1:  # type: ignore[attr-defined]
            recorded.append(outcome)
    return recorded


def release(
    leased: LeasedDelivery, state: DeliveryState, due_at: datetime, reason: str | None
) -> None:
    """Give a lease back unsent; it does not count as an attempt."""
    db.session.execute(
        sa.update(Delivery)
        .where(Delivery.id == leased.id, Delivery.lease == leased.lease)
        .values(
            state=state,
            due_at=due_at,
            lease=None,
            last_error=reason,
            attempts=leased.attempts - 1,
        )
        .execution_options(synchronize_session=False)
    )


def requeue_due(*, at: datetime, ignore_leases: bool = False) -> int:
    """Make due retries and deliveries of dead workers pending again; return how many.

    A lost lease does not count as an attempt, since the receiver did not fail. After
    `MAX_LOST_LEASES` the delivery fails, so that it cannot kill one worker after another.
    `ignore_leases`: the clock jumped, so an expired lease means nothing for now.
    """
    is_leased = Delivery.state == DeliveryState.SENDING
    is_poison = sa.and_(is_leased, Delivery.lost_leases >= MAX_LOST_LEASES - 1)
    state = Delivery.state.type
    requeued = db.session.execute(
        sa.update(Delivery)
        .where(_is_due(at, ignore_leases))
        .values(
            state=sa.case(
                (is_poison, sa.literal(DeliveryState.FAILED, state)),
                else_=sa.literal(DeliveryState.PENDING, state),
            ),
            lease=None,
            attempts=Delivery.attempts - sa.case((is_leased, 1), else_=0),
            lost_leases=Delivery.lost_leases + sa.case((is_leased, 1), else_=0),
            failed_at=sa.case((is_poison, at), else_=Delivery.failed_at),
            last_error=sa.case((is_poison, POISON), else_=Delivery.last_error),
        )
        .execution_options(synchronize_session=False)
    )
    return requeued.rowcount  # type: ignore[attr-defined, no-any-return]


def replay(ids: Collection[int], *, at: datetime) -> int:
    """Send failed, held or cancelled deliveries again, starting from the first attempt."""
    ended = (DeliveryState.FAILED, DeliveryState.HELD, DeliveryState.CANCELLED)
    return _move(ids, ended, DeliveryState.PENDING, at, attempts=0, lost_leases=0, last_error=None)


def cancel(ids: Collection[int], reason: str, *, at: datetime) -> int:
    """Cancel unsent deliveries."""
    unsent = [
        state for state in DeliveryState if state not in (DeliveryState.SENT, DeliveryState.SENDING)
    ]
    return _move(ids, unsent, DeliveryState.CANCELLED, at, last_error=reason)


def mark_bounced(delivery: Delivery, reason: str, *, at: datetime) -> bool:
    """Mark a bounced delivery as failed. False if it already was."""
    ended = (DeliveryState.FAILED, DeliveryState.CANCELLED)
    written = db.session.execute(
        sa.update(Delivery)
        .where(Delivery.id == delivery.id, Delivery.state.not_in(ended))
        .values(
            state=DeliveryState.FAILED,
            lease=None,
            last_error=reason,
            failed_at=at,
            sent_at=sa.func.coalesce(Delivery.sent_at, sa.literal(at, Delivery.sent_at.type)),
        )
        .execution_options(synchronize_session=False)
    )
    return written.rowcount == 1  # type: ignore[attr-defined, no-any-return]


def delete_old(*, at: datetime) -> int:
    """Delete deliveries that ended `KEPT_FOR` ago; return how many."""
    ended = (DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.CANCELLED)
    result = db.session.execute(
        sa.delete(Delivery)
        .where(Delivery.state.in_(ended), Delivery.due_at < at - KEPT_FOR)
        .execution_options(synchronize_session=False)
    )
    return result.rowcount  # type: ignore[attr-defined, no-any-return]


def backoff(attempts: int, retry_after: timedelta | None = None) -> timedelta:
    """The wait after so many failures: exponential, with a jitter of ±25 %.

    At least `Retry-After`, of which at most a day is honoured.
    """
    exponent = min(attempts - 1, 20)
    length: timedelta = min(FIRST_RETRY * 2**exponent, LONGEST_RETRY)
    wait = length * random.uniform(0.75, 1.25)  # noqa: S311  not a secret
    return max(wait, min(retry_after or wait, timedelta(days=1)))


# ── queries ────────────────────────────────────────────────────────────────────


def has_due(*, at: datetime, ignore_leases: bool = False) -> bool:
    """Whether `requeue_due` would change something."""
    query = sa.select(Delivery.id).where(_is_due(at, ignore_leases))
    return db.session.scalar(query.limit(1)) is not None


def pending_channels() -> list[Channel]:
    """The channels with pending deliveries."""
    query = sa.select(Delivery.channel).where(Delivery.state == DeliveryState.PENDING).distinct()
    return list(db.session.scalars(query))


def oldest_due(*, at: datetime) -> datetime | None:
    """When the oldest unsent delivery became due."""
    due = (DeliveryState.PENDING, DeliveryState.RETRYING, DeliveryState.SENDING)
    query = sa.select(sa.func.min(Delivery.due_at)).where(
        Delivery.state.in_(due), Delivery.due_at <= at
    )
    return db.session.scalar(query)


def counts() -> dict[tuple[Channel, DeliveryState], int]:
    """The number of deliveries by channel and state."""
    query = sa.select(Delivery.channel, Delivery.state, sa.func.count()).group_by(
        Delivery.channel, Delivery.state
    )
    return {(channel, state): number for channel, state, number in db.session.execute(query)}


def earlier_message_ids(channel: Channel, leased: Collection[LeasedDelivery]) -> dict[int, str]:
    """Delivery id → the vendor's id of the last message about the same incident.

    Leaves out deliveries that come after a newer message, which they must not overwrite.
    """
    sent, now = aliased(Delivery), aliased(Delivery)
    before, event = aliased(Event), aliased(Event)
    query = (
        sa.select(now.id, now.event_id, sent.event_id, sent.remote_id)
        .join(event, event.id == now.event_id)
        .join(sent, sent.subscriber_id == now.subscriber_id)
        .join(before, before.id == sent.event_id)
        .where(
            now.id.in_([delivery.id for delivery in leased]),
            before.subject == event.subject,
            sent.channel == channel,
            sent.remote_id.is_not(None),
            sent.event_id != now.event_id,
            event.kind.not_like("subscriber.%"),
        )
        .order_by(sent.event_id)
    )
    by_id: dict[int, str] = {}
    for key, event_id, sent_id, remote_id in db.session.execute(query):
        if sent_id > event_id:
            by_id.pop(key, None)
        elif remote_id:
            by_id[key] = remote_id
    return by_id


def to_subscriber(subscriber: Subscriber, limit: int = 50) -> list[tuple[Delivery, Event]]:
    """A subscriber's deliveries, newest first."""
    query = sa.select(Delivery, Event).join(Event, Event.id == Delivery.event_id)
    query = query.where(Delivery.subscriber_id == subscriber.id).order_by(Delivery.id.desc())
    return [(delivery, event) for delivery, event in db.session.execute(query.limit(limit))]


def last_all_bounced(subscriber: Subscriber, number: int) -> bool:
    """Whether the last `number` messages were all accepted and then bounced."""
    query = sa.select(Delivery.state).where(
        Delivery.subscriber_id == subscriber.id,
        Delivery.channel == subscriber.channel,
        Delivery.sent_at.is_not(None),
    )
    last = db.session.scalars(query.order_by(Delivery.id.desc()).limit(number)).all()
    return len(last) == number and set(last) == {DeliveryState.FAILED}


# ── helpers ────────────────────────────────────────────────────────────────────


def _is_due(at: datetime, ignore_leases: bool) -> sa.ColumnElement[bool]:
    """Due for a retry, or leased by a worker whose lease expired.

    A lease that ends too far ahead was taken before the clock was set back; the tolerance
    covers machines whose clocks differ.
    """
    is_due = sa.and_(Delivery.state == DeliveryState.RETRYING, Delivery.due_at <= at)
    if ignore_leases:
        return is_due
    is_expired = sa.or_(Delivery.due_at <= at, Delivery.due_at > at + 2 * LEASE)
    return sa.or_(is_due, sa.and_(Delivery.state == DeliveryState.SENDING, is_expired))


def _move(
    ids: Collection[int],
    states: Collection[DeliveryState],
    to: DeliveryState,
    at: datetime,
    **values: object,
) -> int:
    moved = db.session.execute(
        sa.update(Delivery)
        .where(Delivery.id.in_(ids), Delivery.state.in_(states))
        .values(state=to, due_at=at, lease=None, **values)
        .execution_options(synchronize_session=False)
    )
    return moved.rowcount  # type: ignore[attr-defined, no-any-return]
