"""Deliveries at the desk: what is wrong, and letting go or dropping what waits."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain.events import SYSTEM, Event
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.staff.members import Role
from statuspage.domain.statuses import IncidentStatus
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber, SubscriberState
from statuspage.notify import deliveries, delivery_stats
from statuspage.notify.deliveries import Delivery, DeliveryState, Priority
from tests.conftest import on_sqlite
from tests.helpers.admin import text_of

pytestmark = on_sqlite


@pytest.fixture
def held(committed, world, at):
    """A held message about an incident; the id of its event."""
    with committed():
        one = Subscriber(
            key="webhook:1",
            channel=Channel.WEBHOOK,
            state=SubscriberState.ACTIVE,
            address="https://hooks.example.com/1",
            created_at=at,
        )
        db.session.add(one)
        incidents.open_incident(
            "Checkout errors",
            UpdateInput(status=IncidentStatus.INVESTIGATING, body="Some fail."),
            by=SYSTEM,
            at=at,
        )
        db.session.flush()
        event = db.session.scalars(sa.select(Event).order_by(Event.id.desc()).limit(1)).one()
        event.fanned_out_at = at
        db.session.add(
            Delivery(
                event_id=event.id,
                subscriber_id=one.id,
                channel=Channel.WEBHOOK,
                state=DeliveryState.HELD,
                priority=Priority.NEWS,
                due_at=at,
            )
        )
        return event.id


def state(app):
    with app.app_context():
        return db.session.query(Delivery).one().state


@pytest.fixture
def failing(committed, world, at):
    """`failing({Channel.SLACK: 2})`: so many dead or later messages; ids of incident and event."""

    def make(numbers, state=DeliveryState.FAILED, failed_at=at, name="Checkout errors"):
        with committed():
            incident = incidents.open_incident(
                name,
                UpdateInput(status=IncidentStatus.INVESTIGATING, body="Some fail."),
                by=SYSTEM,
                at=at,
            )
            db.session.flush()
            event = db.session.scalars(sa.select(Event).order_by(Event.id.desc()).limit(1)).one()
            event.fanned_out_at = at
            for channel, number in numbers.items():
                for i in range(number):
                    one = Subscriber(
                        key=f"{event.id}:{channel}:{i}",
                        channel=channel,
                        state=SubscriberState.ACTIVE,
                        address="https://hooks.example.com/1",
                        created_at=at,
                    )
                    db.session.add(one)
                    db.session.flush()
                    due_at = at + timedelta(minutes=4)
                    delivery = Delivery(event_id=event.id, subscriber_id=one.id, channel=channel)
                    delivery.state, delivery.priority, delivery.due_at = state, 1, due_at
                    delivery.last_error, delivery.failed_at = "The server answered 503.", failed_at
                    db.session.add(delivery)
            return incident.public_id, event.id

    return make


def states(app):
    with app.app_context():
        query = sa.select(Delivery.channel, Delivery.state, sa.func.count())
        rows = db.session.execute(query.group_by(Delivery.channel, Delivery.state))
        return {(channel, state): number for channel, state, number in rows}


@pytest.mark.parametrize(
    ("decision", "becomes", "said"),
    [
        ("send", DeliveryState.PENDING, "Being sent now."),
        ("drop", DeliveryState.CANCELLED, "Cancelled."),
    ],
)
def test_owner_releases_or_drops_held_messages(app, owner, held, decision, becomes, said):
    assert "1 message waits for your decision" in owner.get("/admin/").text
    page = owner.get("/admin/deliveries")
    assert "Checkout errors" in page.text
    answer = owner.post(f"/admin/deliveries/{held}/webhook/held/{decision}")
    assert answer.status_code == 303
    assert state(app) == becomes
    assert said in owner.get(answer.location).text


@pytest.mark.parametrize("address", ["webhook/sent/send", "pigeon/held/send", "webhook/held/eat"])
def test_unknown_delivery_decision_is_a_404(app, owner, held, address):
    assert owner.post(f"/admin/deliveries/{held}/{address}").status_code == 404
    assert state(app) == DeliveryState.HELD


# ── many at once ───────────────────────────────────────────────────────────────


def test_retrying_delivery_shows_its_next_attempt_and_can_be_sent_now(app, owner, failing):
    _, event_id = failing({Channel.SLACK: 2}, DeliveryState.RETRYING)
    page = text_of(owner.get("/admin/deliveries"))
    assert "Retrying automatically Checkout errors Retrying 2 messages by Slack" in page
    assert "Next attempt in 4 minutes. The server answered 503." in page
    owner.post(f"/admin/deliveries/{event_id}/slack/later/send")
    assert states(app) == {(Channel.SLACK, DeliveryState.PENDING): 2}
    assert "Retrying automatically" not in owner.get("/admin/deliveries").text


def test_deliveries_of_an_event_or_channel_are_decided_together(app, owner, failing):
    failing({Channel.SLACK: 2, Channel.WEBHOOK: 1})
    _, event_id = failing({Channel.SLACK: 3, Channel.TEAMS: 1}, name="Slow loads")
    page = text_of(owner.get("/admin/deliveries"))
    assert "All 4 messages that failed about Slow loads, by 2 channels Send all" in page
    assert "Send 5 failed" in page
    owner.post(f"/admin/deliveries/event/{event_id}/dead/drop")
    dropped, dead = DeliveryState.CANCELLED, DeliveryState.FAILED
    assert states(app) == {
        (Channel.SLACK, dropped): 3,
        (Channel.TEAMS, dropped): 1,
        (Channel.SLACK, dead): 2,
        (Channel.WEBHOOK, dead): 1,
    }
    answer = owner.post("/admin/deliveries/channel/slack/dead/send")
    assert "Being sent now." in owner.get(answer.location).text
    assert states(app)[Channel.SLACK, DeliveryState.PENDING] == 2
    assert states(app)[Channel.WEBHOOK, dead] == 1
    with app.app_context():
        query = sa.select(Event).where(Event.kind.like("delivery.%")).order_by(Event.id)
        told = [(one.kind, one.data["number"]) for one in db.session.scalars(query)]
    assert told == [("delivery.dropped", 4), ("delivery.let_go", 2)]


@pytest.mark.parametrize(
    "address",
    ["channel/pigeon/dead/send", "channel/slack/sent/send", f"event/{2**63}/dead/send"],
)
def test_unknown_channel_or_sent_delivery_is_a_404(owner, address):
    assert owner.post(f"/admin/deliveries/{address}").status_code == 404


def test_only_configurers_decide_on_deliveries(person, failing):
    failing({Channel.SLACK: 1})
    viewer = person(Role.VIEWER, "Vic")
    assert viewer.post("/admin/deliveries/channel/slack/dead/drop").status_code == 403


def test_deliveries_page_shows_last_sent_and_hourly_failures(app, owner, failing, at, committed):
    failing({Channel.SLACK: 2}, failed_at=at - timedelta(minutes=30))
    failing({Channel.SLACK: 1}, failed_at=at - timedelta(hours=5, minutes=1), name="Slow loads")
    failing({Channel.SLACK: 1}, failed_at=at - timedelta(hours=30), name="Long ago")
    _, sent_id = failing({Channel.SLACK: 1}, DeliveryState.SENT, name="All well")
    with committed():
        db.session.query(Delivery).filter_by(event_id=sent_id).one().sent_at = at
    with app.app_context():
        hours = delivery_stats.failures_by_hour(at=at)[Channel.SLACK]
        assert delivery_stats.last_sent() == {Channel.SLACK: at}
    assert (len(hours), hours[-1], hours[-6], sum(hours)) == (24, 2, 1, 3)
    page = owner.get("/admin/deliveries")
    assert "Failed in the last 24 hours: 3, in the last hour: 2." in text_of(page)
    assert page.text.count("<rect ") == 24


def test_failed_attempt_is_counted_in_its_hour(app, failing, at):
    failing({Channel.SLACK: 1}, DeliveryState.PENDING, failed_at=None)
    with app.app_context():
        (claimed,) = deliveries.lease(Channel.SLACK, 1, at=at)
        deliveries.record_results(
            [deliveries.Outcome(claimed, DeliveryState.RETRYING, "It hung.")], at=at
        )
        db.session.commit()
        assert db.session.query(Delivery).one().failed_at == at


def test_incident_page_shows_failing_deliveries(ann, person, failing, traveller, at):
    well, _ = failing({Channel.SLACK: 1}, DeliveryState.SENT)
    assert "Messages about this" not in ann.get(f"/admin/incidents/{well}").text
    public_id, _ = failing({Channel.SLACK: 2, Channel.WEBHOOK: 1})
    page = ann.get(f"/admin/incidents/{public_id}")
    assert "Messages about this: 3 could not be delivered." in text_of(page)
    assert 'href="/admin/deliveries">Deliveries</a></div>' in page.text
    seen = person(Role.VIEWER, "Vic").get(f"/admin/incidents/{public_id}").text
    assert "3 could not be delivered" in seen
    assert "/admin/deliveries" not in seen
    waiting, _ = failing({Channel.SLACK: 1}, DeliveryState.PENDING)
    assert "Messages about this" not in ann.get(f"/admin/incidents/{waiting}").text
    traveller.move_to(at + timedelta(minutes=9))
    page = text_of(ann.get(f"/admin/incidents/{waiting}"))
    assert "Messages about this: the oldest is 5 min late." in page
