"""Whether the news get out: told by /readyz, /metrics and the desk."""

from datetime import timedelta

import pytest

from statuspage.db import db
from statuspage.domain import tokens
from statuspage.domain.events import SYSTEM, Event
from statuspage.domain.subscribers.subscriptions import Channel
from statuspage.domain.tokens import Scope
from statuspage.notify import deliveries, delivery_stats, health, worker
from statuspage.notify.deliveries import Delivery, DeliveryState
from statuspage.notify.dispatcher import fan_out_pending
from statuspage.notify.heartbeat import HeartbeatKind
from statuspage.notify.queue import queue_of
from tests.conftest import on_sqlite

MINUTE = timedelta(minutes=1)


@pytest.fixture
def due(app, subscribed, an_incident, at):
    """`due(3)`: so many deliveries of one incident wait since `at`."""

    def enter(number=1):
        subscribed(number)
        an_incident()
        with app.app_context():
            while fan_out_pending(at):
                pass

    return enter


def look(app, at):
    with app.app_context():
        return health.check(at=at)


def test_heartbeats_are_stored_once_per_kind(app, at):
    for minute in range(3):
        worker.record_heartbeat(app, HeartbeatKind.TICK, at + minute * MINUTE)
    assert look(app, at + 2 * MINUTE).heartbeats == {HeartbeatKind.TICK: at + 2 * MINUTE}


@on_sqlite
def test_silent_worker_is_reported_without_failing_readiness(app, client, at, due):
    worker.record_heartbeat(app, HeartbeatKind.TICK, at - 5 * MINUTE)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert "Warning: The worker has been silent for 5 min" in answer.text
    worker.record_heartbeat(app, HeartbeatKind.TICK, at)
    assert "Warning" not in client.get("/readyz").text


@on_sqlite
def test_readiness_shows_heartbeat_lateness_and_failures_by_channel(
    app, client, at, due, traveller
):
    due(3)
    with app.app_context():
        failed, *_ = db.session.query(Delivery).order_by(Delivery.id)
        failed.state, failed.last_error = DeliveryState.FAILED, "The receiver answered 500."
        db.session.commit()
    worker.record_heartbeat(app, HeartbeatKind.TICK, at)
    traveller.move_to(at + timedelta(seconds=20))
    assert client.get("/readyz").text.splitlines()[2:] == [
        "The worker was seen 20 s ago.",
        "The oldest due message waits for 20 s.",
        "Failing by webhook in a day: 1.",
        "Warning: 1 message could not be delivered in the last 7 days.",
    ]


@on_sqlite
def test_late_deliveries_are_reported_from_the_first_minute(app, at, due):
    due(2)
    assert look(app, at + MINUTE).problems() == ()
    late = look(app, at + 3 * MINUTE)
    assert late.late_by == 3 * MINUTE
    assert late.problems() == (
        "No worker has run yet, so no messages are sent. Start `flask work`.",
        "The oldest message that is due is 3 min late.",
    )


@on_sqlite
def test_lost_canary_is_reported(app, at, traveller):
    worker.enqueue_canary(app, at)
    assert not look(app, at).is_canary_lost
    assert look(app, at + 2 * MINUTE).is_canary_lost
    queue = queue_of(app)
    queue.execute(queue.dequeue())
    assert look(app, at).heartbeats[HeartbeatKind.CANARY] == at
    assert not look(app, at + 2 * MINUTE).is_canary_lost


@on_sqlite
def test_lost_canary_is_logged_once_and_once_on_return(app, at, traveller, caplog):
    worker.enqueue_canary(app, at)
    for minute in range(1, 5):
        worker.record_tick(app, at + minute * MINUTE)
    assert caplog.text.count("canary.lost") == 1
    queue = queue_of(app)
    queue.execute(queue.dequeue())
    for minute in range(5, 8):
        worker.record_tick(app, at + minute * MINUTE)
    assert caplog.text.count("canary.lost") == 1
    assert caplog.text.count("canary.recovered") == 1


@on_sqlite
def test_old_failures_are_listed_without_a_warning(app, at, due):
    due()
    with app.app_context():
        db.session.query(Delivery).one().state = DeliveryState.FAILED
        db.session.commit()
        days = timedelta(days=6), timedelta(days=8)
        assert [health.check(at=at + after).failed for after in days] == [1, 0]
        assert health.check(at=at + days[1]).problems() == ()
        assert len(delivery_stats.undelivered()) == 1


def test_staff_release_or_drop_held_deliveries_and_it_is_audited(app, at, due):
    due(3)
    with app.app_context():
        one, two, three = db.session.query(Delivery).order_by(Delivery.id)
        one.state, two.state, three.state = (
            DeliveryState.HELD,
            DeliveryState.HELD,
            DeliveryState.FAILED,
        )
        db.session.commit()
        (dead, held) = delivery_stats.undelivered()
        assert (dead.number, held.number) == (1, 2)
        decided = {"by": SYSTEM, "at": at + MINUTE}
        assert (
            delivery_stats.decide(held.event, held.channel, held.state, send=True, **decided) == 2
        )
        assert (
            delivery_stats.decide(dead.event, dead.channel, dead.state, send=False, **decided) == 1
        )
        assert (
            delivery_stats.decide(dead.event, dead.channel, dead.state, send=False, **decided) == 0
        )
        db.session.commit()
        assert deliveries.counts() == {
            (Channel.WEBHOOK, DeliveryState.PENDING): 2,
            (Channel.WEBHOOK, DeliveryState.CANCELLED): 1,
        }
        kinds = [event.kind for event in db.session.query(Event).order_by(Event.id.desc())][:2]
        assert kinds == ["delivery.dropped", "delivery.let_go"]


def test_sent_delivery_cannot_be_released_again(app, at, due):
    due()
    with app.app_context():
        delivery = db.session.query(Delivery).one()
        delivery.state = DeliveryState.SENT
        db.session.commit()
        event = db.session.get(Event, delivery.event_id)
        sent = DeliveryState.SENT
        assert not delivery_stats.decide(event, delivery.channel, sent, send=True, by=SYSTEM, at=at)


@on_sqlite
def test_metrics_require_a_token_and_follow_deliveries(app, client, committed, at, due, traveller):
    due(2)
    worker.record_heartbeat(app, HeartbeatKind.TICK, at)
    with committed():
        _, secret = tokens.create("Prometheus", scopes=[Scope.READ], by=SYSTEM, at=at)
    assert client.get("/metrics").status_code == 401
    wrong = client.get("/metrics", headers={"Authorization": "Bearer nothing"})
    assert wrong.status_code == 401
    traveller.move_to(at + MINUTE)
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    figures = dict(
        line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#")
    )
    assert figures['statuspage_deliveries{channel="webhook",state="waiting"}'] == "2.0"
    assert figures["statuspage_oldest_due_delivery_seconds"] == "60.0"
    assert figures["statuspage_worker_silent_seconds"] == "60.0"
    assert figures['statuspage_incidents_open{kind="incident"}'] == "1.0"
    assert figures["statuspage_canary_lost"] == "0.0"
