"""The job queue: Redis where it is configured, else an SQLite file of its own.

The queue only wakes the worker; what must not be lost is in the database. The worker names
the tasks (`worker.init_app`), so this module knows none of them.
"""

import contextlib
import weakref

from flask import Flask
from huey import Huey, SqliteHuey

from statuspage.config import Settings
from statuspage.notify.failure_log import FailureLog
from statuspage.notify.redis_queue import RedisQueue

REGISTER = "register_tasks"
"""In `app.extensions`: the function that registers the tasks on a new queue."""

failure_log = FailureLog()


def queue_of(app: Flask) -> Huey:
    """The queue of this application, made at its first use."""
    if "queue" not in app.extensions:
        queue = _make_queue(app.config["SETTINGS"])
        # Python 3.13 warns about an SQLite file that nothing closes.
        weakref.finalize(app, queue.storage.close)
        app.extensions["queue"] = queue
        app.extensions[REGISTER](queue, app)
    return app.extensions["queue"]


def wake(app: Flask) -> None:
    """Enqueue the job that makes the worker look at once. Raises when the queue is unavailable."""
    queue_of(app)
    app.extensions["fan_out"]()


def _make_queue(settings: Settings) -> Huey:
    if settings.redis_url:
        return RedisQueue.at(settings.redis_url, failure_log)
    file = settings.data_dir / "queue.db"
    # A disk that refuses it refuses the queue too, which then says so.
    with contextlib.suppress(OSError):
        file.touch(mode=0o600)
    return SqliteHuey(
        "statuspage",
        filename=str(file),
        # Not SQLite's default: an accepted job survives a power cut.
        fsync=True,
    )
