"""What the public pages explain beside what the views say: how updates follow from one another,
figures of an incident, corrections in words, quiet days folded, what an uptime is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import groupby

from statuspage.domain.claims import Claim
from statuspage.domain.incidents.search import IMPLIED
from statuspage.domain.statuses import (
    ComponentStatus,
    Impact,
    IncidentKind,
    IncidentStatus,
    worst,
)
from statuspage.domain.uptime import Day
from statuspage.page.html import charts
from statuspage.page.html import formatting as wording
from statuspage.page.html.formatting import Times
from statuspage.page.snapshot.values import (
    IncidentRef,
    IncidentView,
    Snapshot,
    Strip,
    UpdateView,
)

OUTAGES = (ComponentStatus.PARTIAL_OUTAGE, ComponentStatus.MAJOR_OUTAGE)

FOLDED_FROM = 8
"""More updates than that, and all but the newest are folded."""
LATEST_SHOWN = 5

CORRECTED = {
    "started_at": "Start",
    "detected_at": "Detection",
    "told_at": "First update",
    "mitigated_at": "Mitigation",
    "resolved_at": "End",
    "scheduled_for": "Planned start",
    "scheduled_until": "Planned end",
    "name": "Name",
    "impact": "Impact",
    "who_is_affected": "Who is affected",
    "what_still_works": "What still works",
    "what_you_can_do": "What you can do",
}


@dataclass(frozen=True)
class StatusChange:
    """What an update changed, in words; components with the same change share it."""

    names: tuple[str, ...]
    old: str
    new: str
    because_of: IncidentRef | None = None
    """The other incident that holds it at `new`."""


@dataclass(frozen=True)
class TimelineEntry:
    """An update with what follows from those before it."""

    update: UpdateView
    tone: str
    moves: tuple[StatusChange, ...]


def timeline(incident: IncidentView, limit: int | None = None) -> list[TimelineEntry]:
    """The updates, newest first, at most `limit`."""
    present: dict[str, Claim] = {}
    entries: list[TimelineEntry] = []
    for update in reversed(incident.updates):
        moves: dict[tuple[str, str, IncidentRef | None], list[str]] = {}
        for change in update.changes:
            before = present.get(change.component_id, Claim(change.old_status))
            present[change.component_id] = change.claim
            if before != change.claim or change.because_of:
                old, new = wording.claim(before), wording.claim(change.claim)
                moves.setdefault((old, new, change.because_of), []).append(change.name)
        stands = worst(claim.status for claim in present.values())
        tone = wording.tone_of_step(update.status, stands)
        changes = (StatusChange(tuple(names), *move) for move, names in moves.items())
        entries.append(TimelineEntry(update, tone, tuple(changes)))
    return entries[::-1][:limit]


def folded_timeline(
    incident: IncidentView,
) -> tuple[list[TimelineEntry], list[list[TimelineEntry]]]:
    """The newest updates of a long incident, and the older ones by step, newest first."""
    entries = timeline(incident)
    shown = len(entries) if len(entries) <= FOLDED_FROM else LATEST_SHOWN
    steps = groupby(entries[shown:], key=lambda entry: entry.update.status)
    return entries[:shown], [list(older) for _, older in steps]


def tone_of(incident: IncidentView) -> str:
    """Of its latest step."""
    return wording.tone_of_step(incident.status, incident.worst.status)


def severity(incident: IncidentView) -> tuple[str, str]:
    """How bad it was at its worst: tone and words. The impact, where no component was named."""
    if incident.kind is IncidentKind.MAINTENANCE:
        is_off = incident.status is IncidentStatus.CANCELLED
        return ("none", "Cancelled maintenance") if is_off else ("maint", "Planned maintenance")
    if incident.peak.status is ComponentStatus.OPERATIONAL:
        if incident.impact is Impact.NONE:
            return "none", "No component affected"
        return wording.TONES[IMPLIED[incident.impact]], f"{incident.impact.label} impact"
    return wording.TONES[incident.peak.status], wording.extent(incident.peak)


def summary(incidents: Sequence[IncidentView]) -> str:
    """`6 incidents, 3 with an outage · 2 planned`; empty where there were none."""
    unplanned = [incident for incident in incidents if incident.kind is IncidentKind.INCIDENT]
    outages = sum(incident.peak.status in OUTAGES for incident in unplanned)
    parts = []
    if unplanned:
        number = wording.count(len(unplanned), "incident")
        if len(unplanned) == outages:
            parts.append(f"{number}, {'with an outage' if outages == 1 else 'all with an outage'}")
        else:
            parts.append(f"{number}, {f'{outages} with an outage' if outages else 'no outage'}")
    if planned := len(incidents) - len(unplanned):
        parts.append(f"{planned} planned")
    return " · ".join(parts)


def figures(incident: IncidentView, strips: Sequence[Strip] = ()) -> list[tuple[str, str]]:
    """The figures of an incident that have a value: heading and value. None for maintenance."""
    if incident.kind is IncidentKind.MAINTENANCE:
        return []

    def until(moment: datetime) -> str:
        return wording.brief(max(moment - incident.started_at, timedelta(0)))

    figures = []
    if incident.detected_at:
        figures.append(("Detected after", until(incident.detected_at)))
    if incident.is_backfilled:
        figures.append(("First update", "recorded later"))
    elif incident.told_at:
        figures.append(("First update after", until(incident.told_at)))
    if incident.resolved_at:
        down = _outage(incident, strips, incident.resolved_at)
        if timedelta(0) < down < incident.resolved_at - incident.started_at:
            figures.append(("Outage lasted", wording.brief(down)))
        figures.append(("Restored after", until(incident.resolved_at)))
    if incident.promises_made:
        promised = f"{incident.promises_kept} of {incident.promises_made}"
        figures.append(("Promised updates on time", promised))
    return figures


def _outage(incident: IncidentView, strips: Sequence[Strip], end: datetime) -> timedelta:
    """How long at least one of its components had an outage, from its start to its end."""
    outages = sorted(
        (max(part.starts_at, incident.started_at), min(part.ends_at, end))
        for strip in strips
        for part in strip.parts
        if part.claim.status in OUTAGES
    )
    total, until = timedelta(0), incident.started_at
    for begin, finish in outages:
        total += max(finish - max(begin, until), timedelta(0))
        until = max(until, finish)
    return total


@dataclass(frozen=True)
class Corrected:
    """A correction in words; moments as they are, for `<time>`."""

    what: str
    old: object
    new: object
    is_moment: bool
    reason: str | None


def corrections(incident: IncidentView) -> list[Corrected]:
    """What was corrected later, field by field."""
    rows = []
    for correction in incident.corrections:
        is_moment = correction.field.endswith("_at") or correction.field.startswith("scheduled_")
        old, new = (
            datetime.fromisoformat(value) if value and is_moment else value
            for value in (correction.old, correction.new)
        )
        label = CORRECTED.get(correction.field, correction.field.replace("_", " ").capitalize())
        rows.append(Corrected(label, old, new, is_moment, correction.reason))
    return rows


@dataclass(frozen=True)
class PastDay:
    """A day with incidents, or several quiet days in a row."""

    heading: str
    incidents: tuple[IncidentView, ...]
    is_today: bool = False


def folded(snapshot: Snapshot) -> list[PastDay]:
    """The days of the front page, newest first."""
    times = Times(snapshot.page.zone, snapshot.at)
    days_found: list[PastDay] = []
    quiet: list[date] = []

    def fold() -> None:
        if quiet:
            heading = times.stretch(quiet[0], quiet[-1]) if quiet[1:] else times.day(quiet[0])
            days_found.append(PastDay(heading, ()))
            quiet.clear()

    for day, incidents in snapshot.past:
        if day == times.today:
            days_found.append(PastDay("Today", incidents, is_today=True))
        elif incidents:
            fold()
            days_found.append(PastDay(times.day(day), incidents))
        else:
            quiet.append(day)
    fold()
    return days_found


@dataclass(frozen=True)
class UptimeCalculation:
    """What an uptime figure is made of."""

    length: str
    down: str
    not_counted: str | None
    without_data: int


def uptime_calculation(days: Sequence[Day]) -> UptimeCalculation:
    """What the uptime of these days is made of."""
    harmless = (ComponentStatus.DEGRADED_PERFORMANCE, ComponentStatus.UNDER_MAINTENANCE)
    excluded = [
        f"{charts.length(total)} of {status.label.lower()}"
        for status in harmless
        if (total := sum((day.seconds.get(status, Fraction(0)) for day in days), Fraction(0)))
    ]
    seconds = sum(day.length_s for day in days)
    down = sum((day.downtime_s for day in days), Fraction(0))
    return UptimeCalculation(
        length=f"{sum(day.has_data for day in days)} days ({seconds:,} s)",
        down=f"{charts.length(down)} ({float(down):,.1f} s)" if down else "none",
        not_counted=" and ".join(excluded) or None,
        without_data=sum(not day.has_data for day in days),
    )
