"""The job queue on Redis; see `jobs` for what it is for."""

import logging
from datetime import datetime
from typing import Any

import redis
from huey import RedisHuey

from statuspage.notify.failure_log import FailureLog

REDIS_S = 3.0
"""How long Redis may take; a worker that asks for a job waits for a second of them on purpose."""


class RedisQueue(RedisHuey):  # type: ignore[misc]
    """While Redis is away the consumer goes on asking, and the log says so once."""

    @classmethod
    def at(cls, url: str, failure_log: FailureLog) -> "RedisQueue":
        """The queue at `redis://…`, which tells its outages to `troubles`."""
        # A request that wakes the worker must not hang with a queue that does.
        separator = "&" if "?" in url else "?"
        limits = f"socket_connect_timeout={REDIS_S}&socket_timeout={REDIS_S}"
        queue = cls("statuspage", url=f"{url}{separator}{limits}")
        queue.failure_log = failure_log
        return queue

    def dequeue(self) -> Any:
        with self.failure_log.watch("queue", outages=(redis.RedisError,)):
            return super().dequeue()

    def read_schedule(self, timestamp: datetime | None = None) -> Any:
        with self.failure_log.watch("queue", outages=(redis.RedisError,)):
            return super().read_schedule(timestamp)


class _NotTold(logging.Filter):
    """Leaves out a traceback of Redis, which the consumer writes with every try."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, redis.RedisError)


for _name in ("huey.consumer.Worker", "huey.consumer.Scheduler"):
    logging.getLogger(_name).addFilter(_NotTold())
