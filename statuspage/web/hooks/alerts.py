"""`/hooks/<tool>/<token>`: a monitoring tool says which alerts fire and which are over.

    JSON → `alert_parsers/<tool>.parse` → `domain.alerts.receive` → the same verbs as staff

The token is in a header, or at the end of the address.
"""

import json
from datetime import datetime

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from limits import RateLimitItemPerMinute
from sqlalchemy import exc

from statuspage import clock
from statuspage.db import db, read_only
from statuspage.domain import alerts
from statuspage.domain.alerts import AlertReport, TooManyOpenError
from statuspage.domain.incidents.models import Incident
from statuspage.domain.tokens import ApiToken, Scope
from statuspage.errors import Invalid
from statuspage.web.authorization import sent_token
from statuspage.web.hooks import common
from statuspage.web.hooks.alert_parsers.registry import PARSERS, Parser
from statuspage.web.hooks.common import answer
from statuspage.web.security import limiter

bp = Blueprint("alerts", __name__, url_prefix="/hooks")
common.ask_again_where_the_database_is_gone(bp)

PER_TOKEN = RateLimitItemPerMinute(300)
TRIES = 3
"""Of two simultaneous requests with the same new alert, one finds it known the second time."""


@bp.post("/<tool>/<token>")
def receive(tool: str, token: str) -> ResponseReturnValue:
    parse = PARSERS.get(tool)
    return (parse and _receive(parse, token)) or common.nothing_here()


@bp.post("/<tool>")
def receive_with_header(tool: str) -> ResponseReturnValue:
    parse = PARSERS.get(tool)
    if parse is None:
        return common.nothing_here()
    return _receive(parse, sent_token("bearer")) or common.no_token()


@bp.errorhandler(413)
def too_large(_error: Exception) -> ResponseReturnValue:
    return answer(413, error="The body is larger than 1 MB. Send fewer alerts at a time.")


def _receive(parse: Parser, secret: str) -> ResponseReturnValue | None:
    """None where the token may not report alerts."""
    at = clock.now()
    read_only()
    token = common.token_of(secret, Scope.ALERTS, at=at)
    if token is None:
        return None
    if not limiter.limiter.hit(PER_TOKEN, "alerts", str(token.id)):
        return _too_many(f"More than {PER_TOKEN.amount} requests a minute. Group your alerts.")
    try:
        reports = parse(_payload())
    except Invalid as invalid:
        return answer(400, error=str(invalid))
    ignored = sum(report.status is None for report in reports)
    counts = {"alerts": len(reports)} | ({"ignored": ignored} if ignored else {})
    if not alerts.is_news(reports, token=token, at=at):
        return answer(200, **counts)
    try:
        incident = _write(reports, token, at)
    except TooManyOpenError:
        return _too_many(f"{alerts.MOST_OPEN} incidents of this token are open. Resolve some.")
    return answer(200, **counts, incident=incident and incident.public_id)


def _payload() -> object:
    try:
        return json.loads(request.get_data())
    except (ValueError, RecursionError):
        raise Invalid(payload="This is not JSON.") from None


def _write(reports: list[AlertReport], token: ApiToken, at: datetime) -> Incident | None:
    for left in reversed(range(TRIES)):
        db.session.rollback()  # What was read so far cannot begin to write half-way.
        try:
            incident = alerts.receive(reports, token=token, at=at)
            common.note_use(token, at=at)
            db.session.commit()
            return incident
        except exc.IntegrityError:
            if not left:
                raise
    return None


def _too_many(sentence: str) -> Response:
    response = answer(429, error=sentence)
    response.headers["Retry-After"] = "60"
    return response
