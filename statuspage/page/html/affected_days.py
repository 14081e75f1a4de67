"""The days of a component that were not operational: how long, and because of which incidents."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction

from statuspage.domain.statuses import ComponentStatus
from statuspage.domain.uptime import Day
from statuspage.page.snapshot.values import Cause, IncidentRef


@dataclass(frozen=True)
class Happening:
    """From when to when an incident claimed trouble of the component; None: set manually."""

    incident: IncidentRef | None
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class AffectedDay:
    date: date
    lengths: tuple[tuple[ComponentStatus, Fraction], ...]
    """Seconds in each status, the worst first."""
    happenings: tuple[Happening, ...]
    """The earliest first."""


def affected_days(days: Sequence[Day], causes: Sequence[Cause]) -> list[AffectedDay]:
    """Newest first."""
    extents: dict[IncidentRef | None, list[Happening]] = {}
    for cause in sorted(causes, key=lambda cause: cause.interval.starts_at):
        part = cause.interval
        for incident in cause.incidents or (None,):
            happenings = extents.setdefault(incident, [])
            # What was set manually twice is two things; an incident is one.
            if happenings and (incident or happenings[-1].ends_at == part.starts_at):
                happenings[-1] = Happening(incident, happenings[-1].starts_at, part.ends_at)
            else:
                happenings.append(Happening(incident, part.starts_at, part.ends_at))
    every = [happening for happenings in extents.values() for happening in happenings]
    return [
        AffectedDay(
            day.date,
            tuple(sorted(day.seconds.items(), key=lambda item: -item[0].severity)),
            tuple(
                sorted(
                    (happening for happening in every if _touches(happening, day)),
                    key=lambda happening: happening.starts_at,
                )
            ),
        )
        for day in reversed(days)
        if day.parts
    ]


def _touches(happening: Happening, day: Day) -> bool:
    return any(
        part.starts_at < happening.ends_at and happening.starts_at < part.ends_at
        for part in day.parts
    )
