"""The full-text index of updates, which migration 0012 made.

On SQLite an FTS5 table that the model of updates keeps in step, since a backup may hold no
triggers; on PostgreSQL an index of the table itself, which needs nothing.
"""

import sqlalchemy as sa

NAME = "incident_update_search"
"""Begins the names of the tables, or of the index."""

VECTOR = (
    "to_tsvector('simple', regexp_replace("
    "left(incident_update.body, 100000), '[^[:alnum:]]+', ' ', 'g'))"
)
"""What PostgreSQL indexes: words without punctuation, as FTS5 has them. It refuses texts with too
many different ones."""

_rows = sa.table(NAME, sa.column("rowid"), sa.column("body"))


def make(_table: object, connection: sa.Connection, **_more: object) -> None:
    """Where the tables are made without migrations, for tests."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(
            f"CREATE VIRTUAL TABLE {NAME}"
            " USING fts5(body, tokenize='unicode61 remove_diacritics 0')"
        )


def put(connection: sa.Connection, row_id: int, body: str) -> None:
    """The words of an update, in place of those that it had."""
    if connection.dialect.name == "sqlite":
        row = sa.insert(_rows).prefix_with("OR REPLACE")
        connection.execute(row.values(rowid=row_id, body=body))


def drop(connection: sa.Connection, row_id: int) -> None:
    """Forget an update that is deleted."""
    if connection.dialect.name == "sqlite":
        connection.execute(sa.delete(_rows).where(_rows.c.rowid == row_id))


def rebuild(connection: sa.Connection) -> None:
    """Index the updates as they are, after they were copied past their model."""
    if connection.dialect.name == "sqlite" and sa.inspect(connection).has_table(NAME):
        updates = sa.table("incident_update", sa.column("id"), sa.column("body"))
        connection.execute(sa.delete(_rows))
        connection.execute(sa.insert(_rows).from_select(["rowid", "body"], sa.select(updates)))


def updates_with(word: str, *, is_postgresql: bool) -> sa.ColumnElement[bool]:
    """SQL: an update with a word that begins with these letters and digits."""
    if is_postgresql:
        vector: sa.ColumnElement[object] = sa.literal_column(VECTOR)
        return vector.bool_op("@@")(sa.func.to_tsquery(sa.literal_column("'simple'"), f"{word}:*"))
    matches = sa.literal_column(NAME).bool_op("MATCH")(f'"{word}"*')
    return sa.literal_column("incident_update.id").in_(sa.select(_rows.c.rowid).where(matches))
