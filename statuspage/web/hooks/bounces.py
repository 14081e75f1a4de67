"""`/hooks/bounces/<token>`: a mail provider says what came back.

The token is the proof, so a wrong one learns nothing: 404. What can not be read is
refused with a sentence, as whoever sets the hook up reads it.
"""

import json

import structlog
from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from sqlalchemy import exc

from statuspage import clock
from statuspage.db import db
from statuspage.domain import tokens
from statuspage.domain.tokens import ApiToken, Scope
from statuspage.notify import bounces
from statuspage.notify.bounces import Bounce, providers, reports
from statuspage.notify.bounces.providers import ToConfirm, UnreadableError

bp = Blueprint("bounces", __name__, url_prefix="/hooks/bounces")

log = structlog.get_logger()


@bp.post("/<token>")
def take(token: str) -> ResponseReturnValue:
    at = clock.now()
    found = tokens.with_secret(token)
    if found is None or not found.works(at) or not found.may(Scope.BOUNCES):
        return _answer(404, error="There is nothing at this address.")
    try:
        reported = _read()
    except ToConfirm as asked:
        return _ask_a_person(found, asked.url)
    except UnreadableError as unreadable:
        return _answer(400, error=str(unreadable))
    number = bounces.take(reported, by=found.actor, at=at)
    _note_use(found)
    db.session.commit()
    return _answer(200, reported=len(reported), taken=number)


def _read() -> list[Bounce]:
    """By what it is, not by what it says that it is: SNS sends JSON as plain text."""
    if request.mimetype == "message/rfc822":
        return reports.read(request.get_data())
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError):
        raise UnreadableError(
            "This is neither JSON nor a mail (Content-Type: message/rfc822)."
        ) from None
    return providers.read(body)


def _ask_a_person(token: ApiToken, url: str) -> Response:
    tokens.ask_to_open(token, url, at=clock.now())
    db.session.commit()
    log.warning("bounces.confirmation_wanted", token=token.name, open=url)
    return _answer(200, next="Open the SubscribeURL in a browser; it stands in our audit log.")


def _note_use(token: ApiToken) -> None:
    at = clock.now()
    if token.is_use_due(at):
        tokens.note_use(token, at=at)


def _answer(status: int, **said: object) -> Response:
    body = json.dumps(said) + "\n"
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(body, status, headers, content_type="application/json")


@bp.errorhandler(exc.OperationalError)
@bp.errorhandler(exc.InterfaceError)
@bp.errorhandler(exc.TimeoutError)
def database_is_gone(lost: exc.SQLAlchemyError) -> ResponseReturnValue:
    """Providers try again for hours."""
    log.error("bounces.database_unavailable", error=str(getattr(lost, "orig", lost)))
    db.session.remove()
    response = _answer(503, error="We can not write this down now. Send it again.")
    response.headers["Retry-After"] = "60"
    return response
