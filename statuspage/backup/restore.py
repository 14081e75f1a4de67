"""Putting a backup in place of an empty database, so that nothing old is sent from it."""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from flask import Flask

from statuspage.backup import archive, rows
from statuspage.backup.after_restore import RestoreReport, settle_after_restore
from statuspage.backup.archive import ArchiveError, Manifest
from statuspage.backup.second_app import application_on, make_schema
from statuspage.db import damage_mark, db, migrate, postgresql
from statuspage.domain.events import Actor

IN_USE = "The database is in use. Stop the status page first, then restore."


class RefusedError(Exception):
    """The backup was not restored, nothing was changed; a sentence for the operator."""


@dataclass(frozen=True)
class Restored:
    manifest: Manifest
    calmed: RestoreReport
    has_same_key: bool
    """The secret key is the one the backup was made with: links in older mails work."""
    kept: Path | None
    """Where the database that was replaced lies now."""


def restore(
    app: Flask, file: Path, *, passphrase: str | None, replace: bool, by: Actor, at: datetime
) -> Restored:
    """Restore a backup into the database of `app`, brought up to this release.

    Raises `RefusedError` where the database holds something and `replace` was not asked
    for, or is in use; `ArchiveError` or `age.UnreadableError` for a backup that is not right.
    """
    settings = app.config["SETTINGS"]
    place = settings.sqlite_file or settings.data_dir / "restored.db"
    with app.app_context(), migrate.alone():
        is_empty = _is_empty()
        if not settings.is_sqlite:
            _refuse_while_in_use()
        if not (is_empty or replace):
            raise RefusedError(
                "The database is not empty; it was not changed. Restore into an empty"
                " one, or use --replace: the current one is kept beside it."
            )
        with archive.opened(file, place, passphrase) as (copy, manifest):
            if not migrate.is_known(manifest.revision):
                raise ArchiveError(
                    "The backup was made by a newer release; restore it with that release."
                )
            archive.unlabel(copy)
            calmed = _prepare(app, copy, manifest, by, at)
            if settings.is_sqlite:
                previous = _put_file(copy, place, is_empty=is_empty, at=at)
            else:
                previous = _put_rows(app, copy, place, is_empty=is_empty, at=at)
    has_same_key = manifest.key_mark == archive.mark_of(settings.secret_key)
    return Restored(manifest, calmed, has_same_key, previous)


def _prepare(app: Flask, copy: Path, manifest: Manifest, by: Actor, at: datetime) -> RestoreReport:
    with application_on(app, f"sqlite:///{copy}") as other:
        migrate.bring_up_to_date(other, keep_copy=False)
        with other.app_context():
            if difference := migrate.schema_difference():
                raise ArchiveError(
                    f"Its schema is not that of a release: {difference}. The file was changed,"
                    " or an unreleased version made it."
                )
            calmed = settle_after_restore(made_at=manifest.made_at, by=by, at=at)
            db.session.commit()
    _without_log(copy)
    return calmed


def _put_file(copy: Path, place: Path, *, is_empty: bool, at: datetime) -> Path | None:
    db.session.remove()
    db.engine.dispose()
    previous = None
    if place.exists():
        _close(place)
        if not is_empty:
            previous = place.with_name(f"{place.name}.replaced-{at:%Y%m%d-%H%M%S}")
            place.replace(previous)
            _keep_log(place, previous)
    with copy.open("rb") as written:
        os.fsync(written.fileno())
    copy.replace(place)
    damage_mark(place).unlink(missing_ok=True)
    return previous


def _put_rows(app: Flask, copy: Path, place: Path, *, is_empty: bool, at: datetime) -> Path | None:
    previous = None
    if not is_empty:
        settings = app.config["SETTINGS"]
        previous = place.with_name(f"replaced-{at:%Y%m%d-%H%M%S}.backup")
        archive.write(
            db.engine,
            previous,
            make_schema(app),
            base_url=settings.base_url,
            secret_key=settings.secret_key,
            passphrase=None,
            at=at,
        )
    migrate.upgrade(app)
    engine = sa.create_engine(f"sqlite:///{copy}", poolclass=sa.NullPool)
    try:
        with archive.snapshot_of(engine) as source, db.engine.begin() as target:
            rows.delete_all(target)
            rows.copy(source, target)
            rows.compare(rows.contents(source), rows.contents(target))
    finally:
        engine.dispose()
    return previous


def _is_empty() -> bool:
    try:
        with rows.snapshot(db.engine) as connection:
            return rows.is_empty(connection)
    except sa.exc.DatabaseError:
        if db.engine.dialect.name != "sqlite":
            raise
        return False  # A damaged file is not nothing.


def _refuse_while_in_use() -> None:
    """As SQLite's lock does: a page that runs would go on with rows that are no more."""
    with db.engine.connect() as connection:
        if number := postgresql.count_other_connections(connection):
            raise RefusedError(f"{IN_USE} (Open connections: {number}.)")


def _close(place: Path) -> None:
    """Fold the log into the file. Raises `RefusedError` while some process has it open."""
    try:
        with closing(sqlite3.connect(place, timeout=0)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise RefusedError(IN_USE) from error
    except sqlite3.DatabaseError:
        pass  # Too damaged to be opened: it is only moved aside, its log with it.


def _keep_log(place: Path, target: Path) -> None:
    """A log that could not be folded in is named after its file, as SQLite looks for it."""
    for suffix in ("-wal", "-shm"):
        log = Path(f"{place}{suffix}")
        if log.exists():
            log.replace(f"{target}{suffix}")


def _without_log(copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
