"""`python -m benchmarks.faults [locked|disk|starts|migration|postgresql|redis|clock|power|crowd
|workers|webhooks|mail|scanners|flood|alerts|rolling|upgrade …] [--seconds N]`

What the database and others around us may do to us.

Starts the real group on a data folder of its own and does to it what machines do. Prints
figures and exits with 1 where one misses its bar. `disk` needs root, for a small tmpfs.
Several need the programs of PostgreSQL and Redis. `--seconds` is for how long `locked` holds
the file, `disk` stays full and `crowd` stays with so many connections.
"""

import argparse
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from benchmarks import (
    alerts,
    away,
    clockwork,
    crowd,
    engines,
    flood,
    mails,
    power,
    rolling,
    scanners,
    several,
    upgrade,
    webhooks,
)
from benchmarks.pressure import Readers, bar, group, missed, until_written, write
from benchmarks.servers import PROJECT

ANSWERED_S = 15.0
"""Whatever the answer of a write is, while the file is held."""
ROUNDS = 20
STEPS = 30
SLOW = """
import sqlalchemy as sa, time
from alembic import op
revision, down_revision = {revision!r}, {down!r}
branch_labels = depends_on = None
def upgrade():
    op.add_column('event', sa.Column('mood', sa.Text()))
    for _ in range({steps}):
        op.execute("UPDATE event SET mood = coalesce(mood, '') || 'x'")
        print("step", flush=True)
        time.sleep(0.02)
def downgrade():
    pass
"""
START = """
import sys
from pathlib import Path
from statuspage.factory import create_app, schema
schema.MIGRATIONS = Path(sys.argv[1])
app = create_app()
schema.bring_up_to_date(app)
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    lasting = {"seconds": options.seconds} if options.seconds else {}
    drills: dict[str, Callable[[], None]] = {
        "locked": partial(locked, **lasting),
        "disk": partial(disk, **lasting),
        "starts": starts,
        "migration": migration,
        "postgresql": away.postgresql,
        "redis": away.redis,
        "clock": clockwork.clock,
        "power": power.power,
        "crowd": partial(crowd.crowd, **lasting),
        "workers": several.workers,
        "webhooks": webhooks.webhooks,
        "mail": mails.mail,
        "scanners": scanners.scanners,
        "flood": flood.flood,
        "alerts": alerts.alerts,
        "rolling": rolling.rolling,
        "upgrade": upgrade.upgrade,
    }
    for name in options.names or drills:
        drills[name]()
    sys.exit(f"Missed: {'; '.join(missed)}" if missed else 0)


# ── held by another program ────────────────────────────────────────────────────


def locked(seconds: int = 20) -> None:
    """Another program holds the SQLite file."""
    with tempfile.TemporaryDirectory() as folder, group(Path(folder)) as (url, token):
        reads = Readers(url)
        with closing(sqlite3.connect(Path(folder) / "statuspage.db")) as other:
            other.isolation_level = None
            other.execute("BEGIN IMMEDIATE")
            writes: list[tuple[int, str | None, float]] = []
            last = time.monotonic() + seconds - ANSWERED_S

            def insist() -> None:
                writes.append(write(url, token))
                while time.monotonic() < last:
                    writes.append(write(url, token))

            threads = [threading.Thread(target=insist) for _ in range(3)]
            for thread in threads:
                thread.start()
            time.sleep(seconds)
            other.execute("COMMIT")
        for thread in threads:
            thread.join()
        healed = until_written(url, token)
        count, slowest, bad = reads.stop()
        told = Counter((status, retry) for status, retry, _ in writes)
        took = sorted(taken for _, _, taken in writes)
        print(
            f"locked for {seconds} s: writes by status and Retry-After {dict(told)}, after"
            f" {took[0]:.1f} to {took[-1]:.1f} s; {count} reads, {bad} not 200, slowest"
            f" {slowest:.2f} s; heals {healed:.2f} s"
        )
        bar("locked", bad == 0 and slowest < 3, "every read 200 within 3 s")
        bar("locked", all(s == 503 and r for s, r in told), "writes 503 with Retry-After")
        bar("locked", took[-1] < ANSWERED_S, "writes answered in 15 s")
        bar("locked", healed <= 1, "heals within 1 s")


# ── no room, no right ──────────────────────────────────────────────────────────


def disk(seconds: int = 10) -> None:
    """A disk of 8 MB that fills up, gets room again, and is then read-only."""
    folder = Path(tempfile.mkdtemp())
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder])
    if mounted.returncode:
        print("disk: left out, this machine lets nobody mount a tmpfs")
        return
    try:
        with group(folder) as (url, token):
            reads = Readers(url)
            _fill(folder, url, token, seconds)
            _read_only(folder, url, token)
            count, slowest, bad = reads.stop()
            print(f"disk: {count} reads, {bad} not 200, slowest {slowest:.2f} s")
            bar("disk", bad == 0 and slowest < 3, "every read 200 within 3 s")
        with closing(sqlite3.connect(folder / "statuspage.db")) as connection:
            said = connection.execute("PRAGMA integrity_check").fetchone()[0]
        print(f"disk: integrity_check {said}")
        bar("disk", said == "ok", "integrity_check ok")
    finally:
        subprocess.run(["umount", "-l", folder])
        folder.rmdir()


def _fill(folder: Path, url: str, token: str, seconds: int) -> None:
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            pass
    saved, answer = 0, write(url, token)
    while answer[0] == 201 and saved < 500:
        saved += 1
        answer = write(url, token)
    answers = [answer]
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(1)
        answers.append(write(url, token))
    told = Counter((status, retry) for status, retry, _ in answers)
    slowest = max(taken for _, _, taken in answers)
    print(
        f"disk full for {seconds} s: {saved} more were saved, then writes by status and"
        f" Retry-After {dict(told)}, slowest {slowest:.2f} s"
    )
    bar("disk full", all(s == 503 and r for s, r in told), "writes 503 with Retry-After")
    before = _incidents(folder)
    ballast.unlink()
    healed = until_written(url, token)
    print(f"disk full: heals {healed:.2f} s after there is room")
    bar("disk full", healed <= 15, "heals within 15 s")
    bar("disk full", _incidents(folder) > before, "nothing that was saved is lost")


def _read_only(folder: Path, url: str, token: str) -> None:
    # A file that is open for writing may hold the mount writable.
    refused = subprocess.run(["mount", "-o", "remount,ro", folder], capture_output=True)
    if refused.returncode:
        print("disk read-only: left out, the mount is busy (the suite shows it by query_only)")
        return
    status, retry, _ = write(url, token)
    print(f"disk read-only: a write got {status}, Retry-After {retry}")
    subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
    healed = until_written(url, token)
    print(f"disk read-only: heals {healed:.2f} s after")
    bar("disk read-only", status == 503 and healed <= 15, "503, heals within 15 s")


def _incidents(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "statuspage.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM incident").fetchone()[0])


# ── starts ─────────────────────────────────────────────────────────────────────


def starts() -> None:
    """Five processes at once on an empty database, again and again."""
    for kind, engine in engines.BOTH:
        crashed = 0
        for _ in range(ROUNDS):
            with engine() as settings:
                group = [
                    subprocess.Popen([sys.executable, "-c", "import app"], **_quiet(settings))
                    for _ in range(5)
                ]
                crashed += sum(process.wait() != 0 for process in group)
        print(f"starts: {kind}: {ROUNDS} × 5 processes, {crashed} crashed")
        bar("starts", crashed == 0, f"no crash on {kind}")


def migration() -> None:
    """A migration of half a second, killed at any of its steps, then run again."""
    for kind, engine in engines.BOTH:
        half_way = broken = 0
        for number in range(ROUNDS):
            with engine() as settings, tempfile.TemporaryDirectory() as folder:
                subprocess.run([sys.executable, "-c", "import app"], check=True, **_quiet(settings))
                migrations = Path(folder) / "migrations"
                shutil.copytree(PROJECT / "migrations", migrations)
                down = max(path.name[:4] for path in migrations.glob("versions/0*.py"))
                revision = f"{int(down) + 1:04}"
                code = SLOW.format(revision=revision, down=down, steps=STEPS)
                (migrations / "versions" / f"{revision}_slow.py").write_text(code)
                start = [sys.executable, "-c", START, str(migrations)]
                process = subprocess.Popen(start, **{**_quiet(settings), "stdout": subprocess.PIPE})
                assert process.stdout is not None
                for _ in range(random.Random(number).randrange(1, STEPS)):
                    process.stdout.readline()
                process.send_signal(signal.SIGKILL)
                half_way += process.wait() == -signal.SIGKILL
                process.stdout.close()
                again = subprocess.run(start, **_quiet(settings))
                broken += again.returncode != 0
        print(
            f"migration: {kind}: {half_way} of {ROUNDS} killed on the way, {broken} did not rerun"
        )
        bar("migration", half_way == ROUNDS, f"killed on the way on {kind}")
        bar("migration", broken == 0, f"reruns cleanly on {kind}")


def _quiet(settings: dict[str, str]) -> dict[str, object]:
    return {
        "cwd": PROJECT,
        "env": os.environ | settings,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        "text": True,
    }


if __name__ == "__main__":
    main()
