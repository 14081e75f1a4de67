"""The ledger: everybody is told, once, whatever dies in between."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import groupby

import pytest
import sqlalchemy as sa

from statuspage import clock
from statuspage.db import db
from statuspage.domain.claims import Claim
from statuspage.domain.components import claims_store
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM, Event
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from statuspage.domain.subscribers.subscriptions import Channel, NotifyOn, Subscriber
from statuspage.notify import deliveries, fanout, send_limits, sender
from statuspage.notify import worker as jobs
from statuspage.notify.channels.base import Failed
from statuspage.notify.deliveries import Delivery, DeliveryState
from statuspage.notify.dispatcher import PIECES_PER_STEP, Dispatcher, fan_out_pending
from statuspage.notify.sender import Preparation, attempt, record_results
from tests.conftest import on_sqlite
from tests.helpers.proxy import until as wait_until


@pytest.fixture
def entered(app, at):
    """`entered()` fans everything out, as a tick does."""

    def enter(moment=at):
        with app.app_context():
            while fan_out_pending(moment):
                pass

    return enter


@pytest.fixture
def states(app):
    """`states()`: how many deliveries are in which state."""

    def ask():
        with app.app_context():
            query = sa.select(Delivery.state, sa.func.count()).group_by(Delivery.state)
            return dict(db.session.execute(query).all())

    return ask


@pytest.fixture
def drained(app, at, receiver):
    """`drained()` sends what waits, as a lane does, in one thread."""

    def drain(channel=Channel.WEBHOOK, *, limit=100):
        while True:
            with app.app_context():
                claimed = deliveries.lease(channel, limit, at=at)
                db.session.commit()
            if not claimed:
                return
            outcomes = []
            for one, prepared in zip(claimed, Preparation(app)(channel, claimed), strict=True):
                if isinstance(prepared, str):
                    outcomes.append(deliveries.Outcome(one, DeliveryState.CANCELLED, prepared))
                else:
                    outcomes.append(attempt(receiver.way(), one, *prepared))
            record_results(app, outcomes)

    return drain


# ── who is told ────────────────────────────────────────────────────────────────


def test_fan_out_creates_one_delivery_per_subscriber_despite_retries(
    app, subscribed, an_incident, entered, states, at
):
    subscribed(3)
    an_incident()
    entered()
    with app.app_context():
        db.session.execute(sa.update(Event).values(fanned_out_at=None, fanned_out_to=0))
        db.session.commit()
    entered()
    assert states() == {"waiting": 3}


def test_fan_out_handles_a_long_list_in_pieces(
    app, subscribed, an_incident, entered, states, monkeypatch
):
    monkeypatch.setattr(fanout, "SUBSCRIBERS_PER_STEP", 3)
    subscribed(20)
    an_incident()
    entered()
    assert states() == {"waiting": 20}


@on_sqlite
@pytest.mark.usefixtures("traveller")
def test_worker_steps_continue_during_a_long_fan_out(app, subscribed, an_incident, monkeypatch):
    monkeypatch.setattr(fanout, "SUBSCRIBERS_PER_STEP", 1)
    monkeypatch.setattr(jobs, "TICK_S", 0.01)
    subscribed(3 * PIECES_PER_STEP)
    an_incident()
    app.extensions["dispatcher"] = Dispatcher(app, {})
    stopping, asked = threading.Event(), []

    def note(connection, cursor, statement, *_):
        if statement.startswith("INSERT INTO delivery"):
            asked.append("entered")
        elif statement.partition("FROM")[0].strip() == "SELECT incident.public_id":
            asked.append("what is due")
        if asked.count("entered") == 3 * PIECES_PER_STEP:
            stopping.set()

    with app.app_context():
        sa.event.listen(db.engine, "before_cursor_execute", note)
    jobs._tick_until(stopping, app)
    runs = [len(list(run)) for what, run in groupby(asked) if what == "entered"]
    assert runs == [PIECES_PER_STEP] * 3


def test_several_workers_create_each_delivery_once(
    app, subscribed, an_incident, states, at, monkeypatch
):
    monkeypatch.setattr(fanout, "SUBSCRIBERS_PER_STEP", 2)
    subscribed(15)
    an_incident()
    together = threading.Barrier(3)

    def worker(_):
        together.wait()
        with app.app_context():
            while fan_out_pending(at):
                pass

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(worker, range(3)))
    assert states() == {"waiting": 15}


@on_sqlite
def test_subscriber_of_other_components_or_incidents_gets_nothing(
    committed, subscribed, an_incident, entered, drained, receiver, component, at
):
    (whole,) = subscribed()
    (mine,), (other,) = subscribed(), subscribed()
    with committed():
        extra = components.add_component("Search", by=SYSTEM, at=at)
        rows = {row.public_id: row for row in db.session.scalars(sa.select(Subscriber))}
        rows[mine].components = [components.get(component)]
        rows[other].components = [extra]
    an_incident()
    entered()
    drained()
    assert sorted(receiver.told) == sorted([whole, mine])


@on_sqlite
def test_subscriber_notified_of_an_outage_is_notified_of_its_end(
    committed, subscribed, an_incident, entered, drained, receiver, at
):
    (one,) = subscribed()
    incident = an_incident()
    entered()
    drained()
    with committed():
        row = db.session.scalar(sa.select(Subscriber))
        row.components = [components.add_component("Search", by=SYSTEM, at=at)]
        incidents.post_update(
            incidents.get(incident),
            UpdateInput(status=IncidentStatus.RESOLVED, body="Fixed."),
            by=SYSTEM,
            at=at,
        )
    entered()
    drained()
    assert receiver.told == [one, one]


@on_sqlite
def test_subscriber_of_start_and_end_gets_no_updates_between(
    committed, subscribed, an_incident, entered, drained, receiver, component, at
):
    (brief,) = subscribed(wants=NotifyOn.ENDS)
    incident = an_incident()
    for status in (IncidentStatus.IDENTIFIED, IncidentStatus.MONITORING, IncidentStatus.RESOLVED):
        with committed():
            incidents.post_update(
                incidents.get(incident),
                UpdateInput(status=status, body="Going on."),
                by=SYSTEM,
                at=at,
            )
        entered()
    drained()
    assert receiver.told == [brief, brief]


@on_sqlite
def test_update_without_notification_is_not_sent(
    committed, subscribed, an_incident, entered, states
):
    subscribed()
    an_incident(notify=False)
    entered()
    assert states() == {}


@on_sqlite
def test_manual_status_is_sent_to_webhooks_only(
    committed, subscribed, entered, states, app, component, at
):
    subscribed()
    subscribed(channel=Channel.EMAIL)
    with committed():
        row = components.get(component)
        claims_store.set_status(row, Claim(ComponentStatus.MAJOR_OUTAGE), by=SYSTEM, at=at)
    entered()
    with app.app_context():
        assert list(db.session.scalars(sa.select(Delivery.channel))) == [Channel.WEBHOOK]


# ── claims and leases ──────────────────────────────────────────────────────────


def test_two_workers_never_get_the_same_delivery(app, subscribed, an_incident, entered, at):
    subscribed(40)
    an_incident()
    entered()
    together = threading.Barrier(4)

    def worker(_):
        together.wait()
        mine = []
        with app.app_context():
            while claimed := deliveries.lease(Channel.WEBHOOK, 3, at=at):
                db.session.commit()
                mine += claimed
        return mine

    with ThreadPoolExecutor(4) as pool:
        ids = [one.id for mine in pool.map(worker, range(4)) for one in mine]
    assert len(ids) == len(set(ids)) == 40


def test_delivery_of_a_killed_worker_is_sent_by_another_with_the_same_key(
    app, subscribed, an_incident, entered, drained, receiver, states, at
):
    subscribed(2)
    an_incident()
    entered()
    with app.app_context():
        lost = deliveries.lease(Channel.WEBHOOK, 2, at=at)
        db.session.commit()
    drained()
    assert receiver.taken == []
    with app.app_context():
        deliveries.requeue_due(at=at + deliveries.LEASE)
        db.session.commit()
    drained()
    assert len(receiver.taken) == 2
    # The one that was thought dead comes back: it may not overwrite what followed.
    record_results(
        app, [deliveries.Outcome(one, DeliveryState.FAILED, "Too late.") for one in lost]
    )
    assert states() == {"sent": 2}


@on_sqlite
def test_delivery_of_a_killed_worker_does_not_count_as_a_failure(
    app, subscribed, an_incident, entered, at
):
    subscribed(1)
    an_incident()
    entered()
    with app.app_context():
        for _ in range(deliveries.MAX_ATTEMPTS):
            at += deliveries.LEASE
            assert len(deliveries.lease(Channel.WEBHOOK, 1, at=at)) == 1
            deliveries.requeue_due(at=at + deliveries.LEASE)
        [one] = deliveries.lease(Channel.WEBHOOK, 1, at=at)
        deliveries.record_results(
            [deliveries.Outcome(one, DeliveryState.RETRYING, "It was cut.")], at=at
        )
        row = db.session.get_one(Delivery, one.id)
    assert (row.state, row.attempts) == (DeliveryState.RETRYING, 1)
    assert row.due_at - at <= 1.25 * deliveries.FIRST_RETRY


def test_delivery_that_crashes_workers_is_set_aside(app, subscribed, an_incident, entered, at):
    subscribed(1)
    an_incident()
    entered()
    with app.app_context():
        lost = 0
        while deliveries.lease(Channel.WEBHOOK, 1, at=at):
            lost += 1
            at += deliveries.LEASE
            deliveries.requeue_due(at=at)
        row = db.session.scalars(sa.select(Delivery)).one()
        assert (lost, row.state) == (deliveries.MAX_LOST_LEASES, DeliveryState.FAILED)
        assert row.last_error.startswith("20 workers died")
        assert row.failed_at == at
        # Staff may try it again, as often as before.
        deliveries.replay([row.id], at=at)
        db.session.refresh(row)
        assert (row.state, row.lost_leases) == (DeliveryState.PENDING, 0)


@on_sqlite
def test_messages_of_a_batch_are_built_once_per_event(app, subscribed, an_incident, entered, at):
    subscribed(2)
    for number in range(12):
        an_incident(f"Incident {number}")
    entered()
    with app.app_context():
        claimed = [deliveries.lease(Channel.WEBHOOK, 12, at=at) for _ in range(2)]
        db.session.commit()
    prepare = Preparation(app)
    told = [news for some in claimed for news, _ in prepare(Channel.WEBHOOK, some)]
    assert len(told) == 24
    assert len(set(map(id, told))) == 12
    assert len({id(news.present) for news in told}) == 1


def test_new_messages_overtake_a_mass_send_in_order_per_subscriber(
    app, committed, subscribed, an_incident, entered, drained, receiver, at
):
    subscribed(10)
    first = an_incident("First")
    entered()
    with app.app_context():
        half = deliveries.lease(Channel.WEBHOOK, 5, at=at)
        db.session.commit()
    record_results(app, [deliveries.Outcome(one, DeliveryState.SENT) for one in half])
    second = an_incident("Second")
    entered()
    drained(limit=1)
    events = [int(key.partition("-")[0]) for _, key in receiver.taken]
    assert events[:5] == [max(events)] * 5
    for public_id in set(receiver.told):
        heard = [int(key.partition("-")[0]) for one, key in receiver.taken if one == public_id]
        assert heard == sorted(heard)
    assert first != second


# ── failures ───────────────────────────────────────────────────────────────────


@on_sqlite
def test_failed_delivery_is_retried_with_backoff_and_gives_up(
    app, subscribed, an_incident, entered, drained, receiver, states, at
):
    subscribed()
    an_incident()
    entered()

    def fail(news, to):
        raise Failed("The server answered 503.")

    receiver.answer = fail
    waits, now = [], at
    for _ in range(deliveries.MAX_ATTEMPTS):
        drained()
        with app.app_context():
            row = db.session.scalar(sa.select(Delivery))
            waits.append(row.due_at - at)
            deliveries.requeue_due(at=row.due_at)
            db.session.commit()
            now = row.due_at
    assert now > at
    assert states() == {"dead": 1}
    assert timedelta(seconds=20) < waits[0] < timedelta(seconds=40)
    assert all(wait <= deliveries.LONGEST_RETRY * 1.25 for wait in waits)
    assert waits[5] > 8 * waits[0]


@on_sqlite
def test_failed_delivery_can_be_replayed_by_staff(
    app, subscribed, an_incident, entered, drained, receiver, states, at
):
    subscribed()
    an_incident()
    entered()
    with app.app_context():
        (one,) = deliveries.lease(Channel.WEBHOOK, 1, at=at)
        deliveries.record_results([deliveries.Outcome(one, DeliveryState.FAILED, "No.")], at=at)
        assert deliveries.replay([one.id], at=at) == 1
        db.session.commit()
    drained()
    assert states() == {"sent": 1}


@on_sqlite
def test_retry_after_is_respected(app, at):
    asked = timedelta(hours=8)
    assert deliveries.backoff(1, asked) == asked
    assert deliveries.backoff(1, timedelta(days=300)) == timedelta(days=1)
    assert deliveries.backoff(1, timedelta(0)) > timedelta(seconds=20)


@on_sqlite
def test_retracted_message_is_not_sent(
    committed, subscribed, an_incident, entered, drained, receiver, states, at
):
    from statuspage.domain.incidents import corrections

    subscribed()
    incident = an_incident()
    entered()
    with committed():
        corrections.retract(incidents.get(incident), reason="A false alarm.", by=SYSTEM, at=at)
    drained()
    assert receiver.taken == []
    assert states() == {"dropped": 1}


# ── brakes ─────────────────────────────────────────────────────────────────────


@on_sqlite
def test_looping_program_is_held_for_staff(committed, subscribed, an_incident, entered, states, at):
    subscribed()
    incident = an_incident()
    for minute in range(send_limits.MOST_OF_ONE + 1):
        with committed():
            incidents.post_update(
                incidents.get(incident),
                UpdateInput(status=IncidentStatus.IDENTIFIED, body=f"Attempt {minute}."),
                by=SYSTEM,
                at=at + timedelta(minutes=minute),
            )
    entered(at + timedelta(minutes=send_limits.MOST_OF_ONE + 1))
    assert states() == {"waiting": send_limits.MOST_OF_ONE, "held": 2}


@on_sqlite
def test_old_messages_are_held_for_staff(subscribed, an_incident, entered, states, at):
    subscribed()
    an_incident()
    entered(at + fanout.MAX_AGE + timedelta(seconds=1))
    assert states() == {"held": 1}


# ── lanes ──────────────────────────────────────────────────────────────────────


def test_worker_sends_everything_once_and_stops_cleanly(
    app, subscribed, an_incident, receiver, states
):
    public_ids = subscribed(30)
    an_incident()
    everyone = threading.Event()

    def note(news, to):
        if len(receiver.taken) >= 29:
            everyone.set()

    receiver.answer = note
    teller = Dispatcher(app, {Channel.WEBHOOK: receiver.way()})
    while teller.step(clock.now()):
        pass
    assert everyone.wait(10)
    teller.stop()
    assert sorted(receiver.told) == sorted(public_ids)
    assert states() == {"sent": 30}


def test_a_stopping_worker_gives_back_what_it_has_not_sent(
    app, subscribed, an_incident, receiver, states
):
    subscribed(12)
    an_incident()
    started, may_end = threading.Event(), threading.Event()

    def slow(news, to):
        started.set()
        may_end.wait(10)

    receiver.answer = slow
    teller = Dispatcher(app, {Channel.WEBHOOK: receiver.way(slots=2)})
    teller.step(clock.now())
    assert started.wait(10)
    stopping = threading.Thread(target=teller.stop)
    stopping.start()
    may_end.set()
    stopping.join()
    assert len(receiver.taken) == states()["sent"] < 12
    assert states() == {"sent": len(receiver.taken), "waiting": 12 - len(receiver.taken)}


def test_a_slow_message_keeps_its_lease_and_is_sent_once(
    app, subscribed, an_incident, receiver, states, traveller, monkeypatch
):
    monkeypatch.setattr(sender, "RENEW_AFTER_S", 0.0)
    subscribed()
    an_incident()
    started, may_end = threading.Event(), threading.Event()

    def slow(news, to):
        started.set()
        may_end.wait(10)

    receiver.answer = slow
    dispatcher = Dispatcher(app, {Channel.WEBHOOK: receiver.way()})
    dispatcher.step(clock.now())
    assert started.wait(10)
    for _ in range(3):
        traveller.shift(deliveries.LEASE * 0.9)
        wait_until(lambda: lease_ends(app) > clock.now() + deliveries.LEASE / 2)
        dispatcher.step(clock.now())
    may_end.set()
    dispatcher.stop()
    assert len(receiver.taken) == 1
    assert states() == {"sent": 1}


def test_a_lost_lease_is_not_renewed(app, subscribed, an_incident, entered, at):
    subscribed()
    an_incident()
    entered()
    late = at + deliveries.LEASE + timedelta(seconds=1)
    with app.app_context():
        leased = deliveries.lease(Channel.WEBHOOK, 1, at=at)
        assert deliveries.requeue_due(at=late) == 1
        (again,) = deliveries.lease(Channel.WEBHOOK, 1, at=late)
        deliveries.renew(leased, at=late + timedelta(seconds=30))
        db.session.commit()
        row = db.session.query(Delivery).one()
        assert (row.lease, row.due_at) == (again.lease, late + deliveries.LEASE)


def lease_ends(app):
    with app.app_context():
        return db.session.query(Delivery.due_at).scalar()
