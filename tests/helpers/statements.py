"""The SQL statements that a piece of work runs."""

from contextlib import contextmanager

import sqlalchemy as sa


@contextmanager
def recorded_statements():
    """`with recorded_statements() as statements: …` lists what any engine is asked."""
    statements: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        statements.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
