"""What the Manage API says when it cannot do what was asked: JSON with both error keys.

Statuspage documents `message` and sends `error`; clients read the one or the other.
"""

import json

import structlog
from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from sqlalchemy import exc
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException, NotFound

from statuspage.db import CommitInDoubtError, db
from statuspage.db.errors import IN_DOUBT, explain
from statuspage.errors import Conflict, Invalid
from statuspage.web import database_outage
from statuspage.web.database_outage import roll_back

JSON = "application/json; charset=utf-8"

log = structlog.get_logger()


class Refused(Exception):
    """A request that is not served: status, and a sentence for whoever wrote the client."""

    def __init__(self, status: int, sentence: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.retry_after_s = retry_after_s


def ready(status: int, body: str) -> Response:
    """An answer of this text. 204 has neither a body nor a content type."""
    response = Response(body, status, content_type=JSON)
    if status == 204:
        del response.headers["Content-Type"]
    return harden(response)


def error(status: int, *sentences: str) -> Response:
    """`error` holds the sentence (a list of them for 422), `message` all of it in one text."""
    message = list(sentences) if status == 422 else " ".join(sentences)
    body = json.dumps({"error": message, "message": " ".join(sentences)}, ensure_ascii=False)
    return ready(status, body)


def harden(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def init(bp: Blueprint) -> None:
    """Answer in JSON whatever goes wrong below this blueprint."""
    bp.register_error_handler(Refused, _refused)
    bp.register_error_handler(Invalid, _invalid)
    bp.register_error_handler(Conflict, _conflict)
    bp.register_error_handler(exc.DataError, _unstorable)
    bp.register_error_handler(exc.IntegrityError, _crossed)
    bp.register_error_handler(StaleDataError, _crossed)
    database_outage.handle(bp, "api.database_unavailable", _unavailable, on_deadlock=_crossed)
    bp.register_error_handler(HTTPException, _http)
    # By name too: the site's own page for it would be found first.
    bp.register_error_handler(NotFound, _http)
    bp.register_error_handler(Exception, _unforeseen)


def _refused(refused: Refused) -> ResponseReturnValue:
    response = error(refused.status, refused.sentence)
    if refused.retry_after_s is not None:
        response.headers["Retry-After"] = str(refused.retry_after_s)
    if refused.status == 401:
        response.headers["WWW-Authenticate"] = "OAuth"
    return response


def _invalid(invalid: Invalid) -> ResponseReturnValue:
    db.session.rollback()
    return error(422, *(f"{field}: {words}" for field, words in invalid.errors.items()))


def _conflict(conflict: Conflict) -> ResponseReturnValue:
    db.session.rollback()
    return error(409, conflict.message)


def _crossed(_error: exc.SQLAlchemyError) -> ResponseReturnValue:
    db.session.rollback()
    return error(409, "Another request changed the same thing at the same moment. Send it again.")


def _unstorable(_error: exc.DataError) -> ResponseReturnValue:
    db.session.rollback()
    return error(422, "A value is too long or too large to be stored.")


def _unavailable(lost: exc.SQLAlchemyError) -> Response:
    if isinstance(lost, CommitInDoubtError):
        advice = "Read it back, or repeat the request with the same Idempotency-Key."
        return error(503, f"{IN_DOUBT} {advice}")
    return error(503, f"{explain(lost).public} Nothing was changed; try again soon.")


def _http(raised: HTTPException) -> ResponseReturnValue:
    roll_back()
    response = error(raised.code or 500, raised.description or raised.name)
    for name, value in raised.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response


def _unforeseen(_error: Exception) -> ResponseReturnValue:
    log.exception("api.unforeseen")
    roll_back()
    return error(500, "Something went wrong on our side. Nothing was changed.")
