"""The vocabulary of the public page: frozen values without a database behind them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from statuspage.domain.claims import OPERATIONAL, Claim, Interval
from statuspage.domain.incidents.postmortems import ActionState
from statuspage.domain.incidents.search import Severity
from statuspage.domain.statuses import (
    ComponentStatus,
    Impact,
    IncidentKind,
    IncidentStatus,
    PageStatus,
)
from statuspage.domain.uptime import Day, Window
from statuspage.lib.bidi import isolated

JUST_RESOLVED = timedelta(hours=24)
"""For so long the front page repeats the last words of an incident that is over."""


@dataclass(frozen=True)
class PageView:
    """The page's own facts. `url` has no trailing slash."""

    id: str
    name: str
    is_named: bool
    """False until somebody gave it a name of its own."""
    url: str
    zone: ZoneInfo
    about_html: str
    footer_html: str
    support_url: str | None
    accent: str | None
    accent_dark: str | None
    logo_url: str | None
    is_hidden: bool
    """Search engines are asked to leave it out."""
    updated_at: datetime
    revision: int

    @property
    def time_zone(self) -> str:
        return self.zone.key


@dataclass(frozen=True)
class IncidentRef:
    """Just enough to link to an incident."""

    id: str
    name: str
    kind: IncidentKind

    @property
    def path(self) -> str:
        return f"/incidents/{self.id}"


@dataclass(frozen=True)
class Cause:
    """An interval of trouble and the incidents that claimed it (none: set by hand)."""

    interval: Interval
    incidents: tuple[IncidentRef, ...]


@dataclass(frozen=True)
class ComponentView:
    """A component as it stands. `days` are the last 90, oldest first; empty unless showcased."""

    id: str
    name: str
    full_name: str
    description: str | None
    group_id: str | None
    group_name: str | None
    position: int
    claim: Claim
    since: datetime | None
    """Since when it has had this status; None when it is operational, or for over 90 days."""
    showcase: bool
    only_show_if_degraded: bool
    start_date: date | None
    """As it was set."""
    first_day: date
    """From when on there is data."""
    created_at: datetime
    updated_at: datetime
    days: tuple[Day, ...]
    uptime: Mapping[Window, Decimal | None]

    @property
    def status(self) -> ComponentStatus:
        return self.claim.status

    @property
    def path(self) -> str:
        return f"/components/{self.id}"


@dataclass(frozen=True)
class GroupView:
    """A group with its visible components; its status is the worst of theirs."""

    id: str
    name: str
    description: str | None
    position: int
    status: ComponentStatus
    components: tuple[ComponentView, ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class ChangeView:
    """What an update said of one component."""

    component_id: str
    name: str
    """Without the group."""
    full_name: str
    statuspage_name: str
    """As it was called then, `Payments - Card payments`."""
    old_status: ComponentStatus
    claim: Claim
    """The effective status."""
    because_of: IncidentRef | None = None
    """The other incident that holds the component there."""

    @property
    def reason(self) -> str:
        """` because of “Slow transfers”`, where another incident holds it."""
        return f" because of “{isolated(self.because_of.name)}”" if self.because_of else ""

    @property
    def is_move(self) -> bool:
        return self.old_status is not self.claim.status


@dataclass(frozen=True)
class EditView:
    """One edit of a text: when, why, and the words: `(kind, text)`, kind `same`, `old` or `new`."""

    at: datetime
    reason: str | None
    words: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class UpdateView:
    id: str
    status: IncidentStatus
    is_first_of_status: bool
    """False: the status is the one of the update before; feeds then say `Update`."""
    body: str
    html: str
    posted_at: datetime
    updated_at: datetime
    created_at: datetime
    edited_at: datetime | None
    edits: tuple[EditView, ...]
    """Oldest first."""
    changes: tuple[ChangeView, ...]
    next_update_by: datetime | None
    is_automatic: bool
    notify: bool
    custom_tweet: str | None
    tweet_id: int | None

    @property
    def anchor(self) -> str:
        return f"update-{self.id}"


@dataclass(frozen=True)
class ActionView:
    id: str
    title: str
    owner: str | None
    state: ActionState
    due_on: date | None
    done_at: datetime | None
    is_late: bool


@dataclass(frozen=True)
class PostmortemView:
    """`parts` are (field name, heading, HTML), in reading order, empty ones left out."""

    id: str
    parts: tuple[tuple[str, str, str], ...]
    actions: tuple[ActionView, ...]
    published_at: datetime
    edited_at: datetime | None
    version: int
    """1 for the first published text."""
    edits: tuple[EditView, ...]
    source: str
    """The whole text as Markdown."""


@dataclass(frozen=True)
class CorrectionView:
    """A published fact put right. Moments are ISO 8601 texts in `old` and `new`."""

    field: str
    old: str | None
    new: str | None
    reason: str | None
    at: datetime


@dataclass(frozen=True)
class Strip:
    """One component's effective status over the incident, without gaps."""

    component_id: str
    name: str
    parts: tuple[Interval, ...]


@dataclass(frozen=True)
class IncidentView:
    """An incident or a scheduled maintenance with its whole timeline, newest update first."""

    id: str
    row_id: int
    kind: IncidentKind
    name: str
    status: IncidentStatus
    impact: Impact
    who_is_affected: str | None
    what_still_works: str | None
    what_you_can_do: str | None
    next_update_by: datetime | None
    is_overdue: bool
    """The promised update is late."""
    started_at: datetime
    began_at: datetime
    """When a maintenance really began, early or late; the start of anything else."""
    detected_at: datetime | None
    told_at: datetime | None
    mitigated_at: datetime | None
    resolved_at: datetime | None
    scheduled_for: datetime | None
    scheduled_until: datetime | None
    is_backfilled: bool
    created_at: datetime
    updated_at: datetime
    updates: tuple[UpdateView, ...]
    components: tuple[tuple[str, str], ...]
    """(public id, name) of every component that was named."""
    worst: Claim
    """The worst claim by its newest word."""
    promises_kept: int
    promises_made: int
    """Promises whose time has come."""
    corrections: tuple[CorrectionView, ...]
    postmortem: PostmortemView | None
    shortlink: str | None
    """The short address it had elsewhere."""
    reminder_intervals: str | None
    announced_at: datetime
    """When a maintenance was announced; of an incident, when it started."""
    feed_id: str | None = None
    """The id of its entry in the history feed it was imported from."""
    impact_override: Impact | None = None
    peak: Claim = OPERATIONAL
    """The worst it ever claimed; operational where it claimed nothing."""
    starts_by_itself: bool = False
    ends_by_itself: bool = False
    reminds: bool = False
    reminded_at: datetime | None = None

    @property
    def path(self) -> str:
        return f"/incidents/{self.id}"

    @property
    def is_over(self) -> bool:
        return self.status.is_over

    @property
    def state(self) -> str:
        """Its step in words; one with a postmortem is resolved."""
        is_told = self.status is IncidentStatus.POSTMORTEM
        return (IncidentStatus.RESOLVED if is_told else self.status).label

    @property
    def last_words(self) -> UpdateView | None:
        """The update that ended it, or the newest one; None where it has none."""
        ended = (update for update in self.updates if update.status is IncidentStatus.RESOLVED)
        return next(ended, self.updates[0] if self.updates else None)

    @property
    def duration(self) -> timedelta | None:
        """Start to resolution; None while it goes on."""
        return self.resolved_at - self.began_at if self.resolved_at else None


@dataclass(frozen=True)
class Retracted:
    """A withdrawn incident: its address says when and why, nothing more."""

    id: str
    name: str
    at: datetime
    reason: str


@dataclass(frozen=True)
class Listed:
    """An incident or maintenance that has a public address."""

    id: str
    is_over: bool
    is_retracted: bool
    has_postmortem: bool
    history_page: int
    """On which page of the history it stands, from 1."""


@dataclass(frozen=True)
class Listing:
    """What has a page of its own, incidents newest first."""

    components: tuple[str, ...]
    incidents: tuple[Listed, ...]
    history_pages: int


@dataclass(frozen=True)
class Banner:
    """The truth in words. `tone` is the worst component status, or what an incident implies."""

    tone: ComponentStatus | None
    """None: nothing is monitored yet."""
    label: str
    """`Major outage`, `2 open incidents`: the same in two words, for badges and titles."""
    headline: str
    href: str | None = None
    started_at: datetime | None = None
    """When the only open incident started; None where `since` says it."""
    trouble: str | None = None
    """`Partial outage`: what goes on now."""
    since: datetime | None = None
    """Since when `trouble` has been so; None where no one moment is true of all of it."""
    until: datetime | None = None
    """When the only maintenance in progress is planned to end."""
    rest: str = ""
    """How many components are in which status, and what else is affected or fine."""
    troubled: tuple[ComponentView, ...] = ()
    """Components with an outage or degraded, the worst first, where the headline cannot name
    what is wrong."""


@dataclass(frozen=True)
class MetricView:
    """A metric with its figures of 24 hours, as averages of a quarter of an hour each."""

    id: str
    name: str
    description: str | None
    suffix: str | None
    decimal_places: int
    value: float
    """The last one that was sent, at `at`."""
    at: datetime
    lowest: float
    highest: float
    """Of all figures, where `slots` has averages."""
    slots: tuple[tuple[int, float], ...]
    """(0 for the oldest to 95 for the present one, average); those without figures left out."""
    y_axis_min: float | None
    y_axis_max: float | None
    y_axis_hidden: bool


@dataclass(frozen=True)
class Snapshot:
    """The front page at one moment. Everything a renderer needs is here."""

    at: datetime
    page: PageView
    items: tuple[ComponentView | GroupView, ...]
    """Top level, in the order of the page."""
    metrics: tuple[MetricView, ...]
    status: PageStatus
    banner: Banner
    incidents: tuple[IncidentView, ...]
    """Open ones: the worst first, then the newest."""
    maintenances: tuple[IncidentView, ...]
    """In progress first, then the scheduled ones by start."""
    past: tuple[tuple[date, tuple[IncidentView, ...]], ...]
    """The last 15 calendar days, newest first, each with what ended or goes on that day."""

    @property
    def just_resolved(self) -> tuple[IncidentView, ...]:
        """Incidents that ended in the last 24 hours, the last one first."""
        ended = [
            (incident.resolved_at, incident)
            for _, incidents in self.past
            for incident in incidents
            if incident.kind is IncidentKind.INCIDENT
            and incident.resolved_at
            and self.at - incident.resolved_at < JUST_RESOLVED
        ]
        return tuple(incident for _, incident in sorted(ended, key=lambda row: row[0])[::-1])

    @property
    def components(self) -> tuple[ComponentView, ...]:
        """Every visible component, groups opened, in the order of the page."""
        result: list[ComponentView] = []
        for item in self.items:
            result.extend(item.components if isinstance(item, GroupView) else (item,))
        return tuple(result)


@dataclass(frozen=True)
class Present:
    """How everything stands, without its history: what programs ask for most."""

    page: PageView
    items: tuple[ComponentView | GroupView, ...]
    """Groups and components that are shown, mixed: by position, then the older first."""
    components: Mapping[str, ComponentView]
    """By id, those too that are hidden while they are operational."""
    status: PageStatus


@dataclass(frozen=True)
class Month:
    """A month of history. `incidents` newest first; maintenance that is over included."""

    first: date
    incidents: tuple[IncidentView, ...]


@dataclass(frozen=True)
class MonthTally:
    """The incidents of a month, for the chart: the worst status of each, the worst first."""

    first: date
    number: int | None
    """The page of the history that has it; None before the oldest one."""
    severities: tuple[ComponentStatus, ...]


@dataclass(frozen=True)
class History:
    """Three months of history; page 1 is the newest."""

    page: PageView
    at: datetime
    number: int
    months: tuple[Month, ...]
    has_older: bool
    components: tuple["ComponentRef", ...] = ()
    """The choices of its filter."""
    chart: tuple[MonthTally, ...] = ()
    """Twelve months, oldest first, including those shown."""


@dataclass(frozen=True)
class Found:
    """A page of search results; page 1 is the newest."""

    page: PageView
    at: datetime
    number: int
    words: str
    component: "ComponentRef | None"
    severity: Severity | None
    months: tuple[Month, ...]
    """Those with something in them."""
    total: int
    has_older: bool
    components: tuple["ComponentRef", ...]


@dataclass(frozen=True)
class IncidentPage:
    page: PageView
    at: datetime
    incident: IncidentView
    strips: tuple[Strip, ...]


@dataclass(frozen=True)
class ComponentPage:
    page: PageView
    at: datetime
    component: ComponentView
    causes: tuple[Cause, ...]
    """All trouble of the last 90 days, newest first."""
    incidents: tuple[IncidentView, ...]
    """The newest 25 that named it."""


@dataclass(frozen=True)
class CalendarMonth:
    first: date
    days: tuple[Day, ...]
    uptime: Decimal | None


@dataclass(frozen=True)
class UptimeRow:
    """One component over the months of a page, oldest first. `uptime` is that of all of them."""

    component: ComponentView
    months: tuple[CalendarMonth, ...]
    uptime: Decimal | None
    causes: tuple[Cause, ...]
    """Newest first."""


@dataclass(frozen=True)
class UptimePage:
    """Uptime by calendar month, three months to a page, newest page first."""

    page: PageView
    at: datetime
    number: int
    months: tuple[date, ...]
    """The first day of each, oldest first."""
    rows: tuple[UptimeRow, ...]
    has_older: bool


@dataclass(frozen=True)
class ComponentRef:
    """Just enough to name a component and link to it."""

    id: str
    full_name: str

    @property
    def path(self) -> str:
        return f"/components/{self.id}"


@dataclass(frozen=True)
class Recent:
    """What feeds tell: the incidents and maintenances with the newest words, newest first."""

    page: PageView
    incidents: tuple[IncidentView, ...]
    component: ComponentRef | None
    """The only one told of; None: all."""
