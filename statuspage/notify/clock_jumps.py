"""Detects jumps of the machine's clock: set by hand, by NTP, or after a suspend.

Workers share leases, so these end at a wall-clock time. A clock set forward would end them
early and send messages twice. After a jump no lease expires for one lease length; by then
its worker has finished.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime

import structlog

from statuspage.notify.deliveries import LEASE

TOLERANCE_S = 5.0
"""Clock slewing and a starved thread stay below this."""

log = structlog.get_logger(__name__)


class ClockGuard:
    """Compares the wall clock with the monotonic clock. Thread-safe."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._last: tuple[datetime, float] | None = None
        self._doubtful_until = float("-inf")

    def was_set_lately(self, now: datetime) -> bool:
        """Whether the clock jumped within the last lease length; called at every tick."""
        with self._lock:
            elapsed = self._monotonic()
            if self._last is not None:
                last_now, last_elapsed = self._last
                jump = (now - last_now).total_seconds() - (elapsed - last_elapsed)
                if abs(jump) > TOLERANCE_S:
                    log.warning("clock.jumped", by_s=round(jump))
                    self._doubtful_until = elapsed + LEASE.total_seconds()
            self._last = now, elapsed
            return elapsed < self._doubtful_until
