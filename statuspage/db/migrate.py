"""Brings the database to the present schema: one process works, the others wait.

Every process calls `bring_up_to_date` when it starts. It costs one query when
nothing is to be done.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import flask_migrate
import sqlalchemy as sa
import structlog
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from flask import Flask
from flask_migrate import Migrate

from statuspage.config import PROJECT
from statuspage.db import READONLY, db, search_index, without_limit

MIGRATIONS = PROJECT / "migrations"

# Any number, as long as nothing else in the same PostgreSQL database uses it.
_ADVISORY_LOCK = 7_382_591_024

COPIES_KEPT = 3
"""Of an SQLite file from before its last migrations."""

log = structlog.get_logger(__name__)


def bring_up_to_date(app: Flask, *, keep_copy: bool = True) -> None:
    """Migrate under the lock, unless the database is at the newest revision.

    A database that a newer release has migrated is left as it is. Raises
    `sqlalchemy.exc.OperationalError` when the database cannot be reached.
    """
    with app.app_context():
        if not _is_behind():
            return
        with alone():
            if _is_behind():
                if keep_copy:
                    _keep_a_copy()
                upgrade(app)


def revision() -> str | None:
    """The database's revision; None when it is empty."""
    with db.engine.connect().execution_options(**{READONLY: True}) as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        present: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        return present


def head_revision() -> str | None:
    """The revision this release needs; None when there is no migration yet.

    Migrations are one line, and their files are numbered `0001_…`, `0002_…`. Asking
    Alembic instead would cost each start of each process half a second.
    """
    return max(_known_revisions(), default=None)


def is_known(revision: str) -> bool:
    """Whether this release can bring a database of that revision up to date."""
    return revision in _known_revisions()


def upgrade(app: Flask, revision: str = "head") -> None:
    """Migrate up to `revision`, whoever else may be doing so."""
    use_alembic(app)
    with app.app_context():
        flask_migrate.upgrade(directory=str(MIGRATIONS), revision=revision)


def use_alembic(app: Flask) -> None:
    """Prepare `app` for Flask-Migrate and its `flask db` commands."""
    Migrate(
        app, db, directory=str(MIGRATIONS), render_item=_render_item, include_name=is_of_the_models
    )


def is_of_the_models(name: str | None, _type: str, _parents: object) -> bool:
    """Alembic compares everything but the search index with the models."""
    return not (name or "").startswith(search_index.NAME)


def schema_difference() -> str | None:
    """What a database at the newest revision lacks, or a column that is not ours, in words.

    Tables and indexes of others in the same database do not matter.
    """
    with db.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": False, "include_name": is_of_the_models}
        )
        for change in compare_metadata(context, db.metadata):
            match change:
                case ("add_table", table):
                    return f"{table.name} is missing"
                case ("add_column", _, table, column):
                    return f"{table}.{column.name} is missing"
                case ("remove_column", _, table, column):
                    return f"{table}.{column.name} does not belong to it"
    return None


@contextmanager
def alone() -> Iterator[None]:
    """Of all processes on this database, one at a time is inside; the others wait."""
    if db.engine.dialect.name == "sqlite":
        with _file_lock(Path(f"{db.engine.url.database}.lock")):
            yield
    else:
        with _advisory_lock():
            yield


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    # The kernel lets go when the process ends, however it ends.
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _advisory_lock() -> Iterator[None]:
    # Held by the session, not by a transaction: none stays open while we migrate.
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        without_limit(connection)
        connection.execute(sa.select(sa.func.pg_advisory_lock(_ADVISORY_LOCK)))
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(_ADVISORY_LOCK)))


def _is_behind() -> bool:
    present = revision()
    if present is not None and present not in _known_revisions():
        log.warning("database.schema_is_newer", revision=present)
        return False
    return present != head_revision()


def _known_revisions() -> set[str]:
    return {path.name[:4] for path in MIGRATIONS.glob("versions/[0-9][0-9][0-9][0-9]_*.py")}


def _keep_a_copy() -> None:
    """Beside an SQLite file that holds something, a copy from before the migration.

    It has its name only when it is whole. The last `COPIES_KEPT` stay.
    """
    if revision() is None or db.engine.dialect.name != "sqlite":
        return
    file = Path(db.engine.url.database or "")
    copy = file.with_name(f"{file.name}.before-{head_revision()}")
    draft = copy.with_name(f"{copy.name}.draft")
    draft.unlink(missing_ok=True)
    # As closed to others as a new file can be: it holds all that the database holds.
    draft.touch(mode=0o600)
    with db.engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        raw.cursor().execute("VACUUM INTO ?", (str(draft),))
    draft.replace(copy)
    log.info("database.copy_kept", file=str(copy))
    for old in sorted(file.parent.glob(f"{file.name}.before-[0-9]*"))[:-COPIES_KEPT]:
        old.unlink(missing_ok=True)


def _render_item(kind: str, item: object, _context: object) -> str | bool:
    """Name our column types in a migration by what they are in the database."""
    if kind != "type":
        return False
    match type(item).__name__:
        case "UTCDateTime":
            return "sa.DateTime(timezone=True)"
        case "Enum":
            return f"sa.String(length={item.length})"  # type: ignore[attr-defined]
    return False
