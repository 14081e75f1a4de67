"""What all connections of this process share."""

import asyncio
import resource
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import structlog

from statuspage.proxy.cache import Cache
from statuspage.proxy.config import ProxyConfig
from statuspage.proxy.http import Request
from statuspage.proxy.limits import Limits
from statuspage.proxy.request_cache import RequestCache
from statuspage.proxy.upstream import NotSentError, Upstream
from statuspage.proxy.watchdog import Watchdog

log = structlog.get_logger(__name__)

MAX_QUEUED_REQUESTS = 1000
"""Requests that wait for the web process."""


class ProxyState:
    """Caches, limits and the queue for the web process.

    The web process gets one request fewer than it has threads, so that one is always free
    to say whether a cached page is still current. Staff get at most half of them, so that a
    page which is not cached yet does not wait for them.
    """

    def __init__(self, config: ProxyConfig) -> None:
        self.config = config
        self.counters = config.counters
        self.upstream = Upstream(config.web_socket)
        self.cache = Cache(config, self.upstream.ask, self.note_upstream)
        self.watchdog = Watchdog(self.upstream.ask, self.note_upstream, config.paths.probe)
        self.parsed = RequestCache()
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # The rest is for connections to the web process and for ourselves.
        self.limits = Limits(max(files - files // 8 - 32, 16), by_network=config.by_network)
        self.is_stopping = False
        self._slots = asyncio.Semaphore(config.threads - 1)
        self._staff_slots = asyncio.Semaphore(config.threads // 2)
        self._queued = 0
        self._is_failing = False

    def served_age(self) -> float:
        """Age of the oldest response served lately, in seconds; callable from any thread."""
        # uvloop's clock is the monotonic one.
        return self.cache.served_age(time.monotonic())

    @property
    def has_queue(self) -> bool:
        """Whether a new request for the web process has to wait."""
        return self._slots.locked()

    @asynccontextmanager
    async def slot(self, request: Request) -> AsyncIterator[None]:
        """Wait for a free thread of the web process.

        Raises `NotSentError` on a full queue, and while the web process does not respond.
        """
        if self._queued >= MAX_QUEUED_REQUESTS:
            raise NotSentError("too many requests wait for it")
        self._queued += 1
        try:
            self.watchdog.require_responsive()
            async with self._staff_slots if request.is_personal else nullcontext(), self._slots:
                self.watchdog.require_responsive()
                yield
        finally:
            self._queued -= 1

    def note_upstream(self, error: Exception | None) -> None:
        """Log once when the web process stops responding, and once when it responds again."""
        if self.is_stopping:
            return  # It stops as well.
        if error is not None and not self._is_failing:
            log.warning("proxy.web_unavailable", reason=str(error) or type(error).__name__)
        elif error is None and self._is_failing:
            log.info("proxy.web_available")
        self._is_failing = error is not None
