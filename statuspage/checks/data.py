"""The database, its disk, its clock, its backups."""

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from flask import Flask

from statuspage.checks.findings import ClosedError, Finding, ok, problem, warn
from statuspage.config import MADE, Settings
from statuspage.db import db, integrity, migrate, read_only
from statuspage.db.errors import FAILURES, explain
from statuspage.domain.events import Event

LITTLE_DISK = 1024**3
NO_DISK = 100 * 1024**2
CLOCK_APART = timedelta(seconds=5)
OLD_BACKUP = timedelta(days=2)


def missing(app: Flask) -> Finding | None:
    """Where nothing was ever started here: then there is nothing to look at.

    Settings make the data folder; one that was only made to be asked about is taken away again.
    """
    settings: Settings = app.config["SETTINGS"]
    file = settings.sqlite_file
    if settings.data_dir not in MADE or file is None or file.exists():
        return None
    with suppress(OSError):
        (settings.data_dir / "secret_key").unlink(missing_ok=True)
        settings.data_dir.rmdir()
    return problem(
        "data",
        f"there is no folder {settings.data_dir}, so there is nothing to check. Correct"
        " STATUSPAGE_DATA_DIR if it is wrong; otherwise start the status page once.",
    )


def database(app: Flask, _at: datetime) -> Iterator[Finding]:
    """Whole, reachable, of this release's schema. Raises `ClosedError` where it is not readable."""
    file = app.config["SETTINGS"].sqlite_file
    if file is not None and not file.exists():
        finding = warn(
            "database",
            f"there is no {file} yet. Start the status page once, or restore a backup. If there"
            " was one, check STATUSPAGE_DATA_DIR and STATUSPAGE_DATABASE_URL.",
        )
        raise ClosedError(finding, "is missing")
    try:
        yield from _state(app)
    except FAILURES as error:
        how = explain(error)
        raise ClosedError(problem("database", how.words), how.state) from error


def _state(app: Flask) -> Iterator[Finding]:
    damage = integrity.check(app)
    if damage is not None:
        finding = problem(
            "database",
            f"the file is damaged ({damage.splitlines()[-1]}). Stop the status page and restore"
            " the last backup: flask restore --replace FILE",
        )
        raise ClosedError(finding, "is damaged")
    with app.app_context():
        revision = migrate.revision()
        kind = "SQLite" if db.engine.dialect.name == "sqlite" else "PostgreSQL"
        newest = migrate.head_revision()
        difference = migrate.schema_difference() if revision == newest else None
    if revision is None:
        words = f"{kind} is empty. Start the status page once, or restore a backup."
        raise ClosedError(warn("database", words), "is empty")
    if not migrate.is_known(revision):
        yield problem(
            "database",
            f"its schema {revision} belongs to a newer release. Run that release.",
        )
    elif revision != newest:
        yield warn(
            "database",
            f"its schema is {revision}, this release needs {newest}. The next start upgrades it.",
        )
    elif difference:
        yield problem(
            "database",
            f"its schema claims to be {revision}, but {difference}. An unreleased version made"
            " it: restore a backup of a release.",
        )
    else:
        yield ok("database", f"{kind} is intact and responds, schema {revision}")


def disk(app: Flask, _at: datetime) -> Iterator[Finding]:
    """The data folder and the folder of the database: room, and whether they take a file."""
    settings: Settings = app.config["SETTINGS"]
    file = settings.sqlite_file
    for folder in dict.fromkeys([settings.data_dir, *([file.parent] if file else [])]):
        free = shutil.disk_usage(folder).free
        try:
            with tempfile.TemporaryFile(dir=folder) as probe:
                probe.write(bytes(4096))
                probe.flush()
        except OSError as error:
            yield problem(
                "disk",
                f"{folder} is not writable: {error.strerror}. Free some space, or make the user"
                " that runs the status page its owner.",
            )
            continue
        words = f"{free / 1024**3:.1f} GB free in {folder}"
        if free < NO_DISK:
            yield problem("disk", f"only {words}. Free some space now: soon nothing can be saved.")
        elif free < LITTLE_DISK:
            yield warn("disk", f"{words}. Free some space before it is full.")
        else:
            yield ok("disk", words)


def rights(app: Flask, _at: datetime) -> Iterator[Finding]:
    """Who else on this machine may read what only the page should."""
    settings: Settings = app.config["SETTINGS"]
    file = settings.sqlite_file
    looked_at = [settings.data_dir, settings.data_dir / "secret_key"]
    # In a folder that is closed to others nobody gets as far as the file.
    if file is not None and file.parent.stat().st_mode & 0o011:
        looked_at.append(file)
    open_to_others = [
        path for path in looked_at if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    for path in open_to_others:
        is_folder = path.is_dir()
        mode = "700" if is_folder else "600"
        words = f"other users of this machine can read {path}. Run: chmod {mode} {path}"
        yield warn("rights", words) if is_folder else problem("rights", words)
    owner = settings.data_dir.stat().st_uid
    if owner != os.geteuid():
        yield warn(
            "rights",
            f"{settings.data_dir} belongs to another user (ID {owner}) than the one running this."
            " Run commands as the user that runs the status page.",
        )
    elif not open_to_others:
        yield ok("rights", f"{settings.data_dir} is not readable by other users")


def clock(app: Flask, at: datetime) -> Iterator[Finding]:
    """This machine's clock beside the database's, and beside the newest thing on record."""
    with app.app_context():
        read_only()
        if db.engine.dialect.name == "postgresql":
            apart = abs(db.session.scalar(sa.text("SELECT clock_timestamp()")) - at)
            if apart > CLOCK_APART:
                yield problem(
                    "clock",
                    f"this machine and the database are {apart.total_seconds():.0f} seconds apart."
                    " Synchronise both clocks (chrony, systemd-timesyncd).",
                )
                return
        newest = _newest_event()
    if newest is not None and newest > at + CLOCK_APART:
        yield problem(
            "clock",
            f"it is {at:%Y-%m-%d %H:%M} UTC here, but the newest record is from"
            f" {newest:%Y-%m-%d %H:%M} UTC. Correct the clock.",
        )
    else:
        yield ok("clock", f"{at:%Y-%m-%d %H:%M:%S} UTC, consistent with the records")


def backup(app: Flask, at: datetime) -> Iterator[Finding]:
    """How old the last one of `flask backup` is, as far as this machine knows."""
    settings: Settings = app.config["SETTINGS"]
    try:
        report = json.loads((settings.data_dir / "last_backup.json").read_text())
        made_at, file = datetime.fromisoformat(report["made_at"]), Path(report["file"])
    except FileNotFoundError:
        yield warn("backup", "flask backup has not been run here. See docs/backup.md.")
        return
    except (KeyError, TypeError, ValueError):
        yield warn("backup", "the record of the last one is unreadable. Make another backup.")
        return
    age = f"the last one is from {made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if at - made_at > OLD_BACKUP:
        yield warn("backup", f"{age}, more than two days ago. Run flask backup every day.")
    elif not file.exists():
        yield warn(
            "backup",
            f"{age}, and {file} no longer exists. Unless you moved it, make another:"
            f" flask backup {file}",
        )
    else:
        yield ok("backup", age)


def _newest_event() -> datetime | None:
    return db.session.scalar(sa.select(Event.at).order_by(Event.id.desc()).limit(1))
