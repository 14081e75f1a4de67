"""Traces, if OpenTelemetry's standard settings ask for them; otherwise nothing is loaded.

A span for each request that reaches the application and for each delivery attempt. Attributes
are routes, statuses and ids: the library's own instrumentation of Flask is not used, since it
records paths, and some paths are keys.
https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

import os
import time
from collections.abc import Mapping
from typing import Any

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_provider: Any = None


def is_wanted() -> bool:
    """Whether the environment names a collector and does not switch the whole thing off."""
    is_off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not is_off and any(os.environ.get(name) for name in ENDPOINTS)


def begin(part: str) -> None:
    """Send the spans of this process (`web`, `worker`) from now on.

    Raises `ImportError` where the extra `statuspage[otel]` is not installed.
    """
    global _provider
    # Extras, so that they need not be installed.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # The environment (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES) wins.
    name = os.environ.get("OTEL_SERVICE_NAME") or f"statuspage-{part}"
    _provider = TracerProvider(resource=Resource.create({"service.name": name}))
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))


def stop() -> None:
    """Send the spans that wait, and no more after them."""
    global _provider
    if _provider is not None:
        _provider.shutdown()
        _provider = None


def record(
    name: str,
    seconds: float,
    attributes: Mapping[str, str | int],
    *,
    is_failed: bool = False,
    headers: Any = None,
) -> None:
    """Record a span that ends now, if there is a collector.

    `headers` are those of a request that we serve; they may name the trace it belongs to.
    """
    if _provider is None:
        return
    from opentelemetry.propagate import extract
    from opentelemetry.trace import SpanKind, StatusCode

    span = _provider.get_tracer("statuspage").start_span(
        name,
        context=None if headers is None else extract(headers),
        kind=SpanKind.CLIENT if headers is None else SpanKind.SERVER,
        attributes=attributes,
        start_time=time.time_ns() - int(seconds * 1e9),
    )
    if is_failed:
        span.set_status(StatusCode.ERROR)
    span.end()
