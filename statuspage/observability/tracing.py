"""Traces, where the standard settings of OpenTelemetry ask for them; else nothing is loaded.

A span for each request that reaches the application and for each message that is tried.
Their attributes are routes, statuses and ids: never paths, addresses or words.
https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

import os
from typing import Any, Protocol

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_provider: Any = None


class Fields(Protocol):
    """Header fields; whether a name is written in capitals does not matter."""

    def get(self, key: str, /) -> str | None: ...


def is_wanted() -> bool:
    """Whether the environment names a collector and does not switch the whole thing off."""
    is_off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not is_off and any(os.environ.get(name) for name in ENDPOINTS)


def begin(part: str) -> None:
    """From now on this process (`web`, `worker`) tells its spans.

    Raises `ImportError` where the extra `statuspage[otel]` is not installed.
    """
    global _provider
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # What the environment says (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES) wins.
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": f"statuspage-{part}"}
    _provider = TracerProvider(resource=Resource.create(named))
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))


def stop() -> None:
    """Send what is waiting and tell nothing more."""
    global _provider
    if _provider is not None:
        _provider.shutdown()
        _provider = None


class Span:
    """One thing that took time. Without a collector it is nothing."""

    def __init__(self, name: str, *, came_with: Fields | None = None) -> None:
        """`came_with` are the header fields of a request: it may belong to a trace."""
        self._span: Any = None
        if _provider is None:
            return
        from opentelemetry.trace import SpanKind

        before = None if came_with is None else _trace_of(came_with)
        kind = SpanKind.CLIENT if came_with is None else SpanKind.SERVER
        tracer = _provider.get_tracer("statuspage")
        self._span = tracer.start_span(name, context=before, kind=kind)

    def end(self, *, is_failed: bool = False, **attributes: str | int) -> None:
        """It is over; in the names of attributes `_` stands for a point, `__` for `_`."""
        if self._span is None:
            return
        from opentelemetry.trace import StatusCode

        for name, value in attributes.items():
            dotted = name.replace("__", "\0").replace("_", ".").replace("\0", "_")
            self._span.set_attribute(dotted, value)
        if is_failed:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def _trace_of(fields: Fields) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    named = {name: fields.get(name) or "" for name in ("traceparent", "tracestate")}
    return TraceContextTextMapPropagator().extract(named)
