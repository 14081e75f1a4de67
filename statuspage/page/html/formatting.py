"""Times, lengths, statuses and percentages as a reader sees them. Pure, English."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from statuspage.domain.claims import Claim
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from statuspage.lib.bidi import isolated

TONES: dict[ComponentStatus | None, str] = {
    None: "none",
    ComponentStatus.OPERATIONAL: "ok",
    ComponentStatus.UNDER_MAINTENANCE: "maint",
    ComponentStatus.DEGRADED_PERFORMANCE: "degraded",
    ComponentStatus.PARTIAL_OUTAGE: "partial",
    ComponentStatus.MAJOR_OUTAGE: "major",
}
"""Component status (None: nothing is known) → the name of its colours and of its glyph."""

_UNITS = (("day", "d", 86_400), ("hour", "h", 3600), ("minute", "min", 60))
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


class Times:
    """Moments in the page's zone, as seen from one moment.

    No year where it is this one; no date where it is today.
    """

    def __init__(self, zone: ZoneInfo, at: datetime) -> None:
        self.zone = zone
        self.at = at
        self.today = at.astimezone(zone).date()

    @property
    def zone_name(self) -> str:
        """The abbreviation in force: `CET`; `UTC+03`, `UTC+05:45` where the zone has no letters."""
        return self.zone_at(self.at)

    def zone_at(self, moment: datetime) -> str:
        name = moment.astimezone(self.zone).tzname() or "UTC"
        if name[0].isalpha():
            return name
        hours, minutes = name[:3], name[3:]
        return f"UTC{hours}:{minutes}" if minutes else f"UTC{hours}"

    def clock(self, moment: datetime) -> str:
        """`14:02`."""
        return f"{moment.astimezone(self.zone):%H:%M}"

    def moment(self, moment: datetime) -> str:
        """`14:02` today, else `21 Nov, 14:02`."""
        day = self.date_of(moment)
        return self.clock(moment) if day == self.today else self.full(moment)

    def full(self, moment: datetime) -> str:
        """`21 Nov, 14:02`, with the year where it is another one."""
        return f"{self.day(self.date_of(moment))}, {self.clock(moment)}"

    def span(self, start: datetime, end: datetime | None, *, style: str = "moment") -> str:
        """`14:02–15:10 CET`; `21 Nov, 23:02 – 22 Nov, 00:17 CET`; `21 Nov, 14:02 CET – now`.

        Both ends have a date if the dates differ, and a zone if the zones differ. `style` is that
        of a start on the same day: `clock`, `moment` or `full`. `end` is None, or the present
        moment, of what goes on. `public.js` has the same rules, in the zone of the reader.
        """
        first = str(getattr(self, style)(start))
        zone = self.zone_at(start)
        if end is None or end == self.at:
            return f"{first} {zone} – now"
        same_zone = zone == self.zone_at(end)
        if self.is_same_day(start, end):
            dash = "–" if same_zone else f" {zone} – "
            return f"{first}{dash}{self.clock(end)} {self.zone_at(end)}"
        dash = " – " if same_zone else f" {zone} – "
        return f"{self.full(start)}{dash}{self.full(end)} {self.zone_at(end)}"

    def day(self, day: date) -> str:
        """`21 Nov`, with the year where it is another one."""
        return dated(day) if day.year != self.today.year else f"{day.day} {_MONTHS[day.month - 1]}"

    def heading(self, day: date) -> str:
        """`Today`, else `21 Nov`."""
        return "Today" if day == self.today else self.day(day)

    def stretch(self, newest: date, oldest: date) -> str:
        """Several days in one: `9–20 Nov`, `28 Oct – 3 Nov`."""
        if (newest.year, newest.month) == (oldest.year, oldest.month):
            return f"{oldest.day}–{self.day(newest)}"
        return f"{self.day(oldest)} – {self.day(newest)}"

    def is_recent(self, moment: datetime) -> bool:
        """In the last week; `public.js` says how long ago it was, and nothing of older ones."""
        return self.at - moment < timedelta(days=7)

    def date_of(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()

    def is_same_day(self, moment: datetime, other: datetime) -> bool:
        return self.date_of(moment) == self.date_of(other)


def dated(day: date) -> str:
    """`21 Nov 2026`."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def weekday(day: date) -> str:
    """`Monday`."""
    return f"{day:%A}"


def month(day: date) -> str:
    """`November 2026`."""
    return f"{day:%B} {day.year}"


def machine(moment: datetime) -> str:
    """For `<time datetime>`: UTC, whole seconds."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def brief(length: timedelta) -> str:
    """`4 min`, `1 h 18 min`, `2 d 3 h`; the two largest units."""
    return " ".join(f"{count} {short}" for count, _, short in _split(length)) or "under 1 min"


def drawn(length: timedelta) -> int:
    """How wide it is drawn, in pixels: an hour is 48; what lasts much longer looks alike."""
    return min(max(round(length / timedelta(hours=1) * 48), 3), 88)


def spoken(length: timedelta) -> str:
    """`4 minutes`, `1 hour 18 minutes`."""
    parts = [f"{count} {word}{'s' if count != 1 else ''}" for count, word, _ in _split(length)]
    return " ".join(parts) or "less than a minute"


def _split(length: timedelta) -> list[tuple[int, str, str]]:
    rest = int(length.total_seconds())
    parts: list[tuple[int, str, str]] = []
    for word, short, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append((count, word, short))
        elif parts:
            break
    return parts[:2]


def percent(value: Decimal | None) -> str:
    """`99.71 %`, `99.9 %`, `100.0 %`; `no data` for None."""
    if value is None:
        return "no data"
    return f"{value:.2f}".removesuffix("0") + " %"


FINE = Decimal("99.95")
POOR = Decimal("99.7")


def cell(value: Decimal | None) -> tuple[str, str]:
    """A figure of a table of percentages, and how much it stands out.

    `("100", "full")`, `("99.98", "fine")`, `("99.91", "dip")`, `("99.60", "poor")`; None: a dash.
    """
    if value is None:
        return "–", "full"
    if value == 100:
        return "100", "full"
    return f"{value:.2f}", "poor" if value < POOR else "dip" if value < FINE else "fine"


def share(value: Decimal) -> str:
    """`12 %`, `0.3 %`."""
    return f"{value:f}".rstrip("0").rstrip(".") + " %" if value % 1 else f"{value:.0f} %"


def figure(value: float, decimals: int, suffix: str | None) -> str:
    """`1,204 ms`, `99.9 %`; the space does not break."""
    text = f"{value:,.{decimals}f}"
    if not text.strip("-0.,"):
        text = text.removeprefix("-")
    return f"{text}\N{NO-BREAK SPACE}{suffix}" if suffix else text


def claim(of: Claim) -> str:
    """`Partial outage, 12 %, EU`."""
    return f"{extent(of)}, {isolated(of.scope)}" if of.scope else extent(of)


def extent(of: Claim) -> str:
    """`Partial outage, 12 %`."""
    return of.status.label if of.share is None else f"{of.status.label}, {share(of.share)}"


def count(number: int, noun: str) -> str:
    """`1 incident`, `3 incidents`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def tone_of_step(step: IncidentStatus, worst: ComponentStatus) -> str:
    """The colours of a step on a timeline when components stand at `worst`."""
    if step is IncidentStatus.CANCELLED:
        return "none"
    if step.is_over:
        return "ok"
    if step in (IncidentStatus.SCHEDULED, IncidentStatus.IN_PROGRESS, IncidentStatus.VERIFYING):
        return "maint"
    if worst.severity <= ComponentStatus.UNDER_MAINTENANCE.severity:
        return "degraded"
    return TONES[worst]
