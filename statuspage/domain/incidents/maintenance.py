"""Scheduled maintenance: announced work that starts and ends by itself.

Shares its tables with incidents. Each step is taken by a compare-and-set on the
status, so that two workers at once, or a tick that runs twice, do it once.
"""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain.claims import Claim
from statuspage.domain.components import claims_store
from statuspage.domain.components.models import Component
from statuspage.domain.events import SYSTEM, Actor
from statuspage.domain.incidents import drafts, reminders, updates
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Facts, Incident, IncidentUpdate
from statuspage.domain.statuses import ComponentStatus, Impact, IncidentKind, IncidentStatus
from statuspage.errors import Invalid
from statuspage.lib.markdown import clean

UNDER_MAINTENANCE = Claim(ComponentStatus.UNDER_MAINTENANCE)


def schedule(
    name: str,
    *,
    body: str,
    claims: Mapping[Component, Claim],
    scheduled_for: datetime,
    scheduled_until: datetime | None,
    by: Actor,
    at: datetime,
    facts: Facts | None = None,
    auto_start: bool = True,
    auto_end: bool = True,
    notify: bool = True,
    draft: bool = False,
    reminds: bool = False,
    status: IncidentStatus = IncidentStatus.SCHEDULED,
    impact_override: Impact | None = None,
) -> Incident:
    """Announce maintenance; components are claimed once it begins. Raises `Invalid`.

    It may have begun or be over when it is told first; only then its end may be open.
    `impact_override` is kept for those who set it: the impact is always maintenance.
    """
    updates.check_body(name, body)
    updates.check_status(IncidentKind.MAINTENANCE, status)
    claims_store.check_claims(claims)
    is_ahead = status is IncidentStatus.SCHEDULED
    if is_ahead or (scheduled_until is not None and not status.is_over):
        _check_window(scheduled_for, scheduled_until, at)
    maintenance = Incident(
        kind=IncidentKind.MAINTENANCE,
        name=clean(name).strip(),
        status=status,
        impact=Impact.MAINTENANCE,
        impact_override=impact_override,
        started_at=scheduled_for if is_ahead else min(scheduled_for, at),
        scheduled_for=scheduled_for,
        scheduled_until=scheduled_until,
        auto_start=auto_start,
        auto_end=auto_end,
        reminds=reminds,
        created_at=at,
        updated_at=at,
        corrections=[],
    )
    reminders.plan(maintenance, at=at)
    updates.set_facts(maintenance, facts or Facts())
    first = updates.new_update(maintenance, status, body, by, at, None, notify=notify)
    first.is_draft = draft
    db.session.add(maintenance)
    if draft:
        updates.set_affected(maintenance, claims)
        updates.record("maintenance.drafted", maintenance, by=by, at=at)
    else:
        updates.publish(maintenance, first, claims, by=by, at=at)
    return maintenance


def edit_draft(
    maintenance: Incident,
    *,
    name: str,
    body: str,
    claims: Mapping[Component, Claim],
    scheduled_for: datetime,
    scheduled_until: datetime,
    by: Actor,
    at: datetime,
    facts: Facts | None = None,
    auto_start: bool = True,
    auto_end: bool = True,
    reminds: bool = False,
) -> None:
    """Rewrite a draft. Raises `Invalid` when it was published or the window is wrong."""
    _check_window(scheduled_for, scheduled_until, at)
    drafts.edit(
        maintenance,
        name=name,
        status=IncidentStatus.SCHEDULED,
        body=body,
        claims=claims,
        by=by,
        at=at,
        facts=facts,
        started_at=scheduled_for,
    )
    maintenance.scheduled_for, maintenance.scheduled_until = scheduled_for, scheduled_until
    maintenance.auto_start, maintenance.auto_end = auto_start, auto_end
    maintenance.reminds = reminds
    reminders.plan(maintenance, at=at)


def reschedule(
    maintenance: Incident,
    *,
    scheduled_for: datetime,
    scheduled_until: datetime,
    body: str,
    by: Actor,
    at: datetime,
    status: IncidentStatus | None = None,
    claims: Mapping[Component, Claim] | None = None,
    notify: bool = True,
) -> None:
    """Move or extend the window and tell why; one that runs can only move its end.

    The update that tells it may take the next step too, and name other components.
    Raises `Invalid` when it is over or a draft, or when the window is wrong.
    """
    updates.check_body(maintenance.name, body)
    updates.lock(maintenance)
    if maintenance.is_draft:
        raise Invalid(scheduled_until="This is a draft; edit it instead.")
    if maintenance.is_over:
        raise Invalid(scheduled_until="This maintenance is over.")
    running = maintenance.status is not IncidentStatus.SCHEDULED
    if running and scheduled_for != maintenance.scheduled_for:
        raise Invalid(scheduled_for="It has started; only its end can change.")
    _check_window(scheduled_for, scheduled_until, at)
    old = (maintenance.scheduled_for, maintenance.scheduled_until)
    if not running:
        maintenance.started_at = scheduled_for
    maintenance.scheduled_for, maintenance.scheduled_until = (
        scheduled_for,
        scheduled_until,
    )
    reminders.plan(maintenance, at=at)
    names = ("scheduled_for", "scheduled_until")
    for field, before, after in zip(names, old, (scheduled_for, scheduled_until), strict=True):
        updates.note_correction(
            maintenance,
            field,
            updates.plain(before),
            updates.plain(after),
            None,
            by,
            at,
        )
    incidents.post_update(
        maintenance,
        status=status or maintenance.status,
        body=body,
        claims=maintenance.claims if claims is None else claims,
        by=by,
        at=at,
        notify=notify,
    )


def set_automation(
    maintenance: Incident, *, auto_start: bool, auto_end: bool, by: Actor, at: datetime
) -> None:
    """Say whether it starts and ends by itself. Raises `Invalid` on an incident."""
    if maintenance.kind is not IncidentKind.MAINTENANCE:
        raise Invalid(scheduled_for="Only maintenance starts and ends automatically.")
    updates.lock(maintenance)
    if (maintenance.auto_start, maintenance.auto_end) == (auto_start, auto_end):
        return
    maintenance.auto_start, maintenance.auto_end = auto_start, auto_end
    told: dict[str, object] = {"starts": auto_start, "ends": auto_end}
    updates.record("maintenance.automation_set", maintenance, by=by, at=at, data=told)


def cancel(maintenance: Incident, *, body: str, by: Actor, at: datetime) -> None:
    """Call it off; whatever it claimed is released. Raises `Invalid` when it is over."""
    updates.lock(maintenance)
    if maintenance.is_over:
        raise Invalid(body="This maintenance is over.")
    incidents.post_update(
        maintenance, status=IncidentStatus.CANCELLED, body=body, claims={}, by=by, at=at
    )


def due(*, at: datetime) -> list[str]:
    """Public ids of what has a step to take by itself, in the order of their windows."""
    query = sa.select(Incident.public_id).where(sa.or_(*(_takes(step, at) for step in _STEPS)))
    return list(db.session.scalars(query.order_by(Incident.scheduled_for, Incident.id)))


def advance(public_id: str, *, at: datetime, notify: bool = True) -> list[IncidentUpdate]:
    """Start and end one maintenance as far as that is due.

    Subscribers are told, unless `notify` is false or whoever planned it forbade that.
    Returns what it told, the first first; nothing when somebody else was faster: they lose
    no more than a look, however many are due at once.
    """
    told = []
    maintenance: Incident | None = None
    for step in _STEPS:
        if _take(public_id, step, at):
            maintenance = maintenance or incidents.get(public_id)
            assert maintenance is not None
            db.session.refresh(maintenance)
            told.append(_tell(maintenance, step, at, notify))
    return told


def due_by_hand(*, at: datetime) -> list[Incident]:
    """What should have begun or ended but waits for a person."""
    query = sa.select(Incident).where(sa.or_(*(_is_late(step, at) for step in _STEPS)))
    return list(db.session.scalars(query.order_by(Incident.scheduled_for, Incident.id)))


_STEPS = (IncidentStatus.SCHEDULED, IncidentStatus.IN_PROGRESS, IncidentStatus.VERIFYING)
"""What a maintenance leaves by itself: the first for `in_progress`, the others for `completed`."""


def _is_late(step: IncidentStatus, at: datetime) -> sa.ColumnElement[bool]:
    """SQL: a maintenance still stands there although its window has begun or ended."""
    is_scheduled = step is IncidentStatus.SCHEDULED
    return sa.and_(
        Incident.kind == IncidentKind.MAINTENANCE,
        Incident.status == step,
        Incident.published_at.is_not(None),
        Incident.retracted_at.is_(None),
        (Incident.scheduled_for if is_scheduled else Incident.scheduled_until) <= at,
    )


def _takes(step: IncidentStatus, at: datetime) -> sa.ColumnElement[bool]:
    """SQL: it is late there and may go on without a person."""
    is_scheduled = step is IncidentStatus.SCHEDULED
    return _is_late(step, at) & (Incident.auto_start if is_scheduled else Incident.auto_end)


def _take(public_id: str, step: IncidentStatus, at: datetime) -> bool:
    """Compare-and-set: true for the one caller that may take the step."""
    taken = db.session.execute(
        sa.update(Incident)
        .where(Incident.public_id == public_id, _takes(step, at))
        .values(updated_at=at)
        .execution_options(synchronize_session=False)
    )
    return taken.rowcount == 1  # type: ignore[attr-defined, no-any-return]


def _tell(
    maintenance: Incident, step: IncidentStatus, at: datetime, notify: bool
) -> IncidentUpdate:
    begins = step is IncidentStatus.SCHEDULED
    status = IncidentStatus.IN_PROGRESS if begins else IncidentStatus.COMPLETED
    edge = "start" if begins else "end"
    is_quiet = maintenance.details.get(f"auto_transition_deliver_notifications_at_{edge}") is False
    return incidents.post_update(
        maintenance,
        status=status,
        body=status.sentence,
        claims=maintenance.claims if begins else {},
        by=SYSTEM,
        at=at,
        notify=notify and not is_quiet,
        is_automatic=True,
    )


def _check_window(start: datetime, end: datetime | None, at: datetime) -> None:
    if end is None:
        raise Invalid(scheduled_until="Enter when it is planned to end.")
    if end <= start:
        raise Invalid(scheduled_until="It must end after it starts.")
    if end <= at:
        raise Invalid(scheduled_until="The window is in the past; backfill it instead.")
