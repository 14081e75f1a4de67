"""Detects that the machine's clock was set: by hand, by a time server, after a sleep.

Leases end at a time of day, since workers share them. A clock set forward would end them early,
and messages under way would be sent twice. So after a jump all leases are left alone for as
long as one lasts; by then their workers have finished.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime

import structlog

from statuspage.notify.deliveries import LEASE

TOLERANCE_S = 5.0
"""A clock that is put right bit by bit, or a thread that got no processor, is no jump."""

log = structlog.get_logger(__name__)


class ClockGuard:
    """Holds the machine's clock against one that only goes on. Safe to share between threads."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._before: tuple[datetime, float] | None = None
        self._doubtful_until = float("-inf")

    def was_set_lately(self, now: datetime) -> bool:
        """Whether the clock jumped within the length of a lease; asked at every tick."""
        with self._lock:
            ran = self._monotonic()
            if self._before is not None:
                then, ran_then = self._before
                jump = (now - then).total_seconds() - (ran - ran_then)
                if abs(jump) > TOLERANCE_S:
                    log.warning("clock.jumped", by_s=round(jump))
                    self._doubtful_until = ran + LEASE.total_seconds()
            self._before = now, ran
            return ran < self._doubtful_until
