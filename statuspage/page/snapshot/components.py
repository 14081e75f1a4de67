"""Components as the public sees them: rows and what claimed them become views.

Archived ones are seen by nobody, some only while they are not operational.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from statuspage.domain.claims import OPERATIONAL, Span, effective, intervals, status_since
from statuspage.domain.components import verbs as components
from statuspage.domain.components.claims_store import ComponentClaim
from statuspage.domain.components.models import Component, ComponentGroup
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.statuses import ComponentStatus, worst
from statuspage.domain.uptime import Day, Window, day_start, days, percentage
from statuspage.page.snapshot import months
from statuspage.page.snapshot.values import (
    CalendarMonth,
    Cause,
    ComponentView,
    GroupView,
    IncidentRef,
)

Spans = Mapping[int, Sequence[Span]]


def is_hidden(view: ComponentView) -> bool:
    return view.only_show_if_degraded and view.status is ComponentStatus.OPERATIONAL


def shown(
    rows: Iterable[Component], spans: Spans, zone: ZoneInfo, at: datetime
) -> tuple[ComponentView | GroupView, ...]:
    views: dict[int | None, list[ComponentView]] = {}
    for row in rows:
        view = of_component(row, spans.get(row.id, ()), zone, at)
        if not is_hidden(view):
            views.setdefault(row.group_id, []).append(view)
    result: list[ComponentView | GroupView] = list(views.get(None, ()))
    for group in components.groups():
        if group.id in views:
            result.append(of_group(group, views[group.id]))
    return tuple(sorted(result, key=lambda item: item.position))


def of_group(group: ComponentGroup, members: Sequence[ComponentView]) -> GroupView:
    return GroupView(
        id=group.public_id,
        name=group.name,
        description=group.description,
        position=group.position,
        status=worst(member.status for member in members),
        components=tuple(members),
        created_at=group.created_at,
        updated_at=group.updated_at,
    )


def of_component(
    row: Component, spans: Sequence[Span], zone: ZoneInfo, at: datetime, *, days_too: bool = True
) -> ComponentView:
    """`spans` are those of the last 90 days; without `days_too` those of this moment suffice."""
    shown: tuple[Day, ...] = ()
    if row.showcase and days_too:
        shown = tuple(
            days(
                spans,
                last=at.astimezone(zone).date(),
                count=Window.NINETY.days,
                zone=zone,
                at=at,
                start_date=row.first_day(zone),
            )
        )
    return ComponentView(
        id=row.public_id,
        name=row.name,
        full_name=row.full_name,
        description=row.description,
        group_id=row.group.public_id if row.group else None,
        group_name=row.group.name if row.group else None,
        position=row.position,
        claim=effective(spans, at),
        since=status_since(spans, at, known_from=window_start(zone, at)) if days_too else None,
        showcase=row.showcase,
        only_show_if_degraded=row.only_show_if_degraded,
        start_date=row.start_date,
        first_day=row.first_day(zone),
        created_at=row.created_at,
        updated_at=row.updated_at,
        days=shown,
        uptime={window: percentage(shown[-window.days :]) for window in Window} if shown else {},
    )


def window_start(zone: ZoneInfo, at: datetime) -> datetime:
    """The first moment of the 90 days that bars show."""
    today = at.astimezone(zone).date()
    return day_start(today - timedelta(days=Window.NINETY.days - 1), zone)


def visible(public_id: str) -> Component | None:
    row = components.get(public_id)
    return row if row is not None and row.archived_at is None else None


def in_order() -> list[Component]:
    """Visible ones in the order of the page, groups opened."""
    return components.listed()


def calendar_month(
    first: date, row: Component, spans: Sequence[Span], zone: ZoneInfo, at: datetime
) -> CalendarMonth:
    last = min(months.next_month(first) - timedelta(days=1), at.astimezone(zone).date())
    shown = days(
        spans,
        last=last,
        count=(last - first).days + 1,
        zone=zone,
        at=at,
        start_date=row.first_day(zone),
    )
    return CalendarMonth(first, tuple(shown), percentage(shown))


def refs_of(claims: Iterable[ComponentClaim]) -> dict[int, IncidentRef]:
    ids = {claim.incident_id for claim in claims if claim.incident_id is not None}
    return {
        row_id: IncidentRef(public_id, name, kind)
        for row_id, public_id, name, kind in incidents.names_of(sorted(ids))
    }


def causes(
    claims: Sequence[ComponentClaim],
    refs: Mapping[int, IncidentRef],
    start: datetime,
    end: datetime,
) -> list[Cause]:
    spans = [claim.span for claim in claims]
    causes_found = []
    for part in intervals(spans, start, end):
        if part.claim == OPERATIONAL:
            continue
        claimed = {
            refs[claim.incident_id]
            for claim in claims
            if claim.incident_id is not None
            and claim.incident_id in refs
            and claim.claim == part.claim
            and claim.starts_at < part.ends_at
            and (claim.ends_at is None or claim.ends_at > part.starts_at)
        }
        causes_found.append(Cause(part, tuple(sorted(claimed, key=lambda ref: ref.id))))
    return causes_found


def leaves_of(item: ComponentView | GroupView) -> tuple[ComponentView, ...]:
    return item.components if isinstance(item, GroupView) else (item,)
