"""A connection that is lost during the commit: nobody claims to know whether it took place."""

import pytest
import sqlalchemy as sa

from statuspage.db import CommitInDoubtError, db
from statuspage.domain import page_settings, tokens
from statuspage.domain.events import SYSTEM
from statuspage.domain.tokens import Scope
from tests.conftest import on_postgresql

pytestmark = on_postgresql


@pytest.fixture
def cut_at_commit(app, database_url):
    """`cut_at_commit("incident")`: the server ends the connection that commits a row of it."""
    other = sa.create_engine(database_url)
    writing = set()

    def cut(table):
        def note(connection, _cursor, statement, *_):
            if statement.startswith(f"INSERT INTO {table} "):
                writing.add(connection.connection.dbapi_connection.info.backend_pid)

        def end(connection):
            process = connection.connection.dbapi_connection.info.backend_pid
            if process in writing:
                writing.clear()
                with other.connect() as outside:
                    outside.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": process})

        with app.app_context():
            sa.event.listen(db.engine, "before_cursor_execute", note)
            sa.event.listen(db.engine, "commit", end)

    yield cut
    other.dispose()


def test_lost_commit_raises_commit_in_doubt(app, cut_at_commit, at):
    cut_at_commit("page")
    with app.app_context():
        page_settings.create("Northwind", time_zone="Europe/Vienna", by=SYSTEM, at=at)
        with pytest.raises(CommitInDoubtError):
            db.session.commit()


def test_failed_statement_is_not_in_doubt(app):
    with app.app_context():
        db.session.execute(sa.text("SELECT 1"))
        with pytest.raises(sa.exc.ProgrammingError):
            db.session.execute(sa.text("SELECT nothing FROM nowhere"))
        db.session.rollback()


def test_api_says_that_it_does_not_know(app, client, committed, cut_at_commit, at):
    with committed():
        page_id = page_settings.create("Northwind", time_zone="UTC", by=SYSTEM, at=at).public_id
        secret = tokens.create("deployer", scopes=[Scope.MANAGE], by=SYSTEM, at=at)[1]
    cut_at_commit("incident")
    answer = client.post(
        f"/v1/pages/{page_id}/incidents",
        json={"incident": {"name": "Slow", "status": "investigating", "body": "Slow."}},
        headers={"Authorization": f"OAuth {secret}"},
    )
    assert answer.status_code == 503
    assert answer.json["error"] == (
        "We do not know whether this was saved."
        " Read it back, or repeat the request with the same Idempotency-Key."
    )
