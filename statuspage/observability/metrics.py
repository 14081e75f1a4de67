"""Metrics: what each process counts, exposed by all processes of a machine together.

The families are prometheus_client's. Its multiprocess mode is not used: it has no label
`process`, keeps a file for every process id there ever was, and shares no gauges that are read
from a function. Instead each process writes its samples into a shared folder every few seconds,
under a name (`front-1`, `web-1`, `worker-1`) that its successor takes over, so that a counter
goes back to zero only within its series, as Prometheus expects.
"""

import contextlib
import fcntl
import itertools
import json
import math
import os
import resource
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

WRITE_EVERY_S = 5.0
DEAD_AFTER_S = 30.0
"""A process that has not written for this long is left out."""
MAX_PROCESSES = 100

Sample: TypeAlias = tuple[str, Mapping[str, str], float]
"""Name, labels and value."""
Samples: TypeAlias = Mapping[str, Sequence[Sample]]
"""Of one process, by family."""

REGISTRY = CollectorRegistry()
PREFIX = "statuspage_"


def _counter(name: str, help_text: str, *labels: str) -> Counter:
    return Counter(PREFIX + name, help_text, labels, registry=REGISTRY)


def _histogram(name: str, help_text: str, bounds: Sequence[float], *labels: str) -> Histogram:
    return Histogram(PREFIX + name, help_text, labels, buckets=bounds, registry=REGISTRY)


def _optional_gauge(name: str, help_text: str) -> Gauge:
    """A gauge that only some processes have: it is left out until it gets a value."""
    gauge = Gauge(PREFIX + name, help_text, registry=REGISTRY)
    gauge.set(math.nan)
    return gauge


PAGE_REQUESTS = _counter(
    "page_requests_total",
    "Public requests by cache result: hit, not_modified, stale (marked as"
    " old), made (fetched or rendered), error.",
    "result",
)
PAGE_CHECKS = _counter(
    "page_checks_total",
    "Cache revalidation requests from the proxy.",
    "result",
)
REQUESTS = _counter("requests_total", "Requests that reached the application.", "part", "status")
REQUEST_SECONDS = _histogram(
    "request_seconds",
    "Time the application took per request.",
    (0.005, 0.025, 0.1, 0.25, 1, 2.5, 10),
    "part",
)
PASSED_ON = _counter(
    "passed_on_total", "Requests that the proxy passed on to the application.", "result"
)
REBUILD_SECONDS = _histogram(
    "rebuild_seconds",
    "Time to render all cached responses again after a change.",
    (0.005, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 5),
)
LAST_REBUILD_SECONDS = _optional_gauge("last_rebuild_seconds", "Duration of the last rebuild.")
RENDER_FAILURES = _counter("render_failures_total", "Responses that could not be rendered.")
SERVED_AGE_SECONDS = _optional_gauge(
    "served_age_seconds",
    "Age of the oldest response served in the last seconds, since it was last known to be current.",
)
SIGN_IN_FAILURES = _counter("sign_in_failures_total", "Failed sign-in steps in the admin.", "step")
THROTTLED = _counter("throttled_requests_total", "Requests rejected by a rate limit.", "part")
DATABASE_ERRORS = _counter(
    "database_errors_total",
    "Failed statements and connections, except constraint violations.",
    "kind",
)
DELIVERY_ATTEMPTS = _counter(
    "delivery_attempts_total",
    "Delivery attempts by result: sent, later (failed, will be retried), dead (failed for good).",
    "channel",
    "result",
)
DELIVERY_SECONDS = _histogram(
    "delivery_seconds",
    "Duration of a delivery attempt.",
    (0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
    "channel",
)
_started_at = time.time()


class _Process(Collector):
    """This process, as the kernel sees it. The library's own collector lacks proportional
    memory, and CPU time outside Linux."""

    def collect(self) -> Iterator[Metric]:
        name = f"{PREFIX}process_"
        used = resource.getrusage(resource.RUSAGE_SELF)
        yield GaugeMetricFamily(
            name + "start_time_seconds", "Start time of the process (Unix time).", _started_at
        )
        yield GaugeMetricFamily(
            name + "resident_memory_bytes", "Resident memory of the process.", _resident_bytes()
        )
        yield GaugeMetricFamily(
            name + "proportional_memory_bytes",
            "Memory of the process, with shared pages divided among the processes that share them.",
            _proportional_bytes(),
        )
        yield CounterMetricFamily(
            name + "cpu_seconds", "CPU time of the process.", used.ru_utime + used.ru_stime
        )


REGISTRY.register(_Process())


def _resident_bytes() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return math.nan  # Not Linux.
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


def _proportional_bytes() -> float:
    try:
        text = Path("/proc/self/smaps_rollup").read_text()
        return 1024.0 * int(text.partition("\nPss:")[2].split()[0])
    except (OSError, IndexError, ValueError):
        return math.nan


def samples() -> dict[str, list[Sample]]:
    """The samples of this process now, without the creation times that the library adds."""
    return {
        family.name: [
            (sample.name, _plain(sample.labels), sample.value)
            for sample in family.samples
            if not (math.isnan(sample.value) or sample.name.endswith("_created"))
        ]
        for family in REGISTRY.collect()
    }


def _plain(labels: Mapping[str, str]) -> dict[str, str]:
    """A bound of a bucket is `1`, as it always was here; the library writes `1.0`."""
    return {
        name: value.removesuffix(".0") if name == "le" else value for name, value in labels.items()
    }


class MetricsFile:
    """The file of one process in the shared folder. Its name is free when the process ends."""

    def __init__(self, folder: Path, role: str) -> None:
        """Raises `OSError` where nothing can be written."""
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in itertools.islice(itertools.count(1), MAX_PROCESSES):
            self.process = f"{role}-{number}"
            self._lock = (folder / f"{self.process}.lock").open("w")
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            self._lock.close()
        raise OSError(f"already {MAX_PROCESSES} processes")

    def write(self) -> None:
        """Replace the samples in the file. Raises `OSError` and leaves the earlier ones."""
        draft = self.folder / f"{self.process}.draft"
        draft.write_text(json.dumps({"at": time.time(), "samples": samples()}))
        draft.replace(self.folder / f"{self.process}.json")

    def close(self) -> None:
        """Free the name, as the end of the process does."""
        self._lock.close()


_own_file: MetricsFile | None = None


def share(folder: Path, role: str) -> None:
    """Start a thread that writes the samples of this process (`front`, `web`, `worker`).

    A disk that hangs or is full costs the metrics and nothing else.
    """
    global _started_at
    # The import may have been before a fork.
    _started_at = time.time()
    threading.Thread(target=_keep_writing, args=(folder, role), name="metrics", daemon=True).start()


def _keep_writing(folder: Path, role: str) -> None:
    global _own_file
    while True:
        with contextlib.suppress(OSError):
            if _own_file is None:
                _own_file = MetricsFile(folder, role)
            _own_file.write()
        time.sleep(WRITE_EVERY_S)


class AllProcesses(Collector):
    """The metrics of all processes that write into `folder`, with a label `process`.

    With `with_own`, those of this process are the present ones, whether it writes or not.
    """

    def __init__(self, folder: Path, *, with_own: bool) -> None:
        self._folder = folder
        self._with_own = with_own

    def collect(self) -> Iterator[Metric]:
        by_process = {file.stem: _read(file) for file in sorted(self._folder.glob("*.json"))}
        if self._with_own:
            by_process[_own_file.process if _own_file else "web"] = samples()
        for family in REGISTRY.collect():
            merged = Metric(family.name, family.documentation, family.type)
            for process, of_process in sorted(by_process.items()):
                for name, labels, value in of_process.get(family.name, ()):
                    merged.add_sample(name, {"process": process, **labels}, value)
            yield merged


def _read(file: Path) -> Samples:
    """Empty if the process has ended, or if the file is damaged or of another release."""
    try:
        content = json.loads(file.read_text())
        if abs(time.time() - content["at"]) > DEAD_AFTER_S:
            return {}
        return {
            family: [(str(name), dict(labels), float(value)) for name, labels, value in rows]
            for family, rows in content["samples"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
