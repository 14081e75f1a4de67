"""A wire that can be cut: a TCP relay in front of a server that others are to lose.

It passes bytes on until it is told to refuse, to hang or to reset; `mend` makes it whole.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

CHUNK_BYTES = 64 * 1024
AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER of a socket that is reset instead of closed."""

Result = TypeVar("Result")


class Relay:
    """Listens on a free port of loopback, in a thread of its own, until `stop`."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        """Where new connections go; may be changed at any moment."""
        self.latency_s = 0.0
        """How long each piece is on its way."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self._flows = asyncio.Event()
        self._flows.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._is_resetting = False
        self.port = 0
        self._run(self._listen())

    def refuse(self) -> None:
        """Nobody listens any more; what is open is closed."""
        self._run(self._stop_listening())

    def hang(self) -> None:
        """Connections are taken and stay open, and nothing comes through either way."""
        self._run(self._hold())

    def reset(self) -> None:
        """What is open is reset (RST), and so is each new connection."""
        self._is_resetting = True
        self._run(self._drop(how=self._reset_one))

    def drop(self) -> None:
        """What is open is closed; new connections go to the present target."""
        self._run(self._drop(how=asyncio.StreamWriter.close))

    def mend(self) -> None:
        """As if nothing had been; bytes that were held go on."""
        self._is_resetting = False
        self._run(self._go_on())

    def stop(self) -> None:
        self._run(self._stop_listening())
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._flows.set()
        await self._drop(how=asyncio.StreamWriter.close)

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _hold(self) -> None:
        self._flows.clear()

    async def _go_on(self) -> None:
        self._flows.set()
        if self._server is None:
            await self._listen()

    async def _drop(self, *, how: Any) -> None:
        for writer in list(self._open):
            how(writer)

    @staticmethod
    def _reset_one(writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        writer.transport.abort()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self._is_resetting:
                self._reset_one(writer)
                return
            await self._flows.wait()
            far_reader, far_writer = await asyncio.open_connection(*self.target)
            self._open.add(far_writer)
            try:
                await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
            finally:
                self._open.discard(far_writer)
                far_writer.close()
        except OSError:
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._flows.wait()
                if self.latency_s:
                    await asyncio.sleep(self.latency_s)
                writer.write(data)
                await writer.drain()
        writer.close()
