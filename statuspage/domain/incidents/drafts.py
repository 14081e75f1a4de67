"""Drafts: incidents, and updates of published ones, that nobody is told of yet.

A draft claims nothing; what it says of components is kept until it is published.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain.claims import Claim
from statuspage.domain.components import claims_store
from statuspage.domain.components import verbs as components
from statuspage.domain.components.models import Component
from statuspage.domain.events import Actor, Event
from statuspage.domain.incidents import updates
from statuspage.domain.incidents.models import Facts, Incident, IncidentUpdate, UpdateInput
from statuspage.domain.statuses import ComponentStatus, Impact, IncidentKind, IncidentStatus
from statuspage.errors import Invalid
from statuspage.lib.markdown import clean


def create(
    name: str,
    update: UpdateInput,
    *,
    by: Actor,
    at: datetime,
    started_at: datetime | None = None,
    detected_at: datetime | None = None,
) -> Incident:
    """Keep an incident that nobody outside reads yet. Raises `Invalid`."""
    updates.check_start(started_at, at)
    incident = updates.new_incident(IncidentKind.INCIDENT, name, update, by=by, at=at)
    incident.started_at, incident.detected_at = started_at or at, detected_at
    incident.next_update_by = update.next_update_by
    db.session.add(incident)
    keep(incident, update, by=by, at=at)
    return incident


def keep(incident: Incident, update: UpdateInput, *, by: Actor, at: datetime) -> None:
    """Make a new incident or maintenance a draft, with what it will claim."""
    incident.updates[0].is_draft = True
    updates.set_affected(incident, update.claims)
    updates.record(f"{incident.kind}.drafted", incident, by=by, at=at)


def edit(
    incident: Incident,
    name: str,
    update: UpdateInput,
    *,
    by: Actor,
    at: datetime,
    started_at: datetime | None = None,
) -> None:
    """Rewrite a draft. Raises `Invalid` when it was published."""
    updates.check_body(name, update.body)
    updates.check_status(incident.kind, update.status)
    claims_store.check_claims(update.claims)
    updates.lock(incident)
    if not incident.is_draft:
        raise Invalid(name="This incident is published; post an update instead.")
    first = incident.updates[-1]
    updates.set_facts(incident, update.facts or Facts())
    updates.write_body(first, update.body)
    incident.name, incident.status = clean(name).strip(), update.status
    incident.started_at = started_at or incident.started_at
    incident.impact_override = update.impact_override
    incident.next_update_by = update.next_update_by
    incident.updated_at = at
    first.status, first.next_update_by = update.status, update.next_update_by
    incident.affected.clear()
    db.session.flush()
    updates.set_affected(incident, update.claims)
    updates.record("incident.draft_edited", incident, by=by, at=at)


def publish(incident: Incident, *, by: Actor, at: datetime) -> None:
    """Tell customers what the draft says. Does nothing when it is published already.

    Raises `Invalid` when what it promises or schedules lies in the past by now.
    """
    updates.lock(incident)
    if not incident.is_draft:
        return
    first = incident.updates[-1]
    updates.check_status(incident.kind, first.status)
    updates.check_next_update(first.next_update_by, at)
    if incident.scheduled_until is not None and incident.scheduled_until <= at:
        raise Invalid(scheduled_until="The window is in the past; reschedule it first.")
    first.is_draft = False
    first.posted_at = first.created_at = first.updated_at = at
    first.posted_by, first.is_automatic = by.name, False  # Whoever publishes it has read it.
    if incident.kind is IncidentKind.INCIDENT:
        incident.started_at = min(incident.started_at, at)
    updates.publish(incident, first, incident.claims, by=by, at=at)


def delete(incident: Incident, *, by: Actor, at: datetime) -> Event:
    """Discard a draft; its event keeps what it said, for `restore`.

    Raises `Invalid` when it was published: that is retracted instead.
    """
    updates.lock(incident)
    if not incident.is_draft:
        raise Invalid(name="A published incident cannot be deleted. Retract it with a reason.")
    data: dict[str, object] = {"draft": _kept(incident)}
    event = updates.record("incident.draft_deleted", incident, by=by, at=at, data=data)
    db.session.delete(incident)
    return event


def restore(event: Event, *, by: Actor, at: datetime) -> Incident:
    """Bring back the draft that `delete` discarded, under its id. Raises `Invalid`."""
    content = event.data.get("draft")
    if content is None:
        raise Invalid(draft="This draft was not kept, so it cannot be restored.")
    existing = sa.select(Incident.id).where(Incident.public_id == event.subject)
    if db.session.scalar(existing) is not None:
        raise Invalid(draft="This draft has already been restored.")
    moments = {name: _moment(content[name]) for name in _MOMENTS}
    update = UpdateInput(
        IncidentStatus(content["status"]),
        content["body"],
        _claims_from(content["claims"]),
        Facts(**content["facts"]),
        impact_override=Impact(content["impact_override"]) if content["impact_override"] else None,
    )
    kind = IncidentKind(content["kind"])
    incident = updates.new_incident(kind, content["name"], update, by=by, at=at)
    incident.public_id = event.subject
    incident.impact = Impact(content["impact"])
    for name, moment in moments.items():
        setattr(incident, name, moment)
    for name in _FLAGS:
        setattr(incident, name, content[name])
    incident.updates[0].next_update_by = incident.next_update_by
    db.session.add(incident)
    keep(incident, update, by=by, at=at)
    return incident


_MOMENTS = (
    "started_at",
    "detected_at",
    "next_update_by",
    "scheduled_for",
    "scheduled_until",
    "remind_at",
)
_FLAGS = ("auto_start", "auto_end", "reminds")


def _kept(incident: Incident) -> dict[str, Any]:
    return {
        "kind": incident.kind.value,
        "name": incident.name,
        "status": incident.updates[-1].status.value,
        "body": incident.updates[-1].body,
        "impact": incident.impact.value,
        "impact_override": updates.plain(incident.impact_override),
        "facts": asdict(incident.facts),
        "claims": _claims_kept(incident.claims),
        **{name: updates.plain(getattr(incident, name)) for name in _MOMENTS},
        **{name: getattr(incident, name) for name in _FLAGS},
    }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _claims_kept(claims: Mapping[Component, Claim]) -> dict[str, list[str | None]]:
    return {
        component.public_id: [
            claim.status.value,
            None if claim.share is None else str(claim.share),
            claim.scope,
        ]
        for component, claim in claims.items()
    }


def _claims_from(content: Mapping[str, Sequence[Any]]) -> dict[Component, Claim]:
    """Those of components that are still on the page."""
    return {
        component: Claim(ComponentStatus(status), Decimal(share) if share else None, scope)
        for component in components.listed()
        if component.public_id in content
        for status, share, scope in [content[component.public_id]]
    }


def save_update(
    incident: Incident, update: UpdateInput, *, by: Actor, at: datetime
) -> IncidentUpdate:
    """Keep an update without telling anybody; one draft an incident.

    What it says of components is kept too and claims nothing yet; of its facts what
    differs from the incident's. Raises `Invalid`.
    """
    updates.check_body(incident.name, update.body)
    updates.check_status(incident.kind, update.status)
    facts = updates.check_facts(update.facts or incident.facts)
    updates.lock(incident)
    draft = update_of(incident)
    if draft is None:
        draft = updates.new_update(incident, update, by=by, at=at)
        draft.is_draft = True
    updates.write_body(draft, update.body)
    draft.status, draft.next_update_by = update.status, update.next_update_by
    draft.posted_at = draft.updated_at = at
    draft.posted_by = by.name
    for name, words in facts.items():
        setattr(draft, name, None if words == getattr(incident, name) else words or "")
    draft.changes.clear()
    updates.record_component_changes(draft, update.claims, {})
    db.session.flush()
    updates.record(f"{incident.kind}.update_drafted", incident, update=draft, by=by, at=at)
    return draft


def update_of(incident: Incident) -> IncidentUpdate | None:
    """The unpublished update of a published incident, if there is one."""
    if incident.is_draft:
        return None
    return next((update for update in incident.updates if update.is_draft), None)


def claims_of(draft: IncidentUpdate) -> dict[Component, Claim]:
    """What a draft update says of components."""
    return {
        change.component: Claim(change.new_status, change.share, change.scope)
        for change in draft.changes
    }


def facts_of(draft: IncidentUpdate) -> Facts:
    """The facts as they will stand once a draft update is posted."""
    present = asdict(draft.incident.facts)
    drafted = {name: getattr(draft, name) for name in present}
    return Facts(
        **{
            name: words if drafted[name] is None else drafted[name] or None
            for name, words in present.items()
        }
    )


def discard_update(incident: Incident) -> None:
    """Drop the unpublished update, because it was posted."""
    draft = update_of(incident)
    if draft is not None:
        incident.updates.remove(draft)
        db.session.flush()


def delete_update(incident: Incident, *, by: Actor, at: datetime) -> Event:
    """Discard the unpublished update; its event keeps what it said, for `restore_update`.

    Raises `Invalid` where there is none.
    """
    draft = update_of(incident)
    if draft is None:
        raise Invalid(draft="There is no draft to discard.")
    content = {
        "status": draft.status.value,
        "body": draft.body,
        "facts": asdict(facts_of(draft)),
        "claims": _claims_kept(claims_of(draft)),
        "next_update_by": updates.plain(draft.next_update_by),
    }
    discard_update(incident)
    kind = f"{incident.kind}.update_draft_deleted"
    return updates.record(kind, incident, by=by, at=at, data={"draft": content})


def restore_update(incident: Incident, event: Event, *, by: Actor, at: datetime) -> None:
    """Bring back the draft that `delete_update` discarded. Raises `Invalid`."""
    content = event.data.get("draft")
    if content is None or update_of(incident) is not None:
        raise Invalid(draft="This incident already has a draft update.")
    update = UpdateInput(
        IncidentStatus(content["status"]),
        content["body"],
        _claims_from(content["claims"]),
        Facts(**content["facts"]),
        _moment(content["next_update_by"]),
    )
    save_update(incident, update, by=by, at=at)
