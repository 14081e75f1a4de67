"""The machine's clock is set, the zone's clock is put forward or back: each thing happens once."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as limits_of
from hypothesis import strategies as st

from statuspage.db import db
from statuspage.domain import events, page_settings
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import maintenance
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Schedule, UpdateInput
from statuspage.domain.statuses import IncidentStatus
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber, SubscriberState
from statuspage.notify import deliveries, worker
from statuspage.notify.clock_jumps import ClockGuard
from statuspage.notify.deliveries import Delivery, DeliveryState
from statuspage.notify.dispatcher import Dispatcher
from statuspage.web.admin import local_time
from tests.conftest import on_sqlite

pytestmark = on_sqlite

HOUR = timedelta(hours=1)
TURNS = [
    ("Europe/Berlin", "2026-03-29 01:30", "2026-03-29 03:30", 60),
    ("Europe/Berlin", "2026-10-25 01:30", "2026-10-25 03:30", 180),
    ("America/New_York", "2026-03-08 01:30", "2026-03-08 03:30", 60),
    ("America/New_York", "2026-11-01 00:30", "2026-11-01 02:30", 180),
    ("Australia/Lord_Howe", "2026-04-05 01:15", "2026-04-05 02:15", 90),
    ("Australia/Lord_Howe", "2026-10-04 01:45", "2026-10-04 02:45", 30),
    ("Europe/Berlin", "2028-02-28 23:30", "2028-02-29 00:30", 60),
    ("Australia/Lord_Howe", "2028-02-29 23:30", "2028-03-01 00:30", 60),
    ("America/New_York", "2026-12-31 23:30", "2027-01-01 00:30", 60),
]
"""Zone, start and end as staff type them, and the minutes that really pass between."""


@limits_of(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(turn=st.sampled_from(TURNS), jumps=st.lists(st.integers(-90, 90), max_size=6))
def test_maintenance_begins_and_ends_once_despite_clock_jumps(app, turn, jumps):
    zone, typed_start, typed_end, minutes = turn
    start, end = (local_time.parse(text, ZoneInfo(zone)) for text in (typed_start, typed_end))
    assert end - start == timedelta(minutes=minutes)
    with app.app_context():
        public_id = maintenance.schedule(
            "Upgrade",
            UpdateInput(status=IncidentStatus.SCHEDULED, body="Slow."),
            Schedule(scheduled_for=start, scheduled_until=end),
            by=SYSTEM,
            at=start - HOUR,
        ).public_id
        db.session.commit()
    moment = start - HOUR / 2
    for jump in jumps:
        worker.step(app, moment)
        moment += timedelta(minutes=jump)
    for last in (start - timedelta(seconds=1), start, end, start, end + HOUR):
        worker.step(app, last)
    with app.app_context():
        steps = [update.status for update in incidents.get(public_id).updates]
    assert sorted(steps, key=list(IncidentStatus).index) == [
        IncidentStatus.SCHEDULED,
        IncidentStatus.IN_PROGRESS,
        IncidentStatus.COMPLETED,
    ]


@pytest.fixture
def claimed(committed, at):
    """One delivery that a worker claimed at `at`."""
    with committed():
        page_settings.create("Brambleway", by=SYSTEM, at=at)
        subscriber = Subscriber(
            key="webhook:1",
            channel=Channel.WEBHOOK,
            state=SubscriberState.ACTIVE,
            address="https://hooks.example.com/1",
            created_at=at,
        )
        db.session.add(subscriber)
        status = IncidentStatus.INVESTIGATING
        incidents.open_incident("Trouble", UpdateInput(status=status, body="!"), by=SYSTEM, at=at)
        db.session.flush()
        event = events.pending_fanout(limit=1)[0]
        event.fanned_out_at = at
        db.session.add(
            Delivery(
                event_id=event.id,
                subscriber_id=subscriber.id,
                channel=Channel.WEBHOOK,
                state=DeliveryState.PENDING,
                priority=0,
                attempts=0,
                due_at=at,
            )
        )
        db.session.flush()
        deliveries.lease(Channel.WEBHOOK, 1, at=at)


@pytest.fixture
def state(app):
    def ask():
        with app.app_context():
            return db.session.scalar(sa.select(Delivery.state))

    return ask


@pytest.mark.usefixtures("claimed")
@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_lease_survives_clock_jumps(app, at, state, jump):
    ran = [0.0]
    teller = Dispatcher(app, senders={}, clock_guard=ClockGuard(lambda: ran[0]))

    def tick(seconds):
        ran[0] += seconds
        teller.step(at + jump * (ran[0] > 10) + timedelta(seconds=ran[0]))

    tick(10)
    tick(1)
    assert state() is DeliveryState.SENDING
    tick(deliveries.LEASE.total_seconds() - 1)
    assert state() is DeliveryState.SENDING
    tick(1)
    assert state() is DeliveryState.PENDING


def test_clock_set_back_does_not_prolong_a_rate_limit(another, committed, at, traveller):
    with committed():
        page_settings.create("Brambleway", by=SYSTEM, at=at)
    app = another(base_url="http://localhost")
    body = {"subscriber": {"email": "not an address"}}

    def code():
        return app.test_client().post("/api/v2/subscribers.json", json=body).status_code

    while code() != 429:
        pass
    traveller.move_to(datetime(2026, 3, 10, 9, tzinfo=UTC), tick=False)
    assert code() != 429
