"""Alerts of monitoring tools, and the incidents that they open and end.

An alert is known by its fingerprint: however often a tool sends it, it is one row and opens
at most one incident. What a tool calls over ends nothing before it has been quiet for
`QUIET`, so that an alert that comes and goes tells customers nothing each time. An incident
that anybody else has written to is theirs: alerts only add to its record from then on.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from itertools import groupby
from operator import attrgetter

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from statuspage.db import Model, db
from statuspage.domain import page_settings
from statuspage.domain.claims import Claim
from statuspage.domain.components import verbs as components
from statuspage.domain.components.models import Component
from statuspage.domain.components.names import ComponentNames
from statuspage.domain.events import Actor, ActorKind, Event
from statuspage.domain.incidents import drafts, models, updates
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Incident, UpdateInput
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
FORGOTTEN_AFTER = timedelta(hours=25)
"""A firing alert that its tool has not repeated for so long is over: a tool that was restarted
forgets alerts, and nothing ever says that they ended. Most repeat within four hours, some once a
day."""
MOST_OPEN = 25
"""Incidents of one token at a time. More of them are a mistake in the tool's grouping."""
KEPT_FOR = timedelta(days=90)

MAX_FINGERPRINT = 64
MAX_BODY = 2_000
MAX_UNKNOWN = 255
MAX_URL = 2_000
MAX_COMPONENTS = 20
"""In one report."""


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
    """Until when it is known to have fired: the last report, or the end that the tool gives."""
    quiet_since: Mapped[datetime | None]
    """When we heard that it is over; None while it is not."""
    settled_at: Mapped[datetime | None] = mapped_column(index=True)
    """When that was acted on."""


@dataclass(frozen=True)
class AlertGroup:
    """Alerts that a tool sends together: they become one incident."""

    key: str
    name: str = ""
    """Of the incident; empty: the name of its alerts."""
    body: str = ""
    """The incident's first update, Markdown; empty: that of its first alert."""
    is_over: bool = False
    """No alert of the group fires any more, also none that this message leaves out."""


@dataclass(frozen=True)
class AlertReport:
    """One alert as a tool sends it, bounded and without characters that nobody can store."""

    fingerprint: str
    group: AlertGroup
    name: str
    is_firing: bool
    status: ComponentStatus | None
    """What it claims for its components; None: it is no outage and opens nothing."""
    components: str = ""
    """Public ids or names, separated by commas; a name may have commas itself."""
    body: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    source_url: str | None = None


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


def receive(reports: Sequence[AlertReport], *, token: ApiToken, at: datetime) -> Incident | None:
    """Write down what is new; return the last incident opened, reopened or added to, if any.

    A draft, unless the token may publish. Raises `TooManyOpenError`, and
    `sqlalchemy.exc.IntegrityError` if another request brings the same alert at the same time:
    a second attempt finds it known.
    """
    opening: list[tuple[AlertReport, Alert | None]] = []
    for news, report, row in _news(reports, token, at):
        if row is not None and news is _News.QUIET:
            row.quiet_since, row.seen_at = at, _end(row, report, at)
        elif row is not None and (news is _News.SEEN or _goes_on(row)):
            row.seen_at, row.quiet_since, row.settled_at = at, None, None
        elif report is not None:
            opening.append((report, row))
    incident = None
    for _, alerts in groupby(opening, key=lambda pair: pair[0].group.key):
        incident = _open(list(alerts), token, at)
    return incident


def is_news(reports: Sequence[AlertReport], *, token: ApiToken, at: datetime) -> bool:
    """Whether `receive` would write anything: most repetitions of an alert say nothing new."""
    return bool(_news(reports, token, at))


def due_to_resolve(*, at: datetime) -> list[str]:
    """Public ids of incidents of which every alert has been quiet for `QUIET`, or is forgotten."""
    is_quiet = sa.or_(Alert.quiet_since <= at - QUIET, _is_forgotten(at))
    query = (
        sa.select(Incident.public_id)
        .join(Alert, Alert.incident_id == Incident.id)
        .where(Alert.settled_at.is_(None))
        .group_by(Incident.id, Incident.public_id)
        .having(sa.func.count() == sa.func.sum(sa.case((is_quiet, 1), else_=0)))
        .order_by(Incident.id)
    )
    return list(db.session.scalars(query))


def resolve_quiet(public_id: str, *, at: datetime) -> bool:
    """Draw the consequence for one incident; false where it is not due, or somebody else did.

    It was over when its last alert was, not when we heard of it or had waited for `QUIET`.

    A draft is thrown away, an incident is resolved. Either stays as it is once anybody but
    the tool has touched it.
    """
    incident = incidents.get(public_id)
    if incident is None:
        return False
    updates.lock(incident)
    rows = of_incident(incident)
    if not all(_is_quiet(row, at) for row in rows):
        return False
    waiting = [row for row in rows if row.settled_at is None]
    if not waiting:
        return False
    for row in waiting:
        row.quiet_since, row.settled_at = row.quiet_since or at, at
    token = db.session.get(ApiToken, waiting[0].token_id)
    if token is None or not _is_of(token, incident):
        return True
    if incident.is_draft:
        drafts.delete(incident, by=token.actor, at=at)
    elif not incident.is_over and incident.retracted_at is None:
        since = max(row.seen_at for row in rows)
        body = f"Our monitoring has seen no trouble since {_on_page(since, at)}."
        update = UpdateInput(IncidentStatus.RESOLVED, body, is_automatic=True)
        incidents.post_update(incident, update, by=token.actor, at=at, ended_at=since)
    return True


def delete_old(*, at: datetime) -> int:
    """Let go of alerts that have been over or forgotten for `KEPT_FOR`; how many they were."""
    result = db.session.execute(
        sa.delete(Alert)
        .where(Alert.seen_at < at - KEPT_FOR)
        .execution_options(synchronize_session=False)
    )
    return result.rowcount  # type: ignore[attr-defined, no-any-return]


# ── finders ────────────────────────────────────────────────────────────────────


def of_incident(incident: Incident) -> list[Alert]:
    """Those that opened it or were added to it, oldest first."""
    query = sa.select(Alert).where(Alert.incident_id == incident.id)
    return list(db.session.scalars(query.order_by(Alert.started_at, Alert.id)))


def firing_of(incidents: Sequence[Incident]) -> dict[int, bool]:
    """Of those (by row id) that alerts are behind: whether one of them still fires."""
    if not incidents:
        return {}
    query = (
        sa.select(Alert.incident_id, sa.func.count() > sa.func.count(Alert.quiet_since))
        .where(Alert.incident_id.in_([incident.id for incident in incidents]))
        .group_by(Alert.incident_id)
    )
    rows = db.session.execute(query)
    return {row_id: bool(fires) for row_id, fires in rows if row_id is not None}


def ends_by_itself(incident: Incident) -> bool:
    """Whether it will be ended once all of its alerts are quiet."""
    query = sa.select(ApiToken).join(Alert, Alert.token_id == ApiToken.id)
    token = db.session.scalars(query.where(Alert.incident_id == incident.id)).first()
    is_open = not incident.is_over and incident.retracted_at is None
    return is_open and token is not None and _is_of(token, incident)


# ── helpers ────────────────────────────────────────────────────────────────────


def _news(
    reports: Sequence[AlertReport], token: ApiToken, at: datetime
) -> list[tuple[_News, AlertReport | None, Alert | None]]:
    """What is new, each with its report and its row; no report where a whole group is over."""
    by_fingerprint = {report.fingerprint: report for report in reports}
    over = {report.group.key for report in reports if report.group.is_over}
    query = sa.select(Alert).where(
        Alert.token_id == token.id,
        sa.or_(
            Alert.fingerprint.in_(by_fingerprint),
            sa.and_(Alert.group_key.in_(over), Alert.quiet_since.is_(None)),
        ),
    )
    rows = {row.fingerprint: row for row in db.session.scalars(query)}
    found: list[tuple[_News, AlertReport | None, Alert | None]] = []
    for fingerprint, report in by_fingerprint.items():
        row = rows.pop(fingerprint, None)
        if news := _news_of(report, row, at):
            found.append((news, report, row))
    return found + [(_News.QUIET, None, row) for row in rows.values()]


def _news_of(report: AlertReport, row: Alert | None, at: datetime) -> _News | None:
    if row is None:
        return _News.NEW if report.is_firing and report.status is not None else None
    if not report.is_firing:
        return _News.QUIET if row.quiet_since is None else None
    if report.status is None:
        return None
    if row.quiet_since is not None:
        return _News.BACK
    return _News.SEEN if row.seen_at <= at - NOTED_EVERY else None


def _end(row: Alert, report: AlertReport | None, at: datetime) -> datetime:
    """When an alert was over: as its tool says, else when we heard of it."""
    ended_at = report.ended_at if report else None
    return ended_at if ended_at is not None and row.started_at <= ended_at <= at else at


def _is_quiet(row: Alert, at: datetime) -> bool:
    if row.quiet_since is None:
        return row.seen_at <= at - FORGOTTEN_AFTER
    return row.quiet_since <= at - QUIET


def _is_forgotten(at: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(Alert.quiet_since.is_(None), Alert.seen_at <= at - FORGOTTEN_AFTER)


def _goes_on(row: Alert) -> bool:
    """Whether an alert that is back belongs to an incident that is not over."""
    incident = db.session.get(Incident, row.incident_id) if row.incident_id else None
    return incident is not None and incident.retracted_at is None and not incident.is_over


def _open(
    alerts: Sequence[tuple[AlertReport, Alert | None]], token: ApiToken, at: datetime
) -> Incident:
    """Open an incident for the alerts of a group, or add them to the one that it has."""
    reports = [report for report, _ in alerts]
    claims, unknown = _claims_of(reports)
    began = min(_began(report, at) for report in reports)
    group = reports[0].group
    incident = _again([row for _, row in alerts if row], token, at) or _open_of_group(group, token)
    if incident is None:
        _check_number(token)
        update = UpdateInput(
            IncidentStatus.INVESTIGATING, _body_of(reports), claims, is_automatic=True
        )
        open_it = incidents.open_incident if token.may(Scope.ALERTS_PUBLISH) else drafts.create
        incident = open_it(
            _name_of(reports),
            update,
            by=token.actor,
            at=at,
            started_at=began,
            detected_at=at,
        )
    elif _is_of(token, incident):
        _add(incident, reports, claims, token.actor, at, began)
    for report, row in alerts:
        if row is None:
            row = Alert(token_id=token.id, fingerprint=report.fingerprint)
            db.session.add(row)
        row.group_key, row.name, row.source_url = group.key, report.name, report.source_url
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


def _open_of_group(group: AlertGroup, token: ApiToken) -> Incident | None:
    query = (
        sa.select(Incident)
        .join(Alert, Alert.incident_id == Incident.id)
        .where(
            Alert.token_id == token.id,
            Alert.group_key == group.key,
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
    reports: Sequence[AlertReport],
    claims: dict[Component, Claim],
    by: Actor,
    at: datetime,
    began: datetime,
) -> None:
    """Say what more there is, in the draft or as an update."""
    updates.lock(incident)
    present = {} if incident.is_over else incident.claims
    for component, claim in claims.items():
        _worsen(present, component, claim)
    if incident.is_draft:
        update = UpdateInput(incident.status, incident.updates[-1].body, present)
        drafts.edit(incident, incident.name, update, by=by, at=at)
        return
    names = ", ".join(dict.fromkeys(report.name for report in reports))
    again = "again" if incident.is_over else "also"
    update = UpdateInput(
        IncidentStatus.INVESTIGATING if incident.is_over else incident.status,
        _sayable(f"Our monitoring {again} reports: {names}", instead=f"Trouble {again}."),
        present,
        is_automatic=True,
    )
    since = max(began, incident.started_at)
    incidents.post_update(incident, update, by=by, at=at, since=since)


def _claims_of(reports: Sequence[AlertReport]) -> tuple[dict[Component, Claim], dict[str, str]]:
    """The worst claim on each component; fingerprint → what names no component of the page."""
    names = ComponentNames(components.listed())
    claims: dict[Component, Claim] = {}
    unknown = {}
    for report in reports:
        matched, lost = names.find_all(report.components, between=",", most=MAX_COMPONENTS)
        for component in matched:
            if report.status is not None:
                _worsen(claims, component, Claim(report.status))
        if lost:
            unknown[report.fingerprint] = ", ".join(lost)[:MAX_UNKNOWN]
    return claims, unknown


def _worsen(claims: dict[Component, Claim], component: Component, claim: Claim) -> None:
    """Put it among the claims, unless a worse one is there."""
    claims[component] = max(claim, claims.get(component, claim), key=attrgetter("rank"))


def _name_of(reports: Sequence[AlertReport]) -> str:
    shared = reports[0].group.name
    names = list(dict.fromkeys(report.name for report in reports))
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return (shared or names[0])[: models.MAX_NAME - len(more)] + ("" if shared else more)


def _body_of(reports: Sequence[AlertReport]) -> str:
    body = reports[0].group.body or next((report.body for report in reports if report.body), "")
    return _sayable(body, instead="Our monitoring reports trouble. We are investigating.")


def _on_page(moment: datetime, at: datetime) -> str:
    """`14:02 CET` in the page's zone, with the day where it is another one than that of `at`."""
    page = page_settings.get()
    zone = page.zone if page else UTC
    moment = moment.astimezone(zone)
    name = moment.tzname() or "UTC"
    name = name if name[0].isalpha() else f"UTC{name}"
    day = "" if moment.date() == at.astimezone(zone).date() else f"{moment.day} {moment:%B}, "
    return f"{day}{moment:%H:%M} {name}"


def _sayable(body: str, *, instead: str) -> str:
    """`body` where it can be shown: no alert is lost for its words."""
    body = clean(body).strip()
    body = body if len(body) <= MAX_BODY else f"{body[: MAX_BODY - 1].rstrip()}…"
    # Typed as it is where a link in it leads nowhere, such as to a runbook's path.
    for words in (body, re.sub(r"([\[\]<>])", r"\\\1", body)):
        with suppress(Invalid):
            to_html(words)
            return words or instead
    return instead


def _is_of(token: ApiToken, incident: Incident) -> bool:
    """Whether nobody but this token, and the page itself, has written to it."""
    others = sa.select(Event.id).where(
        Event.subject == incident.public_id,
        Event.actor_kind != ActorKind.SYSTEM,
        sa.not_(sa.and_(Event.actor_kind == ActorKind.TOKEN, Event.actor_name == token.name)),
    )
    return db.session.scalar(sa.select(sa.not_(others.exists()))) is True
