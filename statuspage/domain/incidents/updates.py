"""What every verb on an incident or a maintenance has in common: how an update is told, what it
says of components, and the checks of what was typed. Only verbs of the domain call it."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from enum import StrEnum

from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.claims import OPERATIONAL, Claim
from statuspage.domain.components import claims_store
from statuspage.domain.components.models import Component
from statuspage.domain.events import Actor, Event
from statuspage.domain.incidents.models import (
    MAX_FACT,
    MAX_NAME,
    Affected,
    Correction,
    Facts,
    Incident,
    IncidentUpdate,
    UpdateChange,
    UpdateInput,
)
from statuspage.domain.statuses import (
    INCIDENT_STEPS,
    MAINTENANCE_STEPS,
    ComponentStatus,
    Impact,
    IncidentKind,
    IncidentStatus,
    incident_impact,
)
from statuspage.errors import Invalid
from statuspage.lib.markdown import clean, printable, to_html


def publish(
    incident: Incident,
    first: IncidentUpdate,
    claims: Mapping[Component, Claim],
    *,
    by: Actor,
    at: datetime,
) -> None:
    incident.published_at = at
    incident.told_at = at
    incident.created_at = at
    apply_update(incident, first, claims, was=None, at=at, since=min(incident.started_at, at))
    kind = "opened" if incident.kind is IncidentKind.INCIDENT else "scheduled"
    record(
        f"{incident.kind}.{kind}",
        incident,
        update=first,
        by=by,
        at=at,
        notify=first.notify,
    )


def apply_update(
    incident: Incident,
    update: IncidentUpdate,
    claims: Mapping[Component, Claim],
    *,
    was: IncidentStatus | None,
    at: datetime,
    since: datetime | None = None,
    ended_at: datetime | None = None,
) -> None:
    """The incident takes on the update's status, promise, claims and moments.

    `was` is the status it had, None when this is the first that customers read. `since` is
    when new claims began, `ended_at` when it was over: both `at` by default.
    """
    status = update.status
    statuses = {row.component: row.status for row in incident.affected}
    was_claiming = was is not None and was.claims
    old = statuses if was_claiming else {}
    claims_now = dict(claims) if status.claims else dict.fromkeys(claims, OPERATIONAL)
    claims_now |= {
        component: OPERATIONAL
        for component, present in statuses.items()
        if component not in claims and (status.is_over or present is not OPERATIONAL.status)
    }
    ended_at = max(ended_at, incident.started_at) if ended_at else at
    _enter(incident, status, was, at, ended_at)
    incident.next_update_by = None if status.is_over else update.next_update_by

    db.session.flush()
    if status.is_over:
        set_affected(
            incident,
            {component: claim for component, claim in claims.items() if component not in statuses},
        )
    else:
        set_affected(incident, claims)
    if status.claims or status.is_over or was_claiming:
        record_component_changes(update, claims_now, old)
    elif status is IncidentStatus.SCHEDULED:
        _say_where(update, claims, at)
    spoken_for = status.claims or status.is_over
    held = {component: claims_now[component] for component in claims} if spoken_for else {}
    if status.is_over:
        claims_store.replace_claims(incident, held, at=ended_at)
    else:
        claims_store.replace_claims(incident, held, at=at, since=since)
    note_other_claims(update, at)
    if was is None or not status.is_over:
        recompute_impact(incident, claims)


def lock(incident: Incident) -> None:
    """Wait for whoever is writing to this incident, then see what they wrote."""
    db.session.flush()  # A refresh would drop what is not written yet.
    # Not against who only refers to it: an update of another incident names this one.
    db.session.refresh(incident, with_for_update={"key_share": True})


def new_incident(
    kind: IncidentKind, name: str, update: UpdateInput, *, by: Actor, at: datetime
) -> Incident:
    """An incident with its first update, not yet in the session: it starts `at`, unless its
    caller knows better. Raises `Invalid`."""
    check_body(name, update.body)
    check_status(kind, update.status)
    claims_store.check_claims(update.claims)
    incident = Incident(
        kind=kind,
        name=clean(name).strip(),
        status=update.status,
        impact_override=update.impact_override,
        started_at=at,
        created_at=at,
        updated_at=at,
        corrections=[],
    )
    set_facts(incident, update.facts or Facts())
    new_update(incident, update, by=by, at=at)
    return incident


def new_update(
    incident: Incident, update: UpdateInput, *, by: Actor, at: datetime
) -> IncidentUpdate:
    row = IncidentUpdate(
        status=update.status,
        posted_at=at,
        created_at=at,
        updated_at=at,
        posted_by=by.name,
        next_update_by=None if update.status.is_over else update.next_update_by,
        notify=update.notify,
        is_automatic=update.is_automatic,
        changes=[],
        versions=[],
    )
    write_body(row, update.body)
    incident.updates.insert(0, row)
    return row


def record_component_changes(
    update: IncidentUpdate,
    claims: Mapping[Component, Claim],
    before: Mapping[Component, ComponentStatus],
) -> None:
    for component, claim in claims.items():
        update.changes.append(
            UpdateChange(
                component=component,
                component_id=component.id,
                name=component.statuspage_name,
                old_status=before.get(component, ComponentStatus.OPERATIONAL),
                new_status=claim.status,
                share=claim.share,
                scope=claim.scope,
            )
        )


def note_other_claims(update: IncidentUpdate, at: datetime) -> None:
    """Keep what others claim of the components that the update names."""
    ids = [change.component_id for change in update.changes]
    others = claims_store.others(update.incident, ids, at=at)
    for change in update.changes:
        if row := others.get(change.component_id):
            change.other_status, change.other_incident_id = row.status, row.incident_id


def _say_where(update: IncidentUpdate, claims: Mapping[Component, Claim], at: datetime) -> None:
    """An announcement names the components as they stand: nothing moves yet."""
    present = claims_store.in_force(at=at)
    stands = {
        component: Claim(present.get(component.id, OPERATIONAL).status) for component in claims
    }
    record_component_changes(
        update, stands, {component: claim.status for component, claim in stands.items()}
    )


def set_affected(incident: Incident, claims: Mapping[Component, Claim]) -> None:
    rows = {row.component_id: row for row in incident.affected}
    for component_id, row in rows.items():
        if component_id not in {component.id for component in claims} and not incident.is_over:
            # Named before, not any more: it works again, and stays in the record.
            row.status, row.share, row.scope = ComponentStatus.OPERATIONAL, None, None
    for component, claim in claims.items():
        row = rows.get(component.id) or Affected(component=component, component_id=component.id)
        row.status, row.share, row.scope = claim.status, claim.share, claim.scope
        if component.id not in rows:
            incident.affected.append(row)


def recompute_impact(incident: Incident, claims: Mapping[Component, Claim]) -> None:
    """Set the impact: as overridden, else the worst it ever had."""
    if incident.kind is IncidentKind.MAINTENANCE:
        incident.impact = Impact.MAINTENANCE
        return
    found = incident_impact(
        [claim.status for claim in claims.values()],
        whole_page=claims_store.whole_page_is_down(claims, of=incident),
    )
    present = incident.impact or Impact.NONE
    if incident.impact_override is not None:
        incident.impact = incident.impact_override
    else:
        incident.impact = max(present, found, key=lambda impact: impact.severity)


def reset_impact(incident: Incident) -> None:
    """Set the impact to the worst that the updates ever said of components."""
    statuses = [row.status for row in incident.affected]
    for update in incident.updates:
        for change in update.changes:
            statuses += [change.old_status, change.new_status]
    incident.impact = incident_impact(statuses, whole_page=False)


def set_facts(incident: Incident, facts: Facts) -> None:
    for name, words in check_facts(facts).items():
        setattr(incident, name, words)


def check_facts(facts: Facts) -> dict[str, str | None]:
    """Field → words as they are stored. Raises `Invalid`."""
    checked = {}
    for field in fields(Facts):
        words = clean(getattr(facts, field.name) or "").strip()
        if len(words) > MAX_FACT:
            raise Invalid(**{field.name: f"Use at most {MAX_FACT} characters."})
        checked[field.name] = words or None
    return checked


def write_body(update: IncidentUpdate, body: str) -> None:
    words = printable(body).strip()
    update.body, update.body_html = words, str(to_html(words))


def check_body(name: str, body: str) -> None:
    errors = {}
    if not clean(name).strip():
        errors["name"] = "Enter a name that customers understand."
    elif len(name) > MAX_NAME:
        errors["name"] = f"The name may have at most {MAX_NAME} characters."
    if not clean(body).strip():
        errors["body"] = "Write a message for customers."
    if errors:
        raise Invalid(**errors)


def check_start(started_at: datetime | None, at: datetime) -> None:
    if started_at is not None and started_at > at:
        raise Invalid(started_at="An incident cannot start in the future.")


def check_next_update(next_update_by: datetime | None, at: datetime) -> None:
    if next_update_by is not None and next_update_by <= at:
        raise Invalid(next_update_by="Choose a time in the future.")


def check_status(kind: IncidentKind, status: IncidentStatus) -> None:
    steps: tuple[IncidentStatus, ...] = INCIDENT_STEPS
    if kind is IncidentKind.MAINTENANCE:
        steps = (*MAINTENANCE_STEPS, IncidentStatus.CANCELLED)
    if status not in steps:
        raise Invalid(status=f"Choose one of: {', '.join(step.label for step in steps)}.")


def note_correction(
    incident: Incident,
    field: str,
    old: str | None,
    new: str | None,
    reason: str | None,
    by: Actor,
    at: datetime,
) -> None:
    if old != new:
        words = clean(reason or "").strip() or None
        incident.corrections.append(
            Correction(field=field, old=old, new=new, reason=words, at=at, by=by.name)
        )


def _enter(
    incident: Incident,
    status: IncidentStatus,
    was: IncidentStatus | None,
    at: datetime,
    ended_at: datetime,
) -> None:
    """Take on a status and the moments that it marks."""
    if was is IncidentStatus.POSTMORTEM and status is IncidentStatus.RESOLVED:
        status = was  # A later word on it does not take the postmortem away.
    incident.status = status
    incident.updated_at = at
    if was is IncidentStatus.SCHEDULED and status not in (was, IncidentStatus.CANCELLED):
        incident.started_at = min(incident.started_at, at)  # It may start early.
    if status is IncidentStatus.MONITORING and incident.mitigated_at is None:
        incident.mitigated_at = at
    if not status.is_over:
        incident.resolved_at = None
    elif was is None or not was.is_over:
        incident.resolved_at = ended_at


def plain(value: datetime | StrEnum | str | None) -> str | None:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, StrEnum) else value


def record(
    kind: str,
    incident: Incident,
    *,
    by: Actor,
    at: datetime,
    update: IncidentUpdate | None = None,
    data: dict[str, object] | None = None,
    notify: bool = False,
) -> Event:
    db.session.flush()
    event_data = dict(data or {})
    if update is not None:
        event_data["update"] = update.public_id
    return events.record(
        kind,
        subject=incident.public_id,
        title=incident.name,
        by=by,
        at=at,
        data=event_data,
        notify=notify,
    )
