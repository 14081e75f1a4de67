"""Subscribing: the form, the link that confirms, the page of one's own, and leaving."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain.events import SYSTEM, Event
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.statuses import IncidentStatus
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.subscribers.subscriptions import (
    Channel,
    Contact,
    Subscriber,
    SubscriberState,
)
from statuspage.lib import signed_links
from statuspage.lib.signed_links import Purpose
from statuspage.notify import worker
from tests.conftest import SECRET, on_sqlite
from tests.helpers import site

ADDRESS = "https://hooks.example.com/status"


@pytest.fixture
def settings(settings):
    """With a mail server, so that mail is offered."""
    return settings.model_copy(update={"smtp_url": "smtp://127.0.0.1:2525"})


@pytest.fixture(autouse=True)
def northwind(committed, at):
    with committed():
        site.a_page(at)


@pytest.fixture
def api(committed, at) -> str:
    with committed():
        made = site.a_component("API", at)
        db.session.flush()
        return made.public_id


def send(client, headers=None, **fields):
    sent = {"channel": "webhook", "endpoint": ADDRESS, "scope": "all"} | fields
    return client.post("/subscribe", data=sent, headers=headers)


@pytest.fixture
def stored(app):
    """Every subscriber as it is stored, oldest first."""

    def read() -> list[Subscriber]:
        with app.app_context():
            query = sa.select(Subscriber).order_by(Subscriber.id)
            query = query.options(sa.orm.selectinload(Subscriber.components))
            return list(db.session.scalars(query))

    return read


@pytest.fixture
def recorded(app):
    def kinds() -> list[str]:
        with app.app_context():
            query = sa.select(Event.kind).where(Event.kind.like("subscriber.%"))
            return list(db.session.scalars(query.order_by(Event.id)))

    return kinds


def link(one: Subscriber, purpose: Purpose) -> str:
    paths = {
        Purpose.CONFIRM: "/subscriptions/confirm/",
        Purpose.UNSUBSCRIBE: "/subscriptions/unsubscribe/",
        Purpose.MANAGE: "/subscriptions/",
    }
    return paths[purpose] + signed_links.token(SECRET, purpose, one.public_id)


@pytest.fixture
def active(committed, at) -> Subscriber:
    with committed():
        contact = Contact.of(Channel.WEBHOOK, ADDRESS)
        return subscribers.add(contact, by=SYSTEM, at=at, is_confirmed=True)


# ── the form ───────────────────────────────────────────────────────────────────


@on_sqlite
def test_subscribe_form_is_the_same_for_everyone_and_sets_no_cookie(client, api):
    answer = client.get("/subscribe")
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"].startswith("public")
    again = client.get("/subscribe", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert f'name="component" value="{api}"' in answer.text
    assert "csrf" not in answer.text


def test_subscriber_confirms_and_then_gets_messages(client, stored, recorded, api):
    answer = send(
        client,
        scope="some",
        component=[api, "nothing"],
        wants="ends",
        time_zone="Asia/Tokyo",
        headers={"Accept-Language": "de-AT,de;q=0.8"},
    )
    assert answer.status_code == 303
    assert "confirm" in client.get(answer.headers["Location"]).text
    (subscriber,) = stored()
    assert subscriber.state is SubscriberState.UNCONFIRMED
    assert (subscriber.wants, subscriber.language, subscriber.time_zone) == (
        "ends",
        "de-AT",
        "Asia/Tokyo",
    )
    assert [each.public_id for each in subscriber.components] == [api]
    assert recorded() == ["subscriber.confirmation_wanted"]

    path = link(subscriber, Purpose.CONFIRM)
    assert '<form class="card sub" method="post">' in client.get(path).text
    assert stored()[0].state is SubscriberState.UNCONFIRMED
    done = client.post(path, follow_redirects=True)
    assert "You’re subscribed" in done.text
    (subscriber,) = stored()
    assert subscriber.state is SubscriberState.ACTIVE
    assert subscriber.confirmed_at is not None
    assert link(subscriber, Purpose.MANAGE) in done.text
    assert recorded()[-1] == "subscriber.confirmed"


@on_sqlite
def test_consent_text_and_time_are_stored(client, stored, at):
    shown = re.search(r'<p class="consent">(.*?)</p>', client.get("/subscribe").text)[1]
    send(client)
    (subscriber,) = stored()
    assert subscriber.consent_text == shown
    assert subscriber.consent_at == at


@on_sqlite
def test_subscribing_does_not_reveal_a_known_address(client, stored, active, recorded, traveller):
    known = send(client)
    new = send(client, endpoint="https://hooks.example.com/other")
    assert (known.status_code, known.headers["Location"], known.data) == (
        new.status_code,
        new.headers["Location"],
        new.data,
    )
    # The one who is known keeps their choice, and gets the link to change it.
    assert stored()[0].consent_text is None
    assert recorded()[1:] == ["subscriber.link_wanted", "subscriber.confirmation_wanted"]
    # A stranger who goes on typing does not fill a mailbox.
    for _ in range(3):
        send(client)
    assert len(recorded()) == 3
    traveller.shift(601)
    send(client)
    assert recorded()[-1] == "subscriber.link_wanted"


@on_sqlite
def test_quarantined_subscriber_can_subscribe_again(client, stored, active, committed, at):
    with committed():
        subscribers.quarantine(subscribers.get(active.public_id), by=SYSTEM, at=at)
    send(client)
    (subscriber,) = stored()
    assert subscriber.state is SubscriberState.UNCONFIRMED
    client.post(link(subscriber, Purpose.CONFIRM))
    assert stored()[0].state is SubscriberState.ACTIVE


WRONG = [
    ({"endpoint": "nothing"}, "https://"),
    ({"endpoint": "javascript:alert(1)"}, "https://"),
    ({"owner": "not an address"}, "e-mail"),
    ({"channel": "pigeon"}, "how we should notify you"),
    ({"channel": "web_push"}, "how we should notify you"),
    ({"scope": "some"}, "at least one component"),
    ({"wants": "twice"}, "which updates"),
]


@on_sqlite
def test_invalid_form_shows_errors_beside_the_input(client, stored, api):
    for fields, words in WRONG:
        answer = send(client, **fields)
        assert answer.status_code == 422, fields
        assert words in answer.text, fields
        assert answer.headers["Cache-Control"] == "no-store"
        if "endpoint" not in fields:
            assert f'value="{ADDRESS}"' in answer.text, fields
    assert stored() == []


@on_sqlite
def test_cross_site_subscription_is_refused(client, stored):
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert send(client, headers=headers).status_code == 403
    assert stored() == []
    assert send(client, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303


@on_sqlite
def test_a_program_that_fills_every_field_is_refused_and_a_person_may_send_again(client, stored):
    form = client.get("/subscribe").text
    (trap,) = re.findall(r'<input name="([^"]*)" tabindex="-1" autocomplete="off">', form)
    # Names that browsers and password managers complete.
    known = r"name|mail|url|site|phone|tel|street|city|zip|country|company|user|card|code|title"
    assert not re.search(known, trap)
    answer = send(client, **{trap: "https://spam.example"})
    assert answer.status_code == 422
    assert "Press Subscribe again." in answer.text
    assert f'value="{ADDRESS}"' in answer.text
    assert "spam.example" not in answer.text
    assert stored() == []
    assert send(client, website="https://me.example").status_code == 303
    assert len(stored()) == 1


MAILBOX = {"channel": "email", "endpoint": "", "email": "victim@example.com"}
SPELLINGS = [
    {},
    {"chat": "1"},
    {"phone_number": "+43660123456"},
    {"email": " VICTIM@example.com"},
    {"email": "victim@EXAMPLE.com."},
    {"email": " victim@Example.com"},
    {"email": "victim@example.com", "endpoint": "https://x.example"},
]


@on_sqlite
def test_one_limit_counts_for_a_contact_however_it_is_written_and_wherever_it_is_sent(
    client, committed, at
):
    with committed():
        made = incidents.open_incident(
            "Slow", UpdateInput(status=IncidentStatus.INVESTIGATING, body="-"), by=SYSTEM, at=at
        )
        about = made.public_id
    codes = [send(client, **MAILBOX | more).status_code for more in SPELLINGS[:3]]
    subscriber = {"email": "Victim@example.com"}
    for more in ({}, {"incident": about}):
        sent = {"subscriber": subscriber | more}
        codes.append(client.post("/api/v2/subscribers.json", json=sent).status_code)
    codes.append(send(client, **MAILBOX, incident=about).status_code)
    assert codes == [303, 303, 303, 201, 201, 303]
    for more in SPELLINGS:
        assert send(client, **MAILBOX | more).status_code == 429, more
    answer = client.post("/api/v2/subscribers.json", json={"subscriber": subscriber})
    assert answer.status_code == 429
    assert send(client, **MAILBOX | {"email": "other@example.com"}).status_code == 303


@on_sqlite
@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}],
)
@pytest.mark.parametrize("content_type", ["text/plain", "application/json"])
def test_another_site_can_not_subscribe_anybody_by_the_api(client, stored, headers, content_type):
    answer = client.post(
        "/api/v2/subscribers.json",
        data='{"subscriber": {"email": "victim@example.com"}}',
        content_type=content_type,
        headers=headers,
    )
    assert answer.status_code == 403
    assert stored() == []


@on_sqlite
def test_network_and_address_are_rate_limited(client, stored):
    for _ in range(6):
        send(client)
        assert len(stored()) == 1
    braked = send(client)
    assert braked.status_code == 429
    assert braked.headers["Retry-After"]
    for number in range(20):
        braked = send(client, endpoint=f"https://hooks.example.com/{number}")
    assert braked.status_code == 429


@on_sqlite
def test_another_spelling_or_field_does_not_escape_the_limit_of_an_address(client):
    spellings = [
        "https://hooks.example.com/a",
        "HTTPS://HOOKS.example.com:443/a",
        " https://hooks.example.com./a",
    ]
    for number in range(6):
        sent = {
            "endpoint": spellings[number % 3],
            "email": f"x{number}@example.com",
            "chat": str(number),
        }
        assert send(client, **sent).status_code == 303
    assert send(client, endpoint=spellings[0], chat="another").status_code == 429


@on_sqlite
def test_only_what_can_work_here_is_offered(client, app):
    shown = client.get("/subscribe").text
    assert 'value="webhook"' in shown
    assert 'value="sms"' not in shown
    assert send(client, channel="sms", phone_number="+436601234567").status_code == 422


def test_concurrent_subscriptions_of_an_address_make_one_subscriber(app, stored, recorded):
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: send(app.test_client()).status_code, range(4)))
    assert answers == [303] * 4
    assert len(stored()) == 1
    assert recorded() == ["subscriber.confirmation_wanted"]


@on_sqlite
def test_email_is_offered_with_a_mail_server(client, stored):
    assert 'name="email"' in client.get("/subscribe").text
    assert send(client, channel="email", email="Jane@Example.com").status_code == 303
    (subscriber,) = stored()
    assert subscriber.address == "Jane@example.com"
    assert "J…@example.com" in client.get(link(subscriber, Purpose.CONFIRM)).text


# ── one incident ───────────────────────────────────────────────────────────────


@on_sqlite
def test_incident_subscription_ends_with_the_incident(client, stored, committed, at, api):
    with committed():
        incident = incidents.open_incident(
            "Logins fail",
            UpdateInput(status=IncidentStatus.INVESTIGATING, body="We look."),
            by=SYSTEM,
            at=at,
        )
        db.session.flush()
        key = incident.public_id
    path = f"/incidents/{key}/subscribe"
    assert "Logins fail" in client.get(path).text
    assert send(client, incident=key).status_code == 303
    (subscriber,) = stored()
    with committed():
        assert db.session.get(Subscriber, subscriber.id).incident.public_id == key
        site.resolve(incidents.get(key), at)
    assert client.get(path).status_code == 404
    assert send(client, incident=key).status_code == 404
    assert client.get("/incidents/nothing/subscribe").status_code == 404


# ── one's own page ─────────────────────────────────────────────────────────────


def test_subscriber_changes_components(client, stored, active, api):
    path = link(active, Purpose.MANAGE)
    shown = client.get(path)
    assert shown.status_code == 200
    assert ADDRESS in shown.text
    assert shown.headers["Cache-Control"] == "no-store"
    assert shown.headers["Referrer-Policy"] == "no-referrer"
    assert shown.headers["X-Robots-Tag"] == "noindex"
    assert "whsec_" in shown.text
    sent = {"scope": "some", "component": api, "wants": "ends", "time_zone": "Europe/Paris"}
    saved = client.post(path, data=sent, follow_redirects=True)
    assert "Saved." in saved.text
    (subscriber,) = stored()
    assert [each.public_id for each in subscriber.components] == [api]
    assert (subscriber.wants, subscriber.time_zone) == ("ends", "Europe/Paris")
    assert client.post(path, data={"scope": "some"}).status_code == 422
    client.post(path, data={"scope": "all", "component": api})
    assert stored()[0].components == []


@on_sqlite
def test_subscriber_exports_and_erases_data(client, stored, active, app):
    path = link(active, Purpose.MANAGE)
    told = client.get(f"{path}/data.json")
    assert told.headers["Content-Disposition"].startswith("attachment")
    assert json.loads(told.text)["address"] == ADDRESS
    assert "deleted the address" in client.post(f"{path}/leave").text
    with app.app_context():
        left = db.session.execute(sa.select(*Subscriber.__table__.columns)).all()
        assert "hooks.example.com" not in str(left)
    for gone in (path, f"{path}/data.json", link(active, Purpose.CONFIRM)):
        assert client.get(gone).status_code == 404


@on_sqlite
def test_subscriber_reactivates_a_quarantined_subscription(client, stored, active, committed, at):
    with committed():
        subscribers.quarantine(subscribers.get(active.public_id), by=SYSTEM, at=at)
    path = link(active, Purpose.MANAGE)
    assert "couldn’t deliver" in client.get(path).text
    client.post(f"{path}/start")
    assert stored()[0].state is SubscriberState.ACTIVE


# ── leaving ────────────────────────────────────────────────────────────────────


def test_unsubscribing_needs_a_single_post(client, stored, active):
    path = link(active, Purpose.UNSUBSCRIBE)
    assert "hooks.example.com" in client.get(path).text
    assert stored()[0].state is SubscriberState.ACTIVE
    sent = {"List-Unsubscribe": "One-Click"}
    assert client.post(path, data=sent).status_code == 200
    assert stored()[0].state is SubscriberState.UNSUBSCRIBED
    # Pressed twice, it did nothing wrong.
    assert client.post(path, data=sent).status_code == 200
    assert "’re unsubscribed" in client.get(path).text


@on_sqlite
def test_statuspage_unsubscribe_link_leads_to_the_confirmation_page(client, stored, active):
    assert client.get("/").status_code == 200
    answer = client.get(f"/?unsubscribe={active.public_id}")
    assert answer.status_code == 303
    asks = urlsplit(answer.headers["Location"]).path
    assert "will get no more updates" in client.get(asks).text
    assert stored()[0].state is SubscriberState.ACTIVE
    unknown = client.get("/?unsubscribe=nobody", follow_redirects=True)
    assert unknown.status_code == 200
    assert client.post(asks).status_code == 200
    assert stored()[0].state is SubscriberState.UNSUBSCRIBED


@on_sqlite
def test_subscriber_id_without_a_token_gives_no_access(client, active):
    asks = client.get(f"/?unsubscribe={active.public_id}").headers["Location"]
    token = urlsplit(asks).path.rpartition("/")[2]
    assert "/subscriptions/" not in client.get(asks).text
    for other in ("confirm/", ""):
        assert client.get(f"/subscriptions/{other}{token}").status_code == 404


@on_sqlite
def test_signed_link_is_bound_to_purpose_and_subscriber(client, stored, active):
    for purpose in (Purpose.CONFIRM, Purpose.MANAGE, Purpose.UNSUBSCRIBE):
        token = link(active, purpose).rpartition("/")[2]
        paths = {
            Purpose.CONFIRM: "/subscriptions/confirm/",
            Purpose.UNSUBSCRIBE: "/subscriptions/unsubscribe/",
            Purpose.MANAGE: "/subscriptions/",
        }
        for other in set(paths) - {purpose}:
            for method in ("GET", "POST"):
                assert client.open(paths[other] + token, method=method).status_code == 404
    forged = f"/subscriptions/{active.public_id}.{'A' * 27}"
    assert client.get(forged).status_code == 404
    assert client.post(f"{forged}/leave").status_code == 200
    assert stored()[0].state is SubscriberState.ACTIVE


# ── time ───────────────────────────────────────────────────────────────────────


def test_unconfirmed_address_is_erased_after_two_days(client, app, stored, traveller, at):
    send(client)
    path = link(stored()[0], Purpose.CONFIRM)
    soon = at + subscribers.CONFIRM_WITHIN
    traveller.move_to(soon - timedelta(seconds=1))
    assert client.get(path).status_code == 200
    worker.delete_expired(app, soon - timedelta(seconds=1))
    assert len(stored()) == 1
    # Nobody can confirm any more, whether or not the worker was there.
    traveller.move_to(soon)
    assert client.get(path).status_code == 404
    worker.delete_expired(app, soon)
    assert stored() == []
    assert client.post(path).status_code == 404


def test_old_email_link_works_while_its_key_is_listed(app, client, settings, active):
    address = link(active, Purpose.UNSUBSCRIBE)
    rotated = {"secret_key": "a new key of this installation"}
    app.config["SETTINGS"] = settings.model_copy(update=rotated)
    assert client.get(address).status_code == 404
    listed = rotated | {"old_secret_keys": f"a-key-of-long-ago-1 {settings.secret_key}"}
    app.config["SETTINGS"] = settings.model_copy(update=listed)
    assert client.get(address).status_code == 200
    assert client.post(address).status_code == 200


def test_the_link_of_a_component_opens_the_form_with_it_ticked(client, api):
    link = re.search(
        r'href="([^"]+)">Subscribe to this component', client.get(f"/components/{api}").text
    )
    answer = client.get(link[1])
    assert answer.status_code == 200
    assert f'name="component" value="{api}" checked' in answer.text
    assert 'name="scope" value="some" checked' in answer.text
    assert client.get("/subscribe").text.count(f'value="{api}" checked') == 0


def test_a_component_that_is_not_there_gives_the_plain_form(client, api):
    plain = client.get("/subscribe").data
    for junk in ("bcdfghjklmnp", "x", "../..", "%00"):
        assert client.get(f"/subscribe?component={junk}").data == plain
