"""Providers of metrics of the Manage API: of the type `Self` only, programs send the figures."""

from typing import Any

from pydantic import model_validator

from statuspage.domain import metrics
from statuspage.domain.metrics import Facts, MetricsProvider
from statuspage.domain.tokens import Scope
from statuspage.web.api_v1.metrics import Metric, MetricBody, serialize, serialize_all
from statuspage.web.api_v1.operations import Call, OrNone, operation
from statuspage.web.api_v1.shapes import Moment, Shape, seconds
from statuspage.web.json_bodies import wrapped
from statuspage.web.json_errors import Refused
from statuspage.web.operations import Body, Nothing

PROVIDERS = "/pages/{page_id}/metrics_providers"
PROVIDER = "/pages/{page_id}/metrics_providers/{metrics_provider_id}"


class Provider(Shape):
    id: str
    type: str
    """Always `Self`."""
    disabled: bool
    """Always false."""
    metric_base_uri: str | None
    last_revalidated_at: Moment | None
    """Always null: providers have no password."""
    created_at: Moment
    updated_at: Moment
    page_id: str


class ProviderFields(Body):
    type: str | None = None
    """`Self`. Types that fetch data are refused; the error says what to do instead."""
    metric_base_uri: OrNone[str] = None


class ProviderBody(Body):
    metrics_provider: ProviderFields

    @model_validator(mode="before")
    @classmethod
    def _wrapped(cls, sent: Any) -> Any:
        return wrapped(sent, "metrics_provider", "metric_provider")


@operation("GET", PROVIDERS, needs=Scope.READ, returns=list[Provider])
def list_providers(call: Call[Nothing]) -> list[Provider]:
    """Every provider, oldest first."""
    return [_serialize(call, row) for row in metrics.providers()]


@operation(
    "POST", PROVIDERS, needs=Scope.COMPONENTS, body=ProviderBody, returns=Provider, success=201
)
def create_provider(call: Call[ProviderBody]) -> Provider:
    """A new provider, of the type `Self`."""
    sent = call.body.metrics_provider
    row = metrics.add_provider(
        sent.type, metric_base_uri=sent.metric_base_uri, by=call.by, at=call.at
    )
    return _serialize(call, row)


@operation("GET", PROVIDER, needs=Scope.READ, returns=Provider)
def read_provider(call: Call[Nothing], metrics_provider_id: str) -> Provider:
    """One provider."""
    return _serialize(call, _find(metrics_provider_id))


@operation("PATCH", PROVIDER, needs=Scope.COMPONENTS, body=ProviderBody, returns=Provider)
def update_provider(call: Call[ProviderBody], metrics_provider_id: str) -> Provider:
    """Update the fields sent. The type stays `Self`."""
    row = _find(metrics_provider_id)
    fields = call.body.metrics_provider.said()
    metrics.edit_provider(
        row,
        kind=fields.get("type", row.type),
        metric_base_uri=fields.get("metric_base_uri", row.metric_base_uri),
        by=call.by,
        at=call.at,
    )
    return _serialize(call, row)


@operation("DELETE", PROVIDER, needs=Scope.COMPONENTS, returns=Provider)
def delete_provider(call: Call[Nothing], metrics_provider_id: str) -> Provider:
    """Delete a provider with its metrics and their data."""
    row = _find(metrics_provider_id)
    metrics.remove_provider(row, by=call.by, at=call.at)
    return _serialize(call, row)


@operation(
    "GET",
    f"{PROVIDER}/metrics",
    needs=Scope.READ,
    returns=list[Metric],
    query=("page", "per_page"),
)
def list_metrics_of(call: Call[Nothing], metrics_provider_id: str) -> list[Metric]:
    """The metrics of one provider, by position."""
    provider = _find(metrics_provider_id)
    window = call.window
    rows = metrics.listed(provider=provider, offset=window.offset, limit=window.limit)
    return serialize_all(call, rows)


@operation(
    "POST",
    f"{PROVIDER}/metrics",
    needs=Scope.COMPONENTS,
    body=MetricBody,
    returns=Metric,
    success=201,
)
def create_metric(call: Call[MetricBody], metrics_provider_id: str) -> Metric:
    """A new metric, last on the page. It appears once it has data."""
    provider = _find(metrics_provider_id)
    facts = call.body.metric.facts(Facts(name=""))
    return serialize(call, metrics.add(provider, facts, by=call.by, at=call.at))


def _find(metrics_provider_id: str) -> MetricsProvider:
    row = metrics.get_provider(metrics_provider_id)
    if row is None:
        raise Refused(404, "There is no metrics provider with this id.")
    return row


def _serialize(call: Call[Body], row: MetricsProvider) -> Provider:
    return Provider(
        id=row.public_id,
        type=row.type,
        disabled=False,
        metric_base_uri=row.metric_base_uri,
        last_revalidated_at=None,
        created_at=seconds(row.created_at, call.page.zone),
        updated_at=seconds(row.updated_at, call.page.zone),
        page_id=call.page.public_id,
    )
