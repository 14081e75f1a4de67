"""Drawings of the public pages: where each day and each stretch of time stands, and its words.

Pure geometry; the templates write it as SVG. What differs from a good day is listed,
the good days are one pattern.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from statistics import median
from urllib.parse import quote

from statuspage.domain.claims import Interval
from statuspage.domain.statuses import ComponentStatus
from statuspage.domain.uptime import Day, Window
from statuspage.lib.bidi import isolated
from statuspage.page.html import formatting as wording
from statuspage.page.html.formatting import TONES, Times
from statuspage.page.snapshot.values import (
    CalendarMonth,
    ComponentView,
    IncidentView,
    MetricView,
    MonthTally,
    Strip,
)

STEP = 10
"""Width of a day in the drawing of a bar, gap included."""
GAP = 3
TARGET_DAYS = 4
"""At least 24 px on every screen: a day is 7.5 to 11 px wide."""
DAYS_PER_TARGET = 7
"""Longer rows of days that differ are cut into targets of at least that many days."""
CELL = 12
"""Width and height of a day in the drawing of a month, gap included."""
GAP = 2
LABEL_GAP = 14
"""Labels of a strip that are closer than this, in percent of its width, would overlap."""
TICK_GAP = 2
"""Ticks of a strip that are closer would become a black block: 6 px on a phone."""

LINE_HEIGHT = 40
"""Of the drawing of a metric; its width is the number of slots, less one."""
BRIDGED = 4
"""Slots that a line is always drawn across; more where a program sends more seldom."""

GLYPHS = {
    "ok": (
        "M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0Zm3.7 6.2-4.4 4.6a.9.9 0 0 1-1.3 0L4.2 8.9a.9.9 0"
        " 1 1 1.3-1.2l1.2 1.2 3.7-3.9a.9.9 0 0 1 1.3 1.2Z"
    ),
    "degraded": (
        "M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0ZM4.3 8.9a.9.9 0 1 1 0-1.8h7.4a.9.9 0 1 1 0 1.8Z"
    ),
    "partial": (
        "M6.6 1.2a1.6 1.6 0 0 1 2.8 0l6.3 11.3a1.6 1.6 0 0 1-1.4 2.4H1.7a1.6 1.6 0 0 1-1.4"
        "-2.4ZM8 5a.9.9 0 0 0-.9.9v3a.9.9 0 1 0 1.8 0v-3A.9.9 0 0 0 8 5Zm0 6.2a1 1 0 1 0 0 2"
        " 1 1 0 0 0 0-2Z"
    ),
    "major": (
        "M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0Zm3.2 10a.9.9 0 1 1-1.3 1.3L8 9.3l-1.9 2A.9.9 0 1"
        " 1 4.8 10l2-2-2-1.9a.9.9 0 1 1 1.3-1.3l1.9 2 1.9-2a.9.9 0 1 1 1.3 1.3l-2 1.9Z"
    ),
    "maint": (
        "M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0Zm.9 8.4 2.4 2.4a.9.9 0 1 1-1.3 1.3L7.4 9.5a.9.9 0"
        " 0 1-.3-.7V4a.9.9 0 1 1 1.8 0Z"
    ),
    "none": ("M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0Zm0 1.8a6.2 6.2 0 1 1 0 12.4A6.2 6.2 0 0 1 8 1.8Z"),
}
"""Tone → the outline of its sign, in a square of 16. A status is never told by colour alone."""

ICON_FILLS = {
    "ok": "#35a56d",
    "degraded": "#e8b931",
    "partial": "#f0803c",
    "major": "#d6392f",
    "maint": "#6f8fe8",
    "none": "#8d8f95",
}
"""Tone → the colour of its sign in a tab, which may be light or dark."""


def icon(tone: str) -> str:
    """The sign of a tone as SVG, quoted for a `data:` address."""
    svg = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
        f"<path fill='{ICON_FILLS[tone]}' d='{GLYPHS[tone]}'/></svg>"
    )
    return quote(svg, safe=" ='/:")


@dataclass(frozen=True)
class Mark:
    """A day that differs, where it stands in its drawing, and what happened."""

    x: int
    y: int
    tone: str
    title: str


@dataclass(frozen=True)
class Target:
    """What the pointer meets in a bar: a day that differs, or several that are close together."""

    x: int
    width: int
    newest: date
    days: int
    title: str
    within: str
    """`o60`, `o30`: older than the days that a narrow bar shows; empty for the newest."""


@dataclass(frozen=True)
class Bar:
    """Days in one line. The first `blank` units are without data."""

    width: int
    blank: int
    marks: tuple[Mark, ...]
    targets: tuple[Target, ...]
    """Oldest first; none overlap."""
    label: str


def bar(days: Sequence[Day], times: Times) -> Bar:
    blank = [day.length_s for day in days].count(0)
    marks = tuple(
        Mark(index * STEP, 0, TONES[day.worst], _title(day, times))
        for index, day in enumerate(days)
        if day.parts
    )
    return Bar(
        width=len(days) * STEP - GAP,
        blank=blank * STEP,
        marks=marks,
        targets=tuple(_targets(days, times)),
        label=_label(days, blank, times),
    )


def group_bar(members: Sequence[ComponentView], times: Times) -> Bar | None:
    """The worst of each day; None where no component of the group shows its days."""
    shown = [member.days for member in members if member.days]
    if not shown:
        return None
    worst = [
        max(same, key=lambda day: (day.has_data, bool(day.parts), day.worst.severity))
        for same in zip(*shown, strict=True)
    ]
    return replace(bar(worst, times), targets=())


def windows(figures: Mapping[Window, Decimal | None]) -> list[tuple[int, str]]:
    """(days in the name, uptime) per window."""
    return [(window.days // 10 * 10, wording.percent(figures[window])) for window in Window]


def _targets(days: Sequence[Day], times: Times) -> Iterator[Target]:
    """Days that are too close for targets of their own share one; a long row is cut in pieces."""
    troubled = [index for index, day in enumerate(days) if day.parts]

    def start(index: int) -> float:
        return min(max(index + 0.5 - TARGET_DAYS / 2, 0), len(days) - TARGET_DAYS)

    while troubled:
        chain = [troubled.pop(0)]
        while troubled and start(troubled[0]) < start(chain[-1]) + TARGET_DAYS:
            chain.append(troubled.pop(0))
        length = start(chain[-1]) + TARGET_DAYS - start(chain[0])
        pieces = max(int(length / DAYS_PER_TARGET), 1)
        for piece in range(pieces):
            left = start(chain[0]) + piece * length / pieces
            right = left + length / pieces
            shown = [days[index] for index in chain if left <= index + 0.5 < right]
            if shown:
                yield _target(left, right, shown, days, times)


def _target(
    left: float, right: float, shown: Sequence[Day], days: Sequence[Day], times: Times
) -> Target:
    age = (days[-1].date - shown[-1].date).days
    return Target(
        x=round(left * STEP - GAP / 2),
        width=round((right - left) * STEP),
        newest=shown[-1].date,
        days=len(shown),
        title="; ".join(_title(day, times) for day in shown),
        within=next(
            (
                f"o{window.days // 10 * 10}"
                for window in (Window.SIXTY, Window.THIRTY)
                if age >= window.days
            ),
            "",
        ),
    )


def _label(days: Sequence[Day], blank: int, times: Times) -> str:
    marked = [day for day in days if day.parts]
    planned = [day for day in marked if day.worst is ComponentStatus.UNDER_MAINTENANCE]
    trouble = [day for day in marked if day.worst is not ComponentStatus.UNDER_MAINTENANCE]
    parts = [f"{len(trouble)} with problems" if trouble else "no problems"]
    if planned:
        parts.append(f"{len(planned)} with maintenance only")
    if blank:
        parts.append(f"{blank} without data")
    words = f"{len(days)} days: {', '.join(parts)}"
    if trouble:
        most = max(trouble, key=lambda day: (day.worst.severity, day.downtime_s))
        words += f"; worst {times.heading(most.date)}, {most.worst.label.lower()}"
    return words


def _title(day: Day, times: Times) -> str:
    by_status = sorted(day.seconds.items(), key=lambda item: -item[0].severity)
    words = ", ".join(f"{status.label} {length(seconds)}" for status, seconds in by_status)
    return f"{times.heading(day.date)}: {words}"


def length(seconds: Fraction) -> str:
    """`1 h 18 min`."""
    return wording.brief(timedelta(seconds=int(seconds)))


@dataclass(frozen=True)
class Calendar:
    """A month in rows of seven days from Monday. `fills` are (x, y, width, height, is_blank)."""

    rows: int
    fills: tuple[tuple[int, int, int, int, bool], ...]
    marks: tuple[Mark, ...]
    label: str


def calendar(month: CalendarMonth, times: Times) -> Calendar:
    offset = month.first.weekday()
    marks = tuple(
        Mark(
            (offset + index) % 7 * CELL,
            (offset + index) // 7 * CELL,
            TONES[day.worst],
            _title(day, times),
        )
        for index, day in enumerate(month.days)
        if day.parts
    )
    blank = [day.length_s for day in month.days].count(0)
    end = offset + len(month.days)
    return Calendar(
        rows=(end + 6) // 7,
        fills=(
            *_rectangles(offset, offset + blank, is_blank=True),
            *_rectangles(offset + blank, end, is_blank=False),
        ),
        marks=marks,
        label=_label(month.days, blank, times),
    )


def _rectangles(start: int, end: int, *, is_blank: bool) -> list[tuple[int, int, int, int, bool]]:
    """The cells `start` to `end` (exclusive) as one rectangle per row."""
    rectangles = []
    for row in range(start // 7, (end + 6) // 7):
        left, right = max(start, row * 7), min(end, row * 7 + 7)
        if right > left:
            x, width = (left - row * 7) * CELL, (right - left) * CELL - GAP
            rectangles.append((x, row * CELL, width, CELL - GAP, is_blank))
    return rectangles


@dataclass(frozen=True)
class Column:
    """A month of the history: one block for each incident, the worst at the bottom."""

    label: str
    blocks: tuple[tuple[str, int, int], ...]
    """(tone, y, height)."""


BLOCKS = {
    ComponentStatus.MAJOR_OUTAGE: 11,
    ComponentStatus.PARTIAL_OUTAGE: 8,
    ComponentStatus.DEGRADED_PERFORMANCE: 5,
}
"""The worst of an incident → the height of its block; 3 for those without any."""
COLUMN_HEIGHT = 46


def column(month: MonthTally) -> Column:
    blocks, y = [], COLUMN_HEIGHT
    for status in month.severities:
        height = BLOCKS.get(status, 3)
        y -= height
        if y < 0:
            break
        tone = TONES[status] if status in BLOCKS else "none"
        blocks.append((tone, y, height))
        y -= 2
    incidents = wording.count(len(month.severities), "incident")
    return Column(f"{wording.month(month.first)}: {incidents}", tuple(blocks))


@dataclass(frozen=True)
class Piece:
    """A stretch of a strip: place and width in percent, height by how bad it was."""

    x: str
    width: str
    y: int
    height: int
    tone: str
    title: str


@dataclass(frozen=True)
class DrawnStrip:
    names: tuple[str, ...]
    """Components with the same history share a strip."""
    label: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Strips:
    """The components of an incident over the same time, and the axis below them all."""

    rows: tuple[DrawnStrip, ...]
    statuses: tuple[ComponentStatus, ...]
    """Those that occur, for the key."""
    ticks: tuple[str, ...]
    """Where updates were posted, in percent."""
    labels: tuple[tuple[str, str, str, datetime], ...]
    """(x in percent, anchor, words, moment): where a status changed."""


HEIGHTS = {
    ComponentStatus.OPERATIONAL: 8,
    ComponentStatus.UNDER_MAINTENANCE: 14,
    ComponentStatus.DEGRADED_PERFORMANCE: 14,
    ComponentStatus.PARTIAL_OUTAGE: 21,
    ComponentStatus.MAJOR_OUTAGE: 28,
}
"""Worse is taller: a strip tells it without its colours."""
STRIP_HEIGHT = 28


def strips(of: Sequence[Strip], incident: IncidentView, times: Times) -> Strips:
    """In the order of the incident, equal histories in one."""
    by_parts: dict[tuple[Interval, ...], list[Strip]] = {}
    for each in of:
        by_parts.setdefault(each.parts, []).append(each)
    if not by_parts:
        return Strips((), (), (), ())
    start, end = of[0].parts[0].starts_at, of[0].parts[-1].ends_at

    def place(moment: datetime) -> float:
        return (moment - start).total_seconds() / (end - start).total_seconds() * 100

    posted = [update.posted_at for update in reversed(incident.updates)]
    changes = sorted({part.starts_at for parts in by_parts for part in parts[1:]})
    return Strips(
        rows=tuple(_strip(equal, place, times) for equal in by_parts.values()),
        statuses=tuple(
            sorted(
                {part.claim.status for parts in by_parts for part in parts},
                key=lambda status: status.severity,
            )
        ),
        ticks=_ticks([place(moment) for moment in posted if start <= moment <= end]),
        labels=tuple(_labels(changes or [incident.started_at], place, times)),
    )


def _strip(equal: Sequence[Strip], place: Callable[[datetime], float], times: Times) -> DrawnStrip:
    pieces = tuple(
        Piece(
            x=f"{place(part.starts_at):.2f}%",
            width=f"{place(part.ends_at) - place(part.starts_at):.2f}%",
            y=STRIP_HEIGHT - HEIGHTS[part.claim.status],
            height=HEIGHTS[part.claim.status],
            tone=TONES[part.claim.status],
            title=f"{wording.claim(part.claim)}, {times.span(part.starts_at, part.ends_at)}",
        )
        for part in equal[0].parts
    )
    spoken = "; ".join(piece.title for piece in pieces)
    return DrawnStrip(
        names=tuple(each.name for each in equal),
        label=f"{', '.join(isolated(each.name) for each in equal)} over time: {spoken}",
        pieces=pieces,
    )


def _ticks(places: Sequence[float]) -> tuple[str, ...]:
    """Those that can be told apart, oldest first; `places` in percent."""
    shown: list[float] = []
    for x in places:
        if not shown or x - shown[-1] >= TICK_GAP:
            shown.append(x)
    return tuple(f"{x:.2f}%" for x in shown)


def _labels(
    moments: Sequence[datetime], place: Callable[[datetime], float], times: Times
) -> list[tuple[str, str, str, datetime]]:
    """The first, the last, and those between that do not overlap."""
    labels: list[tuple[float, datetime]] = []
    for moment in (*moments[:1], *moments[-1:], *moments[1:-1]):
        x = place(moment)
        if all(abs(x - other) >= LABEL_GAP for other, _ in labels):
            labels.append((x, moment))
    return [
        (
            f"{x:.2f}%",
            "end" if x > 92 else "start" if x < 8 else "middle",
            times.clock(moment),
            moment,
        )
        for x, moment in sorted(labels, key=lambda item: item[0])
    ]


@dataclass(frozen=True)
class Line:
    """Figures of 24 hours as the `d` of a path, and in words."""

    path: str
    last: str
    span: str | None
    """`98–412 ms`; None where the axis is hidden."""
    label: str


def line(metric: MetricView, times: Times) -> Line:
    def said(value: float, suffix: str | None = metric.suffix) -> str:
        return wording.figure(value, metric.decimal_places, suffix)

    last = said(metric.value)
    is_flat = said(metric.lowest) == said(metric.highest)
    span = said(metric.lowest) if is_flat else f"{said(metric.lowest, None)}–{said(metric.highest)}"
    values = f"always {span}" if is_flat else f"{said(metric.lowest)} to {said(metric.highest)}"
    words = f"{isolated(metric.name)}: {last} at {times.moment(metric.at)}"
    return Line(
        path=_path(metric),
        last=last,
        span=None if metric.y_axis_hidden else span,
        label=words if metric.y_axis_hidden else f"{words}; last 24 hours: {values}",
    )


def _path(metric: MetricView) -> str:
    """An `M` and relative steps for each stretch of slots; a slot alone is a dot.

    A line breaks where figures are missing for twice as long as is usual for the metric.
    """
    averages = [average for _, average in metric.slots]
    low = min(averages) if metric.y_axis_min is None else metric.y_axis_min
    high = max(averages) if metric.y_axis_max is None else metric.y_axis_max

    def height(value: float) -> int:
        if high <= low:
            return LINE_HEIGHT // 2
        share = min(max((value - low) / (high - low), 0.0), 1.0)
        return round((1 - share) * LINE_HEIGHT)

    (x, first), *rest = ((slot, height(average)) for slot, average in metric.slots)
    gaps = [later - slot for (slot, _), (later, _) in pairwise(metric.slots)]
    bridged = max(BRIDGED, 2 * median(gaps) if gaps else 0)
    path, y = f"M{x} {first}h0", first
    for next_x, next_y in rest:
        if next_x - x > bridged:
            path += f"M{next_x} {next_y}h0"
        elif next_y == y:
            path += f"h{next_x - x}"
        else:
            path += f"l{next_x - x} {next_y - y}".replace(" -", "-")
        x, y = next_x, next_y
    return path
