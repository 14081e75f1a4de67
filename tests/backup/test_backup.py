"""Backup and restore: whole, readable by others, and a restored copy that keeps quiet."""

import base64
import io
import resource
import secrets
import sqlite3
import stat
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pyrage
import pytest
import sqlalchemy as sa

from statuspage import clock
from statuspage.backup import age, rows
from statuspage.config import Settings
from statuspage.db import db, postgresql
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.staff import members as staff
from statuspage.notify import deliveries, dispatcher
from statuspage.notify.deliveries import Delivery, DeliveryState
from tests.conftest import SECRET, on_sqlite
from tests.helpers.apps import create_app

PASSPHRASE = "correct horse battery"
PUBLIC = (
    "/",
    "/history",
    "/maintenance",
    "/maintenance.ics",
    "/uptime",
    "/history.atom",
    "/history.rss",
    "/feeds/updates.atom",
    "/feeds/updates.rss",
    "/feeds/updates.json",
    "/api/v2/summary.json",
    "/badge.svg",
)
# Written by age 1.1.1 of Debian: `age -p`.
OF_AGE = base64.b64decode(
    "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBYT0FzTWMrZzYxaEhNNlpHVWdZOU5nIDE4CkZCUXk4NkVn"
    "d0thZ2pXK0hwU0djZkJEbHVjeTJXV0tNUURJWTlwZW9nY0UKLS0tIER2ejYxWm5iQ3FnUDZvdkhsTzRJek9aVGs5"
    "alZYdWhrcnRjY1BGYktUa1EKUW91KfOD3i/jfBlqKlh/FMXVLK2+O3z4T9PqkWErKuBtupbX9w9qTh0i6d15PyJA"
    "MUa97RgYFhW4"
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The work factor of the passphrase, which takes half a second on purpose."""
    monkeypatch.setattr(age, "WORK_FACTOR", 4)


@pytest.fixture
def elsewhere(tmp_path):
    """Another installation, on an SQLite file that is not there yet."""
    settings = Settings(
        data_dir=tmp_path / "elsewhere",
        secret_key=SECRET,
        base_url="https://status.example.com",
        demo=False,
    )
    app = create_app(settings, watch=False)
    yield app
    with app.app_context():
        db.engine.dispose()


def run(app, *words, stdin=""):
    return app.test_cli_runner().invoke(args=[str(word) for word in words], input=stdin)


def pages_of(app):
    client = app.test_client()
    answers = {address: client.get(address) for address in PUBLIC}
    assert {answer.status_code for answer in answers.values()} == {200}
    return {address: (answer.data, answer.headers["ETag"]) for address, answer in answers.items()}


def test_restored_backup_serves_the_same_bytes(app, flask, filled, elsewhere, tmp_path):
    """From either engine: a backup knows none."""
    file = tmp_path / "page.backup"
    made = flask("backup", file)
    assert made.exit_code == 0, made.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "Verified." in made.output
    done = run(elsewhere, "restore", file)
    assert done.exit_code == 0, done.output
    assert pages_of(elsewhere) == pages_of(app)


@on_sqlite
def test_restored_copy_sends_no_pending_delivery(
    app, flask, filled, elsewhere, tmp_path, traveller, committed, at
):
    """Neither what was waiting, nor what nobody had looked at, nor work that began meanwhile."""
    with app.app_context():
        dispatcher.fan_out_pending(at)
    flask("backup", tmp_path / "page.backup")
    traveller.shift(timedelta(days=1, minutes=1))
    assert run(elsewhere, "restore", tmp_path / "page.backup").exit_code == 0
    with elsewhere.app_context():
        waits = deliveries.pending_channels()
        states = set(db.session.scalars(sa.select(Delivery.state)))
        titles = {incident.name for incident in incidents.unresolved()}
        assert dispatcher.fan_out_pending(clock.now()) is False
    assert (waits, states) == ([], {DeliveryState.HELD})
    assert "Faster disks" in titles
    with elsewhere.app_context():
        ids = list(db.session.scalars(sa.select(Delivery.id)))
        assert deliveries.replay(ids, at=clock.now()) == len(ids) >= 3


@on_sqlite
def test_restored_copy_has_no_sessions(app, flask, filled, elsewhere, tmp_path, committed, at):
    flask("backup", tmp_path / "page.backup")
    with committed():
        ada = staff.with_email("ada@example.com")
        for _ in range(3):
            staff.end_sessions(ada, by=ada.actor, at=at)
        token = staff.create_sign_in_link(ada, at=at)
        session = ada.get_id()
    flask("backup", tmp_path / "page.backup")
    run(elsewhere, "restore", tmp_path / "page.backup")
    with elsewhere.app_context():
        assert staff.with_id(session) is None
        assert staff.with_email("ada@example.com").session_version > 1_000_000
    assert b"ada" not in elsewhere.test_client().get(f"/admin/sign-in/{token}").data.lower()


@on_sqlite
def test_restore_refuses_to_overwrite_a_filled_database(flask, filled, elsewhere, tmp_path):
    flask("backup", tmp_path / "page.backup")
    assert run(elsewhere, "restore", tmp_path / "page.backup").exit_code == 0
    again = run(elsewhere, "restore", tmp_path / "page.backup")
    assert again.exit_code == 1
    assert "not empty" in again.output
    replaced = run(elsewhere, "restore", "--replace", tmp_path / "page.backup")
    assert replaced.exit_code == 0, replaced.output
    assert len(list((tmp_path / "elsewhere").glob("statuspage.db.replaced-*"))) == 1


@on_sqlite
def test_restore_refuses_an_sqlite_database_in_use(flask, filled, elsewhere, tmp_path):
    flask("backup", tmp_path / "page.backup")
    run(elsewhere, "restore", tmp_path / "page.backup")
    with closing(sqlite3.connect(tmp_path / "elsewhere" / "statuspage.db")) as process:
        process.execute("PRAGMA journal_mode=WAL")
        process.execute("SELECT * FROM page").fetchall()
        refused = run(elsewhere, "restore", "--replace", tmp_path / "page.backup")
    assert refused.exit_code == 1
    assert "Stop the status page first" in refused.output


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_restore_refuses_a_postgresql_database_in_use(flask, filled, settings, tmp_path):
    flask("backup", tmp_path / "page.backup")
    url = settings.database_url.replace("+psycopg", "")
    with psycopg.connect(url, application_name=postgresql.PROGRAM + "of another group"):
        refused = flask("restore", "--replace", tmp_path / "page.backup")
    assert refused.exit_code == 1
    assert "Stop the status page first" in refused.output


@on_sqlite
def test_replaced_file_keeps_its_unmerged_wal(flask, filled, elsewhere, tmp_path):
    """Whoever rescues rows from it opens both together, which SQLite does by their names."""
    flask("backup", tmp_path / "page.backup")
    run(elsewhere, "restore", tmp_path / "page.backup")
    place = tmp_path / "elsewhere" / "statuspage.db"
    with closing(sqlite3.connect(place)) as process:
        process.execute("PRAGMA journal_mode=WAL")
        process.execute("UPDATE page SET name = 'Renamed'")
        process.commit()
        place.write_bytes(bytes(4096) + place.read_bytes()[4096:])
        done = run(elsewhere, "restore", "--replace", tmp_path / "page.backup")
        assert done.exit_code == 0, done.output
        (kept,) = place.parent.glob("statuspage.db.replaced-*[0-9]")
        assert b"Renamed" in Path(f"{kept}-wal").read_bytes()


def test_writes_continue_during_a_backup(app, flask, filled, tmp_path, committed, at):
    """The copy is of one moment: what is written meanwhile is in the next."""
    with app.app_context(), rows.snapshot(db.engine) as source:
        before = rows.contents(source)
        with committed() as session:
            session.execute(sa.text("UPDATE page SET name = 'Renamed'"))
        assert rows.contents(source) == before
    with app.app_context(), rows.snapshot(db.engine) as source:
        assert rows.contents(source) != before


@on_sqlite
def test_encrypted_backup_opens_only_with_its_passphrase(flask, filled, elsewhere, tmp_path):
    file = tmp_path / "page.age"
    made = flask("backup", file, "--encrypt", stdin=PASSPHRASE + "\n")
    assert made.exit_code == 0, made.output
    assert b"Northwind" not in file.read_bytes()
    wrong = run(elsewhere, "restore", file, stdin="another one entirely\n")
    assert (wrong.exit_code, wrong.output) == (1, "Error: The passphrase is wrong.\n")
    right = run(elsewhere, "restore", file, stdin=PASSPHRASE + "\n")
    assert right.exit_code == 0, right.output


def test_file_encrypted_by_age_can_be_read():
    plain = io.BytesIO()
    age.decrypt(io.BytesIO(OF_AGE), plain, PASSPHRASE)
    assert plain.getvalue() == b"All systems operational.\n"


@pytest.mark.parametrize("size", [0, 5, age.CHUNK_BYTES, 2 * age.CHUNK_BYTES + 1])
def test_pyrage_decrypts_an_encrypted_backup(size):
    body, encrypted = secrets.token_bytes(size), io.BytesIO()
    age.encrypt(io.BytesIO(body), encrypted, PASSPHRASE)
    assert pyrage.passphrase.decrypt(encrypted.getvalue(), PASSPHRASE) == body


@pytest.mark.parametrize("size", [0, 5, age.CHUNK_BYTES, age.CHUNK_BYTES + 1, 2 * age.CHUNK_BYTES])
def test_a_sealed_file_that_was_cut_or_changed_is_not_opened(size):
    sealed = io.BytesIO()
    age.encrypt(io.BytesIO(bytes(size)), sealed, PASSPHRASE)
    whole, plain = sealed.getvalue(), io.BytesIO()
    age.decrypt(io.BytesIO(whole), plain, PASSPHRASE)
    assert plain.getvalue() == bytes(size)
    for broken in (whole[:-1], whole[: -age.TAG_BYTES - 1], whole[:-1] + bytes([whole[-1] ^ 1])):
        with pytest.raises(age.UnreadableError):
            age.decrypt(io.BytesIO(broken), io.BytesIO(), PASSPHRASE)


@on_sqlite
@pytest.mark.parametrize("is_structure", [True, False])
def test_damaged_backup_is_not_restored(flask, filled, elsewhere, tmp_path, is_structure):
    """Also where SQLite itself finds nothing wrong: a changed word is a changed digest."""
    file = tmp_path / "page.backup"
    flask("backup", file)
    data = file.read_bytes()
    if is_structure:
        middle = len(data) // 2
        file.write_bytes(data[:middle] + bytes(8192) + data[middle + 8192 :])
    else:
        file.write_bytes(data.replace(b"stale balance", b"stale salance"))
    refused = run(elsewhere, "restore", file)
    assert refused.exit_code == 1
    assert "damaged" in refused.output
    assert not (tmp_path / "elsewhere" / "statuspage.db").exists() or pages_are_missing(elsewhere)


def pages_are_missing(app):
    with app.app_context():
        return not sa.inspect(db.engine).has_table("page")


@on_sqlite
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON event BEGIN UPDATE staff SET role = 'OWNER'; END",
        "CREATE VIEW v AS SELECT * FROM staff",
    ],
)
def test_restore_refuses_a_backup_with_a_trigger_or_view(
    flask, filled, elsewhere, tmp_path, statement
):
    file = tmp_path / "changed.backup"
    flask("backup", file)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)

    result = run(elsewhere, "restore", file)

    assert result.exit_code == 1
    assert "The file was changed after the backup" in result.output


@on_sqlite
@pytest.mark.parametrize(
    "statement, difference",
    [
        ("ALTER TABLE staff ADD COLUMN is_owner BOOLEAN", "staff.is_owner does not belong to it"),
        ("ALTER TABLE page DROP COLUMN footer", "page.footer is missing"),
        ("DROP TABLE metric_point", "metric_point is missing"),
    ],
)
def test_restore_refuses_a_schema_of_no_release(
    flask, app, elsewhere, tmp_path, statement, difference
):
    with app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql(statement)
    file = tmp_path / "changed.backup"
    assert flask("backup", file).exit_code == 0

    result = run(elsewhere, "restore", file)

    assert result.exit_code == 1
    assert f"not that of a release: {difference}" in result.output


@on_sqlite
def test_a_slip_of_the_keyboard_costs_no_other_file(flask, filled, tmp_path):
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear all")
    for file in (letter, tmp_path / "statuspage.db"):
        before = file.read_bytes()
        refused = flask("backup", file)
        assert refused.exit_code == 1
        assert "was not changed" in refused.output
        assert file.read_bytes() == before
    assert not list(tmp_path.glob(".*.draft*"))


def test_backup_stays_one_file_when_read_and_replaced(flask, filled, tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir()
    file = folder / "page.backup"
    for command in (["backup"], ["restore", "--verify"], ["backup"]):
        assert flask(*command, file).exit_code == 0
        assert list(folder.iterdir()) == [file]
        # Of SQLite's header: neither who writes nor who reads needs a log beside it.
        assert file.read_bytes()[18:20] == b"\x01\x01"


@on_sqlite
def test_full_disk_keeps_the_older_backup(flask, filled, tmp_path):
    file = tmp_path / "page.backup"
    flask("backup", file)
    before = file.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        refused = flask("backup", file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert refused.exit_code == 1
    assert "No backup was made." in refused.output
    assert file.read_bytes() == before
    assert not list(tmp_path.glob(".*.draft*"))
