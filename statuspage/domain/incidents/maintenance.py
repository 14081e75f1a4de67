"""Scheduled maintenance: announced work that starts and ends by itself.

Shares its tables with incidents. Each step is taken by a compare-and-set on the
status, so that two workers at once, or a tick that runs twice, do it once.
"""

from dataclasses import asdict, replace
from datetime import datetime

import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain.claims import Claim
from statuspage.domain.events import SYSTEM, Actor
from statuspage.domain.incidents import drafts, reminders, updates
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import (
    Incident,
    IncidentUpdate,
    Schedule,
    UpdateInput,
)
from statuspage.domain.statuses import ComponentStatus, Impact, IncidentKind, IncidentStatus
from statuspage.errors import Invalid

UNDER_MAINTENANCE = Claim(ComponentStatus.UNDER_MAINTENANCE)


def schedule(
    name: str, update: UpdateInput, schedule: Schedule, *, by: Actor, at: datetime
) -> Incident:
    """Announce maintenance; components are claimed once it begins. Raises `Invalid`.

    It may have begun or be over when it is published; only then its end may be open.
    `impact_override` is kept for those who set it: the impact is always maintenance.
    """
    maintenance = _new(name, update, schedule, by=by, at=at)
    updates.publish(maintenance, maintenance.updates[0], update.claims, by=by, at=at)
    return maintenance


def draft(
    name: str, update: UpdateInput, schedule: Schedule, *, by: Actor, at: datetime
) -> Incident:
    """Keep maintenance that nobody outside reads yet. Raises `Invalid`."""
    maintenance = _new(name, update, schedule, by=by, at=at)
    drafts.keep(maintenance, update, by=by, at=at)
    return maintenance


def edit_draft(
    maintenance: Incident,
    name: str,
    update: UpdateInput,
    schedule: Schedule,
    *,
    by: Actor,
    at: datetime,
) -> None:
    """Rewrite a draft. Raises `Invalid` when it was published or the window is wrong."""
    _check_window(schedule.scheduled_for, schedule.scheduled_until, at)
    drafts.edit(maintenance, name, update, by=by, at=at, started_at=schedule.scheduled_for)
    _set_schedule(maintenance, schedule, at)


def _new(
    name: str, update: UpdateInput, schedule: Schedule, *, by: Actor, at: datetime
) -> Incident:
    is_ahead = update.status is IncidentStatus.SCHEDULED
    start, end = schedule.scheduled_for, schedule.scheduled_until
    updates.check_body(name, update.body)
    if is_ahead or (end is not None and not update.status.is_over):
        _check_window(start, end, at)
    update = replace(update, next_update_by=None)
    maintenance = updates.new_incident(IncidentKind.MAINTENANCE, name, update, by=by, at=at)
    maintenance.impact = Impact.MAINTENANCE
    maintenance.started_at = start if is_ahead else min(start, at)
    _set_schedule(maintenance, schedule, at)
    db.session.add(maintenance)
    return maintenance


def _set_schedule(maintenance: Incident, schedule: Schedule, at: datetime) -> None:
    for field, value in asdict(schedule).items():
        setattr(maintenance, field, value)
    reminders.plan(maintenance, at=at)


def reschedule(
    maintenance: Incident,
    update: UpdateInput,
    *,
    scheduled_for: datetime,
    scheduled_until: datetime,
    by: Actor,
    at: datetime,
) -> None:
    """Move or extend the window and tell why; one that runs can only move its end.

    The update that tells it may take the next step too, and name other components.
    Raises `Invalid` when it is over or a draft, or when the window is wrong.
    """
    updates.check_body(maintenance.name, update.body)
    updates.lock(maintenance)
    if maintenance.is_draft:
        raise Invalid(scheduled_until="This is a draft; edit it instead.")
    if maintenance.is_over:
        raise Invalid(scheduled_until="This maintenance is over.")
    running = maintenance.status is not IncidentStatus.SCHEDULED
    if running and scheduled_for != maintenance.scheduled_for:
        raise Invalid(scheduled_for="It has started; only its end can change.")
    _check_window(scheduled_for, scheduled_until, at)
    window = {"scheduled_for": scheduled_for, "scheduled_until": scheduled_until}
    for field, moment in window.items():
        before, after = updates.plain(getattr(maintenance, field)), updates.plain(moment)
        updates.note_correction(maintenance, field, before, after, None, by, at)
        setattr(maintenance, field, moment)
    if not running:
        maintenance.started_at = scheduled_for
    reminders.plan(maintenance, at=at)
    incidents.post_update(maintenance, update, by=by, at=at)


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
    data: dict[str, object] = {"starts": auto_start, "ends": auto_end}
    updates.record("maintenance.automation_set", maintenance, by=by, at=at, data=data)


def cancel(maintenance: Incident, *, body: str, by: Actor, at: datetime) -> None:
    """Call it off; whatever it claimed is released. Raises `Invalid` when it is over."""
    updates.lock(maintenance)
    if maintenance.is_over:
        raise Invalid(body="This maintenance is over.")
    incidents.post_update(maintenance, UpdateInput(IncidentStatus.CANCELLED, body), by=by, at=at)


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
    published = []
    maintenance: Incident | None = None
    for step in _STEPS:
        if _claim_step(public_id, step, at):
            maintenance = maintenance or incidents.get(public_id)
            assert maintenance is not None
            db.session.refresh(maintenance)
            published.append(_post_step(maintenance, step, at, notify))
    return published


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


def _claim_step(public_id: str, step: IncidentStatus, at: datetime) -> bool:
    """Compare-and-set: true for the one caller that may take the step."""
    result = db.session.execute(
        sa.update(Incident)
        .where(Incident.public_id == public_id, _takes(step, at))
        .values(updated_at=at)
        .execution_options(synchronize_session=False)
    )
    return result.rowcount == 1  # type: ignore[attr-defined, no-any-return]


def _post_step(
    maintenance: Incident, step: IncidentStatus, at: datetime, notify: bool
) -> IncidentUpdate:
    begins = step is IncidentStatus.SCHEDULED
    status = IncidentStatus.IN_PROGRESS if begins else IncidentStatus.COMPLETED
    edge = "start" if begins else "end"
    is_quiet = maintenance.details.get(f"auto_transition_deliver_notifications_at_{edge}") is False
    update = UpdateInput(
        status,
        status.sentence,
        maintenance.claims if begins else {},
        notify=notify and not is_quiet,
        is_automatic=True,
    )
    return incidents.post_update(maintenance, update, by=SYSTEM, at=at)


def _check_window(start: datetime, end: datetime | None, at: datetime) -> None:
    if end is None:
        raise Invalid(scheduled_until="Enter when it is planned to end.")
    if end <= start:
        raise Invalid(scheduled_until="It must end after it starts.")
    if end <= at:
        raise Invalid(scheduled_until="The window is in the past; backfill it instead.")
