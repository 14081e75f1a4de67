"""What load balancers and supervisors are told."""

import sqlalchemy as sa

from statuspage.db import db
from tests.conftest import on_sqlite


def test_running_process_is_live(client):
    answer = client.get("/healthz")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")


def test_server_with_database_and_queue_is_ready(client):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.text == "The database answers.\nThe queue answers.\n"
    assert answer.headers["Cache-Control"] == "no-store"


def test_server_without_database_says_so_and_stays_live(app, client, committed):
    with committed() as session:
        session.execute(sa.text("DROP TABLE revision"))
    try:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert "The database does not answer." in answer.text
        assert "The queue answers." in answer.text
        assert client.get("/healthz").status_code == 200
    finally:
        with app.app_context():
            db.metadata.tables["revision"].create(db.engine)


@on_sqlite
def test_database_failure_between_queries_is_not_a_500(app, client, committed):
    with committed() as session:
        session.execute(sa.text("DROP TABLE pulse"))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.text == "The database does not answer.\nThe queue answers.\n"


def test_static_files_have_their_type_and_are_cached_for_a_day(client):
    with client.get("/static/feed.css") as answer:
        assert answer.status_code == 200
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "max-age=86400, public"
