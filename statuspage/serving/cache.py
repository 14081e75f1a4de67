"""Cached responses: what the public gets, as bytes rendered once per change.

Owns when a response is rendered again; how a rendering becomes bytes and headers is in
`response`. Knows nothing about Flask, rows or requests.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TypeAlias

import structlog

from statuspage import clock
from statuspage.observability import metrics
from statuspage.serving.disk_cache import DiskCache
from statuspage.serving.response import CachedResponse, Rendering

log = structlog.get_logger(__name__)

Key: TypeAlias = tuple[str, str]
"""Canonical address (path, with the parameters that matter) and language."""

# All times of serving in this process. Those of the proxy are in `proxy/limits`, which is given
# `IN_USE_S` and `OLD_AFTER_S`; those of other caches are in the `Cache-Control` of `response`.
CHECK_INTERVAL_S = 0.25
"""Between two looks at the revision, so that a change is visible within about a second."""
VALID_S = 1.0
"""A check holds for this long: three looks may be late before readers wait for one."""
CHECK_TIMEOUT_S = 1.0
"""A reader waits no longer for a check, and a check that takes longer counts as hung."""
IDLE_AFTER_S = 60.0
"""Without readers for this long, the database is left alone."""
IN_USE_S = 600.0
"""Unread for this long, a response is dropped: it may hold words that were withdrawn."""
REBUILD_AFTER_S = 60.0
"""Parts that depend on the time of day are never older."""
OLD_AFTER_S = 30.0
"""A page that could not be checked for this long says so; a restart is over by then."""
RETRY_AFTER_S = 2.0
"""Before a rendering that failed is tried again, so that failures do not fill the time."""
REBUILD_SLICE_S = 0.25
"""Rendering stops for a look at the revision, so that the next change need not wait."""
MAX_REBUILD_LAG_S = 2.0
"""A response that is this late is dropped, and rendered when it is next read."""
SERVED_AGE_WINDOW_S = 10.0
"""`served_age_seconds` covers this long, two writes of the metrics."""

Render: TypeAlias = Callable[[], Rendering | None]
"""Makes an answer; None where there is no such page. May raise: then the last good one stays."""


class UnavailableError(Exception):
    """The answer cannot be made now, and there is no copy of it."""


class _Entry:
    """One published answer and what it takes to make it again."""

    __slots__ = (
        "answer",
        "built_at",
        "due_since",
        "failing_since",
        "fresh",
        "render",
        "retry_at",
        "revision",
        "used_at",
    )

    def __init__(
        self,
        fresh: CachedResponse,
        render: Render,
        revision: int | None,
        at: datetime,
        used_at: float,
    ) -> None:
        self.fresh = fresh
        self.answer = fresh
        """What readers get: `fresh`, or the same with a note of its age."""
        self.render = render
        self.revision = revision
        self.built_at = at
        self.due_since: float | None = None
        """When the watcher first found that it must be made again."""
        self.failing_since: datetime | None = None
        """Until when its words are known to have been right, while it cannot be made again."""
        self.retry_at = 0.0
        self.used_at = used_at


class ResponseCache:
    """The published answers of this process.

    `get` is the hot path: a dict read and a comparison. A watcher thread asks
    `revision` (a number that every change raises) about four times a second while
    there are readers; when it moves, what is in use is made again, last used first, and
    readers go on with the older bytes meanwhile, for about `MAX_REBUILD_LAG_S` however much
    there is to make. They wait in two cases only: for an answer that was never made (or let
    go), and after a quiet minute, at most `CHECK_TIMEOUT_S`.

    `revision` and every rendering run inside a context of `within`. Without `watch`
    there is no thread and every `get` checks first, for tests.
    """

    def __init__(
        self,
        revision: Callable[[], int],
        *,
        within: Callable[[], AbstractContextManager[object]] = nullcontext,
        folder: Path | None = None,
        watch: bool = True,
        now: Callable[[], datetime] = clock.now,
        monotonic: Callable[[], float] = time.monotonic,
        max_entries: int = 1000,
        max_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self._read_revision = revision
        self._within = within
        self._copies = DiskCache(folder) if folder is not None else None
        self._is_watched = watch
        self._now = now
        self._monotonic = monotonic
        self._max_entries = max_entries
        self._max_bytes = max_bytes

        self._entries: dict[Key, _Entry] = {}
        self._building: dict[Key, Future[CachedResponse | None]] = {}
        self._lock = threading.Lock()

        self._revision: int | None = None
        self._verified_at: datetime | None = None
        self._moved_at: float | None = None
        """When the revision moved, until all that is in use has been made again."""
        self._is_failing = False
        self._is_behind = False
        """There is more to make again."""
        self._valid_for = VALID_S if watch else 0.0
        self._valid_until = float("-inf")
        self._asked_at = float("-inf")
        self._busy_since: float | None = None
        self._checks = 0
        self._checking = threading.Lock()
        self._progress = threading.Condition()
        self._wake = threading.Event()
        self._watcher: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(entry.answer.size for entry in list(self._entries.values()))

    def get(self, key: Key) -> CachedResponse | None:
        """The answer to serve now; None where none was made yet."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        now = self._monotonic()
        entry.used_at = now
        if now < self._valid_until:
            return entry.answer
        self._catch_up(entry)
        # A page that went away meanwhile is not served once more.
        return entry.answer if key in self._entries else None

    def obtain(self, key: Key, render: Render) -> CachedResponse | None:
        """The answer to serve, made now if need be; None where there is no such page.

        Of several readers of an answer that was never made, one makes it and the
        others wait. Raises `UnavailableError` when it cannot be made and no copy is left.
        """
        answer = self.get(key)
        if answer is not None:
            return answer
        with self._lock:
            if (entry := self._entries.get(key)) is not None:
                return entry.answer
            building = self._building.get(key)
            if building is None:
                future = self._building[key] = Future()
        if building is not None:
            return building.result()
        try:
            future.set_result(self._publish(key, render))
        except BaseException as error:
            future.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._building[key]
        return future.result()

    def verified(self) -> tuple[int | None, datetime | None]:
        """The revision and when the database last told it; asked now where that is a while ago.

        Takes at most `CHECK_TIMEOUT_S`, whatever the database does.
        """
        if self._monotonic() >= self._valid_until:
            self._catch_up(None)
        self._asked_at = self._monotonic()
        return self._revision, self._verified_at

    def served_age(self) -> float:
        """How long ago the oldest answer given lately was known to be right, in seconds."""
        entries, verified_at = list(self._entries.values()), self._verified_at
        now, at = self._monotonic(), self._now()
        ages = [
            at - (entry.failing_since or verified_at or entry.built_at)
            for entry in entries
            if now - entry.used_at < SERVED_AGE_WINDOW_S
        ]
        return max(max(ages, default=timedelta()).total_seconds(), 0.0)

    def check(self) -> None:
        """Look at the revision once and make again what is due, as far as there is time.

        Never raises.
        """
        with self._checking:
            started = self._monotonic()
            self._busy_since = started
            try:
                with self._within():
                    revision = self._read_revision()
            except Exception as error:
                if not self._is_failing:
                    log.warning("database.unavailable", reason=str(error))
                self._is_failing, self._is_behind = True, False
                self._valid_until = started + self._valid_for
                self._mark_old(list(self._entries.values()))
            else:
                if self._moved_at is None and self._revision not in (None, revision):
                    self._moved_at = started
                self._revision, self._is_failing = revision, False
                self._verified_at = self._now()
                self._valid_until = started + self._valid_for
                self._rebuild_due()
                if self._moved_at is not None and not self._is_behind:
                    seconds = self._monotonic() - self._moved_at
                    metrics.REBUILD_SECONDS.observe(seconds)
                    metrics.LAST_REBUILD_SECONDS.set(seconds)
                    self._moved_at = None
                    if self._copies is not None:
                        self._copies.sweep(self._now() - timedelta(seconds=IN_USE_S))
            finally:
                self._busy_since = None
                self._checks += 1
                self._tell_readers()

    def _catch_up(self, entry: _Entry | None) -> None:
        """Wait until a check was made (and `entry` is right again), unless the database hangs."""
        if not self._is_watched:
            self.check()
            return
        self._asked_at = self._monotonic()
        self._start_watcher()
        last_check = self._checks
        self._wake.set()
        with self._progress:
            self._progress.wait_for(
                lambda: self._checks > last_check or self._is_caught_up(entry) or self._is_hung(),
                timeout=CHECK_TIMEOUT_S,
            )
        if entry is not None and self._is_hung():
            self._mark_old([entry])

    def _is_caught_up(self, entry: _Entry | None) -> bool:
        is_valid = self._monotonic() < self._valid_until
        return is_valid and (entry is None or not self._is_due(entry))

    def _is_hung(self) -> bool:
        since = self._busy_since
        return since is not None and self._monotonic() - since >= CHECK_TIMEOUT_S

    def _start_watcher(self) -> None:
        with self._lock:
            if self._watcher is None or not self._watcher.is_alive():
                self._watcher = threading.Thread(target=self._watch, name="published", daemon=True)
                self._watcher.start()

    def _watch(self) -> None:
        while True:
            self._wake.clear()
            self.check()
            if self._is_behind:
                continue
            last_used = max([self._asked_at, *(e.used_at for e in list(self._entries.values()))])
            is_idle = self._monotonic() - last_used > IDLE_AFTER_S
            self._wake.wait(None if is_idle else CHECK_INTERVAL_S)

    def _rebuild_due(self) -> None:
        """Make again what is in use and due, last used first; let go of the rest.

        It ends after `REBUILD_SLICE_S`: a change that comes meanwhile is soon on what is read most.
        """
        due, now = [], self._monotonic()
        for key, entry in list(self._entries.items()):
            if now - entry.used_at > IN_USE_S:
                self._drop(key)
            elif self._is_due(entry) and now >= entry.retry_at:
                entry.due_since = entry.due_since or now
                due.append((key, entry))
            elif entry.failing_since is None:
                entry.answer = entry.fresh
        due.sort(key=lambda item: item[1].used_at, reverse=True)
        self._is_behind = False
        until = self._monotonic() + REBUILD_SLICE_S
        for key, entry in due:
            now = self._monotonic()
            if now < until:
                self._busy_since = now
                self._rebuild(key, entry)
                self._busy_since = None
                self._valid_until = max(self._valid_until, self._monotonic() + self._valid_for)
                self._tell_readers()
            elif entry.failing_since is None and now - (entry.due_since or now) > MAX_REBUILD_LAG_S:
                self._drop(key)
            else:
                self._is_behind = True

    def _is_due(self, entry: _Entry) -> bool:
        age = self._now() - entry.built_at
        return entry.revision != self._revision or not 0 <= age.total_seconds() < REBUILD_AFTER_S

    def _rebuild(self, key: Key, entry: _Entry) -> None:
        revision = self._revision
        try:
            rendering = self._render(entry.render)
        except Exception as error:
            self._tell_failure(key, error)
            entry.retry_at = self._monotonic() + RETRY_AFTER_S
            entry.failing_since = entry.failing_since or entry.built_at
            self._mark_old([entry])
            return
        if rendering is None or rendering.status == HTTPStatus.NOT_FOUND:
            self._drop(key)
            self._keep_copy(key, None)
            return
        at = self._now()
        before = entry.fresh
        entry.fresh = entry.answer = CachedResponse.of(rendering, at, before)
        entry.revision, entry.built_at = revision, at
        entry.due_since = entry.failing_since = None
        self._keep_copy(key, entry.fresh, is_new=entry.fresh is not before)

    def _publish(self, key: Key, render: Render) -> CachedResponse | None:
        """The first making of an answer in this process."""
        if self._monotonic() >= self._valid_until:
            self._catch_up(None)
        attempts = [self._publish_rendering, self._publish_copy]
        if self._is_failing or self._is_hung():
            # Where there is no copy the records are asked all the same: what hangs for the
            # watcher may be a busy machine, and a database that hangs ends our question.
            attempts.reverse()
        for attempt in attempts:
            try:
                return attempt(key, render)
            except UnavailableError:
                continue
        raise UnavailableError(key)

    def _publish_rendering(self, key: Key, render: Render) -> CachedResponse | None:
        revision = self._revision
        try:
            rendering = self._render(render)
        except Exception as error:
            self._tell_failure(key, error)
            raise UnavailableError(key) from error
        at = self._now()
        if rendering is None or rendering.status == HTTPStatus.NOT_FOUND:
            self._keep_copy(key, None)
            return None if rendering is None else CachedResponse.of(rendering, at)
        entry = _Entry(CachedResponse.of(rendering, at), render, revision, at, self._monotonic())
        self._add(key, entry)
        self._keep_copy(key, entry.fresh)
        return entry.answer

    def _publish_copy(self, key: Key, render: Render) -> CachedResponse | None:
        copy = self._copies.load(_copy_name(key)) if self._copies is not None else None
        if copy is None:
            raise UnavailableError(key)
        try:
            rendering = _rendering_of(copy.header, copy.body)
        except (KeyError, TypeError, ValueError) as error:  # Of another version of the program.
            raise UnavailableError(key) from error
        fresh = CachedResponse.of(rendering, copy.saved_at)
        entry = _Entry(fresh, render, None, copy.saved_at, self._monotonic())
        entry.failing_since = copy.saved_at
        entry.answer = fresh.marked_old(copy.saved_at, self._now())
        self._add(key, entry)
        return entry.answer

    def _render(self, render: Render) -> Rendering | None:
        with self._within():
            return render()

    def _tell_failure(self, key: Key, error: Exception) -> None:
        """A traceback where it tells something: not when the database is known to be gone."""
        metrics.RENDER_FAILURES.inc()
        traceback = None if self._is_failing else error
        log.error("page.render_failed", page=key[0], reason=str(error), exc_info=traceback)

    def _mark_old(self, entries: Iterable[_Entry]) -> None:
        now = self._now()
        for entry in entries:
            as_of = entry.failing_since or self._verified_at or entry.built_at
            if entry.answer is entry.fresh and (now - as_of).total_seconds() > OLD_AFTER_S:
                entry.answer = entry.fresh.marked_old(as_of, now)

    def _add(self, key: Key, entry: _Entry) -> None:
        """Keep `entry`, within bounds: what was not used for longest makes room."""
        with self._lock:
            self._entries[key] = entry
            size = self.size
            if len(self._entries) <= self._max_entries and size <= self._max_bytes:
                return
            for other in sorted(self._entries, key=lambda k: self._entries[k].used_at):
                if len(self._entries) <= self._max_entries and size <= self._max_bytes:
                    break
                size -= self._entries.pop(other).answer.size

    def _drop(self, key: Key) -> None:
        with self._lock:
            self._entries.pop(key, None)

    def _keep_copy(self, key: Key, answer: CachedResponse | None, is_new: bool = True) -> None:
        if self._copies is None:
            return
        name = _copy_name(key)
        if answer is None:
            self._copies.remove(name)
        elif is_new:
            header = asdict(answer.rendering)
            body = header.pop("body")
            self._copies.save(name, header, body, self._now())
        else:
            self._copies.confirm(name, self._now())

    def _tell_readers(self) -> None:
        with self._progress:
            self._progress.notify_all()


def _copy_name(key: Key) -> str:
    address, language = key
    return f"{language} {address}"


def _rendering_of(header: Mapping[str, object], body: bytes) -> Rendering:
    """The rendering a copy was made of. Raises `TypeError`/`ValueError` where it does not fit."""
    fields = dict(header)
    pairs = fields.pop("headers")
    if not isinstance(pairs, list):
        raise TypeError("headers")
    headers = tuple((str(name), str(value)) for name, value in pairs)
    return Rendering(body=body, headers=headers, **fields)  # type: ignore[arg-type]
