"""The stored answers: when one may be given, when it is asked for again, when it is let go.

The rules are those of any shared HTTP cache (RFC 9111), with our own lifetimes: an
answer is checked several times a second while it is read, so that readers are never
more than about a second behind; and when the web process does not answer, the last
good one stays, marked as old after half a minute.
"""

import asyncio
import gzip
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import TypeAlias

import brotli
from prometheus_client import Counter

from statuspage import clock
from statuspage.observability.metrics import PAGE_REQUESTS
from statuspage.proxy.http import Fields, Key, encodings_asked, head_of
from statuspage.proxy.limits import Lifetimes
from statuspage.proxy.upstream import Response, UpstreamError
from statuspage.serving.conditional import belongs_to_304, has_it
from statuspage.serving.response import AS_OF, BROTLI_QUALITY, GZIP_LEVEL, note

MAX_ENTRIES = 1000
MAX_BYTES = 32 * 1024 * 1024
MAX_BODY_BYTES = 4 * 1024 * 1024
VARIES = frozenset({b"", b"accept-encoding", b"sec-fetch-dest"})
"""What an answer may depend on: what makes a `Key`."""
STORED_STATUS = frozenset({HTTPStatus.OK, HTTPStatus.GONE})

Tell: TypeAlias = Callable[[Exception | None], None]
"""Takes what went wrong between us and the web process; None where it answers."""
HIT, NOT_MODIFIED, STALE = (
    PAGE_REQUESTS.labels(result) for result in ("hit", "not_modified", "stale")
)
Ask: TypeAlias = Callable[[bytes], AbstractAsyncContextManager[Response]]


class CachedResponse:
    """One answer, ready to be written."""

    __slots__ = (
        "_fields",
        "_status",
        "counted",
        "etag",
        "full",
        "head",
        "last_modified",
        "unchanged",
        "unchanged_counted",
    )

    def __init__(
        self,
        status: tuple[int, str],
        fields: list[tuple[bytes, bytes]],
        body: bytes,
        *,
        is_old: bool = False,
    ) -> None:
        self.counted: Counter = STALE if is_old else HIT
        """Where it counts to give this answer, and below, to say that nothing changed."""
        self.unchanged_counted: Counter = STALE if is_old else NOT_MODIFIED
        self._status = status
        self._fields = fields
        values = dict(fields)
        self.etag = values[b"etag"].decode("latin-1")
        changed = values.get(b"last-modified")
        self.last_modified = changed.decode("latin-1") if changed else None
        self.head = head_of(*status, fields)
        self.full = self.head + body
        self.unchanged = head_of(
            HTTPStatus.NOT_MODIFIED,
            HTTPStatus.NOT_MODIFIED.phrase,
            [(n, v) for n, v in fields if n == b"date" or belongs_to_304(n.decode("latin-1"))],
        )

    @property
    def body(self) -> bytes:
        return self.full[len(self.head) :]

    def respond(self, method: bytes, fields: Fields) -> bytes:
        """The bytes for a client with these header fields, counted as served from the cache."""
        answer = self.response(method, fields)
        (self.unchanged_counted if answer is self.unchanged else self.counted).inc()
        return answer

    def response(self, method: bytes, fields: Fields) -> bytes:
        """All that is sent to a reader who asks with these header fields."""
        tags, since = fields.get(b"if-none-match"), fields.get(b"if-modified-since")
        is_conditional = tags is not None or since is not None
        if is_conditional and self._status[0] == HTTPStatus.OK and self._is_at(tags, since):
            return self.unchanged
        return self.full if method == b"GET" else self.head

    def _is_at(self, tags: bytes | None, since: bytes | None) -> bool:
        return has_it(
            tags.decode("latin-1") if tags is not None else None,
            since.decode("latin-1") if since is not None else None,
            self.etag,
            self.last_modified,
        )

    def dated(self, date: bytes | None) -> "CachedResponse":
        """The same, told at `date`."""
        if date is None or (b"date", date) in self._fields:
            return self
        fields = [(b"date", date) if name == b"date" else (name, v) for name, v in self._fields]
        return CachedResponse(self._status, fields, self.body)

    def marked_old(self, as_of: datetime) -> "CachedResponse":
        """The same page with a visible note of its age; itself where there is no place for one."""
        values = dict(self._fields)
        coding = values.get(b"content-encoding", b"identity")
        if not values.get(b"content-type", b"").startswith(b"text/html") or coding not in _CODINGS:
            return self
        decode, encode = _CODINGS[coding]
        plain = decode(self.body)
        if AS_OF not in plain:
            return self
        body = encode(plain.replace(AS_OF, note(as_of), 1))
        values[b"content-length"] = b"%d" % len(body)
        values[b"etag"] = f'{self.etag[:-1]}-{as_of:%Y%m%d%H%M}"'.encode("latin-1")
        values.pop(b"last-modified", None)
        return CachedResponse(self._status, list(values.items()), body, is_old=True)


_CODINGS: dict[bytes, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    b"identity": (bytes, bytes),
    b"gzip": (gzip.decompress, lambda plain: gzip.compress(plain, GZIP_LEVEL, mtime=0)),
    b"br": (brotli.decompress, lambda plain: brotli.compress(plain, quality=BROTLI_QUALITY)),
}


def is_cacheable(reply: Response) -> bool:
    """Whether the web process says that everybody may be given this answer."""
    values = dict(reply.fields)
    words = {word.strip() for word in values.get(b"cache-control", b"").lower().split(b",")}
    vary = {word.strip() for word in values.get(b"vary", b"").lower().split(b",")}
    return (
        reply.status in STORED_STATUS
        and b"public" in words
        and b"no-store" not in words
        and b"etag" in values
        and b"set-cookie" not in values
        and vary <= VARIES
        and reply.length is not None
        and reply.length <= MAX_BODY_BYTES
    )


class _Entry:
    __slots__ = (
        "asked_at",
        "checking",
        "due_at",
        "fresh",
        "host",
        "shown",
        "used_at",
        "valid_until",
        "verified_at",
    )

    def __init__(self, kept: CachedResponse, host: bytes, now: float, lifetimes: Lifetimes) -> None:
        self.fresh = kept
        self.shown = kept
        """What readers get: `fresh`, or the same with a note of its age."""
        self.host = host
        self.used_at = now
        self.asked_at = now
        """When the question was sent whose answer showed last that `fresh` is right."""
        self.verified_at = clock.now()
        self.checking: asyncio.Task[None] | None = None
        self.due_at = now + lifetimes.check_after_s
        self.valid_until = now + lifetimes.valid_s


class Cache:
    """The answers this process has. `now` is always the event loop's time, in seconds."""

    def __init__(self, ask: Ask, tell: Tell, lifetimes: Lifetimes) -> None:
        self._lifetimes = lifetimes
        self._ask = ask
        self._tell = tell
        self._entries: dict[Key, _Entry] = {}
        self._asked: dict[Key, asyncio.Future[None]] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key, now: float) -> CachedResponse | None:
        """What may be given at once; None where there is nothing or it must be checked first."""
        entry = self._entries.get(key)
        if entry is None or now >= entry.valid_until:
            return None
        entry.used_at = now
        if now >= entry.due_at:
            self._start_check(key, entry)
            entry.valid_until = now + self._lifetimes.check_grace_s
        return entry.shown

    async def checked(self, key: Key, now: float) -> CachedResponse | None:
        """The stored answer after a check, or without one where none can be had."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        entry.used_at = now
        await asyncio.shield(entry.checking or self._start_check(key, entry))
        # What went away meanwhile is not given once more.
        return entry.shown if self._entries.get(key) is entry else None

    @contextmanager
    def fetching(self, key: Key) -> Iterator[None]:
        """While the web process is asked for it by one reader, others may wait for the end."""
        asked = self._asked.setdefault(key, asyncio.get_running_loop().create_future())
        try:
            yield
        finally:
            # The first of several who ask has it out; who came later may have begun another.
            if not asked.done():
                del self._asked[key]
                asked.set_result(None)

    async def wait_for_other(self, key: Key) -> CachedResponse | None:
        """What the question of another reader has brought; None where nobody asks, or nothing."""
        if (asked := self._asked.get(key)) is None:
            return None
        await asyncio.shield(asked)
        now = asyncio.get_running_loop().time()
        return self.get(key, now) or await self.checked(key, now)

    def keep(
        self, key: Key, host: bytes, reply: Response, body: bytes, now: float
    ) -> CachedResponse:
        """Store the answer that was asked for at `now`."""
        kept = _response_of(reply, body)
        self._drop(key)
        self._entries[key] = _Entry(kept, host, now, self._lifetimes)
        self._size += len(kept.full)
        while len(self._entries) > MAX_ENTRIES or self._size > MAX_BYTES:
            self._drop(min(self._entries, key=lambda one: self._entries[one].used_at))
        return kept

    def evict_idle(self, now: float) -> None:
        """Nobody watches over what nobody reads: it may hold words that were withdrawn."""
        for key, entry in list(self._entries.items()):
            if now - entry.used_at > self._lifetimes.in_use_s:
                self._drop(key)

    def served_age(self, now: float) -> float:
        """How long ago the oldest answer that was given lately had been right, in seconds."""
        since = now - self._lifetimes.served_age_window_s
        entries = list(self._entries.values())
        ages = (entry.used_at - entry.asked_at for entry in entries if entry.used_at > since)
        return max(ages, default=0.0)

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= len(entry.fresh.full)

    def _start_check(self, key: Key, entry: _Entry) -> asyncio.Task[None]:
        entry.due_at = float("inf")
        entry.checking = asyncio.create_task(self._check(key, entry))
        return entry.checking

    async def _check(self, key: Key, entry: _Entry) -> None:
        loop = asyncio.get_running_loop()
        asked_at, verified_at = loop.time(), clock.now()
        try:
            async with (
                asyncio.timeout(self._lifetimes.check_timeout_s),
                self._ask(_revalidation(key, entry)) as reply,
            ):
                body = await reply.read()
        except Exception as error:  # Whatever it is, readers keep what there is.
            self._failed(entry, loop.time(), error)
        else:
            if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                self._failed(entry, loop.time(), UpstreamError(f"status {reply.status}"))
                return
            self._tell(None)
            if self._entries.get(key) is not entry:
                return
            if reply.status == HTTPStatus.NOT_MODIFIED:
                self._replace(entry, entry.fresh.dated(reply.field(b"date")))
            elif is_cacheable(reply):
                self._replace(entry, _response_of(reply, body))
            else:
                self._drop(key)
            entry.verified_at, entry.asked_at = verified_at, asked_at
            entry.due_at = asked_at + self._lifetimes.check_after_s
            entry.valid_until = asked_at + self._lifetimes.valid_s
        finally:
            entry.checking = None

    def _replace(self, entry: _Entry, kept: CachedResponse) -> None:
        self._size += len(kept.full) - len(entry.fresh.full)
        entry.fresh = entry.shown = kept

    def _failed(self, entry: _Entry, now: float, error: Exception) -> None:
        self._tell(error)
        entry.due_at = now + self._lifetimes.retry_after_s
        # Longer than the next check takes: nobody waits for each in turn.
        entry.valid_until = entry.due_at + 2 * self._lifetimes.check_timeout_s
        age = clock.now() - entry.verified_at
        is_old = age.total_seconds() > self._lifetimes.old_after_s
        if is_old and entry.shown is entry.fresh:
            entry.shown = entry.fresh.marked_old(entry.verified_at)


def _response_of(reply: Response, body: bytes) -> CachedResponse:
    return CachedResponse((reply.status, reply.reason), reply.fields, body)


def _revalidation(key: Key, entry: _Entry) -> bytes:
    """Ask whether `entry` is still right."""
    target, _, is_document = key
    lines = [
        b"GET %s HTTP/1.1" % target,
        b"host: " + entry.host,
        b"if-none-match: " + entry.fresh.etag.encode("latin-1"),
        b"connection: close",
        *encodings_asked(key),
    ]
    if is_document:
        lines.append(b"sec-fetch-dest: document")
    return b"\r\n".join([*lines, b"", b""])
