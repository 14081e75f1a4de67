"""Web push: a browser subscribes itself, reads what only it can read, and leaves."""

import json
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.statuses import IncidentStatus
from statuspage.domain.subscribers import push_keys
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.subscribers.push_subscriptions import packed, unpacked
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber, SubscriberState
from statuspage.lib import http_client
from statuspage.lib.http_client import RequestError
from statuspage.notify import deliveries
from statuspage.notify.channels import web_push
from statuspage.notify.channels.base import ChannelSender, Failed
from statuspage.notify.deliveries import DeliveryState
from statuspage.notify.dispatcher import fan_out_pending
from statuspage.notify.push_encryption import MOST_BYTES
from statuspage.notify.sender import Preparation, attempt, record_results
from tests.conftest import on_sqlite
from tests.helpers.observatory import META
from tests.helpers.push_service import FakeBrowser, claims, push_service

pytestmark = on_sqlite


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"outgoing_allow": "127.0.0.0/8"})


@pytest.fixture
def service(tmp_path, monkeypatch):
    """A push service whose certificate this machine trusts."""
    with push_service(tmp_path) as made:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
        http_client._tls.cache_clear()
        yield made
        http_client._tls.cache_clear()


@pytest.fixture
def fake(service, component):
    return FakeBrowser(service.url)


@pytest.fixture
def subscribe(client, fake):
    """`subscribe(scope=…)`: what the page's script sends; the answer."""

    def ask(**fields):
        client.get("/subscribe")
        sent = {"subscription": fake.subscription} | fields
        return client.post("/subscribe/push", json=sent)

    return ask


@pytest.fixture
def sent(app, at, service, fake, settings):
    """`sent()`: what the browser reads of all that waits, sent by the real channel."""
    way = ChannelSender(web_push.sender(settings), slots=1)

    def send():
        before = len(service.taken)
        with app.app_context():
            while fan_out_pending(at):
                pass
            claimed = deliveries.lease(Channel.WEB_PUSH, 100, at=at)
            db.session.commit()
        prepared = Preparation(app)(Channel.WEB_PUSH, claimed) if claimed else []
        outcomes = [
            attempt(way, one, *what)
            for one, what in zip(claimed, prepared, strict=True)
            if not isinstance(what, str)
        ]
        record_results(app, outcomes)
        return [json.loads(fake.read(one.body)) for one in service.taken[before:]]

    return send


@pytest.fixture
def stored(app):
    def read() -> list[Subscriber]:
        with app.app_context():
            return list(db.session.scalars(sa.select(Subscriber).order_by(Subscriber.id)))

    return read


@pytest.fixture
def subscribed(subscribe, sent, client, stored):
    """A browser that subscribed to everything and confirmed; its row."""
    subscribe()
    (asked,) = sent()
    client.post(path_of(asked["confirm"]))
    return stored()[0]


def path_of(url):
    return urlsplit(url).path


# ── from the form to the browser and back ──────────────────────────────────────


def test_browser_subscribes_receives_a_message_and_unsubscribes(
    client, subscribe, sent, service, stored, an_incident, committed, at
):
    answer = subscribe(wants="every", time_zone="Asia/Tokyo")
    assert answer.status_code == 201
    assert "Set-Cookie" not in answer.headers
    assert answer.json["state"] == "unconfirmed"
    (asked,) = sent()
    assert "Notifications are on." in asked["body"]
    assert "Confirm" in client.get(path_of(asked["url"])).text
    client.post(path_of(asked["confirm"]))
    assert stored()[0].state is SubscriberState.ACTIVE
    assert answer.json["manage"] in client.get(path_of(asked["url"])).text

    key = an_incident()
    (told,) = sent()
    assert told["title"].endswith("Checkout errors")
    assert told["body"].startswith("Investigating")
    assert "API: Partial outage" in told["body"]
    assert "Some requests fail." in told["body"]
    assert path_of(told["url"]) == f"/incidents/{key}"
    assert told["tag"] == key
    own = client.get(path_of(told["manage"]))
    assert "127.0.0.1" in own.text
    assert answer.json["manage"] == path_of(told["manage"])

    with committed():
        one = incidents.get(key)
        incidents.post_update(
            one, UpdateInput(status=IncidentStatus.RESOLVED, body="Over."), by=SYSTEM, at=at
        )
    (over,) = sent()
    assert over["title"].startswith("✔")
    assert over["tag"] == key
    earlier, later = (one.headers for one in service.taken[1:])
    assert earlier["topic"] == later["topic"]
    assert len(later["topic"]) <= 32

    client.post(answer.json["leave"])
    (left,) = stored()
    assert (left.address, left.push_p256dh, left.push_auth) == (None, None, None)
    an_incident("After they left")
    assert sent() == []


def test_push_request_has_vapid_urgency_and_ttl(client, subscribed, sent, service, an_incident):
    an_incident()
    sent()
    headers = service.taken[-1].headers
    said, key = claims(headers["authorization"])
    assert (said["aud"], said["sub"]) == (service.url, "https://status.example.com")
    assert f'data-push-key="{key}"' in client.get("/subscribe").text
    assert headers["content-encoding"] == "aes128gcm"
    assert (headers["urgency"], headers["ttl"]) == ("high", "86400")
    assert b"Checkout" not in service.taken[-1].body


def test_longest_message_fits_into_one_push_record(subscribed, sent, an_incident, service):
    an_incident("🔥" * 100, next_update_by=None)
    (told,) = sent()
    assert told["title"].startswith("⚠ 🔥")
    assert len(service.taken[-1].body) <= 4096
    assert len(json.dumps(told).encode()) <= MOST_BYTES


@pytest.mark.parametrize(
    ("status", "more", "state", "delivery"),
    [
        (404, {}, SubscriberState.UNSUBSCRIBED, DeliveryState.FAILED),
        (410, {}, SubscriberState.UNSUBSCRIBED, DeliveryState.FAILED),
        (429, {"Retry-After": "7200"}, SubscriberState.ACTIVE, DeliveryState.RETRYING),
        (403, {}, SubscriberState.ACTIVE, DeliveryState.RETRYING),
        (500, {}, SubscriberState.ACTIVE, DeliveryState.RETRYING),
    ],
)
def test_push_service_responses_are_understood(
    app, at, subscribed, sent, stored, service, an_incident, status, more, state, delivery
):
    service.status, service.more = status, more
    an_incident()
    sent()
    assert stored()[0].state is state
    with app.app_context():
        row = db.session.scalars(
            sa.select(deliveries.Delivery).order_by(deliveries.Delivery.id)
        ).all()[-1]
        assert row.state is delivery
        if more:
            assert row.due_at - at >= timedelta(seconds=7200)


def test_push_service_on_a_private_network_is_refused(app, subscribed, settings, service, at):
    way = web_push.sender(settings.model_copy(update={"outgoing_allow": ""}))
    with app.app_context():
        subscribers.test(db.session.get(Subscriber, subscribed.id), by=SYSTEM, at=at)
        db.session.commit()
        while fan_out_pending(at):
            pass
        claimed = deliveries.lease(Channel.WEB_PUSH, 1, at=at)
        db.session.commit()
    ((told, to),) = Preparation(app)(Channel.WEB_PUSH, claimed)
    before = len(service.taken)
    with pytest.raises(RequestError) as failed:
        way(told, to)
    assert failed.value.is_final
    with pytest.raises(Failed):
        way(told, replace(to, address=to.address.replace("https:", "http:")))
    assert len(service.taken) == before


# ── subscribing ────────────────────────────────────────────────────────────────


def test_push_subscriber_changes_components_and_reads_the_state(
    client, subscribed, subscribe, fake, stored, component
):
    again = subscribe(scope="some", component=[component], wants="ends")
    assert again.json["state"] == "active"
    (one,) = stored()
    assert one.wants == "ends"
    known = client.post("/subscribe/push/known", json={"subscription": fake.subscription})
    assert known.json == again.json
    stranger = {**fake.subscription, "keys": {**fake.subscription["keys"], "auth": "A" * 22}}
    for path in ("/subscribe/push", "/subscribe/push/known"):
        refused = client.post(path, json={"subscription": stranger})
        assert refused.status_code in (404, 422)
        assert "manage" not in refused.json
    client.post(known.json["leave"])
    gone = client.post("/subscribe/push/known", json={"subscription": fake.subscription})
    assert gone.status_code == 404


def test_browser_follows_one_incident_and_the_page(
    subscribed, subscribe, sent, stored, an_incident
):
    key = an_incident()
    subscribe(incident=key)
    told = sent()
    assert [one.incident_id is None for one in stored()] == [True, False]
    assert {one["tag"] for one in told} == {key, "subscription"}
    assert subscribe(incident="nothing").status_code == 422


def test_renewed_push_subscription_keeps_receiving(client, subscribed, fake, stored, service):
    new = FakeBrowser(service.url, auth=b"another sixteen!")
    stranger = FakeBrowser(service.url)
    said = {"old": stranger.subscription, "subscription": new.subscription}
    stolen = {**said["old"], "keys": {**stranger.subscription["keys"], "auth": "A" * 22}}
    assert client.post("/subscribe/push/moved", json=said | {"old": stolen}).json == {"moved": 0}
    said = {"old": fake.subscription, "subscription": new.subscription}
    elsewhere = {**new.subscription, "endpoint": "https://push.attacker.example/x"}
    refused = client.post("/subscribe/push/moved", json=said | {"subscription": elsewhere})
    assert refused.status_code == 422
    assert client.post("/subscribe/push/moved", json=said).json == {"moved": 1}
    assert stored()[0].address == new.endpoint
    known = client.post("/subscribe/push/known", json={"subscription": new.subscription})
    assert known.json["state"] == "active"


POINT = FakeBrowser("").subscription["keys"]["p256dh"]
COMPRESSED_POINT = packed(bytes([2 + unpacked(POINT)[-1] % 2]) + unpacked(POINT)[1:33])


@pytest.mark.parametrize(
    "changed",
    [
        {"endpoint": "http://push.example.com/1"},
        {"endpoint": "https://localhost/1"},
        {"endpoint": "https://10.0.0.1/1"},
        {"endpoint": "https://[::1]/1"},
        {"endpoint": "https://user:secret@push.example.com/1"},
        {"endpoint": 7},
        {"keys": {"p256dh": POINT[:-4] + "AAAA", "auth": "A" * 22}},
        {"keys": {"p256dh": COMPRESSED_POINT, "auth": "A" * 22}},
        {"keys": {"p256dh": "!", "auth": "A" * 22}},
        {"keys": {"p256dh": POINT, "auth": "A"}},
        {"keys": {"p256dh": POINT}},
    ],
)
def test_invalid_push_subscription_is_refused(client, component, stored, changed):
    keys = {"p256dh": POINT, "auth": "A" * 22}
    sent = {"endpoint": "https://push.example.com/1", "keys": keys} | changed
    refused = client.post("/subscribe/push", json={"subscription": sent})
    assert refused.status_code == 422
    assert refused.json["error"]
    assert stored() == []


def test_cross_site_form_and_flooded_push_subscriptions_are_refused(
    client, component, stored, fake
):
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    sent = {"subscription": fake.subscription}
    assert client.post("/subscribe/push", json=sent, headers=elsewhere).status_code == 422
    assert client.post("/subscribe/push", data="subscription=1").status_code == 422
    assert stored() == []
    answers = [client.post("/subscribe/push", json=sent).status_code for _ in range(7)]
    assert answers[0] == 201
    assert answers[-1] == 429


def test_vapid_key_pair_survives_a_new_secret_key(app, at, client, component):
    first = client.get("/subscribe").text.partition('data-push-key="')[2][:87]
    with app.app_context():
        assert push_keys.key().public_key == first
        with pytest.raises(sa.exc.IntegrityError):
            db.session.execute(
                sa.insert(push_keys.PushKey).values(
                    id=push_keys.THE_ONE,
                    private_key=b"",
                    public_key="",
                    created_at=push_keys.key().created_at,
                )
            )
    assert len(unpacked(first)) == 65


# ── files ──────────────────────────────────────────────────────────────────────


def test_push_assets_are_public_small_and_cookieless(client, component):
    worker = client.get("/push-worker.js")
    assert worker.headers["Content-Type"].startswith("text/javascript")
    assert "public" in worker.headers["Cache-Control"]
    assert "'self'" in worker.headers["Content-Security-Policy"]
    assert len(worker.data) < 3_000
    assert len(client.get("/subscribe.js", headers={"Accept-Encoding": "br"}).data) < 2_500
    shown = client.get("/site.webmanifest").get_json(force=True)
    assert (shown["display"], shown["short_name"]) == ("standalone", "Brambleway")
    assert client.get("/icon.png").data.startswith(b"\x89PNG")
    for path in ("/push-worker.js", "/subscribe.js", "/site.webmanifest", "/icon.png"):
        answer = client.get(path)
        assert "Set-Cookie" not in answer.headers
        assert (
            client.get(path, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
        )


def test_push_is_hidden_without_script(client, component):
    page = client.get("/subscribe")
    assert "This browser" not in page.text
    (policy,) = META.findall(page.text)
    assert "unsafe" not in policy
    assert "manifest-src 'self'" in policy
    assert "manifest" not in client.get("/").text
