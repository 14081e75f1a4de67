"""Uptime of components and groups of the Manage API, from the intervals that the page shows."""

import re
from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from statuspage.domain.components import claims_store
from statuspage.domain.components import verbs as components
from statuspage.domain.components.claims_store import ComponentClaim
from statuspage.domain.components.models import Component
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.tokens import Scope
from statuspage.domain.uptime import Period, day_start, period
from statuspage.errors import Invalid
from statuspage.web.api_v1 import groups
from statuspage.web.api_v1.components import find
from statuspage.web.api_v1.operations import Call, operation
from statuspage.web.api_v1.shapes import Moment, Shape, seconds
from statuspage.web.operations import Nothing

COMPONENT_UPTIME = "/pages/{page_id}/components/{component_id}/uptime"
GROUP_UPTIME = "/pages/{page_id}/component-groups/{id}/uptime"
QUERY = ("skip_related_events", "start", "end")

DEFAULT_DAYS = 90
MOST_MONTHS = 6
FIRST_YEAR, LAST_YEAR = 1970, 2999


class RelatedEvent(Shape):
    id: str
    """Incidents that affected it within the range."""


class ComponentUptime(Shape):
    range_start: Moment
    range_end: Moment
    uptime_percentage: float
    major_outage: int
    """Seconds."""
    partial_outage: int
    """Seconds, unweighted."""
    warnings: str | None
    id: str
    name: str
    related_events: list[RelatedEvent] | None
    """Null if the query skips them."""


class RelatedOfComponent(Shape):
    component_id: str
    incidents: list[RelatedEvent]


class ComponentGroupUptime(Shape):
    range_start: Moment
    range_end: Moment
    uptime_percentage: float
    """The mean of its showcased components."""
    major_outage: int
    """Seconds, summed over its components."""
    partial_outage: int
    """Seconds, unweighted, summed over its components."""
    warnings: str | None
    id: str
    name: str
    related_events: list[RelatedOfComponent] | None


@operation("GET", COMPONENT_UPTIME, needs=Scope.READ, returns=ComponentUptime, query=QUERY)
def component_uptime(call: Call[Nothing], component_id: str) -> ComponentUptime:
    """Uptime of a component; the last 90 days unless `start` and `end` say otherwise."""
    row = find(component_id)
    start, end, warning = _range(call, row.first_day(call.page.zone))
    claims = _claims([row], start, end)
    figures = period([claim.span for claim in claims[row.id]], start, end, at=call.at)
    return ComponentUptime(
        range_start=seconds(start, call.page.zone),
        range_end=seconds(end, call.page.zone),
        uptime_percentage=float(figures.uptime),
        major_outage=int(figures.major_s),
        partial_outage=int(figures.partial_s),
        warnings=warning,
        id=row.public_id,
        name=row.name,
        related_events=None if _is_skipped(call) else _events(claims[row.id]),
    )


@operation("GET", GROUP_UPTIME, needs=Scope.READ, returns=ComponentGroupUptime, query=QUERY)
def group_uptime(call: Call[Nothing], id: str) -> ComponentGroupUptime:  # noqa: A002  the name in the path
    """Mean uptime of the components of a group."""
    row = groups.find(id)
    members = [
        component
        for component in components.listed()
        if component.group_id == row.id and component.showcase
    ]
    starts = {member.id: member.first_day(call.page.zone) for member in members}
    first = min(starts.values(), default=None)
    start, end, warning = _range(call, first)
    claims = _claims(members, start, end)
    figures = []
    for member in members:
        # Before its start date a component was neither up nor down.
        counts_from = max(start, _start_of(starts[member.id], call.page.zone) or start)
        if counts_from < end:
            spans = [claim.span for claim in claims[member.id]]
            figures.append(period(spans, counts_from, end, at=call.at))
    related = None
    if not _is_skipped(call):
        related = [
            RelatedOfComponent(component_id=member.public_id, incidents=_events(claims[member.id]))
            for member in members
        ]
    return ComponentGroupUptime(
        range_start=seconds(start, call.page.zone),
        range_end=seconds(end, call.page.zone),
        uptime_percentage=_mean(figures),
        major_outage=int(sum(figure.major_s for figure in figures)),
        partial_outage=int(sum(figure.partial_s for figure in figures)),
        warnings=warning,
        id=row.public_id,
        name=row.name,
        related_events=related,
    )


def _mean(figures: Sequence[Period]) -> float:
    """Truncated to two decimals; 100 for a group of nothing."""
    if not figures:
        return 100.0
    return int(sum(figure.uptime for figure in figures) / len(figures) * 100) / 100


def _claims(
    rows: Sequence[Component], start: datetime, end: datetime
) -> dict[int, list[ComponentClaim]]:
    """The claims of each that were in force within the range."""
    by_component: dict[int, list[ComponentClaim]] = {row.id: [] for row in rows}
    for claim in claims_store.claims_since(start):
        if claim.component_id in by_component and claim.starts_at < end:
            by_component[claim.component_id].append(claim)
    return by_component


def _events(claims: Sequence[ComponentClaim]) -> list[RelatedEvent]:
    ids = sorted({claim.incident_id for claim in claims if claim.incident_id is not None})
    return [RelatedEvent(id=public_id) for _, public_id, _, _ in incidents.names_of(ids)]


def _is_skipped(call: Call[Nothing]) -> bool:
    return call.query.get("skip_related_events", "").lower() in ("true", "1", "yes")


# ── the range ──────────────────────────────────────────────────────────────────


def _range(call: Call[Nothing], first_day: date | None) -> tuple[datetime, datetime, str | None]:
    """(start, end, a warning or None). Raises `Invalid`.

    Days are those of the page's zone. An end that names a day, a month or a year
    includes it.
    """
    zone = call.page.zone
    today = call.at.astimezone(zone).date()
    end = _read("end", call.query.get("end"), zone, is_end=True)
    end = end or day_start(today + timedelta(days=1), zone)
    start = _read("start", call.query.get("start"), zone, is_end=False)
    warning = None
    if start is None:
        start = end - timedelta(days=DEFAULT_DAYS)
        start = day_start(start.astimezone(zone).date(), zone)
    begins = _start_of(first_day, zone)
    if begins is not None and start < begins:
        start = begins
        if "start" in call.query:
            warning = "The range must not start before the component's start date."
    if start >= end:
        raise Invalid(end="It must be after the start.")
    if end > _months_later(start, zone):
        raise Invalid(end=f"Request at most {MOST_MONTHS} calendar months.")
    return start, end, warning


def _start_of(day: date | None, zone: ZoneInfo) -> datetime | None:
    """The first moment of that day; None without one, or with one before there were pages."""
    return day_start(day, zone) if day and day.year >= FIRST_YEAR else None


def _read(name: str, text: str | None, zone: ZoneInfo, *, is_end: bool) -> datetime | None:
    """`2024`, `2024-06`, `2024-06-07`, or a moment with or without an offset."""
    if not text:
        return None
    match = re.fullmatch(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?", text)
    try:
        if match is None:
            moment = datetime.fromisoformat(text.replace(" ", "+"))
            _check_year(moment.year)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
            return moment.astimezone(UTC)
        year, month, day = (int(part) if part else None for part in match.groups())
        assert year is not None
        _check_year(year)
        first = date(year, month or 1, day or 1)
        if not is_end:
            return day_start(first, zone)
        last = date(year, month or 12, day or monthrange(year, month or 12)[1])
        return day_start(last + timedelta(days=1), zone)
    except ValueError as error:
        raise Invalid(**{name: "Send a date such as 2024, 2024-06 or 2024-06-07."}) from error


def _check_year(year: int) -> None:
    """Raises `ValueError` for years that no page has, near whose ends dates cannot be reckoned."""
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError(f"{year} is out of range")


def _months_later(start: datetime, zone: ZoneInfo) -> datetime:
    """The end of the longest range from `start`."""
    local = start.astimezone(zone)
    year, month = divmod(local.year * 12 + local.month - 1 + MOST_MONTHS, 12)
    day = min(local.day, monthrange(year, month + 1)[1])
    limit = local.replace(year=year, month=month + 1, day=day)
    # A range in whole days may end with the day that begins then.
    return limit.astimezone(UTC) + timedelta(days=1)
