"""`flask db move`: from one engine to the other and back, the same to the last byte."""

import pytest
import sqlalchemy as sa

from statuspage.backup import move_engine, rows
from statuspage.config import Settings
from statuspage.db import db, migrate
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from tests.conftest import SECRET, on_sqlite
from tests.helpers.apps import create_app

NEVER = "postgresql://postgres@127.0.0.1:1/nowhere"


@pytest.fixture
def other_url(database_url, tmp_path, request):
    """An empty database of the engine that `app` is not on."""
    if database_url.startswith("sqlite"):
        return request.getfixturevalue("empty_postgres")
    return f"sqlite:///{tmp_path}/moved.db"


def contents_of(app):
    with app.app_context(), rows.snapshot(db.engine) as connection:
        return rows.contents(connection)


def test_moving_engines_keeps_every_row_and_public_byte(
    app, flask, filled, other_url, tmp_path, at, monkeypatch
):
    before = contents_of(app)
    done = flask("db", "move", other_url)
    assert done.exit_code == 0, done.output
    assert "public addresses return the same bytes" in done.output
    assert "the same  incident_update" in done.output
    assert contents_of(app) == before
    settings = Settings(data_dir=tmp_path / "moved", database_url=other_url, secret_key=SECRET)
    moved = create_app(settings, watch=False)
    assert contents_of(moved) == before
    assert "Card payments declined" in moved.test_client().get("/history?q=balance").text
    with moved.app_context():
        assert migrate.revision() == migrate.head_revision()
        known = {component.id for component in components.listed()}
        new = components.add_component("Search", by=SYSTEM, at=at)
        db.session.commit()
        assert new.id not in known
        db.session.remove()
        db.engine.dispose()
    monkeypatch.setenv("STATUSPAGE_NEW_DATABASE_URL", other_url)
    again = flask("db", "move")
    assert (again.exit_code, again.output) == (
        1,
        "Error: The new database is not empty; it was not changed.\n",
    )


@on_sqlite
@pytest.mark.parametrize(
    "url, sentence",
    [
        ("mysql://localhost/page", "starts with 'mysql'"),
        (NEVER, "cannot be used: connection failed"),
        ("the same", "that the page already uses"),
    ],
)
def test_impossible_move_says_why(flask, filled, settings, url, sentence):
    refused = flask("db", "move", settings.database_url if url == "the same" else url)
    assert refused.exit_code == 1
    assert sentence in refused.output


@on_sqlite
def test_interrupted_move_leaves_the_new_database_empty(app, flask, filled, tmp_path, at):
    class Stop(Exception):
        pass

    def stop_at_updates(line):
        if line.startswith("copied    incident_update"):
            raise Stop

    url = f"sqlite:///{tmp_path}/moved.db"
    with pytest.raises(Stop):
        move_engine.move(app, url, at=at, tell=stop_at_updates)
    done = flask("db", "move", url)
    assert done.exit_code == 0, done.output


@on_sqlite
def test_write_during_a_move_is_reported(app, filled, tmp_path, at):
    def write(line):
        if line.startswith("copied    page:"):
            with app.app_context():
                db.session.execute(sa.text("UPDATE page SET about = 'Changed meanwhile'"))
                db.session.commit()

    with pytest.raises(rows.DifferentError):
        move_engine.move(app, f"sqlite:///{tmp_path}/moved.db", at=at, tell=write)


def test_flask_migrate_commands_exist_beside_ours(flask):
    listed = flask("db", "--help").output
    assert "upgrade" in listed
    assert "move" in listed
