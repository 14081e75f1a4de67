"""Web push: the key pair by which browsers know us, and subscribing a browser.

A browser takes pushes only from the key that it subscribed with. So the pair is made
once and lives beside the subscriptions that are bound to it: it comes back with them
from a backup, and a new secret key of the installation leaves it alone.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy.orm import Mapped, mapped_column

from statuspage.db import Model, db
from statuspage.domain.incidents.models import Incident
from statuspage.domain.subscribers import push_subscriptions
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.subscribers.push_subscriptions import Browser
from statuspage.domain.subscribers.subscriptions import (
    THEMSELVES,
    Channel,
    Choice,
    Contact,
    Subscriber,
    SubscriberState,
)
from statuspage.errors import Invalid

THE_ONE = 1
"""The row of the key pair: there cannot be two."""


class PushKey(Model):
    """The installation's key pair on P-256 (RFC 8292)."""

    private_key: Mapped[bytes] = mapped_column(sa.LargeBinary)
    """The 32 bytes of the scalar."""
    public_key: Mapped[str] = mapped_column(sa.String(88))
    """The uncompressed point in base64url, as a browser wants it."""
    created_at: Mapped[datetime]


@dataclass(frozen=True)
class Access:
    """What it takes to write to a browser, beside its endpoint."""

    p256dh: bytes
    auth: bytes
    private_key: bytes
    """Ours."""


# ── verbs ──────────────────────────────────────────────────────────────────────


def make_key(*, at: datetime) -> PushKey:
    """The key pair, made now. The database refuses a second one."""
    pair = ec.generate_private_key(ec.SECP256R1())
    point = pair.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    row = PushKey(
        id=THE_ONE,
        private_key=pair.private_numbers().private_value.to_bytes(32),
        public_key=push_subscriptions.packed(point),
        created_at=at,
    )
    db.session.add(row)
    db.session.flush()
    return row


def subscribe(browser: Browser, choice: Choice, *, wording: str, at: datetime) -> Subscriber:
    """A browser wants to be told: it gets a push, and confirms by having read it.

    One that is subscribed gets the new choice at once: it shows by its secret that it
    is the same. Raises `Invalid` for a known endpoint with another secret.
    """
    contact = _contact(browser)
    existing = subscribers.with_key(contact.key(choice.incident))
    if existing is not None and not _is_same(existing, browser):
        raise Invalid(auth="This browser sent a different secret before. Subscribe again.")
    if existing is None or existing.state is SubscriberState.UNCONFIRMED:
        subscribers.request_confirmation(contact, choice, wording=wording, at=at)
        existing = subscribers.with_key(contact.key(choice.incident))
        assert existing is not None
        return existing
    if existing.state is SubscriberState.QUARANTINED:
        subscribers.reactivate(existing, by=THEMSELVES, at=at)
    subscribers.choose(existing, choice, by=THEMSELVES, at=at)
    return existing


def move(old: Browser, new: Browser) -> int:
    """A browser was given a new endpoint or new keys: whatever it hears of moves along.

    Returns how many subscriptions did. Not those that the new one has already.
    """
    moved = 0
    query = sa.select(Subscriber).where(Subscriber.address == old.endpoint).with_for_update()
    for subscriber in db.session.scalars(query.where(Subscriber.channel == Channel.WEB_PUSH)):
        key = _contact(new).key(subscriber.incident)
        has_both = key != subscriber.key and subscribers.with_key(key) is not None
        if _is_same(subscriber, old) and not has_both:
            subscriber.address, subscriber.key = new.endpoint, key
            subscriber.push_p256dh, subscriber.push_auth = new.p256dh, new.auth
            moved += 1
    return moved


# ── finders ────────────────────────────────────────────────────────────────────


def key() -> PushKey | None:
    """The key pair; None before anybody looked at the form."""
    return db.session.get(PushKey, THE_ONE)


def find(browser: Browser, incident: Incident | None) -> Subscriber | None:
    """What this browser subscribed to; None where its secret is another."""
    subscriber = db.session.scalar(
        sa.select(Subscriber).where(Subscriber.key == _contact(browser).key(incident))
    )
    return subscriber if subscriber is not None and _is_same(subscriber, browser) else None


def access(subscriber: Subscriber) -> Access | None:
    """None for one that is reached by another way."""
    ours = key() if subscriber.push_p256dh and subscriber.push_auth else None
    if ours is None:
        return None
    theirs = push_subscriptions.unpacked(subscriber.push_p256dh or "")
    return Access(theirs, push_subscriptions.unpacked(subscriber.push_auth or ""), ours.private_key)


def _contact(browser: Browser) -> Contact:
    return Contact(Channel.WEB_PUSH, browser.endpoint, browser=browser)


def _is_same(subscriber: Subscriber, browser: Browser) -> bool:
    return hmac.compare_digest(subscriber.push_auth or "", browser.auth)
