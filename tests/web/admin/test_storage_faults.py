"""An SQLite file that is damaged, locked, full or read-only: readers are served, staff are told."""

import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from statuspage.db import damage_mark, db, integrity
from statuspage.domain.incidents import verbs as incidents
from tests.conftest import on_sqlite
from tests.helpers.admin import fields_of
from tests.helpers.apps import create_app
from tests.web.admin.test_incidents import an_update

pytestmark = on_sqlite

WORDS = "Words that took\nten minutes to find."


@pytest.fixture
def file(settings):
    return settings.sqlite_file


@pytest.fixture
def every_connection(app):
    """`every_connection("PRAGMA …")` is said to each connection from now on."""
    with app.app_context():
        engine = db.engine

    @contextmanager
    def told(pragma):
        def say(connection, _record):
            connection.execute(pragma)

        engine.dispose()
        sa.event.listen(engine, "connect", say)
        try:
            yield
        finally:
            sa.event.remove(engine, "connect", say)
            engine.dispose()

    return told


def test_locked_file_serves_readers_and_keeps_typed_text(
    app, client, ann, world, an_incident, stored, file, every_connection
):
    public_id = an_incident()
    address = f"/admin/incidents/{public_id}/updates"
    form = fields_of(ann.get(f"/admin/incidents/{public_id}"), address)
    form |= an_update(world, body=WORDS)
    token = ann.token()
    with every_connection("PRAGMA busy_timeout=20"), closing(sqlite3.connect(file)) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        for path in ("/", "/history", "/uptime", "/history.atom", "/api/v2/summary.json"):
            assert client.get(path).status_code == 200
        answer = ann.post(address, form, token=token)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert "The database is busy" in answer.text
        kept = fields_of(answer, address)
        assert kept["body"] == WORDS
        other.execute("COMMIT")
        assert ann.post(address, kept).status_code == 303
    assert len(stored(lambda: incidents.get(public_id).updates)) == 2


def test_full_disk_is_reported_and_loses_nothing(
    app, client, ann, world, an_incident, stored, file, every_connection
):
    public_id = an_incident()
    address = f"/admin/incidents/{public_id}/updates"
    form = fields_of(ann.get(f"/admin/incidents/{public_id}"), address)
    form |= an_update(world, body=WORDS)
    token = ann.token()
    with every_connection("PRAGMA max_page_count=1"):
        saved, answer = 1, ann.post(address, form | {"nonce": "0"}, token=token)
        while answer.status_code == 303:
            saved += 1
            answer = ann.post(address, form | {"nonce": str(saved)}, token=token)
        assert answer.status_code == 503
        assert "The database’s disk is full" in answer.text
        assert fields_of(answer, address)["body"] == WORDS
        assert client.get("/").status_code == 200
    assert ann.post(address, form | {"nonce": "last"}).status_code == 303
    assert len(stored(lambda: incidents.get(public_id).updates)) == saved + 1
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_read_only_file_is_reported(client, ann, world, an_incident, every_connection):
    public_id = an_incident()
    address = f"/admin/incidents/{public_id}/updates"
    form = fields_of(ann.get(f"/admin/incidents/{public_id}"), address) | an_update(world)
    token = ann.token()
    with every_connection("PRAGMA query_only=1"):
        answer = ann.post(address, form, token=token)
        assert answer.status_code == 503
        assert "is read-only" in answer.text
        assert client.get("/").status_code == 200
    assert ann.post(address, form).status_code == 303


def test_commit_waits_for_the_disk(app):
    with app.app_context(), db.engine.connect() as connection:
        said = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("synchronous", "journal_mode", "foreign_keys")
        }
    assert said == {"synchronous": 2, "journal_mode": "wal", "foreign_keys": 1}


def flip_bytes(app, file: Path, table: str) -> None:
    """Spoil every page of a table, as a bad disk would."""
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data = bytearray(file.read_bytes())
    start = (root - 1) * size
    for place in range(start, start + size):
        data[place] ^= 0xFF
    file.write_bytes(data)


def test_damaged_file_is_detected_and_no_partial_history_shown(
    app, client, ann, world, an_incident, file, settings, tmp_path
):
    public_id = an_incident()
    before = {path: client.get(path).data for path in ("/", "/history", "/history.atom")}
    backup = tmp_path / "page.backup"
    assert app.test_cli_runner().invoke(args=["backup", str(backup)]).exit_code == 0
    flip_bytes(app, file, "incident_update")

    assert client.get("/uptime").status_code in (200, 503)
    assert client.get(f"/incidents/{public_id}").status_code in (200, 503)
    assert {path: client.get(path).data for path in before} == before
    assert damage_mark(file).exists()
    desk = ann.get("/admin/")
    assert desk.status_code == 503
    assert "The database is damaged" in desk.text
    assert "flask restore" in desk.text

    # A process that starts now looks before it makes a page.
    damage_mark(file).unlink()
    again = create_app(settings, watch=False)
    integrity.check_at_start(again)
    assert damage_mark(file).exists()
    reader = again.test_client()
    assert reader.get("/").status_code == 200
    assert b"Card payments" in reader.get("/").data
    assert reader.get(f"/incidents/{'0' * 12}").status_code == 503
    assert reader.get("/readyz").status_code == 503

    for stopped in (app, again):
        with stopped.app_context():
            db.engine.dispose()
    runner = again.test_cli_runner()
    done = runner.invoke(args=["restore", "--replace", str(backup)])
    assert done.exit_code == 0, done.output
    assert not damage_mark(file).exists()
    assert client.get("/").data == before["/"]
    assert client.get(f"/incidents/{public_id}").status_code == 200
    assert ann.get("/admin/", follow_redirects=False).status_code == 302, "sessions have ended"


def test_intact_file_is_left_alone(app, file):
    assert integrity.check(app) is None
    damage_mark(file).write_text("an earlier look")
    assert integrity.check(app) is None
    assert not damage_mark(file).exists()


def test_backup_of_a_damaged_file_is_refused(app, world, file, tmp_path):
    flip_bytes(app, file, "component")
    refused = app.test_cli_runner().invoke(args=["backup", str(tmp_path / "page.backup")])
    assert refused.exit_code == 1
    assert "No backup was made." in refused.output
    assert not (tmp_path / "page.backup").exists()
