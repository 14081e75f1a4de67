"""Search: published incidents and maintenance by their words and their state, in parts."""

import json
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import selectinload

from statuspage.db import db
from statuspage.domain.incidents.models import Incident, IncidentUpdate
from statuspage.domain.incidents.postmortems import Postmortem
from statuspage.domain.statuses import IncidentStatus


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
