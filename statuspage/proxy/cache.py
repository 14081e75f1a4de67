"""The cached responses: when one may be served, when it is checked, when it is dropped.

The rules are those of any shared HTTP cache (RFC 9111), with our own lifetimes: a response is
checked several times a second while it is read, so that clients are never more than about a
second behind; and when the web process does not respond, the last good response stays, marked
as old after half a minute.
"""

import asyncio
import gzip
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import TypeAlias

import brotli

from statuspage.proxy.config import Counters, ProxyConfig
from statuspage.proxy.http import Fields, Key, encodings_asked, head_of
from statuspage.proxy.limits import Lifetimes
from statuspage.proxy.upstream import Response, UpstreamError
from statuspage.serving.conditional import belongs_to_304, has_it
from statuspage.serving.response import BROTLI_QUALITY, GZIP_LEVEL

MAX_ENTRIES = 1000
MAX_BYTES = 32 * 1024 * 1024
MAX_BODY_BYTES = 4 * 1024 * 1024
VARIES = frozenset({b"", b"accept-encoding", b"sec-fetch-dest"})
"""What a response may vary by: what makes a `Key`."""
STORED_STATUS = frozenset({HTTPStatus.OK, HTTPStatus.GONE})

NoteUpstream: TypeAlias = Callable[[Exception | None], None]
"""Takes what went wrong between us and the web process; None if it responds."""
Ask: TypeAlias = Callable[[bytes], AbstractAsyncContextManager[Response]]
MarkOld: TypeAlias = Callable[[bytes, datetime], bytes]


class CachedResponse:
    """One response, ready to be written."""

    __slots__ = (
        "_fields",
        "_status",
        "etag",
        "full",
        "head",
        "is_old",
        "last_modified",
        "not_modified",
    )

    def __init__(
        self,
        status: tuple[int, str],
        fields: list[tuple[bytes, bytes]],
        body: bytes,
        *,
        is_old: bool = False,
    ) -> None:
        self._status = status
        self._fields = fields
        self.is_old = is_old
        """It is marked with its age."""
        values = dict(fields)
        self.etag = values[b"etag"].decode("latin-1")
        changed = values.get(b"last-modified")
        self.last_modified = changed.decode("latin-1") if changed else None
        self.head = head_of(*status, fields)
        self.full = self.head + body
        self.not_modified = head_of(
            HTTPStatus.NOT_MODIFIED,
            HTTPStatus.NOT_MODIFIED.phrase,
            [(n, v) for n, v in fields if n == b"date" or belongs_to_304(n.decode("latin-1"))],
        )

    @property
    def body(self) -> bytes:
        return self.full[len(self.head) :]

    def for_request(self, method: bytes, fields: Fields) -> bytes:
        """The bytes for a request with these header fields."""
        tags, since = fields.get(b"if-none-match"), fields.get(b"if-modified-since")
        is_conditional = tags is not None or since is not None
        if is_conditional and self._status[0] == HTTPStatus.OK and self._matches(tags, since):
            return self.not_modified
        return self.full if method == b"GET" else self.head

    def _matches(self, tags: bytes | None, since: bytes | None) -> bool:
        return has_it(
            tags.decode("latin-1") if tags is not None else None,
            since.decode("latin-1") if since is not None else None,
            self.etag,
            self.last_modified,
        )

    def dated(self, date: bytes | None) -> "CachedResponse":
        """The same with another `Date`."""
        if date is None or (b"date", date) in self._fields:
            return self
        fields = [(b"date", date) if name == b"date" else (name, v) for name, v in self._fields]
        return CachedResponse(self._status, fields, self.body)

    def marked_old(self, as_of: datetime, mark_old: MarkOld) -> "CachedResponse":
        """The same page with a visible note of its age; itself if it has no place for one."""
        values = dict(self._fields)
        coding = values.get(b"content-encoding", b"identity")
        if not values.get(b"content-type", b"").startswith(b"text/html") or coding not in _CODINGS:
            return self
        decode, encode = _CODINGS[coding]
        plain = decode(self.body)
        marked = mark_old(plain, as_of)
        if marked == plain:
            return self
        body = encode(marked)
        values[b"content-length"] = b"%d" % len(body)
        values[b"etag"] = f'{self.etag[:-1]}-{as_of:%Y%m%d%H%M}"'.encode("latin-1")
        values.pop(b"last-modified", None)
        return CachedResponse(self._status, list(values.items()), body, is_old=True)


_CODINGS: dict[bytes, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    b"identity": (bytes, bytes),
    b"gzip": (gzip.decompress, lambda plain: gzip.compress(plain, GZIP_LEVEL, mtime=0)),
    b"br": (brotli.decompress, lambda plain: brotli.compress(plain, quality=BROTLI_QUALITY)),
}


def is_cacheable(response: Response) -> bool:
    """Whether the web process says that everybody may be given this response."""
    values = dict(response.fields)
    words = {word.strip() for word in values.get(b"cache-control", b"").lower().split(b",")}
    vary = {word.strip() for word in values.get(b"vary", b"").lower().split(b",")}
    return (
        response.status in STORED_STATUS
        and b"public" in words
        and b"no-store" not in words
        and b"etag" in values
        and b"set-cookie" not in values
        and vary <= VARIES
        and response.length is not None
        and response.length <= MAX_BODY_BYTES
    )


class _Entry:
    __slots__ = (
        "checking",
        "due_at",
        "fresh",
        "host",
        "requested_at",
        "served",
        "used_at",
        "valid_until",
        "verified_at",
    )

    def __init__(
        self, fresh: CachedResponse, host: bytes, now: float, at: datetime, lifetimes: Lifetimes
    ) -> None:
        self.fresh = fresh
        self.served = fresh
        """What clients get: `fresh`, or the same with a note of its age."""
        self.host = host
        self.used_at = now
        self.requested_at = now
        """When the request was sent whose response last showed that `fresh` is current."""
        self.verified_at = at
        """The same as a time of day."""
        self.checking: asyncio.Task[None] | None = None
        self.due_at = now + lifetimes.check_after_s
        self.valid_until = now + lifetimes.valid_s


class Cache:
    """The responses this process has. `now` is always the event loop's time, in seconds."""

    def __init__(self, config: ProxyConfig, ask: Ask, note_upstream: NoteUpstream) -> None:
        self._lifetimes = config.lifetimes
        self._counters: Counters = config.counters
        self._now = config.now
        self._mark_old = config.mark_old
        self._ask = ask
        self._note_upstream = note_upstream
        self._entries: dict[Key, _Entry] = {}
        self._fetches: dict[Key, asyncio.Future[None]] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key, now: float) -> CachedResponse | None:
        """What may be served at once; None if there is nothing or it must be checked first."""
        entry = self._entries.get(key)
        if entry is None or now >= entry.valid_until:
            return None
        entry.used_at = now
        if now >= entry.due_at:
            self._start_check(key, entry)
            entry.valid_until = now + self._lifetimes.check_grace_s
        return entry.served

    def respond(self, cached: CachedResponse, method: bytes, fields: Fields) -> bytes:
        """The bytes for a request with these header fields, counted as served from the cache."""
        data = cached.for_request(method, fields)
        if cached.is_old:
            self._counters.stale.inc()
        elif data is cached.not_modified:
            self._counters.not_modified.inc()
        else:
            self._counters.hit.inc()
        return data

    async def checked(self, key: Key, now: float) -> CachedResponse | None:
        """The cached response after a check, or without one where none can be had."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        entry.used_at = now
        await asyncio.shield(entry.checking or self._start_check(key, entry))
        # What was dropped meanwhile is not served once more.
        return entry.served if self._entries.get(key) is entry else None

    @contextmanager
    def fetching(self, key: Key) -> Iterator[None]:
        """While one request fetches it from the web process, others may wait for the end."""
        fetch = self._fetches.setdefault(key, asyncio.get_running_loop().create_future())
        try:
            yield
        finally:
            # The first of several to end removes it; later ones may have begun another.
            if not fetch.done():
                del self._fetches[key]
                fetch.set_result(None)

    async def wait_for_other(self, key: Key) -> CachedResponse | None:
        """What another request has fetched; None if there is no other, or it brought nothing."""
        if (fetch := self._fetches.get(key)) is None:
            return None
        await asyncio.shield(fetch)
        now = asyncio.get_running_loop().time()
        return self.get(key, now) or await self.checked(key, now)

    def store(
        self, key: Key, host: bytes, response: Response, body: bytes, now: float
    ) -> CachedResponse:
        """Store the response to a request that was sent at `now`."""
        cached = _cached(response, body)
        self._drop(key)
        self._entries[key] = _Entry(cached, host, now, self._now(), self._lifetimes)
        self._size += len(cached.full)
        while len(self._entries) > MAX_ENTRIES or self._size > MAX_BYTES:
            self._drop(min(self._entries, key=lambda other: self._entries[other].used_at))
        return cached

    def evict_idle(self, now: float) -> None:
        """Drop what is not read and so not checked: it may hold words that were withdrawn."""
        for key, entry in list(self._entries.items()):
            if now - entry.used_at > self._lifetimes.in_use_s:
                self._drop(key)

    def served_age(self, now: float) -> float:
        """Age of the oldest response served lately, since it was last current, in seconds."""
        since = now - self._lifetimes.served_age_window_s
        entries = list(self._entries.values())
        ages = (entry.used_at - entry.requested_at for entry in entries if entry.used_at > since)
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
        requested_at, at = loop.time(), self._now()
        try:
            async with (
                asyncio.timeout(self._lifetimes.check_timeout_s),
                self._ask(_revalidation(key, entry)) as response,
            ):
                body = await response.read()
        except Exception as error:  # Whatever it is, clients keep what there is.
            self._failed(entry, loop.time(), error)
        else:
            if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                self._failed(entry, loop.time(), UpstreamError(f"status {response.status}"))
                return
            self._note_upstream(None)
            if self._entries.get(key) is not entry:
                return
            if response.status == HTTPStatus.NOT_MODIFIED:
                self._replace(entry, entry.fresh.dated(response.field(b"date")))
            elif is_cacheable(response):
                self._replace(entry, _cached(response, body))
            else:
                self._drop(key)
            entry.verified_at, entry.requested_at = at, requested_at
            entry.due_at = requested_at + self._lifetimes.check_after_s
            entry.valid_until = requested_at + self._lifetimes.valid_s
        finally:
            entry.checking = None

    def _replace(self, entry: _Entry, cached: CachedResponse) -> None:
        self._size += len(cached.full) - len(entry.fresh.full)
        entry.fresh = entry.served = cached

    def _failed(self, entry: _Entry, now: float, error: Exception) -> None:
        self._note_upstream(error)
        entry.due_at = now + self._lifetimes.retry_after_s
        # Longer than the next check takes: no client waits for each in turn.
        entry.valid_until = entry.due_at + 2 * self._lifetimes.check_timeout_s
        age = self._now() - entry.verified_at
        if age.total_seconds() > self._lifetimes.old_after_s and entry.served is entry.fresh:
            entry.served = entry.fresh.marked_old(entry.verified_at, self._mark_old)


def _cached(response: Response, body: bytes) -> CachedResponse:
    return CachedResponse((response.status, response.reason), response.fields, body)


def _revalidation(key: Key, entry: _Entry) -> bytes:
    """The request that asks whether `entry` is still current."""
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
