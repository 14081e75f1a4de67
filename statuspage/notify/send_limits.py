"""Brakes: an unusually repeated or large send asks staff first.

A program in a loop that posts an update a second would otherwise mail everybody each
time, and a list that tripled within a day may be an attack or a mistaken import. What
is braked is entered as `held`: nothing is lost, staff let it go or drop it.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain.events import Event
from statuspage.domain.subscribers.subscriptions import Subscriber, SubscriberState

WINDOW = timedelta(hours=1)
MOST_OF_ONE = 12
"""Events about one incident within the window that go out without asking."""
MOST_OF_ALL = 60
GROWTH = 3
SMALL = 1_000
"""A list below this size may grow as fast as it likes."""


def needs_confirmation(event: Event, *, at: datetime) -> bool:
    """Whether staff must let this event go out. What one person asked for never waits."""
    if event.kind.startswith("subscriber."):
        return False
    earlier = sa.select(sa.func.count()).where(
        Event.notify.is_(True),
        Event.id < event.id,
        Event.at > at - WINDOW,
        Event.kind.not_like("subscriber.%"),
        Event.kind.not_like("staff.%"),
    )
    of_one = db.session.scalar(earlier.where(Event.subject == event.subject)) or 0
    of_all = db.session.scalar(earlier) or 0
    return of_one >= MOST_OF_ONE or of_all >= MOST_OF_ALL or _has_exploded(at)


def _has_exploded(at: datetime) -> bool:
    """Whether the list of subscribers is `GROWTH` times as long as a day ago."""
    active = sa.select(sa.func.count()).where(Subscriber.state == SubscriberState.ACTIVE)
    present = db.session.scalar(active) or 0
    if present < SMALL:
        return False
    settled = active.where(Subscriber.created_at <= at - timedelta(days=1))
    return present >= GROWTH * (db.session.scalar(settled) or 0)
