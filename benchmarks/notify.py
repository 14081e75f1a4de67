"""`python -m benchmarks.notify`: a mass send beside everything else.

Half of the subscribers by webhook, half by mail, all of them on this machine. Told: the
fan-out, deliveries a second, how long it takes meanwhile to publish an update and to read
the page, when a new incident overtakes, and the worker's memory.
"""

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks import servers
from statuspage import clock
from statuspage.db import db, migrate
from statuspage.domain import page_settings, tokens
from statuspage.domain.events import SYSTEM
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber, SubscriberState
from statuspage.factory import create_app

PIECE = 5_000
BARS = (
    "Bars: an update published in 300 ms, a new incident at its first hundred in 5 s, flat memory."
)
OVERTAKEN = 100


@dataclass
class Figures:
    """Seconds and MB, as they were seen."""

    fanned_out_s: float = 0.0
    published_s: list[float] = field(default_factory=list)
    read_s: list[float] = field(default_factory=list)
    overtaken: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By way: the first and the hundredth message of the new incident."""
    sent: int = 0
    rate: dict[str, float] = field(default_factory=dict)
    memory_mb: list[int] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.notify", description=__doc__)
    parser.add_argument("--subscribers", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=600, help="how long to look at the sending")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="statuspage-notify-") as name, _sinks() as ports:
        environment = {
            "STATUSPAGE_DATA_DIR": name,
            "STATUSPAGE_DEMO": "0",
            "STATUSPAGE_OUTGOING_ALLOW": "127.0.0.1",
            "STATUSPAGE_SMTP_URL": f"smtp://127.0.0.1:{ports[1]}",
        }
        os.environ.update(environment)
        page, token = _prepare(options.subscribers, ports[0])
        with servers.product(environment) as ours:
            figures = _run(ours, page, token, options.subscribers, options.seconds, ports[0])
    print(_report(figures, options.subscribers, busy))


@contextmanager
def _sinks() -> Iterator[tuple[int, int]]:
    ports = servers.free_port(), servers.free_port()
    command = [sys.executable, "-m", "benchmarks.sinks", *map(str, ports)]
    process = subprocess.Popen(command)
    try:
        _until(lambda: _answers(ports[0]), 20)
        yield ports
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        return bool(_counted(port))
    except OSError:
        return False


def _counted(port: int) -> Any:
    return json.loads(servers.fetch(f"http://127.0.0.1:{port}/counted")[1])


def _until(is_so: Any, seconds: float) -> float:
    """How long it took to be so. Raises `TimeoutError`."""
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > seconds:
            raise TimeoutError
        time.sleep(0.05)
    return time.monotonic() - began


def _prepare(number: int, http_port: int) -> tuple[str, str]:
    """A page with its subscribers; its id, and a token that may write incidents."""

    def rows() -> Iterator[dict[str, Any]]:
        for one in range(number):
            is_mail = one % 2
            url = f"http://127.0.0.1:{http_port}/{one}"
            yield {
                "key": f"bench:{one}",
                "channel": Channel.EMAIL if is_mail else Channel.WEBHOOK,
                "state": SubscriberState.ACTIVE,
                "address": f"reader{one}@example.com" if is_mail else url,
                # Long ago, so that nobody is asked whether so long a list is right.
                "created_at": clock.now().replace(year=2020),
            }

    app = create_app(watch=False)
    migrate.bring_up_to_date(app)
    with app.app_context():
        at = clock.now()
        page = page_settings.create("Example", by=SYSTEM, at=at)
        _, secret = tokens.create("Bench", scopes=[tokens.Scope.MANAGE], by=SYSTEM, at=at)
        every = rows()
        while some := list(islice(every, PIECE)):
            db.session.execute(sa.insert(Subscriber), some)
        db.session.commit()
        db.engine.dispose()
        return page.public_id, secret


def _run(ours: str, page: str, token: str, number: int, seconds: int, sink: int) -> Figures:
    figures = Figures()
    stopping = threading.Event()
    watcher = threading.Thread(target=_watch, args=(ours, figures, stopping))
    watcher.start()
    try:
        began = time.monotonic()
        first = _publish(ours, page, token, "/incidents", {"name": "A mass send"})
        figures.published_s.append(time.monotonic() - began)
        figures.fanned_out_s = _until(lambda: _entered() >= number, seconds)
        # In the middle of it: updates as staff post them, then another incident.
        for _ in range(10):
            asked = time.monotonic()
            _publish(ours, page, token, f"/incidents/{first}", {"body": "Again."}, "PATCH", False)
            figures.published_s.append(time.monotonic() - asked)
            time.sleep(0.5)
        asked = time.monotonic()
        _publish(ours, page, token, "/incidents", {"name": "Overtaking"})
        figures.published_s.append(time.monotonic() - asked)
        ways = ("webhook", "email")

        def has_overtaken() -> bool:
            marked = _counted(sink)["marked"]
            return all(len(marked.get(way, ())) >= OVERTAKEN for way in ways)

        _until(has_overtaken, seconds)
        marked = _counted(sink)["marked"]
        for way in ways:
            when = sorted(marked[way])
            figures.overtaken[way] = when[0] - asked, when[OVERTAKEN - 1] - asked
        with suppress(TimeoutError):
            _until(lambda: sum(_counted(sink)["number"].values()) >= 2 * number, seconds)
        counted = _counted(sink)
        for way in ways:
            figures.rate[way] = counted["number"][way] / (counted["last"][way] - began)
        figures.sent = sum(counted["number"].values())
    finally:
        stopping.set()
        watcher.join()
    return figures


def _publish(
    ours: str,
    page: str,
    token: str,
    path: str,
    incident: Mapping[str, str],
    method: str = "POST",
    notify: bool = True,
) -> str:
    """Write an incident through the Manage API; its id."""
    body = {"incident": {"status": "investigating", "deliver_notifications": notify, **incident}}
    request = urllib.request.Request(
        f"{ours}/v1/pages/{page}{path}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"OAuth {token}", "Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(json.load(answer)["id"])


def _entered() -> int:
    path = Path(os.environ["STATUSPAGE_DATA_DIR"]) / "statuspage.db"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as reader:
        return int(reader.execute("SELECT count(*) FROM delivery").fetchone()[0])


def _watch(ours: str, figures: Figures, stopping: threading.Event) -> None:
    """Read the page, and look at the worker's memory, a few times a second."""
    while not stopping.wait(0.3):
        asked = time.monotonic()
        servers.fetch(f"{ours}/")
        figures.read_s.append(time.monotonic() - asked)
        if memory := _worker_memory():
            figures.memory_mb.append(memory)


def _worker_memory() -> int:
    """In MB, as the worker writes it every few seconds (`observability.metrics`)."""
    sheet = Path(os.environ["STATUSPAGE_DATA_DIR"]) / "counters" / "worker-1.json"
    try:
        samples = json.loads(sheet.read_text())["samples"]
    except FileNotFoundError:
        return 0
    ((_, _, resident),) = samples["statuspage_process_resident_memory_bytes"]
    return int(resident / 1_000_000)


def _report(figures: Figures, number: int, busy: float) -> str:
    published = sorted(figures.published_s)
    lines = [
        f"{number:,} subscribers, half by webhook and half by mail; load before: {busy:.1f}."
        f" {BARS}",
        "",
        "| | |",
        "|---|---|",
        f"| messages sent until the end | {figures.sent:,} of {2 * number:,} |",
        f"| entered for all | {figures.fanned_out_s:.1f} s |",
        *(f"| {way} | {rate:.0f} a second |" for way, rate in figures.rate.items()),
        f"| an update published meanwhile, median and slowest of {len(published)} |"
        f" {_ms(statistics.median(published))}, {_ms(published[-1])} |",
        *(
            f"| new incident, {way}: first, hundredth | {first:.1f} s, {later:.1f} s |"
            for way, (first, later) in figures.overtaken.items()
        ),
        f"| the page meanwhile, median and slowest | {_ms(statistics.median(figures.read_s))},"
        f" {_ms(max(figures.read_s))} |",
        f"| worker, at first, half-way, at most | {_memory(figures.memory_mb)} |",
    ]
    return "\n".join(lines)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _memory(seen: Sequence[int]) -> str:
    return f"{seen[0]} MB, {seen[len(seen) // 2]} MB, {max(seen)} MB" if seen else "not seen"


if __name__ == "__main__":
    main()
