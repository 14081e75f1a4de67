"""Subscribers: who is told of what, and by which channel.

Owns their tables and every rule about them. Telling them is the work of `notify`: a
verb only records what is to be said (`subscriber.confirmation_wanted`). The log holds
no address, so that nothing of those who left stays in it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from statuspage import clock
from statuspage.db import Model, PublicId, db, new_public_id
from statuspage.domain import events
from statuspage.domain.components.models import Component
from statuspage.domain.events import Actor, ActorKind
from statuspage.domain.incidents.models import Incident
from statuspage.domain.page_access import PageAccessUser
from statuspage.domain.subscribers import addresses, push_subscriptions
from statuspage.domain.subscribers.push_subscriptions import Browser
from statuspage.errors import Invalid
from statuspage.lib import email_address
from statuspage.lib.markdown import clean

CONFIRM_WITHIN = timedelta(hours=48)
"""An address that nobody confirmed by then is erased."""
ASK_AGAIN_AFTER = timedelta(minutes=10)
"""Nobody gets two messages within this time because a stranger types their address."""
KEPT_IN_QUARANTINE = timedelta(days=90)
MAX_CONSENT = 2_000
KEYS_PER_QUERY = 500

THEMSELVES = Actor(ActorKind.SYSTEM, "Subscriber")
"""Who acts where a reader does it, by the public form or a link that only they have."""

subscriber_component = sa.Table(
    "subscriber_component",
    db.metadata,
    sa.Column(
        "subscriber_id", sa.ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("component_id", sa.ForeignKey("component.id", ondelete="CASCADE"), primary_key=True),
)


class Channel(StrEnum):
    """The ways to reach somebody with their labels, in the order of the forms.

    All else about a channel is in `notify/channels`, in the file that is named like its value.
    """

    EMAIL = "email", "E-mail"
    WEBHOOK = "webhook", "Webhook"
    SLACK = "slack", "Slack"
    TEAMS = "teams", "Microsoft Teams"
    DISCORD = "discord", "Discord"
    GOOGLE_CHAT = "google_chat", "Google Chat"
    MATTERMOST = "mattermost", "Mattermost"
    TELEGRAM = "telegram", "Telegram"
    SMS = "sms", "Text message"
    WEB_PUSH = "web_push", "Browser"
    INTEGRATION_PARTNER = "integration_partner", "Integration"

    label: str

    def __new__(cls, value: str, label: str = "") -> "Channel":
        channel = str.__new__(cls, value)
        channel._value_, channel.label = value, label
        return channel


ADDRESS_RULES: dict[Channel, addresses.Rule] = {}
"""How an address of a channel is checked; filled from `notify/channels` by the factory."""


class SubscriberState(StrEnum):
    UNCONFIRMED = "unconfirmed"
    ACTIVE = "active"
    QUARANTINED = "quarantined"
    """Reaching them failed too often; nothing is sent until they are reactivated."""
    UNSUBSCRIBED = "unsubscribed"
    """Left; the address is gone, only that somebody left is kept."""


class NotifyOn(StrEnum):
    """How much of an incident somebody wants to hear."""

    EVERY = "every"
    """Each update."""
    ENDS = "ends"
    """That it began and that it is over."""


class Subscriber(Model):
    public_id: Mapped[PublicId]
    key: Mapped[str] = mapped_column(sa.String(512), unique=True)
    """Channel, address and incident in one: nobody is told twice by the same way."""
    channel: Mapped[Channel] = mapped_column(index=True)
    state: Mapped[SubscriberState] = mapped_column(index=True)
    address: Mapped[str | None]
    """E-mail address, URL, or phone number as `+4366012345`; None once they left."""
    email: Mapped[str | None]
    """Who answers for a webhook: told when it is quarantined."""
    phone_country: Mapped[str | None] = mapped_column(sa.String(2))
    push_p256dh: Mapped[str | None] = mapped_column(sa.String(88))
    push_auth: Mapped[str | None] = mapped_column(sa.String(24))
    """The keys of a browser: see `browsers.Browser`."""
    incident_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("incident.id", ondelete="CASCADE"), index=True
    )
    """The only incident they want to hear of; None: the whole page."""
    access_user_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("access_user.id", ondelete="CASCADE"), index=True
    )
    wants: Mapped[NotifyOn] = mapped_column(default=NotifyOn.EVERY)
    language: Mapped[str] = mapped_column(sa.String(16), default="en")
    time_zone: Mapped[str | None] = mapped_column(sa.String(64))
    """In which messages tell times; None: the page's."""
    skip_confirmation: Mapped[bool] = mapped_column(default=False)
    consent_at: Mapped[datetime | None]
    consent_text: Mapped[str | None]
    """What they agreed to, word for word, where it was asked."""
    asked_at: Mapped[datetime | None]
    """When a confirmation or their link was last sent."""
    confirmed_at: Mapped[datetime | None]
    quarantined_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    """How often in a row they could not be reached."""
    failing_since: Mapped[datetime | None]
    purge_at: Mapped[datetime | None] = mapped_column(index=True)
    """When the row is erased unless something happens."""
    unsubscribed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    components: Mapped[list[Component]] = relationship(secondary=subscriber_component)
    """Which components they chose; none: all of them."""
    access_user: Mapped[PageAccessUser | None] = relationship()
    incident: Mapped[Incident | None] = relationship()

    @property
    def reached_at(self) -> str:
        """What people know an address by: itself, or the name of a browser."""
        address = self.address or ""
        return push_subscriptions.name(address) if self.channel is Channel.WEB_PUSH else address

    @property
    def choice(self) -> "Choice":
        return Choice(
            tuple(self.components), self.incident, self.wants, self.language, self.time_zone
        )

    @property
    def export(self) -> dict[str, object]:
        """Everything that is kept about them, for themselves: only what JSON can say."""
        return {
            "id": self.public_id,
            "channel": self.channel.value,
            "address": self.address,
            "email": self.email,
            "push_keys": [self.push_p256dh, self.push_auth] if self.push_auth else None,
            "state": self.state.value,
            "components": [component.statuspage_name for component in self.components],
            "incident": self.incident.public_id if self.incident else None,
            "updates": self.wants.value,
            "language": self.language,
            "time_zone": self.time_zone,
            "consent": self.consent_text,
            "consent_at": _plain(self.consent_at),
            "confirmed_at": _plain(self.confirmed_at),
            "quarantined_at": _plain(self.quarantined_at),
            "failures": self.failures,
            "created_at": _plain(self.created_at),
        }


@dataclass(frozen=True)
class Contact:
    """A way to reach somebody, checked and written one way."""

    channel: Channel
    address: str
    email: str | None = None
    """Who answers for it, where that is not the address."""
    phone_country: str | None = None
    browser: Browser | None = None
    """With its keys, where that is the way."""
    former: str | None = None
    """How earlier versions stored this address."""

    @classmethod
    def of(
        cls, channel: Channel, text: str, *, email: str | None = None, country: str | None = None
    ) -> "Contact":
        """Raises `Invalid`: field `email`, `endpoint`, `phone_number` or `address`."""
        match channel:
            case Channel.EMAIL:
                address = addresses.email(text)
                return cls(channel, address, former=email_address.former(address))
            case Channel.SMS:
                return cls(
                    channel,
                    addresses.phone(text, country),
                    phone_country=(country or "").strip().upper() or None,
                    former=addresses.former_phone(text),
                )
            case Channel.WEB_PUSH:
                raise Invalid(channel="A browser can only subscribe itself.")
        if channel not in ADDRESS_RULES:
            raise Invalid(channel="This channel does not take an address.")
        address = ADDRESS_RULES[channel](text)
        return cls(channel, address, email=addresses.email(email) if email else None)

    def key(self, incident: Incident | None) -> str:
        return self._key(self.address, incident)

    def keys(self, incident: Incident | None) -> list[str]:
        """The key, and the one under which an earlier version may have stored the subscriber."""
        addresses = [self.address, self.former or self.address]
        return list(dict.fromkeys(self._key(address, incident) for address in addresses))

    def _key(self, address: str, incident: Incident | None) -> str:
        # Two spellings of one mailbox are one; hashed, as a URL may be longer than an index.
        address = address.lower() if self.channel is Channel.EMAIL else address
        parts = "\n".join((self.channel.value, address, incident.public_id if incident else ""))
        return hashlib.sha256(parts.encode()).hexdigest()


@dataclass(frozen=True)
class Choice:
    """What somebody wants to hear."""

    components: Sequence[Component] = ()
    """None: all of them."""
    incident: Incident | None = None
    wants: NotifyOn = NotifyOn.EVERY
    language: str = "en"
    time_zone: str | None = None


@dataclass(frozen=True)
class ImportedSubscriber:
    """Somebody from a list of another page, with the state and the choice that they had there."""

    contact: Contact
    choice: Choice = field(default_factory=Choice)
    state: SubscriberState = SubscriberState.ACTIVE
    consent: str | None = None
    """What they agreed to there, word for word, where the list says it."""
    consent_at: datetime | None = None
    confirmed_at: datetime | None = None


# ── verbs ──────────────────────────────────────────────────────────────────────


def add(
    contact: Contact,
    choice: Choice | None = None,
    *,
    by: Actor,
    at: datetime,
    is_confirmed: bool = False,
    access_user: PageAccessUser | None = None,
    consent: str | None = None,
) -> Subscriber:
    """Staff or a program subscribes somebody. Whoever is there gets the new choice.

    `is_confirmed`: they agreed already, nobody asks them. One in quarantine is active again.
    Without a `choice` a known subscriber keeps theirs.
    """
    existing = with_contact(contact, choice.incident if choice else None)
    subscriber = existing or _new(contact, choice or Choice(), at)
    subscriber.email = contact.email or subscriber.email
    subscriber.access_user = access_user or subscriber.access_user
    subscriber.skip_confirmation = is_confirmed or subscriber.skip_confirmation
    if consent:
        _agree(subscriber, consent, at)
    if existing and choice:
        _set(subscriber, choice)
    if subscriber.state is SubscriberState.UNCONFIRMED and is_confirmed:
        _activate(subscriber, at)
        _record("added", subscriber, by, at)
    elif subscriber.state is SubscriberState.QUARANTINED:
        reactivate(subscriber, by=by, at=at)
    elif existing is None:
        _record_request(subscriber, by, at)
    else:
        _record("edited", subscriber, by, at)
    return subscriber


def request_confirmation(contact: Contact, choice: Choice, *, wording: str, at: datetime) -> None:
    """A reader typed an address: whoever reads there may confirm it.

    Nothing comes back, so that nobody learns who is known. Who is subscribed already
    keeps their choice and gets the link to change it.
    """
    subscriber = with_contact(contact, choice.incident)
    if subscriber is None:
        subscriber = _new(contact, choice, at)
    elif subscriber.state is SubscriberState.ACTIVE:
        if _is_quiet(subscriber, at):
            subscriber.asked_at = at
            _record("link_wanted", subscriber, THEMSELVES, at, notify=True)
        return
    else:
        _set(subscriber, choice)
        subscriber.email = contact.email or subscriber.email
        subscriber.state = SubscriberState.UNCONFIRMED
    _agree(subscriber, wording, at)
    if _is_quiet(subscriber, at):
        _record_request(subscriber, THEMSELVES, at)


def confirm(subscriber: Subscriber, *, by: Actor, at: datetime) -> bool:
    """They agree. False where there was nothing to confirm."""
    _lock(subscriber)
    if subscriber.state is not SubscriberState.UNCONFIRMED:
        return False
    _activate(subscriber, at)
    _record("confirmed", subscriber, by, at)
    return True


def ask_again(subscriber: Subscriber, *, by: Actor, at: datetime) -> bool:
    """Staff or a program sends the confirmation again. False where none is awaited."""
    _lock(subscriber)
    if subscriber.state is not SubscriberState.UNCONFIRMED:
        return False
    _record_request(subscriber, by, at)
    return True


def choose(subscriber: Subscriber, choice: Choice, *, by: Actor, at: datetime) -> None:
    """Change what they want to hear; which incident it is about stays. Raises `Invalid`."""
    _lock(subscriber)
    _set(subscriber, choice)
    _record("edited", subscriber, by, at)


def unsubscribe(subscriber: Subscriber, *, by: Actor, at: datetime) -> None:
    """They leave, at once: the address is erased, and all that was kept with it."""
    _lock(subscriber)
    if subscriber.state is SubscriberState.UNSUBSCRIBED:
        return
    subscriber.state = SubscriberState.UNSUBSCRIBED
    # Not the old key: the same address may come back, and it says who it was.
    subscriber.key = f"left:{new_public_id()}{new_public_id()}"
    subscriber.address = subscriber.email = subscriber.phone_country = None
    subscriber.push_p256dh = subscriber.push_auth = None
    subscriber.time_zone = subscriber.consent_text = subscriber.consent_at = None
    subscriber.quarantined_at = subscriber.asked_at = subscriber.failing_since = None
    subscriber.components = []
    subscriber.access_user = None
    subscriber.unsubscribed_at = at
    subscriber.purge_at = at + KEPT_IN_QUARANTINE
    _record("unsubscribed", subscriber, by, at)


def quarantine(subscriber: Subscriber, *, by: Actor, at: datetime) -> None:
    """Send nothing until somebody reactivates it. Does nothing to one that is not active."""
    _lock(subscriber)
    if subscriber.state is not SubscriberState.ACTIVE:
        return
    _pause(subscriber, at)
    _record("quarantined", subscriber, by, at, notify=True)


def reactivate(subscriber: Subscriber, *, by: Actor, at: datetime) -> bool:
    """Send again. False where it was not in quarantine."""
    _lock(subscriber)
    if subscriber.state is not SubscriberState.QUARANTINED:
        return False
    _activate(subscriber, at)
    _record("reactivated", subscriber, by, at)
    return True


def take_over(
    people: Sequence[ImportedSubscriber], *, consent: str, by: Actor, at: datetime
) -> int:
    """Add a list of people who agreed elsewhere; returns how many are new.

    Who is known is left as they are; who is paused stays so. `consent` is what they agreed to,
    where the list does not say it: without it nobody may be written to. Raises `Invalid`.
    """
    if not consent.strip():
        raise Invalid(consent="Say what these people agreed to and where.")
    by_key = {person.contact.key(person.choice.incident): person for person in people}
    key_of = {
        stored: key
        for key, person in by_key.items()
        for stored in person.contact.keys(person.choice.incident)
    }
    keys = list(key_of)
    for start in range(0, len(keys), KEYS_PER_QUERY):
        piece = keys[start : start + KEYS_PER_QUERY]
        for known in db.session.scalars(sa.select(Subscriber.key).where(Subscriber.key.in_(piece))):
            by_key.pop(key_of[known], None)
    for person in by_key.values():
        subscriber = _new(person.contact, person.choice, at)
        _agree(subscriber, person.consent or consent, person.consent_at or at)
        _activate(subscriber, person.confirmed_at or at)
        if person.state is SubscriberState.QUARANTINED:
            _pause(subscriber, at)
    if by_key:
        db.session.flush()
        events.record(
            "subscriber.imported",
            subject="subscribers",
            title="Subscribers",
            by=by,
            at=at,
            data={"number": len(by_key)},
            is_public=False,
        )
    return len(by_key)


def note_export(number: int, *, by: Actor, at: datetime) -> None:
    """Write down that somebody took a copy of all these addresses."""
    events.record(
        "subscriber.exported",
        subject="subscribers",
        title="Subscribers",
        by=by,
        at=at,
        data={"number": number},
        is_public=False,
    )


def test(subscriber: Subscriber, *, by: Actor, at: datetime) -> None:
    """Send them a message that says that nothing happened. Raises `Invalid` unless active."""
    if subscriber.state is not SubscriberState.ACTIVE:
        raise Invalid(subscriber="Only active subscribers get messages.")
    _record("test_wanted", subscriber, by, at, notify=True)


def purge(*, at: datetime) -> int:
    """Erase who did not confirm in time, or stayed in quarantine or away long enough."""
    due = sa.select(Subscriber.id).where(Subscriber.purge_at <= at)
    if db.session.scalar(due.limit(1)) is None:
        return 0
    statement = sa.delete(Subscriber).where(Subscriber.purge_at <= at)
    erased = db.session.execute(statement).rowcount  # type: ignore[attr-defined]
    events.record(
        "subscriber.purged",
        subject="subscribers",
        title="Subscribers",
        by=events.SYSTEM,
        at=at,
        data={"number": erased},
        is_public=False,
    )
    return int(erased)


# ── finders ────────────────────────────────────────────────────────────────────


def get(public_id: str) -> Subscriber | None:
    """One that has not left."""
    query = sa.select(Subscriber).where(Subscriber.public_id == public_id)
    return db.session.scalar(query.where(Subscriber.state != SubscriberState.UNSUBSCRIBED))


def with_contact(contact: Contact, incident: Incident | None) -> Subscriber | None:
    """Who is reached this way; a row of an earlier version takes the normal form."""
    keys = contact.keys(incident)
    query = sa.select(Subscriber).where(Subscriber.key.in_(keys)).with_for_update()
    by_key = {row.key: row for row in db.session.scalars(query)}
    subscriber = next((by_key[key] for key in keys if key in by_key), None)
    if subscriber is not None and subscriber.key != keys[0]:
        subscriber.key, subscriber.address = keys[0], contact.address
    return subscriber


def with_key(key: str) -> Subscriber | None:
    query = sa.select(Subscriber).where(Subscriber.key == key).with_for_update()
    return db.session.scalar(query)


# ── helpers ────────────────────────────────────────────────────────────────────


def _new(contact: Contact, choice: Choice, at: datetime) -> Subscriber:
    subscriber = Subscriber(
        key=contact.key(choice.incident),
        channel=contact.channel,
        address=contact.address,
        email=contact.email,
        phone_country=contact.phone_country,
        push_p256dh=contact.browser.p256dh if contact.browser else None,
        push_auth=contact.browser.auth if contact.browser else None,
        state=SubscriberState.UNCONFIRMED,
        incident=choice.incident,
        purge_at=at + CONFIRM_WITHIN,
        created_at=at,
        failures=0,
        skip_confirmation=False,
    )
    _set(subscriber, choice)
    db.session.add(subscriber)
    return subscriber


def _set(subscriber: Subscriber, choice: Choice) -> None:
    if choice.time_zone is not None and choice.time_zone not in clock.time_zones():
        raise Invalid(time_zone="Unknown time zone.")
    subscriber.components = list(choice.components)
    subscriber.wants = choice.wants
    subscriber.language = choice.language
    subscriber.time_zone = choice.time_zone


def _agree(subscriber: Subscriber, wording: str, at: datetime) -> None:
    subscriber.consent_text = clean(wording).strip()[:MAX_CONSENT]
    subscriber.consent_at = at


def _activate(subscriber: Subscriber, at: datetime) -> None:
    subscriber.state = SubscriberState.ACTIVE
    subscriber.confirmed_at = subscriber.confirmed_at or at
    subscriber.quarantined_at = subscriber.purge_at = subscriber.failing_since = None
    subscriber.failures = 0


def _pause(subscriber: Subscriber, at: datetime) -> None:
    subscriber.state = SubscriberState.QUARANTINED
    subscriber.quarantined_at = at
    subscriber.purge_at = at + KEPT_IN_QUARANTINE


def _record_request(subscriber: Subscriber, by: Actor, at: datetime) -> None:
    subscriber.asked_at = at
    subscriber.purge_at = at + CONFIRM_WITHIN
    _record("confirmation_wanted", subscriber, by, at, notify=True)


def _is_quiet(subscriber: Subscriber, at: datetime) -> bool:
    return subscriber.asked_at is None or subscriber.asked_at <= at - ASK_AGAIN_AFTER


def _lock(subscriber: Subscriber) -> None:
    """Wait for whoever changes the same one, and look at what they left."""
    db.session.flush()
    # Of its own row only: PostgreSQL locks none that a list joined where there may be none.
    db.session.refresh(subscriber, with_for_update={"of": Subscriber})


def _record(
    happened: str, subscriber: Subscriber, by: Actor, at: datetime, *, notify: bool = False
) -> None:
    db.session.flush()
    events.record(
        f"subscriber.{happened}",
        subject=subscriber.public_id,
        title=subscriber.channel.label,
        by=by,
        at=at,
        notify=notify,
        is_public=False,
    )


def _plain(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
