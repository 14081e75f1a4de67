"""Subscribers, things to tell them, and a way that only notes what it was given."""

import threading

import pytest

from statuspage.db import db
from statuspage.domain import events, page_settings
from statuspage.domain.claims import Claim
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber, SubscriberState
from statuspage.notify import message as messages
from statuspage.notify.channels.base import ChannelSender
from tests.conftest import SECRET

DOWN = Claim(ComponentStatus.PARTIAL_OUTAGE)


@pytest.fixture
def component(committed, at):
    """A page with one component, `API`; its public id."""
    with committed():
        page_settings.create("Brambleway", by=SYSTEM, at=at)
        return components.add_component("API", by=SYSTEM, at=at).public_id


@pytest.fixture
def subscribed(committed, component, at):
    """`subscribed(3)` makes active webhook subscribers of the whole page; their public ids."""

    def make(number=1, *, channel=Channel.WEBHOOK, **more) -> list[str]:
        with committed():
            known = db.session.query(Subscriber).count()
            rows = [
                Subscriber(
                    key=f"{channel}:{known + i}",
                    channel=channel,
                    state=SubscriberState.ACTIVE,
                    address=f"https://hooks.example.com/{known + i}",
                    created_at=at,
                    **more,
                )
                for i in range(number)
            ]
            db.session.add_all(rows)
            db.session.flush()
            return [row.public_id for row in rows]

    return make


@pytest.fixture
def an_incident(committed, component, at):
    """`an_incident()` opens one that claims the component; its public id."""

    def open_it(name="Checkout errors", **more) -> str:
        with committed():
            when = more.pop("at", at)
            update = UpdateInput(
                IncidentStatus.INVESTIGATING,
                "Some requests fail.",
                {components.get(component): DOWN},
                **more,
            )
            return incidents.open_incident(name, update, by=SYSTEM, at=when).public_id

    return open_it


@pytest.fixture
def told(app, committed, subscribed, an_incident, component, at):
    """`told(kind)`: the newest event as news, and who it is told to."""
    subscribed(channel=Channel.EMAIL)
    with committed():
        db.session.query(Subscriber).one().address = "ada@example.com"
    an_incident()

    def make(kind="incident.opened"):
        with app.app_context():
            event = next(one for one in events.latest(50) if one.kind == kind)
            base_url = "https://status.example.com"
            found = messages.of(event, at=at, base_url=base_url)
            subscriber = db.session.query(Subscriber).one()
            to = messages.recipient(
                subscriber, Channel.EMAIL, event.id, secret=SECRET, base_url=base_url
            )
            return found, to

    return make


class Receiver:
    """A way that notes what it was given; `answer` may raise instead."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []
        """(subscriber's public id, key of the delivery), in the order of arrival."""
        self.answer = lambda news, to: None
        self._lock = threading.Lock()

    def send(self, news, to):
        remote_id = self.answer(news, to)
        with self._lock:
            self.taken.append((to.id, to.key))
        return remote_id

    @property
    def told(self) -> list[str]:
        return [public_id for public_id, _ in self.taken]

    def way(self, slots=4) -> ChannelSender:
        return ChannelSender(self.send, slots)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()
