"""The message for an event, and its recipient.

Built at the time of sending from the same snapshot as the page, so later edits, redactions
and retractions are respected.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import quote
from zoneinfo import ZoneInfo

from statuspage.domain.events import ActorKind, Event
from statuspage.domain.statuses import IncidentKind, IncidentStatus
from statuspage.domain.subscribers import push_keys as push
from statuspage.domain.subscribers.push_keys import Access
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber
from statuspage.lib import signed_links
from statuspage.lib.signed_links import Purpose
from statuspage.page.html.subscription_pages import masked
from statuspage.page.snapshot import build as snapshot
from statuspage.page.snapshot.build import NoPageError
from statuspage.page.snapshot.values import (
    ComponentView,
    IncidentPage,
    IncidentView,
    PageView,
    Present,
    Retracted,
    UpdateView,
)


class MessageKind(StrEnum):
    """Also the name of the folder of its e-mail templates."""

    INCIDENT = "incident"
    MAINTENANCE = "maintenance"
    POSTMORTEM = "postmortem"
    CORRECTION = "correction"
    RETRACTION = "retraction"
    COMPONENT = "component"
    CONFIRMATION = "confirmation"
    LINK = "link"
    """A subscriber filled in the form again: the link to their own page."""
    QUARANTINE = "quarantine"
    TEST = "test"


@dataclass(frozen=True)
class Message:
    """The content for one event, the same for every recipient."""

    kind: MessageKind
    event_id: int
    at: datetime
    """When it happened."""
    present: Present
    """The page as it is now."""
    incident: IncidentView | None = None
    update: UpdateView | None = None
    retracted: Retracted | None = None
    component: ComponentView | None = None
    old_status: str | None = None
    """Of the component, where that is what happened."""
    is_reminder: bool = False
    """Maintenance begins soon; repeats what was announced."""

    @property
    def previous_text(self) -> str | None:
        """The text before a correction, as typed; None for other messages."""
        if self.kind is not MessageKind.CORRECTION or self.update is None or not self.update.edits:
            return None
        return "".join(text for kind, text in self.update.edits[-1].words if kind != "new")

    @property
    def reason(self) -> str | None:
        """The reason that staff gave for a correction."""
        if self.previous_text is None or self.update is None:
            return None
        return self.update.edits[-1].reason

    @property
    def page(self) -> PageView:
        return self.present.page


@dataclass(frozen=True)
class Recipient:
    """A recipient, with their personal links."""

    id: str
    key: str
    """Idempotency key of this delivery, the same at each attempt."""
    channel: Channel
    address: str
    email: str | None
    confirm_url: str
    manage_url: str
    unsubscribe_url: str
    """A page that asks; POST to it unsubscribes at once (RFC 8058)."""
    subscription: str = ""
    """What is subscribed, masked: `Webhook at hooks.example.com/…x9f2`."""
    earlier: str | None = None
    """The vendor's id of the last message about this incident that they got."""
    zone: ZoneInfo | None = None
    """Their preferred time zone; None: the page's."""
    push: Access | None = field(default=None, repr=False)
    """How to write to a browser."""


def of(
    event: Event, *, at: datetime, base_url: str, present: Present | None = None
) -> Message | None:
    """Return the message for an event as of now; None if there is nothing left to send.

    `present` saves reading the page again, which is the slowest part.
    """
    try:
        now = present or snapshot.present(at=at, base_url=base_url)
    except NoPageError:
        return None
    noun, _, action = event.kind.partition(".")
    match noun:
        case "incident" | "maintenance" | "postmortem":
            view = snapshot.incident(event.subject, at=at, base_url=base_url)
            match view:
                case IncidentPage():
                    return _of_incident(event, noun, action, view.incident, now)
                case Retracted() if action == "retracted":
                    kind = MessageKind.RETRACTION
                    return Message(kind, event.id, event.at, now, retracted=view)
        case "component":
            component = now.components.get(event.subject)
            if component is None:
                return None
            return Message(
                MessageKind.COMPONENT,
                event.id,
                event.at,
                now,
                component=component,
                old_status=event.data.get("old_status", "operational"),
            )
        case "subscriber":
            if action == "quarantined" and event.actor_kind is ActorKind.STAFF:
                return None  # Staff paused it; it may well take messages.
            if action in _DIRECT:
                return Message(_DIRECT[action], event.id, event.at, now)
    return None


_DIRECT = {
    "confirmation_wanted": MessageKind.CONFIRMATION,
    "link_wanted": MessageKind.LINK,
    "quarantined": MessageKind.QUARANTINE,
    "test_wanted": MessageKind.TEST,
}


def _of_incident(
    event: Event,
    noun: str,
    action: str,
    incident: IncidentView,
    now: Present,
) -> Message | None:
    if noun == "postmortem":
        if incident.postmortem is None:
            return None
        kind = MessageKind.POSTMORTEM
        return Message(kind, event.id, event.at, now, incident=incident)
    update_id = event.data.get("update")
    update = next((update for update in incident.updates if update.id == update_id), None)
    if update is None:
        return None
    is_work = incident.kind is IncidentKind.MAINTENANCE
    kind = MessageKind.MAINTENANCE if is_work else MessageKind.INCIDENT
    is_reminder = action == "reminded"
    if is_reminder and not _is_still_ahead(event, incident):
        return None
    if action == "update_edited":
        kind = MessageKind.CORRECTION
    return Message(
        kind,
        event.id,
        event.at,
        now,
        incident=incident,
        update=update,
        is_reminder=is_reminder,
    )


def _is_still_ahead(event: Event, incident: IncidentView) -> bool:
    """Whether the maintenance has not begun, moved or been cancelled since the reminder."""
    window = incident.scheduled_for.isoformat() if incident.scheduled_for else None
    return incident.status is IncidentStatus.SCHEDULED and window == event.data["scheduled_for"]


def recipient(
    subscriber: Subscriber,
    channel: Channel,
    event_id: int,
    *,
    secret: str,
    base_url: str,
    earlier: str | None = None,
) -> Recipient:
    """Who they are and their links.

    A mail to a subscriber by another channel goes to the person who answers for it.
    """
    address = subscriber.address if channel is subscriber.channel else subscriber.email
    assert address is not None

    def link(purpose: Purpose, path: str) -> str:
        token = signed_links.token(secret, purpose, subscriber.public_id)
        return f"{base_url}{path}{quote(token)}"

    return Recipient(
        id=subscriber.public_id,
        key=f"{event_id}-{subscriber.public_id}",
        channel=channel,
        address=address,
        email=subscriber.email,
        confirm_url=link(Purpose.CONFIRM, "/subscriptions/confirm/"),
        manage_url=link(Purpose.MANAGE, "/subscriptions/"),
        unsubscribe_url=link(Purpose.UNSUBSCRIBE, "/subscriptions/unsubscribe/"),
        subscription=masked(subscriber),
        earlier=earlier,
        zone=ZoneInfo(subscriber.time_zone) if subscriber.time_zone else None,
        push=push.access(subscriber) if channel is Channel.WEB_PUSH else None,
    )
