"""Where attempts are counted: in Redis, and in this process while Redis is away.

A limit that fails open invites guessing, one that fails shut locks staff out in an
outage. Counted here alone, each process allows what is allowed; that is still a limit.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from limits.storage import MemoryStorage, RedisStorage, Storage

SCHEME = "redis-or-memory"
TIMEOUT_S = 1.0
SPARE_KEYS = 1000
PAUSE_S = 5.0
"""How long Redis is left alone after it failed."""

log = structlog.get_logger(__name__)

Result = TypeVar("Result")


def storage_uri(redis_url: str | None) -> str:
    """What `limits` makes a storage of."""
    return f"{SCHEME}:{redis_url}" if redis_url else f"{Memory.STORAGE_SCHEME[0]}:"


class Memory(MemoryStorage):
    """Counts in this process. No window ends later than its length from now.

    Else who was limited when the clock is set back by an hour would be so for an hour.
    """

    STORAGE_SCHEME = ["process-memory"]  # noqa: RUF012  as the library declares it

    def __init__(self, uri: str | None = None, **options: Any) -> None:
        super().__init__(uri, **options)
        self._lengths: dict[str, int] = {}

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        self._let_go(key)
        if len(self._lengths) > 2 * len(self.expirations) + SPARE_KEYS:
            self._lengths = {key: self._lengths[key] for key in list(self.expirations)}
        self._lengths[key] = int(expiry)
        return super().incr(key, expiry, amount)

    def get(self, key: str) -> int:
        self._let_go(key)
        return super().get(key)

    def _let_go(self, key: str) -> None:
        if key in self._lengths and self.get_expiry(key) > time.time() + self._lengths[key] + 1:
            self.clear(key)


class RedisOrMemory(Storage):
    """Counts in Redis; where that fails, in memory, and asks it again some seconds later."""

    STORAGE_SCHEME = [SCHEME]  # noqa: RUF012  as the library declares it

    def __init__(self, uri: str, wrap_exceptions: bool = False, **options: float) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions, **options)
        self._redis = RedisStorage(
            uri.partition(":")[2], socket_connect_timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S
        )
        self._memory = Memory()
        self._lock = threading.Lock()
        self._is_away = False
        self._asked_at = 0.0

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
        if self._may_be_asked():
            try:
                result = work(self._redis)
            except self.base_exceptions as error:
                self._found(error)
            else:
                self._found(None)
                return result
        return work(self._memory)

    def _may_be_asked(self) -> bool:
        """While it is away, one request in some seconds tries."""
        with self._lock:
            if self._is_away and time.monotonic() - self._asked_at < PAUSE_S:
                return False
            self._asked_at = time.monotonic()
            return True

    def _found(self, error: Exception | None) -> None:
        with self._lock:
            was_away, self._is_away = self._is_away, error is not None
        if error is not None and not was_away:
            log.warning("rate_limits.redis_unavailable", fallback="memory", reason=str(error))
        elif error is None and was_away:
            log.warning("rate_limits.redis_recovered")
