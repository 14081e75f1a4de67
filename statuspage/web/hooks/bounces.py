"""`/hooks/bounces/<token>`: a mail provider says what came back.

What cannot be read is refused with a sentence, as whoever sets the hook up reads it.
"""

import json

import structlog
from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from statuspage import clock
from statuspage.db import db
from statuspage.domain import tokens
from statuspage.domain.tokens import ApiToken, Scope
from statuspage.notify import bounces
from statuspage.notify.bounces import Bounce, providers, reports
from statuspage.notify.bounces.providers import ToConfirm, UnreadableError
from statuspage.web.hooks import common
from statuspage.web.hooks.common import answer

bp = Blueprint("bounces", __name__, url_prefix="/hooks/bounces")
common.ask_again_where_the_database_is_gone(bp)

log = structlog.get_logger()


@bp.post("/<token>")
def receive(token: str) -> ResponseReturnValue:
    at = clock.now()
    token_row = common.token_of(token, Scope.BOUNCES, at=at)
    if token_row is None:
        return common.nothing_here()
    try:
        reported = _read()
    except ToConfirm as asked:
        return _ask_a_person(token_row, asked.url)
    except UnreadableError as unreadable:
        return answer(400, error=str(unreadable))
    number = bounces.record(reported, by=token_row.actor, at=at)
    common.note_use(token_row, at=at)
    db.session.commit()
    return answer(200, reported=len(reported), taken=number)


def _read() -> list[Bounce]:
    """By what it is, not by what it says that it is: SNS sends JSON as plain text."""
    if request.mimetype == "message/rfc822":
        return reports.read(request.get_data())
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError):
        raise UnreadableError(
            "This is neither JSON nor an e-mail (Content-Type: message/rfc822)."
        ) from None
    return providers.read(body)


def _ask_a_person(token: ApiToken, url: str) -> Response:
    tokens.ask_to_open(token, url, at=clock.now())
    db.session.commit()
    log.warning("bounces.confirmation_required", token=token.name, open=url)
    return answer(200, next="Open the SubscribeURL in a browser; you find it in the audit log.")
