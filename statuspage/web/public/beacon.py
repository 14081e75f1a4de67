"""`/beacon.json`: whether readers should come here, for the health checks of CDNs and DNS.

It asks for more than a process that lives: the records must have answered lately. A mirror
has a file of the same name that tells when it was made.
"""

import json
from datetime import timedelta
from http import HTTPStatus

from flask import Blueprint, Response, current_app

from statuspage import clock
from statuspage.serving.cache import ResponseCache

TOO_OLD = timedelta(minutes=5)
"""A page older than this is no better than a mirror."""

bp = Blueprint("beacon", __name__)


@bp.get("/beacon.json")
def beacon() -> Response:
    """200 while the page is at most `TOO_OLD` behind the records, else 503."""
    published: ResponseCache = current_app.extensions["published"]
    revision, verified_at = published.verified()
    is_fresh = verified_at is not None and clock.now() - verified_at <= TOO_OLD
    fields = {
        "status": "fresh" if is_fresh else "stale",
        "revision": revision,
        "verified_at": f"{verified_at:%Y-%m-%dT%H:%M:%SZ}" if verified_at else None,
    }
    status = HTTPStatus.OK if is_fresh else HTTPStatus.SERVICE_UNAVAILABLE
    answer = Response(json.dumps(fields) + "\n", status, mimetype="application/json")
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
