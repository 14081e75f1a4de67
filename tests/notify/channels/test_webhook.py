"""Webhooks: Statuspage's payload, key by key, signed so that a receiver can trust it."""

import json
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from standardwebhooks import Webhook

from statuspage.config import PROJECT, Settings
from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.claims import Claim
from statuspage.domain.components import claims_store
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import corrections, maintenance
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Schedule, UpdateInput
from statuspage.domain.statuses import ComponentStatus, Impact, IncidentStatus
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber
from statuspage.notify import message
from statuspage.notify.channels import webhook
from statuspage.notify.channels.registry import channel_senders
from tests.conftest import SECRET, on_sqlite

RECORDED = PROJECT / "tests/samples/statuspage/webhooks/incident_update.json"

pytestmark = on_sqlite


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"outgoing_allow": "127.0.0.0/8"})


@pytest.fixture
def hook():
    """A receiver that keeps what it is sent: `hook.url`, `hook.taken`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.taken.append((dict(self.headers), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.taken = []
    server.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def sent(app, subscribed, an_incident, hook, at, settings):
    """Headers and body of the webhook that tells of an incident, and who got it."""
    (public_id,) = subscribed()
    an_incident()
    return *tell(app, settings, hook, at), public_id


def tell(app, settings, hook, at):
    """Send what there is to tell of the incident; the headers and body that came."""
    with app.app_context():
        subscriber = db.session.query(Subscriber).one()
        subscriber.address = hook.url
        (event,) = (one for one in events.latest(20) if one.kind == "incident.opened")
        told = message.of(event, at=at, base_url=settings.base_url)
        to = message.recipient(
            subscriber, Channel.WEBHOOK, event.id, secret=SECRET, base_url=told.page.url
        )
    channel_senders(settings)[Channel.WEBHOOK].send(told, to)
    return hook.taken.pop()


def test_incident_webhook_has_the_keys_of_statuspage(sent):
    _, body, _ = sent
    told, recorded = json.loads(body), json.loads(RECORDED.read_text())
    assert list(told) == list(recorded)
    for part in ("meta", "page", "incident"):
        assert list(told[part]) == list(recorded[part])
    for part in ("incident_updates", "components"):
        assert list(told["incident"][part][0]) == list(recorded["incident"][part][0])
    assert told["page"]["status_indicator"] == "minor"
    assert told["meta"]["unsubscribe"].startswith("https://status.example.com/subscriptions/")


def test_webhook_signature_verifies_with_standardwebhooks(sent, at):
    headers, body, public_id = sent
    checker = Webhook(webhook.signing_secret(SECRET, public_id))
    names = {name.lower(): value for name, value in headers.items()}
    checker.verify(body, names)
    with pytest.raises(Exception, match="No matching signature"):
        checker.verify(body.replace(b"Checkout", b"Chequeout"), names)


def test_webhook_after_a_rotation_verifies_with_either_secret(app, sent, hook, at, settings):
    *_, public_id = sent
    new = "the key that came after it"
    rotated = settings.model_dump() | {"secret_key": new, "old_secret_keys": SECRET}
    headers, body = tell(app, Settings(**rotated), hook, at)
    names = {name.lower(): value for name, value in headers.items()}
    for key in (SECRET, new):
        Webhook(webhook.signing_secret(key, public_id)).verify(body, names)
    rotated["old_secret_keys"] = ""
    headers, body = tell(app, Settings(**rotated), hook, at)
    names = {name.lower(): value for name, value in headers.items()}
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(webhook.signing_secret(SECRET, public_id)).verify(body, names)


def test_webhook_retries_keep_the_same_id(sent, at):
    headers, _, public_id = sent
    assert headers["webhook-id"].endswith(public_id)
    assert abs(int(headers["webhook-timestamp"]) - at.timestamp()) < timedelta(minutes=5).seconds


def test_cancelled_maintenance_webhook_has_a_known_status(app, committed, component, at, settings):
    with committed():
        row = maintenance.schedule(
            "Upgrade",
            UpdateInput(
                status=IncidentStatus.SCHEDULED,
                body="Short.",
                claims={components.get(component): maintenance.UNDER_MAINTENANCE},
            ),
            Schedule(
                scheduled_for=at + timedelta(hours=1), scheduled_until=at + timedelta(hours=2)
            ),
            by=SYSTEM,
            at=at,
        )
        maintenance.cancel(row, body="Not today.", by=SYSTEM, at=at)
    with app.app_context():
        (event,) = events.latest(1)
        told = message.of(event, at=at, base_url=settings.base_url)
    stranger = message.Recipient("x", "1-x", Channel.WEBHOOK, "https://x.example", None, "", "", "")
    incident = webhook.payload(told, stranger)["incident"]
    assert incident["status"] == incident["incident_updates"][0]["status"] == "completed"
    assert incident["incident_updates"][0]["body"] == "Not today."


def test_a_retraction_webhook_has_an_update_with_the_reason(
    app, an_incident, committed, at, settings
):
    public_id = an_incident()
    with committed():
        corrections.retract(
            incidents.get(public_id),
            reason="A false alarm.",
            by=SYSTEM,
            at=at + timedelta(minutes=1),
        )
    incident = payload_of_newest(app, at, settings)["incident"]
    assert incident["status"] == "retracted"
    assert incident["incident_updates"][0]["body"] == "A false alarm."
    assert incident["components"] == []


def test_a_maintenance_webhook_says_how_it_starts_ends_and_reminds(
    app, committed, component, at, settings
):
    with committed():
        maintenance.schedule(
            "Upgrade",
            UpdateInput(
                status=IncidentStatus.SCHEDULED, body="Short.", impact_override=Impact.MAINTENANCE
            ),
            Schedule(
                scheduled_for=at + timedelta(hours=3),
                scheduled_until=at + timedelta(hours=4),
                auto_end=False,
                reminds=True,
            ),
            by=SYSTEM,
            at=at,
        )
    incident = payload_of_newest(app, at, settings)["incident"]
    assert incident["scheduled_auto_in_progress"] is True
    assert incident["scheduled_auto_completed"] is False
    assert incident["scheduled_remind_prior"] is True
    assert incident["impact_override"] == "maintenance"


def test_a_component_webhook_says_how_the_component_stood_before(
    app, committed, component, at, settings
):
    for minutes, status in enumerate(("degraded_performance", "major_outage")):
        with committed():
            claims_store.set_status(
                components.get(component),
                Claim(ComponentStatus(status)),
                by=SYSTEM,
                at=at + timedelta(minutes=minutes),
            )
    update = payload_of_newest(app, at + timedelta(minutes=2), settings)["component_update"]
    assert (update["old_status"], update["new_status"]) == ("degraded_performance", "major_outage")


def payload_of_newest(app, at, settings):
    with app.app_context():
        (event,) = events.latest(1)
        told = message.of(event, at=at, base_url=settings.base_url)
    stranger = message.Recipient("x", "1-x", Channel.WEBHOOK, "https://x.example", None, "", "", "")
    return webhook.payload(told, stranger)
