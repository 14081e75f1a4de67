"""Errors to Sentry and traces to OpenTelemetry, where the settings ask for them.

Neither is loaded otherwise. What is told is what the log tells: no address, no secret, no
words of a request, no local variables.
"""

import logging
import sys
from typing import Any

import structlog

from statuspage.config import Settings
from statuspage.observability import tracing
from statuspage.observability.logging import scrubbed

log = structlog.get_logger(__name__)


def begin(settings: Settings, part: str) -> None:
    """Called by each process (`front`, `web`, `worker`) that is to report, after it was forked."""
    try:
        if settings.sentry_dsn is not None:
            _report_errors(settings.sentry_dsn, part)
        if tracing.is_wanted():
            tracing.begin(part)
    except ImportError as error:
        # A page that is up without its reports is better than one that is not up.
        log.error("reporting.not_installed", missing=error.name, install="statuspage[sentry,otel]")


def _report_errors(dsn: str, part: str) -> None:
    import sentry_sdk

    sentry_sdk.init(
        dsn=dsn,
        # Its integrations would look into requests, bodies and statements.
        default_integrations=False,
        auto_enabling_integrations=False,
        include_local_variables=False,
        max_breadcrumbs=0,
        auto_session_tracking=False,
        server_name=part,
        before_send=lambda event, _hint: _clean(event),
    )
    logging.getLogger().addHandler(ErrorReports(level=logging.ERROR))


class ErrorReports(logging.Handler):
    """Sends each line of level error or worse to Sentry, with its traceback and its ids."""

    def emit(self, record: logging.LogRecord) -> None:
        import sentry_sdk
        from sentry_sdk.utils import event_from_exception

        if record.name.startswith("sentry_sdk"):
            return
        ids = structlog.contextvars.get_contextvars()
        said: dict[str, Any] = {"event": record.getMessage()}
        if isinstance(record.msg, dict):  # From structlog.
            said = dict(record.msg)
        failure = said.pop("exc_info", None) or record.exc_info
        if failure is True:
            failure = sys.exc_info()
        if isinstance(failure, BaseException):
            failure = (type(failure), failure, failure.__traceback__)
        event: Any = {}
        if failure and failure[0] is not None:
            options = sentry_sdk.get_client().options
            event, _ = event_from_exception(failure, client_options=options)
        event |= {
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": str(said.pop("event", "")),
            "tags": {key: str(value)[:200] for key, value in {**ids, **said}.items() if value},
        }
        sentry_sdk.capture_event(event)


def _clean(value: Any) -> Any:
    """The same with every text scrubbed as a line of the log is."""
    if isinstance(value, str):
        return scrubbed(value)
    if isinstance(value, dict):
        return {key: _clean(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    return value
