"""The power fails, again and again: `python -m benchmarks.faults power`.

The data folder lies on a small file system of its own, whose disk is a file. A copy of that
file holds what had reached the disk at that moment, and nothing of what was only in memory:
what a machine finds after a power cut. Each copy is mounted and held against what had been
acknowledged before it was taken. A file that is written without waiting for the disk shows
that this finds losses. Needs root, for the mounts.
"""

import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.pressure import bar, group, write

CUTS = 50
PAUSE_S = 0.4
SIZE_MB = 48


def power() -> None:
    memory = Path("/dev/shm")  # A copy there takes milliseconds.
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        disk, folder = Path(name) / "disk", Path(name) / "data"
        folder.mkdir()
        disk.write_bytes(b"")
        with disk.open("r+b") as file:
            file.truncate(SIZE_MB << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(disk)], check=True)
        if subprocess.run(["mount", "-o", "loop", str(disk), str(folder)]).returncode:
            print("power: left out, this machine lets nobody mount a file")
            return
        try:
            _play(disk, folder)
        finally:
            subprocess.run(["umount", "-l", str(folder)])


def _play(disk: Path, folder: Path) -> None:
    lost = broken = careless_lost = 0
    acknowledged = [0]
    careless = [0]
    stop = threading.Event()
    with group(folder) as (url, token):
        with _reading(folder / "statuspage.db") as records:
            before = _incidents(records)

        def post() -> None:
            while not stop.is_set():
                acknowledged[0] += write(url, token)[0] == 201

        def scribble() -> None:
            with closing(sqlite3.connect(folder / "careless.db", isolation_level=None)) as other:
                other.execute("PRAGMA journal_mode=WAL")
                other.execute("PRAGMA synchronous=OFF")
                other.execute("CREATE TABLE line (id INTEGER PRIMARY KEY)")
                while not stop.wait(0.05):
                    other.execute("INSERT INTO line DEFAULT VALUES")
                    careless[0] += 1

        threads = [threading.Thread(target=work) for work in (post, scribble)]
        for thread in threads:
            thread.start()
        for _ in range(CUTS):
            time.sleep(PAUSE_S)
            was, was_careless = acknowledged[0], careless[0]
            copy = disk.with_name("copy")
            shutil.copyfile(disk, copy)
            kept, is_whole, careless_kept = _after(copy)
            lost += max(before + was - kept, 0)
            broken += not is_whole
            careless_lost += max(was_careless - careless_kept, 0)
        stop.set()
        for thread in threads:
            thread.join()
    print(
        f"power: {CUTS} cuts while {acknowledged[0]} incidents were acknowledged: {lost} lost,"
        f" {broken} times damaged; beside it, lines of a file that waits for no disk:"
        f" {careless_lost} lost"
    )
    bar("power", lost == 0, "nothing acknowledged is lost")
    bar("power", broken == 0, "integrity_check ok")
    bar("power", careless_lost > 0, "the drill finds losses where there are some")


def _after(copy: Path) -> tuple[int, bool, int]:
    """What is found on the disk: incidents, whether the file is whole, careless lines."""
    folder = copy.with_name("found")
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", str(copy), str(folder)], check=True)
    try:
        with _reading(folder / "statuspage.db") as records:
            is_whole = records.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            kept = _incidents(records)
        return kept, is_whole, _lines(folder / "careless.db")
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _lines(file: Path) -> int:
    if not file.exists():
        return 0
    with _reading(file) as records:
        try:
            return int(records.execute("SELECT count(*) FROM line").fetchone()[0])
        except sqlite3.DatabaseError:
            return 0


def _incidents(records: sqlite3.Connection) -> int:
    return int(records.execute("SELECT count(*) FROM incident").fetchone()[0])


@contextmanager
def _reading(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file)) as connection:
        yield connection
