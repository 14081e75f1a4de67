"""Everybody comes at once: `python -m benchmarks.faults crowd`. Needs wrk.

More and more connections read the page as fast as it is given, while staff publish each second.
"""

import subprocess
import tempfile
import threading
from pathlib import Path

from benchmarks import load
from benchmarks.pressure import ask, bar, group, until_seen, write

CONNECTIONS = (16, 64, 256, 1000)
ERRORS = "Non-2xx", "Socket errors"


def crowd(seconds: int = 10) -> None:
    """Each number of connections before a group of its own: the page grows while staff publish."""
    for number in CONNECTIONS:
        with tempfile.TemporaryDirectory() as folder, group(Path(folder)) as (url, token):
            _play(url, token, number, seconds)


def _play(url: str, token: str, number: int, seconds: int) -> None:
    stop = threading.Event()
    writes: list[float] = []
    seen: list[float] = []

    def staff() -> None:
        while not stop.wait(1.0):
            status, _, seconds = write(url, token)
            if status == 201:
                writes.append(seconds)
                seen.append(until_seen(url, token))

    thread = threading.Thread(target=staff)
    thread.start()
    command = ["wrk", "-t1", f"-c{number}", f"-d{seconds}s", "--latency", f"{url}/"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    stop.set()
    thread.join()
    figures = load.read(report)
    errors = [line.strip() for line in report.splitlines() if any(e in line for e in ERRORS)]
    size = len(ask(f"{url}/")[2])
    print(
        f"crowd: {number} connections, page of {size // 1000} kB in the end:"
        f" {figures.requests_per_s:.0f} requests/s,"
        f" p99 {figures.p99_ms:.0f} ms, {'; '.join(errors) or 'no error'};"
        f" {len(writes)} incidents published, slowest {max(writes):.2f} s,"
        f" seen after {max(seen):.2f} s at most"
    )
    bar(f"crowd of {number}", not errors, "no error")
    bar(f"crowd of {number}", figures.p99_ms < 300, "p99 below 300 ms")
    bar(f"crowd of {number}", max(writes) < 2, "staff publish within 2 s")
    bar(f"crowd of {number}", max(seen) < 5, "a change is seen within 5 s")
