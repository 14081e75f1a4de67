"""One run of wrk."""

import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class LoadError(Exception):
    """A run whose figure would not count."""


@dataclass(frozen=True)
class Sample:
    requests_per_s: float
    p50_ms: float
    p99_ms: float


def run(url: str, headers: Mapping[str, str], seconds: float, connections: int) -> Sample:
    """Ask `url` with one thread of wrk. Raises `LoadError` on a wrong answer."""
    fields = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    report = _wrk(url, seconds, connections, *fields)
    if "Non-2xx" in report or "Socket errors" in report:
        raise LoadError(f"{url} did not answer well:\n{report}")
    return read(report)


def send(url: str, form: Mapping[str, str], seconds: float, connections: int) -> Sample:
    """Send a form again and again, refused or not."""
    script = (
        'wrk.method = "POST"\n'
        f'wrk.body = "{urlencode(form)}"\n'
        'wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"\n'
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        return read(_wrk(url, seconds, connections, "-s", file.name))


def _wrk(url: str, seconds: float, connections: int, *words: str) -> str:
    # It counts whole seconds only; interrupted, it reports what it has.
    command = ["wrk", "-t1", f"-c{connections}", "-d1h", "--latency", *words, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as wrk:
        try:
            return wrk.communicate(timeout=seconds)[0]  # It could not even begin.
        except subprocess.TimeoutExpired:
            wrk.send_signal(signal.SIGINT)
            return wrk.communicate()[0]


def read(report: str) -> Sample:
    """The figures of a report of wrk. Raises `LoadError` where there are none."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", report)
    if rate is None:
        raise LoadError(f"No figure in the report of wrk:\n{report}")
    return Sample(float(rate[1]), _percentile(report, 50), _percentile(report, 99))


def _percentile(report: str, percent: int) -> float:
    found = re.search(rf"\s{percent}%\s+([\d.]+)(us|ms|s)\b", report)
    if found is None:
        raise LoadError(f"No {percent} % figure in the report of wrk:\n{report}")
    return float(found[1]) * UNITS_MS[found[2]]
