"""Requests to the web process over a Unix socket, one connection per request.

A new connection costs a tenth of a millisecond. A kept one that breaks would leave open what
the web process had already done.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from httptools import HttpParserError, HttpResponseParser

from statuspage.proxy import limits
from statuspage.proxy.http import HOP_BY_HOP

CHUNK_BYTES = 256 * 1024


class UpstreamError(Exception):
    """The web process sent no response, or not all of it."""


class NotSentError(UpstreamError):
    """The web process did not get the request."""


class Response:
    """A response of the web process; the body is read piece by piece."""

    def __init__(self, stream: asyncio.StreamReader, *, is_bodiless: bool) -> None:
        self._stream = stream
        self._is_bodiless = is_bodiless
        self._parser = HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._has_head = False
        self._is_complete = False
        self.status = 0
        self.reason = ""
        self.fields: list[tuple[bytes, bytes]] = []
        """Without those that concern the connection to the web process only."""

    def field(self, name: bytes) -> bytes | None:
        return next((value for name_sent, value in self.fields if name_sent == name), None)

    @property
    def length(self) -> int | None:
        """Bytes of the body, if the head says so."""
        value = self.field(b"content-length")
        return int(value) if value is not None else None

    async def read_head(self) -> None:
        while not self._has_head:
            if not await self._feed():
                raise UpstreamError("closed without a response")

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises `UpstreamError` if it ends too early."""
        while True:
            pieces, self._pieces = self._pieces, []
            for piece in pieces:
                yield piece
            if self._is_complete or self._is_bodiless:
                return
            if not self._pieces and not await self._feed():
                raise UpstreamError("closed in the middle of a response")

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self.pieces()])

    async def _feed(self) -> bool:
        data = await self._stream.read(CHUNK_BYTES)
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            raise UpstreamError(f"unreadable: {error}") from error
        return bool(data)

    def on_status(self, reason: bytes) -> None:
        self.reason += reason.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if not self._has_head and name not in HOP_BY_HOP and name != b"server":
            self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._has_head = True

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        self._is_complete = True


class Upstream:
    """The web process."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    @asynccontextmanager
    async def ask(self, head: bytes, body: bytes = b"") -> AsyncIterator[Response]:
        """The response to a complete request. Raises `UpstreamError`, `OSError`."""
        try:
            async with asyncio.timeout(limits.CONNECT_TIMEOUT_S):
                stream, writer = await asyncio.open_unix_connection(self._socket)
        except OSError as error:
            raise NotSentError(str(error) or type(error).__name__) from error
        try:
            writer.write(head + body)
            response = Response(stream, is_bodiless=head.startswith(b"HEAD "))
            await response.read_head()
            yield response
        finally:
            writer.transport.abort()

    async def wait_until_it_listens(self) -> None:
        while True:
            try:
                _, writer = await asyncio.open_unix_connection(self._socket)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.transport.abort()
                return
