"""The table of claims, and its only writers.

A claim is a status that an incident, or a member of staff by hand, asserts for a component.
`replace_claims` and `set_status` write new claims, `correct_claim` rewrites an old one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from statuspage.db import Model, db
from statuspage.domain import events
from statuspage.domain.claims import OPERATIONAL, Claim, Span, effective
from statuspage.domain.components.models import Component
from statuspage.domain.events import Actor
from statuspage.domain.incidents.models import Incident
from statuspage.domain.statuses import ComponentStatus, IncidentKind
from statuspage.errors import Invalid
from statuspage.lib.markdown import clean

MAX_SCOPE = 120


class ComponentClaim(Model):
    """One claim from a moment on. `incident_id` is None for a status set by hand."""

    __tablename__ = "claim"

    component_id: Mapped[int] = mapped_column(
        sa.ForeignKey("component.id", ondelete="CASCADE"), index=True
    )
    incident_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("incident.id", ondelete="CASCADE"), index=True
    )
    status: Mapped[ComponentStatus]
    share: Mapped[Decimal | None] = mapped_column(sa.Numeric(5, 2))
    scope: Mapped[str | None]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None] = mapped_column(index=True)
    incident: Mapped[Incident | None] = relationship(viewonly=True)

    @property
    def claim(self) -> Claim:
        return _claim(self.status, self.share, self.scope)

    @property
    def span(self) -> Span:
        return Span(self.claim, self.starts_at, self.ends_at)


@lru_cache(maxsize=1024)
def _claim(status: ComponentStatus, share: Decimal | None, scope: str | None) -> Claim:
    # A page of a thousand components has thousands of claims, and few that differ.
    return Claim(status, share, scope)


def set_status(component: Component, claim: Claim, *, by: Actor, at: datetime) -> None:
    """Set a component's standing status by hand; operational takes it away.

    Open incidents keep their own claims. Raises `Invalid` on a share out of 0–100.
    """
    _check(claim)
    _lock({component.id})
    standing = _in_force(component_id=component.id, incident_id=None)
    claims = [] if claim.status is ComponentStatus.OPERATIONAL else [claim]
    if [row.claim for row in standing] == claims:
        return
    before = in_force(at=at).get(component.id, OPERATIONAL).status
    _end(standing, at)
    if claim.status is not ComponentStatus.OPERATIONAL:
        _start(component, None, claim, at)
    component.updated_at = at
    db.session.flush()
    events.record(
        "component.status_set",
        subject=component.public_id,
        title=component.name,
        by=by,
        at=at,
        data={
            "status": claim.status.value,
            "old_status": before.value,
            "share": _text(claim.share),
            "scope": claim.scope,
        },
        notify=True,
    )


def replace_claims(
    incident: Incident,
    claims: Mapping[Component, Claim],
    *,
    at: datetime,
    since: datetime | None = None,
) -> None:
    """From `at` on the incident claims exactly this; an empty mapping releases all.

    A component that an incident names loses its standing status: the incident
    speaks for it now. Maintenance does not, it would mask an outage. `since`
    backdates the claims that are new. Raises `Invalid` on a share out of 0–100.
    """
    check_claims(claims)
    by_id = {component.id: claim for component, claim in claims.items()}
    _lock({*by_id, *(row.component_id for row in _in_force(incident_id=incident.id))})
    unchanged = {}
    for row in _in_force(incident_id=incident.id):
        if row.component_id not in unchanged and by_id.get(row.component_id) == row.claim:
            unchanged[row.component_id] = row
        else:
            _end([row], at)
            db.session.get_one(Component, row.component_id).updated_at = at
    for component, claim in claims.items():
        if incident.kind is IncidentKind.INCIDENT:
            _end(_in_force(component_id=component.id, incident_id=None), at)
        if component.id not in unchanged:
            if claim.status is not ComponentStatus.OPERATIONAL:
                _start(component, incident, claim, since or at)
            component.updated_at = at
    db.session.flush()


def correct_claim(
    row: ComponentClaim,
    *,
    by: Actor,
    at: datetime,
    claim: Claim,
    starts_at: datetime,
    ends_at: datetime | None,
    reason: str,
) -> None:
    """Correct what was recorded: uptime follows, and the correction stays in the log.

    A claim that never was is corrected to operational. Raises `Invalid` without a
    reason, or when it would end before it starts or lie in the future.
    """
    _check(claim)
    reason = clean(reason).strip()
    if not reason:
        raise Invalid(reason="Give a reason for the correction.")
    if starts_at > at or (ends_at is not None and ends_at > at):
        raise Invalid(starts_at="A record cannot be in the future.")
    if ends_at is not None and ends_at < starts_at:
        raise Invalid(ends_at="It cannot end before it starts.")
    if (ends_at is None) != (row.ends_at is None):
        raise Invalid(ends_at="End a current status with an update, not with a correction.")
    before = _claim_data(row.claim, row.starts_at, row.ends_at)
    row.status, row.share, row.scope = claim.status, claim.share, claim.scope
    row.starts_at, row.ends_at = starts_at, ends_at
    component = db.session.get_one(Component, row.component_id)
    db.session.flush()
    events.record(
        "component.history_corrected",
        subject=component.public_id,
        title=component.name,
        by=by,
        at=at,
        data={
            "before": before,
            "after": _claim_data(claim, starts_at, ends_at),
            "reason": reason,
        },
    )


def release(component: Component, *, at: datetime) -> None:
    """End every claim in force for a component."""
    _end(_in_force(component_id=component.id), at)


def record_spans(component: Component, incident: Incident | None, spans: Iterable[Span]) -> None:
    """Write claims of the past as they were: for back-filled and imported history."""
    for span in spans:
        _check(span.claim)
        if span.claim.status is not ComponentStatus.OPERATIONAL:
            _start(component, incident, span.claim, span.starts_at, span.ends_at)


def claims_since(
    start: datetime, *, before: datetime | None = None, of: Collection[int] | None = None
) -> list[ComponentClaim]:
    """Claims of any component, or `of` these (row ids), that were in force at `start` or later.

    Those that began `before` a moment only, where one is given. What a retracted incident
    claimed never was.
    """
    query = sa.select(ComponentClaim).where(_counts_since(start))
    if before is not None:
        query = query.where(ComponentClaim.starts_at < before)
    if of is not None:
        query = query.where(ComponentClaim.component_id.in_(of))
    return list(db.session.scalars(query.order_by(ComponentClaim.id)))


def spans_since(start: datetime) -> dict[int, list[Span]]:
    """The same claims without their incidents, by component (row id)."""
    # Columns, not rows of the model: this is most of what a large page reads.
    row = ComponentClaim
    columns = (row.component_id, row.status, row.share, row.scope, row.starts_at, row.ends_at)
    query = sa.select(*columns).where(_counts_since(start)).order_by(row.id)
    spans: dict[int, list[Span]] = {}
    for component_id, status, share, scope, starts_at, ends_at in db.session.execute(query):
        span = Span(_claim(status, share, scope), starts_at, ends_at)
        spans.setdefault(component_id, []).append(span)
    return spans


def _counts_since(start: datetime) -> sa.ColumnElement[bool]:
    """SQL: a claim that was in force at `start` or later, and not retracted."""
    incident = db.metadata.tables["incident"]
    retracted = sa.select(incident.c.id).where(incident.c.retracted_at.is_not(None))
    return sa.and_(
        sa.or_(ComponentClaim.ends_at.is_(None), ComponentClaim.ends_at > start),
        sa.or_(ComponentClaim.incident_id.is_(None), ComponentClaim.incident_id.not_in(retracted)),
    )


def in_force(*, at: datetime) -> dict[int, Claim]:
    """The effective claim of each component (by row id) that is not operational at `at`."""
    found = spans_since(at).items()
    return {component_id: effective(spans, at) for component_id, spans in found}


def others(
    incident: Incident | None, component_ids: Collection[int], *, at: datetime
) -> dict[int, ComponentClaim]:
    """The worst claim in force at `at` that is not this incident's, by component (row id)."""
    own_id = incident.id if incident else -1
    by_component: dict[int, ComponentClaim] = {}
    if not component_ids:
        return by_component
    for row in claims_since(at, of=component_ids):
        worst = by_component.get(row.component_id)
        if row.incident_id == own_id or row.starts_at > at:
            continue
        if worst is None or row.claim.rank > worst.claim.rank:
            by_component[row.component_id] = row
    return by_component


def claims_of(incident_ids: Sequence[int]) -> list[ComponentClaim]:
    """All claims that these incidents ever made, oldest first."""
    query = sa.select(ComponentClaim).where(ComponentClaim.incident_id.in_(incident_ids))
    return list(db.session.scalars(query.order_by(ComponentClaim.starts_at, ComponentClaim.id)))


def worst_by_incident(incident_ids: Collection[int]) -> dict[int, Claim]:
    """Incident's row id → the worst it ever claimed, of those that claimed anything."""
    row = ComponentClaim
    query = sa.select(row.incident_id, row.status, row.share, row.scope).distinct()
    worst: dict[int, Claim] = {}
    for incident_id, *parts in db.session.execute(query.where(row.incident_id.in_(incident_ids))):
        assert incident_id is not None
        claim = _claim(*parts)
        if incident_id not in worst or claim.rank > worst[incident_id].rank:
            worst[incident_id] = claim
    return worst


def get_claim(claim_id: int) -> ComponentClaim | None:
    return db.session.get(ComponentClaim, claim_id)


def standing(component: Component) -> Claim | None:
    """The status set by hand, if one is in force."""
    rows = _in_force(component_id=component.id, incident_id=None)
    return rows[0].claim if rows else None


def check_claims(claims: Mapping[Component, Claim]) -> None:
    """Raise `Invalid` on a share out of 0–100 or a scope that is too long."""
    for claim in claims.values():
        _check(claim)


def whole_page_is_down(claims: Mapping[Component, Claim], *, of: Incident) -> bool:
    """Every component has a major outage: by these claims of an incident, or by others in force.

    What is over is judged by its own claims alone.
    """
    down = {component.id for component, claim in claims.items() if _is_major(claim)}
    if not of.is_over:
        others = [row for row in _in_force() if row.incident_id != of.id]
        down |= {row.component_id for row in others if _is_major(row.claim)}
    on_page = sa.select(Component.id).where(Component.archived_at.is_(None))
    present = set(db.session.scalars(on_page))
    return bool(present) and present <= down


def _in_force(
    *, component_id: int | None = None, incident_id: int | None | str = "any"
) -> list[ComponentClaim]:
    query = sa.select(ComponentClaim).where(ComponentClaim.ends_at.is_(None))
    if component_id is not None:
        query = query.where(ComponentClaim.component_id == component_id)
    if incident_id != "any":
        query = query.where(ComponentClaim.incident_id == incident_id)
    return list(db.session.scalars(query))


def _start(
    component: Component,
    incident: Incident | None,
    claim: Claim,
    starts_at: datetime,
    ends_at: datetime | None = None,
) -> None:
    db.session.add(
        ComponentClaim(
            component_id=component.id,
            incident_id=incident.id if incident else None,
            status=claim.status,
            share=claim.share,
            scope=claim.scope,
            starts_at=starts_at,
            ends_at=ends_at,
        )
    )


def _end(rows: Iterable[ComponentClaim], at: datetime) -> None:
    for row in rows:
        if at <= row.starts_at:
            # It was never in force for any length of time.
            db.session.delete(row)
        else:
            row.ends_at = at
    db.session.flush()


def _lock(component_ids: Collection[int]) -> None:
    """Wait for whoever else sets the status of these components.

    In one order, so that two who name the same ones never wait for one another.
    """
    rows = sa.select(Component.id).where(Component.id.in_(component_ids)).order_by(Component.id)
    db.session.execute(rows.with_for_update(key_share=True))


def _check(claim: Claim) -> None:
    if claim.share is not None and not (claim.share.is_finite() and 0 <= claim.share <= 100):
        raise Invalid(share="The share must be a percentage from 0 to 100.")
    if claim.scope is not None and len(claim.scope) > MAX_SCOPE:
        raise Invalid(scope=f"Say who is affected in at most {MAX_SCOPE} characters.")


def _claim_data(
    claim: Claim, starts_at: datetime, ends_at: datetime | None
) -> dict[str, str | None]:
    return {
        "status": claim.status.value,
        "share": _text(claim.share),
        "starts_at": starts_at.isoformat(),
        "ends_at": ends_at.isoformat() if ends_at else None,
    }


def _text(share: Decimal | None) -> str | None:
    return None if share is None else str(share)


def _is_major(claim: Claim) -> bool:
    return claim.status is ComponentStatus.MAJOR_OUTAGE
