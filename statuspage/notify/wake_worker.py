"""After a commit that subscribers are to be told of, the worker is asked to look at once.

Only a matter of a second: the worker's tick finds what is to be told anyway.
Imported once, by the application; it listens to every session.
"""

import time

import sqlalchemy as sa
import structlog
from flask import current_app
from sqlalchemy import orm

from statuspage.db import db
from statuspage.domain.events import Event

NEWS = "news"
PAUSE_S = 10.0
"""How long a queue that did not answer is left alone: who publishes would wait for it."""
PAUSED = "queue_left_alone_until"

log = structlog.get_logger(__name__)


@sa.event.listens_for(db.session, "after_flush")
def _notice(session: orm.Session, _context: orm.UOWTransaction) -> None:
    if any(isinstance(one, Event) and one.notify for one in session.new):
        session.info[NEWS] = True


@sa.event.listens_for(db.session, "after_rollback")
def _forget(session: orm.Session) -> None:
    session.info.pop(NEWS, None)


@sa.event.listens_for(db.session, "after_commit")
def _ask(session: orm.Session) -> None:
    if not session.info.pop(NEWS, False):
        return
    # A process that never publishes anything needs no queue.
    from statuspage.notify import worker

    app = current_app._get_current_object()  # type: ignore[attr-defined]
    if time.monotonic() < app.extensions.get(PAUSED, 0.0):
        return
    try:
        worker.wake(app)
    except Exception as error:
        app.extensions[PAUSED] = time.monotonic() + PAUSE_S
        log.warning("the worker was not woken, its tick will do", reason=type(error).__name__)
