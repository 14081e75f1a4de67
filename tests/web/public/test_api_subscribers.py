"""`/api/v2/subscribers.json`: programs subscribe people, who confirm."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain import page_settings
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Moments, UpdateInput
from statuspage.domain.statuses import IncidentStatus
from statuspage.domain.subscribers.subscriptions import Subscriber, SubscriberState
from statuspage.lib import signed_links
from statuspage.lib.signed_links import Purpose
from tests.conftest import SECRET, on_sqlite

pytestmark = on_sqlite

ADDRESS = "/api/v2/subscribers.json"


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"smtp_url": "smtp://127.0.0.1:2525"})


@pytest.fixture
def component(committed, at):
    with committed():
        page_settings.create("Brambleway", by=SYSTEM, at=at)
        return components.add_component("API", by=SYSTEM, at=at).public_id


@pytest.fixture
def stored(app):
    def read():
        with app.app_context():
            query = sa.select(Subscriber).options(sa.orm.selectinload(Subscriber.components))
            return db.session.scalars(query).one()

    return read


def test_subscribing_stores_an_unconfirmed_address_and_reveals_nothing(client, component, stored):
    sent = {"subscriber": {"email": "Ada@example.com", "component_ids": [component]}}
    first, again = client.post(ADDRESS, json=sent), client.post(ADDRESS, json=sent)
    assert first.status_code == again.status_code == 201
    assert first.json == again.json
    assert first.json["mode"] == "email_sms"
    assert first.json["can_select_components"] is True
    assert first.headers["Access-Control-Allow-Origin"] == "*"
    subscriber = stored()
    assert subscriber.state is SubscriberState.UNCONFIRMED
    assert [each.public_id for each in subscriber.components] == [component]


def test_nested_form_fields_are_read(client, component, stored):
    sent = {
        "subscriber[endpoint]": "https://hooks.example.com/x",
        "subscriber[email]": "a@b.example",
    }
    assert client.post(ADDRESS, data=sent).json["mode"] == "webhook"
    assert stored().email == "a@b.example"


def test_only_a_link_token_reads_and_unsubscribes(client, component, stored):
    client.post(ADDRESS, json={"subscriber": {"email": "ada@example.com"}})
    public_id = stored().public_id
    for wrong in (public_id, "", f"{public_id}.x"):
        for method in ("GET", "DELETE"):
            answer = client.open(ADDRESS, method=method, query_string={"subscriber[id]": wrong})
            assert answer.status_code == 404
    token = signed_links.token(SECRET, Purpose.MANAGE, public_id)
    asked = client.get(ADDRESS, query_string={"subscriber[id]": token}).json
    assert asked["subscriber"] == {"state": "unconfirmed", "component_ids": []}
    assert client.delete(ADDRESS, json={"subscriber": {"id": token}}).status_code == 200
    assert client.get(ADDRESS, query_string={"subscriber[id]": token}).status_code == 404


@pytest.mark.usefixtures("component")
@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"subscriber": "x"},
        {"subscriber": {"email": "nobody"}},
        {"subscriber": {"email": 7}},
        {"subscriber": {"phone_number": "5551234", "phone_country": "US"}},
        {"subscriber": {"email": "a@b.example", "component_ids": ["nothing"]}},
        {"subscriber": {"email": "a@b.example", "component_ids": "x"}},
        {"subscriber": {"email": "a@b.example", "incident": "nothing"}},
    ],
)
def test_invalid_subscription_is_refused_with_a_sentence(client, sent):
    refused = client.post(ADDRESS, json=sent)
    assert refused.status_code in (400, 422)
    assert refused.json["message"]
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert refused.headers.get("Set-Cookie") is None


@pytest.mark.usefixtures("component")
def test_network_is_rate_limited(client):
    codes = [
        client.post(ADDRESS, json={"subscriber": {"email": f"a{n}@b.example"}}).status_code
        for n in range(21)
    ]
    assert codes == [201] * 20 + [429]


@pytest.fixture
def past_incidents(committed, at, component):
    with committed():
        return [
            incidents.backfill(
                f"Outage {number}",
                UpdateInput(status=IncidentStatus.RESOLVED, body="It is over."),
                Moments(
                    started_at=at - timedelta(days=number), resolved_at=at - timedelta(days=number)
                ),
                by=SYSTEM,
                at=at,
            ).public_id
            for number in range(1, 8)
        ]


def test_an_address_gets_six_confirmations_a_day_whatever_the_incident(client, past_incidents):
    def subscribe(email, incident):
        said = {"subscriber": {"email": email, "incident": incident}}
        return client.post(ADDRESS, json=said).status_code

    spellings = ["anna@example.com", "anna@EXAMPLE.com", " anna@example.com "]
    codes = [subscribe(spellings[n % 3], one) for n, one in enumerate(past_incidents)]
    assert codes == [201] * 6 + [429]
    assert subscribe("bob@example.com", past_incidents[0]) == 201


@pytest.mark.usefixtures("component")
@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://other.example"}]
)
def test_another_site_cannot_subscribe_its_visitors(client, stored, headers):
    refused = client.post(
        ADDRESS,
        data='{"subscriber": {"email": "anna@example.com"}}',
        content_type="text/plain",
        headers=headers,
    )
    assert refused.status_code == 403
    with pytest.raises(sa.exc.NoResultFound):
        stored()


@pytest.mark.usefixtures("component")
@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "[::1]", "169.254.169.254"])
def test_a_webhook_at_a_private_address_is_refused_at_once(client, host):
    said = {"subscriber": {"email": "a@b.example", "endpoint": f"http://{host}/hook"}}
    assert client.post(ADDRESS, json=said).status_code == 422
    said["subscriber"]["endpoint"] = "https://hook.example/x"
    assert client.post(ADDRESS, json=said).status_code == 201
