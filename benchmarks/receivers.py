"""Webhooks of a thousand subscribers, some of which misbehave.

Behind one port; each subscriber has a path. A path that begins with the name of a manner
is answered in that manner, all others at once.
"""

import asyncio
import json
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

HANGS, DRIBBLES, ENDLESS = "/hangs", "/dribbles", "/endless"
"""Never a byte; a byte of the head a second; a body without an end."""


@dataclass(frozen=True)
class Arrival:
    """One message: to whom, of which incident, under which `webhook-id`, when (monotonic s)."""

    path: str
    incident: str
    key: str
    at: float


class Receivers:
    """Takes messages in a thread of its own until it is closed."""

    def __init__(self) -> None:
        self.arrived: list[Arrival] = []
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)), daemon=True)
        self._thread.start()
        ready.wait()

    def address(self, name: object) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    def repeated(self) -> int:
        """Messages that came more often than once."""
        often = Counter((one.path, one.incident, one.key) for one in self.arrived)
        return sum(often.values()) - len(often)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    async def _run(self, ready: threading.Event) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.port = int(server.sockets[0].getsockname()[1])
        ready.set()
        await self._ending.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            fields = {name.lower(): value.strip() for name, _, value in _split(lines[1:])}
            body = await reader.readexactly(int(fields["content-length"]))
            path = lines[0].split()[1]
            name = json.loads(body)["incident"]["name"]
            self.arrived.append(Arrival(path, name, fields["webhook-id"], monotonic()))
            await _answer(path, writer)
        writer.close()


def _split(lines: list[str]) -> list[tuple[str, str, str]]:
    return [line.partition(":") for line in lines if line]


async def _answer(path: str, writer: asyncio.StreamWriter) -> None:
    if path.startswith(HANGS):
        await asyncio.sleep(60)
    elif path.startswith(DRIBBLES):
        for letter in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 2:
            writer.write(bytes([letter]))
            await writer.drain()
            await asyncio.sleep(1)
    elif path.startswith(ENDLESS):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(1 << 16))
            await writer.drain()
    else:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
