"""Pace: at most so many messages to one person within an hour.

What is over waits until there is room. What waits and is overtaken by newer news of the
same incident is dropped, so that the last state always arrives: it has nothing newer.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from statuspage.db import db
from statuspage.domain.events import Event
from statuspage.domain.subscribers.subscriptions import Channel
from statuspage.notify import deliveries
from statuspage.notify.deliveries import Delivery, DeliveryState, LeasedDelivery

WINDOW = timedelta(hours=1)
MOST_OF_ONE = 10
"""Messages about one incident within the window."""
MOST_OF_ALL = 30
SUPERSEDED = "Superseded by a newer message."
WHOLE = ("opened", "scheduled", "reopened", "update_posted", "update_sent", "retracted")
"""What happened where a message tells the whole state, and older ones are worth nothing more."""


@dataclass(frozen=True)
class _Sent:
    """A message that they got, or get at this moment."""

    at: datetime
    subject: str


def apply_limits(
    channel: Channel, leased: Sequence[LeasedDelivery], *, at: datetime
) -> list[LeasedDelivery]:
    """Put back or drop what is too much for who gets it; the rest, in the same order.

    Called in the transaction that claimed them. Programs are told of everything.
    """
    if channel is Channel.WEBHOOK or not leased:
        return list(leased)
    subjects = _subjects(leased)
    sent = _sent(channel, leased, at)
    allowed = []
    for delivery in leased:
        subject = subjects.get(delivery.event_id)
        until = _room_from(sent[delivery.subscriber_id], subject) if subject is not None else None
        if until is None:
            allowed.append(delivery)
            if subject is not None:
                sent[delivery.subscriber_id].append(_Sent(at, subject))
        elif subject is not None and _is_overtaken(delivery, subject):
            deliveries.release(delivery, DeliveryState.CANCELLED, at, SUPERSEDED)
        else:
            deliveries.release(delivery, DeliveryState.RETRYING, until, None)
    return allowed


def _room_from(sent: list[_Sent], subject: str) -> datetime | None:
    """When there is room for one more; None when there is now."""
    of_one = [message.at for message in sent if message.subject == subject]
    moments = [
        sorted(times)[-most] + WINDOW
        for times, most in ((of_one, MOST_OF_ONE), ([message.at for message in sent], MOST_OF_ALL))
        if len(times) >= most
    ]
    return max(moments, default=None)


def _subjects(leased: Sequence[LeasedDelivery]) -> dict[int, str]:
    """Event → what it is about; not what one person asked for, which is told at once."""
    query = sa.select(Event.id, Event.subject).where(
        Event.id.in_({delivery.event_id for delivery in leased}),
        Event.kind.not_like("subscriber.%"),
    )
    return dict(db.session.execute(query).all())


def _sent(
    channel: Channel, leased: Sequence[LeasedDelivery], at: datetime
) -> dict[int, list[_Sent]]:
    """Subscriber → what was sent to them within the window, or is being sent by others now."""
    ids = [delivery.id for delivery in leased]
    is_recent = sa.and_(
        Delivery.state == DeliveryState.SENT,
        Delivery.sent_at > at - WINDOW,
        # A clock that was put back makes nobody wait for hours.
        Delivery.sent_at <= at,
    )
    is_flying = sa.and_(Delivery.state == DeliveryState.SENDING, Delivery.id.not_in(ids))
    query = (
        sa.select(Delivery.subscriber_id, Delivery.sent_at, Delivery.state, Event.subject)
        .join(Event, Event.id == Delivery.event_id)
        .where(
            Delivery.subscriber_id.in_({delivery.subscriber_id for delivery in leased}),
            Delivery.channel == channel,
            Event.kind.not_like("subscriber.%"),
            sa.or_(is_recent, is_flying),
        )
    )
    by_recipient: dict[int, list[_Sent]] = defaultdict(list)
    for subscriber_id, sent_at, state, subject in db.session.execute(query):
        moment = sent_at if state is DeliveryState.SENT and sent_at else at
        by_recipient[subscriber_id].append(_Sent(moment, subject))
    return by_recipient


def _is_overtaken(delivery: LeasedDelivery, subject: str) -> bool:
    """Whether newer news that tell the whole state are on their way to them, or arrived."""
    newer, event = aliased(Delivery), aliased(Event)
    alive = (
        DeliveryState.PENDING,
        DeliveryState.SENDING,
        DeliveryState.RETRYING,
        DeliveryState.SENT,
    )
    is_milestone = sa.or_(*(event.kind.like(f"%.{action}") for action in WHOLE))
    query = sa.select(newer.id).join(event, event.id == newer.event_id)
    query = query.where(
        newer.subscriber_id == delivery.subscriber_id,
        newer.event_id > delivery.event_id,
        newer.state.in_(alive),
        event.subject == subject,
        is_milestone,
    )
    return db.session.scalar(query.limit(1)) is not None
