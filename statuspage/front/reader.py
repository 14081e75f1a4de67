"""One reader's connection: requests are parsed by llhttp, stored answers go out at once."""

import asyncio
import logging
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
)
from structlog.contextvars import bind_contextvars

from statuspage.front.back import BackError, Reply
from statuspage.front.kept import may_be_kept
from statuspage.front.messages import Fields, Key, Request, closing, head_of, refusal, sorry
from statuspage.observability.logging import LogThrottle
from statuspage.observability.metrics import PAGE_REQUESTS, PASSED_ON

if TYPE_CHECKING:
    from statuspage.front.server import Front

log = logging.getLogger(__name__)
_may_tell = LogThrottle(100)

MAX_HEAD_BYTES = 32 * 1024
MAX_TARGET_BYTES = 8 * 1024
MAX_FIELDS = 100
MAX_BODY_BYTES = 2 * 1024 * 1024
"""More than the web process takes: up to here it refuses in its own words."""
MAX_WAITING = 100
"""Requests sent ahead of their answers."""
COLLECT_BYTES = 1024 * 1024
"""So much of an answer is taken from the web process at once, however slowly it is read."""

HEAD_S = 10.0
BODY_S = 60.0
IDLE_S = 75.0
CROWDED_IDLE_S = 5.0
STUCK_S = 60.0
"""How long a reader may take none of what was sent."""
LINGER_S = 2.0
ANSWER_S = 60.0
"""How long a view may take."""

BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})

MADE, ERROR = (PAGE_REQUESTS.cell(result) for result in ("made", "error"))
ANSWERED, FAILED, REFUSED = (PASSED_ON.cell(result) for result in ("answered", "failed", "refused"))

SORRY = "Our own program does not answer at the moment."


class Reader(asyncio.Protocol):
    """Answers requests in their order; at most one of them is with the web process."""

    def __init__(self, front: "Front") -> None:
        self._front = front
        self._loop = asyncio.get_running_loop()
        self._parser = HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._address = b""
        self._now = self._loop.time()
        self._deadline = self._now + HEAD_S
        self._stuck_at = 0.0
        self._waiting: deque[Request | bytes] = deque()
        """Requests whose turn comes; bytes are last words, after which the connection ends."""
        self._task: asyncio.Task[None] | None = None
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._is_ending = False
        """No further request is read."""
        self._held_bytes = 0
        self._has_begun = False
        """The answer under way is partly sent."""
        self._is_in_message = self._is_in_head = self._may_be_long = False
        self._completed: list[Request] = []
        """By the bytes that came last."""
        self._begin()

    def _begin(self) -> None:
        self._head_bytes = 0
        self._target = b""
        self._fields: Fields = {}
        self._trailers: Fields = {}
        self._body = b""

    # What the event loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        # A link-local address comes with the name of our interface.
        self._address = str(peer[0]).partition("%")[0].encode() if peer else b"unknown"
        self._front.readers.add(self)
        if self._front.is_full:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)

    def connection_lost(self, _error: Exception | None) -> None:
        self._front.readers.discard(self)
        self._is_ending = True
        self._waiting.clear()
        self._release_bodies()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._is_ending:
            return  # What comes after the last words is not read.
        self._now = self._loop.time()
        is_between = not self._is_in_message and not self._is_busy
        if is_between and self._answers_as_before(data):
            return
        self._may_be_long = len(data) > MAX_HEAD_BYTES
        self._completed.clear()
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._end()  # We speak nothing else; the request itself is answered.
        except HttpParserCallbackError:
            log.exception("A request could not be taken.")  # A mistake of ours.
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR)
        except HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        is_over = not self._is_in_message and not self._is_ending
        if is_between and is_over and len(self._completed) == 1:
            self._front.known.remember(data, self._completed[0])

    def _answers_as_before(self, data: bytes) -> bool:
        """Whether these bytes were asked before and what is stored has answered them."""
        known = self._front.known.get(data)
        if known is None or self._front.is_stopping or not self._can_write.is_set():
            return False
        kept = self._front.store.get(known.key, self._now)
        if kept is None:
            return False
        self._transport.write(kept.told(known.method, known.fields))
        self._deadline = self._now + IDLE_S
        return True

    def eof_received(self) -> bool:
        """The reader says nothing more, but may still listen."""
        self._is_ending = True
        return self._is_busy

    def pause_writing(self) -> None:
        self._can_write.clear()
        self._transport.pause_reading()
        self._stuck_at = self._loop.time() + STUCK_S

    def resume_writing(self) -> None:
        self._can_write.set()
        if self._task is None:
            self._go_on()

    # What llhttp finds, in this order.

    def on_message_begin(self) -> None:
        self._begin()
        self._is_in_message = self._is_in_head = True
        self._deadline = self._now + HEAD_S

    def on_url(self, part: bytes) -> None:
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        # A trailer must not pass for a header field.
        fields = self._fields if self._is_in_head else self._trailers
        name = name.lower()
        if name not in fields:
            fields[name] = value
        elif name == b"host":
            self._refuse(HTTPStatus.BAD_REQUEST)
        else:
            fields[name] += (b"; " if name == b"cookie" else b", ") + value

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._deadline = self._now + BODY_S
        fields = self._fields
        if self._target[:1] != b"/" and not self._is_another_form():
            self._refuse(HTTPStatus.BAD_REQUEST)
        elif len(self._target) > MAX_TARGET_BYTES:
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG)
        elif len(fields) > MAX_FIELDS or (self._may_be_long and self._is_too_long()):
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif b"content-length" in fields and int(fields[b"content-length"]) > MAX_BODY_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        elif b"expect" in fields and not self._is_busy and not self._is_ending:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _is_another_form(self) -> bool:
        """Whether the target is one of RFC 9112 §3.2.2 or §3.2.4; a full address loses its host."""
        if self._target == b"*":
            return self._parser.get_method() == b"OPTIONS"
        scheme, _, rest = self._target.partition(b"://")
        _, slash, path = rest.partition(b"/")
        self._target = slash + path
        return scheme.lower() in (b"http", b"https") and slash == b"/"

    def _is_too_long(self) -> bool:
        return sum(len(name) + len(value) for name, value in self._fields.items()) > MAX_HEAD_BYTES

    def on_body(self, piece: bytes) -> None:
        if self._is_ending:
            return
        self._body += piece
        self._held_bytes += len(piece)
        self._front.held_bytes += len(piece)
        if len(self._body) > MAX_BODY_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        elif self._front.has_too_many_bodies:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)

    def on_message_complete(self) -> None:
        self._is_in_message = False
        if self._is_ending:
            return
        fields = self._fields
        request = Request(self._parser.get_method(), self._target, fields, self._body)
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
            self._answer(request)

    # Answers, one after the other.

    @property
    def _is_busy(self) -> bool:
        return self._task is not None or bool(self._waiting)

    def _wait(self, item: Request | bytes) -> None:
        self._waiting.append(item)
        self._transport.pause_reading()
        if len(self._waiting) > MAX_WAITING:
            self._transport.abort()

    def _go_on(self) -> None:
        """Answer what waits, as far as the reader takes it."""
        self._now = self._loop.time()
        while self._waiting and self._task is None and self._can_write.is_set():
            item = self._waiting.popleft()
            if isinstance(item, Request):
                self._answer(item)
            else:
                self._say_and_linger(item)
        if not self._is_busy:
            self._release_bodies()
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def _answer(self, request: Request) -> None:
        key = request.key
        kept = self._front.store.get(key, self._now) if key is not None else None
        if kept is None:
            self._task = self._loop.create_task(self._ask(request, key))
        else:
            self._give(request, kept.told(request.method, request.fields))
            self._answered(request)

    def _give(self, request: Request, answer: bytes) -> None:
        if self._front.is_stopping:
            request.is_last = True
        self._transport.write(closing(answer) if request.is_last else answer)

    def _answered(self, request: Request) -> None:
        self._deadline = self._now + (HEAD_S if self._is_in_message else IDLE_S)
        if request.is_last or (self._is_ending and not self._waiting):
            self._end()

    def _end(self) -> None:
        """Hang up once what is under way is answered."""
        self._is_ending = True
        if not self._is_busy:
            self._transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        """After what is under way, say `status` and end the connection."""
        if self._is_ending:
            return
        self._is_ending = True
        self._is_in_head = False
        REFUSED[0] += 1
        self._wait(refusal(status, self._front.policy))
        if self._task is None:
            self._go_on()

    def _say_and_linger(self, words: bytes) -> None:
        """Send `words`, then read on for a moment: to hang up at once could destroy them."""
        self._transport.write(words)
        self._deadline = self._loop.time() + LINGER_S
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _release_bodies(self) -> None:
        self._front.held_bytes -= self._held_bytes
        self._held_bytes = 0

    # What must be waited for.

    async def _ask(self, request: Request, key: Key | None) -> None:
        """Answer from the store after a check, else from the web process."""
        front = self._front
        self._has_begun = False
        try:
            kept = await front.store.checked(key, self._now) if key is not None else None
            if kept is not None:
                self._give(request, kept.told(request.method, request.fields))
            else:
                await self._pass_on(request, key)
        except Exception as error:
            bind_contextvars(request_id=request.id)
            if isinstance(error, BackError | OSError):
                front.tell(error)
                reason = str(error) or type(error).__name__
                if _may_tell():
                    log.warning("A request was not answered: %s", reason)
            else:
                log.exception("A request could not be passed on.")
            if self._has_begun:
                self._transport.abort()
                return
            request.is_last |= front.is_stopping
            (FAILED if request.is_personal else ERROR)[0] += 1
            self._transport.write(sorry(SORRY, request, front.policy))
        self._task = None
        self._now = self._loop.time()
        self._answered(request)
        self._go_on()

    async def _pass_on(self, request: Request, key: Key | None) -> None:
        front = self._front
        if key is not None and key[0] != request.target:
            key = None  # Nothing is stored for an address with parameters that mean nothing.
        async with asyncio.timeout(ANSWER_S) as limit:
            if key is None or request.is_personal:
                await self._ask_in_turn(request, key, limit)
                return
            # A crowd that comes for one page must not become a line before everybody else.
            kept = await front.store.asked_by_another(key) if front.has_line else None
            if kept is not None:
                self._give(request, kept.told(request.method, request.fields))
                return
            with front.store.asking(key):
                await self._ask_in_turn(request, key, limit)

    async def _ask_in_turn(self, request: Request, key: Key | None, limit: asyncio.Timeout) -> None:
        front = self._front
        question = request.passed_on(self._address, key)
        async with front.turn(request):
            asked_at = self._loop.time()
            async with front.back.ask(question, request.body) as reply:
                if key is not None and may_be_kept(reply):
                    body = await reply.read()
                    host = request.fields.get(b"host", b"")
                    kept = front.store.keep(key, host, reply, body, asked_at)
                    MADE[0] += 1
                    self._give(request, kept.answer(request.method, request.fields))
                else:
                    ANSWERED[0] += 1
                    await self._relay(request, reply, limit)

    async def _relay(self, request: Request, reply: Reply, limit: asyncio.Timeout) -> None:
        is_bodiless = request.method == b"HEAD" or reply.status in BODILESS
        is_chunked = reply.length is None and not is_bodiless and not request.is_http_1_0
        request.is_last |= self._front.is_stopping
        fields = list(reply.fields)
        if is_chunked:
            fields.append((b"transfer-encoding", b"chunked"))
        if request.is_last:
            fields.append((b"connection", b"close"))
        collected = [head_of(reply.status, reply.reason, fields)]
        size = 0
        if not is_bodiless:
            async for piece in reply.pieces():
                size += len(piece)
                collected.append(b"%x\r\n%s\r\n" % (len(piece), piece) if is_chunked else piece)
                if size > COLLECT_BYTES:
                    limit.reschedule(None)  # From here on the reader's pace counts.
                    self._has_begun = True
                    self._transport.writelines(collected)
                    collected = []
                    await self._can_write.wait()
        if is_chunked:
            collected.append(b"0\r\n\r\n")
        self._transport.writelines(collected)

    # What the front asks of each connection.

    def look(self, now: float, *, is_crowded: bool) -> None:
        """End what has taken too long."""
        if not self._can_write.is_set():
            if now > self._stuck_at:
                self._transport.abort()
        elif self._task is not None:
            return
        elif self._is_ending:
            if now > self._deadline:
                self._transport.abort()
        elif self._is_in_message:
            if now > self._deadline:
                self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        elif now > self._deadline - (IDLE_S - CROWDED_IDLE_S if is_crowded else 0):
            self._end()

    def leave(self) -> None:
        """The front stops: end when what is under way is answered."""
        self._end()
