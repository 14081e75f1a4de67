"""Delivery statistics for staff, and their decision to send or cancel stuck deliveries."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.events import Actor, Event
from statuspage.domain.subscribers.subscriptions import Channel
from statuspage.notify.deliveries import Delivery, DeliveryState

UNDECIDED = (DeliveryState.HELD, DeliveryState.FAILED, DeliveryState.RETRYING)
"""Staff may send these now or cancel them."""
FAILED = (DeliveryState.RETRYING, DeliveryState.FAILED)
HOURS = 24
HOUR = timedelta(hours=1)
LATE_AFTER = timedelta(seconds=60)


# ── decisions ───────────────────────────────────────────────────────────────


def decide(
    event: Event | None,
    channel: Channel | None,
    state: DeliveryState,
    *,
    send: bool,
    by: Actor,
    at: datetime,
) -> int:
    """Send or cancel all deliveries in `state` of an event, a channel, or both.

    Returns their number. Raises `ValueError` if neither is given.
    """
    if event is None and channel is None:
        raise ValueError("An event or a channel.")
    values: dict[str, object] = {
        "state": DeliveryState.CANCELLED,
        "last_error": "Cancelled by staff.",
    }
    if send:
        values = {"state": DeliveryState.PENDING, "attempts": 0, "last_error": None}
    conditions = [Delivery.state == state, Delivery.state.in_(UNDECIDED)]
    if event is not None:
        conditions.append(Delivery.event_id == event.id)
    if channel is not None:
        conditions.append(Delivery.channel == channel)
    result = db.session.execute(
        sa.update(Delivery)
        .where(*conditions)
        .values(due_at=at, lease=None, **values)
        .execution_options(synchronize_session=False)
    )
    number: int = result.rowcount  # type: ignore[attr-defined]
    if number:
        data = {"number": number, "state": state.value}
        data |= {"event": event.id} if event else {}
        data |= {"channel": channel.value} if channel else {}
        events.record(
            "delivery.let_go" if send else "delivery.dropped",
            subject=event.subject if event else "deliveries",
            title=event.title if event else "Deliveries",
            by=by,
            at=at,
            data=data,
            is_public=False,
        )
    return number


# ── undelivered ─────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class UndeliveredGroup:
    """Undelivered messages of one event by one channel, with the last error."""

    event: Event
    channel: Channel
    state: DeliveryState
    number: int
    reason: str | None
    next_try: datetime
    """The earliest automatic retry."""


def undelivered(limit: int = 100) -> list[UndeliveredGroup]:
    """Held and failed deliveries, which wait for staff; the newest event first."""
    return _grouped((DeliveryState.HELD, DeliveryState.FAILED), limit)


def retrying(limit: int = 100) -> list[UndeliveredGroup]:
    """Deliveries that are retried automatically, the newest event first."""
    return _grouped((DeliveryState.RETRYING,), limit)


def _grouped(states: tuple[DeliveryState, ...], limit: int) -> list[UndeliveredGroup]:
    query = (
        sa.select(
            Event,
            Delivery.channel,
            Delivery.state,
            sa.func.count(),
            sa.func.max(Delivery.last_error),
            sa.func.min(Delivery.due_at),
        )
        .join(Event, Event.id == Delivery.event_id)
        .where(Delivery.state.in_(states))
        .group_by(Event.id, Delivery.channel, Delivery.state)
        .order_by(Event.id.desc(), Delivery.channel, Delivery.state)
        .limit(limit)
    )
    return [UndeliveredGroup(*row) for row in db.session.execute(query)]


# ── failures ────────────────────────────────────────────────────────────────


def failures(*, since: datetime) -> dict[Channel, int]:
    """By channel, the number of failing deliveries that became due since then."""
    query = sa.select(Delivery.channel, sa.func.count()).where(
        Delivery.state.in_((DeliveryState.RETRYING, DeliveryState.FAILED)),
        Delivery.last_error.is_not(None),
        Delivery.due_at > since,
    )
    rows = db.session.execute(query.group_by(Delivery.channel))
    return dict(rows.all())


def given_up(*, since: datetime) -> int:
    """The number of deliveries due since then that failed for good."""
    query = sa.select(sa.func.count()).select_from(Delivery)
    query = query.where(Delivery.state == DeliveryState.FAILED, Delivery.due_at > since)
    return db.session.scalar(query) or 0


def last_sent() -> dict[Channel, datetime]:
    """When a message was last sent, by channel."""
    query = sa.select(Delivery.channel, sa.func.max(Delivery.sent_at))
    query = query.where(Delivery.state == DeliveryState.SENT).group_by(Delivery.channel)
    return dict(db.session.execute(query).all())  # type: ignore[arg-type]


def failures_by_hour(*, at: datetime) -> dict[Channel, list[int]]:
    """By channel, the number of failures in each of the past `HOURS`, oldest first.

    A message that failed in several hours counts only in the last.
    """
    failed = Delivery.failed_at
    bounds = [at - n * HOUR for n in range(HOURS, -1, -1)]
    hours = [
        sa.func.sum(sa.case(((failed > begin) & (failed <= end), 1), else_=0))
        for begin, end in pairwise(bounds)
    ]
    query = sa.select(Delivery.channel, *hours).where(
        failed > bounds[0], Delivery.state.in_(FAILED)
    )
    rows = db.session.execute(query.group_by(Delivery.channel))
    return {channel: [int(number) for number in numbers] for channel, *numbers in rows}


# ── one incident ─────────────────────────────────────────────────────────


@dataclass(frozen=True)
class DeliverySummary:
    """Delivery states of the messages about one incident."""

    numbers: Mapping[DeliveryState, int]
    late_by: timedelta
    """How late the oldest due delivery is."""

    @property
    def trouble(self) -> str | None:
        """A sentence about undelivered messages; None if there are none."""
        causes = [
            f"{number:,} {words}"
            for state, words in _IN_WORDS.items()
            if (number := self.numbers.get(state, 0))
        ]
        if self.late_by > LATE_AFTER:
            causes.append(f"the oldest is {int(self.late_by.total_seconds()) // 60} min late")
        if not causes:
            return None
        return f"Messages about this: {', '.join(causes)}."


_IN_WORDS = {
    DeliveryState.FAILED: "could not be delivered",
    DeliveryState.RETRYING: "failed and will be retried",
    DeliveryState.HELD: "held until you decide",
}


def of_incident(public_id: str, *, at: datetime) -> DeliverySummary:
    """Summarise the deliveries about one incident in one query."""
    under_way = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.RETRYING)
    is_due = Delivery.state.in_(under_way) & (Delivery.due_at <= at)
    query = (
        sa.select(
            Delivery.state,
            sa.func.count(),
            sa.func.min(sa.case((is_due, Delivery.due_at))),
        )
        .join(Event, Event.id == Delivery.event_id)
        .where(Event.subject == public_id)
        .group_by(Delivery.state)
    )
    rows = db.session.execute(query).all()
    oldest = min((due for _, _, due in rows if due), default=at)
    return DeliverySummary({state: number for state, number, _ in rows}, at - oldest)
