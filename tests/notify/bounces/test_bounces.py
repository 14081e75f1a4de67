"""What becomes of mail that came back: reports by hook, and by the mailbox."""

import json
from datetime import timedelta

import pytest

from statuspage.db import db
from statuspage.domain import events, tokens
from statuspage.domain.events import SYSTEM
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber, SubscriberState
from statuspage.domain.tokens import Scope
from statuspage.lib import signed_links
from statuspage.lib.signed_links import Purpose
from statuspage.notify.deliveries import Delivery, DeliveryState
from statuspage.notify.dispatcher import fan_out_pending
from tests.conftest import SECRET, on_sqlite
from tests.helpers.bounce_reports import COMPLAINED, report

pytestmark = on_sqlite


@pytest.fixture
def ada(committed, subscribed):
    """A subscriber by mail; the public id."""
    (public_id,) = subscribed(channel=Channel.EMAIL)
    with committed():
        subscribers.get(public_id).address = "Ada@example.com"
    return public_id


@pytest.fixture
def tell(committed, app, at, an_incident):
    """`tell()` opens an incident and has its mails handed over; (subscriber → delivery's key)."""

    def open_and_tell(number=1) -> dict[str, str]:
        for _ in range(number):
            an_incident()
            with committed():
                fan_out_pending(at)
                for one in db.session.query(Delivery).filter_by(state=DeliveryState.PENDING):
                    one.state, one.attempts, one.sent_at = DeliveryState.SENT, 1, at
        with app.app_context():
            rows = db.session.query(Delivery, Subscriber).filter(
                Subscriber.id == Delivery.subscriber_id
            )
            return {
                person.public_id: f"{one.event_id}-{person.public_id}"
                for one, person in rows.order_by(Delivery.id)
            }

    return open_and_tell


@pytest.fixture
def hook(client, committed, at):
    """`hook(body)` posts what a provider says; JSON unless it is bytes."""
    with committed():
        _, secret = tokens.create("Mail provider", scopes=[Scope.BOUNCES], by=SYSTEM, at=at)

    def post(body, content_type="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body)
        return client.post(f"/hooks/bounces/{secret}", data=data, content_type=content_type)

    post.secret = secret
    return post


@pytest.fixture
def state_of(app):
    def state(public_id) -> SubscriberState:
        with app.app_context():
            return db.session.query(Subscriber).filter_by(public_id=public_id).one().state

    return state


SES = {
    "Type": "Notification",
    "TopicArn": "arn:aws:sns:eu-west-1:123456789012:bounces",
    "Message": {
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [
                {"emailAddress": "ada@example.com", "action": "failed", "status": "5.1.1"}
            ],
        },
        "mail": {
            "messageId": "0100017000000000-amazon",
            "source": "bounces@status.example.com",
            "headers": [{"name": "Message-ID", "value": "<KEY@status.example.com>"}],
        },
    },
}
POSTMARK = {
    "RecordType": "Bounce",
    "Type": "HardBounce",
    "TypeCode": 1,
    "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
    "Email": "ada@example.com",
    "Details": "smtp;550 5.1.1 The email account that you tried to reach does not exist.",
}
SENDGRID = [
    {"event": "delivered", "email": "bo@example.com", "smtp-id": "<other>"},
    {
        "event": "bounce",
        "type": "bounce",
        "email": "ada@example.com",
        "smtp-id": "<KEY@status.example.com>",
        "status": "5.1.1",
        "reason": "550 5.1.1 no such user",
    },
]
MAILGUN = {
    "signature": {"token": "x"},
    "event-data": {
        "event": "failed",
        "severity": "permanent",
        "reason": "bounce",
        "recipient": "ada@example.com",
        "message": {"headers": {"message-id": "KEY@status.example.com"}},
        "delivery-status": {"code": 550, "message": "5.1.1 no such user"},
    },
}
OURS = {"type": "hard", "message_id": "<KEY@status.example.com>", "status": "5.1.1"}


def with_key(body, key):
    if isinstance(body, dict) and isinstance(body.get("Message"), dict):
        body = body | {"Message": json.dumps(body["Message"])}
    return json.loads(json.dumps(body).replace("KEY", key))


DEEP = range(1200)


# ── what counts ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "body", [SES, POSTMARK, SENDGRID, MAILGUN, OURS], ids=["ses", "pm", "sg", "mg", "ours"]
)
def test_hard_bounce_from_a_provider_stops_email(body, ada, tell, hook, state_of, app):
    key = tell()[ada]
    answer = hook(with_key(body, key))
    assert (answer.status_code, answer.json["taken"]) == (200, 1)
    assert state_of(ada) is SubscriberState.QUARANTINED
    with app.app_context():
        (one,) = db.session.query(Delivery)
        assert one.state is DeliveryState.FAILED
        assert one.last_error == "Bounced: the mailbox does not exist (5.1.1)."
        # The log names who said it, and no address.
        assert events.latest(1)[0].actor_name == "Mail provider"


@pytest.mark.parametrize("returned", ["message/rfc822", "text/rfc822-headers"])
def test_bounce_report_is_matched_by_message_id(returned, ada, tell, hook, state_of):
    raw = report(tell()[ada], returned=returned)
    assert hook(raw, "message/rfc822").json == {"reported": 1, "taken": 1}
    assert state_of(ada) is SubscriberState.QUARANTINED


def test_bounce_report_without_the_email_is_matched_by_address(ada, tell, hook, state_of):
    raw = report("lost", to=f"bounces+{tell()[ada]}@status.example.com")
    hook(raw, "message/rfc822")
    assert state_of(ada) is SubscriberState.QUARANTINED


def test_soft_bounces_stop_email_only_when_repeated(ada, tell, hook, state_of):
    status = "5.2.2"
    for _ in range(4):
        hook(report(tell()[ada], status=status), "message/rfc822")
    hook(report(tell()[ada], action="delayed", status="4.4.1"), "message/rfc822")
    assert state_of(ada) is SubscriberState.ACTIVE
    for _ in range(5):
        key = tell()[ada]
        hook(report(key, status=status), "message/rfc822")
        hook(report(key, status=status), "message/rfc822")
    assert state_of(ada) is SubscriberState.QUARANTINED


@pytest.mark.parametrize("way", ["report", "json"])
def test_spam_complaint_unsubscribes_and_erases_the_address(way, ada, tell, hook, app):
    key = tell()[ada]
    if way == "report":
        hook(COMPLAINED.format(key=key).encode(), "message/rfc822")
    else:
        hook({"RecordType": "SpamComplaint", "Type": "SpamComplaint", "Email": "ada@example.com"})
    with app.app_context():
        (one,) = db.session.query(Subscriber)
        assert one.state is SubscriberState.UNSUBSCRIBED
        assert one.address is None


# ── what does not ──────────────────────────────────────────────────────────────


def test_forged_bounce_report_changes_nothing(ada, tell, hook, state_of):
    event_id = tell()[ada].partition("-")[0]
    for key in ("lost", f"{event_id}-000000000000", f"999999-{ada}", "99999999999999999999-x"):
        answer = hook(report(key), "message/rfc822")
        assert answer.json["taken"] == 0
    assert state_of(ada) is SubscriberState.ACTIVE


def test_bounce_is_ignored_without_a_recent_email(ada, tell, hook, state_of, traveller):
    assert hook(POSTMARK).json["taken"] == 0
    tell()
    traveller.shift(timedelta(days=15))
    assert hook(POSTMARK).json["taken"] == 0
    assert state_of(ada) is SubscriberState.ACTIVE


def test_bounce_hook_accepts_only_its_own_token(client, hook, committed, at, ada, tell, state_of):
    body = with_key(OURS, tell()[ada])
    with committed():
        _, manage = tokens.create("All", scopes=[Scope.MANAGE], by=SYSTEM, at=at)
        ended, old = tokens.create("Old", scopes=[Scope.BOUNCES], by=SYSTEM, at=at)
        tokens.revoke(ended, by=SYSTEM, at=at)
    for wrong in ("nothing", manage, old, "ключ"):
        assert client.post(f"/hooks/bounces/{wrong}", json=body).status_code == 404
    assert state_of(ada) is SubscriberState.ACTIVE
    mine = {"Authorization": f"OAuth {hook.secret}"}
    assert client.get("/v1/pages", headers=mine).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b"7", b"[1]", b'{"a": 1}', b"\xff\xfe", b"[" * 100_000),
        b'{"mail": {"headers": 7}}',
        b'{"Type": "Notification", "Message": "{"}',
        b'{"type": "worse"}',
        b'{"event-data": {"severity": "permanent"}}',
        b'[{"event": "bounce"}, 7]',
        b'{"Type": "SubscriptionConfirmation", "SubscribeURL": "https://evil.example/a"}',
        b'{"Type": "SubscriptionConfirmation", "SubscribeURL": "https://sns.a.amazonaws.com@[x"}',
    ],
)
def test_invalid_bounce_report_is_refused_with_a_sentence(hook, component, body):
    answer = hook(body)
    assert answer.status_code == 400
    assert answer.json["error"].endswith(".")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff" * 50,
        b"Content-Type: multipart/report\n\nno parts",
        b"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n--b--",
        b"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: "
        b"message/delivery-status\nContent-Transfer-Encoding: base64\n\n????\n--b--",
        b"".join(
            b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (i, i) for i in range(2000)
        ),
        report("1-000000000000").replace(b"ada@", "ädä@".encode()),
    ],
)
def test_email_that_is_not_a_report_is_ignored(hook, component, raw):
    answer = hook(raw, "message/rfc822")
    assert (answer.status_code, answer.json["taken"]) == (200, 0)


def test_amazon_subscription_confirmation_is_left_to_a_person(hook, component, app):
    url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=abc"
    body = {"Type": "SubscriptionConfirmation", "SubscribeURL": url}
    answer = hook(json.dumps(body).encode(), "text/plain; charset=UTF-8")
    assert answer.status_code == 200
    assert "Open the SubscribeURL" in answer.json["next"]
    with app.app_context():
        (asked,) = events.latest(1)
        assert asked.kind == "token.confirmation_wanted"
        assert asked.data["action"] == f"open {url}"


# ── storms ─────────────────────────────────────────────────────────────────────


def test_unsubscribe_link_needs_a_post(ada, tell, client, state_of):
    token = signed_links.token(SECRET, Purpose.UNSUBSCRIBE, ada)
    for path in (f"/subscriptions/unsubscribe/{token}", f"/?unsubscribe={ada}"):
        for i in range(150):
            client.open(path, method="HEAD" if i % 2 else "GET")
    assert state_of(ada) is SubscriberState.ACTIVE

    one_click = {"List-Unsubscribe": "One-Click"}
    answer = client.post(f"/subscriptions/unsubscribe/{token}", data=one_click)
    assert answer.status_code == 200
    assert state_of(ada) is SubscriberState.UNSUBSCRIBED
    assert tell() == {}


def test_repeated_bounces_log_one_quarantine(ada, tell, hook, app):
    body = with_key(OURS, tell()[ada])
    hook([body] * 200)
    hook(body)
    with app.app_context():
        told = [one.kind for one in events.latest(300)]
        assert told.count("subscriber.quarantined") == 1
