"""Alerts of monitoring tools, and the incidents that they open and end.

An alert is known by its fingerprint: however often a tool sends it, it is one row and opens
at most one incident. What a tool calls over ends nothing before it has been quiet for
`QUIET`, so that an alert that comes and goes tells customers nothing each time. An incident
that anybody else has written to is theirs: alerts only add to its record from then on.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from statuspage.db import Model, db
from statuspage.domain.claims import Claim
from statuspage.domain.components import verbs as components
from statuspage.domain.components.models import Component
from statuspage.domain.events import Actor, ActorKind, Event
from statuspage.domain.incidents import drafts, models, updates
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Incident
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from statuspage.domain.tokens import ApiToken, Scope
from statuspage.errors import Invalid
from statuspage.lib.markdown import clean, to_html

QUIET = timedelta(minutes=5)
"""How long all alerts of an incident are over before it is."""
AGAIN_WITHIN = timedelta(hours=1)
"""An alert that comes back so soon after its incident was ended here opens that one again."""
NOTED_EVERY = timedelta(minutes=1)
"""That an alert is still there is written down at most this often."""
EARLIEST = timedelta(days=1)
"""An incident begins no longer ago than this: what a tool says beyond it was no outage here."""
MOST_OPEN = 25
"""Incidents of one token at a time. More of them are a mistake in the tool's grouping."""
KEPT_FOR = timedelta(days=90)

MAX_FINGERPRINT = 64
MAX_BODY = 2_000
MAX_UNKNOWN = 255
MAX_URL = 2_000


class Alert(Model):
    __table_args__ = (sa.UniqueConstraint("token_id", "fingerprint"),)

    token_id: Mapped[int] = mapped_column(sa.ForeignKey("api_token.id", ondelete="CASCADE"))
    fingerprint: Mapped[str] = mapped_column(sa.String(MAX_FINGERPRINT))
    group_key: Mapped[str] = mapped_column(sa.String(64))
    name: Mapped[str]
    unknown: Mapped[str | None]
    """Words by which the tool named components that the page does not have."""
    source_url: Mapped[str | None]
    incident_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("incident.id", ondelete="SET NULL"), index=True
    )
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    quiet_since: Mapped[datetime | None]
    """When the tool said that it is over; None while it is not."""
    settled_at: Mapped[datetime | None] = mapped_column(index=True)
    """When that was acted on."""


@dataclass(frozen=True)
class AlertReport:
    """One alert as a tool tells it, bounded and without characters that nobody can store."""

    fingerprint: str
    name: str
    body: str
    components: tuple[str, ...]
    """Public ids or names."""
    status: ComponentStatus
    is_firing: bool
    started_at: datetime | None
    source_url: str | None


@dataclass(frozen=True)
class AlertGroup:
    """Alerts that a tool tells together, under the key of their group."""

    group_key: str
    name: str
    body: str
    reports: tuple[AlertReport, ...]


class _News(Enum):
    """What a report says that its row does not."""

    NEW = auto()
    SEEN = auto()
    """It is still there."""
    QUIET = auto()
    BACK = auto()


class TooManyOpenError(Exception):
    """So many incidents of this token are open that somebody must look first."""


# ── verbs ──────────────────────────────────────────────────────────────────────


def receive(notice: AlertGroup, *, token: ApiToken, at: datetime) -> Incident | None:
    """Take down what is told; the incident that it opened, reopened or added to, if any.

    A draft, unless the token may publish. Raises `TooManyOpenError`;
    `sqlalchemy.exc.IntegrityError` where the same alert came in twice at once: then once more
    from the start finds it known.
    """
    rows = _known(notice, token)
    opening: list[AlertReport] = []
    for report in _last_of_each(notice.reports):
        row = rows.get(report.fingerprint)
        news = _news_of(report, row, at)
        if news is None:
            continue
        if row is None or (news is _News.BACK and not _goes_on(row)):
            opening.append(report)
        elif news is _News.QUIET:
            row.quiet_since = at
        else:
            row.seen_at, row.quiet_since, row.settled_at = at, None, None
    return _tell(replace(notice, reports=tuple(opening)), rows, token, at) if opening else None


def is_news(notice: AlertGroup, *, token: ApiToken, at: datetime) -> bool:
    """Whether `receive` would write anything: most repetitions of an alert say nothing new."""
    rows = _known(notice, token)
    return any(
        _news_of(report, rows.get(report.fingerprint), at) is not None
        for report in _last_of_each(notice.reports)
    )


def due(*, at: datetime) -> list[str]:
    """Public ids of incidents of which every alert has been quiet for `QUIET`."""
    query = (
        sa.select(Incident.public_id)
        .join(Alert, Alert.incident_id == Incident.id)
        .where(Alert.settled_at.is_(None))
        .group_by(Incident.id, Incident.public_id)
        .having(
            sa.func.count() == sa.func.count(Alert.quiet_since),
            sa.func.max(Alert.quiet_since) <= at - QUIET,
        )
        .order_by(Incident.id)
    )
    return list(db.session.scalars(query))


def resolve_quiet(public_id: str, *, at: datetime) -> bool:
    """Draw the consequence for one incident; false where it is not due, or somebody else did.

    A draft is thrown away, an incident is resolved. Either stays as it is once anybody but
    the tool has touched it.
    """
    incident = incidents.get(public_id)
    if incident is None:
        return False
    updates.lock(incident)
    rows = of_incident(incident)
    if any(row.quiet_since is None or row.quiet_since > at - QUIET for row in rows):
        return False
    waiting = [row for row in rows if row.settled_at is None]
    if not waiting:
        return False
    for row in waiting:
        row.settled_at = at
    token = db.session.get(ApiToken, waiting[0].token_id)
    if token is None or not _is_of(token, incident):
        return True
    if incident.is_draft:
        drafts.delete(incident, by=token.actor, at=at)
    elif not incident.is_over and incident.retracted_at is None:
        since = max(row.quiet_since for row in rows if row.quiet_since is not None)
        incidents.post_update(
            incident,
            status=IncidentStatus.RESOLVED,
            body=f"Our monitoring has seen no trouble since {since:%H:%M} UTC.",
            claims={},
            by=token.actor,
            at=at,
            is_automatic=True,
        )
    return True


def delete_old(*, at: datetime) -> int:
    """Let go of alerts that have been over for `KEPT_FOR`; how many they were."""
    gone = db.session.execute(
        sa.delete(Alert)
        .where(Alert.quiet_since < at - KEPT_FOR)
        .execution_options(synchronize_session=False)
    )
    return gone.rowcount  # type: ignore[attr-defined, no-any-return]


# ── finders ────────────────────────────────────────────────────────────────────


def of_incident(incident: Incident) -> list[Alert]:
    """Those that opened it or were added to it, oldest first."""
    query = sa.select(Alert).where(Alert.incident_id == incident.id)
    return list(db.session.scalars(query.order_by(Alert.started_at, Alert.id)))


def ends_by_itself(incident: Incident) -> bool:
    """Whether it will be ended once all of its alerts are quiet."""
    query = sa.select(ApiToken).join(Alert, Alert.token_id == ApiToken.id)
    token = db.session.scalars(query.where(Alert.incident_id == incident.id)).first()
    is_open = not incident.is_over and incident.retracted_at is None
    return is_open and token is not None and _is_of(token, incident)


# ── helpers ────────────────────────────────────────────────────────────────────


def _last_of_each(reports: Sequence[AlertReport]) -> Collection[AlertReport]:
    return {report.fingerprint: report for report in reports}.values()


def _known(notice: AlertGroup, token: ApiToken) -> dict[str, Alert]:
    prints = [report.fingerprint for report in notice.reports]
    query = sa.select(Alert).where(Alert.token_id == token.id, Alert.fingerprint.in_(prints))
    return {row.fingerprint: row for row in db.session.scalars(query)}


def _news_of(report: AlertReport, row: Alert | None, at: datetime) -> "_News | None":
    if row is None:
        return _News.NEW if report.is_firing else None
    if not report.is_firing:
        return _News.QUIET if row.quiet_since is None else None
    if row.quiet_since is not None:
        return _News.BACK
    return _News.SEEN if row.seen_at <= at - NOTED_EVERY else None


def _goes_on(row: Alert) -> bool:
    """Whether an alert that is back belongs to an incident that is not over."""
    incident = db.session.get(Incident, row.incident_id) if row.incident_id else None
    return incident is not None and incident.retracted_at is None and not incident.is_over


def _tell(notice: AlertGroup, rows: dict[str, Alert], token: ApiToken, at: datetime) -> Incident:
    """Open an incident for alerts that are new, or add them to the one of their group."""
    claims, unknown = _claims_of(notice.reports)
    back = [rows[one.fingerprint] for one in notice.reports if one.fingerprint in rows]
    incident = _again(back, token, at) or _open_of_group(notice, token)
    if incident is None:
        _check_number(token)
        incident = incidents.open_incident(
            _name_of(notice),
            status=IncidentStatus.INVESTIGATING,
            body=_body_of(notice),
            claims=claims,
            by=token.actor,
            at=at,
            started_at=min(_began(one, at) for one in notice.reports),
            detected_at=at,
            draft=not token.may(Scope.ALERTS_PUBLISH),
        )
    elif _is_of(token, incident):
        _add(incident, notice, claims, token.actor, at)
    for report in notice.reports:
        row = rows.get(report.fingerprint)
        if row is None:
            row = Alert(token_id=token.id, fingerprint=report.fingerprint)
            db.session.add(row)
        row.group_key, row.name, row.source_url = notice.group_key, report.name, report.source_url
        row.unknown = unknown.get(report.fingerprint)
        row.incident_id = incident.id
        row.started_at, row.seen_at = _began(report, at), at
        row.quiet_since = row.settled_at = None
    db.session.flush()
    return incident


def _began(report: AlertReport, at: datetime) -> datetime:
    return min(max(report.started_at or at, at - EARLIEST), at)


def _again(back: Sequence[Alert], token: ApiToken, at: datetime) -> Incident | None:
    """The incident that was ended here a short while ago, and of which an alert is back."""
    for row in back:
        if row.settled_at is not None and row.settled_at > at - AGAIN_WITHIN and row.incident_id:
            incident = db.session.get(Incident, row.incident_id)
            if incident and incident.retracted_at is None and _is_of(token, incident):
                return incident
    return None


def _open_of_group(notice: AlertGroup, token: ApiToken) -> Incident | None:
    query = (
        sa.select(Incident)
        .join(Alert, Alert.incident_id == Incident.id)
        .where(
            Alert.token_id == token.id,
            Alert.group_key == notice.group_key,
            Incident.resolved_at.is_(None),
            Incident.retracted_at.is_(None),
        )
        .order_by(Incident.id.desc())
    )
    return db.session.scalars(query).first()


def _check_number(token: ApiToken) -> None:
    query = (
        sa.select(sa.func.count(sa.distinct(Incident.id)))
        .join(Alert, Alert.incident_id == Incident.id)
        .where(
            Alert.token_id == token.id,
            Incident.resolved_at.is_(None),
            Incident.retracted_at.is_(None),
        )
    )
    if (db.session.scalar(query) or 0) >= MOST_OPEN:
        raise TooManyOpenError


def _add(
    incident: Incident,
    notice: AlertGroup,
    claims: dict[Component, Claim],
    by: Actor,
    at: datetime,
) -> None:
    """Say what more there is, in the draft or as an update."""
    updates.lock(incident)
    said = {} if incident.is_over else incident.claims
    for component, claim in claims.items():
        _worsen(said, component, claim)
    if incident.is_draft:
        drafts.edit(
            incident,
            name=incident.name,
            status=incident.status,
            body=incident.updates[-1].body,
            claims=said,
            by=by,
            at=at,
        )
        return
    names = ", ".join(dict.fromkeys(report.name for report in notice.reports))
    told = "again" if incident.is_over else "also"
    incidents.post_update(
        incident,
        status=IncidentStatus.INVESTIGATING if incident.is_over else incident.status,
        body=_sayable(f"Our monitoring {told} reports: {names}", instead=f"Trouble {told}."),
        claims=said,
        by=by,
        at=at,
        is_automatic=True,
    )


def _claims_of(reports: Sequence[AlertReport]) -> tuple[dict[Component, Claim], dict[str, str]]:
    """The worst word on each component; fingerprint → what names no component of the page."""
    listed = components.listed()
    by_word = {one.full_name: one for one in listed} | {one.name: one for one in listed}
    by_word |= {one.public_id: one for one in listed}
    claims: dict[Component, Claim] = {}
    unknown = {}
    for report in reports:
        named = {word: by_word.get(word) for word in report.components}
        claim = Claim(report.status)
        for component in filter(None, named.values()):
            _worsen(claims, component, claim)
        if lost := [word for word, component in named.items() if component is None]:
            unknown[report.fingerprint] = ", ".join(lost)[:MAX_UNKNOWN]
    return claims, unknown


def _worsen(claims: dict[Component, Claim], component: Component, claim: Claim) -> None:
    """Put it among the claims, unless a worse word is there."""
    claims[component] = max(claim, claims.get(component, claim), key=lambda one: one.rank)


def _name_of(notice: AlertGroup) -> str:
    names = list(dict.fromkeys(report.name for report in notice.reports))
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return (notice.name or names[0])[: models.MAX_NAME - len(more)] + ("" if notice.name else more)


def _body_of(notice: AlertGroup) -> str:
    told = notice.body or next((one.body for one in notice.reports if one.body), "")
    return _sayable(told, instead="Our monitoring reports trouble. We are investigating.")


def _sayable(body: str, *, instead: str) -> str:
    """`body` where it can be shown: no alert is lost for its words."""
    body = clean(body)[:MAX_BODY].strip()
    try:
        to_html(body)
    except Invalid:
        return instead
    return body or instead


def _is_of(token: ApiToken, incident: Incident) -> bool:
    """Whether nobody but this token, and the page itself, has written to it."""
    others = sa.select(Event.id).where(
        Event.subject == incident.public_id,
        Event.actor_kind != ActorKind.SYSTEM,
        sa.not_(sa.and_(Event.actor_kind == ActorKind.TOKEN, Event.actor_name == token.name)),
    )
    return db.session.scalar(sa.select(sa.not_(others.exists()))) is True
