"""The database, its disk, its clock, its backups."""

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from flask import Flask

from statuspage import integrity, schema
from statuspage.checking.findings import Finding, ok, problem, warn
from statuspage.config import Settings
from statuspage.db import db, reading

LITTLE_DISK = 1024**3
NO_DISK = 100 * 1024**2
CLOCK_APART = timedelta(seconds=5)
OLD_BACKUP = timedelta(days=2)


def database(app: Flask, _at: datetime) -> Iterator[Finding]:
    """Whole, reachable, of this release's schema."""
    damage = integrity.look(app)
    if damage is not None:
        yield problem(
            "database",
            f"the file is damaged ({damage.splitlines()[-1]}). Stop the status page and restore"
            " the last backup: flask restore --replace FILE",
        )
        return
    with app.app_context():
        revision = schema.revision()
        kind = "SQLite" if db.engine.dialect.name == "sqlite" else "PostgreSQL"
    newest = schema.newest()
    if revision is None:
        yield warn("database", f"{kind} is empty. Start the status page once, or restore a backup.")
    elif not schema.is_known(revision):
        yield problem(
            "database",
            f"its schema {revision} is of a newer release than this one. Run that release.",
        )
    elif revision != newest:
        yield warn(
            "database",
            f"its schema is {revision}, this release has {newest}. The next start brings it up to"
            " date.",
        )
    else:
        yield ok("database", f"{kind} is whole and answers, schema {revision}")


def disk(app: Flask, _at: datetime) -> Iterator[Finding]:
    """The data folder and the folder of the database: room, and whether they take a file."""
    settings: Settings = app.config["SETTINGS"]
    file = integrity.file_of(settings)
    for folder in dict.fromkeys([settings.data_dir, *([file.parent] if file else [])]):
        free = shutil.disk_usage(folder).free
        try:
            with tempfile.TemporaryFile(dir=folder) as probe:
                probe.write(bytes(4096))
                probe.flush()
        except OSError as error:
            yield problem(
                "disk",
                f"{folder} can not be written to: {error.strerror}. Make room or give it back to"
                " the user that runs the status page.",
            )
            continue
        words = f"{free / 1024**3:.1f} GB free in {folder}"
        if free < NO_DISK:
            yield problem("disk", f"only {words}. Make room now: soon nothing can be saved.")
        elif free < LITTLE_DISK:
            yield warn("disk", f"{words}. Make room before it is full.")
        else:
            yield ok("disk", words)


def rights(app: Flask, _at: datetime) -> Iterator[Finding]:
    """Who else on this machine may read what only the page should."""
    settings: Settings = app.config["SETTINGS"]
    open_to_others = [
        path
        for path in (settings.data_dir, settings.data_dir / "secret_key")
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    for path in open_to_others:
        is_secret = path.name == "secret_key"
        mode = "600" if is_secret else "700"
        words = f"others on this machine may read {path}. Close it: chmod {mode} {path}"
        yield problem("rights", words) if is_secret else warn("rights", words)
    owner = settings.data_dir.stat().st_uid
    if owner != os.geteuid():
        yield warn(
            "rights",
            f"{settings.data_dir} belongs to another user (number {owner}) than the one who asks."
            " Run commands as the user that runs the status page.",
        )
    elif not open_to_others:
        yield ok("rights", f"{settings.data_dir} is closed to others")


def clock(app: Flask, at: datetime) -> Iterator[Finding]:
    """This machine's clock beside the database's, and beside the newest thing on record."""
    with app.app_context():
        reading()
        if db.engine.dialect.name == "postgresql":
            apart = abs(db.session.scalar(sa.text("SELECT clock_timestamp()")) - at)
            if apart > CLOCK_APART:
                yield problem(
                    "clock",
                    f"this machine and the database are {apart.total_seconds():.0f} seconds apart."
                    " Let both keep time (chrony, systemd-timesyncd).",
                )
                return
        newest = _newest_event()
    if newest is not None and newest > at + CLOCK_APART:
        yield problem(
            "clock",
            f"it is {at:%Y-%m-%d %H:%M} UTC here, but something happened at"
            f" {newest:%Y-%m-%d %H:%M} UTC already. Set the clock right.",
        )
    else:
        yield ok("clock", f"{at:%Y-%m-%d %H:%M:%S} UTC, nothing contradicts it")


def backup(app: Flask, at: datetime) -> Iterator[Finding]:
    """How old the last one of `flask backup` is, as far as this machine knows."""
    settings: Settings = app.config["SETTINGS"]
    try:
        said = json.loads((settings.data_dir / "last_backup.json").read_text())
        made_at, file = datetime.fromisoformat(said["made_at"]), Path(said["file"])
    except FileNotFoundError:
        yield warn("backup", "none was made by flask backup here. See docs/backup.md.")
        return
    age = f"the last one is of {made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if at - made_at > OLD_BACKUP:
        yield warn("backup", f"{age}, more than two days ago. Let flask backup run every day.")
    else:
        gone = "" if file.exists() else "; the file was taken elsewhere"
        yield ok("backup", age + gone)


def _newest_event() -> datetime | None:
    from statuspage.domain.events import Event

    return db.session.scalar(sa.select(Event.at).order_by(Event.id.desc()).limit(1))
