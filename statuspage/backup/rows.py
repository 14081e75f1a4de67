"""Rows as they stand in the tables: read, compared and copied, on either engine.

Knows tables only by what the database says of them, so that it works for the
schema of any release. Nothing is held in memory but one batch.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from statuspage.db import READONLY, search_index

BATCH = 1_000
NOT_DATA = frozenset(
    {"alembic_version", "statuspage_backup", "_litestream_seq", "_litestream_lock"}
)
"""Tables that say something about the database itself, ours and Litestream's."""

SNAPSHOT: Mapping[str, Mapping[str, object]] = {
    "sqlite": {READONLY: True},
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}
"""Options of a connection that sees one moment, whoever writes meanwhile."""


class DifferentError(Exception):
    """What was copied is not what there was; the text names the table."""


@dataclass(frozen=True)
class Content:
    """What a table holds: how many rows, and a digest of them in the order of their keys."""

    rows: int
    sha256: str


def snapshot(engine: Engine) -> Connection:
    """A connection whose transaction sees one moment and writes nothing."""
    return engine.connect().execution_options(**SNAPSHOT[engine.dialect.name])


def tables(connection: Connection) -> list[sa.Table]:
    """Every table with data; what a row points to comes before it."""
    metadata = sa.MetaData()
    metadata.reflect(connection, only=lambda name, _: not name.startswith(search_index.NAME))
    return [table for table in metadata.sorted_tables if table.name not in NOT_DATA]


def is_empty(connection: Connection) -> bool:
    """No table holds a row."""
    return not any(
        connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first()
        for table in tables(connection)
    )


def contents(
    connection: Connection, on_table: Callable[[str, Content], None] | None = None
) -> dict[str, Content]:
    """What each table holds. Equal on two databases when each value of each row is."""
    result = {}
    for table in tables(connection):
        result[table.name] = _content(connection, table)
        if on_table is not None:
            on_table(table.name, result[table.name])
    return result


def copy(
    source: Connection, target: Connection, on_table: Callable[[str, int], None] | None = None
) -> None:
    """Copy every row into the tables of the same schema; the caller commits.

    Raises `DifferentError` when the target lacks a table or a column.
    """
    by_name = {table.name: table for table in tables(target)}
    for table in tables(source):
        other = by_name.get(table.name)
        if other is None or set(table.c.keys()) != set(other.c.keys()):
            raise DifferentError(f"The two schemas differ in table {table.name}.")
        number = 0
        for batch in _batches(source, table):
            target.execute(_insertion(other), batch)
            number += len(batch)
        if on_table is not None:
            on_table(table.name, number)
    search_index.rebuild(target)
    if target.dialect.name == "postgresql":
        _set_sequences(target)


def delete_all(target: Connection) -> None:
    """Empty every table; the caller commits."""
    for table in reversed(tables(target)):
        target.execute(sa.delete(table))


def compare(first: Mapping[str, Content], other: Mapping[str, Content]) -> None:
    """Raises `DifferentError` for the first table that is not the same in both."""
    for name in sorted(first.keys() | other.keys()):
        left, right = first.get(name), other.get(name)
        if left is None or right is None:
            raise DifferentError(f"Only one of the two has table {name}.")
        if left.rows != right.rows:
            raise DifferentError(f"{name} has {left.rows} rows here and {right.rows} there.")
        if left != right:
            raise DifferentError(f"{name} has the same number of rows, but not the same rows.")


# ── values ─────────────────────────────────────────────────────────────────────


def _content(connection: Connection, table: sa.Table) -> Content:
    digest, number = hashlib.sha256(), 0
    names = sorted(table.c.keys())
    for batch in _batches(connection, table):
        number += len(batch)
        for row in batch:
            digest.update(json.dumps([_plain(row[name]) for name in names]).encode() + b"\n")
    return Content(number, digest.hexdigest())


def _plain(value: Any) -> object:
    """The same for the same value, whichever engine it came from."""
    match value:
        case datetime():
            # SQLite gives back what it was given: UTC without saying so.
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            return aware.astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
        case Decimal():
            return format(value.normalize(), "f")
        case bytes() | memoryview():
            return hashlib.sha256(value).hexdigest()
    return value


def _batches(connection: Connection, table: sa.Table) -> Iterator[list[dict[str, Any]]]:
    query = sa.select(*(_as_read(column) for column in table.c))
    query = query.order_by(*(table.primary_key.columns or table.c))
    rows = connection.execute(query.execution_options(yield_per=BATCH))
    for batch in rows.partitions():
        yield [dict(row._mapping) for row in batch]


def _as_read(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """JSON as the text it is stored as: `null` and no value at all are two things."""
    if isinstance(column.type, sa.JSON):
        return sa.cast(column, sa.Text).label(column.name)
    return column


def _insertion(table: sa.Table) -> sa.Insert:
    """JSON goes in as the text that came out."""
    columns = [
        sa.column(column.name, None if isinstance(column.type, sa.JSON) else column.type)
        for column in table.c
    ]
    return sa.insert(sa.table(table.name, *columns))


def _set_sequences(target: Connection) -> None:
    """New rows are numbered after those that were copied."""
    quote = target.dialect.identifier_preparer.quote
    for table in tables(target):
        for column in _counted(table):
            name = quote(table.name)
            target.execute(
                sa.text(
                    "SELECT setval(pg_get_serial_sequence(:table, :column),"  # noqa: S608  quoted
                    f" coalesce(max({quote(column)}), 1), max({quote(column)}) IS NOT NULL)"
                    f" FROM {name}"
                ),
                {"table": name, "column": column},
            )


def _counted(table: sa.Table) -> Sequence[str]:
    keys = list(table.primary_key.columns)
    is_counted = len(keys) == 1 and keys[0].server_default is not None
    return [keys[0].name] if is_counted else []
