"""The worker lets time pass: what is due happens once, soon, and after trouble too."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain import components, maintenance
from statuspage.domain.claims import Claim
from statuspage.domain.events import SYSTEM
from statuspage.domain.status import ComponentStatus, IncidentStatus
from statuspage.domain.timeline import Incident
from statuspage.notify import jobs

HOUR = timedelta(hours=1)


@pytest.fixture
def maintenance_in_an_hour(committed, at):
    with committed():
        database = components.add_component("Database", by=SYSTEM, at=at)
        maintenance.schedule(
            "Database upgrade",
            body="The page may be slow.",
            claims={database: Claim(ComponentStatus.UNDER_MAINTENANCE)},
            scheduled_for=at + HOUR,
            scheduled_until=at + 2 * HOUR,
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
def test_maintenance_begins_and_ends_by_itself(app, at):
    jobs.step(app, at + HOUR - timedelta(seconds=1))
    assert _statuses(app) == ["scheduled"]
    jobs.step(app, at + HOUR)
    assert _statuses(app) == ["scheduled", "in_progress"]
    jobs.step(app, at + 2 * HOUR)
    assert _statuses(app) == ["scheduled", "in_progress", "completed"]


@pytest.mark.usefixtures("maintenance_in_an_hour")
def test_many_workers_at_once_take_each_step_once(app, at):
    together = threading.Barrier(4)

    def worker(_) -> None:
        together.wait()
        jobs.step(app, at + HOUR)
        jobs.step(app, at + 2 * HOUR)

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(worker, range(4)))
    assert _statuses(app) == ["scheduled", "in_progress", "completed"]


@pytest.mark.usefixtures("maintenance_in_an_hour")
def test_what_was_due_while_the_database_was_away_happens_when_it_is_back(app, at):
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


def test_the_queue_is_a_file_of_its_own_that_survives_a_power_cut(app, settings):
    queue = jobs.queue_of(app)
    assert queue.pending_count() == 0
    assert (settings.data_dir / "queue.db").exists()
    assert queue.storage.conn.execute("PRAGMA synchronous").fetchone() == (2,)


def test_with_redis_the_queue_is_there(app, settings, redis_url):
    app.config["SETTINGS"] = settings.model_copy(update={"redis_url": redis_url})
    assert jobs.queue_of(app).pending_count() == 0
    assert not (settings.data_dir / "queue.db").exists()
