"""Migrations: up and down with data, alone and together, on both engines."""

import hashlib
import shutil
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask_migrate import downgrade, upgrade

from statuspage.config import PROJECT, Settings
from statuspage.db import db, migrate
from statuspage.domain import page_settings
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents.models import Schedule, UpdateInput
from statuspage.domain.staff import members as staff
from statuspage.domain.staff import second_factor, sessions
from statuspage.domain.statuses import IncidentStatus
from tests.conftest import SECRET
from tests.helpers.apps import create_app

PROCESSES = 5
ALL_AT_ONCE = """
import os, sys, traceback
from statuspage.cli import processes as parts
from statuspage.factory import create_app
from alembic import command
app = create_app()
children = []
for _ in range(int(sys.argv[1])):
    child = os.fork()
    if not child:
        code = 1
        try:
            parts.prepare(app)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            # To take down all that was loaded takes as long as the rest.
            os._exit(code)
    children.append(child)
print(*[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""
"""Starts as many processes as it is told and prints their exit codes. What they load is
loaded before, so that they come to the database together."""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request, tmp_path):
    """A database without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    return request.getfixturevalue("empty_postgres")


@pytest.fixture
def bare(empty_url, tmp_path):
    """The application on that database."""
    settings = Settings(data_dir=tmp_path, database_url=empty_url, secret_key=SECRET)
    app = create_app(settings)
    migrate.use_alembic(app)
    yield app
    with app.app_context():
        db.engine.dispose()


def test_migrating_an_empty_database_gives_the_schema_of_the_models(bare):
    migrate.bring_up_to_date(bare)
    with bare.app_context(), db.engine.connect() as connection:
        # Types are left out: they are ours, and a database gives back its own.
        context = MigrationContext.configure(
            connection, opts={"compare_type": False, "include_name": migrate.is_of_the_models}
        )
        assert compare_metadata(context, db.metadata) == []


def test_migrating_an_up_to_date_database_changes_nothing(bare):
    migrate.bring_up_to_date(bare)
    with bare.app_context():
        before = migrate.revision()
    migrate.bring_up_to_date(bare)
    with bare.app_context():
        assert migrate.revision() == before == migrate.head_revision()


def test_newest_revision_agrees_with_alembic():
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [migrate.head_revision()]


def test_downgrade_and_upgrade_keep_data(bare, at):
    migrate.bring_up_to_date(bare)
    with bare.app_context():
        page_settings.create("Acme", by=SYSTEM, at=at)
        ada = staff.create(
            "ada@example.com",
            name="Ada",
            role=staff.Role.OWNER,
            password=None,
            by=SYSTEM,
            at=at,
        )
        sessions.start(ada.id, browser="Firefox on Linux", at=at)
        second_factor.set_up(ada, keys=[SECRET], at=at)
        db.session.commit()
    with bare.app_context():
        downgrade(directory=str(migrate.MIGRATIONS), revision="base")
        assert sa.inspect(db.engine).get_table_names() == ["alembic_version"]
        upgrade(directory=str(migrate.MIGRATIONS))
        assert page_settings.get() is None


def test_page_of_the_first_release_is_migrated(bare, at):
    migrate.bring_up_to_date(bare)
    with bare.app_context():
        page_settings.create("Acme", by=SYSTEM, at=at)
        db.session.commit()
    with bare.app_context():
        downgrade(directory=str(migrate.MIGRATIONS), revision="0001")
        upgrade(directory=str(migrate.MIGRATIONS))
        page = page_settings.get()
        assert (page.name, page.details) == ("Acme", {})


def test_database_of_a_newer_release_is_not_touched(bare, caplog):
    migrate.bring_up_to_date(bare)
    with bare.app_context():
        db.session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        db.session.commit()
    migrate.bring_up_to_date(bare)
    with bare.app_context():
        assert migrate.revision() == "9999"
    assert "database.schema_is_newer" in caplog.text


def test_upgrade_sends_nothing_old_and_keeps_requested_reminders(bare, at):
    from statuspage.domain import events
    from statuspage.domain.incidents import affected, maintenance, reminders
    from statuspage.domain.incidents.models import Incident

    migrate.bring_up_to_date(bare)
    _with_an_incident(bare, at)
    hour = timedelta(hours=1)
    with bare.app_context():
        for start in (at + hour / 2, at + 9 * hour):
            planned = maintenance.schedule(
                "Upgrade",
                UpdateInput(status=IncidentStatus.SCHEDULED, body="Soon."),
                Schedule(scheduled_for=start, scheduled_until=start + hour),
                by=SYSTEM,
                at=at,
            )
            affected.set_metadata(planned, {"scheduled_remind_prior": True}, by=SYSTEM, at=at)
        db.session.commit()
        assert len(events.pending_fanout(limit=9)) == 3
    with bare.app_context():
        downgrade(directory=str(migrate.MIGRATIONS), revision="0002")
        upgrade(directory=str(migrate.MIGRATIONS))
        assert events.pending_fanout(limit=9) == []
        query = sa.select(Incident.reminds, Incident.remind_at).order_by(Incident.scheduled_for)
        planned = db.session.execute(query.where(Incident.scheduled_for.is_not(None))).all()
        assert planned == [(True, None), (True, at + 8 * hour)]
        assert reminders.due(at=at) == []


@pytest.fixture
def next_migration(monkeypatch, tmp_path):
    """Migrations as of a later release: `next_migration(code)` adds one more."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrate.MIGRATIONS, folder)
    monkeypatch.setattr(migrate, "MIGRATIONS", folder)

    def add(upgrade_code: str) -> str:
        down = migrate.head_revision()
        revision = f"{int(down) + 1:04}"
        (folder / "versions" / f"{revision}_next.py").write_text(
            "import sqlalchemy as sa\n"
            "from alembic import op\n"
            f"revision, down_revision = {revision!r}, {down!r}\n"
            "branch_labels = depends_on = None\n"
            f"def upgrade():\n    {upgrade_code}\n"
            "def downgrade():\n    pass\n"
        )
        return revision

    return add


def _with_an_incident(app, at):
    from statuspage.domain.incidents import verbs as incidents
    from statuspage.domain.statuses import IncidentStatus

    with app.app_context():
        incidents.open_incident(
            "Checkout errors",
            UpdateInput(status=IncidentStatus.INVESTIGATING, body="We are looking."),
            by=SYSTEM,
            at=at,
        )
        db.session.commit()


def _count(app, table: str) -> int:
    with app.app_context():
        return db.session.scalar(sa.text(f"SELECT count(*) FROM {table}"))


def test_rebuilding_a_table_keeps_referring_rows(bare, next_migration, at):
    migrate.bring_up_to_date(bare)
    _with_an_incident(bare, at)
    next_migration(
        "_widen()\n\n"
        "def _widen():\n"
        "    with op.batch_alter_table('incident', recreate='auto') as batch:\n"
        "        batch.alter_column('kind', type_=sa.String(64))\n"
    )
    migrate.bring_up_to_date(bare)
    assert (_count(bare, "incident"), _count(bare, "incident_update")) == (1, 1)


def test_failed_migration_changes_nothing(bare, next_migration, at):
    migrate.bring_up_to_date(bare)
    _with_an_incident(bare, at)
    with bare.app_context():
        before = migrate.revision()
    next_migration("op.execute('DELETE FROM incident_update'); op.execute('SELECT wrong')")
    with pytest.raises(sa.exc.DBAPIError):
        migrate.bring_up_to_date(bare)
    with bare.app_context():
        assert migrate.revision() == before
    assert _count(bare, "incident_update") == 1


START = """
import sys
from pathlib import Path
from statuspage.db import migrate as schema
from statuspage.factory import create_app
schema.MIGRATIONS = Path(sys.argv[1])
schema.bring_up_to_date(create_app())
"""


@pytest.mark.parametrize("empty_url", ["sqlite"], indirect=True)
def test_killed_migration_completes_the_next_time(
    bare, empty_url, next_migration, tmp_path, monkeypatch, at
):
    """Killed after it changed the schema and the rows, before it was through."""
    migrate.bring_up_to_date(bare)
    _with_an_incident(bare, at)
    with bare.app_context():
        before = migrate.revision()
        db.engine.dispose()
    revision = next_migration(
        "op.add_column('incident', sa.Column('mood', sa.Text()))\n"
        "    op.execute('DELETE FROM incident_update')\n"
        "    import os\n"
        "    'KILLED' in os.environ and os.kill(os.getpid(), 9)\n"
    )
    monkeypatch.setenv("STATUSPAGE_DATABASE_URL", empty_url)
    monkeypatch.setenv("STATUSPAGE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KILLED", "1")
    start = [sys.executable, "-c", START, str(migrate.MIGRATIONS)]
    assert subprocess.run(start, cwd=PROJECT, capture_output=True).returncode == -9
    with bare.app_context():
        assert migrate.revision() == before
    assert _count(bare, "incident_update") == 1
    monkeypatch.delenv("KILLED")
    migrate.bring_up_to_date(bare)
    with bare.app_context():
        assert migrate.revision() == revision
        assert "mood" in {
            column["name"] for column in sa.inspect(db.engine).get_columns("incident")
        }


def test_last_three_copies_before_migrations_are_kept(tmp_path, next_migration):
    app = create_app(Settings(data_dir=tmp_path, secret_key=SECRET))
    migrate.bring_up_to_date(app)
    made = []
    for _ in range(4):
        made.append(next_migration("pass"))
        migrate.bring_up_to_date(app)
    with app.app_context():
        db.engine.dispose()
    kept = sorted(tmp_path.glob("statuspage.db.before-*"))
    assert [path.suffix for path in kept] == [f".before-{one}" for one in made[1:]]
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}


def test_sqlite_file_is_copied_before_a_migration(tmp_path, next_migration, at):
    settings = Settings(data_dir=tmp_path, secret_key=SECRET)
    app = create_app(settings)
    migrate.bring_up_to_date(app)
    _with_an_incident(app, at)
    revision = next_migration("op.execute('DELETE FROM incident_update')")
    migrate.bring_up_to_date(app)
    assert _count(app, "incident_update") == 0
    with app.app_context():
        db.engine.dispose()
    copy = sqlite3.connect(tmp_path / f"statuspage.db.before-{revision}")
    assert copy.execute("SELECT count(*) FROM incident_update").fetchone() == (1,)
    copy.close()


def test_concurrent_starts_migrate_an_empty_database_once(empty_url, tmp_path, monkeypatch):
    monkeypatch.setenv("STATUSPAGE_DATABASE_URL", empty_url)
    monkeypatch.setenv("STATUSPAGE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("STATUSPAGE_DEMO", "0")
    monkeypatch.setenv("STATUSPAGE_SECRET_KEY", SECRET)
    start = subprocess.run(
        [sys.executable, "-c", ALL_AT_ONCE, str(PROCESSES)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (start.stdout, start.stderr) == (" ".join(["0"] * PROCESSES) + "\n", "")
    app = create_app(Settings(data_dir=tmp_path, database_url=empty_url, secret_key=SECRET))
    assert _count(app, "page") == 1
    with app.app_context():
        assert migrate.revision() == migrate.head_revision()
        db.engine.dispose()
    assert not list(Path(tmp_path).glob("*.before-*"))


LANDED = {
    "0001_initial.py": "90802f5f0561b573",
    "0002_drop_in.py": "f6fa99ebc742a5cd",
    "0003_ledger.py": "00cbb6983c632a3c",
    "0004_web_push.py": "f28a359a3de72fe2",
    "0005_reminders.py": "31edf670f496cafb",
    "0006_pulse.py": "b4341a12e06a25dc",
    "0007_second_factor.py": "16d3229cc9731b25",
    "0008_failed_at.py": "a29f26ea8aa432ac",
    "0009_lost_leases.py": "4ec65d5a1856bc74",
    "0010_alerts.py": "ac8ed5b7ea21b1cb",
}
"""Migrations that databases have run, with the begin of the SHA-256 of their file."""


@pytest.mark.parametrize("name", LANDED)
def test_a_migration_that_landed_is_never_edited(name):
    """A database that ran it would lack what was added, and nothing would say so."""
    content = (migrate.MIGRATIONS / "versions" / name).read_bytes()
    assert hashlib.sha256(content).hexdigest().startswith(LANDED[name])
