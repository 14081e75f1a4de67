"""Deliveries at the desk: what is wrong, and letting go or dropping what waits."""

import pytest
import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain import incidents
from statuspage.domain.events import SYSTEM, Event
from statuspage.domain.status import IncidentStatus
from statuspage.domain.subscribers import Channel, Subscriber, SubscriberState
from statuspage.notify.ledger import Delivery, DeliveryState, Priority
from tests.conftest import on_sqlite

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
            status=IncidentStatus.INVESTIGATING,
            body="Some fail.",
            claims={},
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


@pytest.mark.parametrize(
    ("decision", "becomes", "said"),
    [
        ("send", DeliveryState.WAITING, "They go out now."),
        ("drop", DeliveryState.DROPPED, "They are dropped."),
    ],
)
def test_an_owner_lets_held_messages_go_or_drops_them(app, owner, held, decision, becomes, said):
    assert "1 message waits for your word" in owner.get("/admin/").text
    page = owner.get("/admin/deliveries")
    assert "Checkout errors" in page.text
    answer = owner.post(f"/admin/deliveries/{held}/webhook/held/{decision}")
    assert answer.status_code == 303
    assert state(app) == becomes
    assert said in owner.get(answer.location).text


@pytest.mark.parametrize("address", ["webhook/sent/send", "pigeon/held/send", "webhook/held/eat"])
def test_what_can_not_be_decided_is_not_found_and_changes_nothing(app, owner, held, address):
    assert owner.post(f"/admin/deliveries/{held}/{address}").status_code == 404
    assert state(app) == DeliveryState.HELD
