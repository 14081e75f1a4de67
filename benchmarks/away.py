"""PostgreSQL or Redis goes away under the group, in every way a wire can fail.

`python -m benchmarks.faults postgresql redis` plays it: somebody reads five pages twenty
times a second, staff post a form each second, webhooks are told. Needs the programs of
PostgreSQL and Redis; it starts servers of its own, whose commits wait for the disk.
"""

import http.client
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import desk, pressure, servers
from benchmarks.drills import Receivers, let_go
from benchmarks.pressure import Readers, ask, bar
from benchmarks.relay import Relay
from benchmarks.servers import PROJECT

AWAY_S = 20.0
SUBSCRIBERS = 5
TOLD_S = 60.0


# ── the ways to fail ───────────────────────────────────────────────────────────


def postgresql() -> None:
    """Refuse, hang, reset and slow for 20 s each; then fail over to a standby."""
    with tempfile.TemporaryDirectory(prefix="statuspage-away-") as folder:
        first = Cluster(Path(folder) / "first")
        second: Cluster | None = None
        relay = Relay("127.0.0.1", first.port)
        try:
            first.create("statuspage")
            url = f"postgresql://postgres@127.0.0.1:{relay.port}/statuspage"
            with _Play({"STATUSPAGE_DATABASE_URL": url}) as play:
                for name, do in _ways(relay).items():
                    play.round(f"postgresql {name}", do, relay.mend, writes_fail=name != "slow")
                second = Cluster(Path(folder) / "second", of=first)

                def fail_over() -> None:
                    first.kill()
                    relay.target = ("127.0.0.1", second.port)

                name = "postgresql failed over, at first to a standby that only reads"
                play.round(name, fail_over, second.promote, writes_fail=True)
                play.judge("postgresql")
        finally:
            relay.stop()
            for cluster in (first, second):
                if cluster is not None:
                    cluster.stop()


def redis() -> None:
    """Refuse, hang, reset and slow for 20 s each; attempts to sign in go on being counted."""
    with tempfile.TemporaryDirectory(prefix="statuspage-away-") as folder:
        port = servers.free_port()
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
        process = subprocess.Popen([*command, "--dir", folder], stdout=subprocess.DEVNULL)
        relay = Relay("127.0.0.1", port)
        try:
            with _Play({"STATUSPAGE_REDIS_URL": f"redis://127.0.0.1:{relay.port}/0"}) as play:
                for number, (name, do) in enumerate(_ways(relay).items()):
                    title = f"redis {name}"
                    play.round(title, do, relay.mend, writes_fail=False, guess=f"{number}@e.org")
                play.judge("redis")
        finally:
            relay.stop()
            process.terminate()
            process.wait()


def _ways(relay: Relay) -> dict[str, Callable[[], None]]:
    def slow() -> None:
        relay.latency_s = 0.01

    def hang() -> None:
        relay.latency_s = 0.0
        relay.hang()

    return {"slow": slow, "hangs": hang, "refuses": relay.refuse, "resets": relay.reset}


# ── the play ───────────────────────────────────────────────────────────────────


@dataclass
class Post:
    """One form of staff, and what was answered."""

    words: str
    status: int
    seconds: float
    keeps_words: bool
    has_retry_after: bool


@dataclass
class _Record:
    posts: list[Post] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)


class _Play:
    """The group on its data, with those who use it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="statuspage-away-")
        self._environment = {
            "STATUSPAGE_DATA_DIR": self._folder.name,
            "STATUSPAGE_OUTGOING_ALLOW": "127.0.0.1",
            "STATUSPAGE_DEMO": "0",
            **environment,
        }
        self._log = Path(self._folder.name) / "group.log"
        self._receivers = Receivers()
        self._acknowledged: list[str] = []

    def __enter__(self) -> "_Play":
        os.environ.update(self._environment)
        self._cookie, self._incident = _prepare(self._receivers.port)
        self._port = servers.free_port()
        names = {**os.environ, "HOST": "127.0.0.1", "PORT": str(self._port)}
        self._group = subprocess.Popen(
            [sys.executable, "-m", "statuspage"],
            cwd=PROJECT,
            env=names,
            stdout=self._log.open("wb"),
            stderr=subprocess.STDOUT,
        )
        self._url = f"http://127.0.0.1:{self._port}"
        while ask(f"{self._url}/")[0] != 200:
            time.sleep(0.1)
        for path in pressure.PAGES:
            ask(self._url + path)
        return self

    def __exit__(self, *_: object) -> None:
        self._group.send_signal(signal.SIGTERM)
        self._group.wait(30)
        if kept := os.environ.get("KEEP_LOG"):
            shutil.copy(self._log, kept)
        for name in self._environment:
            os.environ.pop(name, None)
        self._folder.cleanup()

    def round(
        self,
        name: str,
        do: Callable[[], None],
        undo: Callable[[], None],
        *,
        writes_fail: bool,
        guess: str | None = None,
    ) -> None:
        """Let `do` happen for a while, then `undo`; say what readers and staff saw of it."""
        lines = self._log.read_bytes().count(b"\n")
        reads = Readers(self._url)
        stop, record = threading.Event(), _Record()
        staff = threading.Thread(target=self._staff, args=(stop, record))
        staff.start()
        time.sleep(2)
        do()
        codes = self._guess(guess) if guess else []
        time.sleep(AWAY_S)
        undo()
        began = time.monotonic()
        healed = self._until_posted(record)
        stop.set()
        staff.join()
        count, slowest, bad = reads.stop()
        written = self._log.read_bytes().count(b"\n") - lines
        failed = [post for post in record.posts if post.status != 303]
        kept = sum(post.keeps_words and post.has_retry_after for post in failed)
        longest = max(post.seconds for post in record.posts)
        self._acknowledged += record.acknowledged
        print(
            f"{name}: {count} reads, {bad} not 200, slowest {slowest:.2f} s;"
            f" {len(record.posts)} forms, {len(failed)} refused ({_codes(failed)}),"
            f" {kept} of them 503 with Retry-After and every word, slowest answer {longest:.1f} s;"
            f" heals {healed:.1f} s after; {written} lines logged"
            f" in {time.monotonic() - began + AWAY_S:.0f} s"
            + (f"; {codes.count(429)} of {len(codes)} guesses refused" if codes else ""),
            flush=True,
        )
        bar(name, bad == 0 and slowest < 3, "every read 200 within 3 s")
        bar(name, kept == len(failed), "each refused form is 503, with Retry-After and its words")
        bar(name, bool(failed) == writes_fail, "forms are refused where nothing can be stored only")
        bar(name, longest < 15, "a form is answered within 15 s")
        bar(name, healed < 15, "heals within 15 s")
        bar(name, not codes or 429 in codes, "guesses are limited")

    def _staff(self, stop: threading.Event, record: _Record) -> None:
        threads = []
        while not stop.wait(1.0):
            threads.append(threading.Thread(target=self._post, args=(record,)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def _until_posted(self, record: _Record) -> float:
        began = time.monotonic()
        while time.monotonic() - began < 60:
            if self._post(record).status == 303:
                return time.monotonic() - began
            time.sleep(0.1)
        return float("inf")

    def _post(self, record: _Record) -> Post:
        words = f"Words {uuid.uuid4()}\nin two lines."
        form = {**self._form(), "body": words, "nonce": str(uuid.uuid4())}
        address = f"{self._url}/admin/incidents/{self._incident}/updates"
        began = time.monotonic()
        status, headers, body = _send(address, form, self._cookie)
        seconds = time.monotonic() - began
        post = Post(words, status, seconds, words.encode() in body, "retry-after" in headers)
        record.posts.append(post)
        if status == 303:
            record.acknowledged.append(words)
        return post

    def _form(self) -> dict[str, str]:
        """Read once, when all is well: staff have the screen open when the trouble begins."""
        if not hasattr(self, "_fields"):
            address = f"{self._url}/admin/incidents/{self._incident}"
            _, headers, page = ask(address, headers={"Cookie": self._cookie})
            token = re.search(r'name="csrf_token" value="([^"]+)"', page.decode())
            assert token is not None
            self._cookie = headers.get("set-cookie", self._cookie).partition(";")[0]
            self._fields = {"csrf_token": token[1], "status": "identified", "action": "publish"}
        return self._fields

    def _guess(self, email: str) -> list[int]:
        status, headers, body = ask(f"{self._url}/admin/sign-in")
        token = re.search(rb'name="csrf_token" value="([^"]+)"', body)
        assert status == 200
        assert token is not None
        cookie = headers["set-cookie"].partition(";")[0]
        form = {"csrf_token": token[1].decode(), "email": email, "password": "guess guess guess"}
        return [_send(f"{self._url}/admin/sign-in", form, cookie)[0] for _ in range(8)]

    def judge(self, name: str) -> None:
        """Hold the records against what was acknowledged."""
        kept, notices = _kept(self._incident)
        lost = [words for words in self._acknowledged if kept[words] == 0]
        doubled = [words for words, number in kept.items() if number > 1]
        began, told = time.monotonic(), 0
        while told < notices and time.monotonic() - began < TOLD_S:
            let_go()
            told = len({(who, key) for who, _, key in list(self._receivers.got)})
            notices = _kept(self._incident)[1]
            time.sleep(1)
        print(
            f"{name}: {len(self._acknowledged)} updates acknowledged, {len(lost)} lost,"
            f" {len(doubled)} twice; {told} of {notices} messages arrived,"
            f" {sum(self._receivers.got.values()) - told} of them again with the same id",
            flush=True,
        )
        bar(name, not lost and not doubled, "what was acknowledged is there once")
        bar(name, told >= notices, "every message arrived")


def _codes(posts: list[Post]) -> str:
    numbers = Counter(post.status for post in posts)
    return ", ".join(f"{number} × {code}" for code, number in sorted(numbers.items())) or "none"


def _send(address: str, form: dict[str, str], cookie: str) -> tuple[int, dict[str, str], bytes]:
    # As it is: a redirect that is followed would be one more read.
    parts = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=60)
    try:
        headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", parts.path, urllib.parse.urlencode(form), headers)
        answer = connection.getresponse()
        return answer.status, pressure.lower(answer.headers), answer.read()
    except OSError:
        return 0, {}, b""
    finally:
        connection.close()


def _prepare(port: int) -> tuple[str, str]:
    """A page with an incident and subscribers; the cookie of somebody at the desk, its id."""
    from statuspage import clock
    from statuspage.db import db, migrate
    from statuspage.domain import page_settings
    from statuspage.domain.events import SYSTEM
    from statuspage.domain.incidents import verbs as incidents
    from statuspage.domain.statuses import IncidentStatus
    from statuspage.domain.subscribers.subscriptions import Channel, Subscriber, SubscriberState
    from statuspage.factory import create_app

    app = create_app(watch=False)
    migrate.bring_up_to_date(app)
    with app.app_context():
        at = clock.now()
        page_settings.create("Example", by=SYSTEM, at=at)
        status = IncidentStatus.INVESTIGATING
        incident = incidents.open_incident(
            "Trouble", status=status, body="We look.", claims={}, by=SYSTEM, at=at
        )
        for number in range(SUBSCRIBERS):
            db.session.add(
                Subscriber(
                    key=f"away:{number}",
                    channel=Channel.WEBHOOK,
                    state=SubscriberState.ACTIVE,
                    address=f"http://127.0.0.1:{port}/{number}",
                    created_at=at,
                )
            )
        db.session.commit()
        public_id = incident.public_id
    cookie = desk.sign_in(app)
    with app.app_context():
        db.engine.dispose()
    return cookie, public_id


def _kept(public_id: str) -> tuple[Counter[str], int]:
    """How often which words are in the history, and how many messages there are to deliver."""
    import sqlalchemy as sa

    from statuspage.db import db
    from statuspage.domain.incidents.models import IncidentUpdate
    from statuspage.factory import create_app

    app = create_app(watch=False)
    with app.app_context():
        words = Counter(db.session.scalars(sa.select(IncidentUpdate.body)))
        db.engine.dispose()
    return words, sum(words.values()) * SUBSCRIBERS


# ── PostgreSQL of our own ──────────────────────────────────────────────────────


class Cluster:
    """A PostgreSQL server on loopback; `of`: a standby of another one, which waits for it."""

    def __init__(self, folder: Path, *, of: "Cluster | None" = None) -> None:
        self._programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))[-1].parent
        self._folder = folder
        self.port = servers.free_port()
        self._rights: dict[str, object] = {}
        folder.mkdir()
        if os.geteuid() == 0:
            entry = pwd.getpwnam("postgres")
            folder.parent.chmod(0o755)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
            self._rights = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        if of is None:
            self._run("initdb", "-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8")
        else:
            where = ["-h", "127.0.0.1", "-p", str(of.port), "-U", "postgres"]
            self._run("pg_basebackup", *where, "-D", "data", "-R", "-c", "fast")
        where = ["-p", str(self.port), "-h", "127.0.0.1"]
        self._process = subprocess.Popen(
            [self._programs / "postgres", "-D", "data", *where, "-k", str(folder)],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._rights,  # type: ignore[call-overload]
        )
        while self._run("pg_isready", "-q", *self._where, check=False):
            time.sleep(0.1)
        if of is not None:
            # From now on a commit is acknowledged when the standby has it too.
            of.say("ALTER SYSTEM SET synchronous_standby_names = '*'")
            of.say("SELECT pg_reload_conf()")
            time.sleep(1)

    @property
    def _where(self) -> list[str]:
        return ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]

    def create(self, database: str) -> None:
        self._run("createdb", *self._where, database)

    def say(self, words: str) -> None:
        self._run("psql", *self._where, "-q", "-c", words)

    def promote(self) -> None:
        self._run("pg_ctl", "-D", "data", "promote", "-w")

    def kill(self) -> None:
        """At once, as a machine that loses its power."""
        number = self._process.pid
        for child in Path(f"/proc/{number}/task/{number}/children").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *words: str, check: bool = True) -> int:
        command = [self._programs / program, *words]
        done = subprocess.run(
            command, cwd=self._folder, capture_output=True, check=check, **self._rights
        )  # type: ignore[call-overload]
        return int(done.returncode)
