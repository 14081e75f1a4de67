"""Errors to Sentry and traces to OpenTelemetry, if the settings ask for them.

Neither is loaded otherwise. Sentry gets what the log has: no address, no secret, no body of a
request, no local variables.
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
    """Called by each process (`proxy`, `web`, `worker`) that is to report, after it was forked."""
    try:
        if settings.sentry_dsn is not None:
            _report_errors(settings.sentry_dsn, part)
        if tracing.is_wanted():
            tracing.begin(part)
    except ImportError as error:
        # A page that is up without its reports is better than one that is not up.
        log.error("reporting.not_installed", missing=error.name, install="statuspage[sentry,otel]")


def _report_errors(dsn: str, part: str) -> None:
    # Extras, so that they need not be installed.
    import sentry_sdk
    from sentry_sdk.integrations.logging import LoggingIntegration

    sentry_sdk.init(
        dsn=dsn,
        # Other integrations would look into requests, bodies and statements.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR, sentry_logs_level=None)
        ],
        include_local_variables=False,
        max_breadcrumbs=0,
        auto_session_tracking=False,
        server_name=part,
        before_send=_event_of_line,
    )


def _event_of_line(event: Any, hint: dict[str, Any]) -> Any:
    """The library's event for a line of level error, scrubbed like the line in the log.

    A line from structlog is a dict, from which the library takes no traceback.
    """
    from sentry_sdk import get_client
    from sentry_sdk.utils import event_from_exception

    record = hint["log_record"]
    fields = dict(record.msg) if isinstance(record.msg, dict) else {"event": record.getMessage()}
    error = fields.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if error and error != (None, None, None):
        event = event_from_exception(error, client_options=get_client().options)[0] | event
    message = str(fields.pop("event", ""))
    fields = structlog.contextvars.get_contextvars() | fields
    tags = {name: str(value)[:200] for name, value in fields.items() if value}
    return _clean(event | {"message": message, "tags": tags, "logentry": None, "extra": {}})


def _clean(value: Any) -> Any:
    """The same with every text scrubbed as a line of the log is."""
    if isinstance(value, str):
        return scrubbed(value)
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value
