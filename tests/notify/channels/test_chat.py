"""Chats: each vendor's own format, nothing typed is markup, each answer understood."""

import json
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber
from statuspage.notify import deliveries, message
from statuspage.notify.channels import discord, google_chat, mattermost, slack, sms, teams, telegram
from statuspage.notify.channels.base import Failed
from statuspage.notify.channels.registry import channel_senders
from statuspage.notify.deliveries import DeliveryState, LeasedDelivery
from tests.conftest import SECRET, on_sqlite
from tests.helpers.receivers import answers, receiver

pytestmark = on_sqlite

NASTY = "<!channel> @everyone <b>*x*</b> [a](https://evil.example)"
FORMATS = [slack, teams, discord, google_chat, mattermost, telegram]


@pytest.fixture
def settings(settings):
    more = {"outgoing_allow": "127.0.0.0/8", "telegram_token": "1:abc"}
    return settings.model_copy(update=more)


@pytest.fixture
def told(app, subscribed, an_incident, at, settings):
    """`told("name")`: the news of an incident, and a recipient."""

    def tell(name="Checkout errors"):
        subscribed(channel=Channel.SLACK)
        an_incident(name)
        with app.app_context():
            (event,) = (one for one in events.latest(20) if one.kind == "incident.opened")
            made = message.of(event, at=at, base_url=settings.base_url)
            to = message.recipient(
                db.session.query(Subscriber).one(),
                Channel.SLACK,
                event.id,
                secret=SECRET,
                base_url=made.page.url,
            )
        return made, to

    return tell


def test_chat_message_has_problem_components_and_links(told):
    one, to = told()
    for format_ in FORMATS:
        text = json.dumps(format_.payload(one, to), ensure_ascii=False)
        for part in ("Checkout errors", "Some requests fail.", "API", "/incidents/"):
            assert part in text, (format_.__name__, part)
        assert to.manage_url in text


def test_chat_message_escapes_mentions_links_and_markup(told):
    one, to = told(NASTY)
    blocks = json.dumps(slack.payload(one, to)["text"])
    assert "<!" not in blocks
    assert "&lt;!channel&gt;" in blocks
    assert slack.payload(one, to)["blocks"][0]["text"]["type"] == "plain_text"
    assert {
        run["type"]
        for block in teams.payload(one, to)["attachments"][0]["content"]["body"]
        for run in block["inlines"]
    } == {"TextRun"}
    made = discord.payload(one, to)
    assert made["allowed_mentions"] == {"parse": []}
    assert r"\[a\]\(" in made["embeds"][0]["title"]
    (attachment,) = mattermost.payload(one, to)["attachments"]
    assert "@everyone" not in attachment["title"]
    assert r"\[a\]\(" in attachment["title"]
    assert "<b>*x*" not in telegram.payload(one, to)["text"]
    assert "<!channel>" not in google_chat.payload(one, to)["fallbackText"]


def test_page_name_is_escaped_in_chat(told):
    one, to = told()
    page = replace(one.page, name="@everyone of Brambleway")
    one = replace(one, present=replace(one.present, page=page))
    for format_ in (discord, mattermost):
        assert "@everyone" not in json.dumps(format_.payload(one, to), ensure_ascii=False)


def test_telegram_message_has_no_bot_command(told):
    one, to = told("Send /stop@other_bot, or GET /checkout of https://shop.example/checkout")
    text = telegram.payload(one, to)["text"]
    assert "/stop" not in text
    assert "GET /checkout" not in text
    assert "https://shop.example/checkout" in text


def test_sms_has_at_most_160_characters_and_the_link(told):
    one, to = told("Checkout errors " * 15)
    text = sms.payload(one, to)
    assert len(text) <= 160
    assert text.endswith(one.incident.path)


def test_messages_of_one_incident_share_a_thread(told):
    one, to = told()
    assert google_chat.payload(one, to)["thread"] == {"threadKey": one.incident.id}
    again = telegram.payload(one, replace(to, earlier="77"))
    assert again["reply_parameters"]["message_id"] == 77


@pytest.mark.parametrize(
    ("channel", "status", "body", "meant"),
    [
        (Channel.SLACK, 404, b"no_service", "gone"),
        (Channel.SLACK, 410, b"channel_is_archived", "gone"),
        (Channel.SLACK, 400, b"invalid_blocks", "final"),
        (Channel.TEAMS, 202, b"", None),
        (Channel.TEAMS, 500, b"", "later"),
        (Channel.DISCORD, 404, b'{"code": 10015}', "gone"),
        (Channel.DISCORD, 429, b'{"retry_after": 64.5}', timedelta(seconds=64.5)),
        (Channel.GOOGLE_CHAT, 404, b"{}", "final"),
        (Channel.MATTERMOST, 503, b"", "later"),
        (Channel.TELEGRAM, 200, b'{"ok": true, "result": {"message_id": 5}}', "5"),
        (Channel.TELEGRAM, 403, b'{"ok": false}', "gone"),
        (Channel.TELEGRAM, 401, b'{"ok": false}', timedelta(minutes=10)),
        (Channel.TELEGRAM, 429, b'{"parameters": {"retry_after": 9}}', timedelta(seconds=9)),
        (Channel.DISCORD, 200, b'{"id": "42"}', "42"),
        (Channel.SMS, 401, b"", "later"),
    ],
)
def test_vendor_responses_are_understood(told, settings, channel, status, body, meant):
    one, to = told()
    with receiver(answers(status, body=body)) as url:
        host = f"http://{urlsplit(url).netloc}"
        more = {"telegram_url": host, "sms_url": f"{host}/?to={{to}}&t={{text}}"}
        send = channel_senders(settings.model_copy(update=more))[channel].send
        if 200 <= status < 300:
            assert send(one, replace(to, address=url)) == meant
            return
        with pytest.raises(Failed) as failed:
            send(one, replace(to, address=url))
    said = failed.value
    assert said.is_gone == (meant == "gone")
    assert said.is_final == (meant in ("gone", "final"))
    assert said.retry_after == (meant if isinstance(meant, timedelta) else None)


def test_later_update_refers_to_the_earlier_message(app, told, committed, at):
    told()
    with committed():
        event = next(one for one in events.latest(20) if one.kind == "incident.opened")
        later = events.Event(
            kind="incident.updated",
            at=at,
            actor_kind=event.actor_kind,
            actor_name="",
            subject=event.subject,
            title="",
        )
        db.session.add(later)
        db.session.flush()
        subscriber = db.session.query(Subscriber).one()
        rows = [
            deliveries.Delivery(
                event_id=key,
                subscriber_id=subscriber.id,
                channel=Channel.DISCORD,
                state=DeliveryState.SENT,
                priority=1,
                due_at=at,
                remote_id=remote,
            )
            for key, remote in ((event.id, "42"), (later.id, None))
        ]
        db.session.add_all(rows)
        db.session.flush()
        claimed = [LeasedDelivery(row.id, row.event_id, row.subscriber_id, 1, "") for row in rows]
        assert deliveries.earlier_message_ids(Channel.DISCORD, claimed) == {rows[1].id: "42"}
        newest = events.Event(
            kind="incident.updated",
            at=at,
            actor_kind=event.actor_kind,
            actor_name="",
            subject=event.subject,
            title="",
        )
        db.session.add(newest)
        db.session.flush()
        db.session.add(
            deliveries.Delivery(
                event_id=newest.id,
                subscriber_id=subscriber.id,
                channel=Channel.DISCORD,
                state=DeliveryState.SENT,
                priority=1,
                due_at=at,
                remote_id="42",
            )
        )
        db.session.flush()
        assert deliveries.earlier_message_ids(Channel.DISCORD, claimed) == {}
