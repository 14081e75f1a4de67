"""Uptime: how much of a window a component was up, and why.

Pure. Works on the intervals of `claims`, by calendar day of the page's zone.
Downtime is every second of a major outage, plus the stated share (0.3 where none
was stated) of every second of a partial outage; degraded performance and
maintenance count zero. Percentages are truncated to two decimals, as Statuspage
does, so that imported history keeps its figures. Today counts as a whole day.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from statuspage.domain.claims import Interval, Span, intervals
from statuspage.domain.statuses import ComponentStatus

_MICROSECOND = timedelta(microseconds=1)
_NONE = Fraction(0)


class Window(StrEnum):
    """The windows of a Statuspage page. Two of them hold a day more than their name says."""

    NINETY = "ninety"
    SIXTY = "sixty"
    THIRTY = "thirty"

    @property
    def days(self) -> int:
        return {Window.NINETY: 90, Window.SIXTY: 61, Window.THIRTY: 31}[self]


@dataclass(frozen=True)
class Day:
    """One calendar day of one component.

    `length_s` is 23, 24 or 25 hours in seconds, 0 for a day without data.
    `downtime_s` is weighted and exact; `seconds` tells the unweighted seconds in
    each status that was not operational.
    """

    date: date
    length_s: int
    downtime_s: Fraction
    seconds: dict[ComponentStatus, Fraction]
    worst: ComponentStatus
    parts: tuple[Interval, ...]
    """The intervals that were not operational, cut at midnight."""

    @property
    def has_data(self) -> bool:
        return self.length_s > 0


@lru_cache(maxsize=4096)
def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of that calendar day, in UTC."""
    # fold=0 and a round trip: where midnight does not exist, the day begins after the gap.
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def days(
    spans: Sequence[Span],
    *,
    last: date,
    count: int,
    zone: ZoneInfo,
    at: datetime,
    start_date: date | None = None,
) -> list[Day]:
    """`count` days up to and including `last`, oldest first.

    Days before `start_date` have no data. Nothing after `at` counts as down.
    """
    first = last - timedelta(days=count - 1)
    clear, starts = _frame(first, count, zone)
    days_found = list(clear)
    if start_date is not None:
        for offset in range(min((start_date - first).days, count)):
            days_found[offset] = _no_data(first + timedelta(days=offset))
    troubled: dict[int, list[Interval]] = {}
    for part in intervals(spans, starts[0], min(starts[-1], at)):
        if part.claim.status is not ComponentStatus.OPERATIONAL:
            touched = range(
                bisect_right(starts, part.starts_at) - 1, bisect_left(starts, part.ends_at)
            )
            for offset in touched:
                troubled.setdefault(offset, []).append(part)
    for offset, parts in troubled.items():
        if days_found[offset].has_data:
            days_found[offset] = _day(
                days_found[offset].date, parts, starts[offset], starts[offset + 1]
            )
    return days_found


def percentage(of: Sequence[Day]) -> Decimal | None:
    """Uptime over these days, 0–100 with two decimals, truncated; None without data."""
    length = sum([day.length_s for day in of])
    if length == 0:
        return None
    # Fractions are slow and most days have no downtime.
    downtimes = [day.downtime_s for day in of if day.parts]
    return _percent(sum(downtimes[1:], downtimes[0]) if downtimes else _NONE, length)


@dataclass(frozen=True)
class Period:
    """Any stretch of time: unweighted seconds of outages, and the uptime in percent."""

    major_s: Fraction
    partial_s: Fraction
    uptime: Decimal
    """0–100 with two decimals, truncated."""


def period(spans: Sequence[Span], start: datetime, end: datetime, *, at: datetime) -> Period:
    """From `start` until before `end`, which must lie after it. Nothing after `at` is down."""
    seconds, downtime = _weigh(intervals(spans, start, min(end, at)))
    return Period(
        major_s=seconds.get(ComponentStatus.MAJOR_OUTAGE, Fraction(0)),
        partial_s=seconds.get(ComponentStatus.PARTIAL_OUTAGE, Fraction(0)),
        uptime=_percent(downtime, _seconds(end - start)),
    )


def _day(day: date, troubled: Iterable[Interval], begin: datetime, finish: datetime) -> Day:
    """`troubled` in the order of time; all of it touches the day."""
    parts = tuple(
        Interval(part.claim, max(part.starts_at, begin), min(part.ends_at, finish))
        for part in troubled
    )
    seconds, downtime = _weigh(parts)
    return Day(
        date=day,
        length_s=int((finish - begin).total_seconds()),
        downtime_s=downtime,
        seconds=seconds,
        worst=max(seconds, key=lambda status: status.severity),
        parts=parts,
    )


def _weigh(parts: Iterable[Interval]) -> tuple[dict[ComponentStatus, Fraction], Fraction]:
    """Seconds in each status, and the weighted downtime of all, in seconds."""
    seconds: dict[ComponentStatus, Fraction] = {}
    downtimes = []
    for part in parts:
        claim, length = part.claim, _seconds(part.ends_at - part.starts_at)
        before = seconds.get(claim.status)
        seconds[claim.status] = length if before is None else before + length
        if weight := claim.weight:
            downtimes.append(length if weight == 1 else length * weight)
    return seconds, sum(downtimes[1:], downtimes[0]) if downtimes else _NONE


def _percent(downtime: Fraction, length: Fraction | int) -> Decimal:
    """What is left of `length` (both in seconds): 0–100 with two decimals, truncated."""
    # 1 − downtime ÷ length in whole numbers: a page shows thousands of these.
    up = length.numerator * downtime.denominator - downtime.numerator * length.denominator
    return Decimal(up * 10_000 // (length.numerator * downtime.denominator)) / 100


@lru_cache(maxsize=64)
def _frame(first: date, count: int, zone: ZoneInfo) -> tuple[list[Day], list[datetime]]:
    """`count` days without trouble; where each begins and, last, where they end."""
    dates = [first + timedelta(days=offset) for offset in range(count + 1)]
    starts = [day_start(day, zone) for day in dates]
    lengths = [int((end - begin).total_seconds()) for begin, end in pairwise(starts)]
    operational = ComponentStatus.OPERATIONAL
    clear = [
        Day(day, length, Fraction(0), {}, operational, ())
        for day, length in zip(dates, lengths, strict=False)
    ]
    return clear, starts


def _no_data(day: date) -> Day:
    return Day(day, 0, Fraction(0), {}, ComponentStatus.OPERATIONAL, ())


def _seconds(length: timedelta) -> Fraction:
    return Fraction(length // _MICROSECOND, 1_000_000)
