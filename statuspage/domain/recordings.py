"""Recordings: a status page as another service last told it.

Pure. Values and what follows from them: which of two recordings of an incident is
the newer, and what an incident claimed of its components over time.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from statuspage.db import PUBLIC_ID_ALPHABET, PUBLIC_ID_LENGTH
from statuspage.domain.claims import Claim, Span
from statuspage.domain.status import ComponentStatus, Impact, IncidentKind, IncidentStatus


@dataclass(frozen=True)
class RecordedPage:
    """`public_id` and `time_zone` are None where a source does not tell them."""

    public_id: str | None
    name: str
    url: str | None
    time_zone: str | None


@dataclass(frozen=True)
class RecordedGroup:
    public_id: str
    name: str
    description: str | None
    position: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class RecordedComponent:
    public_id: str
    name: str
    description: str | None
    group_id: str | None
    position: int
    showcase: bool
    only_show_if_degraded: bool
    start_date: date | None
    created_at: datetime
    updated_at: datetime
    status: ComponentStatus


@dataclass(frozen=True)
class RecordedChange:
    """`component_id` with its `name` at that time."""

    component_id: str
    name: str
    old: ComponentStatus
    new: ComponentStatus


@dataclass(frozen=True)
class RecordedUpdate:
    public_id: str
    status: IncidentStatus
    body: str
    posted_at: datetime
    created_at: datetime
    updated_at: datetime
    notify: bool = False
    tweet_id: int | None = None
    custom_tweet: str | None = None
    changes: tuple[RecordedChange, ...] = ()


@dataclass(frozen=True)
class RecordedIncident:
    """An incident or maintenance; `updates` are oldest first.

    `is_brief` says that it comes from a feed: times of most updates are whole
    minutes, and nothing is told of components, impact and ids of updates.
    """

    public_id: str
    kind: IncidentKind
    name: str
    status: IncidentStatus
    impact: Impact
    started_at: datetime
    mitigated_at: datetime | None
    resolved_at: datetime | None
    scheduled_for: datetime | None
    scheduled_until: datetime | None
    created_at: datetime
    updated_at: datetime
    updates: tuple[RecordedUpdate, ...]
    shortlink: str | None = None
    reminder_intervals: str | None = None
    component_ids: tuple[str, ...] = ()
    """Components it names without saying anything about them, too."""
    is_brief: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Listing:
    """Everything a page showed at one moment.

    `is_whole` says that a component, or an unresolved incident, which is missing
    here was not on the page.
    """

    source: str
    at: datetime | None
    page: RecordedPage | None = None
    groups: tuple[RecordedGroup, ...] = ()
    components: tuple[RecordedComponent, ...] = ()
    incidents: tuple[RecordedIncident, ...] = ()
    is_whole: bool = False
    lists_components: bool = False


@dataclass(frozen=True)
class Unplaced:
    """Something a source held that has no home here, and why."""

    subject: str
    reason: str


def newest(versions: Iterable[RecordedIncident]) -> RecordedIncident:
    """What several recordings of one incident say together."""
    ordered = sorted(versions, key=lambda one: (one.is_brief, one.updated_at))
    found = ordered[0]
    for version in ordered[1:]:
        found = succeed(found, version)
    return found


def succeed(present: RecordedIncident, later: RecordedIncident) -> RecordedIncident:
    """`later` where it is at least as new; of a feed only what `present` lacks."""
    if not later.is_brief:
        return later if later.updated_at >= present.updated_at else present
    if later.updated_at <= present.updated_at.replace(microsecond=0):
        return present
    if present.is_brief:
        return later
    return _joined(present, later)


def _joined(present: RecordedIncident, brief: RecordedIncident) -> RecordedIncident:
    known = {(_minute(one.posted_at), one.status) for one in present.updates}
    missing = [one for one in brief.updates if (_minute(one.posted_at), one.status) not in known]
    updates = tuple(sorted((*present.updates, *missing), key=lambda one: one.posted_at))
    return replace(
        present,
        name=brief.name,
        status=brief.status,
        updated_at=brief.updated_at,
        updates=updates,
        mitigated_at=present.mitigated_at or brief.mitigated_at,
        resolved_at=(present.resolved_at or brief.resolved_at) if brief.status.is_over else None,
        scheduled_for=present.scheduled_for or brief.scheduled_for,
        scheduled_until=present.scheduled_until or brief.scheduled_until,
    )


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def over(incident: RecordedIncident, *, last_seen: datetime) -> RecordedIncident:
    """The incident, gone from its page after `last_seen` with its last words unrecorded."""
    maintenance = incident.kind is IncidentKind.MAINTENANCE
    ended = max(last_seen, incident.started_at)
    if incident.status is IncidentStatus.SCHEDULED and incident.scheduled_until is not None:
        ended = max(ended, incident.scheduled_until)
    return replace(
        incident,
        status=IncidentStatus.COMPLETED if maintenance else IncidentStatus.RESOLVED,
        resolved_at=ended,
    )


def spans(
    incident: RecordedIncident, caps: Mapping[str, tuple[ComponentStatus, datetime]]
) -> dict[str, list[Span]]:
    """Component id → what the incident claimed of it, oldest first, without gaps of zero length.

    `caps` tells, for a component, a status which its page showed from some moment
    on: an incident that claims worse is believed until then.
    """
    found: dict[str, list[Span]] = {}
    for component_id, said in _said(incident).items():
        pieces = _pieces(said, incident)
        if component_id in caps and pieces and pieces[-1].ends_at is None:
            pieces = _capped(pieces, *caps[component_id])
        kept = [one for one in pieces if one.claim.status is not ComponentStatus.OPERATIONAL]
        if kept:
            found[component_id] = kept
    return found


def _said(incident: RecordedIncident) -> dict[str, list[tuple[datetime, ComponentStatus]]]:
    """Component id → (since when, status) in order of time."""
    found: dict[str, list[tuple[datetime, ComponentStatus]]] = {}
    held: dict[str, ComponentStatus] = {}
    for number, update in enumerate(incident.updates):
        since = update.posted_at
        if number == 0 and incident.kind is IncidentKind.INCIDENT:
            since = min(since, incident.started_at)
        for change in update.changes:
            held[change.component_id] = change.new
        for component_id, status in held.items():
            said = status if update.status.claims else ComponentStatus.OPERATIONAL
            found.setdefault(component_id, []).append((since, said))
    return found


def _pieces(
    said: Sequence[tuple[datetime, ComponentStatus]], incident: RecordedIncident
) -> list[Span]:
    end = incident.resolved_at or incident.updated_at if incident.status.is_over else None
    found: list[Span] = []
    following = [since for since, _ in said[1:]]
    for (since, status), until in zip(said, [*following, end], strict=True):
        if end is not None:
            until = min(until or end, end)
        if until is not None and until <= since:
            continue
        if found and found[-1].claim.status is status and found[-1].ends_at == since:
            found[-1] = replace(found[-1], ends_at=until)
        else:
            found.append(Span(Claim(status), since, until))
    return found


def _capped(pieces: list[Span], shown: ComponentStatus, since: datetime) -> list[Span]:
    last = pieces[-1]
    if last.claim.status.severity <= shown.severity:
        return pieces
    since = max(since, last.starts_at)
    ended = [replace(last, ends_at=since)] if since > last.starts_at else []
    return [*pieces[:-1], *ended, Span(Claim(shown), since)]


def newest_words(incident: RecordedIncident) -> dict[str, ComponentStatus]:
    """Component id → what was said of it last while the incident lasted."""
    found: dict[str, ComponentStatus] = {}
    for update in incident.updates:
        for change in update.changes:
            if not update.status.is_over:
                found[change.component_id] = change.new
            else:
                found.setdefault(change.component_id, change.old)
    return {**dict.fromkeys(incident.component_ids, ComponentStatus.OPERATIONAL), **found}


def derived_id(*of: str) -> str:
    """A public id for what had none: always the same for the same words."""
    number = int.from_bytes(hashlib.sha256("\n".join(of).encode()).digest())
    letters = []
    for _ in range(PUBLIC_ID_LENGTH):
        number, rest = divmod(number, len(PUBLIC_ID_ALPHABET))
        letters.append(PUBLIC_ID_ALPHABET[rest])
    return "".join(letters)
