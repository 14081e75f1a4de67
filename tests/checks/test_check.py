"""`flask check`: what it sees, what it says, how it exits."""

import json
import socket
import time
from datetime import timedelta
from threading import Thread

import pytest
import sqlalchemy as sa

from statuspage import config
from statuspage.checks import service
from statuspage.config import Settings
from statuspage.db import damage_mark, db, integrity, migrate
from statuspage.domain.events import SYSTEM
from statuspage.domain.staff import members as staff
from statuspage.domain.staff import second_factor
from statuspage.domain.staff.members import Role
from statuspage.export import runner
from statuspage.export.uploads import TargetState, TargetStates
from statuspage.notify import deliveries, dispatcher, heartbeat
from tests.conftest import SECRET, on_sqlite
from tests.helpers.apps import create_app
from tests.helpers.mail_server import mail_server
from tests.helpers.totp_app import code_at
from tests.notify.conftest import *  # noqa: F403  a component, subscribers, an incident


@pytest.fixture
def check(app):
    """`check()` gives the exit code and (level, words) of each thing looked at."""

    def run(other=None):
        done = (other or app).test_cli_runner().invoke(args=["check", "--json"])
        found: dict[str, list[tuple[str, str]]] = {}
        for finding in json.loads(done.stdout):
            found.setdefault(finding["what"], []).append((finding["level"], finding["words"]))
        return done.exit_code, found

    return run


def damage(app, settings):
    file = settings.sqlite_file
    with app.app_context():
        db.engine.dispose()
    data = bytearray(file.read_bytes())
    for place in range(4096, 12288):
        data[place] ^= 0xFF
    file.write_bytes(data)


@on_sqlite
@pytest.mark.parametrize(
    "status, level", [("200 OK", "ok"), ("503 Service Unavailable", "problem"), (None, "problem")]
)
def test_a_web_process_that_does_not_answer_is_a_problem(
    settings, check, monkeypatch, status, level
):
    monkeypatch.setattr(service, "WEB_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

        if status:
            Thread(target=answer).start()
        _, found = check(create_app(settings.model_copy(update={"port": port}), watch=False))
    ((seen, words),) = found["web"]
    assert seen == level
    assert ("does not respond" in words) is (level == "problem")


@on_sqlite
def test_where_no_page_runs_nothing_is_said_of_the_web_process(settings, check):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Not listening.
        port = taken.getsockname()[1]
        _, found = check(create_app(settings.model_copy(update={"port": port}), watch=False))
    assert "web" not in found


def test_a_schema_that_lacks_a_column_of_its_revision_is_a_problem(app, check, committed):
    with committed() as session:
        session.execute(sa.text("ALTER TABLE subscriber DROP COLUMN consent_text"))
    try:
        code, found = check()
    finally:
        with committed() as session:
            session.execute(sa.text("ALTER TABLE subscriber ADD COLUMN consent_text VARCHAR"))
    assert code == 1
    ((level, words),) = found["database"]
    assert level == "problem"
    assert "but subscriber.consent_text is missing. An unreleased version made it" in words


@on_sqlite
def test_healthy_page_passes_with_suggestions(app, check, component):
    code, found = check()
    assert code == 0, found
    for what in ("database", "disk", "rights", "clock", "queue", "deliveries"):
        assert {level for level, _ in found[what]} == {"ok"}, found[what]
    assert found["mail"] == [("warn", "STATUSPAGE_SMTP_URL is not set: no e-mail is sent.")]
    assert found["backup"][0][0] == "warn"


@on_sqlite
def test_silent_worker_is_a_problem(check, component, committed, at, traveller):
    assert check()[1]["worker"][0][0] == "warn"
    with committed():
        heartbeat.record(heartbeat.HeartbeatKind.TICK, at=at)
    assert check()[1]["worker"] == [("ok", "running, last heartbeat 0 s ago")]
    traveller.shift(timedelta(minutes=2))
    code, found = check()
    level, words = found["worker"][0]
    assert (code, level) == (1, "problem")
    assert words.startswith("silent since 2026-03-10 12:00 UTC")
    assert "restart it" in words


@on_sqlite
def test_late_export_is_named_with_its_reason(settings, component, check, at, tmp_path):
    target = f"file:{tmp_path}/copy"
    other = create_app(settings.model_copy(update={"mirror": target}), watch=False)
    assert check(other)[1]["mirror"][0][0] == "warn"
    folder = runner.folder_of(settings)
    folder.mkdir(parents=True)
    kept = TargetStates(folder)
    kept.note(TargetState(target, made_at=at.isoformat()))
    assert check(other)[1]["mirror"][0][0] == "ok"
    old = at - timedelta(minutes=30)
    kept.note(TargetState(target, made_at=old.isoformat(), error="No space left on device"))
    code, found = check(other)
    assert (code, found["mirror"][0][0]) == (1, "problem")
    assert "No space left on device. Check that the target" in found["mirror"][0][1]
    with other.app_context():
        db.engine.dispose()


@on_sqlite
def test_worker_detects_a_damaged_file(app, settings, component):
    damage(app, settings)
    integrity.check_daily(app)
    mark = damage_mark(settings.sqlite_file)
    deadline = time.monotonic() + 10
    while not mark.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@on_sqlite
def test_text_output_has_one_line_per_finding(app, component):
    lines = app.test_cli_runner().invoke(args=["check"]).stdout.splitlines()
    assert any(line.startswith("ok       database    SQLite is intact") for line in lines)


@on_sqlite
def test_late_and_held_messages_are_named(
    app, check, subscribed, an_incident, committed, at, traveller
):
    subscribed(2)
    an_incident()
    with committed():
        dispatcher.fan_out_pending(at)
    traveller.shift(timedelta(minutes=3))
    code, found = check()
    assert (code, found["deliveries"][0][0]) == (0, "warn")
    assert "waited for 3 minutes" in found["deliveries"][0][1]
    traveller.shift(timedelta(minutes=8))
    code, found = check()
    assert (code, found["deliveries"][0][0]) == (1, "problem")
    with committed() as session:
        session.execute(sa.update(deliveries.Delivery).values(state=deliveries.DeliveryState.HELD))
    code, found = check()
    assert code == 0
    assert "2 are held until" in found["deliveries"][1][1]


@on_sqlite
def test_owners_without_a_second_factor_are_a_suggestion(check, component, committed, at):
    assert "flask staff create" in check()[1]["owners"][0][1]
    keys, names = (SECRET,), ("Olga", "Otto")
    with committed():
        for name in names:
            address = f"{name.lower()}@example.com"
            staff.create(address, name=name, role=Role.OWNER, password=None, by=SYSTEM, at=at)
        staff.create("e@example.com", name="Ed", role=Role.EDITOR, password=None, by=SYSTEM, at=at)
    for name, left in zip(names, ("Olga, Otto", "Otto"), strict=True):
        code, found = check()
        ((level, words),) = found["owners"]
        assert (code, level) == (0, "warn")
        assert words.startswith(f"without a second factor: {left}. ")
        with committed():
            person = staff.with_email(f"{name.lower()}@example.com")
            second_factor.set_up(person, keys=keys, at=at)
            secret = second_factor.secret_to_confirm(person, keys=keys, at=at)
            typed = code_at(secret, at)
            second_factor.confirm(person, typed, keys=keys, by=SYSTEM, at=at)
    assert check()[1]["owners"] == [("ok", "all 2 have a second factor")]


@on_sqlite
def test_clock_set_back_is_detected(check, component, traveller):
    traveller.shift(timedelta(hours=-1))
    code, found = check()
    assert (code, found["clock"][0][0]) == (1, "problem")
    assert "Correct the clock" in found["clock"][0][1]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_clock_difference_to_the_database_is_detected(check, component):
    """The test's clock stands in March; the server's does not."""
    code, found = check()
    assert code == 1
    assert "seconds apart" in found["clock"][0][1]


@on_sqlite
def test_mail_server_is_tried_without_sending_an_email(settings, check, component):
    with mail_server() as inbox:
        other = create_app(settings.model_copy(update={"smtp_url": inbox.url}), watch=False)
        _, found = check(other)
        assert found["mail"] == [("ok", "127.0.0.1 accepts mail from us")]
        assert (inbox.connections, inbox.mails) == (1, [])
    with other.app_context():
        db.engine.dispose()


@on_sqlite
def test_recent_backup_passes_until_it_is_old(app, check, component, tmp_path, traveller):
    file = tmp_path / "page.backup"
    app.test_cli_runner().invoke(args=["backup", str(file)])
    assert check()[1]["backup"][0] == ("ok", "the last one is from 2026-03-10 12:00 UTC")
    file.rename(tmp_path / "elsewhere")
    ((level, words),) = check()[1]["backup"]
    assert level == "warn"
    assert f"{file} no longer exists" in words
    traveller.shift(timedelta(days=3))
    assert check()[1]["backup"][0][0] == "warn"


@on_sqlite
def test_secret_file_readable_by_others_is_a_problem(check, component, settings):
    key = settings.data_dir / "secret_key"
    key.write_text("x" * 40)
    key.chmod(0o644)
    code, found = check()
    assert (code, found["rights"][0][0]) == (1, "problem")
    assert "chmod 600" in found["rights"][0][1]


@on_sqlite
def test_database_file_elsewhere_is_private_and_checked(settings, check, component, tmp_path):
    (tmp_path / "open").mkdir(mode=0o755)
    new = tmp_path / "open" / "other.db"
    migrate.bring_up_to_date(
        other := create_app(
            settings.model_copy(update={"database_url": f"sqlite:///{new}"}), watch=False
        )
    )
    assert new.stat().st_mode & 0o777 == 0o600
    new.chmod(0o644)
    code, found = check(other)
    assert (code, found["rights"][0][0]) == (1, "problem")
    assert f"chmod 600 {new}" in found["rights"][0][1]
    with other.app_context():
        db.engine.dispose()


def test_in_memory_database_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    engine = sa.create_engine("sqlite://")
    engine.connect().close()
    engine.dispose()
    assert not list(tmp_path.iterdir())


@on_sqlite
def test_empty_and_newer_databases_are_distinguished(app, check, committed, tmp_path):
    with committed() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    code, found = check()
    assert (code, found["database"][0][0]) == (1, "problem")
    assert "newer release" in found["database"][0][1]
    (tmp_path / "new").mkdir()
    empty = create_app(Settings(data_dir=tmp_path / "new", secret_key=SECRET), watch=False)
    code, found = check(empty)
    ((level, words),) = found["database"]
    assert level == "warn"
    assert "Start the status page once, or restore a backup." in words
    for what in ("clock", "owners", "worker", "deliveries"):
        assert found[what] == [("warn", "not checked, since the database is missing")]
    assert not (tmp_path / "new" / "statuspage.db").exists()


def test_mistyped_data_folder_is_named_and_not_created(check, tmp_path, monkeypatch):
    monkeypatch.setenv("STATUSPAGE_DATA_DIR", str(tmp_path / "staus"))
    code, found = check(create_app(config.load(), watch=False))
    assert code == 1
    assert "Correct STATUSPAGE_DATA_DIR" in found["data"][0][1]
    assert not (tmp_path / "staus").exists()


@on_sqlite
def test_unavailable_database_and_redis_are_reported_once_with_advice(settings, check):
    away = {
        "database_url": "postgresql+psycopg://postgres:hidden@127.0.0.1:1/x",
        "redis_url": "redis://:hidden@127.0.0.1:1/0",
    }
    code, found = check(create_app(settings.model_copy(update=away), watch=False))
    assert code == 1
    assert found["database"][0][1].endswith("that STATUSPAGE_DATABASE_URL is right.")
    assert found["queue"][0][1].endswith("that STATUSPAGE_REDIS_URL is right.")
    for what in ("clock", "owners", "worker", "deliveries"):
        assert found[what] == [("warn", "not checked, since the database is unavailable")]
    assert "hidden" not in str(found)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"base_url": "http://status.example.com"}, "is not encrypted"),
        ({"base_url": "http://127.0.0.1:8000"}, "which customers cannot open"),
        ({}, "STATUSPAGE_PROXY_HOPS is 0"),
        ({"secret_key": "short-but-allowed"}, "the secret key has 17 characters"),
        ({"smtp_url": "smtp://127.0.0.1:1"}, "nothing listens there"),
        ({"database_url": "postgresql+psycopg://postgres@127.0.0.1:1/x"}, "connection failed"),
    ],
)
def test_unusual_setting_is_named(settings, check, change, sentence):
    other = create_app(settings.model_copy(update=change), watch=False)
    _, found = check(other)
    said = " ".join(words for lines in found.values() for _, words in lines)
    assert sentence in said
    with other.app_context():
        db.engine.dispose()


@on_sqlite
def test_damaged_file_is_a_problem_with_advice(app, check, component, settings):
    damage(app, settings)
    code, found = check()
    assert (code, found["database"][0][0]) == (1, "problem")
    assert "flask restore --replace" in found["database"][0][1]
