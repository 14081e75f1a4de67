"""Where rate limits are counted: in Redis, and in this process while Redis is unavailable.

A limit that fails open invites guessing, one that fails shut locks staff out in an outage. In
memory each process allows the full number; that is still a limit.

Flask-Limiter's own fallback is not used. It does not cover limits that a view checks itself
(`limiter.limiter.hit`: the API and hooks would fail) nor failures counted after the response
(`deduct_when`: signing in would fail), and its windows get longer when the clock is set back.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from limits.storage import MemoryStorage, RedisStorage, Storage

SCHEME = "redis-or-memory"
REDIS_TIMEOUT_S = 1.0
REDIS_RETRY_AFTER_S = 5.0
CLOCK_TOLERANCE_S = 1.0

log = structlog.get_logger(__name__)

Result = TypeVar("Result")


def storage_uri(redis_url: str | None) -> str:
    """The address from which `limits` creates the storage."""
    return f"{SCHEME}:{redis_url}" if redis_url else f"{Memory.STORAGE_SCHEME[0]}:"


class Memory(MemoryStorage):
    """Counts in this process, and starts again when the clock is set back.

    Otherwise someone limited for an hour would be limited for two if it is set back by one.
    """

    STORAGE_SCHEME = ["process-memory"]  # noqa: RUF012  as the library declares it

    def __init__(self, uri: str | None = None, **options: Any) -> None:
        super().__init__(uri, **options)
        self._last_used_at = 0.0

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        self._check_clock()
        return super().incr(key, expiry, amount)

    def get(self, key: str) -> int:
        self._check_clock()
        return super().get(key)

    def _check_clock(self) -> None:
        now = time.time()
        if now < self._last_used_at - CLOCK_TOLERANCE_S:
            self.reset()
        self._last_used_at = now


class RedisOrMemory(Storage):
    """Counts in Redis; if that fails, in memory, and tries Redis again some seconds later."""

    STORAGE_SCHEME = [SCHEME]  # noqa: RUF012  as the library declares it

    def __init__(self, uri: str, wrap_exceptions: bool = False, **options: float) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions, **options)
        self._redis = RedisStorage(
            uri.partition(":")[2],
            socket_connect_timeout=REDIS_TIMEOUT_S,
            socket_timeout=REDIS_TIMEOUT_S,
        )
        self._memory = Memory()
        self._lock = threading.Lock()
        self._is_failing = False
        self._tried_at = 0.0

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        return self._redis.base_exceptions

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return self._count(lambda storage: storage.incr(key, expiry, amount))

    def get(self, key: str) -> int:
        return self._count(lambda storage: storage.get(key))

    def get_expiry(self, key: str) -> float:
        return self._count(lambda storage: storage.get_expiry(key))

    def check(self) -> bool:
        return self._count(lambda storage: storage.check())

    def reset(self) -> int | None:
        return self._count(lambda storage: storage.reset())

    def clear(self, key: str) -> None:
        self._count(lambda storage: storage.clear(key))

    def _count(self, work: Callable[[Storage], Result]) -> Result:
        if self._may_try_redis():
            try:
                result = work(self._redis)
            except self.base_exceptions as error:
                self._note(error)
            else:
                self._note(None)
                return result
        return work(self._memory)

    def _may_try_redis(self) -> bool:
        """While it fails, only one request every few seconds tries."""
        with self._lock:
            if self._is_failing and time.monotonic() - self._tried_at < REDIS_RETRY_AFTER_S:
                return False
            self._tried_at = time.monotonic()
            return True

    def _note(self, error: Exception | None) -> None:
        with self._lock:
            was_failing, self._is_failing = self._is_failing, error is not None
        if error is not None and not was_failing:
            log.warning("rate_limits.redis_unavailable", fallback="memory", reason=str(error))
        elif error is None and was_failing:
            log.warning("rate_limits.redis_recovered")
