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
        self, what: str, *, outages: tuple[type[Exception], ...] = (), **fields: str
    ) -> Iterator[None]:
        """Log `what.failed` when it begins to fail or fails differently, then `what.recovered`.

        The exception goes on to rise. `outages` say that something is away: their
        message is enough, others come with their traceback.
        """
        key = " ".join((what, *fields.values()))
        try:
            yield
        except Exception as error:
            is_outage = isinstance(error, outages)
            if self._is_new(key, "away" if is_outage else type(error).__name__):
                reason = f"{type(error).__name__}: {error}"
                log.error(f"{what}.failed", reason=reason, exc_info=not is_outage, **fields)
            raise
        if self._is_over(key):
            log.warning(f"{what}.recovered", **fields)

    def note(self, what: str, state: str, *, is_so: bool) -> None:
        """Log `what.state` when it comes to be so, and `what.recovered` when it is over."""
        if is_so:
            if self._is_new(what, state):
                log.error(f"{what}.{state}")
        elif self._is_over(what):
            log.warning(f"{what}.recovered")

    def _is_new(self, what: str, kind: str) -> bool:
        with self._lock:
            before, self._present[what] = self._present.get(what), kind
        return before != kind

    def _is_over(self, what: str) -> bool:
        with self._lock:
            return self._present.pop(what, None) is not None
