"""The front as a whole: its connections, its limits, its start and its end."""

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

from statuspage.front.back import Back, BackError
from statuspage.front.kept import Store
from statuspage.front.known import KnownRequests
from statuspage.front.messages import Policy, Request
from statuspage.front.reader import Reader
from statuspage.observability import metrics

log = logging.getLogger(__name__)

BACKLOG = 2048
DOORS = 16
"""How many new connections one turn of the event loop takes: uvloop takes one for each socket
that listens, and while a crowd is served, so that turns are long, the last of a thousand who
come at once would wait for a thousand turns."""
MAX_HELD_BYTES = 32 * 1024 * 1024
"""Bodies of requests that are not answered yet, of all readers together."""
MAX_IN_LINE = 1000
"""Requests that wait for the web process."""
LOOK_S = 1.0
GRACE_S = 4.0
"""How long what is under way may take once we are asked to stop."""


class Front:
    """What all connections of this process share.

    The web process is given one request fewer than it has threads, so that one is always
    left to say whether what readers see is still right; and half of them to the desk at
    most, so that a page nobody has read yet does not wait for it.
    """

    def __init__(self, back: Path, *, threads: int, is_https: bool = False) -> None:
        policy = (b"strict-transport-security", b"max-age=31536000")
        self.policy: Policy = (policy,) if is_https else ()
        self.back = Back(back)
        self.store = Store(self.back.ask, self.tell)
        self.known = KnownRequests()
        metrics.SERVED_AGE_SECONDS.read = self._served_age
        self.readers: set[Reader] = set()
        self.held_bytes = 0
        self.is_stopping = False
        self._turns = asyncio.Semaphore(threads - 1)
        self._desk_turns = asyncio.Semaphore(threads // 2)
        self._in_line = 0
        self._is_failing = False
        self._doors: list[asyncio.Server] = []
        self._looking: asyncio.Task[None]
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # The rest is for connections to the web process and for ourselves.
        self._max_readers = max(files - files // 8 - 32, 16)

    def _served_age(self) -> float:
        # uvloop's clock, readable from any thread.
        return self.store.served_age(time.monotonic())

    @property
    def is_full(self) -> bool:
        return len(self.readers) > self._max_readers

    @property
    def has_too_many_bodies(self) -> bool:
        return self.held_bytes > MAX_HELD_BYTES

    @property
    def has_line(self) -> bool:
        """Whether who asks the web process now has to wait for a turn."""
        return self._turns.locked()

    @asynccontextmanager
    async def turn(self, request: Request) -> AsyncIterator[None]:
        """Wait until the web process may be asked. Raises `BackError` when too many wait."""
        if self._in_line >= MAX_IN_LINE:
            raise BackError("too many requests wait for it")
        self._in_line += 1
        try:
            async with self._desk_turns if request.is_personal else nullcontext(), self._turns:
                yield
        finally:
            self._in_line -= 1

    def tell(self, error: Exception | None) -> None:
        """One line when the web process stops answering, and one when it answers again."""
        if self.is_stopping:
            return  # It stops as well.
        if error is not None and not self._is_failing:
            reason = str(error) or type(error).__name__
            log.warning("The web process does not answer; readers get what is stored: %s", reason)
        elif error is None and self._is_failing:
            log.info("The web process answers again.")
        self._is_failing = error is not None

    async def serve(self, host: str, port: int) -> None:
        """Listen once the web process does; return after SIGTERM or SIGINT, all answers given."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        opening = asyncio.create_task(self.open(host, port))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            opening.result()
            await stopping
            await self.close()
        else:
            opening.cancel()

    async def open(self, host: str, port: int) -> int:
        """Listen once the web process does; the port that was taken."""
        await self.back.wait_until_it_listens()
        # What was loaded until now stays: the collector need not look at it again.
        gc.freeze()
        loop = asyncio.get_running_loop()
        first = await loop.create_server(lambda: Reader(self), host, port, backlog=BACKLOG)
        self._doors.append(first)
        for listening in first.sockets:
            for _ in range(DOORS - 1):
                same = socket.socket(fileno=os.dup(listening.fileno()))
                door = await loop.create_server(lambda: Reader(self), sock=same, backlog=BACKLOG)
                self._doors.append(door)
        self._looking = loop.create_task(self._look_after_readers())
        taken: int = first.sockets[0].getsockname()[1]
        return taken

    async def close(self) -> None:
        """Take no new reader, let those that are here have their answers."""
        self.is_stopping = True
        for door in self._doors:
            door.close()
        for reader in list(self.readers):
            reader.leave()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + GRACE_S
        while self.readers and loop.time() < deadline:
            await asyncio.sleep(0.02)
        self._looking.cancel()

    async def _look_after_readers(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            now = asyncio.get_running_loop().time()
            is_crowded = len(self.readers) > self._max_readers // 2
            for reader in list(self.readers):
                reader.look(now, is_crowded=is_crowded)
            self.store.let_go_of_unused(now)
