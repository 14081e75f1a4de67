"""Fan-out: inserts an event's deliveries, batch by batch."""

from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog

from statuspage.db import db
from statuspage.domain.events import Event
from statuspage.domain.subscribers.subscriptions import Subscriber
from statuspage.notify import audience, deliveries, send_limits
from statuspage.notify.deliveries import DeliveryState, Priority

SUBSCRIBERS_PER_STEP = 5_000
"""Subscribers per transaction, so that others can write in between."""
MAX_AGE = timedelta(hours=6)
"""Older events are held: after a restored backup, or if the worker was off for days."""

log = structlog.get_logger(__name__)


def fan_out_next(event: Event, *, at: datetime) -> bool:
    """Insert the next batch of an event's deliveries. True while there are more.

    The caller commits after each batch; a crash in between repeats or continues it.
    """
    event = db.session.get_one(Event, event.id, with_for_update=True, populate_existing=True)
    if event.fanned_out_at is not None:
        return False
    recipients = audience.of(event)
    if recipients is None:
        event.fanned_out_at = at
        return False
    after = Subscriber.id > event.fanned_out_to
    batch = recipients.where(after).order_by(Subscriber.id).limit(SUBSCRIBERS_PER_STEP).subquery()
    last = db.session.scalar(sa.select(sa.func.max(batch.c[0])))
    if last is None:
        event.fanned_out_at = at
        log.info("fanout.completed", event_id=event.id, kind=event.kind)
        return False
    state = DeliveryState.PENDING
    if at - event.at > MAX_AGE or send_limits.needs_confirmation(event, at=at):
        state = DeliveryState.HELD
    deliveries.enter(event, sa.select(batch), _priority(event), state, at=at)
    event.fanned_out_to = last
    return True


def _priority(event: Event) -> int:
    if event.kind.startswith("subscriber."):
        return Priority.DIRECT
    if event.kind.startswith("postmortem.") or event.kind.endswith(".update_edited"):
        return Priority.BACKGROUND
    return Priority.NEWS
