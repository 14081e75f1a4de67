"""The one place that asks the machine what time it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import available_timezones

_stopped_at: ContextVar[datetime | None] = ContextVar("stopped_at", default=None)


def now() -> datetime:
    """The present moment, aware, in UTC. Edges ask; everything below receives `at`."""
    return _stopped_at.get() or datetime.now(UTC)


@cache
def time_zones() -> frozenset[str]:
    """The names of all time zones (IANA), read once: the library looks through its files anew."""
    return frozenset(available_timezones())


@contextmanager
def stopped(at: datetime) -> Iterator[None]:
    """In this thread it is `at`, until the end: what is made twice can then be compared."""
    token = _stopped_at.set(at)
    try:
        yield
    finally:
        _stopped_at.reset(token)


def is_due(last: datetime | None, every: timedelta, at: datetime) -> bool:
    """Whether at `at` it is time for what was done `last` (None: never), also after a step back."""
    return last is None or not timedelta(0) <= at - last < every
