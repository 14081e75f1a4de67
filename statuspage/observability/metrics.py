"""What each process counts: numbers in memory, and a file that tells them to the others.

To count is one addition; nothing is imported that costs memory, so the front counts as
well. Every few seconds a thread writes the numbers of its process into a folder that the
processes of one machine share, and `/metrics` tells them all, each under its own name:
`front-1`, `web-1`, `worker-1`. A process that is started again takes its name again, so a
number goes back to zero only where Prometheus expects that: within one series.
"""

import bisect
import contextlib
import fcntl
import itertools
import json
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

WRITE_EVERY_S = 5.0
DEAD_AFTER_S = 30.0
"""A process that has not written for so long is not told any more."""
MOST_PROCESSES = 100

Cell: TypeAlias = list[float]
"""One number that goes up: `cell[0] += 1`."""
Words: TypeAlias = tuple[str, ...]
"""Values of the labels, in the order of their names."""
Numbers: TypeAlias = Mapping[str, Mapping[Words, Sequence[float]]]
"""Name → words → what is counted: one number, or those of a histogram (`Histogram`)."""

_lock = threading.Lock()


class Counter:
    """Goes up only. `name` ends in `_total`; `labels` are names of labels."""

    type = "counter"

    def __init__(self, name: str, about: str, *labels: str) -> None:
        self.name, self.about, self.labels = name, about, labels
        self.values: dict[Words, Cell] = {} if labels else {(): [0]}
        FAMILIES[name] = self

    def cell(self, *words: str) -> Cell:
        """Where it is counted, for those who count often."""
        return self.values.setdefault(words, [0])

    def add(self, *words: str, by: float = 1) -> None:
        with _lock:
            self.cell(*words)[0] += by


class Histogram:
    """How long things take. `bounds` are the upper bounds of its buckets, in seconds.

    The numbers of a series: one for each bucket and one for all above, then the sum.
    """

    type = "histogram"

    def __init__(self, name: str, about: str, bounds: Sequence[float], *labels: str) -> None:
        self.name, self.about, self.labels = name, about, labels
        self.bounds = tuple(bounds)
        self.values: dict[Words, list[float]] = {}
        FAMILIES[name] = self

    def observe(self, seconds: float, *words: str) -> None:
        with _lock:
            numbers = self.values.setdefault(words, [0.0] * (len(self.bounds) + 2))
            numbers[bisect.bisect_left(self.bounds, seconds)] += 1
            numbers[-1] += seconds

    @contextlib.contextmanager
    def timing(self, *words: str) -> Iterator[None]:
        """Observe how long the block takes, however it ends."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.observe(time.perf_counter() - began, *words)


class Gauge:
    """A number as it is now. `read` gives it, or None where there is none to tell."""

    type = "gauge"

    def __init__(self, name: str, about: str, read: Callable[[], float | None]) -> None:
        self.name, self.about, self.labels = name, about, ()
        self.read = read
        FAMILIES[name] = self

    @property
    def values(self) -> dict[Words, list[float]]:
        value = self.read()
        return {} if value is None else {(): [value]}


Family: TypeAlias = Counter | Histogram | Gauge
FAMILIES: dict[str, Family] = {}
"""All that processes count, by name."""


def none() -> float | None:
    """For a gauge that only some processes can tell: they put their own in its place."""
    return None


def _resident_bytes() -> float | None:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None  # Not Linux.
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


def _proportional_bytes() -> float | None:
    try:
        text = Path("/proc/self/smaps_rollup").read_text()
        return 1024.0 * int(text.partition("\nPss:")[2].split()[0])
    except (OSError, IndexError, ValueError):
        return None


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# ── what is counted ────────────────────────────────────────────────────────────

PAGE_REQUESTS = Counter(
    "page_requests_total",
    "Public requests by cache result: hit, not_modified, stale (marked as"
    " old), made (fetched or rendered), error.",
    "result",
)
PAGE_CHECKS = Counter(
    "page_checks_total",
    "Cache revalidation requests from the proxy.",
    "result",
)
REQUESTS = Counter("requests_total", "Requests that reached the application.", "part", "status")
REQUEST_SECONDS = Histogram(
    "request_seconds",
    "Time the application took per request.",
    (0.005, 0.025, 0.1, 0.25, 1, 2.5, 10),
    "part",
)
PASSED_ON = Counter(
    "passed_on_total", "Requests that the proxy passed on to the application.", "result"
)
REBUILD_SECONDS = Histogram(
    "rebuild_seconds",
    "Time to render all cached responses again after a change.",
    (0.005, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 5),
)
LAST_REBUILD_SECONDS = Gauge("last_rebuild_seconds", "Duration of the last rebuild.", none)
RENDER_FAILURES = Counter("render_failures_total", "Responses that could not be rendered.")
SERVED_AGE_SECONDS = Gauge(
    "served_age_seconds",
    "Age of the oldest response served in the last seconds, since it was last known to be current.",
    none,
)
SIGN_IN_FAILURES = Counter("sign_in_failures_total", "Failed sign-in steps in the admin.", "step")
THROTTLED = Counter("throttled_requests_total", "Requests rejected by a rate limit.", "part")
DATABASE_ERRORS = Counter(
    "database_errors_total",
    "Failed statements and connections, except constraint violations.",
    "kind",
)
DELIVERY_ATTEMPTS = Counter(
    "delivery_attempts_total",
    "Delivery attempts by result: sent, later (failed, will be retried), dead (failed for good).",
    "channel",
    "result",
)
DELIVERY_SECONDS = Histogram(
    "delivery_seconds",
    "Duration of a delivery attempt.",
    (0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
    "channel",
)
_started_at = time.time()
PROCESS_START = Gauge(
    "process_start_time_seconds", "Start time of the process (Unix time).", lambda: _started_at
)
PROCESS_MEMORY = Gauge(
    "process_resident_memory_bytes", "Resident memory of the process.", _resident_bytes
)
PROCESS_SHARE = Gauge(
    "process_proportional_memory_bytes",
    "Memory of the process, with shared pages divided among the processes that share them.",
    _proportional_bytes,
)
PROCESS_CPU = Counter("process_cpu_seconds_total", "CPU time of the process.")


def numbers() -> dict[str, dict[Words, list[float]]]:
    """What this process has counted until now."""
    PROCESS_CPU.cell()[0] = _cpu_seconds()
    return {name: _copied(one) for name, one in FAMILIES.items()}


def _copied(one: Family) -> dict[Words, list[float]]:
    values = one.values
    with _lock:
        return {words: list(found) for words, found in values.items()}


# ── the folder that the processes share ────────────────────────────────────────


class MetricsFile:
    """The place of one process in the folder. It is given up when the process ends."""

    def __init__(self, folder: Path, role: str) -> None:
        """Raises `OSError` where nothing can be written."""
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in itertools.islice(itertools.count(1), MOST_PROCESSES):
            self.process = f"{role}-{number}"
            self._lock = (folder / f"{self.process}.lock").open("w")
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            self._lock.close()
        raise OSError(f"{MOST_PROCESSES} processes count here already")

    def write(self) -> None:
        """Tell the others. Raises `OSError`, and leaves then what was told before."""
        told = {
            name: [[list(words), found] for words, found in series.items()]
            for name, series in numbers().items()
        }
        draft = self.folder / f"{self.process}.draft"
        draft.write_text(json.dumps({"at": time.time(), "numbers": told}))
        draft.replace(self.folder / f"{self.process}.json")

    def leave(self) -> None:
        """Give the place up, as the end of the process does."""
        self._lock.close()


_mine: MetricsFile | None = None


def share(folder: Path, role: str) -> None:
    """From now on a thread tells the others what this process (`front`, `web` …) counts.

    A disk that hangs or is full costs the figures and nothing else.
    """
    global _started_at
    # What was imported may have been before a fork.
    _started_at = time.time()
    threading.Thread(
        target=_keep_telling, args=(folder, role), name="counters", daemon=True
    ).start()


def _keep_telling(folder: Path, role: str) -> None:
    global _mine
    while True:
        with contextlib.suppress(OSError):
            if _mine is None:
                _mine = MetricsFile(folder, role)
            _mine.write()
        time.sleep(WRITE_EVERY_S)


def of_all(folder: Path) -> dict[str, Numbers]:
    """Process → what it counted: of this one now, of the others as last told."""
    own = _mine.process if _mine is not None else "web"
    return {**of_others(folder), own: numbers()}


def of_others(folder: Path) -> dict[str, Numbers]:
    """Process → what it counted, of those that write into this folder, as last told."""
    told = {file.stem: _read(file) for file in sorted(folder.glob("*.json"))}
    return {process: numbers for process, numbers in told.items() if numbers is not None}


def _read(file: Path) -> Numbers | None:
    """None where its process is gone, or where it says nothing that we understand."""
    try:
        sheet = json.loads(file.read_text())
        if abs(time.time() - sheet["at"]) > DEAD_AFTER_S:
            return None
        return {
            name: {tuple(words): found for words, found in series}
            for name, series in sheet["numbers"].items()
            if name in FAMILIES
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
