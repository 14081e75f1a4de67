"""Timelines: the tables that incidents and scheduled maintenance share, and what
every verb on them has in common.

Owns the incident tables. `incidents` and `maintenance` hold the verbs; nothing
else calls the functions below.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from statuspage.db import Model, PublicId, db
from statuspage.domain import components, events
from statuspage.domain.claims import OPERATIONAL, Claim
from statuspage.domain.components import Component
from statuspage.domain.events import Actor
from statuspage.domain.status import (
    INCIDENT_STEPS,
    MAINTENANCE_STEPS,
    ComponentStatus,
    Impact,
    IncidentKind,
    IncidentStatus,
    incident_impact,
)
from statuspage.errors import Invalid
from statuspage.text import clean, to_html

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
    component: Mapped[Component] = relationship(lazy="joined")


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


# ── what the verbs share ───────────────────────────────────────────────────────


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
    take_on(incident, first, claims, was=None, at=at, since=min(incident.started_at, at))
    kind = "opened" if incident.kind is IncidentKind.INCIDENT else "scheduled"
    record(
        f"{incident.kind}.{kind}",
        incident,
        update=first,
        by=by,
        at=at,
        notify=first.notify,
    )


def take_on(
    incident: Incident,
    update: IncidentUpdate,
    claims: Mapping[Component, Claim],
    *,
    was: IncidentStatus | None,
    at: datetime,
    since: datetime | None = None,
) -> None:
    """The incident takes on the update's status, promise, claims and moments.

    `was` is the status it had, None when this is the first that customers read.
    """
    status = update.status
    named = {row.component: row.status for row in incident.affected}
    was_claiming = was is not None and was.claims
    old = named if was_claiming else {}
    said = dict(claims) if status.claims else dict.fromkeys(claims, OPERATIONAL)
    said |= {
        component: OPERATIONAL
        for component, present in named.items()
        if component not in claims and (status.is_over or present is not OPERATIONAL.status)
    }
    _enter(incident, status, was, at)
    incident.next_update_by = None if status.is_over else update.next_update_by

    db.session.flush()
    if status.is_over:
        remember_affected(
            incident,
            {component: claim for component, claim in claims.items() if component not in named},
        )
    else:
        remember_affected(incident, claims)
    if status.claims or status.is_over or was_claiming:
        say_changes(update, said, old)
    elif status is IncidentStatus.SCHEDULED:
        _say_where(update, claims, at)
    spoken_for = status.claims or status.is_over
    held = {component: said[component] for component in claims} if spoken_for else {}
    components.replace_claims(incident, held, at=at, since=since)
    if was is None or not status.is_over:
        weigh(incident, claims)


def take_turn(incident: Incident) -> None:
    """Wait for whoever is writing to this incident, then see what they wrote."""
    db.session.flush()  # A refresh would drop what is not written yet.
    db.session.refresh(incident, with_for_update=True)


def new_update(
    incident: Incident,
    status: IncidentStatus,
    body: str,
    by: Actor,
    at: datetime,
    next_update_by: datetime | None,
    *,
    notify: bool = True,
    is_automatic: bool = False,
) -> IncidentUpdate:
    update = IncidentUpdate(
        status=status,
        posted_at=at,
        created_at=at,
        updated_at=at,
        posted_by=by.name,
        next_update_by=None if status.is_over else next_update_by,
        notify=notify,
        is_automatic=is_automatic,
        changes=[],
        versions=[],
    )
    write_body(update, body)
    incident.updates.insert(0, update)
    return update


def say_changes(
    update: IncidentUpdate,
    claims: Mapping[Component, Claim],
    before: Mapping[Component, ComponentStatus],
) -> None:
    for component, claim in claims.items():
        update.changes.append(
            UpdateChange(
                component=component,
                component_id=component.id,
                name=component.full_name,
                old_status=before.get(component, ComponentStatus.OPERATIONAL),
                new_status=claim.status,
                share=claim.share,
                scope=claim.scope,
            )
        )


def _say_where(update: IncidentUpdate, claims: Mapping[Component, Claim], at: datetime) -> None:
    """An announcement names the components as they stand: nothing moves yet."""
    present = components.in_force(at=at)
    stands = {
        component: Claim(present.get(component.id, OPERATIONAL).status) for component in claims
    }
    say_changes(update, stands, {component: claim.status for component, claim in stands.items()})


def remember_affected(incident: Incident, claims: Mapping[Component, Claim]) -> None:
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


def weigh(incident: Incident, claims: Mapping[Component, Claim]) -> None:
    """Set the impact: as overridden, else the worst it ever had."""
    if incident.kind is IncidentKind.MAINTENANCE:
        incident.impact = Impact.MAINTENANCE
        return
    found = incident_impact(
        [claim.status for claim in claims.values()],
        whole_page=components.whole_page_is_down(claims, of=incident),
    )
    present = incident.impact or Impact.NONE
    if incident.impact_override is not None:
        incident.impact = incident.impact_override
    else:
        incident.impact = max(present, found, key=lambda impact: impact.severity)


def forget_override(incident: Incident) -> None:
    """Set the impact to the worst that the updates ever said of components."""
    said = [row.status for row in incident.affected]
    for update in incident.updates:
        for change in update.changes:
            said += [change.old_status, change.new_status]
    incident.impact = incident_impact(said, whole_page=False)


def set_facts(incident: Incident, facts: Facts) -> None:
    for name, words in check_facts(facts).items():
        setattr(incident, name, words)


def check_facts(facts: Facts) -> dict[str, str | None]:
    """Field → words as they are stored. Raises `Invalid`."""
    found = {}
    for field in fields(Facts):
        words = clean(getattr(facts, field.name) or "").strip()
        if len(words) > MAX_FACT:
            raise Invalid(**{field.name: f"Say it in {MAX_FACT} characters at most."})
        found[field.name] = words or None
    return found


def write_body(update: IncidentUpdate, body: str) -> None:
    words = clean(body).strip()
    update.body, update.body_html = words, str(to_html(words))


def check_words(name: str, body: str) -> None:
    errors = {}
    if not clean(name).strip():
        errors["name"] = "Give the incident a name that customers understand."
    elif len(name) > MAX_NAME:
        errors["name"] = f"The name may have {MAX_NAME} characters at most."
    if not clean(body).strip():
        errors["body"] = "Write what customers should know."
    if errors:
        raise Invalid(**errors)


def check_promise(next_update_by: datetime | None, at: datetime) -> None:
    if next_update_by is not None and next_update_by <= at:
        raise Invalid(next_update_by="Promise a time that is still ahead.")


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
    incident: Incident, status: IncidentStatus, was: IncidentStatus | None, at: datetime
) -> None:
    """Take on a status and the moments that it marks."""
    if was is IncidentStatus.POSTMORTEM and status is IncidentStatus.RESOLVED:
        status = was  # A later word on it does not take the postmortem away.
    incident.status = status
    incident.updated_at = at
    if status is IncidentStatus.MONITORING and incident.mitigated_at is None:
        incident.mitigated_at = at
    if not status.is_over:
        incident.resolved_at = None
    elif was is None or not was.is_over:
        incident.resolved_at = at


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
) -> None:
    db.session.flush()
    told = dict(data or {})
    if update is not None:
        told["update"] = update.public_id
    events.record(
        kind,
        subject=incident.public_id,
        title=incident.name,
        by=by,
        at=at,
        data=told,
        notify=notify,
    )
