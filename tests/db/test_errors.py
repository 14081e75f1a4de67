"""What the database reports, in words for operators and for clients of the API."""

import sqlite3

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from statuspage.db import DamagedError
from statuspage.db.errors import explain


def _sqlite_error(setting: str, statement: str) -> Exception:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE words (word)")
        connection.execute(setting)
        with pytest.raises(sqlite3.Error) as caught:
            connection.execute(statement)
    connection.close()
    return caught.value


FILL = "INSERT INTO words SELECT zeroblob(100000)"


@pytest.mark.parametrize(
    "error, public",
    [
        (_sqlite_error("PRAGMA max_page_count=2", FILL), "The database’s disk is full."),
        (_sqlite_error("PRAGMA query_only=1", FILL), "The database file is read-only."),
        (DamagedError("x"), "The database file is damaged."),
        (sqlite3.OperationalError("disk I/O error"), "The database is unavailable."),
        (Exception("connection to server at db.internal failed"), "The database is unavailable."),
    ],
)
def test_a_client_learns_the_cause_and_no_name_of_a_server(error, public):
    assert explain(OperationalError("INSERT", {}, error)).public == public


def test_a_pool_that_is_exhausted_is_an_unavailable_database():
    assert explain(sa.exc.TimeoutError("QueuePool limit")).public == "The database is unavailable."
