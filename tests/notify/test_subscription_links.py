"""From the form to the message and back: the links that a message carries work."""

from urllib.parse import urlsplit

import pytest

from statuspage.db import db
from statuspage.domain.events import SYSTEM, Actor, ActorKind
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.statuses import IncidentStatus
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.subscribers.subscriptions import Channel
from statuspage.notify import deliveries, email_message
from statuspage.notify.dispatcher import fan_out_pending
from statuspage.notify.sender import Preparation, attempt, record_results
from tests.conftest import on_sqlite

pytestmark = on_sqlite


@pytest.fixture
def sent(app, at, receiver):
    """`sent()`: (news, recipient) of every message that was not sent before."""
    found = []
    receiver.answer = lambda news, to: found.append((news, to))

    def send(channel=Channel.WEBHOOK):
        found.clear()
        with app.app_context():
            while fan_out_pending(at):
                pass
            claimed = deliveries.lease(channel, 100, at=at)
            db.session.commit()
        prepared = Preparation(app)(channel, claimed) if claimed else []
        outcomes = [
            attempt(receiver.way(), one, *what)
            for one, what in zip(claimed, prepared, strict=True)
            if not isinstance(what, str)
        ]
        record_results(app, outcomes)
        return list(found)

    return send


def path_of(url):
    return urlsplit(url).path


def test_confirmed_subscriber_gets_messages_until_one_click_unsubscribe(
    client, sent, an_incident, committed, at
):
    form = {"channel": "webhook", "endpoint": "https://hooks.example.com/1", "scope": "all"}
    client.post("/subscribe", data=form)
    ((asked, to),) = sent()
    assert asked.kind == "confirmation"
    key = an_incident("Before they confirmed")
    assert sent() == []
    client.post(path_of(to.confirm_url))
    with committed():
        incidents.post_update(
            incidents.get(key),
            UpdateInput(
                status=IncidentStatus.IDENTIFIED,
                body="We know why.",
                claims=incidents.get(key).claims,
            ),
            by=SYSTEM,
            at=at,
        )
    ((told, to),) = sent()
    assert told.incident.name == "Before they confirmed"
    assert "Your subscription" in client.get(path_of(to.manage_url)).text
    # Who fills in the form again gets the link, not a second subscription.
    with committed():
        subscribers.get(to.id).asked_at = None
    client.post("/subscribe", data=form)
    ((again, same),) = sent()
    assert (again.kind, same.id) == ("link", to.id)
    client.post(path_of(to.unsubscribe_url), data={"List-Unsubscribe": "One-Click"})
    an_incident("After they left")
    assert sent() == []


def test_the_mail_about_a_paused_webhook_names_it_masked(committed, component, sent, at):
    addresses = {
        Channel.WEBHOOK: "https://hooks.example.com/status",
        Channel.SLACK: "https://hooks.slack.com/services/T0/B0/secretKEY1",
    }
    with committed():
        made = [
            subscribers.add(
                subscribers.Contact.of(channel, address, email="ops@example.com"),
                by=SYSTEM,
                at=at,
                is_confirmed=True,
            )
            for channel, address in addresses.items()
        ]
        for subscriber in made:
            subscribers.quarantine(subscriber, by=SYSTEM, at=at)
    mails = [email_message.render(*pair) for pair in sent(Channel.EMAIL)]
    assert [mail.subject for mail in mails] == [
        "[Brambleway] We paused: Webhook at hooks.example.com",
        "[Brambleway] We paused: Slack at hooks.slack.com/…KEY1",
    ]
    for mail, named in zip(mails, ("Webhook at hooks.example.com", "…KEY1"), strict=True):
        assert named in mail.text
        assert named in mail.html
        assert "secret" not in mail.text + mail.html


def test_nobody_is_told_of_failures_where_staff_paused_a_webhook(committed, component, sent, at):
    with committed():
        contact = subscribers.Contact.of(
            Channel.WEBHOOK, "https://hooks.example.com/", email="ops@example.com"
        )
        subscriber = subscribers.add(contact, by=SYSTEM, at=at, is_confirmed=True)
        subscribers.quarantine(subscriber, by=Actor(ActorKind.STAFF, "Ann"), at=at)
    assert sent(Channel.EMAIL) == []
