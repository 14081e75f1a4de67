"""Reminders of maintenance: who subscribed is told once more, an hour before it begins.

As Statuspage's `scheduled_remind_prior`. `remind_at` is when, and is taken away by the
one worker that reminds, so that neither a second worker nor a clock that goes back
reminds twice.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain.events import SYSTEM, Actor
from statuspage.domain.incidents import updates
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Incident
from statuspage.domain.statuses import IncidentKind, IncidentStatus

BEFORE = timedelta(hours=1)


def plan(maintenance: Incident, *, at: datetime) -> None:
    """Set when its window, as it is now, is reminded of.

    Never of one that is told within the hour: whoever was told just now needs no reminder.
    """
    start = maintenance.scheduled_for
    is_ahead = start is not None and start - BEFORE > at
    maintenance.remind_at = start - BEFORE if start and maintenance.reminds and is_ahead else None


def set_wanted(maintenance: Incident, is_wanted: bool, *, by: Actor, at: datetime) -> None:
    """Say whether subscribers are reminded of it."""
    updates.lock(maintenance)
    if maintenance.reminds == is_wanted:
        return
    maintenance.reminds = is_wanted
    plan(maintenance, at=at)
    data: dict[str, object] = {"reminds": is_wanted}
    updates.record("maintenance.reminder_set", maintenance, by=by, at=at, data=data)


def due(*, at: datetime) -> list[str]:
    """Public ids of the maintenance that is to be reminded of now."""
    query = sa.select(Incident.public_id).where(*_is_due(at))
    return list(db.session.scalars(query.order_by(Incident.scheduled_for, Incident.id)))


def remind(public_id: str, *, at: datetime) -> bool:
    """Remind subscribers of one; false where somebody else did, or it is not due any more."""
    maintenance = incidents.get(public_id)
    if maintenance is None:
        return False
    result = db.session.execute(
        sa.update(Incident)
        .where(Incident.id == maintenance.id, *_is_due(at))
        .values(remind_at=None, reminded_at=at)
        .execution_options(synchronize_session=False)
    )
    if result.rowcount != 1:  # type: ignore[attr-defined]
        return False
    db.session.refresh(maintenance)
    newest = next(update for update in maintenance.updates if not update.is_draft)
    updates.record(
        "maintenance.reminded",
        maintenance,
        update=newest,
        by=SYSTEM,
        at=at,
        data={"scheduled_for": updates.plain(maintenance.scheduled_for)},
        notify=True,
    )
    return True


def _is_due(at: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """SQL: the hour before has begun, the work has not, and it is still to come.

    A draft that was published within that hour was told then.
    """
    return (
        Incident.kind == IncidentKind.MAINTENANCE,
        Incident.status == IncidentStatus.SCHEDULED,
        Incident.remind_at <= at,
        Incident.scheduled_for > at,
        Incident.published_at <= Incident.remind_at,
        Incident.retracted_at.is_(None),
    )
