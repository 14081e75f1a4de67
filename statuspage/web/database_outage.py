"""The database is unavailable: 503 and `Retry-After` from every part, in the words of each."""

from collections.abc import Callable

import structlog
from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from sqlalchemy import exc

from statuspage.db import db, is_deadlock

RETRY_AFTER_S = 10

log = structlog.get_logger()

Respond = Callable[[exc.SQLAlchemyError], Response]
OnConflict = Callable[[exc.SQLAlchemyError], ResponseReturnValue]


def handle(
    bp: Blueprint, event: str, respond: Respond, *, on_deadlock: OnConflict | None = None
) -> None:
    """Answer with `respond` below this blueprint, and log `event`.

    `on_deadlock` answers where the database works and another writer won.
    """

    def unavailable(error: exc.SQLAlchemyError) -> ResponseReturnValue:
        if on_deadlock is not None and is_deadlock(error):
            return on_deadlock(error)
        log.error(event, error=str(getattr(error, "orig", error)))
        roll_back()
        response = respond(error)
        response.status_code = 503
        response.headers.setdefault("Retry-After", str(RETRY_AFTER_S))
        return response

    for kind in (exc.OperationalError, exc.InterfaceError, exc.TimeoutError):
        bp.register_error_handler(kind, unavailable)


def roll_back() -> None:
    """Leave the session usable, also where the database does not answer."""
    try:
        db.session.rollback()
    except exc.SQLAlchemyError:
        db.session.remove()
