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
    made = PushKey(
        id=THE_ONE,
        private_key=pair.private_numbers().private_value.to_bytes(32),
        public_key=push_subscriptions.packed(point),
        created_at=at,
    )
    db.session.add(made)
    db.session.flush()
    return made


def subscribe(browser: Browser, choice: Choice, *, wording: str, at: datetime) -> Subscriber:
    """A browser wants to be told: it gets a push, and confirms by having read it.

    One that is subscribed gets the new choice at once: it shows by its secret that it
    is the same. Raises `Invalid` for a known endpoint with another secret.
    """
    contact = _contact(browser)
    known = subscribers.with_key(contact.key(choice.incident))
    if known is not None and not _is_same(known, browser):
        raise Invalid(auth="This browser sent a different secret before. Subscribe again.")
    if known is None or known.state is SubscriberState.UNCONFIRMED:
        subscribers.ask(contact, choice, wording=wording, at=at)
        asked = subscribers.with_key(contact.key(choice.incident))
        assert asked is not None
        return asked
    if known.state is SubscriberState.QUARANTINED:
        subscribers.reactivate(known, by=THEMSELVES, at=at)
    subscribers.choose(known, choice, by=THEMSELVES, at=at)
    return known


def move(old: Browser, new: Browser) -> int:
    """A browser was given a new endpoint or new keys: whatever it hears of moves along.

    Returns how many subscriptions did. Not those that the new one has already.
    """
    moved = 0
    query = sa.select(Subscriber).where(Subscriber.address == old.endpoint).with_for_update()
    for one in db.session.scalars(query.where(Subscriber.channel == Channel.WEB_PUSH)):
        key = _contact(new).key(one.incident)
        has_both = key != one.key and subscribers.with_key(key) is not None
        if _is_same(one, old) and not has_both:
            one.address, one.key = new.endpoint, key
            one.push_p256dh, one.push_auth = new.p256dh, new.auth
            moved += 1
    return moved


# ── finders ────────────────────────────────────────────────────────────────────


def key() -> PushKey | None:
    """The key pair; None before anybody looked at the form."""
    return db.session.get(PushKey, THE_ONE)


def find(browser: Browser, incident: Incident | None) -> Subscriber | None:
    """What this browser subscribed to; None where its secret is another."""
    one = db.session.scalar(
        sa.select(Subscriber).where(Subscriber.key == _contact(browser).key(incident))
    )
    return one if one is not None and _is_same(one, browser) else None


def access(subscriber: Subscriber) -> Access | None:
    """None for one that is reached by another way."""
    ours = key() if subscriber.push_p256dh and subscriber.push_auth else None
    if ours is None:
        return None
    theirs = push_subscriptions.unpacked(subscriber.push_p256dh or "")
    return Access(theirs, push_subscriptions.unpacked(subscriber.push_auth or ""), ours.private_key)


def _contact(browser: Browser) -> Contact:
    return Contact(Channel.WEB_PUSH, browser.endpoint, browser=browser)


def _is_same(one: Subscriber, browser: Browser) -> bool:
    return hmac.compare_digest(one.push_auth or "", browser.auth)
