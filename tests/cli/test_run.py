"""One command starts front, web and worker as one group, and one Ctrl-C ends it."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import timedelta
from importlib import metadata
from itertools import islice
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from statuspage import clock
from statuspage.config import PROJECT, Settings
from statuspage.db import db
from statuspage.demo import first_start
from statuspage.domain.events import SYSTEM, revision
from statuspage.domain.incidents import maintenance
from statuspage.domain.incidents.models import Incident, Schedule, UpdateInput
from statuspage.domain.statuses import IncidentStatus
from tests.helpers.apps import create_app

PATIENCE_S = 60


class Group:
    """`python -m statuspage` with a data folder and a port of its own."""

    def __init__(
        self, data_dir: Path, *parts: str, program=("-m", "statuspage"), **environment: str
    ) -> None:
        self.data_dir = data_dir
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, *program, *parts],
            cwd=PROJECT,
            env=os.environ
            | {"STATUSPAGE_DATA_DIR": str(data_dir), "PORT": str(self.port)}
            | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def get(self, path: str) -> tuple[int, str]:
        with urlopen(self.address + path, timeout=10) as answer:
            return answer.status, answer.read().decode()

    def answers(self, path: str) -> bool:
        with contextlib.suppress(OSError):
            return self.get(path)[0] == 200
        return False

    def wait_until_ready(self) -> None:
        def is_ready():
            try:
                return self.get("/readyz")[0] == 200 and "Stop" in self.output
            except HTTPError as answer:
                with answer:
                    self.lines.append(f"{answer}: {answer.read().decode()}")
            except (URLError, ConnectionError, TimeoutError):
                pass
            return False

        _wait(is_ready, self)

    def processes(self) -> dict[str, int]:
        """Process ids as the leader tells them."""
        found = {
            name: int(pid)
            for name, pid in re.findall(r"(proxy|web|worker) started \(pid=(\d+)\)", self.output)
        }
        assert set(found) == {"proxy", "web", "worker"}, self.output
        return found

    def ended(self) -> int:
        """Wait for the end; the exit code."""
        code = self.process.wait(timeout=PATIENCE_S)
        self._reader.join(timeout=PATIENCE_S)
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.ended()
        self.process.stdout.close()


def _wait(is_so, group) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert group.process.poll() is None, group.output
        assert time.monotonic() < deadline, group.output
        time.sleep(0.05)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def start(tmp_path):
    groups = []

    def start(**environment: str) -> Group:
        group = Group(tmp_path / "data", **environment)
        groups.append(group)
        return group

    yield start
    for group in groups:
        group.close()


@pytest.fixture
def group(start):
    """A group that the test may end."""
    group = start(STATUSPAGE_DEMO="0")
    group.wait_until_ready()
    return group


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A group that goes on for all tests that leave it so."""
    group = Group(tmp_path_factory.mktemp("running"), STATUSPAGE_DEMO="0")
    group.wait_until_ready()
    yield group
    group.close()


def test_first_start_without_demo_shows_an_empty_page_and_a_sign_in_link(running):
    assert running.get("/healthz")[0] == 200
    assert f"{running.address}/\n" in running.output
    assert "flask staff create" in running.output


@pytest.mark.parametrize("is_journal", [True, False])
def test_first_start_names_no_command_for_another_database(app, at, monkeypatch, is_journal):
    output = os.fstat(1)
    monkeypatch.setenv("JOURNAL_STREAM", f"{output.st_dev}:{output.st_ino + (not is_journal)}")
    said = first_start.welcome(app, at=at)
    assert ("flask staff create" not in said) is is_journal
    assert ("Ctrl-C" not in said) is is_journal
    assert ("docs/deploying.md, Commands beside a running page" in said) is is_journal
    assert "## Commands beside a running page\n" in (PROJECT / "docs/deploying.md").read_text()


def test_first_start_shows_the_demo_and_signs_its_owner_in(start, tmp_path):
    group = start()
    group.wait_until_ready()
    link = re.search(r"Sign in once +(http\S+/admin/sign-in/\S+)", group.output).group(1)
    assert link.startswith(group.address)
    assert group.get(link.removeprefix(group.address))[0] == 200
    events = _events(tmp_path)
    group.close()

    again = start()
    again.wait_until_ready()
    assert "Sign in once" in again.output
    assert _events(tmp_path) == events


def _events(folder: Path) -> int:
    app = create_app(Settings(data_dir=folder / "data"), watch=False)
    with app.app_context():
        number = revision()
        db.session.remove()
        db.engine.dispose()
    return number


def test_due_maintenance_begins_within_five_seconds(running):
    app = create_app(Settings(data_dir=running.data_dir), watch=False)
    due = clock.now() + timedelta(seconds=1)
    with app.app_context():
        announced = maintenance.schedule(
            "Database upgrade",
            UpdateInput(status=IncidentStatus.SCHEDULED, body="The page may be slow."),
            Schedule(scheduled_for=due, scheduled_until=due + timedelta(hours=1)),
            by=SYSTEM,
            at=clock.now(),
        )
        db.session.commit()

    def has_begun():
        with app.app_context():
            return db.session.get(Incident, announced.id).status is IncidentStatus.IN_PROGRESS

    _wait(has_begun, running)
    with app.app_context():
        begun = max(update.posted_at for update in db.session.get(Incident, announced.id).updates)
        db.session.remove()
        db.engine.dispose()
    assert due <= begun <= due + timedelta(seconds=5)


def test_proxy_hides_the_web_server_and_has_higher_priority(running):
    with urlopen(f"{running.address}/", timeout=10) as response:
        assert "Server" not in response.headers
    processes = running.processes()
    niceness = {name: os.getpriority(os.PRIO_PROCESS, pid) for name, pid in processes.items()}
    assert niceness["worker"] > niceness["proxy"] == os.nice(0)


def test_web_process_without_proxy_listens_and_stops(start):
    group = start(STATUSPAGE_DEMO="0", STATUSPAGE_FRONT="0")
    group.wait_until_ready()
    with urlopen(group.address) as answer:
        assert (answer.status, answer.headers["Server"]) == (200, "web")
    assert "proxy started" not in group.output
    running = [int(pid) for pid in re.findall(r"started \(pid=(\d+)\)", group.output)]
    group.process.send_signal(signal.SIGTERM)
    assert group.ended() == 128 + signal.SIGTERM
    assert not [pid for pid in running if _is_running(pid)]


def test_single_parts_can_run_alone(tmp_path):
    group = Group(tmp_path, "web", STATUSPAGE_DEMO="0", STATUSPAGE_FRONT="0")
    _wait(lambda: "web started" in group.output and group.answers("/healthz"), group)
    assert "worker started" not in group.output
    group.close()


def test_six_hundred_idle_connections_block_no_reader(running):
    with contextlib.ExitStack() as stack:
        for number in range(600):
            held = socket.create_connection(("127.0.0.1", running.port))
            stack.enter_context(held)
            held.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"\r\n" * (number % 2))
        began = time.monotonic()
        assert running.get("/healthz")[0] == 200
        assert time.monotonic() - began < 3


def test_stopping_the_command_stops_every_process(group):
    processes = group.processes()
    group.process.send_signal(signal.SIGINT)
    assert group.ended() == 128 + signal.SIGINT
    assert not [name for name, pid in processes.items() if _is_running(pid)]
    assert "Traceback" not in group.output
    with pytest.raises(URLError):
        group.get("/healthz")


def test_group_stops_after_its_output_is_closed(tmp_path):
    listener = f"{sys.executable} -m statuspage | head -n 1; wait"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {"STATUSPAGE_DATA_DIR": str(tmp_path / "data"), "PORT": str(port)}
    shell = subprocess.Popen(
        ["sh", "-c", listener],
        cwd=PROJECT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    web = int(re.search(r"pid=(\d+)", shell.stdout.readline()).group(1))
    os.killpg(shell.pid, signal.SIGTERM)
    assert shell.communicate(timeout=PATIENCE_S)[0] == ""
    deadline = time.monotonic() + PATIENCE_S
    while _is_running(web):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("name", ["worker", "web", "proxy"])
def test_killed_process_is_restarted_and_others_continue(running, name):
    before = running.processes()
    os.kill(before[name], signal.SIGKILL)
    if name != "proxy":
        # No reader notices: what was asked for once is answered without the others.
        assert running.get("/")[0] == 200
    _wait(lambda: running.processes()[name] != before[name], running)
    _wait(lambda: running.answers("/readyz") and running.answers("/"), running)
    others = {"proxy", "web", "worker"} - {name}
    assert {other: running.processes()[other] for other in others} == {
        other: before[other] for other in others
    }
    # Where the page is, and how to get in, is told once.
    assert running.output.count(f"{running.address}/\n") == 1


IMPATIENT = """
from statuspage.cli import liveness, run

liveness.SILENT_S = 2.5
run.main()
"""


def test_stopped_process_is_killed_and_replaced(tmp_path):
    group = Group(tmp_path, program=("-c", IMPATIENT), STATUSPAGE_DEMO="0")
    try:
        group.wait_until_ready()
        before = group.processes()
        for name in ("web", "worker"):
            os.kill(before[name], signal.SIGSTOP)
        for name in ("web", "worker"):
            _wait(lambda name=name: group.processes()[name] != before[name], group)
            assert not _is_running(before[name])
        _wait(lambda: group.answers("/readyz") and group.answers("/healthz"), group)
        assert group.processes()["proxy"] == before["proxy"]
        assert group.output.count("leader.process_silent") == 2
    finally:
        group.close()


KEEPS_ENDING = """
import os, signal, sys, time
from pathlib import Path
from statuspage.cli import run as main

def end():
    print("at", time.monotonic(), file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

main.RESTART_PAUSES_S = (0.0, 0.1, 20.0)
leader = main._Leader(Path.cwd())
with leader.ending_all():
    leader.start("worker", end)
    leader.supervise()
"""


def test_process_that_keeps_exiting_is_restarted_with_backoff():
    group = subprocess.Popen(
        [sys.executable, "-c", KEEPS_ENDING], cwd=PROJECT, stderr=subprocess.PIPE, text=True
    )
    lines = (re.match(r"at (.+)", line) for line in group.stderr)
    first, second, third = (float(line[1]) for line in islice(filter(None, lines), 3))
    group.terminate()
    group.communicate(timeout=PATIENCE_S)
    assert 0.1 <= third - second < 20
    assert second - first < 20


REFUSED = """
import os, sys
from pathlib import Path
from statuspage.cli.run import _Leader

leader = _Leader(Path.cwd())
with leader.ending_all():
    leader.start("proxy", lambda: sys.exit("It cannot listen."))
    leader.supervise()
"""


def test_part_that_cannot_start_ends_the_group():
    group = subprocess.run(
        [sys.executable, "-c", REFUSED], cwd=PROJECT, capture_output=True, text=True
    )
    assert group.returncode == 1
    assert group.stderr == "It cannot listen.\n"


LATE = """
import signal, time
from pathlib import Path
from statuspage.cli.run import _Leader

def finish():
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(time.monotonic()))
    print("ready", flush=True)
    while not asked or time.monotonic() < asked[0] + 0.3:
        signal.sigtimedwait([], 0.05)
    print("asked", len(asked), flush=True)

leader = _Leader(Path.cwd())
with leader.ending_all():
    leader.start("worker", finish)
    try:
        leader.supervise()
    finally:
        leader.ask_to_end()
"""


def test_stopping_process_gets_one_signal_and_may_finish():
    group = subprocess.Popen(
        [sys.executable, "-c", LATE], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    lines = iter(group.stdout.readline, "")
    # The leader's own lines may come in between.
    while "ready" not in next(lines):
        pass
    group.terminate()
    assert list(lines)[-1] == "asked 1\n"
    assert group.wait(timeout=PATIENCE_S) == 128 + signal.SIGTERM
    group.stdout.close()


def test_when_the_leader_is_killed_its_processes_end_by_themselves(start):
    # Its name is part of a socket's, which has 108 bytes at most.
    temporary = Path(tempfile.mkdtemp())
    group = start(STATUSPAGE_DEMO="0", TMPDIR=str(temporary))
    group.wait_until_ready()
    processes = group.processes()
    group.process.kill()
    # The reader ends when nobody holds the other end of the pipe any more.
    group.ended()
    # The pipe is closed a moment before a process is gone.
    deadline = time.monotonic() + PATIENCE_S
    while running := [name for name, pid in processes.items() if _is_running(pid)]:
        assert time.monotonic() < deadline, running
        time.sleep(0.05)
    temporary.rmdir()  # Nothing is left in it.


def test_the_group_listens_on_every_address_of_both_kinds(start):
    group = start(STATUSPAGE_DEMO="0", HOST="::")
    group.wait_until_ready()
    assert f"http://127.0.0.1:{group.port}" in group.output
    with urlopen(f"http://[::1]:{group.port}/healthz", timeout=10) as response:
        assert response.status == 200


def test_port_in_use_is_reported_in_one_sentence(running, start):
    second = start(PORT=str(running.port))
    assert second.ended() == 1
    assert second.lines == [
        f"The status page cannot start: 127.0.0.1:{running.port} is not available (Address already"
        " in use). Choose another port with PORT=…\n"
    ]


@pytest.mark.parametrize("host", ["203.0.113.1", "no-such-host.invalid"])
def test_a_host_that_is_not_of_this_machine_is_told_in_one_sentence(start, host):
    group = start(HOST=host)
    assert group.ended() == 1
    (line,) = group.lines
    assert line.startswith(f"The status page cannot start: {host}:{group.port} is not available (")
    assert line.endswith("). Set HOST to an address of this machine.\n")


def test_the_web_process_listens_at_a_name(start):
    group = start(HOST="localhost", STATUSPAGE_DEMO="0", STATUSPAGE_FRONT="0")
    group.address = f"http://localhost:{group.port}"
    group.wait_until_ready()
    assert group.get("/healthz")[0] == 200


def test_a_part_that_is_not_there_is_told_in_one_sentence():
    parts = [sys.executable, "-m", "statuspage", "front", "web", "mail"]
    ended = subprocess.run(parts, cwd=PROJECT, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr == "There is no process “mail”, only proxy, web, worker.\n"


def test_lock_files_name_no_index_and_have_hashes():
    for name in ("requirements.txt", "requirements-dev.txt", ".ci/audit.txt"):
        text = (PROJECT / name).read_text()
        assert not re.search(r"https?://|^-", text, re.MULTILINE)
        packages = re.findall(r"^[a-zA-Z0-9_.-]+(?:\[.*?\])?==", text, re.MULTILINE)
        assert len(packages) > 40
        for package in re.split(r"\n(?=[a-zA-Z])", text.strip()):
            assert "--hash=sha256:" in package


def test_lock_file_names_every_required_extra():
    """Asked for `name[extra]>=1`, pip looks at the newest one before it looks at the lock for
    `name`, and ends because that one has no hash. The lock has to name the extra, or nobody."""
    text = (PROJECT / "requirements-dev.txt").read_text()
    locked = set(re.findall(r"^([a-zA-Z0-9_.-]+(?:\[.*?\])?)==", text, re.MULTILINE))
    asked = [
        (distribution.metadata["Name"], Requirement(line))
        for distribution in metadata.distributions()
        if canonicalize_name(distribution.metadata["Name"]) in locked
        for line in distribution.requires or ()
    ]
    assert len(asked) > 100
    for name, needs in asked:
        is_asked = needs.marker is None or needs.marker.evaluate({"extra": ""})
        if is_asked and needs.extras and "==" not in str(needs.specifier):
            assert f"{needs.name}[{','.join(needs.extras)}]" in locked, f"{name} needs {needs}"
