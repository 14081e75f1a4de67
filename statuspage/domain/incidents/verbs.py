"""Incidents: unplanned outages, published as a timeline of updates.

The verbs by which staff and programs publish, and the queries. Unpublished ones are in
`drafts`, corrections of published ones in `corrections`. Knows nothing about HTTP.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import selectinload

from statuspage.db import UTCDateTime, db
from statuspage.domain.claims import OPERATIONAL, Span
from statuspage.domain.components import claims_store
from statuspage.domain.components.models import Component
from statuspage.domain.events import Actor
from statuspage.domain.incidents import postmortems, updates
from statuspage.domain.incidents.models import (
    Affected,
    Facts,
    Incident,
    IncidentUpdate,
    Moments,
    UpdateInput,
)
from statuspage.domain.statuses import IncidentKind, IncidentStatus
from statuspage.errors import Invalid

# ── verbs ──────────────────────────────────────────────────────────────────────


def open_incident(
    name: str,
    update: UpdateInput,
    *,
    by: Actor,
    at: datetime,
    started_at: datetime | None = None,
    detected_at: datetime | None = None,
) -> Incident:
    """Publish a new incident.

    Its claims count from `started_at` (default: `at`). Raises `Invalid`.
    """
    updates.check_start(started_at, at)
    updates.check_next_update(update.next_update_by, at)
    incident = updates.new_incident(IncidentKind.INCIDENT, name, update, by=by, at=at)
    incident.started_at, incident.detected_at = started_at or at, detected_at
    db.session.add(incident)
    updates.publish(incident, incident.updates[0], update.claims, by=by, at=at)
    return incident


def post_update(
    incident: Incident,
    update: UpdateInput,
    *,
    by: Actor,
    at: datetime,
    since: datetime | None = None,
    ended_at: datetime | None = None,
) -> IncidentUpdate:
    """Add an update to the timeline; the incident takes on its status.

    From `at` on the incident claims exactly `update.claims`, nothing once it is over. An
    update after `resolved` reopens the incident; resolved again, one whose postmortem is
    published shows it again. `since` is when new claims began and `ended_at` when the
    incident was over, if that was before `at`. Raises `Invalid` when the body is blank or
    the status is not one of its kind.
    """
    updates.check_body(incident.name, update.body)
    updates.check_status(incident.kind, update.status)
    updates.check_next_update(update.next_update_by, at)
    updates.check_facts(update.facts or Facts())
    claims_store.check_claims(update.claims)
    updates.lock(incident)
    if incident.is_draft:
        raise Invalid(body="Publish the incident before you update it.")
    if incident.retracted_at is not None:
        raise Invalid(body="This incident was retracted. Open a new one.")
    was = incident.status
    row = updates.new_update(incident, update, by=by, at=at)
    if update.facts is not None:
        updates.set_facts(incident, update.facts)
    if update.impact_override is not None:
        incident.impact_override = update.impact_override
    updates.apply_update(
        incident, row, update.claims, was=was, at=at, since=since, ended_at=ended_at
    )
    if incident.status is IncidentStatus.RESOLVED and postmortems.published_of([incident.id]):
        incident.status = IncidentStatus.POSTMORTEM  # It taught its lesson before it came back.
    verb = "reopened" if was.is_over and not incident.is_over else "update_posted"
    kind = f"{incident.kind}.{verb}"
    updates.record(kind, incident, update=row, by=by, at=at, notify=update.notify)
    return row


def backfill(
    name: str, update: UpdateInput, moments: Moments, *, by: Actor, at: datetime
) -> Incident:
    """Record an incident that is over; nobody is notified. Raises `Invalid`.

    One that claims nothing may end as it starts: nobody knows how long it was.
    """
    claims, start, end = update.claims, moments.started_at, moments.resolved_at
    if end < start or (claims and end == start):
        raise Invalid(resolved_at="It must end after it started.")
    if end > at:
        raise Invalid(resolved_at="It cannot end in the future.")
    update = replace(update, status=IncidentStatus.RESOLVED, next_update_by=None, notify=False)
    incident = updates.new_incident(IncidentKind.INCIDENT, name, update, by=by, at=at)
    incident.started_at, incident.resolved_at = start, end
    incident.detected_at = moments.detected_at
    incident.told_at = incident.published_at = at
    incident.is_backfilled = True
    row = incident.updates[0]
    row.posted_at = row.created_at = row.updated_at = end
    db.session.add(incident)
    updates.set_affected(incident, claims)
    db.session.flush()
    updates.record_component_changes(
        row,
        dict.fromkeys(claims, OPERATIONAL),
        {component: claim.status for component, claim in claims.items()},
    )
    for component, claim in claims.items():
        claims_store.record_spans(component, incident, [Span(claim, start, end)])
    updates.note_other_claims(row, end)
    updates.recompute_impact(incident, claims)
    updates.record("incident.backfilled", incident, by=by, at=at)
    return incident


# ── finders ────────────────────────────────────────────────────────────────────

FULL = (
    selectinload(Incident.updates).selectinload(IncidentUpdate.changes),
    selectinload(Incident.updates).selectinload(IncidentUpdate.versions),
    selectinload(Incident.affected),
    selectinload(Incident.corrections),
)
"""Everything a reader touches."""


def get(public_id: str, *, lock: bool = False) -> Incident | None:
    """An incident or maintenance of any state, with everything a reader touches.

    `lock` waits for whoever is changing it and keeps others waiting until the
    commit, so that two verbs at once do not both replace the same claims.
    """
    query = sa.select(Incident).where(Incident.public_id == public_id)
    if lock:
        query = query.with_for_update(of=Incident, key_share=True)
    return db.session.scalar(query.options(*FULL))


def published(
    *,
    kind: IncidentKind | None = None,
    open_only: bool = False,
    overlapping: tuple[datetime, datetime] | None = None,
    touching: Component | None = None,
    limit: int | None = None,
) -> list[Incident]:
    """What the public may see, newest start first, with everything a reader touches.

    `overlapping` keeps what was going on in that half-open stretch of time.
    """
    query = _public()
    if kind is not None:
        query = query.where(Incident.kind == kind)
    if open_only:
        query = query.where(Incident.status.not_in([s for s in IncidentStatus if s.is_over]))
    if overlapping is not None:
        start, end = overlapping
        query = query.where(
            Incident.started_at < end,
            sa.or_(Incident.resolved_at.is_(None), Incident.resolved_at >= start),
        )
    if touching is not None:
        query = query.where(
            Incident.id.in_(
                sa.select(Affected.incident_id).where(Affected.component_id == touching.id)
            )
        )
    query = query.order_by(Incident.started_at.desc(), Incident.id.desc()).options(*FULL)
    return list(db.session.scalars(query.limit(limit)))


def latest_published(
    limit: int, *, touching: Component | None = None, planned_by_start: bool = False
) -> list[Incident]:
    """Published ones by their newest word (an update or a postmortem), newest first.

    `planned_by_start` puts a maintenance that has not begun at the moment it is
    scheduled for, as Statuspage's feeds do.
    """
    query = _public()
    if touching is not None:
        query = query.where(Incident.affected.any(Affected.component_id == touching.id))
    newest = _newest_word()
    if planned_by_start:
        is_ahead = sa.and_(
            Incident.status == IncidentStatus.SCHEDULED, Incident.scheduled_for.is_not(None)
        )
        newest = sa.case((is_ahead, Incident.scheduled_for), else_=newest)
    query = query.order_by(newest.desc(), Incident.id.desc()).limit(limit)
    return list(db.session.scalars(query.options(*FULL)))


def last_created(kind: IncidentKind, limit: int) -> list[Incident]:
    """Published ones of a kind, newest creation first, with everything a reader touches.

    What was back-filled counts from its start.
    """
    created_at = sa.case((Incident.is_backfilled, Incident.started_at), else_=Incident.created_at)
    query = _public().where(Incident.kind == kind)
    query = query.order_by(created_at.desc(), Incident.id.desc()).limit(limit)
    return list(db.session.scalars(query.options(*FULL)))


def for_front_page(*, since: datetime) -> list[Incident]:
    """Published ones that are not over, or ended at `since` or later."""
    over = [status for status in IncidentStatus if status.is_over]
    query = _public().where(sa.or_(Incident.status.not_in(over), Incident.resolved_at >= since))
    query = query.order_by(Incident.started_at.desc(), Incident.id.desc())
    return list(db.session.scalars(query.options(*FULL)))


def end_of(at: datetime) -> sa.ColumnElement[datetime]:
    """SQL: when an incident ended; `at` while it goes on."""
    return sa.func.coalesce(Incident.resolved_at, sa.literal(at, UTCDateTime()))


def ended_or_open_between(start: datetime, end: datetime, *, at: datetime) -> list[Incident]:
    """Published ones that ended in [start, end), newest first.

    Those that go on count as ending `at`; scheduled maintenance is not history yet.
    """
    query = _public().where(
        Incident.status != IncidentStatus.SCHEDULED, end_of(at) >= start, end_of(at) <= end
    )
    query = query.order_by(Incident.started_at.desc(), Incident.id.desc())
    return list(db.session.scalars(query.options(*FULL)))


def oldest_start() -> datetime | None:
    """When the oldest published incident started."""
    return db.session.scalar(_public().with_only_columns(sa.func.min(Incident.started_at)))


def addressed() -> list[tuple[str, IncidentStatus, datetime | None, bool, bool]]:
    """Every one that has a public address, by id: id, status, end, whether it was retracted,
    whether it has a published postmortem."""
    postmortem = db.metadata.tables["postmortem"]
    is_told = sa.and_(
        postmortem.c.incident_id == Incident.id, postmortem.c.published_at.is_not(None)
    )
    columns = (
        Incident.public_id,
        Incident.status,
        Incident.resolved_at,
        Incident.retracted_at.is_not(None),
        postmortem.c.id.is_not(None),
    )
    query = sa.select(*columns).outerjoin(postmortem, is_told)
    query = query.where(Incident.published_at.is_not(None)).order_by(Incident.id.desc())
    return [(a, b, c, bool(d), bool(e)) for a, b, c, d, e in db.session.execute(query)]


def components_of(public_ids: Collection[str]) -> set[str]:
    """Public ids of the components that any of these incidents names."""
    query = sa.select(Component.public_id).join(Affected, Affected.component_id == Component.id)
    query = query.join(Incident, Incident.id == Affected.incident_id)
    return set(db.session.scalars(query.where(Incident.public_id.in_(public_ids))))


def names_of(ids: Sequence[int]) -> list[tuple[int, str, str, IncidentKind]]:
    """(row id, public id, name, kind) of the published among these."""
    query = _public().where(Incident.id.in_(ids))
    columns = (Incident.id, Incident.public_id, Incident.name, Incident.kind)
    rows = db.session.execute(query.with_only_columns(*columns))
    return [(row_id, public_id, name, kind) for row_id, public_id, name, kind in rows]


def unresolved() -> list[Incident]:
    """Everything published that is not over, and every draft, newest first: for staff."""
    query = sa.select(Incident).where(
        Incident.status.not_in([status for status in IncidentStatus if status.is_over])
        | Incident.published_at.is_(None),
        Incident.retracted_at.is_(None),
    )
    query = query.order_by(Incident.started_at.desc(), Incident.id.desc())
    return list(db.session.scalars(query.options(*FULL)))


def page_of(
    number: int, *, size: int = 25, kind: IncidentKind | None = None, words: str = ""
) -> tuple[list[Incident], int]:
    """One page (from 1) of all incidents for staff, newest first, and how many there are."""
    query = sa.select(Incident)
    if kind is not None:
        query = query.where(Incident.kind == kind)
    if words:
        query = query.where(Incident.name.icontains(words, autoescape=True))
    total = db.session.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0
    query = query.order_by(Incident.started_at.desc(), Incident.id.desc())
    query = query.options(selectinload(Incident.affected))
    return list(db.session.scalars(query.limit(size).offset((number - 1) * size))), total


def overdue_by(incident: Incident, at: datetime) -> timedelta | None:
    """By how much the promise of a next update is missed; None while it is kept."""
    if incident.next_update_by is None or incident.next_update_by >= at:
        return None
    return at - incident.next_update_by


# ── helpers ────────────────────────────────────────────────────────────────────


def _public() -> sa.Select[Incident]:
    return sa.select(Incident).where(
        Incident.published_at.is_not(None), Incident.retracted_at.is_(None)
    )


def _newest_word() -> sa.ColumnElement[datetime | None]:
    """When the incident was last spoken of: SQL for the newest update or postmortem."""
    update = (
        sa.select(sa.func.max(IncidentUpdate.posted_at))
        .where(IncidentUpdate.incident_id == Incident.id, IncidentUpdate.is_draft.is_(False))
        .correlate(Incident)
        .scalar_subquery()
    )
    table = db.metadata.tables["postmortem"]
    postmortem = (
        sa.select(table.c.published_at)
        .where(table.c.incident_id == Incident.id)
        .correlate(Incident)
        .scalar_subquery()
    )
    return sa.case((postmortem > update, postmortem), else_=update)
