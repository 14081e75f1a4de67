"""The proxy's listening sockets: its start, its sweep of slow clients, its end."""

import asyncio
import os
import signal
import socket
from typing import Any

from statuspage.proxy import limits
from statuspage.proxy.connection import Connection
from statuspage.proxy.state import ProxyState

BACKLOG = 2048
LISTENING_SOCKETS = 16
"""uvloop accepts one connection per listening socket and turn of the loop: with one socket, the
last of a thousand clients who connect at once would wait for a thousand turns."""


class Proxy(ProxyState):
    """The proxy of this process."""

    _servers: list[asyncio.Server]
    _sweeping: asyncio.Task[None]

    async def serve(self, host: str, port: int) -> None:
        """Listen once the web process does; end after SIGTERM or SIGINT and the last response."""
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
        """Listen once the web process does; returns the port."""
        await self.upstream.wait_until_it_listens()
        loop = asyncio.get_running_loop()
        # `::` is every address: asyncio alone would leave IPv4 out.
        where: dict[str, Any] = {"host": host, "port": port}
        if host == "::":
            both = socket.has_dualstack_ipv6()
            where = {
                "sock": socket.create_server(
                    (host, port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=both
                )
            }
        first = await loop.create_server(lambda: Connection(self), **where, backlog=BACKLOG)
        self._servers = [first]
        for listening in first.sockets:
            for _ in range(LISTENING_SOCKETS - 1):
                same = socket.socket(fileno=os.dup(listening.fileno()))
                server = await loop.create_server(
                    lambda: Connection(self), sock=same, backlog=BACKLOG
                )
                self._servers.append(server)
        self._sweeping = loop.create_task(self._sweep())
        bound: int = first.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Accept no new connection; let those that are open have their responses."""
        self.is_stopping = True
        for server in self._servers:
            server.close()
        for connection in self._connections():
            connection.leave()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limits.STOP_TIMEOUT_S
        while self.limits.connections and loop.time() < deadline:
            await asyncio.sleep(0.02)
        self._sweeping.cancel()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(limits.SWEEP_INTERVAL_S)
            now = asyncio.get_running_loop().time()
            connections = self._connections()
            is_crowded = len(connections) > self.limits.max_connections // 2
            for connection in connections:
                connection.check_timeouts(now, is_crowded=is_crowded)
            self.cache.evict_idle(now)
            self.watchdog.sweep(now)

    def _connections(self) -> list[Connection]:
        return [item for item in self.limits.connections if isinstance(item, Connection)]
