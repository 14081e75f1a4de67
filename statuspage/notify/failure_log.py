"""Logs a recurring failure twice: when it begins and when it is over.

The worker retries every second: an outage of an hour would log 3,600 equal tracebacks.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger(__name__)


class FailureLog:
    """The current failures of this process. Thread-safe."""

    def __init__(self) -> None:
        self._current: dict[str, str] = {}
        self._lock = threading.Lock()

    @contextmanager
    def watch(
        self, name: str, *, outages: tuple[type[Exception], ...] = (), **fields: str
    ) -> Iterator[None]:
        """Log `NAME.failed` when failures begin or change, then `NAME.recovered`.

        Re-raises the exception. `outages` (a service is down) are logged without traceback.
        """
        key = " ".join((name, *fields.values()))
        try:
            yield
        except Exception as error:
            is_outage = isinstance(error, outages)
            if self._is_new(key, "away" if is_outage else type(error).__name__):
                reason = f"{type(error).__name__}: {error}"
                log.error(f"{name}.failed", reason=reason, exc_info=not is_outage, **fields)
            raise
        if self._is_over(key):
            log.warning(f"{name}.recovered", **fields)

    def note(self, name: str, state: str, *, is_active: bool) -> None:
        """Log `NAME.STATE` when it becomes active, and `NAME.recovered` when it is over."""
        if is_active:
            if self._is_new(name, state):
                log.error(f"{name}.{state}")
        elif self._is_over(name):
            log.warning(f"{name}.recovered")

    def _is_new(self, name: str, kind: str) -> bool:
        with self._lock:
            before, self._current[name] = self._current.get(name), kind
        return before != kind

    def _is_over(self, name: str) -> bool:
        with self._lock:
            return self._current.pop(name, None) is not None
