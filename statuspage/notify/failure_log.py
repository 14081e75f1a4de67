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
    def watch(self, what: str, *, outages: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """Log it when `what` begins to fail, when it fails in another way, when it works again.

        The exception goes on to rise. `outages` say that something is away: their
        message is enough, others come with their traceback.
        """
        try:
            yield
        except Exception as error:
            is_outage = isinstance(error, outages)
            if self._is_new(what, "away" if is_outage else type(error).__name__):
                reason = f"{type(error).__name__}: {error}"
                log.error(f"{what} failed", reason=reason, exc_info=not is_outage)
            raise
        if self._is_over(what):
            log.warning(f"{what} works again")

    def note(self, what: str, words: str, *, is_so: bool) -> None:
        """Log it when `what` comes to be as `words` say, and when it is so no more."""
        if is_so:
            if self._is_new(what, words):
                log.error(f"{what} {words}")
        elif self._is_over(what):
            log.warning(f"{what} works again")

    def _is_new(self, what: str, kind: str) -> bool:
        with self._lock:
            before, self._present[what] = self._present.get(what), kind
        return before != kind

    def _is_over(self, what: str) -> bool:
        with self._lock:
            return self._present.pop(what, None) is not None
