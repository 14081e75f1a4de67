"""Statuspage's JSON, API v2: read, checked and put into values.

Keys and their meaning are Statuspage's; the keys that we have no use for are
told in the report rather than dropped in silence.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from statuspage.domain.recordings import (
    Listing,
    RecordedChange,
    RecordedComponent,
    RecordedGroup,
    RecordedIncident,
    RecordedPage,
    RecordedUpdate,
    Unplaced,
)
from statuspage.domain.status import ComponentStatus, Impact, IncidentKind, IncidentStatus
from statuspage.errors import Invalid
from statuspage.text import clean

MAX_BODY = 100_000


def _moment(value: datetime) -> datetime:
    if not 1990 <= value.year <= 2200:
        raise ValueError("the year is out of range")
    return value.astimezone(UTC)


def _day(value: date) -> date:
    if not 1990 <= value.year <= 2200:
        raise ValueError("the year is out of range")
    return value


Id = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
Moment = Annotated[AwareDatetime, AfterValidator(_moment)]
Day = Annotated[date, AfterValidator(_day)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
Name = Annotated[
    str,
    AfterValidator(lambda value: clean(value).strip()),
    StringConstraints(min_length=1, max_length=255),
]
Number = Annotated[int, Field(ge=0, le=1_000_000)]


class _Told(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Page(_Told):
    id: Id
    name: Annotated[Name, StringConstraints(max_length=100)]
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s\"'<>]{1,500}$")] | None = None
    time_zone: str = "Etc/UTC"
    updated_at: Moment | None = None


class _Component(_Told):
    id: Id
    name: Name
    status: ComponentStatus
    created_at: Moment
    updated_at: Moment
    position: Number = 1
    description: Annotated[str, StringConstraints(max_length=MAX_BODY)] | None = None
    showcase: bool = False
    start_date: Day | None = None
    group_id: Id | None = None
    page_id: str | None = None
    group: bool = False
    only_show_if_degraded: bool = False
    components: list[str] | None = None


class _Change(_Told):
    code: Id
    name: Name
    old_status: ComponentStatus
    new_status: ComponentStatus


class _Update(_Told):
    id: Id
    status: IncidentStatus
    body: Annotated[str, StringConstraints(max_length=MAX_BODY)] | None
    incident_id: str | None = None
    created_at: Moment
    updated_at: Moment
    display_at: Moment | None = None
    affected_components: list[_Change] | None = None
    deliver_notifications: bool = True
    custom_tweet: Annotated[str, StringConstraints(max_length=MAX_BODY)] | None = None
    tweet_id: Annotated[int, Field(ge=0, lt=2**63)] | None = None


class _Incident(_Told):
    id: Id
    name: Name
    status: IncidentStatus
    created_at: Moment
    updated_at: Moment
    monitoring_at: Moment | None = None
    resolved_at: Moment | None = None
    impact: Impact
    shortlink: Words | None = None
    started_at: Moment | None = None
    page_id: Id | None = None
    incident_updates: list[_Update] = []
    components: list[_Component] = []
    reminder_intervals: Words | None = None
    scheduled_for: Moment | None = None
    scheduled_until: Moment | None = None


class _Status(_Told):
    indicator: str
    description: str


class _Document(_Told):
    page: _Page | None = None
    status: _Status | None = None
    components: list[_Component] | None = None
    incidents: list[_Incident] | None = None
    incident: _Incident | None = None
    scheduled_maintenances: list[_Incident] | None = None
    months: list[Any] | None = None


def read(source: str, content: bytes) -> tuple[Listing | None, list[Unplaced]]:
    """What a file tells; None when it holds nothing but a page's state.

    Raises `Invalid` with the place of the first error.
    """
    try:
        document = _Document.model_validate_json(content.removeprefix(b"\xef\xbb\xbf"))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        where = f"{source}: {place}" if place else source
        raise Invalid(source=f"{where}: {first['msg']}.") from error
    unplaced = [
        Unplaced(source, f"the field {place} ({number} times) has no home here")
        for place, number in sorted(_unknown(document).items())
    ]
    if document.months is not None:
        unplaced.append(Unplaced(source, "the overview by month holds no updates; give the feed"))
    told = [document.components, document.incidents, document.scheduled_maintenances]
    if not any(part is not None for part in told) and document.incident is None:
        if document.page is None and document.months is None:
            raise Invalid(source=f"{source}: this is no recording of a Statuspage page.")
        unplaced.append(Unplaced(source, "holds no component and no incident"))
        return None, unplaced
    return _listing(source, document, unplaced), unplaced


def _listing(source: str, document: _Document, unplaced: list[Unplaced]) -> Listing:
    told = [*(document.incidents or []), *(document.scheduled_maintenances or [])]
    if document.incident is not None:
        told.append(document.incident)
    listed = document.components
    rows = {one.id: one for incident in told for one in incident.components}
    all_rows = [
        *(listed or []),
        *(one for one in rows.values() if one.id not in {row.id for row in listed or []}),
    ]
    for row in all_rows:
        if row.group and (row.start_date or row.showcase or row.only_show_if_degraded):
            unplaced.append(
                Unplaced(row.id, "a group has no start date, showcase or condition here")
            )
    return Listing(
        source=source,
        at=_recorded_at(document, told),
        page=_page(document.page),
        groups=tuple(_group(one) for one in all_rows if one.group),
        components=tuple(
            _component(one)
            for one in all_rows
            if not one.group and (listed is None or one in listed)
        ),
        incidents=tuple(_incident(one, unplaced) for one in told),
        is_whole=not any(
            part is None
            for part in (document.components, document.incidents, document.scheduled_maintenances)
        ),
        lists_components=listed is not None,
    )


def _recorded_at(document: _Document, told: list[_Incident]) -> datetime | None:
    if document.page is not None and document.page.updated_at is not None:
        return document.page.updated_at
    moments = [one.updated_at for one in told]
    moments += [one.updated_at for one in document.components or []]
    return max(moments, default=None)


def _page(page: _Page | None) -> RecordedPage | None:
    if page is None:
        return None
    url = page.url.rstrip("/") if page.url else None
    return RecordedPage(page.id, page.name, url, page.time_zone)


def _group(told: _Component) -> RecordedGroup:
    return RecordedGroup(
        public_id=told.id,
        name=told.name,
        description=_description(told),
        position=told.position,
        created_at=told.created_at,
        updated_at=told.updated_at,
    )


def _component(told: _Component) -> RecordedComponent:
    return RecordedComponent(
        public_id=told.id,
        name=told.name,
        description=_description(told),
        group_id=told.group_id,
        position=told.position,
        showcase=told.showcase,
        only_show_if_degraded=told.only_show_if_degraded,
        start_date=told.start_date,
        created_at=told.created_at,
        updated_at=told.updated_at,
        status=told.status,
    )


def _description(told: _Component) -> str | None:
    return clean(told.description) if told.description else None


def _incident(told: _Incident, unplaced: list[Unplaced]) -> RecordedIncident:
    planned = told.scheduled_for is not None or told.status in _PLANNED
    # Oldest first; turned before it is sorted, so that updates of one moment stay in order.
    updates = list(reversed(told.incident_updates))
    updates.sort(key=_posted_at)
    return RecordedIncident(
        public_id=told.id,
        kind=IncidentKind.MAINTENANCE if planned else IncidentKind.INCIDENT,
        name=told.name,
        status=told.status,
        impact=told.impact,
        started_at=told.started_at or told.created_at,
        mitigated_at=told.monitoring_at,
        resolved_at=_resolved_at(told),
        scheduled_for=told.scheduled_for,
        scheduled_until=told.scheduled_until,
        created_at=told.created_at,
        updated_at=told.updated_at,
        updates=tuple(_update(one, unplaced) for one in updates),
        shortlink=clean(told.shortlink) if told.shortlink else None,
        reminder_intervals=clean(told.reminder_intervals) if told.reminder_intervals else None,
        component_ids=tuple(dict.fromkeys(one.id for one in told.components if not one.group)),
    )


_PLANNED = frozenset(
    {
        IncidentStatus.SCHEDULED,
        IncidentStatus.IN_PROGRESS,
        IncidentStatus.VERIFYING,
        IncidentStatus.COMPLETED,
        IncidentStatus.CANCELLED,
    }
)


def _resolved_at(told: _Incident) -> datetime | None:
    if not told.status.is_over:
        return None
    ends = [_posted_at(one) for one in told.incident_updates if one.status.is_over]
    return told.resolved_at or min(ends, default=told.updated_at)


def _update(told: _Update, unplaced: list[Unplaced]) -> RecordedUpdate:
    body = told.body or ""
    if clean(body) != body:
        unplaced.append(Unplaced(told.id, "control characters or foreign line ends in its words"))
    return RecordedUpdate(
        public_id=told.id,
        status=told.status,
        body=clean(body),
        posted_at=_posted_at(told),
        created_at=told.created_at,
        updated_at=told.updated_at,
        notify=told.deliver_notifications,
        tweet_id=told.tweet_id,
        custom_tweet=None if told.custom_tweet is None else clean(told.custom_tweet),
        changes=tuple(
            {
                one.code: RecordedChange(one.code, one.name, one.old_status, one.new_status)
                for one in told.affected_components or []
            }.values()
        ),
    )


def _posted_at(told: _Update) -> datetime:
    return told.display_at or told.created_at


def _unknown(told: BaseModel, place: str = "") -> Counter[str]:
    """Place of each key that the model does not know → how often it occurs."""
    found = Counter(f"{place}{name}" for name in told.model_extra or {})
    for name in type(told).model_fields:
        value = getattr(told, name)
        parts: Iterable[object] = value if isinstance(value, list) else [value]
        for part in parts:
            if isinstance(part, BaseModel):
                found += _unknown(part, f"{place}{name}.")
    return found
