"""The worker lets time pass: what is due happens once, soon, and after trouble too."""

import gc
import shutil
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from huey.consumer import Consumer

from statuspage.db import db
from statuspage.domain.claims import Claim
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import maintenance
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Incident, Schedule, UpdateInput
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from statuspage.notify import worker as jobs
from statuspage.notify.queue import queue_of
from tests.conftest import on_sqlite
from tests.helpers import servers
from tests.helpers.apps import create_app

HOUR = timedelta(hours=1)


@pytest.fixture
def maintenance_in_an_hour(committed, at):
    with committed():
        database = components.add_component("Database", by=SYSTEM, at=at)
        maintenance.schedule(
            "Database upgrade",
            UpdateInput(
                status=IncidentStatus.SCHEDULED,
                body="The page may be slow.",
                claims={database: Claim(ComponentStatus.UNDER_MAINTENANCE)},
            ),
            Schedule(scheduled_for=at + HOUR, scheduled_until=at + 2 * HOUR),
            by=SYSTEM,
            at=at,
        )


def _statuses(app) -> list[str]:
    """The statuses of all updates, in the order of posting."""
    with app.app_context():
        incident = db.session.scalars(sa.select(Incident)).one()
        return sorted(
            (update.status for update in incident.updates), key=list(IncidentStatus).index
        )


@pytest.mark.usefixtures("maintenance_in_an_hour")
def test_worker_begins_and_ends_maintenance(app, at):
    jobs.step(app, at + HOUR - timedelta(seconds=1))
    assert _statuses(app) == ["scheduled"]
    jobs.step(app, at + HOUR)
    assert _statuses(app) == ["scheduled", "in_progress"]
    jobs.step(app, at + 2 * HOUR)
    assert _statuses(app) == ["scheduled", "in_progress", "completed"]


@pytest.mark.usefixtures("maintenance_in_an_hour")
def test_many_workers_run_each_step_once(app, at):
    together = threading.Barrier(4)

    def worker(_) -> None:
        together.wait()
        jobs.step(app, at + HOUR)
        jobs.step(app, at + 2 * HOUR)

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(worker, range(4)))
    assert _statuses(app) == ["scheduled", "in_progress", "completed"]


@pytest.mark.usefixtures("maintenance_in_an_hour")
def test_due_work_runs_when_the_database_returns(app, at):
    with app.app_context():
        db.session.execute(sa.text("ALTER TABLE incident RENAME TO away"))
        db.session.commit()
    try:
        with pytest.raises(sa.exc.DBAPIError):
            jobs.step(app, at + HOUR)
    finally:
        with app.app_context():
            db.session.execute(sa.text("ALTER TABLE away RENAME TO incident"))
            db.session.commit()
    jobs.step(app, at + HOUR)
    assert _statuses(app) == ["scheduled", "in_progress"]


@pytest.fixture
def a_broken_maintenance(committed, at):
    """One that is due first, with a name that no rule lets through."""
    with committed():
        broken = maintenance.schedule(
            "Disks",
            UpdateInput(status=IncidentStatus.SCHEDULED, body="New disks."),
            Schedule(scheduled_for=at + HOUR / 2, scheduled_until=at + 2 * HOUR),
            by=SYSTEM,
            at=at,
        )
        broken.name = ""
        return broken.public_id


@pytest.mark.usefixtures("maintenance_in_an_hour")
def test_failing_maintenance_does_not_block_another(app, at, a_broken_maintenance, stands):
    jobs.step(app, at + HOUR)
    assert stands() == {"": "scheduled", "Database upgrade": "in_progress"}


@pytest.mark.usefixtures("maintenance_in_an_hour")
def test_failing_maintenance_is_retried_each_tick_and_logged_once(
    app, at, a_broken_maintenance, stands, committed, caplog
):
    for second in range(3):
        jobs.step(app, at + HOUR + timedelta(seconds=second))
    failures = [one for one in caplog.messages if "maintenance.failed" in one]
    assert len(failures) == 1
    assert a_broken_maintenance in failures[0]
    assert "Enter a name that" in caplog.text
    with committed():
        incidents.get(a_broken_maintenance).name = "Disks"
    jobs.step(app, at + HOUR + timedelta(seconds=3))
    assert stands()["Disks"] == "in_progress"
    assert "maintenance.recovered" in caplog.text


@pytest.fixture
def stands(app):
    """Name → status of everything there is."""

    def ask() -> dict[str, str]:
        with app.app_context():
            found = db.session.scalars(sa.select(Incident))
            return {incident.name: incident.status.value for incident in found}

    return ask


def test_queue_file_is_separate_and_durable(app, settings):
    queue = queue_of(app)
    assert queue.pending_count() == 0
    assert stat.S_IMODE((settings.data_dir / "queue.db").stat().st_mode) == 0o600
    assert queue.storage.conn.execute("PRAGMA synchronous").fetchone() == (2,)


@on_sqlite
def test_queue_file_is_closed_with_its_application(settings):
    opened = queue_of(create_app(settings, watch=False)).storage.conn
    create_app(settings, watch=False)  # The gauges hold the latest one.
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
        opened.execute("SELECT 1")


def test_redis_url_puts_the_queue_into_redis(app, settings, redis_url):
    app.config["SETTINGS"] = settings.model_copy(update={"redis_url": redis_url})
    assert queue_of(app).pending_count() == 0
    assert not (settings.data_dir / "queue.db").exists()


@on_sqlite
@pytest.mark.usefixtures("redis_url")
def test_redis_outage_and_return_are_logged_once(app, settings, caplog):
    program = shutil.which("redis-server") or pytest.skip("Redis runs elsewhere.")
    redis, url = servers.start_redis(program)
    app.config["SETTINGS"] = settings.model_copy(update={"redis_url": url})
    consumer = Consumer(queue_of(app))
    consumer.stop_flag.set()  # Between two tries it does not wait.
    (worker, _), scheduler = consumer.worker_threads[0], consumer._create_scheduler()
    scheduler.loop()
    assert caplog.messages == []

    redis.stop()
    for _ in range(3):
        worker.loop()
        scheduler.loop()
    assert len(caplog.messages) == 1
    assert "queue.failed" in caplog.text
    assert "Traceback" not in caplog.text

    redis, _ = servers.start_redis(program, port=int(url.split(":")[2].split("/")[0]))
    try:
        for _ in range(2):
            scheduler.loop()
    finally:
        redis.stop()
    assert len(caplog.messages) == 2
    assert "queue.recovered" in caplog.text
