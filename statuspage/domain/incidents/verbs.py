"""Incidents: unplanned trouble, told as a timeline of updates.

The verbs by which staff and programs tell, and the finders. What is not told yet is in
`drafts`, what puts a told thing right in `corrections`. Knows nothing of HTTP.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import selectinload

from statuspage.db import UTCDateTime, db
from statuspage.domain.claims import OPERATIONAL, Claim, Span
from statuspage.domain.components import claims_store
from statuspage.domain.components.models import Component
from statuspage.domain.events import Actor
from statuspage.domain.incidents import postmortems, updates
from statuspage.domain.incidents.models import Affected, Facts, Incident, IncidentUpdate
from statuspage.domain.statuses import Impact, IncidentKind, IncidentStatus
from statuspage.errors import Invalid
from statuspage.lib.markdown import clean

# ── verbs ──────────────────────────────────────────────────────────────────────


def open_incident(
    name: str,
    *,
    status: IncidentStatus,
    body: str,
    claims: Mapping[Component, Claim],
    by: Actor,
    at: datetime,
    started_at: datetime | None = None,
    detected_at: datetime | None = None,
    facts: Facts | None = None,
    next_update_by: datetime | None = None,
    impact_override: Impact | None = None,
    notify: bool = True,
    draft: bool = False,
) -> Incident:
    """Tell customers of new trouble, or keep it as a draft.

    The claims count from `started_at` (default: `at`). Raises `Invalid`.
    """
    updates.check_body(name, body)
    updates.check_status(IncidentKind.INCIDENT, status)
    claims_store.check_claims(claims)
    if started_at is not None and started_at > at:
        raise Invalid(started_at="An incident cannot start in the future.")
    if not draft:
        updates.check_next_update(next_update_by, at)
    incident = Incident(
        kind=IncidentKind.INCIDENT,
        name=clean(name).strip(),
        status=status,
        impact_override=impact_override,
        started_at=started_at or at,
        detected_at=detected_at,
        created_at=at,
        updated_at=at,
        corrections=[],
    )
    updates.set_facts(incident, facts or Facts())
    first = updates.new_update(incident, status, body, by, at, next_update_by, notify=notify)
    first.is_draft = draft
    db.session.add(incident)
    if draft:
        updates.set_affected(incident, claims)
        incident.next_update_by = next_update_by
        db.session.flush()
        updates.record("incident.drafted", incident, by=by, at=at)
        return incident
    updates.publish(incident, first, claims, by=by, at=at)
    return incident


def post_update(
    incident: Incident,
    *,
    status: IncidentStatus,
    body: str,
    claims: Mapping[Component, Claim],
    by: Actor,
    at: datetime,
    next_update_by: datetime | None = None,
    facts: Facts | None = None,
    impact_override: Impact | None = None,
    notify: bool = True,
    is_automatic: bool = False,
    since: datetime | None = None,
    ended_at: datetime | None = None,
) -> IncidentUpdate:
    """Add an update to the timeline; the incident takes on its status.

    From `at` on the incident claims exactly `claims`, nothing once it is over. An
    update after `resolved` reopens the incident; resolved again, one whose postmortem is
    published shows it again. `facts` of None keeps what was said. `since` is when new claims
    began and `ended_at` when the incident was over, if that was before `at`. Raises `Invalid` when
    `body` is blank or the status is not one of its kind.
    """
    updates.check_body(incident.name, body)
    updates.check_status(incident.kind, status)
    updates.check_next_update(next_update_by, at)
    updates.check_facts(facts or Facts())
    claims_store.check_claims(claims)
    updates.lock(incident)
    if incident.is_draft:
        raise Invalid(body="Publish the incident before you update it.")
    if incident.retracted_at is not None:
        raise Invalid(body="This incident was retracted. Open a new one.")
    was = incident.status
    update = updates.new_update(
        incident,
        status,
        body,
        by,
        at,
        next_update_by,
        notify=notify,
        is_automatic=is_automatic,
    )
    if facts is not None:
        updates.set_facts(incident, facts)
    if impact_override is not None:
        incident.impact_override = impact_override
    updates.apply_update(incident, update, claims, was=was, at=at, since=since, ended_at=ended_at)
    if incident.status is IncidentStatus.RESOLVED and postmortems.published_of([incident.id]):
        incident.status = IncidentStatus.POSTMORTEM  # It taught its lesson before it came back.
    kind = "reopened" if was.is_over and not incident.is_over else "update_posted"
    updates.record(f"{incident.kind}.{kind}", incident, update=update, by=by, at=at, notify=notify)
    return update


def backfill(
    name: str,
    *,
    body: str,
    claims: Mapping[Component, Claim],
    started_at: datetime,
    resolved_at: datetime,
    by: Actor,
    at: datetime,
    facts: Facts | None = None,
    detected_at: datetime | None = None,
    impact_override: Impact | None = None,
) -> Incident:
    """Record an incident that is over; nobody is notified. Raises `Invalid`.

    One that claims nothing may end as it starts: nobody knows how long it was.
    """
    updates.check_body(name, body)
    claims_store.check_claims(claims)
    if resolved_at < started_at or (claims and resolved_at == started_at):
        raise Invalid(resolved_at="It must end after it started.")
    if resolved_at > at:
        raise Invalid(resolved_at="It cannot end in the future.")
    incident = Incident(
        kind=IncidentKind.INCIDENT,
        name=clean(name).strip(),
        status=IncidentStatus.RESOLVED,
        impact_override=impact_override,
        started_at=started_at,
        detected_at=detected_at,
        resolved_at=resolved_at,
        told_at=at,
        published_at=at,
        created_at=at,
        updated_at=at,
        is_backfilled=True,
        corrections=[],
    )
    updates.set_facts(incident, facts or Facts())
    update = updates.new_update(
        incident, IncidentStatus.RESOLVED, body, by, resolved_at, None, notify=False
    )
    db.session.add(incident)
    updates.set_affected(incident, claims)
    db.session.flush()
    updates.record_component_changes(
        update,
        dict.fromkeys(claims, OPERATIONAL),
        {component: claim.status for component, claim in claims.items()},
    )
    for component, claim in claims.items():
        claims_store.record_spans(component, incident, [Span(claim, started_at, resolved_at)])
    updates.recompute_impact(incident, claims)
    updates.record("incident.backfilled", incident, by=by, at=at)
    return incident


# ── finders ────────────────────────────────────────────────────────────────────

_FULL = (
    selectinload(Incident.updates).selectinload(IncidentUpdate.changes),
    selectinload(Incident.updates).selectinload(IncidentUpdate.versions),
    selectinload(Incident.affected),
    selectinload(Incident.corrections),
)


def get(public_id: str, *, lock: bool = False) -> Incident | None:
    """An incident or maintenance of any state, with everything a reader touches.

    `lock` waits for whoever is changing it and keeps others waiting until the
    commit, so that two verbs at once do not both replace the same claims.
    """
    query = sa.select(Incident).where(Incident.public_id == public_id)
    if lock:
        query = query.with_for_update(of=Incident)
    return db.session.scalar(query.options(*_FULL))


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
    query = query.order_by(Incident.started_at.desc(), Incident.id.desc()).options(*_FULL)
    return list(db.session.scalars(query.limit(limit)))


def last_told(
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
    return list(db.session.scalars(query.options(*_FULL)))


def last_created(kind: IncidentKind, limit: int) -> list[Incident]:
    """Published ones of a kind, newest creation first, with everything a reader touches.

    What was back-filled counts from its start.
    """
    created_at = sa.case((Incident.is_backfilled, Incident.started_at), else_=Incident.created_at)
    query = _public().where(Incident.kind == kind)
    query = query.order_by(created_at.desc(), Incident.id.desc()).limit(limit)
    return list(db.session.scalars(query.options(*_FULL)))


def for_front_page(*, since: datetime) -> list[Incident]:
    """Published ones that are not over, or ended at `since` or later."""
    over = [status for status in IncidentStatus if status.is_over]
    query = _public().where(sa.or_(Incident.status.not_in(over), Incident.resolved_at >= since))
    query = query.order_by(Incident.started_at.desc(), Incident.id.desc())
    return list(db.session.scalars(query.options(*_FULL)))


def ended_or_open_between(start: datetime, end: datetime, *, at: datetime) -> list[Incident]:
    """Published ones that ended in [start, end), newest first.

    Those that go on count as ending `at`; scheduled maintenance is not history yet.
    """
    ends_at = sa.func.coalesce(Incident.resolved_at, sa.literal(at, UTCDateTime()))
    query = _public().where(
        Incident.status != IncidentStatus.SCHEDULED, ends_at >= start, ends_at <= end
    )
    query = query.order_by(Incident.started_at.desc(), Incident.id.desc())
    return list(db.session.scalars(query.options(*_FULL)))


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
    return list(db.session.scalars(query.options(*_FULL)))


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
