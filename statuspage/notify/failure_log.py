"""Troubles that return with every tick, told twice: when one begins and when it is over.

A worker tries again each second. What stays broken for an hour would bury, in
3,600 equal tracebacks, the line that says why.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger(__name__)


class FailureLog:
    """What this process is waiting for. Safe to share between threads."""

    def __init__(self) -> None:
        self._present: dict[str, str] = {}
        self._lock = threading.Lock()

    @contextmanager
    def watch(
        self, name: str, *, outages: tuple[type[Exception], ...] = (), **fields: str
    ) -> Iterator[None]:
        """Log `what.failed` when it begins to fail or fails differently, then `what.recovered`.

        The exception goes on to rise. `outages` say that something is away: their
        message is enough, others come with their traceback.
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

    def note(self, name: str, state: str, *, is_so: bool) -> None:
        """Log `what.state` when it comes to be so, and `what.recovered` when it is over."""
        if is_so:
            if self._is_new(name, state):
                log.error(f"{name}.{state}")
        elif self._is_over(name):
            log.warning(f"{name}.recovered")

    def _is_new(self, name: str, kind: str) -> bool:
        with self._lock:
            before, self._present[name] = self._present.get(name), kind
        return before != kind

    def _is_over(self, name: str) -> bool:
        with self._lock:
            return self._present.pop(name, None) is not None
