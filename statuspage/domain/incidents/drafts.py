"""Drafts: incidents, and updates of published ones, that nobody is told of yet.

A draft claims nothing; what it says of components is kept until it is published.
"""

from dataclasses import asdict
from datetime import datetime

from statuspage.db import db
from statuspage.domain.claims import Claim
from statuspage.domain.components import claims_store
from statuspage.domain.components.models import Component
from statuspage.domain.events import Actor
from statuspage.domain.incidents import updates
from statuspage.domain.incidents.models import Facts, Incident, IncidentUpdate, UpdateInput
from statuspage.domain.statuses import IncidentKind
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
    first.posted_by = by.name
    if incident.kind is IncidentKind.INCIDENT:
        incident.started_at = min(incident.started_at, at)
    updates.publish(incident, first, incident.claims, by=by, at=at)


def delete(incident: Incident, *, by: Actor, at: datetime) -> None:
    """Throw a draft away. Raises `Invalid` when it was published: that is retracted instead."""
    updates.lock(incident)
    if not incident.is_draft:
        raise Invalid(name="A published incident cannot be deleted. Retract it with a reason.")
    updates.record("incident.draft_deleted", incident, by=by, at=at)
    db.session.delete(incident)


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
    """Drop the unpublished update: it was posted, or given up."""
    draft = update_of(incident)
    if draft is not None:
        incident.updates.remove(draft)
        db.session.flush()
