"""One client's connection: llhttp parses requests, cached responses go out at once."""

import asyncio
from collections import deque
from http import HTTPStatus
from typing import cast

import structlog
from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
)
from structlog.contextvars import bind_contextvars

from statuspage.lib.client_network import network_of
from statuspage.observability.logging import LogThrottle
from statuspage.proxy import limits
from statuspage.proxy.cache import CachedResponse, is_cacheable
from statuspage.proxy.http import Fields, Key, Request, head_of, refusal, unavailable, with_close
from statuspage.proxy.state import ProxyState
from statuspage.proxy.upstream import NotSentError, Response, UpstreamError

log = structlog.get_logger(__name__)
_may_log = LogThrottle(100)

BUFFERED_RESPONSE_BYTES = 1024 * 1024
"""So much of a response is read from the web process at once, however slow the client is."""

BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class Connection(asyncio.Protocol):
    """Responds to requests in their order; at most one of them is with the web process."""

    def __init__(self, proxy: ProxyState) -> None:
        self._proxy = proxy
        self._loop = asyncio.get_running_loop()
        self._parser = HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._address = b""
        self._now = self._loop.time()
        self._deadline = self._now + limits.HEADER_TIMEOUT_S
        self._stuck_at = 0.0
        self._waiting: deque[Request | bytes] = deque()
        """Requests whose turn comes; bytes are a refusal, after which the connection ends."""
        self._task: asyncio.Task[None] | None = None
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._is_ending = False
        """No further request is read."""
        self._has_begun = False
        """The response under way is partly sent."""
        self._is_in_message = self._is_in_head = self._may_be_long = False
        self._completed: list[Request] = []
        """Requests that the bytes which came last completed."""
        self.network = ""
        self._unsent_bytes = 0
        """Of responses, when the client last stopped or went on reading, or at the last sweep."""
        self.held_bytes = 0
        self.progress = 0
        self._current: Request | None = None
        """The one that is with the web process."""
        self._message_bytes = 0
        """Of the request that is coming in, with its framing."""
        self._reset()

    def _reset(self) -> None:
        self._body_bytes = 0
        self._body_began_at = 0.0
        self._target = bytearray()
        self._header_lines: list[tuple[bytes, bytes]] = []
        self._fields: Fields = {}
        self._body = bytearray()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        # A link-local address comes with the name of our interface.
        address = str(peer[0]).partition("%")[0] if peer else "unknown"
        self._address = address.encode()
        self.network = network_of(address)
        if not self._proxy.limits.add(self):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)

    def connection_lost(self, _error: Exception | None) -> None:
        self._is_ending = True
        self._waiting.clear()
        self._proxy.limits.remove(self)
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._is_ending:
            return  # What comes after a refusal is not read.
        self._now = self._loop.time()
        is_between = not self._is_in_message and not self._is_busy
        if is_between and self._repeats_cached_request(data):
            return
        self._may_be_long = len(data) > limits.MAX_HEAD_BYTES
        self._completed.clear()
        self._message_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._end()  # We speak nothing else; the request itself gets its response.
        except HttpParserCallbackError:
            log.exception("proxy.parser_failed")  # A mistake of ours.
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR)
        except HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)
        if self._is_in_head:
            if self._message_bytes > limits.MAX_HEAD_BYTES:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._is_in_message and self._has_too_much_framing():
            self._refuse(HTTPStatus.BAD_REQUEST)
        self._count_held_bytes()
        is_over = not self._is_in_message and not self._is_ending
        if is_between and is_over and len(self._completed) == 1:
            self._proxy.parsed.remember(data, self._completed[0])

    def _repeats_cached_request(self, data: bytes) -> bool:
        """Whether the same bytes came before, and the cache has the response: it is sent."""
        request = self._proxy.parsed.get(data)
        if request is None or self._proxy.is_stopping or not self._can_write.is_set():
            return False
        cached = self._proxy.cache.get(request.key, self._now)
        if cached is None:
            return False
        self._transport.write(self._proxy.cache.respond(cached, request.method, request.fields))
        self._deadline = self._now + limits.IDLE_TIMEOUT_S
        self.progress += 1
        return True

    def _has_too_much_framing(self) -> bool:
        """Chunk sizes and extensions beyond what the body needs; a trailer that does not end."""
        framing = self._message_bytes - self._body_bytes
        allowed = limits.MAX_FRAMING_BYTES + limits.MAX_HEAD_BYTES
        return framing > allowed + limits.MAX_FRAMING_PER_BODY_BYTE * self._body_bytes

    def _count_held_bytes(self) -> None:
        """Count what is held now; make room where that is too much."""
        held = max(self._message_bytes, self._message_size()) if self._is_in_message else 0
        held += sum(item.size for item in self._waiting if isinstance(item, Request))
        if self._current is not None:
            held += self._current.size
        held += self._unsent_bytes
        if held != self.held_bytes:
            self._proxy.limits.hold(self, held - self.held_bytes)
            if held and not self._proxy.limits.make_room(self):
                if self._unsent_bytes:
                    self.evict()
                else:
                    self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)

    def _count_unsent_bytes(self) -> None:
        """Count what the client has not read. At once it would count what is just being sent."""
        self._unsent_bytes = self._transport.get_write_buffer_size()
        self._count_held_bytes()

    # What the limits ask.

    @property
    def is_reclaimable(self) -> bool:
        return not self._is_busy and self._can_write.is_set()

    @property
    def is_unfinished(self) -> bool:
        return self._is_in_message and self.is_reclaimable

    @property
    def is_unread(self) -> bool:
        return self._unsent_bytes > 0

    def evict(self) -> None:
        """End an unfinished request, an unread response or an idle connection, to make room."""
        self._is_ending = True
        self._proxy.counters.refused.inc(self._is_in_message)
        self._transport.abort()

    def eof_received(self) -> bool:
        """The client sends nothing more, but may still read."""
        self._is_ending = True
        return self._is_busy

    def pause_writing(self) -> None:
        self._can_write.clear()
        self._transport.pause_reading()
        self._stuck_at = self._loop.time() + limits.WRITE_TIMEOUT_S
        self._count_unsent_bytes()

    def resume_writing(self) -> None:
        self._can_write.set()
        self._count_unsent_bytes()
        if self._task is None:
            self._process_queue()

    # What llhttp finds, in this order.

    def on_message_begin(self) -> None:
        self._reset()
        self._is_in_message = self._is_in_head = True
        self._deadline = self._now + limits.HEADER_TIMEOUT_S

    def on_url(self, part: bytes) -> None:
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_ending:
            return
        if not self._is_in_head:
            # Nothing of ours reads trailers (RFC 9110 §6.5.1 allows to refuse them).
            self._refuse(HTTPStatus.BAD_REQUEST)
        elif len(self._header_lines) >= limits.MAX_FIELDS:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            self._header_lines.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._is_ending:
            return
        self._is_in_head = False
        self._body_began_at = self._now
        self._deadline = self._now + limits.BODY_TIMEOUT_S
        fields = self._fields = self._joined_fields()
        length = fields.get(b"content-length")
        if not self._has_good_host() or not self._has_good_target():
            self._refuse(HTTPStatus.BAD_REQUEST)
        elif len(self._target) > limits.MAX_TARGET_BYTES:
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG)
        elif self._may_be_long and self._is_too_long():
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif length is not None and int(length) > limits.MAX_BODY_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        elif b"expect" in fields and not self._is_busy:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _joined_fields(self) -> Fields:
        """Fields by name; one that came several times is joined (RFC 9110 §5.3)."""
        values: dict[bytes, list[bytes]] = {}
        for name, value in self._header_lines:
            values.setdefault(name, []).append(value)
        return {
            name: (b"; " if name == b"cookie" else b", ").join(several)
            for name, several in values.items()
        }

    def _has_good_host(self) -> bool:
        return sum(name == b"host" for name, _ in self._header_lines) <= 1

    def _has_good_target(self) -> bool:
        """Whether the target has a form of RFC 9112 §3.2; of a full address, the path is kept."""
        target = bytes(self._target)
        if b"#" in target:
            return False
        if target[:1] == b"/":
            return True
        if target == b"*":
            return bytes(self._parser.get_method()) == b"OPTIONS"
        scheme, _, rest = target.partition(b"://")
        authority, slash, path = rest.partition(b"/")
        self._target = bytearray(slash + path)
        is_plain = not set(b"?@") & set(authority)
        is_ours = authority.lower() == self._fields.get(b"host", authority).lower()
        return scheme.lower() in (b"http", b"https") and slash == b"/" and is_plain and is_ours

    def _is_too_long(self) -> bool:
        size = sum(len(name) + len(value) for name, value in self._header_lines)
        return size > limits.MAX_HEAD_BYTES

    def on_body(self, piece: bytes) -> None:
        if self._is_ending:
            return
        self._body += piece
        self._body_bytes += len(piece)
        if self._body_bytes > limits.MAX_BODY_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    def on_message_complete(self) -> None:
        self._is_in_message = False
        if self._is_ending:
            return
        fields = self._fields
        method, target = self._parser.get_method(), bytes(self._target)
        request = Request(method, target, fields, bytes(self._body), size=self._message_size())
        self._message_bytes = 0
        self.progress += 1
        request.is_last = not self._parser.should_keep_alive()
        if b"host" not in fields or b"connection" in fields:
            request.is_http_1_0 = self._parser.get_http_version() == "1.0"
            # HTTP/1.0 would keep a connection only if we said that we do.
            request.is_last |= request.is_http_1_0
            if b"host" not in fields and not request.is_http_1_0:
                self._refuse(HTTPStatus.BAD_REQUEST)
                return
        self._is_ending = request.is_last
        self._completed.append(request)
        if self._is_busy or not self._can_write.is_set():
            self._wait(request)
        else:
            self._respond(request)

    def _message_size(self) -> int:
        head = sum(len(name) + len(value) for name, value in self._header_lines)
        return len(self._target) + head + self._body_bytes

    # Responses, one after the other.

    @property
    def _is_busy(self) -> bool:
        return self._task is not None or bool(self._waiting)

    def _wait(self, item: Request | bytes) -> None:
        self._waiting.append(item)
        self._transport.pause_reading()
        if len(self._waiting) > limits.MAX_PIPELINED_REQUESTS:
            self._transport.abort()

    def _process_queue(self) -> None:
        """Respond to what waits, as far as the client takes it."""
        self._now = self._loop.time()
        while self._waiting and self._task is None and self._can_write.is_set():
            item = self._waiting.popleft()
            if isinstance(item, Request):
                self._respond(item)
            else:
                self._write_and_linger(item)
        if not self._is_busy and not self._transport.is_closing():
            self._transport.resume_reading()
        self._count_held_bytes()

    def _respond(self, request: Request) -> None:
        key = request.key
        cached = self._proxy.cache.get(key, self._now) if key is not None else None
        if cached is None:
            self._current = request
            self._task = self._loop.create_task(self._fetch(request, key))
        else:
            self._send_cached(request, cached)
            self._responded(request)

    def _send_cached(self, request: Request, cached: CachedResponse) -> None:
        self._send(request, self._proxy.cache.respond(cached, request.method, request.fields))

    def _send(self, request: Request, response: bytes) -> None:
        if self._proxy.is_stopping:
            request.is_last = True
        self._transport.write(with_close(response) if request.is_last else response)

    def _responded(self, request: Request) -> None:
        self._deadline = self._now + (
            limits.HEADER_TIMEOUT_S if self._is_in_message else limits.IDLE_TIMEOUT_S
        )
        if request.is_last or (self._is_ending and not self._waiting):
            self._end()

    def _end(self) -> None:
        """Close once what is under way has its response."""
        self._is_ending = True
        if not self._is_busy:
            self._transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        """After what is under way, send `status` and end the connection."""
        if self._is_ending:
            return
        self._is_ending = True
        self._is_in_message = self._is_in_head = False
        self._reset()
        self._proxy.counters.refused.inc()
        self._wait(refusal(status, self._proxy.config.policy))
        if self._task is None:
            self._process_queue()
        else:
            self._count_held_bytes()

    def _write_and_linger(self, response: bytes) -> None:
        """Send `response`, then read on for a moment: closing at once could destroy it."""
        self._transport.write(response)
        self._deadline = self._loop.time() + limits.LINGER_S
        if self._transport.can_write_eof():
            self._transport.write_eof()

    # What must be waited for.

    async def _fetch(self, request: Request, key: Key | None) -> None:
        """Respond from the cache after a check, else from the web process."""
        proxy = self._proxy
        self._has_begun = False
        try:
            cached = await proxy.cache.checked(key, self._now) if key is not None else None
            if cached is not None:
                self._send_cached(request, cached)
            else:
                await self._forward(request, key)
        except Exception as error:
            bind_contextvars(request_id=request.id)
            if isinstance(error, UpstreamError | OSError):
                proxy.note_upstream(error)
                reason = str(error) or type(error).__name__
                if _may_log():
                    log.warning("proxy.request_failed", reason=reason)
            else:
                log.exception("proxy.forwarding_failed")
            if self._has_begun:
                self._transport.abort()
                return
            request.is_last |= proxy.is_stopping
            (proxy.counters.failed if request.is_personal else proxy.counters.error).inc()
            # A request that never left is as good as not made.
            request.is_sent &= not isinstance(error, NotSentError)
            config = proxy.config
            self._transport.write(
                unavailable(config.error_page, request, config.paths, config.policy)
            )
        self._task = self._current = None
        self._now = self._loop.time()
        self._responded(request)
        self._process_queue()

    async def _forward(self, request: Request, key: Key | None) -> None:
        proxy = self._proxy
        if key is not None and key[0] != request.target:
            key = None  # Nothing is stored for an address with parameters that mean nothing.
        if request.path in proxy.config.paths.health:
            proxy.watchdog.require_responsive()
            async with asyncio.timeout(limits.HEALTH_TIMEOUT_S) as limit:
                # The probe takes no time: slow views do not make it late.
                is_probe = request.path == proxy.config.paths.probe
                await (self._ask if is_probe else self._forward_in_turn)(request, None, limit)
            return
        async with asyncio.timeout(limits.RESPONSE_TIMEOUT_S) as limit:
            with proxy.watchdog.waiting(limit, may_give_up=request.is_reading):
                await self._forward_or_share(request, key, limit)

    async def _forward_or_share(
        self, request: Request, key: Key | None, limit: asyncio.Timeout
    ) -> None:
        proxy = self._proxy
        if key is None or request.is_personal:
            await self._forward_in_turn(request, key, limit)
            return
        # A crowd that comes for one page must not queue before everybody else.
        cached = await proxy.cache.wait_for_other(key) if proxy.has_queue else None
        if cached is not None:
            self._send_cached(request, cached)
            return
        with proxy.cache.fetching(key):
            await self._forward_in_turn(request, key, limit)

    async def _forward_in_turn(
        self, request: Request, key: Key | None, limit: asyncio.Timeout
    ) -> None:
        async with self._proxy.slot(request):
            await self._ask(request, key, limit)

    async def _ask(self, request: Request, key: Key | None, limit: asyncio.Timeout) -> None:
        proxy = self._proxy
        head = request.passed_on(self._address, key)
        requested_at = self._loop.time()
        request.is_sent = True
        async with proxy.upstream.ask(head, request.body) as response:
            proxy.watchdog.responded()
            if key is not None and is_cacheable(response):
                body = await response.read()
                host = request.fields.get(b"host", b"")
                cached = proxy.cache.store(key, host, response, body, requested_at)
                proxy.counters.made.inc()
                self._send(request, cached.for_request(request.method, request.fields))
            else:
                proxy.counters.answered.inc()
                await self._relay(request, response, limit)

    async def _relay(self, request: Request, response: Response, limit: asyncio.Timeout) -> None:
        is_bodiless = request.method == b"HEAD" or response.status in BODILESS
        is_chunked = response.length is None and not is_bodiless and not request.is_http_1_0
        request.is_last |= self._proxy.is_stopping
        fields = list(response.fields)
        if is_chunked:
            fields.append((b"transfer-encoding", b"chunked"))
        if request.is_last:
            fields.append((b"connection", b"close"))
        collected = [head_of(response.status, response.reason, fields)]
        size = 0
        if not is_bodiless:
            async for piece in response.pieces():
                size += len(piece)
                collected.append(b"%x\r\n%s\r\n" % (len(piece), piece) if is_chunked else piece)
                if size > BUFFERED_RESPONSE_BYTES:
                    limit.reschedule(None)  # From here on the client's pace counts.
                    self._has_begun = True
                    self._transport.writelines(collected)
                    collected = []
                    await self._can_write.wait()
        if is_chunked:
            collected.append(b"0\r\n\r\n")
        self._transport.writelines(collected)

    # What the server asks of each connection.

    def check_timeouts(self, now: float, *, is_crowded: bool) -> None:
        """End what has taken too long, and count what the client has not read."""
        self._count_unsent_bytes()
        if not self._can_write.is_set():
            is_in_the_way = self._current is not None and self._proxy.has_queue
            if now > self._stuck_at - (
                limits.WRITE_TIMEOUT_S - limits.CROWDED_WRITE_TIMEOUT_S if is_in_the_way else 0
            ):
                self._transport.abort()
        elif self._task is not None:
            return
        elif self._is_ending:
            if now > self._deadline:
                self._transport.abort()
        elif self._is_in_message:
            if now > self._deadline or self._is_body_too_slow(now):
                self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        elif now > self._deadline - (
            limits.IDLE_TIMEOUT_S - limits.CROWDED_IDLE_TIMEOUT_S if is_crowded else 0
        ):
            self._end()

    def _is_body_too_slow(self, now: float) -> bool:
        seconds = now - self._body_began_at
        expected = limits.MIN_BODY_BYTES_PER_S * seconds
        return (
            not self._is_in_head and seconds > limits.BODY_GRACE_S and self._body_bytes < expected
        )

    def leave(self) -> None:
        """The proxy stops: end when what is under way has its response."""
        self._end()
