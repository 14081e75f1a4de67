"""Timelines: the tables that incidents and scheduled maintenance share, and what verbs are given.

`verbs` and `maintenance` hold the verbs on them, `updates` what these have in common.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from statuspage.db import Model, PublicId, search_index
from statuspage.domain.claims import Claim
from statuspage.domain.components.models import Component
from statuspage.domain.statuses import (
    ComponentStatus,
    Impact,
    IncidentKind,
    IncidentStatus,
    worst,
)

MAX_NAME = 255
MAX_FACT = 300


class Moment(StrEnum):
    """The five moments of an incident that are kept apart."""

    STARTED = "started_at"
    DETECTED = "detected_at"
    TOLD = "told_at"
    MITIGATED = "mitigated_at"
    RESOLVED = "resolved_at"


@dataclass(frozen=True)
class Facts:
    """What a customer wants to know at 3 a.m.; each None while nobody said it."""

    who_is_affected: str | None = None
    what_still_works: str | None = None
    what_you_can_do: str | None = None


@dataclass(frozen=True)
class UpdateInput:
    """What one post to a timeline says. Forms, API, alerts and the demo build it once."""

    status: IncidentStatus
    body: str
    claims: Mapping[Component, Claim] = field(default_factory=dict)
    facts: Facts | None = None
    """None: as the incident has them."""
    next_update_by: datetime | None = None
    impact_override: Impact | None = None
    """None: as before; at first, from the components."""
    notify: bool = True
    is_automatic: bool = False


@dataclass(frozen=True)
class IncidentEdit:
    """What an incident says beside its updates."""

    name: str
    facts: Facts
    next_update_by: datetime | None
    impact_override: Impact | None


@dataclass(frozen=True)
class Moments:
    """When an incident of the past started and ended, and when staff noticed it."""

    started_at: datetime
    resolved_at: datetime
    detected_at: datetime | None = None


@dataclass(frozen=True)
class Schedule:
    """When maintenance is planned, and what happens without anyone."""

    scheduled_for: datetime
    scheduled_until: datetime | None
    auto_start: bool = True
    auto_end: bool = True
    reminds: bool = False


class Incident(Model):
    public_id: Mapped[PublicId]
    kind: Mapped[IncidentKind] = mapped_column(default=IncidentKind.INCIDENT, index=True)
    name: Mapped[str]
    status: Mapped[IncidentStatus] = mapped_column(index=True)
    impact: Mapped[Impact] = mapped_column(default=Impact.NONE)
    impact_override: Mapped[Impact | None]

    who_is_affected: Mapped[str | None]
    what_still_works: Mapped[str | None]
    what_you_can_do: Mapped[str | None]
    next_update_by: Mapped[datetime | None]
    """The promise in force; None when there is none or the incident is over."""

    started_at: Mapped[datetime] = mapped_column(index=True)
    detected_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    mitigated_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None] = mapped_column(index=True)

    scheduled_for: Mapped[datetime | None] = mapped_column(index=True)
    scheduled_until: Mapped[datetime | None]
    auto_start: Mapped[bool] = mapped_column(default=True)
    auto_end: Mapped[bool] = mapped_column(default=True)
    reminds: Mapped[bool] = mapped_column(default=False)
    """Subscribers are reminded an hour before it begins."""
    remind_at: Mapped[datetime | None] = mapped_column(index=True)
    """When that is; None once they were, or where there is nothing to remind of."""
    reminded_at: Mapped[datetime | None]

    is_backfilled: Mapped[bool] = mapped_column(default=False)
    shortlink: Mapped[str | None]
    """The short address it had elsewhere, kept by an import."""
    reminder_intervals: Mapped[str | None]
    """As Statuspage writes it: `[]`, `[1, 5, 7]` or `4`, in hours; kept by an import."""
    details: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    """What API clients attach to it: `metadata`, and settings of Statuspage's that mean
    nothing here but are given back as they came."""
    published_at: Mapped[datetime | None] = mapped_column(index=True)
    """None: a draft that only staff can see."""
    retracted_at: Mapped[datetime | None]
    retracted_reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(index=True)
    updated_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)
    """Raised by each edit of the incident's own words, so that two editors meet."""

    updates: Mapped[list["IncidentUpdate"]] = relationship(
        order_by="IncidentUpdate.posted_at.desc(), IncidentUpdate.id.desc()",
        cascade="all, delete-orphan",
        back_populates="incident",
    )
    affected: Mapped[list["Affected"]] = relationship(
        cascade="all, delete-orphan", order_by="Affected.id"
    )
    corrections: Mapped[list["Correction"]] = relationship(
        cascade="all, delete-orphan", order_by="Correction.id"
    )

    @property
    def is_draft(self) -> bool:
        return self.published_at is None

    @property
    def is_over(self) -> bool:
        return self.status.is_over

    @property
    def facts(self) -> Facts:
        return Facts(self.who_is_affected, self.what_still_works, self.what_you_can_do)

    @property
    def announced_at(self) -> datetime:
        """When a maintenance was announced; of an incident, when it started.

        Statuspage calls it `started_at`, and an import keeps its to the millisecond.
        """
        if self.kind is IncidentKind.INCIDENT:
            return self.started_at
        recorded = (self.details or {}).get("started_at")
        return datetime.fromisoformat(recorded) if recorded else self.created_at

    @property
    def feed_id(self) -> str | None:
        """The id of its entry in the history feed of another product, kept by an import."""
        return (self.details or {}).get("feed_id")

    @property
    def claims(self) -> dict[Component, Claim]:
        """What the newest word on each affected component says."""
        return {row.component: row.claim for row in self.affected}


class Affected(Model):
    """A component that an incident named, with the newest word on it."""

    __table_args__ = (sa.UniqueConstraint("incident_id", "component_id"),)

    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incident.id", ondelete="CASCADE"))
    component_id: Mapped[int] = mapped_column(
        sa.ForeignKey("component.id", ondelete="CASCADE"), index=True
    )
    status: Mapped[ComponentStatus]
    share: Mapped[Decimal | None] = mapped_column(sa.Numeric(5, 2))
    scope: Mapped[str | None]
    component: Mapped[Component] = relationship(lazy="joined")

    @property
    def claim(self) -> Claim:
        return Claim(self.status, self.share, self.scope)


class IncidentUpdate(Model):
    public_id: Mapped[PublicId]
    incident_id: Mapped[int] = mapped_column(
        sa.ForeignKey("incident.id", ondelete="CASCADE"), index=True
    )
    status: Mapped[IncidentStatus]
    body: Mapped[str]
    body_html: Mapped[str]
    posted_at: Mapped[datetime] = mapped_column(index=True)
    is_draft: Mapped[bool] = mapped_column(default=False)
    is_automatic: Mapped[bool] = mapped_column(default=False)
    notify: Mapped[bool] = mapped_column(default=True)
    next_update_by: Mapped[datetime | None]
    """What was promised with this update."""
    who_is_affected: Mapped[str | None]
    what_still_works: Mapped[str | None]
    what_you_can_do: Mapped[str | None]
    """The three facts that a draft changes: None leaves one as the incident has it, the
    empty text takes it away. What was posted stands on the incident."""
    posted_by: Mapped[str]
    tweet_id: Mapped[int | None] = mapped_column(sa.BigInteger)
    custom_tweet: Mapped[str | None]
    edited_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)

    incident: Mapped[Incident] = relationship(back_populates="updates")
    changes: Mapped[list["UpdateChange"]] = relationship(
        cascade="all, delete-orphan", order_by="UpdateChange.id"
    )
    versions: Mapped[list["UpdateVersion"]] = relationship(
        cascade="all, delete-orphan", order_by="UpdateVersion.number"
    )


sa.event.listen(IncidentUpdate.__table__, "after_create", search_index.make)


@sa.event.listens_for(IncidentUpdate, "after_insert")
@sa.event.listens_for(IncidentUpdate, "after_update")
def _index(_mapper: object, connection: sa.Connection, update: IncidentUpdate) -> None:
    if sa.inspect(update).attrs.body.history.has_changes():
        search_index.put(connection, update.id, update.body)


@sa.event.listens_for(IncidentUpdate, "after_delete")
def _unindex(_mapper: object, connection: sa.Connection, update: IncidentUpdate) -> None:
    search_index.drop(connection, update.id)


class UpdateChange(Model):
    """What an update said of one component: how it stood, how it stands now."""

    incident_update_id: Mapped[int] = mapped_column(
        sa.ForeignKey("incident_update.id", ondelete="CASCADE"), index=True
    )
    component_id: Mapped[int] = mapped_column(sa.ForeignKey("component.id", ondelete="CASCADE"))
    name: Mapped[str]
    """The component's full name at that time."""
    old_status: Mapped[ComponentStatus]
    new_status: Mapped[ComponentStatus]
    share: Mapped[Decimal | None] = mapped_column(sa.Numeric(5, 2))
    scope: Mapped[str | None]
    other_status: Mapped[ComponentStatus | None]
    """The worst that anyone else claimed then: another incident, or a status set by hand."""
    other_incident_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("incident.id", ondelete="SET NULL")
    )
    component: Mapped[Component] = relationship(lazy="joined")
    other_incident: Mapped[Incident | None] = relationship(
        foreign_keys=[other_incident_id], lazy="joined"
    )

    @property
    def claim(self) -> Claim:
        """The component's effective status after the update."""
        if self.is_outranked and self.other_status is not None:
            return Claim(self.other_status)
        return Claim(self.new_status, self.share, self.scope)

    @property
    def status_before(self) -> ComponentStatus:
        """The component's effective status before the update."""
        others = [self.other_status] if self.other_status and not self._was_retracted else []
        return worst([self.old_status, *others])

    @property
    def is_outranked(self) -> bool:
        """Another claim is worse, so the component has that status whatever the update says."""
        if self.other_status is None or self._was_retracted:
            return False
        return self.other_status.severity > self.new_status.severity

    @property
    def _was_retracted(self) -> bool:
        return self.other_incident is not None and self.other_incident.retracted_at is not None


class UpdateVersion(Model):
    """The words of an update as they stood before an edit."""

    __table_args__ = (sa.UniqueConstraint("incident_update_id", "number"),)

    incident_update_id: Mapped[int] = mapped_column(
        sa.ForeignKey("incident_update.id", ondelete="CASCADE")
    )
    number: Mapped[int]
    body: Mapped[str]
    body_html: Mapped[str]
    replaced_at: Mapped[datetime]
    replaced_by: Mapped[str]
    reason: Mapped[str | None]


class Correction(Model):
    """A published fact that was put right: what it was, what it is, why."""

    incident_id: Mapped[int] = mapped_column(
        sa.ForeignKey("incident.id", ondelete="CASCADE"), index=True
    )
    field: Mapped[str] = mapped_column(sa.String(32))
    old: Mapped[str | None]
    new: Mapped[str | None]
    reason: Mapped[str | None]
    at: Mapped[datetime]
    by: Mapped[str]
