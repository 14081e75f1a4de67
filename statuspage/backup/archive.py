"""The backup: one SQLite file with every row, whatever engine the page runs on.

Written beside its place, read again and compared, and only then given its name.
Why this format: docs/decisions, "A backup is an SQLite file".
"""

import hashlib
import hmac
import json
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from statuspage.backup import age, rows
from statuspage.backup.rows import Content
from statuspage.db import READONLY

FORMAT = 1
TABLE = "statuspage_backup"
PAGES_PER_STEP = 256
"""Of SQLite's, usually 4 KiB each: between two steps everybody else gets a turn."""
SQLITE_HEAD = b"SQLite format 3\0"

MakeSchema = Callable[[Path, str], None]
"""Gives a new SQLite file the schema of a revision."""


class ArchiveError(Exception):
    """The file is no backup of ours, or not a whole one; a sentence for the operator."""


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself."""

    made_at: datetime
    revision: str
    base_url: str
    key_mark: str
    """Equal for two secret keys only when they are the same; tells nothing else of them."""
    tables: dict[str, Content]

    @property
    def rows(self) -> int:
        return sum(content.rows for content in self.tables.values())


@dataclass(frozen=True)
class Written:
    """A backup that was written and read again."""

    manifest: Manifest
    size: int
    """In bytes."""
    sha256: str
    """Of the file as it lies there."""


def mark_of(secret_key: str) -> str:
    """By which a restored copy knows whether it still has the same secret key."""
    return hmac.new(secret_key.encode(), b"statuspage backup", hashlib.sha256).hexdigest()[:32]


def write(
    engine: Engine,
    file: Path,
    make_schema: MakeSchema,
    *,
    base_url: str,
    secret_key: str,
    passphrase: str | None,
    at: datetime,
) -> Written:
    """Write a backup of what `engine` holds now to `file`, which appears only when it is right.

    Others go on reading and writing. Raises `ArchiveError` when `file` is something else
    than a backup, or when what was written is not what was read; `OSError` as the disk does.
    """
    _refuse_to_overwrite(file)
    try:
        return _write(engine, file, make_schema, base_url, secret_key, passphrase, at)
    except (sqlite3.Error, sa.exc.DBAPIError) as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        raise ArchiveError(f"The database or the disk reports: {reason}.") from error


def verify(file: Path) -> Manifest:
    """Read all of a backup that is not encrypted. Raises `ArchiveError` with what is wrong."""
    # As a file that does not change: else it would become one with a log beside it.
    place = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
    engine = sa.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(place, uri=True), poolclass=sa.NullPool
    )
    try:
        with engine.connect().execution_options(**{READONLY: True}) as connection:
            broken = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
            if broken != "ok":
                raise ArchiveError(f"The file is damaged: {broken}.")
            manifest = _manifest(connection)
            if _revision(connection) != manifest.revision:
                raise ArchiveError("The file was changed after the backup.")
            _refuse_programs(connection)
            rows.compare(manifest.tables, rows.contents(connection))
    except rows.DifferentError as error:
        raise ArchiveError(f"The file was damaged or changed: {error}") from error
    except (sa.exc.DatabaseError, ValueError, TypeError, KeyError) as error:
        raise ArchiveError(
            "The file is not a backup of a status page, or it is damaged."
        ) from error
    finally:
        engine.dispose()
    return manifest


def _refuse_programs(connection: Connection) -> None:
    """Our schema has neither triggers nor views: someone added what would run once restored."""
    query = "SELECT name FROM sqlite_schema WHERE type IN ('trigger', 'view') LIMIT 1"
    name = connection.exec_driver_sql(query).scalar()
    if name is not None:
        raise ArchiveError(f"The file was changed after the backup: it contains {name!r}.")


@contextmanager
def opened(file: Path, beside: Path, passphrase: str | None) -> Iterator[tuple[Path, Manifest]]:
    """A verified copy of a backup, decrypted, in the folder of `beside`; gone afterwards.

    Raises `ArchiveError`, `age.UnreadableError` or `OSError`.
    """
    with file.open("rb") as backup, _draft(beside) as copy:
        is_sealed = age.is_encrypted(backup.read(len(age.VERSION_LINE)))
        backup.seek(0)
        with copy.open("wb") as plain:
            if not is_sealed:
                while piece := backup.read(age.CHUNK_BYTES):
                    plain.write(piece)
            elif passphrase is None:
                raise ArchiveError("The backup is encrypted: enter its passphrase.")
            else:
                age.decrypt(backup, plain, passphrase)
        manifest = verify(copy)
        yield copy, manifest


def is_encrypted(file: Path) -> bool:
    with file.open("rb") as backup:
        return age.is_encrypted(backup.read(len(age.VERSION_LINE)))


def unlabel(copy: Path) -> None:
    """Make a database of a copy: without what the backup said of itself."""
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute(f"DROP TABLE {TABLE}")


@contextmanager
def snapshot_of(engine: Engine) -> Iterator[Connection]:
    """Everything as it is at this moment, whoever writes meanwhile."""
    with rows.snapshot(engine) as connection:
        yield connection


# ── the file ───────────────────────────────────────────────────────────────────


def _write(
    engine: Engine,
    file: Path,
    make_schema: MakeSchema,
    base_url: str,
    secret_key: str,
    passphrase: str | None,
    at: datetime,
) -> Written:
    with _draft(file) as draft, snapshot_of(engine) as source:
        manifest = Manifest(
            made_at=at,
            revision=_revision(source),
            base_url=base_url,
            key_mark=mark_of(secret_key),
            tables=rows.contents(source),
        )
        if engine.dialect.name == "sqlite":
            _copy_pages(source, draft)
        else:
            make_schema(draft, manifest.revision)
            _copy_rows(source, draft)
        _label(draft, manifest)
        verify(draft)
        if passphrase is None:
            return _publish(draft, file, manifest)
        with _draft(file) as sealed:
            _seal(draft, sealed, passphrase)
            return _publish(sealed, file, manifest)


def _refuse_to_overwrite(file: Path) -> None:
    """Only an older backup may be replaced: a slip must not cost the database itself."""
    if not file.exists():
        return
    if not file.is_file():
        raise ArchiveError(f"{file} is not a file.")
    with file.open("rb") as existing:
        head = existing.read(64)
    if age.is_encrypted(head):
        return
    if head.startswith(SQLITE_HEAD):
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as archive:
            if archive.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (TABLE,)).fetchone():
                return
    raise ArchiveError(f"{file} already exists and is not a backup; it was not changed.")


@contextmanager
def _draft(place: Path) -> Iterator[Path]:
    """An empty file beside `place`, for our eyes only; gone afterwards unless it was renamed."""
    draft = place.with_name(f".{place.name}.{secrets.token_hex(6)}.draft")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield draft
    finally:
        for suffix in ("", "-journal", "-wal", "-shm", ".lock", ".damaged"):
            Path(f"{draft}{suffix}").unlink(missing_ok=True)


def _publish(draft: Path, file: Path, manifest: Manifest) -> Written:
    digest = hashlib.sha256()
    with draft.open("rb") as written:
        while piece := written.read(age.CHUNK_BYTES):
            digest.update(piece)
        os.fsync(written.fileno())
        size = written.tell()
    draft.replace(file)
    folder = os.open(file.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return Written(manifest, size, digest.hexdigest())


def _seal(draft: Path, sealed: Path, passphrase: str) -> None:
    """Encrypt, decrypt again, and compare."""
    with draft.open("rb") as plain, sealed.open("wb") as target:
        age.encrypt(plain, target, passphrase)
    with draft.open("rb") as plain, sealed.open("rb") as source:
        check = _Comparing(plain)
        age.decrypt(source, check, passphrase)  # type: ignore[arg-type]
        if plain.read(1):
            raise ArchiveError("The encrypted backup failed verification.")


class _Comparing:
    """Takes bytes that must be those of `expected`."""

    def __init__(self, expected: Any) -> None:
        self._expected = expected

    def write(self, data: bytes) -> int:
        if self._expected.read(len(data)) != data:
            raise ArchiveError("The encrypted backup failed verification.")
        return len(data)


# ── its contents ───────────────────────────────────────────────────────────────


def _copy_pages(source: Connection, draft: Path) -> None:
    """SQLite's own online backup, of the moment that the open transaction sees.

    The transaction makes it one pass: without it, each foreign write would start
    the copy again. In WAL mode nobody waits for it.
    """
    raw: Any = source.connection.dbapi_connection
    with closing(sqlite3.connect(draft)) as target:
        raw.backup(target, pages=PAGES_PER_STEP)
        # One file, without a log beside it.
        target.execute("PRAGMA journal_mode=DELETE")


def _copy_rows(source: Connection, draft: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{draft}", poolclass=sa.NullPool)
    with engine.connect() as target:
        raw: Any = target.connection.dbapi_connection
        raw.execute("PRAGMA foreign_keys=OFF")
        raw.execute("PRAGMA journal_mode=DELETE")
        rows.copy(source, target)
        target.commit()
    engine.dispose()


def _label(draft: Path, manifest: Manifest) -> None:
    fields = {"format": FORMAT, **asdict(manifest), "made_at": manifest.made_at.isoformat()}
    with closing(sqlite3.connect(draft)) as connection, connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute(f"CREATE TABLE {TABLE} (manifest TEXT NOT NULL)")
        connection.execute(f"INSERT INTO {TABLE} VALUES (?)", (json.dumps(fields),))  # noqa: S608


def _manifest(connection: Connection) -> Manifest:
    text = connection.scalar(sa.text(f"SELECT manifest FROM {TABLE}"))  # noqa: S608
    fields = json.loads(text)
    if fields.pop("format") != FORMAT:
        raise ArchiveError(
            "The backup was written by a newer release; restore it with that release."
        )
    fields["made_at"] = datetime.fromisoformat(fields["made_at"])
    fields["tables"] = {name: Content(**content) for name, content in fields["tables"].items()}
    return Manifest(**fields)


def _revision(connection: Connection) -> str:
    if not sa.inspect(connection).has_table("alembic_version"):
        raise ArchiveError("The database is empty: there is nothing to back up.")
    return str(connection.scalar(sa.text("SELECT version_num FROM alembic_version")))
