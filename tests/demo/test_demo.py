"""The demo page: what a stranger sees after the first start."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from statuspage.config import Settings
from statuspage.db import db
from statuspage.demo import seed as demo
from statuspage.domain.events import Event
from statuspage.domain.incidents.models import Incident, IncidentUpdate
from statuspage.domain.staff import members as staff
from statuspage.domain.statuses import ComponentStatus, IncidentKind, IncidentStatus
from statuspage.page.snapshot import build as snapshot
from statuspage.page.snapshot.values import Snapshot
from tests.conftest import SECRET, on_sqlite
from tests.helpers.apps import create_app

BASE = "https://status.example"
AT = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def seeded(_sqlite_template, tmp_path_factory) -> Path:
    """A file with the demo page, made once for all tests of this module."""
    folder = tmp_path_factory.mktemp("seeded")
    path = folder / "statuspage.db"
    shutil.copyfile(_sqlite_template, path)
    app = create_app(
        Settings(data_dir=folder, database_url=f"sqlite:///{path}", secret_key=SECRET), watch=False
    )
    with app.app_context():
        demo.seed(at=AT)
        db.session.commit()
        db.engine.dispose()
    return path


@pytest.fixture
def shown(app: Flask, seeded: Path, at: datetime) -> Snapshot:
    assert at == AT
    with app.app_context():
        shutil.copyfile(seeded, db.engine.url.database)
        return snapshot.take(at=at, base_url=BASE)


@on_sqlite
def test_demo_has_an_open_partial_outage_that_says_who_is_affected(shown, at):
    (incident,) = shown.incidents
    (change,) = incident.updates[0].changes
    assert incident.status is IncidentStatus.IDENTIFIED
    assert change.claim.status is ComponentStatus.PARTIAL_OUTAGE
    assert change.claim.share is not None
    assert incident.who_is_affected
    assert incident.what_still_works
    assert incident.what_you_can_do
    assert incident.next_update_by == at + timedelta(minutes=15)
    assert not incident.is_overdue


@on_sqlite
def test_demo_has_one_upcoming_maintenance(shown, at):
    (planned,) = shown.maintenances
    assert planned.status is IncidentStatus.SCHEDULED
    assert planned.scheduled_for > at


@on_sqlite
def test_demo_components_are_operational_except_for_the_open_incident(shown):
    troubled = {
        component.name for component in shown.components if component.status != "operational"
    }
    assert troubled == {name for _, name in shown.incidents[0].components}


@on_sqlite
def test_demo_has_a_year_of_history_with_postmortems_and_edits(app, shown, at):
    with app.app_context():
        recent = snapshot.recent(at=at, base_url=BASE, limit=100)
        assert recent is not None
        views = recent.incidents
        past = [view for view in views if view.is_over and view.kind is IncidentKind.INCIDENT]
        assert len(past) >= 20
        assert min(one.started_at for one in past) < at - timedelta(days=300)
        assert any(one.postmortem and one.postmortem.version > 1 for one in past)
        assert any(update.edits for one in past for update in one.updates)
        assert any(view.promises_kept < view.promises_made for view in views)
        assert all(one.resolved_at > one.started_at for one in past)


@on_sqlite
def test_demo_has_no_future_events_and_no_notifications(app, shown, at):
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.max(Event.at))) <= at
        assert db.session.scalar(sa.select(sa.func.max(IncidentUpdate.posted_at))) <= at
        assert db.session.scalars(sa.select(Event).where(Event.notify)).all() == []


@on_sqlite
def test_demo_story_is_deterministic(app, shown, at):
    def told() -> list[tuple[str, datetime]]:
        return [
            (incident.name, incident.started_at)
            for incident in db.session.scalars(sa.select(Incident).order_by(Incident.id))
        ]

    with app.app_context():
        first = told()
        for table in reversed(db.metadata.sorted_tables):
            db.session.execute(table.delete())
        db.session.commit()
        db.session.expunge_all()
        demo.seed(at=at)
        assert told() == first


@on_sqlite
def test_existing_page_is_left_alone(app, shown, at):
    with app.app_context():
        before = db.session.scalar(sa.select(sa.func.count(Event.id)))
        demo.seed(at=at)
        assert db.session.scalar(sa.select(sa.func.count(Event.id))) == before


@on_sqlite
def test_demo_owner_signs_in_by_link_only(app, shown):
    with app.app_context():
        owner = staff.with_email(demo.OWNER_EMAIL)
        assert owner is not None
        assert owner.role is staff.Role.OWNER
        assert owner.password_hash is None
