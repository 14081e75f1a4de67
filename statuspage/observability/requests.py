"""What operators see of each request that reaches Flask: it has an id and is counted.

The id stands in all lines that are logged meanwhile, in the answer, and on the page that
says that something went wrong. A line of its own have only those that fail or take long.
No line holds the path: some paths are keys.
"""

import time
from typing import Any

import structlog
from flask import Flask, Request, Response, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars

from statuspage.observability import request_ids, tracing
from statuspage.observability.logging import LogThrottle
from statuspage.observability.metrics import REQUEST_SECONDS, REQUESTS, SIGN_IN_FAILURES, THROTTLED

PARTS = {"admin": "desk", "manage": "api", "bounces": "hooks", "health": "health"}
"""First word of a blueprint's name → the part of the site it belongs to."""
STEPS = {
    "admin.auth.check_password": "password",
    "admin.auth.check_code": "code",
    "admin.auth.use_link": "link",
}
"""Steps of signing in, by endpoint."""
REFUSED = {404, 422}
SLOW_S = 1.0
LINES_A_MINUTE = 300
REFUSALS_A_MINUTE = 100
TOO_MANY = {420, 429}
"""420 is what Statuspage answers in its API."""
TURNED_AWAY = TOO_MANY | {401, 403}

log = structlog.get_logger(__name__)
_may_tell = LogThrottle(LINES_A_MINUTE)
# Whoever guesses must not fill the log, nor keep failures out of it.
_may_tell_refusal = LogThrottle(REFUSALS_A_MINUTE)


def init_app(app: Flask) -> None:
    """To be called before anything else is put on `app`: then this sees the final answers."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(lambda _error: clear_contextvars())
    app.context_processor(lambda: {"reference": reference})
    app.log_exception = _tell_unforeseen  # type: ignore[method-assign]


def reference() -> str:
    """The id of this request; empty outside of one."""
    request_id: str = g.get("request_id", "") if g else ""
    return request_id


def _begin() -> None:
    g.began = time.perf_counter()
    g.request_id = request_ids.accepted(request.headers.get(request_ids.HEADER))
    clear_contextvars()  # Threads serve one request after another.
    bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    seconds = time.perf_counter() - g.began
    _count(response, seconds)
    # What everybody may be given belongs to no request.
    if not response.cache_control.public:
        response.headers[request_ids.HEADER] = g.request_id
    is_failed = response.status_code >= 500
    tracing.record(
        f"{request.method} {_route()}",
        seconds,
        {
            "http.request.method": request.method,
            "http.route": _route(),
            "http.response.status_code": response.status_code,
            "statuspage.request_id": g.request_id,
        },
        is_failed=is_failed,
        headers=request.headers,
    )
    if _is_refused(response.status_code):
        if _may_tell_refusal():
            log.info("request.refused", **_where(), **_who(), status=response.status_code)
    elif (is_failed or seconds > SLOW_S) and _may_tell():
        log.warning(
            "request.failed" if is_failed else "request.slow",
            **_where(),
            status=response.status_code,
            ms=round(seconds * 1000),
        )
    return response


def _is_refused(status: int) -> bool:
    """Nobody was let in, or somebody not to this."""
    return status in TURNED_AWAY or (status in REFUSED and request.endpoint in STEPS)


def _who() -> dict[str, object]:
    session = g.get("desk_session")
    return {"staff_id": session.staff_id} if session is not None else {}


def _where() -> dict[str, object]:
    return {"method": request.method, "route": _route(), "part": part_of(request)}


def _route() -> str:
    """The pattern of the address; empty where none fits."""
    return request.url_rule.rule if request.url_rule else ""


def _tell_unforeseen(exc_info: Any) -> None:
    log.error("request.unforeseen", **_where(), exc_info=exc_info)


def _count(response: Response, seconds: float) -> None:
    part, status = part_of(request), response.status_code
    REQUESTS.labels(part, status).inc()
    REQUEST_SECONDS.labels(part).observe(seconds)
    if status in TOO_MANY:
        THROTTLED.labels(part).inc()
    elif _is_refused(status) and request.endpoint in STEPS:
        SIGN_IN_FAILURES.labels(STEPS[request.endpoint]).inc()


def part_of(request: Request) -> str:
    """`desk`, `api`, `hooks`, `health` or `public`."""
    name = (request.blueprint or "").partition(".")[0]
    return "health" if name == "metrics" else PARTS.get(name, "public")
