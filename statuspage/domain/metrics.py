"""Metrics: figures over time that programs send and the public may read.

Owns the tables of providers, metrics and points, and every rule about them. Nothing is
fetched from anywhere, so that no password of another service is kept here.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from statuspage.db import Model, PublicId, db, upsert
from statuspage.domain import events
from statuspage.domain.events import Actor, Event
from statuspage.errors import Invalid
from statuspage.lib.markdown import clean

SELF = "Self"
"""The one type of provider there can be: programs send the figures."""
FETCHING = ("Pingdom", "NewRelic", "Librato", "Datadog")
"""The other types of Statuspage, which sign in elsewhere and fetch."""

MAX_TEXT = 255
MAX_DECIMALS = 5
MAX_VALUE = 1e15
"""Beyond it a float no longer tells neighbouring figures with decimals apart."""
MAX_POINTS = 3_000
"""In one request."""
KEPT_FOR = timedelta(days=90)
MAX_AHEAD = timedelta(hours=1)
"""Clocks differ; a timestamp further ahead is a mistake (milliseconds, most often)."""
NOTED_EVERY = timedelta(days=1)
"""That a program sends data for a metric is written into the log at most this often."""
DROPPED_AT_ONCE = 5_000

SLOT_S = 900
"""Points of a quarter of an hour are told to the public as one average."""
SLOTS = 96
"""24 hours."""


class MetricsProvider(Model):
    """Where figures come from. Ours never fetches: programs send, `type` is `Self`."""

    public_id: Mapped[PublicId]
    type: Mapped[str] = mapped_column(sa.String(32))
    metric_base_uri: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Metric(Model):
    public_id: Mapped[PublicId]
    provider_id: Mapped[int] = mapped_column(
        sa.ForeignKey("metrics_provider.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str]
    metric_identifier: Mapped[str | None]
    suffix: Mapped[str | None]
    tooltip_description: Mapped[str | None]
    y_axis_min: Mapped[float | None]
    y_axis_max: Mapped[float | None]
    y_axis_hidden: Mapped[bool] = mapped_column(default=False)
    display: Mapped[bool] = mapped_column(default=True)
    """The public page shows it while there is data."""
    decimal_places: Mapped[int] = mapped_column(default=0)
    position: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    provider: Mapped[MetricsProvider] = relationship(lazy="joined", innerjoin=True)


metric_point = sa.Table(
    "metric_point",
    db.metadata,
    sa.Column("metric_id", sa.ForeignKey("metric.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("second", sa.BigInteger, primary_key=True),
    sa.Column("value", sa.Double, nullable=False),
    # The key is the row: half the bytes, and a day of one metric lies together.
    sqlite_with_rowid=False,
)
"""One value at one second (Unix time); a later value for the same second replaces it."""


@dataclass(frozen=True)
class Facts:
    """What is said of a metric, apart from its figures."""

    name: str
    metric_identifier: str | None = None
    suffix: str | None = None
    tooltip_description: str | None = None
    y_axis_min: float | None = None
    y_axis_max: float | None = None
    y_axis_hidden: bool = False
    display: bool = True
    decimal_places: int = 0

    @classmethod
    def of(cls, metric: Metric) -> "Facts":
        """As they stand."""
        return cls(**{name: getattr(metric, name) for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Point:
    """A figure at a second of Unix time."""

    second: int
    value: float


@dataclass(frozen=True)
class Slot:
    """Figures of a quarter of an hour: `number` counts quarters of Unix time."""

    number: int
    average: float
    lowest: float
    highest: float


# ── providers and metrics ──────────────────────────────────────────────────────


def add_provider(
    kind: str | None, *, metric_base_uri: str | None = None, by: Actor, at: datetime
) -> MetricsProvider:
    """Raises `Invalid` for a type that fetches, and for an unknown one."""
    provider = MetricsProvider(created_at=at, updated_at=at)
    _set_provider(provider, kind, metric_base_uri)
    db.session.add(provider)
    _record("metrics_provider.added", provider, provider.type, by, at, is_public=False)
    return provider


def edit_provider(
    provider: MetricsProvider,
    *,
    kind: str | None,
    metric_base_uri: str | None,
    by: Actor,
    at: datetime,
) -> None:
    """Raises `Invalid` as `add_provider`."""
    _set_provider(provider, kind, metric_base_uri)
    provider.updated_at = at
    _record("metrics_provider.edited", provider, provider.type, by, at, is_public=False)


def remove_provider(provider: MetricsProvider, *, by: Actor, at: datetime) -> None:
    """Its metrics go with it, and their data."""
    _record("metrics_provider.removed", provider, provider.type, by, at)
    db.session.delete(provider)


def add(provider: MetricsProvider, facts: Facts, *, by: Actor, at: datetime) -> Metric:
    """A new metric, last on the page. Raises `Invalid`."""
    last = db.session.scalar(sa.select(sa.func.max(Metric.position)))
    metric = Metric(provider=provider, position=(last or 0) + 1, created_at=at, updated_at=at)
    _describe(metric, facts)
    db.session.add(metric)
    _record("metric.added", metric, metric.name, by, at)
    return metric


def edit(metric: Metric, facts: Facts, *, by: Actor, at: datetime) -> None:
    """Raises `Invalid`."""
    _describe(metric, facts)
    metric.updated_at = at
    _record("metric.edited", metric, metric.name, by, at)


def remove(metric: Metric, *, by: Actor, at: datetime) -> None:
    """Its data goes with it."""
    _record("metric.removed", metric, metric.name, by, at)
    db.session.delete(metric)


def _set_provider(provider: MetricsProvider, kind: str | None, uri: str | None) -> None:
    if kind in FETCHING:
        raise Invalid(
            type=f"This page fetches nothing from {kind}: it would have to keep your password."
            " Create a provider of the type Self, and send its figures by"
            " POST /v1/pages/{page_id}/metrics/{metric_id}/data."
        )
    if kind != SELF:
        raise Invalid(type="The type of a provider must be Self: programs send its data.")
    provider.type = kind
    provider.metric_base_uri = _text("metric_base_uri", uri)


def _describe(metric: Metric, facts: Facts) -> None:
    name = _text("name", facts.name)
    if name is None:
        raise Invalid(name="Enter a name for what is measured.")
    if not 0 <= facts.decimal_places <= MAX_DECIMALS:
        raise Invalid(decimal_places=f"Values are shown with 0 to {MAX_DECIMALS} decimals.")
    low, high = facts.y_axis_min, facts.y_axis_max
    for field, bound in (("y_axis_min", low), ("y_axis_max", high)):
        if bound is not None:
            _check_value(field, bound)
    if low is not None and high is not None and low >= high:
        raise Invalid(y_axis_max="The axis must end above its start.")
    metric.name = name
    metric.metric_identifier = _text("metric_identifier", facts.metric_identifier)
    metric.suffix = _text("suffix", facts.suffix)
    metric.tooltip_description = _text("tooltip_description", facts.tooltip_description)
    metric.y_axis_min, metric.y_axis_max = low, high
    metric.y_axis_hidden = facts.y_axis_hidden
    metric.display = facts.display
    metric.decimal_places = facts.decimal_places


def _text(field: str, text: str | None) -> str | None:
    text = clean(text or "").strip()
    if len(text) > MAX_TEXT:
        raise Invalid(**{field: f"Use at most {MAX_TEXT} characters."})
    return text or None


def _check_value(field: str, value: float) -> None:
    if not math.isfinite(value) or abs(value) > MAX_VALUE:
        raise Invalid(**{field: f"Send a number between -{MAX_VALUE:.0e} and {MAX_VALUE:.0e}."})


# ── figures ────────────────────────────────────────────────────────────────────


def add_points(
    points: Mapping[Metric, Sequence[Point]], *, by: Actor, at: datetime
) -> dict[Metric, list[Point]]:
    """Keep figures; tells what is kept: one a second, the last one sent.

    All or nothing: raises `Invalid` for too many of them, and where one is no number, is
    older than `KEPT_FOR` or ahead of time. The page shows them within a minute; nothing
    is rebuilt for them at once, as some programs send every second.
    """
    if sum(len(some) for some in points.values()) > MAX_POINTS:
        raise Invalid(data=f"Send at most {MAX_POINTS:,} points in one request.")
    stored = {metric: _one_a_second(some, at) for metric, some in points.items()}
    rows: list[dict[str, float]] = [
        {"metric_id": metric.id, "second": point.second, "value": point.value}
        # In one order, so that two requests at once cannot wait for one another.
        for metric in sorted(stored, key=lambda row: row.id)
        for point in stored[metric]
    ]
    if rows:
        _upsert(rows)
        _note_sending([metric for metric, some in stored.items() if some], by, at)
    return stored


def forget_points(metric: Metric, *, by: Actor, at: datetime) -> None:
    """Take all figures of a metric away."""
    db.session.execute(sa.delete(metric_point).where(metric_point.c.metric_id == metric.id))
    _record("metric.data_removed", metric, metric.name, by, at)


def drop_old(*, at: datetime) -> bool:
    """Take away a part of the figures older than `KEPT_FOR`; whether there may be more.

    A part at a time, so that nobody waits long for it. No event: the log would only
    tell the time.
    """
    oldest = _second(at - KEPT_FOR)
    key = sa.tuple_(metric_point.c.metric_id, metric_point.c.second)
    old = (
        sa.select(metric_point.c.metric_id, metric_point.c.second)
        # Metric by metric the key is in order: what is old lies at each beginning.
        .where(metric_point.c.metric_id.in_(sa.select(Metric.id)), metric_point.c.second < oldest)
        .limit(DROPPED_AT_ONCE)
    )
    result = db.session.execute(sa.delete(metric_point).where(key.in_(old)))
    return bool(result.rowcount == DROPPED_AT_ONCE)  # type: ignore[attr-defined]


def _one_a_second(points: Sequence[Point], at: datetime) -> list[Point]:
    oldest, newest = _second(at - KEPT_FOR), _second(at + MAX_AHEAD)
    for point in points:
        _check_value("value", point.value)
        if not oldest <= point.second <= newest:
            raise Invalid(
                timestamp="Send seconds since 1970, at most an hour ahead and at most"
                f" {KEPT_FOR.days} days ago: older figures are not kept."
            )
    last = {point.second: point for point in points}
    return [last[second] for second in sorted(last)]


def _upsert(rows: list[dict[str, float]]) -> None:
    statement = upsert(metric_point)
    statement = statement.on_conflict_do_update(
        index_elements=["metric_id", "second"], set_={"value": statement.excluded.value}
    )
    db.session.execute(statement, rows)


def _note_sending(metrics: Sequence[Metric], by: Actor, at: datetime) -> None:
    noted = set(
        db.session.scalars(
            sa.select(Event.subject).where(
                Event.subject.in_([metric.public_id for metric in metrics]),
                Event.kind == "metric.data_sent",
                Event.actor_name == by.name,
                Event.at > at - NOTED_EVERY,
            )
        )
    )
    for metric in metrics:
        if metric.public_id not in noted:
            _record("metric.data_sent", metric, metric.name, by, at, is_public=False)


def _second(moment: datetime) -> int:
    return math.floor(moment.timestamp())


# ── finders ────────────────────────────────────────────────────────────────────


def get(public_id: str) -> Metric | None:
    return db.session.scalar(sa.select(Metric).where(Metric.public_id == public_id))


def get_provider(public_id: str) -> MetricsProvider | None:
    query = sa.select(MetricsProvider).where(MetricsProvider.public_id == public_id)
    return db.session.scalar(query)


def providers() -> list[MetricsProvider]:
    """All, the oldest first."""
    return list(db.session.scalars(sa.select(MetricsProvider).order_by(MetricsProvider.id)))


def listed(*, provider: MetricsProvider | None = None, offset: int = 0, limit: int) -> list[Metric]:
    """By position, those of one provider when asked."""
    query = sa.select(Metric).order_by(Metric.position, Metric.id).offset(offset).limit(limit)
    if provider is not None:
        query = query.where(Metric.provider_id == provider.id)
    return list(db.session.scalars(query))


def with_ids(public_ids: Iterable[str]) -> dict[str, Metric]:
    """By public id; unknown ones are left out."""
    query = sa.select(Metric).where(Metric.public_id.in_(list(public_ids)))
    return {metric.public_id: metric for metric in db.session.scalars(query)}


def newest_data_at(metrics: Iterable[Metric]) -> dict[int, datetime]:
    """Row id → the moment of the newest figure; those without any are left out."""
    # A look at the end of each metric's part of the key, where a grouping would read it all.
    newest = (
        sa.select(sa.func.max(metric_point.c.second))
        .where(metric_point.c.metric_id == Metric.id)
        .scalar_subquery()
    )
    query = sa.select(Metric.id, newest).where(Metric.id.in_([metric.id for metric in metrics]))
    return {
        row_id: datetime.fromtimestamp(second, UTC)
        for row_id, second in db.session.execute(query)
        if second is not None
    }


def displayed(*, at: datetime) -> list[tuple[Metric, Point]]:
    """What the public may see: metrics on display with their last figure of the last slots."""
    point = metric_point.alias()
    newest = (
        sa.select(sa.func.max(point.c.second))
        .where(point.c.metric_id == Metric.id, point.c.second <= _second(at))
        .correlate(Metric)
        .scalar_subquery()
    )
    query = (
        sa.select(Metric, metric_point.c.second, metric_point.c.value)
        .join(
            metric_point,
            sa.and_(metric_point.c.metric_id == Metric.id, metric_point.c.second == newest),
        )
        .where(Metric.display.is_(True), metric_point.c.second >= first_slot(at) * SLOT_S)
        .order_by(Metric.position, Metric.id)
    )
    return [(metric, Point(second, value)) for metric, second, value in db.session.execute(query)]


def slots(metrics: Iterable[Metric], *, at: datetime) -> dict[int, list[Slot]]:
    """Row id → the figures of the last `SLOTS` slots, oldest first, empty slots left out."""
    # Written out: PostgreSQL takes two parameters of the same value for different ones.
    number = metric_point.c.second // sa.literal_column(str(SLOT_S), sa.BigInteger)
    value = metric_point.c.value
    query = (
        sa.select(
            metric_point.c.metric_id,
            number.label("number"),
            sa.func.avg(value),
            sa.func.min(value),
            sa.func.max(value),
        )
        .where(
            metric_point.c.metric_id.in_([metric.id for metric in metrics]),
            metric_point.c.second >= first_slot(at) * SLOT_S,
            metric_point.c.second <= _second(at),
        )
        .group_by(metric_point.c.metric_id, number)
        .order_by(metric_point.c.metric_id, number)
    )
    by_metric: dict[int, list[Slot]] = {}
    for row_id, *figures in db.session.execute(query):
        by_metric.setdefault(row_id, []).append(Slot(*figures))
    return by_metric


def first_slot(at: datetime) -> int:
    """The oldest of the `SLOTS` slots that end with the present one."""
    return _second(at) // SLOT_S - SLOTS + 1


def _record(
    kind: str,
    row: Metric | MetricsProvider,
    title: str,
    by: Actor,
    at: datetime,
    *,
    is_public: bool = True,
) -> None:
    db.session.flush()
    events.record(kind, subject=row.public_id, title=title, by=by, at=at, is_public=is_public)
