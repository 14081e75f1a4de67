"""Whether the SQLite file is whole: looked at when a process starts, and once a day.

A damaged file is kept from all processes until it is restored. Readers get the last good
copies meanwhile, for a page made of half the rows would be wrong and look right.
"""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import structlog
from flask import Flask

from statuspage.db import damage_mark, mark_damaged

EVERY_S = 24 * 3600
SMALL = 64 * 1024 * 1024
"""A file of so many bytes is looked through in a tenth of a second or so."""

log = structlog.get_logger(__name__)


def check(app: Flask) -> str | None:
    """What is wrong with the database file; None when it is whole, away, busy or PostgreSQL's.

    Notes it for all processes, and takes the note back once the file is whole again.
    """
    file = app.config["SETTINGS"].sqlite_file
    if file is None or not file.exists():
        return None
    try:
        damage = _damage(file)
    except sqlite3.OperationalError as error:
        log.warning("database.check_failed", reason=str(error))
        return None
    if damage is not None:
        mark_damaged(file, damage)
        log.critical(
            "database.damaged",
            action="stop the status page, then: flask restore --replace FILE",
            file=str(file),
            damage=damage,
        )
    elif damage_mark(file).exists():
        damage_mark(file).unlink(missing_ok=True)
        log.warning("database.intact_again", file=str(file))
    return damage


def check_at_start(app: Flask) -> None:
    """Before the first page is made; a large file is looked through beside that."""
    file = app.config["SETTINGS"].sqlite_file
    if file is not None and file.exists() and file.stat().st_size > SMALL:
        threading.Thread(target=check, args=(app,), name="integrity", daemon=True).start()
    else:
        check(app)


def check_daily(app: Flask) -> None:
    """Look in a thread of this process, now and every day."""

    def go_on() -> None:
        pause = threading.Event()
        while True:
            check(app)
            pause.wait(EVERY_S)

    threading.Thread(target=go_on, name="integrity", daemon=True).start()


def _damage(file: Path) -> str | None:
    try:
        with closing(sqlite3.connect(file, timeout=1)) as connection:
            result = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if result == "ok" else str(result)
