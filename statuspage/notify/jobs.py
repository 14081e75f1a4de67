"""The worker: a job queue, and a tick that lets time pass for the domain.

The queue only wakes; what must not be lost is in the database. A tick twice at
once, or one missed in a crash, changes nothing: each step in `domain` is a
compare-and-set.
"""

import os
import signal
import threading
from datetime import datetime

import structlog
from flask import Flask
from huey import Huey, RedisHuey, SqliteHuey
from huey.consumer import Consumer

from statuspage import clock
from statuspage.config import Settings
from statuspage.db import db
from statuspage.domain import maintenance

TICK_S = 1.0
SHUTDOWN_S = 4

log = structlog.get_logger(__name__)


def queue_of(app: Flask) -> Huey:
    """This application's queue: Redis where there is one, else a file of its own."""
    if "queue" not in app.extensions:
        app.extensions["queue"] = _make_queue(app.config["SETTINGS"])
    return app.extensions["queue"]


def step(app: Flask, at: datetime) -> None:
    """One tick: everything that is due at `at` happens, in one commit."""
    with app.app_context():
        maintenance.advance(at=at)
        db.session.commit()


def work(app: Flask) -> None:
    """Run jobs and tick until SIGTERM or SIGINT; a running job is finished first."""
    stopping = threading.Event()
    ticker = threading.Thread(target=_tick_until, args=(stopping, app), name="ticker")
    ticker.start()
    consumer = Consumer(
        queue_of(app),
        workers=2,
        max_delay=1.0,
        graceful_signal="TERM",
        shutdown_timeout=SHUTDOWN_S,
    )
    try:
        consumer.run()
    finally:
        stopping.set()
        ticker.join(timeout=SHUTDOWN_S)


def _tick_until(stopping: threading.Event, app: Flask) -> None:
    try:
        while not stopping.wait(TICK_S):
            try:
                step(app, clock.now())
            except Exception:
                # The database may be away; what is due stays due.
                log.exception("tick failed, next one follows")
    finally:
        if not stopping.is_set():
            # A worker that no longer ticks must not look alive.
            os.kill(os.getpid(), signal.SIGTERM)


def _make_queue(settings: Settings) -> Huey:
    if settings.redis_url:
        return RedisHuey("statuspage", url=settings.redis_url)
    return SqliteHuey(
        "statuspage",
        filename=str(settings.data_dir / "queue.db"),
        # Not SQLite's default: a job that was accepted survives a power cut.
        fsync=True,
    )
