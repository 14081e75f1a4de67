"""For load balancers and supervisors: does the process live, can it work?"""

from collections.abc import Callable
from contextlib import suppress

import structlog
from flask import Blueprint, Response, current_app
from sqlalchemy.exc import SQLAlchemyError

from statuspage import clock
from statuspage.db import db, read_only
from statuspage.domain import events
from statuspage.notify import health, queue

bp = Blueprint("health", __name__)

log = structlog.get_logger(__name__)


@bp.get("/healthz")
def live() -> Response:
    """200 as long as this process answers at all."""
    return _plain("The process answers.\n", 200)


@bp.get("/readyz")
def ready() -> Response:
    """200 when database and queue answer, else 503 with a line that says which does not.

    A worker that is silent or late is told of in lines that begin with `Warning:`. They
    leave the 200 alone: a server that can serve must not be taken away for it.
    """
    states: list[health.Health] = []
    lines = [
        _check("database", lambda: states.append(_ask_database())),
        _check("queue", _ask_queue),
    ]
    is_ready = all(answers for answers, _ in lines)
    text = "".join(line for _, line in lines)
    if is_ready:
        text += "".join(f"{line}\n" for now in states for line in _deliveries(now))
    return _plain(text, 200 if is_ready else 503)


def _deliveries(now: health.Health) -> list[str]:
    lines = []
    if now.silent_for is not None:
        lines.append(f"The worker was seen {now.silent_for.total_seconds():.0f} s ago.")
    if now.oldest_due is not None:
        lines.append(f"The oldest due message waits for {now.late_by.total_seconds():.0f} s.")
    for channel, number in sorted(now.failures.items()):
        lines.append(f"Failing by {channel.value} in a day: {number}.")
    return lines + [f"Warning: {trouble}" for trouble in now.problems()]


def _check(name: str, question: Callable[[], object]) -> tuple[bool, str]:
    try:
        question()
    except Exception as error:
        log.warning("readiness.failed", part=name, error=str(error).splitlines()[0:1])
        return False, f"The {name} does not answer.\n"
    return True, f"The {name} answers.\n"


def _ask_database() -> health.Health:
    try:
        read_only()
        events.revision()
        return health.check(at=clock.now())
    finally:
        # Also where it fails half-way: the rollback itself may find the connection gone.
        with suppress(SQLAlchemyError):
            db.session.rollback()


def _ask_queue() -> None:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    queue.queue_of(app).pending_count()


def _plain(text: str, status: int) -> Response:
    answer = Response(text, status, mimetype="text/plain")
    answer.headers["Cache-Control"] = "no-store"
    return answer
