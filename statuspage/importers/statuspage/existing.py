"""What earlier imports left in the database, in the terms of a recording."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import selectinload

from statuspage.db import db
from statuspage.domain import page_settings
from statuspage.domain.components.claims_store import ComponentClaim
from statuspage.domain.components.models import Component, ComponentGroup
from statuspage.domain.events import Event
from statuspage.domain.incidents.models import Incident, IncidentUpdate
from statuspage.importers.statuspage import documents
from statuspage.importers.statuspage.documents import Recording
from statuspage.importers.statuspage.errors import RefusedError
from statuspage.importers.statuspage.spans import Held

IMPORTED = "page.imported"


@dataclass(frozen=True)
class Earlier:
    """The imports so far; `touched` are the ids of what somebody changed here since."""

    page_id: str | None = None
    host: str | None = None
    page_at: datetime | None = None
    listed_at: datetime | None = None
    summarised_at: datetime | None = None
    touched: frozenset[str] = frozenset()


def earlier_import(recording: Recording) -> Earlier | None:
    """What was imported before; None on an empty database.

    Raises `RefusedError` when the database holds another page.
    """
    query = sa.select(Event).where(Event.kind == IMPORTED).order_by(Event.id)
    rows = list(db.session.scalars(query))
    if not rows:
        _refuse_a_page_of_its_own()
        return None
    event_data: dict[str, Any] = {}
    for row in rows:
        event_data |= {key: value for key, value in row.data.items() if value is not None}
    page_id, host = event_data.get("page_id"), event_data.get("host")
    _refuse_another(page_id, recording.page_id)
    if not (page_id and recording.page_id):
        _refuse_another(host, recording.host)
    since = sa.select(Event.subject).where(Event.id > rows[0].id, Event.kind != IMPORTED)
    return Earlier(
        page_id=page_id,
        host=host,
        page_at=_moment(event_data.get("page_at")),
        listed_at=_moment(event_data.get("listed_at")),
        summarised_at=_moment(event_data.get("summarised_at")),
        touched=frozenset(db.session.scalars(since.distinct())),
    )


def incidents() -> dict[str, Incident]:
    """Public id → row, with all that belongs to it loaded."""
    query = sa.select(Incident).options(
        selectinload(Incident.updates).selectinload(IncidentUpdate.changes),
        selectinload(Incident.updates).selectinload(IncidentUpdate.versions),
        selectinload(Incident.affected),
    )
    return {row.public_id: row for row in db.session.scalars(query)}


def claims() -> dict[int | None, list[ComponentClaim]]:
    """Incident's row id → its claims; None: those of no incident."""
    by_incident: dict[int | None, list[ComponentClaim]] = {}
    for row in db.session.scalars(sa.select(ComponentClaim).order_by(ComponentClaim.id)):
        by_incident.setdefault(row.incident_id, []).append(row)
    return by_incident


def imported_incident(row: Incident) -> documents.Incident:
    """The incident as an earlier import told it."""
    updates = tuple(_update(row, update) for update in row.updates)
    full = any(not documents.is_derived(row.public_id, update) for update in updates)
    return documents.Incident.model_construct(
        id=row.public_id,
        name=row.name,
        status=row.status,
        created_at=row.created_at,
        updated_at=row.updated_at,
        monitoring_at=row.mitigated_at,
        resolved_at=row.resolved_at,
        impact=row.impact if full or row.impact_override else None,
        shortlink=row.shortlink,
        started_at=row.announced_at,
        page_id=None,
        incident_updates=updates,
        components=_listed(row) if full else None,
        reminder_intervals=row.reminder_intervals,
        scheduled_for=row.scheduled_for,
        scheduled_until=row.scheduled_until,
        feed_id=(row.details or {}).get("feed_id"),
        is_full=full,
    )


def held(row: Incident, rows: list[ComponentClaim], components: Mapping[int, str]) -> list[Held]:
    """Its claims as spans; `components` is row id → public id."""
    return [
        Held(row.public_id, components[one.component_id], one.status, one.starts_at, one.ends_at)
        for one in rows
    ]


def _listed(row: Incident) -> tuple[documents.Component, ...]:
    return tuple(
        documents.Component.model_construct(id=affected.component.public_id)
        for affected in row.affected
    )


def _update(row: Incident, update: IncidentUpdate) -> documents.Update:
    changes = tuple(
        documents.Change.model_construct(
            code=change.component.public_id,
            name=change.name,
            old_status=change.old_status,
            new_status=change.new_status,
        )
        for change in update.changes
    )
    return documents.Update.model_construct(
        id=update.public_id,
        status=update.status,
        body=update.body,
        incident_id=row.public_id,
        created_at=update.created_at,
        updated_at=update.updated_at,
        display_at=update.posted_at,
        affected_components=changes or None,
        deliver_notifications=update.notify,
        custom_tweet=update.custom_tweet,
        tweet_id=update.tweet_id,
    )


def _refuse_a_page_of_its_own() -> None:
    for table in (Component, ComponentGroup, Incident):
        if db.session.scalar(sa.select(table.id).limit(1)) is not None:
            page = page_settings.get()
            raise RefusedError(
                f"This database already holds a page ({page.name if page else 'without a name'})"
                " that was not imported: import into an empty one, with STATUSPAGE_DEMO=0 and an"
                " empty STATUSPAGE_DATA_DIR."
            )


def _refuse_another(ours: str | None, theirs: str | None) -> None:
    if ours and theirs and ours != theirs:
        raise RefusedError(
            f"This database contains the imported page {ours}, not {theirs}: import into an empty"
            " one, with STATUSPAGE_DEMO=0 and an empty STATUSPAGE_DATA_DIR."
        )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
