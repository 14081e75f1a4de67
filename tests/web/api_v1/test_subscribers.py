"""Subscribers by the Manage API."""

import json

import pytest
import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.statuses import IncidentStatus
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.subscribers.subscriptions import Channel, Contact, Subscriber
from statuspage.domain.tokens import Scope
from tests.conftest import on_sqlite

KEYS = [
    "id",
    "skip_confirmation_notification",
    "mode",
    "email",
    "endpoint",
    "phone_number",
    "phone_country",
    "display_phone_number",
    "obfuscated_channel_name",
    "workspace_name",
    "quarantined_at",
    "purge_at",
    "components",
    "page_access_user_id",
    "created_at",
]


def subscribe(program, **fields):
    return program.post("/subscribers", {"subscriber": fields})


@pytest.fixture
def an_active(committed, at):
    """`an_active("a@example.com")` subscribes somebody who agreed; gives the public id."""

    def make(text, channel=Channel.EMAIL):
        with committed():
            contact = Contact.of(channel, text)
            made = subscribers.add(contact, by=SYSTEM, at=at, is_confirmed=True)
            db.session.flush()
            return made.public_id

    return make


@pytest.fixture
def recorded(app):
    """The kinds of what the log holds about subscribers, oldest first."""

    def kinds():
        with app.app_context():
            query = sa.select(events.Event).where(events.Event.kind.like("subscriber.%"))
            return [event.kind for event in db.session.scalars(query.order_by(events.Event.id))]

    return kinds


# ── creating ───────────────────────────────────────────────────────────────────


def test_subscriber_added_by_email_is_asked_to_confirm(program, recorded):
    made = subscribe(program, email=" Jane@Example.COM ", unknown=1)
    assert made.status_code == 201
    assert list(made.json) == KEYS
    assert made.json["mode"] == "email"
    assert made.json["email"] == "Jane@example.com"
    assert made.json["components"] == []
    assert made.json["created_at"] == "2026-03-10T12:00:00Z"
    assert made.json["purge_at"] == "2026-03-12T12:00:00Z"
    assert recorded() == ["subscriber.confirmation_wanted"]
    assert program.get("/subscribers").json == []
    assert program.get("/subscribers?state=unconfirmed").json == [made.json]
    assert program.get(f"/subscribers/{made.json['id']}").json == made.json


@on_sqlite
def test_subscriber_with_skip_confirmation_is_active_at_once(program, recorded):
    made = subscribe(program, email="jane@example.com", skip_confirmation_notification=True)
    assert made.json["skip_confirmation_notification"] is True
    assert made.json["purge_at"] is None
    assert program.get("/subscribers").json == [made.json]
    assert recorded() == ["subscriber.added"]


@on_sqlite
def test_webhook_is_active_at_once_and_keeps_its_contact(program):
    made = subscribe(program, email="ops@example.com", endpoint="HTTPS://Hooks.Example.com:443/a?b")
    assert made.json["mode"] == "webhook"
    assert made.json["endpoint"] == "https://hooks.example.com/a?b"
    assert made.json["email"] == "ops@example.com"
    assert program.get("/subscribers?type=webhook").json == [made.json]


@on_sqlite
def test_phone_number_is_returned_in_national_form(program):
    made = subscribe(program, phone_number="(555) 010-9999", phone_country="US")
    assert made.json["mode"] == "sms"
    assert made.json["phone_number"] == "5550109999"
    assert made.json["phone_country"] == "US"
    assert made.json["display_phone_number"] == "+15550109999"


UNREACHABLE = [
    {},
    {"email": "a@example.com", "phone_number": "5550109999"},
    {"endpoint": "https://example.com", "phone_number": "5550109999"},
    {"email": "no address"},
    {"email": "two@example.com, one@example.com"},
    {"email": "line@example.com\nBcc: x@example.com"},
    {"email": f"{'a' * 65}@example.com"},
    {"email": f"a@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.example.com"},
    {"email": "a@localhost"},
    {"endpoint": "ftp://example.com/"},
    {"endpoint": "https://name:secret@example.com/"},
    {"endpoint": "https://[::1/"},
    {"endpoint": "https://10.1.2.3/hook"},
    {"endpoint": "https://example.com/ x"},
    {"endpoint": "//example.com"},
    {"phone_number": "call me", "phone_country": "US"},
    {"phone_number": "12", "phone_country": "US"},
    {"phone_number": "5550109999", "phone_country": "??"},
    {"email": "a@example.com", "component_ids": ["nothing"]},
    {"email": "a@example.com", "page_access_user": "nobody"},
    {"email": {"a": 1}},
]


@on_sqlite
def test_unreachable_address_is_refused_with_a_sentence(program):
    for fields in UNREACHABLE:
        refused = subscribe(program, **fields)
        assert refused.status_code == 422, fields
        assert refused.json["message"], fields
    assert program.get("/subscribers?state=all").json == []


def test_repeated_address_is_one_subscriber_with_the_last_components(
    program, committed, at, recorded
):
    with committed():
        api = components.add_component("API", by=SYSTEM, at=at)
        db.session.flush()
    first = subscribe(program, email="jane@example.com", skip_confirmation_notification=True).json
    again = subscribe(program, email="JANE@example.com", component_ids=[api.public_id])
    assert again.status_code == 201
    assert again.json == first | {"components": [api.public_id]}
    # Without a list they keep theirs.
    assert subscribe(program, email="jane@example.com").json == again.json
    assert len(program.get("/subscribers?state=all").json) == 1
    assert recorded() == ["subscriber.added", "subscriber.edited", "subscriber.edited"]


@on_sqlite
def test_audit_log_has_no_address(program, app):
    made = subscribe(program, email="jane@example.com").json
    program.delete(f"/subscribers/{made['id']}")
    with app.app_context():
        for event in db.session.scalars(sa.select(events.Event)):
            assert "jane" not in f"{event.title} {event.subject} {json.dumps(event.data)}"


# ── changing and leaving ───────────────────────────────────────────────────────


@on_sqlite
def test_subscriber_components_are_stored_and_returned(program, committed, at, an_active):
    with committed():
        api = components.add_component("API", by=SYSTEM, at=at)
        db.session.flush()
    address = f"/subscribers/{an_active('jane@example.com')}"
    assert program.patch(address, {"component_ids": [api.public_id]}).json["components"] == [
        api.public_id
    ]
    wrapped = program.put(address, {"subscriber": {"component_ids": []}})
    assert (wrapped.status_code, wrapped.json["components"]) == (200, [])
    assert program.patch(address, {"component_ids": ["nothing"]}).status_code == 422
    assert program.patch("/subscribers/nobody", {"component_ids": []}).status_code == 404


def test_deleting_erases_the_address_and_returns_it_once(program, app, recorded):
    made = subscribe(program, email="jane@example.com", skip_confirmation_notification=True).json
    gone = program.delete(f"/subscribers/{made['id']}?skip_unsubscription_notification=true")
    assert (gone.status_code, gone.json) == (200, made)
    assert program.get(f"/subscribers/{made['id']}").status_code == 404
    assert program.delete(f"/subscribers/{made['id']}").status_code == 404
    assert program.get("/subscribers?state=all").json == []
    (left,) = program.get("/subscribers/unsubscribed").json
    assert (left["id"], left["email"]) == (made["id"], None)
    with app.app_context():
        columns = db.session.execute(sa.select(*Subscriber.__table__.columns)).all()
        assert "jane" not in str(columns)
    assert recorded() == ["subscriber.added", "subscriber.unsubscribed"]
    # They may come back, as somebody new.
    assert subscribe(program, email="jane@example.com").json["id"] != made["id"]


@on_sqlite
def test_confirmation_is_resent_to_unconfirmed_subscribers(program, an_active, recorded):
    waiting = subscribe(program, email="jane@example.com").json["id"]
    active = an_active("joe@example.com")
    for address in (f"/subscribers/{waiting}", f"/subscribers/{active}"):
        assert program.post(f"{address}/resend_confirmation").status_code == 201
    bulk = "/subscribers/resend_confirmation"
    for whom in ("all", [waiting], waiting, f"{waiting},{active}"):
        assert program.post(bulk, {"subscribers": whom}).status_code == 201
    assert recorded().count("subscriber.confirmation_wanted") == 6
    assert program.post(bulk, {"subscribers": ["nobody"]}).status_code == 422
    assert program.post(bulk, {}).status_code == 422


def test_bulk_unsubscribe_is_limited(program, committed, an_active, at):
    one, two = an_active("a@example.com"), an_active("b@example.com")
    waiting = subscribe(program, email="c@example.com").json["id"]
    bulk = "/subscribers/unsubscribe"
    assert program.post(bulk, {"subscribers": [one]}).status_code == 201
    assert program.post(bulk, {"subscribers": "all", "type": "sms"}).status_code == 201
    assert [each["id"] for each in program.get("/subscribers").json] == [two]
    assert program.post(bulk, {"subscribers": "all"}).status_code == 201
    assert [each["id"] for each in program.get("/subscribers?state=all").json] == [waiting]
    with committed():
        for number in range(100):
            contact = Contact.of(Channel.EMAIL, f"{number}@example.com")
            subscribers.add(contact, by=SYSTEM, at=at, is_confirmed=True)
    assert program.post(bulk, {"subscribers": "all"}).status_code == 422
    assert program.post(bulk, {"subscribers": ["x"] * 101}).status_code == 422
    assert program.get("/subscribers/count").json["email"] == 100


def test_quarantined_subscribers_are_reactivated(program, committed, an_active, at, recorded):
    ids = [an_active("a@example.com"), an_active("b@example.com")]
    with committed():
        for one in ids:
            subscribers.quarantine(subscribers.get(one), by=SYSTEM, at=at)
    (first, _) = program.get("/subscribers?state=quarantined").json
    assert first["quarantined_at"] == "2026-03-10T12:00:00Z"
    assert first["purge_at"] == "2026-06-08T12:00:00Z"
    assert program.post("/subscribers/reactivate", {"subscribers": [ids[0]]}).status_code == 201
    assert len(program.get("/subscribers").json) == 1
    sent = {"subscribers": "all", "type": "email"}
    assert program.post("/subscribers/reactivate", sent).status_code == 201
    assert len(program.get("/subscribers").json) == 2
    assert recorded()[-4:] == [*["subscriber.quarantined"] * 2, *["subscriber.reactivated"] * 2]


# ── the list ───────────────────────────────────────────────────────────────────


def test_subscriber_list_is_searched_filtered_sorted_and_paged(program, traveller, an_active):
    an_active("zoe@example.com")
    traveller.shift(60)
    an_active("anna@example.org")
    an_active("https://example.org/hook_1", Channel.WEBHOOK)

    def found(query):
        answer = program.get(f"/subscribers?{query}")
        assert answer.status_code == 200, answer.json
        return [(one["email"] or one["endpoint"])[:5] for one in answer.json]

    assert found("") == ["anna@", "https", "zoe@e"]
    assert found("sort_direction=desc") == ["zoe@e", "https", "anna@"]
    assert found("sort_field=created_at") == ["zoe@e", "anna@", "https"]
    assert found("q=EXAMPLE.ORG") == ["anna@", "https"]
    assert found("q=hook_1") == ["https"]
    assert found("q=hook%251") == []
    assert found("q=z&sort_field=relevance") == ["zoe@e"]
    assert found("type=email&state=active") == ["anna@", "zoe@e"]
    assert found("state=quarantined&sort_field=quarantined_at") == []
    # Statuspage counts the pages of subscribers from 0.
    assert found("limit=2") == found("limit=2&page=0") == ["anna@", "https"]
    assert found("limit=2&page=1") == ["zoe@e"]
    assert found("page=99999999999999999999") == []
    for wrong in ("type=pigeon", "state=gone", "sort_field=height", "sort_direction=up"):
        assert program.get(f"/subscribers?{wrong}").status_code == 422
    assert program.get("/subscribers?sort_field=relevance").status_code == 422


@on_sqlite
def test_subscriber_list_query_count_is_constant(program, app, an_active, at, committed):
    with committed():
        api = components.add_component("API", by=SYSTEM, at=at)
    an_active("a@example.com")
    asked: list[str] = []
    with app.app_context():
        engine = db.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *args: asked.append(args[2]))

    def queries():
        asked.clear()
        program.get("/subscribers")
        return len(asked)

    few = queries()
    with committed():
        for number in range(30):
            contact = Contact.of(Channel.EMAIL, f"{number}@example.com")
            subscribers.add(contact, subscribers.Choice([api]), by=SYSTEM, at=at, is_confirmed=True)
    assert queries() <= few + 1  # The components, which nobody had chosen before.


@on_sqlite
def test_subscribers_are_counted_by_type_and_state(program, an_active):
    an_active("a@example.com")
    an_active("https://hooks.slack.com/services/T/B/x", Channel.SLACK)
    an_active("https://discord.com/api/webhooks/1/x", Channel.DISCORD)
    subscribe(program, email="b@example.com")
    assert program.get("/subscribers/count").json == {
        "email": 1,
        "sms": 0,
        "webhook": 0,
        "integration_partner": 1,
        "slack": 1,
        "teams": 0,
    }
    assert program.get("/subscribers/count?type=email&state=all").json["email"] == 2
    assert program.get("/subscribers/count?type=sms&state=all").json["email"] == 0
    histogram = program.get("/subscribers/histogram_by_state").json
    assert list(histogram) == ["email", "sms", "webhook", "integration_partner", "slack", "teams"]
    assert histogram["email"] == {"active": 1, "unconfirmed": 1, "quarantined": 0, "total": 2}


@on_sqlite
def test_subscriber_addresses_require_their_scope(program_with, an_active):
    subscriber = an_active("a@example.com")
    reader = program_with(Scope.READ)
    for address in ("/subscribers", f"/subscribers/{subscriber}", "/subscribers/count"):
        assert reader.get(address).status_code == 403
    assert program_with(Scope.SUBSCRIBERS).get(f"/subscribers/{subscriber}").status_code == 200


# ── of one incident ────────────────────────────────────────────────────────────


@pytest.fixture
def incident_path(committed, at) -> str:
    with committed():
        incident = incidents.open_incident(
            "API errors",
            UpdateInput(status=IncidentStatus.INVESTIGATING, body="We look."),
            by=SYSTEM,
            at=at,
        )
        db.session.flush()
        return f"/incidents/{incident.public_id}/subscribers"


def test_incident_has_its_own_subscribers(program, incident_path, recorded):
    of_page = subscribe(program, email="jane@example.com", skip_confirmation_notification=True)
    made = program.post(incident_path, {"subscriber": {"email": "jane@example.com"}})
    assert made.status_code == 201
    assert list(made.json) == KEYS
    assert made.json["id"] != of_page.json["id"]
    one = f"{incident_path}/{made.json['id']}"
    assert program.get(one).json == made.json
    assert program.get(incident_path).json == [made.json]
    assert program.get(f"{incident_path}?page=2").json == []
    assert program.get("/subscribers?state=all").json == [of_page.json]
    assert program.get(f"{incident_path}/{of_page.json['id']}").status_code == 404
    assert program.post(f"{one}/resend_confirmation").status_code == 201
    gone = program.delete(one)
    assert (gone.status_code, gone.json["email"]) == (200, "jane@example.com")
    assert program.get(incident_path).json == []
    assert recorded().count("subscriber.confirmation_wanted") == 2


@on_sqlite
def test_incident_subscribers_are_email_or_sms_only(program, incident_path):
    hook = {"subscriber": {"endpoint": "https://example.com/", "email": "a@example.com"}}
    assert program.post(incident_path, hook).status_code == 422
    assert program.get("/incidents/nothing/subscribers").status_code == 404
