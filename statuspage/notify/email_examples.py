"""E-mail previews: for each kind the last real message, or an example named as such.

Nothing here is sent to subscribers.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from statuspage.domain import events
from statuspage.domain.claims import Claim
from statuspage.domain.incidents.models import Facts
from statuspage.domain.incidents.postmortems import ActionState
from statuspage.domain.statuses import ComponentStatus, Impact, IncidentKind, IncidentStatus
from statuspage.domain.subscribers.subscriptions import Channel
from statuspage.lib.markdown import to_html
from statuspage.notify import message as messages
from statuspage.notify.message import Message, MessageKind, Recipient
from statuspage.page.snapshot import build as snapshot
from statuspage.page.snapshot.values import (
    ActionView,
    ChangeView,
    EditView,
    IncidentRef,
    IncidentView,
    PostmortemView,
    Present,
    Retracted,
    UpdateView,
)

KINDS = {
    MessageKind.INCIDENT: "A problem, an update about it, or its end.",
    MessageKind.MAINTENANCE: "Maintenance that is planned, starts or ends.",
    MessageKind.POSTMORTEM: "What we learned from an incident.",
    MessageKind.CORRECTION: "A correction of an earlier update.",
    MessageKind.RETRACTION: "An incident published by mistake.",
    MessageKind.CONFIRMATION: "Someone subscribed: they confirm that it was them.",
    MessageKind.LINK: "A subscriber filled in the form again.",
    MessageKind.QUARANTINE: "To the owner of a webhook that does not respond.",
    MessageKind.TEST: "A test message.",
}
"""Each kind of e-mail and when it is sent. `COMPONENT` goes only to webhooks."""

_OF_EVENTS = {
    MessageKind.INCIDENT: ("incident.opened", "incident.update_posted", "incident.reopened"),
    MessageKind.MAINTENANCE: (
        "maintenance.scheduled",
        "maintenance.update_posted",
        "maintenance.reopened",
    ),
    MessageKind.POSTMORTEM: ("postmortem.published",),
    MessageKind.CORRECTION: ("incident.update_edited", "maintenance.update_edited"),
    MessageKind.RETRACTION: ("incident.retracted", "maintenance.retracted"),
}
_MAX_EVENTS = 20
NOT_SAVED = "example"
"""The id of objects that have no row."""


@dataclass(frozen=True)
class Sample:
    """`is_example`: the page has sent no message of this kind yet."""

    message: Message
    is_example: bool


def of(kind: MessageKind, *, at: datetime, base_url: str) -> Sample:
    """The last message of a kind, rendered as of now. Raises `NoPageError`."""
    for event in events.latest_of(_OF_EVENTS.get(kind, ()), _MAX_EVENTS):
        message = messages.of(event, at=at, base_url=base_url)
        if message is not None and message.kind is kind:
            return Sample(message, is_example=False)
    present = snapshot.present(at=at, base_url=base_url)
    return Sample(_example(kind, present, at), kind in _OF_EVENTS)


def reader(address: str, base_url: str) -> Recipient:
    """A member of staff. The links lead to the form, as there is no subscription."""
    form = f"{base_url}/subscribe"
    key = f"look-{secrets.token_hex(8)}"
    webhook = "Webhook at hooks.example.com/…x9f2"
    return Recipient(NOT_SAVED, key, Channel.EMAIL, address, None, form, form, form, webhook)


@dataclass(frozen=True)
class Draft:
    """An unsaved update from the composer. `claims`: (public id, full name, claim)."""

    name: str
    kind: IncidentKind
    status: IncidentStatus
    is_first_of_status: bool
    body: str
    claims: Sequence[tuple[str, str, Claim]]
    facts: Facts
    because_of: Mapping[str, IncidentRef] = field(default_factory=dict)
    """By component's public id: the other incident that sets its status."""
    next_update_by: datetime | None = None
    scheduled_for: datetime | None = None
    scheduled_until: datetime | None = None


def composed(draft: Draft, *, at: datetime, base_url: str) -> Message:
    """The message for a draft. Raises `NoPageError`, and `Invalid` for its text."""
    return _sample_message(draft, snapshot.present(at=at, base_url=base_url), at)


# ── examples ───────────────────────────────────────────────────────────────────


def _example(kind: MessageKind, present: Present, at: datetime) -> Message:
    if kind not in _OF_EVENTS:
        return Message(kind, 0, at, present)
    first = next(iter(present.components.values()), None)
    component = (first.id, first.full_name) if first else (NOT_SAVED, "API")
    if kind is MessageKind.RETRACTION:
        retraction = Retracted(
            NOT_SAVED, _NAME, at, "One of our monitors was wrong; nothing was down."
        )
        return Message(kind, 0, at, present, retracted=retraction)
    if kind is MessageKind.MAINTENANCE:
        return _sample_message(_sample_maintenance(component, at), present, at)
    message = _sample_message(_sample_incident(component, at), present, at)
    incident, update = message.incident, message.update
    assert incident is not None
    assert update is not None
    if kind is MessageKind.CORRECTION:
        edit = EditView(at, "The share was twice as high as it is.", ())
        return Message(kind, 0, at, present, incident, replace(update, edits=(edit,)))
    if kind is MessageKind.POSTMORTEM:
        return Message(kind, 0, at, present, replace(incident, postmortem=_postmortem(at)))
    return message


_NAME = "Example: card payments fail for some customers"


def _sample_incident(component: tuple[str, str], at: datetime) -> Draft:
    return Draft(
        name=_NAME,
        kind=IncidentKind.INCIDENT,
        status=IncidentStatus.IDENTIFIED,
        is_first_of_status=True,
        body="One of our banks refuses about one in ten card payments. We are moving"
        " them to another bank.",
        claims=[(*component, Claim(ComponentStatus.PARTIAL_OUTAGE))],
        facts=Facts(
            "Customers who pay by card", "Bank transfer, and every other page", "Try again"
        ),
        next_update_by=at + timedelta(minutes=30),
    )


def _sample_maintenance(component: tuple[str, str], at: datetime) -> Draft:
    return Draft(
        name="Example: database upgrade",
        kind=IncidentKind.MAINTENANCE,
        status=IncidentStatus.SCHEDULED,
        is_first_of_status=True,
        body="There may be interruptions of up to a minute.",
        claims=[(*component, Claim(ComponentStatus.UNDER_MAINTENANCE))],
        facts=Facts(),
        scheduled_for=at + timedelta(days=1),
        scheduled_until=at + timedelta(days=1, hours=2),
    )


def _postmortem(at: datetime) -> PostmortemView:
    action = ActionView(
        NOT_SAVED,
        "Watch the share of refused payments",
        None,
        ActionState.IN_PROGRESS,
        (at + timedelta(days=7)).date(),
        None,
        is_late=False,
    )
    parts = (("summary", "Summary", to_html("One in ten card payments failed for 48 minutes.")),)
    return PostmortemView(NOT_SAVED, parts, (action,), at, None, 1, (), "")


# ── views without rows ───────────────────────────────────────────────────


def _sample_message(draft: Draft, present: Present, at: datetime) -> Message:
    update = _update(draft, present, at)
    is_work = draft.kind is IncidentKind.MAINTENANCE
    kind = MessageKind.MAINTENANCE if is_work else MessageKind.INCIDENT
    return Message(kind, 0, at, present, incident=_incident(draft, update, at), update=update)


def _update(draft: Draft, present: Present, at: datetime) -> UpdateView:
    return UpdateView(
        id=NOT_SAVED,
        status=draft.status,
        is_first_of_status=draft.is_first_of_status,
        body=draft.body,
        html=to_html(draft.body),
        posted_at=at,
        updated_at=at,
        created_at=at,
        edited_at=None,
        edits=(),
        changes=tuple(
            ChangeView(
                public_id,
                name,
                name,
                name,
                _current_status(present, public_id),
                claim,
                draft.because_of.get(public_id),
            )
            for public_id, name, claim in draft.claims
        ),
        next_update_by=draft.next_update_by,
        is_automatic=False,
        notify=True,
        custom_tweet=None,
        tweet_id=None,
    )


def _incident(draft: Draft, update: UpdateView, at: datetime) -> IncidentView:
    is_work = draft.kind is IncidentKind.MAINTENANCE
    return IncidentView(
        id=NOT_SAVED,
        row_id=0,
        kind=draft.kind,
        name=draft.name,
        status=draft.status,
        impact=Impact.MAINTENANCE if is_work else Impact.NONE,
        who_is_affected=draft.facts.who_is_affected,
        what_still_works=draft.facts.what_still_works,
        what_you_can_do=draft.facts.what_you_can_do,
        next_update_by=draft.next_update_by,
        is_overdue=False,
        started_at=at,
        began_at=at,
        detected_at=None,
        told_at=at,
        mitigated_at=None,
        resolved_at=at if draft.status.is_over else None,
        scheduled_for=draft.scheduled_for,
        scheduled_until=draft.scheduled_until,
        is_backfilled=False,
        created_at=at,
        updated_at=at,
        updates=(update,),
        components=tuple((public_id, name) for public_id, name, _ in draft.claims),
        worst=max(
            (claim for _, _, claim in draft.claims),
            key=lambda claim: claim.status.severity,
            default=Claim(ComponentStatus.OPERATIONAL),
        ),
        promises_kept=0,
        promises_made=0,
        corrections=(),
        postmortem=None,
        shortlink=None,
        reminder_intervals=None,
        announced_at=at,
    )


def _current_status(present: Present, public_id: str) -> ComponentStatus:
    view = present.components.get(public_id)
    return view.status if view else ComponentStatus.OPERATIONAL
