"""Notices that the web process has stopped responding, so that nobody waits a minute for it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from statuspage.proxy import limits
from statuspage.proxy.cache import Ask, NoteUpstream
from statuspage.proxy.upstream import NotSentError, UpstreamError


class Watchdog:
    """Sends a probe to `path` when a request waits for long; if that fails, requests fail."""

    def __init__(self, ask: Ask, note: NoteUpstream, path: bytes) -> None:
        self._ask = ask
        self._note = note
        self._request = b"GET %s HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n" % path
        self._is_responsive: bool | None = None
        """None until the first response: the web process may take its time to start."""
        self._waiting: dict[asyncio.Timeout, tuple[float, bool]] = {}
        """When each request that has no response yet came, and whether it may be given up."""
        self._probing: asyncio.Task[None] | None = None

    @contextmanager
    def waiting(self, deadline: asyncio.Timeout, *, may_give_up: bool) -> Iterator[None]:
        """`deadline` of a request comes early if the web process stops responding meanwhile."""
        self._waiting[deadline] = (asyncio.get_running_loop().time(), may_give_up)
        try:
            yield
        finally:
            del self._waiting[deadline]

    def require_responsive(self) -> None:
        """Raises `NotSentError` while the web process does not respond."""
        if self._is_responsive is False:
            raise NotSentError("it does not respond")

    def responded(self) -> None:
        self._is_responsive = True

    def sweep(self, now: float) -> None:
        """Probe if a request waits for long, and until a probe succeeds again."""
        is_slow = any(
            now - since > limits.PROBE_AFTER_S and deadline.when() is not None
            for deadline, (since, _) in self._waiting.items()
        )
        if self._probing is None and (is_slow or self._is_responsive is False):
            self._probing = asyncio.create_task(self._probe())

    async def _probe(self) -> None:
        try:
            async with (
                asyncio.timeout(limits.PROBE_TIMEOUT_S),
                self._ask(self._request) as response,
            ):
                await response.read()
        except (UpstreamError, OSError) as error:
            self._note(error)
            if self._is_responsive is not None:
                self._is_responsive = False
                self._give_up()
        else:
            self._note(None)
            self._is_responsive = True
        finally:
            self._probing = None

    def _give_up(self) -> None:
        """End the waiting; not of a request that changes something: it may still be carried out."""
        for deadline, (_, may_give_up) in self._waiting.items():
            if may_give_up and deadline.when() is not None:
                deadline.reschedule(asyncio.get_running_loop().time())
