"""Told again: reminders of maintenance, and corrections to who was sent the wrong words."""

from datetime import timedelta

import pytest

from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import corrections, maintenance
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Schedule, UpdateInput
from statuspage.domain.statuses import IncidentStatus
from statuspage.domain.subscribers.subscriptions import Channel, NotifyOn, Subscriber
from statuspage.notify import audience, fanout, message
from statuspage.notify.deliveries import Delivery, DeliveryState
from statuspage.notify.worker import step
from tests.conftest import on_sqlite
from tests.notify.conftest import DOWN

HOUR = timedelta(hours=1)


@pytest.fixture
def planned(committed, component, at):
    """`planned(…)`: public id of maintenance from two to three hours after the pinned moment."""

    def make(**more):
        with committed():
            begins = more.pop("scheduled_for", at + 2 * HOUR)
            keep = maintenance.draft if more.pop("draft", False) else maintenance.schedule
            reminds, when = more.pop("reminds", True), more.pop("at", at)
            update = UpdateInput(
                IncidentStatus.SCHEDULED,
                "The API is away for a minute.",
                {components.get(component): DOWN},
                **more,
            )
            schedule = Schedule(begins, begins + HOUR, reminds=reminds)
            return keep("Upgrade", update, schedule, by=SYSTEM, at=when).public_id

    return make


@pytest.fixture
def reminders_told(app):
    """`reminders_told()`: when subscribers were reminded."""

    def ask():
        with app.app_context():
            found = [one for one in events.latest(50) if one.kind == "maintenance.reminded"]
            assert all(one.notify for one in found)
            return [one.at for one in found]

    return ask


def test_reminder_is_sent_once_an_hour_before_despite_clock_jumps(app, planned, reminders_told, at):
    planned()
    planned(reminds=False)
    planned(draft=True)
    planned(scheduled_for=at + HOUR)
    for minutes in (0, 59, 60, 61, 30, 60, 90, 119):
        step(app, at + timedelta(minutes=minutes))
    assert reminders_told() == [at + HOUR]


@on_sqlite
def test_moved_maintenance_is_reminded_again_and_cancelled_never(
    app, planned, reminders_told, committed, at
):
    moved, cancelled, withdrawn, soon = (planned() for _ in range(4))
    with committed():
        told = {"by": SYSTEM, "at": at}
        window = {"scheduled_for": at + 5 * HOUR, "scheduled_until": at + 6 * HOUR}
        later, sooner = (UpdateInput(IncidentStatus.SCHEDULED, body) for body in ("Later.", "Now."))
        maintenance.reschedule(incidents.get(moved), later, **window, **told)
        maintenance.cancel(incidents.get(cancelled), body="Not today.", **told)
        corrections.retract(incidents.get(withdrawn), reason="A mistake.", **told)
        window = {"scheduled_for": at + HOUR / 2, "scheduled_until": at + HOUR}
        maintenance.reschedule(incidents.get(soon), sooner, **window, **told)
    for hours in (0, 0.2, 1, 2, 4, 4.5):
        step(app, at + hours * HOUR)
    assert reminders_told() == [at + 4 * HOUR]


@on_sqlite
def test_reminder_goes_to_people_and_is_dropped_after_a_move(
    app, planned, subscribed, committed, at
):
    (mail,), _program = subscribed(channel=Channel.EMAIL), subscribed()
    public_id = planned()
    step(app, at + HOUR)
    with app.app_context():
        event = events.latest(1)[0]
        told = db.session.execute(audience.of(event)).all()
        person = db.session.query(Subscriber).filter_by(public_id=mail).one()
        assert told == [(person.id, Channel.EMAIL)]
        made = message.of(event, at=at + HOUR, base_url="https://status.example.com")
        assert made.is_reminder
    with committed():
        window = {"scheduled_for": at + 5 * HOUR, "scheduled_until": at + 6 * HOUR}
        one = incidents.get(public_id)
        later = UpdateInput(IncidentStatus.SCHEDULED, "Later.")
        maintenance.reschedule(one, later, **window, by=SYSTEM, at=at + HOUR)
    with app.app_context():
        event = next(one for one in events.latest(9) if one.kind == "maintenance.reminded")
        assert message.of(event, at=at + HOUR, base_url="https://status.example.com") is None


@on_sqlite
def test_correction_goes_to_recipients_of_the_wrong_text(
    app, subscribed, an_incident, committed, at
):
    (reader,) = subscribed(channel=Channel.EMAIL, wants=NotifyOn.ENDS)
    public_id = an_incident()
    with committed():
        event = events.latest(1)[0]
        fanout.fan_out_next(event, at=at)
        db.session.query(Delivery).update({"state": DeliveryState.SENT, "sent_at": at})
    subscribed(channel=Channel.EMAIL)

    def edited(body, version, **more):
        with committed():
            update = incidents.get(public_id).updates[0]
            corrections.edit_update(
                update, body=body, expected_version=version, by=SYSTEM, at=at, **more
            )
            event = events.latest(1)[0]
            return event.notify, set(db.session.scalars(audience.of(event)))

    assert edited("Some requests are failing.", 1)[0] is False
    is_told, whom = edited("No request fails.", 2, notify=True, reason="We looked again.")
    with app.app_context():
        mine = db.session.query(Subscriber).filter_by(public_id=reader).one().id
    assert (is_told, whom) == (True, {mine})
