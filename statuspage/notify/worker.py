"""The worker: a job queue, and a tick that lets time pass for the domain and the ledger.

The queue only wakes; what must not be lost is in the database. A tick twice at
once, or one missed in a crash, changes nothing: each step is a compare-and-set.
"""

import os
import signal
import threading
from contextlib import suppress
from datetime import datetime
from functools import partial

import sqlalchemy as sa
from flask import Flask
from huey import Huey, crontab
from huey.consumer import Consumer

from statuspage import clock
from statuspage.db import db, read_only
from statuspage.domain import alerts, metrics
from statuspage.domain.incidents import maintenance, reminders
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.notify import deliveries, health, heartbeat, queue, staff_emails, test_emails
from statuspage.notify.bounces import job as bounce_job
from statuspage.notify.clock_jumps import ClockGuard
from statuspage.notify.dispatcher import Dispatcher
from statuspage.notify.failure_log import FailureLog
from statuspage.notify.heartbeat import HeartbeatKind
from statuspage.observability import metrics as counters

TICK_S = 1.0
SHUTDOWN_S = 4

failure_log = FailureLog()


def init_app(app: Flask) -> None:
    """Name the tasks that the queue of this application knows."""
    app.extensions[queue.REGISTER] = _register


def _register(huey: Huey, app: Flask) -> None:
    app.extensions["fan_out"] = huey.task(name="tell")(partial(_fan_out_job, app))
    huey.periodic_task(crontab(minute="17"), name="keep_house")(partial(_keep_house, app))
    app.extensions["canary"] = huey.task(name="canary")(partial(_canary, app))
    if app.config["SETTINGS"].bounce_imap_url:
        bounce_job.register(huey, app)
    test_emails.register(huey, app)
    staff_emails.register(huey, app)


def _fan_out_job(app: Flask) -> None:
    """The job that a commit leaves: see what there is to tell."""
    if "dispatcher" in app.extensions:
        # The tick does it as well, and says when the database is away.
        with suppress(sa.exc.DBAPIError):
            app.extensions["dispatcher"].step(clock.now())


def enqueue_canary(app: Flask, at: datetime) -> None:
    """Put a job into the queue that shows that what is put there comes out."""
    queue.queue_of(app)
    with suppress(Exception), failure_log.watch("canary"):
        record_heartbeat(app, HeartbeatKind.STARTED, at)
        app.extensions["canary"]()


def _canary(app: Flask) -> None:
    record_heartbeat(app, HeartbeatKind.CANARY, clock.now())


def record_heartbeat(app: Flask, sign: HeartbeatKind, at: datetime) -> None:
    """Write a sign of life down, in a commit of its own."""
    with app.app_context():
        heartbeat.record(sign, at=at)
        db.session.commit()


def record_tick(app: Flask, at: datetime) -> None:
    """Write down that time passes, and look whether the canary came out of the queue."""
    record_heartbeat(app, HeartbeatKind.TICK, at)
    with app.app_context():
        read_only()
        health.log_lost_canary(failure_log, at=at)


def _keep_house(app: Flask) -> None:
    """The hourly job."""
    delete_expired(app, clock.now())


def delete_expired(app: Flask, at: datetime) -> None:
    """What is kept for a while only is let go."""
    with app.app_context():
        deliveries.delete_old(at=at)
        subscribers.purge(at=at)
        alerts.delete_old(at=at)
        db.session.commit()
        while metrics.drop_old(at=at):
            db.session.commit()
        db.session.commit()


def step(app: Flask, at: datetime) -> None:
    """One tick: everything that is due at `at` happens, each thing in a commit of its own.

    One that fails is logged, holds up nothing else and is tried again with the next
    tick. Raises what the database raises when it cannot say what is due.
    """
    with app.app_context():
        read_only()
        due = maintenance.due(at=at)
        due_reminders = reminders.due(at=at)
        quiet = alerts.due_to_resolve(at=at)
    for public_id in due:
        with (
            suppress(Exception),
            failure_log.watch("maintenance", incident=public_id),
            app.app_context(),
        ):
            maintenance.advance(public_id, at=at)
            db.session.commit()
    for public_id in due_reminders:
        watched = failure_log.watch("maintenance_reminder", incident=public_id)
        with suppress(Exception), watched, app.app_context():
            reminders.remind(public_id, at=at)
            db.session.commit()
    for public_id in quiet:
        watched = failure_log.watch("auto_resolve", incident=public_id)
        with suppress(Exception), watched, app.app_context():
            alerts.resolve_quiet(public_id, at=at)
            db.session.commit()


def work(app: Flask) -> None:
    """Run jobs and tick until SIGTERM or SIGINT; a running job is finished first."""
    counters.share(app.config["SETTINGS"].data_dir / "counters", "worker")
    stopping = threading.Event()
    dispatcher = app.extensions["dispatcher"] = Dispatcher(app, clock_guard=ClockGuard())
    ticker = threading.Thread(target=_tick_until, args=(stopping, app), name="ticker")
    ticker.start()
    enqueue_canary(app, clock.now())
    consumer = Consumer(
        queue.queue_of(app),
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
        dispatcher.stop()


def _tick_until(stopping: threading.Event, app: Flask) -> None:
    shown: datetime | None = None
    is_more = False
    try:
        while not stopping.wait(0 if is_more else TICK_S):
            is_more = False
            # The database may be away; what is due stays due.
            with suppress(Exception), failure_log.watch("tick", outages=(sa.exc.DBAPIError,)):
                now = clock.now()
                step(app, now)
                # A clock that was set back must not stop the pulse.
                if shown is None or abs(now - shown) >= heartbeat.EVERY:
                    record_tick(app, now)
                    shown = now
                # However much there is to enter, time passes between two pieces of it.
                is_more = app.extensions["dispatcher"].step(clock.now())
    finally:
        if not stopping.is_set():
            # A worker that no longer ticks must not look alive.
            os.kill(os.getpid(), signal.SIGTERM)
