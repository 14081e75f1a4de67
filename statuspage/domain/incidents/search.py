"""Search: published incidents and maintenance by their words and their state, in parts."""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import selectinload

from statuspage.db import db, search_index
from statuspage.domain.components.claims_store import ComponentClaim
from statuspage.domain.components.models import Component
from statuspage.domain.incidents.models import Affected, Incident, IncidentUpdate
from statuspage.domain.incidents.postmortems import Postmortem
from statuspage.domain.incidents.verbs import FULL, end_of
from statuspage.domain.statuses import ComponentStatus, Impact, IncidentKind, IncidentStatus

MAX_WORDS = 8

IMPLIED = {
    Impact.NONE: ComponentStatus.OPERATIONAL,
    Impact.MAINTENANCE: ComponentStatus.UNDER_MAINTENANCE,
    Impact.MINOR: ComponentStatus.DEGRADED_PERFORMANCE,
    Impact.MAJOR: ComponentStatus.MAJOR_OUTAGE,
    Impact.CRITICAL: ComponentStatus.MAJOR_OUTAGE,
}
"""Impact → the status that stands for an incident without components."""


class Severity(StrEnum):
    """A filter by how bad it was; each includes what is worse, except maintenance."""

    MAJOR = "major"
    PARTIAL = "partial"
    DEGRADED = "degraded"
    MAINTENANCE = "maintenance"

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS = {
    Severity.MAJOR: "Major outage",
    Severity.PARTIAL: "Partial outage or worse",
    Severity.DEGRADED: "Degraded or worse",
    Severity.MAINTENANCE: "Planned maintenance",
}
_LEAST = {
    Severity.MAJOR: ComponentStatus.MAJOR_OUTAGE,
    Severity.PARTIAL: ComponentStatus.PARTIAL_OUTAGE,
    Severity.DEGRADED: ComponentStatus.DEGRADED_PERFORMANCE,
}


@dataclass(frozen=True)
class Filter:
    """Which incidents to show. All `words` must occur, each as the beginning of a word."""

    words: str = ""
    component: Component | None = None
    severity: Severity | None = None


def published(
    *, words: str = "", statuses: Collection[IncidentStatus] = (), offset: int, limit: int
) -> list[Incident]:
    """What the public may see, newest creation first, with updates and components loaded.

    `words` are looked for in names, steps, updates and published postmortems; without
    `statuses` those of any status. What was back-filled counts from its start.
    """
    query = sa.select(Incident).where(
        Incident.published_at.is_not(None), Incident.retracted_at.is_(None)
    )
    if statuses:
        query = query.where(Incident.status.in_(statuses))
    if words.strip():
        query = query.where(_tells_of(words.strip()))
    created_at = sa.case((Incident.is_backfilled, Incident.started_at), else_=Incident.created_at)
    query = query.order_by(created_at.desc(), Incident.id.desc())
    query = query.options(
        selectinload(Incident.updates).selectinload(IncidentUpdate.changes),
        selectinload(Incident.affected),
    )
    return list(db.session.scalars(query.offset(offset).limit(limit)))


def past(wanted: Filter, *, at: datetime, offset: int, limit: int) -> tuple[list[Incident], int]:
    """Public incidents and maintenance by their end, newest first, and how many there are.

    Those that go on count as ending `at`; scheduled maintenance is not history yet.
    """
    query = sa.select(Incident).where(
        Incident.published_at.is_not(None),
        Incident.retracted_at.is_(None),
        Incident.status != IncidentStatus.SCHEDULED,
    )
    if wanted.words:
        words = words_of(wanted.words)
        query = query.where(sa.false() if not words else sa.and_(*map(_mentions, words)))
    if wanted.component is not None:
        query = query.where(Incident.affected.any(Affected.component_id == wanted.component.id))
    if wanted.severity is not None:
        query = query.where(_is_as_bad_as(wanted.severity))
    total = db.session.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0
    query = query.order_by(end_of(at).desc(), Incident.id.desc()).options(*FULL)
    return list(db.session.scalars(query.offset(offset).limit(limit))), total


def impacts_between(
    start: datetime, end: datetime, *, at: datetime
) -> list[tuple[int, datetime, Impact]]:
    """Row id, end and impact of each published incident that ended in [start, end).

    Those that go on count as ending `at`.
    """
    query = sa.select(Incident.id, end_of(at), Incident.impact).where(
        Incident.published_at.is_not(None),
        Incident.retracted_at.is_(None),
        Incident.kind == IncidentKind.INCIDENT,
        end_of(at) >= start,
        end_of(at) < end,
    )
    return [(row_id, ended_at, impact) for row_id, ended_at, impact in db.session.execute(query)]


def words_of(text: str) -> list[str]:
    """The words to look for, as both engines take texts apart: letters and digits."""
    return re.findall(r"[^\W_]+", text)[:MAX_WORDS]


def _mentions(word: str) -> sa.ColumnElement[bool]:
    """A name that contains the word; an update or a postmortem with a word that begins so."""
    escaped = json.dumps(word)[1:-1]
    parts = sa.cast(Postmortem.published_parts, sa.String)
    told = sa.select(Postmortem.incident_id).where(
        Postmortem.published_at.is_not(None), parts.icontains(escaped, autoescape=True)
    )
    updates = sa.select(IncidentUpdate.incident_id).where(
        IncidentUpdate.is_draft.is_(False),
        search_index.updates_with(word, is_postgresql=db.engine.dialect.name == "postgresql"),
    )
    name = Incident.name.icontains(word, autoescape=True)
    return sa.or_(name, Incident.id.in_(updates), Incident.id.in_(told))


def _is_as_bad_as(severity: Severity) -> sa.ColumnElement[bool]:
    if severity is Severity.MAINTENANCE:
        return Incident.kind == IncidentKind.MAINTENANCE
    least = _LEAST[severity].severity
    claims = sa.select(ComponentClaim.incident_id).where(ComponentClaim.incident_id == Incident.id)
    statuses = [status for status in ComponentStatus if status.severity >= least]
    impacts = [impact for impact, status in IMPLIED.items() if status.severity >= least]
    return sa.and_(
        Incident.kind == IncidentKind.INCIDENT,
        sa.or_(
            claims.where(ComponentClaim.status.in_(statuses)).exists(),
            sa.and_(~claims.exists(), Incident.impact.in_(impacts)),
        ),
    )


def _tells_of(words: str) -> sa.ColumnElement[bool]:
    update = IncidentUpdate.body.icontains(words, autoescape=True)
    # A JSON column holds letters beyond ASCII as escapes.
    escaped = json.dumps(words)[1:-1]
    postmortem = sa.cast(Postmortem.published_parts, sa.String).icontains(escaped, autoescape=True)
    return sa.or_(
        Incident.name.icontains(words, autoescape=True),
        sa.cast(Incident.status, sa.String).icontains(words, autoescape=True),
        Incident.updates.any(sa.and_(IncidentUpdate.is_draft.is_(False), update)),
        sa.exists().where(
            Postmortem.incident_id == Incident.id,
            Postmortem.published_at.is_not(None),
            postmortem,
        ),
    )
