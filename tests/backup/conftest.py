"""A page with something of everything to copy, and `flask` as an operator types it."""

from datetime import timedelta

import pytest

from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import maintenance
from statuspage.domain.incidents.models import Schedule, UpdateInput
from statuspage.domain.staff import members as staff
from statuspage.domain.statuses import IncidentStatus
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber, SubscriberState
from tests.helpers import site


@pytest.fixture
def flask(app):
    def run(*words: object, stdin: str = ""):
        return app.test_cli_runner().invoke(args=[str(word) for word in words], input=stdin)

    return run


@pytest.fixture
def filled(committed, at):
    """A page with an open incident, work planned for tomorrow, a subscriber and an owner."""
    with committed() as session:
        site.a_page(at)
        api = site.a_component("API", at)
        site.an_open_incident(api, at)
        maintenance.schedule(
            "Faster disks",
            UpdateInput(
                status=IncidentStatus.SCHEDULED,
                body="We change the disks.",
                claims={api: site.DEGRADED},
            ),
            Schedule(
                scheduled_for=at + timedelta(days=1),
                scheduled_until=at + timedelta(days=1, hours=1),
            ),
            by=SYSTEM,
            at=at,
        )
        session.add(
            Subscriber(
                key="webhook:1",
                channel=Channel.WEBHOOK,
                state=SubscriberState.ACTIVE,
                address="https://hooks.example.com/1",
                created_at=at,
            )
        )
        staff.create(
            "ada@example.com",
            name="Ada",
            role=staff.Role.OWNER,
            password=None,
            by=SYSTEM,
            at=at,
        )
