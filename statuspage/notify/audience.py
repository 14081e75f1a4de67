"""The subscribers that an event is sent to, as one query."""

from collections.abc import Iterable

import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.components.models import Component
from statuspage.domain.events import Event
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Affected, Incident
from statuspage.domain.subscribers.subscriptions import (
    Channel,
    NotifyOn,
    Subscriber,
    SubscriberState,
    subscriber_component,
)
from statuspage.notify.deliveries import Delivery, DeliveryState

EDGES = {"opened", "scheduled", "reopened", "retracted"}
"""Events for subscribers who want only the start and the end; `Incident.is_over` marks the end."""

Audience = sa.Select[int, Channel]
"""(row id, channel) of subscribers."""


def of(event: Event) -> Audience | None:
    """The subscribers to notify about this event; None if it notifies nobody."""
    noun, _, action = event.kind.partition(".")
    match noun:
        case "subscriber":
            return _single(event.subject, action)
        case "component":
            return _of_component(event.subject)
        case "incident" | "maintenance" | "postmortem":
            incident = incidents.get(event.subject)
            if incident is not None and action == "update_edited":
                return _readers_of_original(event)
            if incident is not None and action == "reminded":
                # As Statuspage does: webhooks get no reminders, they already know the window.
                people = Subscriber.channel != Channel.WEBHOOK
                return _of_incident(incident, event, is_edge=False).where(people)
            if incident is not None:
                is_edge = action in EDGES or incident.is_over
                return _of_incident(incident, event, is_edge=is_edge)
    return None


def preview(
    components: Iterable[Component], incident: Incident | None, *, is_edge: bool
) -> Audience:
    """The subscribers who would get an update about these components, before it is published.

    `incident` is None for a new incident. Leaves out subscribers who got an earlier message
    and have changed their choice since.
    """
    ids = {component.id for component in components}
    of_incident: sa.ColumnElement[bool] = sa.false()
    if incident is not None:
        ids |= {row.component_id for row in incident.affected}
        of_incident = Subscriber.incident_id == incident.id
    affected = sa.select(Component.id).where(Component.id.in_(ids))
    audience = _active().where(
        sa.or_(of_incident, sa.and_(Subscriber.incident_id.is_(None), _chose(affected)))
    )
    return audience if is_edge else audience.where(Subscriber.wants == NotifyOn.EVERY)


def _single(public_id: str, action: str) -> Audience:
    is_chosen = Subscriber.public_id == public_id
    if action == "quarantined":
        # The webhook is unreachable; its owner may not be.
        mail = sa.literal(Channel.EMAIL, Subscriber.channel.type)
        return sa.select(Subscriber.id, mail).where(is_chosen, Subscriber.email.is_not(None))
    return sa.select(Subscriber.id, Subscriber.channel).where(is_chosen)


def _of_component(public_id: str) -> Audience:
    """As Statuspage does: only webhooks get status changes; people get the incident's updates."""
    component = sa.select(Component.id).where(Component.public_id == public_id)
    return _active().where(
        Subscriber.channel == Channel.WEBHOOK, Subscriber.incident_id.is_(None), _chose(component)
    )


def _of_incident(incident: Incident, event: Event, *, is_edge: bool) -> Audience:
    affected = sa.select(Affected.component_id).where(Affected.incident_id == incident.id)
    is_recipient = sa.or_(
        Subscriber.incident_id == incident.id,
        sa.and_(Subscriber.incident_id.is_(None), _chose(affected)),
        # Subscribers who got the start also get the end, even if they changed their choice.
        Subscriber.id.in_(_notified_before(event)),
    )
    audience = _active().where(is_recipient)
    return audience if is_edge else audience.where(Subscriber.wants == NotifyOn.EVERY)


def _active() -> Audience:
    return sa.select(Subscriber.id, Subscriber.channel).where(
        Subscriber.state == SubscriberState.ACTIVE
    )


def _chose(components: sa.Select[int]) -> sa.ColumnElement[bool]:
    """Subscribers of one of these components, or of all (no choice stored)."""
    is_linked = subscriber_component.c.subscriber_id == Subscriber.id
    chose_any = sa.exists().where(is_linked)
    chose_these = sa.exists().where(is_linked, subscriber_component.c.component_id.in_(components))
    return sa.or_(~chose_any, chose_these)


def _notified_before(event: Event) -> sa.Select[int]:
    earlier = sa.select(Event.id).where(Event.subject == event.subject, Event.id < event.id)
    return sa.select(Delivery.subscriber_id).where(
        Delivery.event_id.in_(earlier), Delivery.state == DeliveryState.SENT
    )


def _readers_of_original(correction: Event) -> Audience:
    """Corrections go only to subscribers who were sent the original text."""
    update = correction.data.get("update")
    readers = [
        event.id
        for event in events.about(correction.subject, limit=10_000)
        if event.notify and event.data.get("update") == update and event.id < correction.id
    ]
    sent = sa.select(Delivery.subscriber_id).where(
        Delivery.event_id.in_(readers), Delivery.state == DeliveryState.SENT
    )
    return _active().where(Subscriber.id.in_(sent))


def size(audience: Audience) -> dict[Channel, int]:
    """The number of recipients by channel."""
    rows = audience.subquery()
    query = sa.select(rows.c.channel, sa.func.count()).group_by(rows.c.channel)
    return dict(db.session.execute(query).all())
