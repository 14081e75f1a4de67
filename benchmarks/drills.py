"""`python -m benchmarks.drills`: kill processes at random moments, then hold the records against
what was promised.

A program posts updates, each with an `Idempotency-Key` that it repeats until it has an
answer, and somebody reads the page, while web and worker are killed outright (SIGKILL); their
group starts them again. Afterwards: every read was answered 200, what was acknowledged is in
the history exactly once, everybody was told of it, and whoever was told twice can see it by
the same `webhook-id`.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import sqlalchemy as sa

from benchmarks import servers
from statuspage import clock
from statuspage.config import PROJECT
from statuspage.db import db, migrate
from statuspage.domain import page_settings, tokens
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents.models import IncidentUpdate
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber, SubscriberState
from statuspage.factory import create_app
from statuspage.notify import delivery_stats

SUBSCRIBERS = 20
PAGES = ("/", "/history", "/uptime", "/history.atom", "/api/v2/summary.json")
STARTED_S = 15
"""Until a killed process has a successor."""
DRAINED_S = 150
"""The lease of a killed worker ends after 60 s."""


@dataclass
class Record:
    """What was done and what came of it."""

    acknowledged: list[str] = field(default_factory=list)
    """Words of updates that were answered 2xx."""
    unknown: list[str] = field(default_factory=list)
    """Words of updates that were given up without an answer."""
    kills: Counter[str] = field(default_factory=Counter)
    reads: tuple[int, float, int] = (0, 0.0, 0)
    """How many, the slowest in seconds, and how many were not answered 200."""


class Receivers:
    """Webhooks of all subscribers: who got which words, under which id, how often."""

    def __init__(self) -> None:
        self.got: Counter[tuple[str, str, str]] = Counter()
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                if not sent:
                    return  # It was killed while it sent.
                body = json.loads(sent)
                words = body["incident"]["incident_updates"][0]["body"]
                with outer._lock:
                    outer.got[self.path, words, self.headers["webhook-id"]] += 1
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            # With the usual five, connections of a busy worker are cut by the machine.
            request_queue_size = 256

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])


class Readers:
    """One reader of each page in turn, twenty times a second, until they are stopped."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._end = threading.Event()
        self._took: list[tuple[bool, float]] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while not self._end.wait(0.05):
            for path in PAGES:
                began = time.monotonic()
                try:
                    servers.fetch(self._url + path)
                    is_good = True
                except OSError:
                    is_good = False
                self._took.append((is_good, time.monotonic() - began))

    def stop(self) -> tuple[int, float, int]:
        """How many reads, the slowest in seconds, how many were not answered by 200."""
        self._end.set()
        self._thread.join()
        slowest = max(seconds for _, seconds in self._took)
        return len(self._took), slowest, sum(not is_good for is_good, _ in self._took)


class Group:
    """The product."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.port = servers.free_port()
        self._environment = {**os.environ, **environment, "PORT": str(self.port)}
        self._process: subprocess.Popen[str] | None = None
        self.ids: dict[str, int] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Started, with the first page to be had."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "statuspage"],
            cwd=PROJECT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        servers.wait_for(self._process, self.url)

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.match(r"(\w+) started \(pid=(\d+)\)", line):
                self.ids[found[1]] = int(found[2])

    def kill(self, name: str) -> None:
        """Kill one process outright, and wait until the group has started another."""
        killed = self._told(name, unlike=None)
        os.kill(killed, signal.SIGKILL)
        self._told(name, unlike=killed)

    def _told(self, name: str, *, unlike: int | None) -> int:
        """The process of this name, once it is another than `unlike`."""
        until = time.monotonic() + STARTED_S
        while (told := self.ids.get(name)) in (None, unlike):
            if time.monotonic() > until:
                raise SystemExit(f"No {name} was started.")
            time.sleep(0.01)
        assert told is not None
        return told

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drills", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", help="address of an empty PostgreSQL database")
    parser.add_argument("--redis", help="address of Redis")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    receivers = Receivers()
    with tempfile.TemporaryDirectory(prefix="statuspage-drills-") as folder:
        environment = {
            "STATUSPAGE_DATA_DIR": folder,
            "STATUSPAGE_DEMO": "0",
            "STATUSPAGE_OUTGOING_ALLOW": "127.0.0.1",
            **({"STATUSPAGE_DATABASE_URL": options.database} if options.database else {}),
            **({"STATUSPAGE_REDIS_URL": options.redis} if options.redis else {}),
        }
        os.environ.update(environment)
        page, token = prepare(receivers.port)
        group = Group(environment)
        group.start()
        for path in PAGES:
            servers.fetch(group.url + path)
        record = Record()
        stopping = threading.Event()
        poster = threading.Thread(target=_post, args=(group, page, token, record, stopping))
        poster.start()
        readers = Readers(group.url)
        end = time.monotonic() + options.seconds
        while time.monotonic() < end:
            time.sleep(chance.uniform(0.5, 4))
            name = chance.choice(("web", "worker"))
            group.kill(name)
            record.kills[name] += 1
        stopping.set()
        poster.join()
        record.reads = readers.stop()
        drained = _drain(record, receivers)
        group.stop()
        print(_judge(record, receivers, drained))


def prepare(port: int) -> tuple[str, str]:
    app = create_app(watch=False)
    migrate.bring_up_to_date(app)
    with app.app_context():
        at = clock.now()
        page = page_settings.create("Example", by=SYSTEM, at=at)
        _, secret = tokens.create("Drill", scopes=[tokens.Scope.MANAGE], by=SYSTEM, at=at)
        for number in range(SUBSCRIBERS):
            db.session.add(
                Subscriber(
                    key=f"drill:{number}",
                    channel=Channel.WEBHOOK,
                    state=SubscriberState.ACTIVE,
                    address=f"http://127.0.0.1:{port}/{number}",
                    created_at=at,
                )
            )
        db.session.commit()
        db.engine.dispose()
        return page.public_id, secret


def _post(group: Group, page: str, token: str, record: Record, stopping: threading.Event) -> None:
    """Open one incident after the other; the same key until there is an answer."""
    while not stopping.is_set():
        words, key = f"Words {uuid.uuid4()}", str(uuid.uuid4())
        body = {"incident": {"name": words, "status": "investigating", "body": words}}
        request = urllib.request.Request(
            f"http://127.0.0.1:{group.port}/v1/pages/{page}/incidents",
            data=json.dumps(body).encode(),
            headers={
                "Authorization": f"OAuth {token}",
                "Content-Type": "application/json",
                "Idempotency-Key": key,
            },
        )
        until = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(request, timeout=10):
                    record.acknowledged.append(words)
                break
            except OSError:
                # Nobody there, cut off, or a 5xx: nobody knows whether it was taken.
                if time.monotonic() > until:
                    record.unknown.append(words)
                    break
                time.sleep(0.1)
        time.sleep(0.6)


def _told(receivers: Receivers) -> dict[str, set[str]]:
    """Words → who got them."""
    found: dict[str, set[str]] = {}
    for who, words, _ in list(receivers.got):
        found.setdefault(words, set()).add(who)
    return found


def _drain(record: Record, receivers: Receivers) -> float:
    """Wait until everybody was told; how long it took."""
    began = time.monotonic()
    while time.monotonic() - began < DRAINED_S:
        let_go()
        told = _told(receivers)
        if all(len(told.get(words, ())) == SUBSCRIBERS for words in record.acknowledged):
            break
        time.sleep(0.5)
    return time.monotonic() - began


def let_go() -> None:
    """So many incidents within an hour are held until staff let them go: do as they would."""
    app = create_app(watch=False)
    with app.app_context():
        for one in delivery_stats.undelivered(limit=10_000):
            delivery_stats.decide(
                one.event, one.channel, one.state, send=True, by=SYSTEM, at=clock.now()
            )
        db.session.commit()
        db.engine.dispose()


def _judge(record: Record, receivers: Receivers, drained: float) -> str:
    app = create_app(watch=False)
    with app.app_context():
        kept = Counter(db.session.scalars(sa.select(IncidentUpdate.body)))
        db.engine.dispose()
    told = _told(receivers)
    untold = sum(SUBSCRIBERS - len(told.get(words, ())) for words in record.acknowledged)
    lost = [words for words in record.acknowledged if kept[words] == 0]
    doubled = [words for words, number in kept.items() if number > 1]
    invented = set(kept) - set(record.acknowledged) - set(record.unknown)
    again = sum(number - 1 for number in receivers.got.values())
    ids = Counter((who, words) for who, words, _ in receivers.got)
    other_id = sum(number > 1 for number in ids.values())
    number, slowest, bad = record.reads
    kills = ", ".join(f"{number} of {name}" for name, number in sorted(record.kills.items()))
    return "\n".join(
        (
            f"kills: {kills}; reads {number}, slowest {slowest:.2f} s, not answered 200: {bad}",
            f"updates acknowledged: {len(record.acknowledged)}, unknown: {len(record.unknown)}",
            f"acknowledged but not in the history: {len(lost)}",
            f"in the history twice: {len(doubled)}; that nobody posted: {len(invented)}",
            f"messages not delivered: {untold} of {len(record.acknowledged) * SUBSCRIBERS}",
            f"repeated with the same id: {again}; with another id: {other_id}",
            f"drained {drained:.0f} s after the last kill",
        )
    )


if __name__ == "__main__":
    main()
