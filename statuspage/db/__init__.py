"""The database: engine rules, shared column types, the session.

Owns how rows are stored, not what they mean. SQLite is set up so that no
acknowledged write is lost and no two writers overwrite one another; PostgreSQL
needs nothing of that.
"""

import contextlib
import os
import secrets
import sqlite3
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session
from sqlalchemy import event, orm
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from statuspage.observability.metrics import DATABASE_ERRORS

PUBLIC_ID_ALPHABET = "0123456789bcdfghjklmnpqrstvwxyz"
PUBLIC_ID_LENGTH = 12

READONLY = "readonly"
"""Execution option of a connection that only reads: SQLite then takes no write lock."""
HASTY = "hasty"
"""Execution option of a connection that waits for nobody: SQLite then fails when it is locked."""
BUSY_MS = 5000
"""How long a writer waits for another one on SQLite."""


class UTCDateTime(sa.types.TypeDecorator[datetime]):
    """An aware moment, stored as UTC. Raises `ValueError` on a naive one."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A moment needs a time zone.")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# A VARCHAR holding the enum's value: a new word needs no migration on PostgreSQL.
ENUM_BY_VALUE = sa.Enum(
    Enum,
    native_enum=False,
    length=32,
    values_callable=lambda kind: [member.value for member in kind],
)


def new_public_id() -> str:
    """Twelve characters without vowels: the shape of a Statuspage id."""
    return "".join(secrets.choice(PUBLIC_ID_ALPHABET) for _ in range(PUBLIC_ID_LENGTH))


PublicId = Annotated[
    str, mapped_column(sa.String(64), unique=True, index=True, default=new_public_id)
]


class Base(DeclarativeBase):
    # A registry rather than `type_annotation_map`: Flask-SQLAlchemy copies this
    # class's namespace, and SQLAlchemy refuses a base that has both.
    registry = orm.registry(
        metadata=sa.MetaData(
            naming_convention={
                "ix": "ix_%(column_0_N_label)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
                "pk": "pk_%(table_name)s",
            }
        ),
        type_annotation_map={datetime: UTCDateTime, Enum: ENUM_BY_VALUE},
    )
    id: Mapped[int] = mapped_column(primary_key=True)


class CommitInDoubtError(OperationalError):
    """The connection was lost during the commit, so nobody knows whether it took place."""


class _Session(Session):
    def commit(self) -> None:
        try:
            super().commit()
        except DBAPIError as error:
            # A failed statement was never committed; a COMMIT is no statement of ours.
            if error.connection_invalidated and error.statement is None:
                raise CommitInDoubtError(
                    None, None, error.orig or error, connection_invalidated=True
                ) from error
            raise


# Sessions are quiet about what was saved: an answer is rendered after the commit.
db = SQLAlchemy(model_class=Base, session_options={"class_": _Session, "expire_on_commit": False})

if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model  # Base, with a table name made from the class name.


def read_only() -> None:
    """Declare that this session only reads until it ends.

    On SQLite its transaction begins deferred, so that readers never queue
    behind a writer. Call it before the first query.
    """
    db.session.connection(execution_options={READONLY: True})


def upsert(table: Any) -> Any:
    """An `INSERT` into this table or model that may say what to do where the row is there already.

    Both engines have it, and SQLAlchemy has a statement for each.
    """
    is_postgresql = db.engine.dialect.name == "postgresql"
    return postgresql_insert(table) if is_postgresql else sqlite_insert(table)


def without_waiting() -> None:
    """Declare that this session gives up when SQLite is locked; call it before the first query.

    For what is good to know and not worth a second of anybody's time.
    """
    db.session.connection(execution_options={HASTY: True})


def without_limit(connection: Connection) -> None:
    """Let statements of this connection take as long as they need, as a migration may.

    It does not go back to the pool. SQLite has no such limit.
    """
    if connection.dialect.name == "postgresql":
        connection.detach()
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.commit()
        connection.connection.dbapi_connection.limit_s = None  # type: ignore[union-attr]


@event.listens_for(Engine, "do_connect")
def _make_file(dialect: sa.Dialect, _record: Any, arguments: list[Any], _named: Any) -> None:
    """A new SQLite file is for its owner alone, as its log will be then, wherever it lies."""
    if dialect.name != "sqlite" or not arguments or arguments[0] == ":memory:":
        return
    if not os.path.exists(arguments[0]):
        # What the disk has against it, SQLite will say.
        with contextlib.suppress(OSError):
            os.close(os.open(arguments[0], os.O_CREAT | os.O_WRONLY, 0o600))


@event.listens_for(Engine, "connect")
def _prepare_sqlite(connection: Any, _record: Any) -> None:
    if not isinstance(connection, sqlite3.Connection):
        return
    # We begin transactions ourselves, below: the driver's own habit loses updates.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    # FULL: an acknowledged update survives a power cut. Writes are few.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    # A schema in a file from elsewhere calls no function that has effects.
    cursor.execute("PRAGMA trusted_schema=OFF")
    cursor.close()


@event.listens_for(Engine, "begin")
def _begin_sqlite(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    _refuse_a_damaged_file(connection.engine)
    options = connection.get_execution_options()
    if options.get(HASTY, False):
        _begin_at_once(connection)
    else:
        readonly = options.get(READONLY, False)
        connection.exec_driver_sql("BEGIN DEFERRED" if readonly else "BEGIN IMMEDIATE")


def _begin_at_once(connection: Connection) -> None:
    (usual,) = connection.exec_driver_sql("PRAGMA busy_timeout").one()
    connection.exec_driver_sql("PRAGMA busy_timeout=0")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={usual}")


@event.listens_for(Engine, "handle_error")
def _count_errors(context: Any) -> None:
    error = context.sqlalchemy_exception
    if error is not None and not isinstance(error, sa.exc.IntegrityError):
        DATABASE_ERRORS.labels(type(error).__name__).inc()


def is_deadlock(error: sa.exc.SQLAlchemyError) -> bool:
    """Whether PostgreSQL ended the one of two transactions that waited for one another."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) in ("40001", "40P01")


# ── a damaged file ─────────────────────────────────────────────────────────────


class DamagedError(sqlite3.OperationalError):
    """The SQLite file is damaged: no process reads or writes it until it is restored.

    It comes as an outage does (inside SQLAlchemy's `OperationalError`), so readers get the
    last good copies rather than a history of which a part is missing.
    """


def damage_mark(file: Path) -> Path:
    """The file beside a database that says to all processes: this one is damaged."""
    return file.with_name(f"{file.name}.damaged")


def mark_damaged(file: Path, reason: str) -> None:
    """Keep all processes from a database file. A disk that fails here is not the news."""
    with contextlib.suppress(OSError):
        damage_mark(file).write_text(reason + "\n")


def _refuse_a_damaged_file(engine: Engine) -> None:
    file = engine.url.database
    if file and file != ":memory:" and damage_mark(Path(file)).exists():
        raise sa.exc.OperationalError("BEGIN", {}, DamagedError("The file is damaged."))


@event.listens_for(Engine, "handle_error")
def _notice_damage(context: Any) -> None:
    error = context.original_exception
    code = getattr(error, "sqlite_errorcode", None)
    if not isinstance(error, sqlite3.DatabaseError) or code is None:
        return
    if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        if context.engine is not None and context.engine.url.database:
            mark_damaged(Path(context.engine.url.database), str(error))
        raise sa.exc.OperationalError(
            context.statement, context.parameters, DamagedError(str(error))
        ) from error
