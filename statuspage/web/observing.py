"""What operators see of each request that reaches Flask: it is counted."""

import time

from flask import Flask, Request, Response, g, request

from statuspage.counters import REQUEST_SECONDS, REQUESTS, SIGN_IN_FAILURES, THROTTLED

PARTS = {"admin": "desk", "manage": "api", "bounces": "hooks", "health": "health"}
"""First word of a blueprint's name → the part of the site it belongs to."""
STEPS = {
    "admin.auth.check_password": "password",
    "admin.auth.check_code": "code",
    "admin.auth.use_link": "link",
}
"""Steps of signing in, by endpoint."""
REFUSED = {404, 422}
TOO_MANY = {420, 429}
"""420 is what Statuspage answers in its API."""


def init_app(app: Flask) -> None:
    """To be called before anything else is put on `app`: then this sees the final answers."""
    app.before_request(_begin)
    app.after_request(_count)


def _begin() -> None:
    g.began = time.perf_counter()


def _count(response: Response) -> Response:
    part, status = part_of(request), response.status_code
    REQUESTS.add(part, str(status))
    REQUEST_SECONDS.observe(time.perf_counter() - g.began, part)
    if status in TOO_MANY:
        THROTTLED.add(part)
    elif status in REFUSED and request.endpoint in STEPS:
        SIGN_IN_FAILURES.add(STEPS[request.endpoint])
    return response


def part_of(asked: Request) -> str:
    """`desk`, `api`, `hooks`, `health` or `public`."""
    name = (asked.blueprint or "").partition(".")[0]
    return "health" if name == "metrics" else PARTS.get(name, "public")
