"""Pace: nobody gets too many messages an hour, and everybody gets the last state."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings, strategies

from statuspage.db import db
from statuspage.domain.events import SYSTEM, Event
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber, SubscriberState
from statuspage.notify import deliveries, recipient_limits
from statuspage.notify.deliveries import Delivery, DeliveryState, Outcome, Priority
from tests.conftest import on_sqlite

pytestmark = on_sqlite

MINUTE = timedelta(minutes=1)
SUBJECTS = ("first", "second")


class World:
    """One person, a ledger, and a clock; incidents are only their names here."""

    def __init__(self, at) -> None:
        for table in (Delivery, Event, Subscriber):
            db.session.execute(sa.delete(table))
        self.at = at
        self.got: list[tuple[object, int, str]] = []
        """(when, event, about what)"""
        self.person = Subscriber(
            key="email:ada@example.com",
            channel=Channel.EMAIL,
            state=SubscriberState.ACTIVE,
            address="ada@example.com",
            created_at=at,
        )
        db.session.add(self.person)
        db.session.flush()

    def happens(self, subject, kind="incident.update_posted") -> int:
        event = Event(
            kind=kind,
            at=self.at,
            actor_kind=SYSTEM.kind,
            actor_name="",
            subject=subject,
            title=subject,
            notify=True,
        )
        db.session.add(event)
        db.session.flush()
        chosen = sa.select(Subscriber.id, Subscriber.channel)
        deliveries.enter(event, chosen, Priority.NEWS, DeliveryState.PENDING, at=self.at)
        return event.id

    def sends(self, limit=4, *, fails=False) -> None:
        """As a lane: claim, restrain, send, settle."""
        deliveries.requeue_due(at=self.at)
        claimed = deliveries.lease(Channel.EMAIL, limit, at=self.at)
        outcomes = []
        for one in recipient_limits.apply_limits(Channel.EMAIL, claimed, at=self.at):
            state = DeliveryState.RETRYING if fails else DeliveryState.SENT
            outcomes.append(Outcome(one, state))
            if not fails:
                event = db.session.get_one(Event, one.event_id)
                self.got.append((self.at, event.id, event.subject))
        deliveries.record_results(outcomes, at=self.at)

    def unsent(self) -> int:
        going = (DeliveryState.PENDING, DeliveryState.RETRYING, DeliveryState.SENDING)
        return db.session.scalar(
            sa.select(sa.func.count(Delivery.id)).where(Delivery.state.in_(going))
        )


@pytest.fixture
def world(app, at):
    with app.app_context():
        yield lambda: World(at)
        db.session.rollback()


steps = strategies.lists(
    strategies.one_of(
        strategies.tuples(strategies.just("happens"), strategies.sampled_from(SUBJECTS)),
        strategies.tuples(strategies.just("corrects"), strategies.sampled_from(SUBJECTS)),
        strategies.tuples(strategies.just("sends"), strategies.integers(1, 8)),
        strategies.tuples(strategies.just("fails"), strategies.integers(1, 3)),
        strategies.tuples(strategies.just("passes"), strategies.integers(1, 50)),
    ),
    min_size=20,
    max_size=50,
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=steps)
def test_last_state_arrives_within_the_hourly_limit(world, steps):
    one, newest = world(), {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(recipient_limits, "MOST_OF_ONE", 2)
        patched.setattr(recipient_limits, "MOST_OF_ALL", 3)
        for step, value in steps:
            match step:
                case "happens":
                    newest[value] = one.happens(value)
                case "corrects":
                    one.happens(value, "incident.update_edited")
                case "sends" | "fails":
                    one.sends(value, fails=step == "fails")
                case "passes":
                    one.at += value * MINUTE
        for _ in range(400):
            if not one.unsent():
                break
            one.sends()
            one.at += 20 * MINUTE
    told = {event for _, event, _ in one.got}
    assert one.unsent() == 0
    assert set(newest.values()) <= told
    for i, (moment, _, subject) in enumerate(one.got):
        hour = [entry for entry in one.got[i:] if entry[0] < moment + recipient_limits.WINDOW]
        assert len(hour) <= 3
        assert sum(entry[2] == subject for entry in hour) <= 2


def test_superseded_message_is_dropped_and_the_last_waits(world):
    one = world()
    for _ in range(recipient_limits.MOST_OF_ONE):
        one.happens("first")
    one.sends(20)
    for _ in range(3):
        last = one.happens("first")
    one.sends(20)
    query = sa.select(Delivery.state, Delivery.last_error).order_by(Delivery.event_id.desc())
    newest, *overtaken = db.session.execute(query.limit(3)).all()
    assert newest == (DeliveryState.RETRYING, None)
    assert overtaken == [(DeliveryState.CANCELLED, recipient_limits.SUPERSEDED)] * 2
    one.at += timedelta(hours=1)
    one.sends()
    assert one.got[-1][1] == last


def test_direct_emails_and_webhooks_are_not_limited(world):
    one = world()
    for _ in range(recipient_limits.MOST_OF_ONE + 5):
        one.happens(one.person.public_id, "subscriber.test_wanted")
    one.sends(50)
    assert len(one.got) == recipient_limits.MOST_OF_ONE + 5
    for _ in range(recipient_limits.MOST_OF_ONE + 5):
        one.happens("first")
    claimed = deliveries.lease(Channel.EMAIL, 50, at=one.at)
    assert recipient_limits.apply_limits(Channel.WEBHOOK, claimed, at=one.at) == claimed
