"""The real group with readers and writers, for drills that do something to it meanwhile."""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.servers import PROJECT, product

PAGES = ("/", "/history", "/uptime", "/history.atom", "/api/v2/summary.json")

missed: list[str] = []
"""The bars that this run did not meet."""


@contextmanager
def group(folder: Path) -> Iterator[tuple[str, str]]:
    environment = {"STATUSPAGE_DATA_DIR": str(folder)}
    with product(environment) as url:
        flask = [str(Path(sys.executable).parent / "flask"), "token", "create", "Drill"]
        made = subprocess.run(
            [*flask, "--scope", "manage"],
            cwd=PROJECT,
            env=os.environ | environment,
            check=True,
            capture_output=True,
            text=True,
        )
        for path in PAGES:
            ask(url + path)
        yield url, made.stdout.strip()


class Readers:
    """One reader of each page in turn, twenty times a second, until they are stopped."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._end = threading.Event()
        self._took: list[tuple[int, float]] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while not self._end.wait(0.05):
            for path in PAGES:
                began = time.monotonic()
                status = ask(self._url + path)[0]
                self._took.append((status, time.monotonic() - began))

    def stop(self) -> tuple[int, float, int]:
        """How many reads, the slowest in seconds, how many were not answered by 200."""
        self._end.set()
        self._thread.join()
        slowest = max(seconds for _, seconds in self._took)
        return len(self._took), slowest, sum(status != 200 for status, _ in self._took)


def write(url: str, token: str, name: str = "Drill") -> tuple[int, str | None, float]:
    """Open an incident: status, Retry-After, seconds."""
    began = time.monotonic()
    page = json.loads(ask(f"{url}/api/v2/summary.json")[2])["page"]["id"]
    body = {"incident": {"name": name, "status": "investigating", "body": "words " * 500}}
    status, headers, _ = ask(
        f"{url}/v1/pages/{page}/incidents",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"OAuth {token}", "Content-Type": "application/json"},
    )
    return status, headers.get("retry-after"), time.monotonic() - began


def until_seen(url: str, token: str) -> float:
    """Seconds until a reader of the page is shown an incident that is opened now."""
    status, _, _ = write(url, token, name := f"Drill {time.monotonic_ns()}")
    began = time.monotonic()
    while status == 201 and name.encode() not in ask(f"{url}/")[2]:
        if time.monotonic() - began > 60:
            return float("inf")
        time.sleep(0.05)
    return time.monotonic() - began


def until_written(url: str, token: str) -> float:
    began = time.monotonic()
    while write(url, token)[0] != 201:
        if time.monotonic() - began > 60:
            return float("inf")
        time.sleep(0.1)
    return time.monotonic() - began


def ask(url: str, **more: object) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(url, **more)  # type: ignore[arg-type]
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, lower(answer.headers), answer.read()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, lower(answer.headers), answer.read()
    except OSError:
        return 0, {}, b""


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def bar(drill: str, is_met: bool, words: str) -> None:
    if not is_met:
        missed.append(f"{drill}: {words}")
