"""Drafts: incidents, and updates of published ones, that nobody is told of yet.

A draft claims nothing; what it says of components is kept until it is published.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from statuspage.db import db
from statuspage.domain.claims import Claim
from statuspage.domain.components import claims_store
from statuspage.domain.components.models import Component
from statuspage.domain.events import Actor
from statuspage.domain.incidents import updates
from statuspage.domain.incidents.models import Facts, Incident, IncidentUpdate
from statuspage.domain.statuses import Impact, IncidentKind, IncidentStatus
from statuspage.errors import Invalid
from statuspage.lib.markdown import clean


def edit(
    incident: Incident,
    *,
    name: str,
    status: IncidentStatus,
    body: str,
    claims: Mapping[Component, Claim],
    by: Actor,
    at: datetime,
    facts: Facts | None = None,
    started_at: datetime | None = None,
    next_update_by: datetime | None = None,
    impact_override: Impact | None = None,
) -> None:
    """Rewrite a draft. Raises `Invalid` when it was published."""
    updates.check_body(name, body)
    updates.check_status(incident.kind, status)
    claims_store.check_claims(claims)
    updates.lock(incident)
    if not incident.is_draft:
        raise Invalid(name="This incident is published; post an update instead.")
    first = incident.updates[-1]
    updates.set_facts(incident, facts or Facts())
    updates.write_body(first, body)
    incident.name, incident.status = clean(name).strip(), status
    incident.started_at = started_at or incident.started_at
    incident.impact_override = impact_override
    incident.next_update_by = next_update_by
    incident.updated_at = at
    first.status, first.next_update_by = status, next_update_by
    incident.affected.clear()
    db.session.flush()
    updates.set_affected(incident, claims)
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
    incident: Incident,
    *,
    status: IncidentStatus,
    body: str,
    by: Actor,
    at: datetime,
    claims: Mapping[Component, Claim] | None = None,
    next_update_by: datetime | None = None,
    facts: Facts | None = None,
) -> IncidentUpdate:
    """Keep an update without telling anybody; one draft an incident.

    What it says of components is kept too and claims nothing yet; of `facts` what
    differs from the incident's. Raises `Invalid`.
    """
    updates.check_body(incident.name, body)
    updates.check_status(incident.kind, status)
    said = updates.check_facts(facts or incident.facts)
    updates.lock(incident)
    draft = update_of(incident)
    if draft is None:
        draft = updates.new_update(incident, status, body, by, at, next_update_by)
        draft.is_draft = True
    updates.write_body(draft, body)
    draft.status, draft.next_update_by = status, next_update_by
    draft.posted_at = draft.updated_at = at
    draft.posted_by = by.name
    for name, words in said.items():
        setattr(draft, name, None if words == getattr(incident, name) else words or "")
    draft.changes.clear()
    updates.record_component_changes(draft, claims or {}, {})
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
