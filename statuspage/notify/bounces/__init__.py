"""Bounces: mail that came back, and readers who called it junk.

Only mail that we sent counts, and only its own key says so: `<event>-<subscriber>`, of
which the second half is known to nobody but its reader. Anybody can write a report that
says that a stranger's mailbox is gone; nobody can guess the key of a mail to them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain.events import Actor
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber
from statuspage.lib import email_address
from statuspage.notify import deliveries
from statuspage.notify.deliveries import Delivery

MOST_SOFT = 5
"""So many of the last mails came back, each for a reason that may pass: no more are sent."""
ADDRESS_COUNTS_FOR = timedelta(days=14)
"""A provider that names an address only means a mail that was sent within this time."""

_KEY = re.compile(r"(?<![0-9A-Za-z])([0-9]{1,9})-([0-9a-z]{12})(?=@|$|>)")


class Verdict(StrEnum):
    HARD = "hard"
    """There is no such mailbox, now or later."""
    SOFT = "soft"
    """It was given up for a reason that may pass: a full mailbox, a filter."""
    COMPLAINT = "complaint"
    """Its reader called it junk."""


@dataclass(frozen=True)
class Bounce:
    """What a report says of one mail."""

    verdict: Verdict
    key: str | None
    """Of the delivery."""
    reason: str
    """A sentence without an address."""
    address: str | None = None
    """Whom it went to. Believed of a mail provider only, where there is no key."""


def key_in(text: str | None) -> str | None:
    """The delivery's key in a Message-ID or in the envelope's sender."""
    match = _KEY.search((text or "").strip())
    return match[0] if match else None


def record(bounces: Iterable[Bounce], *, by: Actor, at: datetime) -> int:
    """Write down what came back and draw the consequence; returns how many were ours.

    A bounce that is told twice counts once. The caller commits.
    """
    return sum(_apply(bounce, by, at) for bounce in bounces)


def _apply(bounce: Bounce, by: Actor, at: datetime) -> bool:
    sent = _by_key(bounce.key) if bounce.key else _by_address(bounce.address, at)
    news = [key for key in sent if deliveries.mark_bounced(key, bounce.reason, at=at)]
    for delivery in sent if bounce.verdict is Verdict.COMPLAINT else news:
        subscriber = db.session.get_one(Subscriber, delivery.subscriber_id)
        if subscriber.channel is Channel.EMAIL:
            _conclude(bounce.verdict, subscriber, by, at)
    return bool(sent)


def _conclude(verdict: Verdict, subscriber: Subscriber, by: Actor, at: datetime) -> None:
    if verdict is Verdict.COMPLAINT:
        subscribers.unsubscribe(subscriber, by=by, at=at)
    elif verdict is Verdict.HARD or deliveries.last_all_bounced(subscriber, MOST_SOFT):
        subscribers.quarantine(subscriber, by=by, at=at)


def _by_key(key: str) -> list[Delivery]:
    event_id, _, public_id = key.partition("-")
    query = sa.select(Delivery).join(Subscriber, Subscriber.id == Delivery.subscriber_id)
    query = query.where(Delivery.event_id == int(event_id), Subscriber.public_id == public_id)
    return list(db.session.scalars(query.where(*_HANDED_OVER)))


def _by_address(address: str | None, at: datetime) -> list[Delivery]:
    """The newest mail to this address of each of its subscriptions."""
    if not address:
        return []
    query = (
        sa.select(sa.func.max(Delivery.id))
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(
            sa.func.lower(Subscriber.address).in_(email_address.spellings(address)),
            Subscriber.channel == Channel.EMAIL,
            Delivery.sent_at >= at - ADDRESS_COUNTS_FOR,
            *_HANDED_OVER,
        )
        .group_by(Subscriber.id)
    )
    newest = sa.select(Delivery).where(Delivery.id.in_(query))
    return list(db.session.scalars(newest))


_HANDED_OVER = (Delivery.channel == Channel.EMAIL, Delivery.attempts > 0)
