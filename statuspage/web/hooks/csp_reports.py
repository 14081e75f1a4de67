"""`/hooks/policy`: browsers report what the policy of the desk kept from running.

One such line in the log may be an extension of somebody's browser, several are somebody's
attempt. What is reported is a stranger's word, and the address of a page may hold a secret: the
log gets what was refused and of which kind the page was, nothing more. Pages of readers send
none: in a crowd, each broken extension would write to us.

https://www.w3.org/TR/CSP3/#deprecated-serialize-violation
"""

import json
import re
from typing import Any
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue
from limits import RateLimitItemPerMinute
from werkzeug.exceptions import HTTPException

from statuspage.web import security
from statuspage.web.hooks.common import answer

bp = Blueprint("policy", __name__, url_prefix=security.REPORTS)

PER_NETWORK = RateLimitItemPerMinute(20)
MAX_BYTES = 8_192

log = structlog.get_logger()


@bp.post("")
def receive() -> ResponseReturnValue:
    if security.is_cross_site():
        return answer(403, error="Only pages of this host may report here.")
    if not security.limiter.limiter.hit(PER_NETWORK, "policy", security.network()):
        return answer(429, error="Too many reports. Try again in a minute.")
    report = _read(request.get_data() if (request.content_length or 0) <= MAX_BYTES else b"")
    if report is None:
        return answer(400, error="This is not a report of a policy violation.")
    log.warning(
        "policy.violated",
        directive=_word(report.get("effective-directive") or report.get("violated-directive")),
        blocked=_origin(report.get("blocked-uri")),
        screen=_screen(report.get("document-uri")),
    )
    return Response(status=204)


def _read(body: bytes) -> dict[str, Any] | None:
    try:
        report_data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    report = report_data.get("csp-report") if isinstance(report_data, dict) else None
    return report if isinstance(report, dict) else None


def _word(value: object) -> str:
    return match[0] if (match := re.match(r"[a-z-]{1,40}", str(value))) else ""


def _origin(value: object) -> str:
    """Scheme and host, or a word such as `inline`."""
    try:
        parts = urlsplit(str(value))
        return f"{parts.scheme}://{parts.hostname}"[:100] if parts.hostname else _word(value)
    except ValueError:
        return ""


def _screen(value: object) -> str:
    """The endpoint: a path may be a link that signs somebody in."""
    try:
        return str(current_app.url_map.bind("").match(urlsplit(str(value)).path)[0])
    except (ValueError, HTTPException):
        return ""
