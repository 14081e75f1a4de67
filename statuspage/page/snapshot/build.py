"""Fills the views from the domain: the one place that decides what the public may see.

Every function asks a fixed number of queries, whatever the number of components,
incidents and updates.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from statuspage.domain import events, metrics
from statuspage.domain import page_settings as pages
from statuspage.domain.claims import (
    OPERATIONAL,
    Interval,
    Span,
    effective,
    intervals,
)
from statuspage.domain.components import claims_store
from statuspage.domain.components import verbs as components
from statuspage.domain.components.claims_store import ComponentClaim
from statuspage.domain.incidents import postmortems, search
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Incident
from statuspage.domain.incidents.search import Filter
from statuspage.domain.statuses import ComponentStatus, IncidentKind, IncidentStatus, page_status
from statuspage.domain.uptime import Window, day_start, percentage
from statuspage.page.snapshot import banner, months
from statuspage.page.snapshot import components as component_views
from statuspage.page.snapshot.incidents import began_at, incident_view
from statuspage.page.snapshot.values import (
    ComponentPage,
    ComponentRef,
    ComponentView,
    Found,
    GroupView,
    History,
    IncidentPage,
    IncidentView,
    Listed,
    Listing,
    MetricView,
    Month,
    MonthTally,
    PageView,
    Present,
    Recent,
    Retracted,
    Snapshot,
    Strip,
    UptimePage,
    UptimeRow,
)

PAST_DAYS = 15
"""Today and the fourteen days before it."""
INCIDENTS_PER_COMPONENT = 25
PLANNING_HORIZON = timedelta(days=3650)
PLANNED_AT_MOST = 300
FOUND_PER_PAGE = 50
PAGES_PER_CHART = 12 // months.PER_PAGE


class NoPageError(LookupError):
    """There is no page yet: nothing was set up."""


def take(*, at: datetime, base_url: str) -> Snapshot:
    """The front page at this moment. Raises `NoPageError` before the first set-up."""
    page = describe(base_url=base_url)
    today = at.astimezone(page.zone).date()
    spans = claims_store.spans_since(component_views.window_start(page.zone, at))
    rows = components.listed()
    items = component_views.shown(rows, spans, page.zone, at)
    leaves = [leaf for item in items for leaf in component_views.leaves_of(item)]

    past_start = day_start(today - timedelta(days=PAST_DAYS - 1), page.zone)
    shown = _incident_views(incidents.for_front_page(since=past_start), at)
    still_open = [view for view in shown if not view.is_over]
    troubles = sorted(
        (view for view in still_open if view.kind is IncidentKind.INCIDENT),
        key=lambda view: (view.worst.rank, view.impact.severity, view.started_at),
        reverse=True,
    )
    planned = sorted(
        (view for view in still_open if view.kind is IncidentKind.MAINTENANCE),
        key=lambda view: (view.status is IncidentStatus.SCHEDULED, view.began_at),
    )
    return Snapshot(
        at=at,
        page=page,
        items=items,
        metrics=_metric_views(at),
        status=page_status([leaf.status for leaf in leaves]),
        banner=banner.banner(leaves, troubles, planned, is_monitored=bool(rows)),
        incidents=tuple(troubles),
        maintenances=tuple(planned),
        past=_past(shown, today, page.zone),
    )


def describe(*, base_url: str) -> PageView:
    """The page's own facts. Raises `NoPageError` before the first set-up."""
    page = pages.get()
    if page is None:
        raise NoPageError
    revision = events.revision()
    url = page.url or base_url.rstrip("/")
    return PageView(
        id=page.public_id,
        name=page.name,
        is_named=page.name != pages.UNNAMED,
        url=url,
        zone=page.zone,
        about_html=page.about_html,
        footer_html=page.footer_html,
        support_url=page.support_url,
        accent=page.accent,
        accent_dark=page.accent_dark,
        logo_url="/logo" if page.logo_type else None,
        is_hidden=bool(page.details.get("hidden_from_search")),
        updated_at=events.changed_at() or page.updated_at,
        revision=revision,
    )


def incident(public_id: str, *, at: datetime, base_url: str) -> IncidentPage | Retracted | None:
    """One published incident or maintenance; None when there is none the public may see."""
    row = incidents.get(public_id)
    if row is None or row.is_draft:
        return None
    if row.retracted_at is not None:
        return Retracted(row.public_id, row.name, row.retracted_at, row.retracted_reason or "")
    page = describe(base_url=base_url)
    (view,) = _incident_views([row], at)
    return IncidentPage(page=page, at=at, incident=view, strips=_strips(row, at))


def history(
    number: int, *, at: datetime, base_url: str, to_the_oldest: bool = True
) -> History | None:
    """Page `number` (from 1) of the history; None past the oldest incident.

    Without `to_the_oldest` it goes on before that, with empty months.
    """
    page = describe(base_url=base_url)
    today = at.astimezone(page.zone).date()
    firsts = months.first_days(today, number)
    start, end = (
        day_start(firsts[-1], page.zone),
        day_start(months.next_month(firsts[0]), page.zone),
    )
    oldest = incidents.oldest_start()
    if to_the_oldest and number > 1 and (oldest is None or oldest >= end):
        return None
    shown = _ended_or_open_between(start, end, at=at)
    return History(
        page=page,
        at=at,
        number=number,
        months=tuple(
            Month(
                first,
                tuple(view for view in shown if months.month_of(view, at, page.zone) == first),
            )
            for first in firsts
        ),
        has_older=oldest is not None and oldest < start,
        components=_component_refs(),
        chart=_chart(number, oldest, at, page.zone),
    )


def find(wanted: Filter, number: int, *, at: datetime, base_url: str) -> Found | None:
    """Page `number` (from 1) of the history that `wanted` matches; None past the last one."""
    page = describe(base_url=base_url)
    offset = (number - 1) * FOUND_PER_PAGE
    rows, total = search.past(wanted, at=at, offset=offset, limit=FOUND_PER_PAGE)
    if number > 1 and not rows:
        return None
    views = _incident_views(rows, at)
    chosen = wanted.component
    return Found(
        page=page,
        at=at,
        number=number,
        words=wanted.words,
        component=ComponentRef(chosen.public_id, chosen.full_name) if chosen else None,
        severity=wanted.severity,
        months=tuple(
            Month(first, tuple(incidents))
            for first, incidents in groupby(
                views, key=lambda view: months.month_of(view, at, page.zone)
            )
        ),
        total=total,
        has_older=total > offset + len(rows),
        components=_component_refs(),
    )


def _component_refs() -> tuple[ComponentRef, ...]:
    return tuple(ComponentRef(row.public_id, row.full_name) for row in component_views.in_order())


def _chart(
    number: int, oldest: datetime | None, at: datetime, zone: ZoneInfo
) -> tuple[MonthTally, ...]:
    """The twelve months of which page `number` shows three."""
    today = at.astimezone(zone).date()
    newest = number - (number - 1) % PAGES_PER_CHART
    last = months.page_of(oldest or at, at, zone)
    numbers = range(newest + PAGES_PER_CHART - 1, newest - 1, -1)
    firsts = [(page, first) for page in numbers for first in months.first_days(today, page)[::-1]]
    start, end = day_start(firsts[0][1], zone), day_start(months.next_month(firsts[-1][1]), zone)
    rows = search.impacts_between(start, end, at=at)
    peaks = claims_store.worst_by_incident([row_id for row_id, _, _ in rows])
    by_month: dict[date, list[ComponentStatus]] = {}
    for row_id, ended_at, impact in rows:
        first = ended_at.astimezone(zone).date().replace(day=1)
        status = peaks[row_id].status if row_id in peaks else search.IMPLIED[impact]
        by_month.setdefault(first, []).append(status)
    return tuple(
        MonthTally(
            first,
            page if page <= last else None,
            tuple(sorted(by_month.get(first, ()), key=lambda status: -status.severity)),
        )
        for page, first in firsts
    )


def maintenances(*, at: datetime, base_url: str) -> tuple[PageView, tuple[IncidentView, ...]]:
    """Every maintenance ahead or in progress by start, then the newest 25 that are over."""
    rows = incidents.published(kind=IncidentKind.MAINTENANCE, limit=100)
    views = _incident_views(rows, at)
    ahead = sorted((view for view in views if not view.is_over), key=lambda view: view.started_at)
    return describe(base_url=base_url), (*ahead, *[view for view in views if view.is_over][:25])


def recent(
    *,
    at: datetime,
    base_url: str,
    limit: int,
    component: str | None = None,
    planned_by_start: bool = False,
) -> Recent | None:
    """For feeds: the incidents and maintenances with the newest words, newest first.

    Narrowed to a component by public id; None when there is none that the public
    may see. `planned_by_start` counts a maintenance that has not begun by its start.
    """
    touching, ref = None, None
    if component is not None:
        touching = component_views.visible(component)
        if touching is None:
            return None
        ref = ComponentRef(touching.public_id, touching.full_name)
    rows = incidents.latest_published(limit, touching=touching, planned_by_start=planned_by_start)
    return Recent(describe(base_url=base_url), tuple(_incident_views(rows, at)), ref)


def planned(*, at: datetime, base_url: str, component: str | None = None) -> Recent | None:
    """For calendars: maintenance that is ahead or goes on, or ended in the last 90 days.

    Narrowed to a component by public id; None when there is none that the public may see.
    """
    touching, ref = None, None
    if component is not None:
        touching = component_views.visible(component)
        if touching is None:
            return None
        ref = ComponentRef(touching.public_id, touching.full_name)
    rows = incidents.published(
        kind=IncidentKind.MAINTENANCE,
        overlapping=(at - timedelta(days=Window.NINETY.days), at + PLANNING_HORIZON),
        touching=touching,
        limit=PLANNED_AT_MOST,
    )
    return Recent(describe(base_url=base_url), tuple(_incident_views(rows, at)), ref)


def standing(public_id: str, *, at: datetime) -> tuple[str, ComponentStatus] | None:
    """Name and present status of one component; None when the public may not see it."""
    row = component_views.visible(public_id)
    if row is None:
        return None
    claims = claims_store.claims_since(at, of={row.id})
    return row.name, effective([claim.span for claim in claims], at).status


def component(public_id: str, *, at: datetime, base_url: str) -> ComponentPage | None:
    """One component with its trouble of 90 days; None when the public may not see it."""
    row = component_views.visible(public_id)
    if row is None:
        return None
    page = describe(base_url=base_url)
    start = component_views.window_start(page.zone, at)
    claims = claims_store.claims_since(start, of={row.id})
    names = component_views.refs_of(claims)
    counted = max(start, day_start(row.first_day(page.zone), page.zone))
    return ComponentPage(
        page=page,
        at=at,
        component=component_views.of_component(
            row, [claim.span for claim in claims], page.zone, at
        ),
        causes=tuple(reversed(component_views.causes(claims, names, counted, at))),
        incidents=tuple(
            _incident_views(incidents.published(touching=row, limit=INCIDENTS_PER_COMPONENT), at)
        ),
    )


def uptime(number: int, *, at: datetime, base_url: str) -> UptimePage | None:
    """Page `number` (from 1) of the uptime calendar; None past the oldest record."""
    page = describe(base_url=base_url)
    today = at.astimezone(page.zone).date()
    firsts = months.first_days(today, number)
    oldest = incidents.oldest_start()
    start = day_start(firsts[-1], page.zone)
    end = day_start(months.next_month(firsts[0]), page.zone)
    if number > 1 and (oldest is None or oldest >= end):
        return None
    ninety = component_views.window_start(page.zone, at)
    # Of the months shown and of the window of the figures, not of the years in between.
    claims_by_id = {
        claim.id: claim for claim in claims_store.claims_since(min(start, ninety), before=end)
    }
    claims_by_id |= {claim.id: claim for claim in claims_store.claims_since(max(end, ninety))}
    claims = [claims_by_id[row_id] for row_id in sorted(claims_by_id)]
    names = component_views.refs_of(claims)
    by_component: dict[int, list[ComponentClaim]] = {}
    for claim in claims:
        by_component.setdefault(claim.component_id, []).append(claim)
    rows = []
    for row in component_views.in_order():
        own_claims = by_component.get(row.id, [])
        spans = [claim.span for claim in own_claims]
        view = component_views.of_component(row, spans, page.zone, at)
        if not row.showcase:
            continue
        calendar = tuple(
            component_views.calendar_month(first, row, spans, page.zone, at)
            for first in reversed(firsts)
        )
        counted = max(start, day_start(row.first_day(page.zone), page.zone))
        causes = reversed(component_views.causes(own_claims, names, counted, min(end, at)))
        total = percentage([day for month in calendar for day in month.days])
        rows.append(UptimeRow(view, calendar, total, tuple(causes)))
    return UptimePage(
        page=page,
        at=at,
        number=number,
        months=tuple(reversed(firsts)),
        rows=tuple(rows),
        has_older=oldest is not None and oldest < start,
    )


# ── for programs ───────────────────────────────────────────────────────────────


def present(*, at: datetime, base_url: str) -> Present:
    """How every component stands at this moment, without its past."""
    page = describe(base_url=base_url)
    spans = claims_store.spans_since(at)
    views = {
        row.public_id: component_views.of_component(
            row, spans.get(row.id, ()), page.zone, at, days_too=False
        )
        for row in components.listed()
    }
    shown = [view for view in views.values() if not component_views.is_hidden(view)]
    items: list[ComponentView | GroupView] = list(shown)
    for group in components.groups():
        if members := [view for view in shown if view.group_id == group.public_id]:
            items.append(component_views.of_group(group, members))
    return Present(
        page=page,
        items=tuple(sorted(items, key=_standing_order)),
        components=views,
        status=page_status([view.status for view in shown]),
    )


def listing(*, at: datetime) -> Listing:
    """Everything that has a page of its own, in three light queries."""
    page = pages.get()
    if page is None:
        raise NoPageError
    oldest = incidents.oldest_start()
    return Listing(
        components=tuple(row.public_id for row in component_views.in_order()),
        incidents=tuple(
            Listed(
                id=public_id,
                is_over=status.is_over,
                is_retracted=is_retracted,
                has_postmortem=has_postmortem,
                history_page=months.page_of(resolved_at or at, at, page.zone),
            )
            for public_id, status, resolved_at, is_retracted, has_postmortem in (
                incidents.addressed()
            )
        ),
        history_pages=months.page_of(oldest or at, at, page.zone),
    )


def _standing_order(item: ComponentView | GroupView) -> tuple[int, datetime, bool]:
    return item.position, item.created_at, isinstance(item, ComponentView)


def unfinished(*, at: datetime) -> tuple[IncidentView, ...]:
    """Every published incident and maintenance that is not over."""
    return tuple(_incident_views(incidents.published(open_only=True), at))


def latest(kind: IncidentKind, limit: int, *, at: datetime) -> tuple[IncidentView, ...]:
    """The newest of a kind by creation, whatever became of them, newest first."""
    return tuple(_incident_views(incidents.last_created(kind, limit), at))


# ── incidents ──────────────────────────────────────────────────────────────────


def _incident_views(rows: Sequence[Incident], at: datetime) -> list[IncidentView]:
    ids = [row.id for row in rows]
    postmortems_by_id = postmortems.published_of(ids)
    peaks = claims_store.worst_by_incident(ids)
    return [
        incident_view(
            row,
            [update for update in row.updates if not update.is_draft],
            postmortems_by_id.get(row.id),
            at,
            peaks.get(row.id, OPERATIONAL),
        )
        for row in rows
    ]


def _ended_or_open_between(start: datetime, end: datetime, *, at: datetime) -> list[IncidentView]:
    return _incident_views(incidents.ended_or_open_between(start, min(end, at), at=at), at)


def _strips(row: Incident, at: datetime) -> tuple[Strip, ...]:
    """The effective status of each named component, a little before and after too."""
    start, stop = _stretch(row, at)
    of = {affected.component_id for affected in row.affected}
    spans: dict[int, list[Span]] = {}
    for claim in claims_store.claims_since(start, before=stop, of=of):
        spans.setdefault(claim.component_id, []).append(claim.span)
    strips = []
    for affected in row.affected:
        parts: list[Interval] = intervals(spans.get(affected.component_id, ()), start, stop)
        if parts:
            component = affected.component
            strips.append(Strip(component.public_id, component.name, tuple(parts)))
    return tuple(strips)


def _stretch(row: Incident, at: datetime) -> tuple[datetime, datetime]:
    begin = began_at(row, [update for update in row.updates if not update.is_draft])
    end = row.resolved_at or at
    margin = max((end - begin) / 8, timedelta(minutes=5))
    return begin - margin, min(end + margin, at) if row.is_over else end


def _past(
    shown: Sequence[IncidentView], today: date, zone: ZoneInfo
) -> tuple[tuple[date, tuple[IncidentView, ...]], ...]:
    days = []
    for offset in range(PAST_DAYS):
        day = today - timedelta(days=offset)
        over = [
            view
            for view in shown
            if view.is_over
            and view.resolved_at is not None
            and view.resolved_at.astimezone(zone).date() == day
        ]
        days.append((day, tuple(sorted(over, key=lambda view: view.started_at, reverse=True))))
    return tuple(days)


# ── metrics ────────────────────────────────────────────────────────────────────


def _metric_views(at: datetime) -> tuple[MetricView, ...]:
    """Those on display that were sent figures for in the last 24 hours."""
    shown = metrics.displayed(at=at)
    slots = metrics.slots([row for row, _ in shown], at=at) if shown else {}
    first = metrics.first_slot(at)
    return tuple(
        MetricView(
            id=row.public_id,
            name=row.name,
            description=row.tooltip_description,
            suffix=row.suffix,
            decimal_places=row.decimal_places,
            value=last.value,
            at=datetime.fromtimestamp(last.second, UTC),
            lowest=min(slot.lowest for slot in slots[row.id]),
            highest=max(slot.highest for slot in slots[row.id]),
            slots=tuple((slot.number - first, slot.average) for slot in slots[row.id]),
            y_axis_min=row.y_axis_min,
            y_axis_max=row.y_axis_max,
            y_axis_hidden=row.y_axis_hidden,
        )
        for row, last in shown
        if row.id in slots
    )
