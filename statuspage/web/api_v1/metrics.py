"""Metrics of the Manage API, and the figures that programs send for them."""

import math
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from statuspage.domain import metrics
from statuspage.domain.metrics import Facts, Point
from statuspage.domain.metrics import Metric as Row
from statuspage.domain.tokens import Scope
from statuspage.errors import Invalid
from statuspage.web.api_v1.operations import Call, OrNone, operation
from statuspage.web.api_v1.shapes import Moment, Shape, seconds, seconds_or_none
from statuspage.web.json_errors import Refused
from statuspage.web.operations import Body, Nothing

METRICS = "/pages/{page_id}/metrics"
METRIC = "/pages/{page_id}/metrics/{metric_id}"


class Metric(Shape):
    id: str
    metrics_provider_id: str
    metric_identifier: str
    name: str
    display: bool
    tooltip_description: str | None
    backfilled: bool
    """Always false: nothing is fetched."""
    y_axis_min: float
    y_axis_max: float
    """Both 0 if the axis follows the data."""
    y_axis_hidden: bool
    suffix: str
    decimal_places: int
    most_recent_data_at: Moment | None
    created_at: Moment
    updated_at: Moment
    last_fetched_at: Moment | None
    """Always null: nothing is fetched."""
    backfill_percentage: int
    """Always 0: nothing is fetched."""
    reference_name: str | None
    """Always null: only used by fetched metrics."""


class MetricFields(Body):
    name: str | None = None
    metric_identifier: OrNone[str] = None
    suffix: OrNone[str] = None
    tooltip_description: OrNone[str] = None
    y_axis_min: OrNone[float] = None
    y_axis_max: OrNone[float] = None
    y_axis_hidden: bool = False
    display: bool = True
    decimal_places: int = 0

    def facts(self, before: Facts) -> Facts:
        """With what is sent, and the rest as it was."""
        fields = self.said()
        if fields.get("y_axis_min") == fields.get("y_axis_max") == 0:
            fields |= {"y_axis_min": None, "y_axis_max": None}
        return replace(before, **fields | {"name": fields.get("name", before.name) or ""})


class MetricBody(Body):
    metric: MetricFields


def _whole(sent: Any) -> Any:
    return math.floor(sent) if isinstance(sent, float) and math.isfinite(sent) else sent


class PointFields(Body):
    timestamp: Annotated[int, BeforeValidator(_whole)]
    """Seconds since 1970; fractions are truncated."""
    value: Annotated[float, Field(allow_inf_nan=False)]


class PointBody(Body):
    data: PointFields


class PointsBody(Body):
    data: dict[str, list[PointFields]]
    """Points by the id of their metric."""


class DataPoint(Shape):
    timestamp: int
    value: float


class AddedPoint(Shape):
    data: DataPoint


# ── metrics ────────────────────────────────────────────────────────────────────


@operation("GET", METRICS, needs=Scope.READ, returns=list[Metric], query=("page", "per_page"))
def list_metrics(call: Call[Nothing]) -> list[Metric]:
    """Every metric, by position."""
    return serialize_all(call, metrics.listed(offset=call.window.offset, limit=call.window.limit))


@operation("GET", METRIC, needs=Scope.READ, returns=Metric)
def read_metric(call: Call[Nothing], metric_id: str) -> Metric:
    """One metric, without its data."""
    return serialize(call, find(metric_id))


@operation("PATCH", METRIC, needs=Scope.COMPONENTS, body=MetricBody, returns=Metric)
def update_metric(call: Call[MetricBody], metric_id: str) -> Metric:
    """Update the fields sent."""
    row = find(metric_id)
    metrics.edit(row, call.body.metric.facts(Facts.of(row)), by=call.by, at=call.at)
    return serialize(call, row)


@operation("DELETE", METRIC, needs=Scope.COMPONENTS, returns=Metric)
def delete_metric(call: Call[Nothing], metric_id: str) -> Metric:
    """Delete a metric and its data."""
    row = find(metric_id)
    answer = serialize(call, row)
    metrics.remove(row, by=call.by, at=call.at)
    return answer


# ── figures ────────────────────────────────────────────────────────────────────


@operation(
    "POST",
    f"{METRIC}/data",
    needs=Scope.COMPONENTS,
    body=PointBody,
    returns=AddedPoint,
    success=201,
)
def add_point(call: Call[PointBody], metric_id: str) -> AddedPoint:
    """Add a data point. A later one for the same second replaces it."""
    row = find(metric_id)
    stored = metrics.add_points({row: [_point(call.body.data)]}, by=call.by, at=call.at)
    return AddedPoint(data=_serialize_point(stored[row][0]))


@operation(
    "POST",
    f"{METRICS}/data",
    needs=Scope.COMPONENTS,
    body=PointsBody,
    returns=dict[str, list[DataPoint]],
    success=202,
)
def add_points(call: Call[PointsBody]) -> dict[str, list[DataPoint]]:
    """Add data points of several metrics: all of them, or none."""
    sent = call.body.data
    rows = dict(zip(sent, by_ids(list(sent)), strict=True))
    points = {
        rows[metric_id]: [_point(point) for point in some] for metric_id, some in sent.items()
    }
    stored = metrics.add_points(points, by=call.by, at=call.at)
    return {
        metric_id: [_serialize_point(point) for point in stored[row]]
        for metric_id, row in rows.items()
    }


@operation("DELETE", f"{METRIC}/data", needs=Scope.COMPONENTS, returns=Metric)
def delete_points(call: Call[Nothing], metric_id: str) -> Metric:
    """Delete all data of a metric."""
    row = find(metric_id)
    metrics.forget_points(row, by=call.by, at=call.at)
    return serialize(call, row)


def _point(sent: PointFields) -> Point:
    return Point(sent.timestamp, sent.value)


def _serialize_point(point: Point) -> DataPoint:
    return DataPoint(timestamp=point.second, value=point.value)


# ── what other operations use too ──────────────────────────────────────────────


def find(metric_id: str) -> Row:
    """Raises `Refused` (404)."""
    row = metrics.get(metric_id)
    if row is None:
        raise Refused(404, "There is no metric with this id.")
    return row


def by_ids(metric_ids: list[str]) -> list[Row]:
    """The metrics with these ids, in their order. Raises `Invalid` for an unknown one."""
    present = metrics.with_ids(metric_ids)
    unknown = [metric_id for metric_id in metric_ids if metric_id not in present]
    if unknown:
        raise Invalid(metric_ids=f"There is no metric with the id {unknown[0]!r}.")
    return [present[metric_id] for metric_id in metric_ids]


def serialize(call: Call[Body], row: Row) -> Metric:
    return serialize_all(call, [row])[0]


def serialize_all(call: Call[Body], rows: list[Row]) -> list[Metric]:
    """As they stand: one query for the newest figure of each."""
    newest = metrics.newest_data_at(rows)
    zone = call.page.zone
    return [
        Metric(
            id=row.public_id,
            metrics_provider_id=row.provider.public_id,
            metric_identifier=row.metric_identifier or "",
            name=row.name,
            display=row.display,
            tooltip_description=row.tooltip_description,
            backfilled=False,
            y_axis_min=row.y_axis_min or 0,
            y_axis_max=row.y_axis_max or 0,
            y_axis_hidden=row.y_axis_hidden,
            suffix=row.suffix or "",
            decimal_places=row.decimal_places,
            most_recent_data_at=seconds_or_none(newest.get(row.id), zone),
            created_at=seconds(row.created_at, zone),
            updated_at=seconds(row.updated_at, zone),
            last_fetched_at=None,
            backfill_percentage=0,
            reference_name=None,
        )
        for row in rows
    ]
