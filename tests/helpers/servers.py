"""PostgreSQL and Redis of the tests' own, on loopback, gone when the run ends.

An address in the environment is used instead; where the program is missing too,
the tests that need it skip.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

POSTGRES_URL = "STATUSPAGE_TEST_POSTGRES_URL"
REDIS_URL = "STATUSPAGE_TEST_REDIS_URL"


@dataclass
class Server:
    process: subprocess.Popen
    folder: Path

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_missing() -> list[Server]:
    """Start what has a program but no address yet, and put its address in the environment."""
    started = []
    if not os.environ.get(POSTGRES_URL) and (bin_folder := _postgres_programs()):
        server, os.environ[POSTGRES_URL] = _start_postgres(bin_folder)
        started.append(server)
    if not os.environ.get(REDIS_URL) and (program := shutil.which("redis-server")):
        server, os.environ[REDIS_URL] = start_redis(program)
        started.append(server)
    return started


def _postgres_programs() -> Path | None:
    if program := shutil.which("initdb"):
        return Path(program).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


def _start_postgres(programs: Path) -> tuple[Server, str]:
    folder = Path(tempfile.mkdtemp(prefix="statuspage-postgres-"))
    rights = {}
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root.
        entry = pwd.getpwnam("postgres")
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        rights = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    data, port = folder / "data", _free_port()
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"],
        check=True,
        capture_output=True,
        cwd=folder,
        **rights,
    )
    where = ["-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder]
    # Nothing of a test needs to survive a power cut.
    hasty = ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off"]
    process = subprocess.Popen(
        [programs / "postgres", *where, *hasty],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        **rights,
    )
    server = Server(process, folder)
    ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    _wait_until(server, lambda: subprocess.run(ready, cwd=folder).returncode == 0)
    return server, f"postgresql://postgres@127.0.0.1:{port}/postgres"


def start_redis(program: str, port: int | None = None) -> tuple[Server, str]:
    """An empty Redis on `port`, or on a free one; with its address."""
    folder = Path(tempfile.mkdtemp(prefix="statuspage-redis-"))
    port = port or _free_port()
    process = subprocess.Popen(
        [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    server = Server(process, folder)
    _wait_until(server, lambda: _answers(port))
    return server, f"redis://127.0.0.1:{port}/0"


def _wait_until(server: Server, is_ready) -> None:
    deadline = time.monotonic() + 30
    while not is_ready():
        if server.process.poll() is not None or time.monotonic() > deadline:
            server.stop()
            raise RuntimeError(f"{server.process.args[0]} did not start")
        time.sleep(0.05)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
