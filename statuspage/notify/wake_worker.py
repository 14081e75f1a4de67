"""After a commit that subscribers are to be told of, the worker is asked to look at once.

Only a matter of a second: the worker's tick finds what is to be told anyway.
"""

import time

import sqlalchemy as sa
import structlog
from flask import current_app
from sqlalchemy import orm

from statuspage.db import db
from statuspage.domain.events import Event
from statuspage.notify import queue

NEWS = "news"
PAUSE_S = 10.0
"""How long a queue that did not answer is left alone: who publishes would wait for it."""
PAUSED = "queue_left_alone_until"

log = structlog.get_logger(__name__)


def init_app() -> None:
    """Listen to every session of this process; a second call changes nothing."""
    if not sa.event.contains(db.session, "after_commit", _mark):
        sa.event.listen(db.session, "after_flush", _notice)
        sa.event.listen(db.session, "after_rollback", _forget)
        sa.event.listen(db.session, "after_commit", _mark)


def _notice(session: orm.Session, _context: orm.UOWTransaction) -> None:
    if any(isinstance(row, Event) and row.notify for row in session.new):
        session.info[NEWS] = True


def _forget(session: orm.Session) -> None:
    session.info.pop(NEWS, None)


def _mark(session: orm.Session) -> None:
    if not session.info.pop(NEWS, False):
        return
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    if time.monotonic() < app.extensions.get(PAUSED, 0.0):
        return
    try:
        queue.wake(app)
    except Exception as error:
        app.extensions[PAUSED] = time.monotonic() + PAUSE_S
        log.warning("worker.wake_failed", fallback="polling", reason=type(error).__name__)
