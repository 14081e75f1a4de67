"""Two incidents on one component: every output says how it stands, and which one holds it there."""

from datetime import timedelta

import pytest

from statuspage.domain import events
from statuspage.domain.claims import Claim
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import corrections
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from statuspage.notify import chat_message, email_examples, email_message
from statuspage.notify import message as messages
from tests.conftest import on_sqlite
from tests.helpers import site

BASE = "https://status.example.com"
PARTIAL = Claim(ComponentStatus.PARTIAL_OUTAGE)
DEGRADED = Claim(ComponentStatus.DEGRADED_PERFORMANCE)


@pytest.fixture
def overlap(committed, at):
    """`cards` has a partial outage by `first` and is degraded by `second`; ids."""
    with committed():
        site.a_page(at)
        cards = site.a_component("Bank transfers", at)
        ids = {"cards": cards.public_id}
        for name, title, claim in (
            ("first", "Transfers fail", PARTIAL),
            ("second", "Slow transfers", DEGRADED),
        ):
            update = UpdateInput(IncidentStatus.INVESTIGATING, "We are looking.", {cards: claim})
            ids[name] = incidents.open_incident(title, update, by=SYSTEM, at=at).public_id
    return ids


@pytest.fixture
def resolved(committed, overlap, at):
    with committed():
        update = UpdateInput(IncidentStatus.RESOLVED, "Transfers work again.")
        first = incidents.get(overlap["first"])
        incidents.post_update(first, update, by=SYSTEM, at=at + timedelta(minutes=5))
    return overlap


@on_sqlite
def test_resolving_names_the_other_incident_on_page_and_feed(client, resolved, traveller):
    traveller.shift(timedelta(minutes=6))
    text = site.text_of(client.get(f"/incidents/{resolved['first']}"))
    assert "Bank transfers: Partial outage → Degraded performance because of Slow transfers" in text
    assert "→ Operational" not in text
    feed = client.get(f"/incidents/{resolved['first']}.atom").text
    assert "Degraded performance because of “Slow transfers”" in feed


@on_sqlite
def test_resolving_names_the_other_incident_in_the_api(client, resolved, traveller):
    traveller.shift(timedelta(minutes=6))
    newest = client.get(f"/api/v2/incidents/{resolved['first']}.json").json["incident"]
    assert newest["incident_updates"][0]["affected_components"] == [
        {
            "code": resolved["cards"],
            "name": "Bank transfers",
            "old_status": "partial_outage",
            "new_status": "degraded_performance",
            "because_of": {"id": resolved["second"], "name": "Slow transfers"},
        }
    ]


@on_sqlite
def test_resolving_names_the_other_incident_in_mail_and_chat(app, resolved, at):
    with app.app_context():
        message = messages.of(events.latest(1)[0], at=at + timedelta(minutes=6), base_url=BASE)
        mail = email_message.render(message, email_examples.reader("", BASE))
        line = "Bank transfers: Degraded performance because of “Slow transfers”"
        assert line in mail.text
        assert "because of “<bdi>Slow transfers</bdi>”" in mail.html
        chat = chat_message.chat_message(message, email_examples.reader("", BASE))
        reason = "Degraded performance because of “Slow transfers”"
        assert chat.components == (("Bank transfers", reason),)


@on_sqlite
def test_a_milder_update_does_not_hide_a_worse_incident(client, overlap):
    told = client.get(f"/api/v2/incidents/{overlap['second']}.json").json["incident"]
    (change,) = told["incident_updates"][0]["affected_components"]
    assert (change["old_status"], change["new_status"]) == ("partial_outage", "partial_outage")
    assert change["because_of"]["name"] == "Transfers fail"


@on_sqlite
def test_a_retracted_incident_holds_nothing(client, committed, resolved, at, traveller):
    traveller.shift(timedelta(minutes=6))
    with committed():
        wrong = incidents.get(resolved["second"])
        corrections.retract(wrong, reason="A mistake.", by=SYSTEM, at=at + timedelta(minutes=6))
    newest = client.get(f"/api/v2/incidents/{resolved['first']}.json").json["incident"]
    (change,) = newest["incident_updates"][0]["affected_components"]
    assert change["new_status"] == "operational"
    assert "because_of" not in change


@on_sqlite
def test_impact_counts_only_the_incident_s_own_claims(app, committed, overlap, at):
    with committed():
        second = incidents.get(overlap["second"])
        milder = UpdateInput(
            IncidentStatus.MONITORING,
            "Better.",
            {components.get(overlap["cards"]): DEGRADED},
        )
        incidents.post_update(second, milder, by=SYSTEM, at=at + timedelta(minutes=1))
        assert second.impact.value == "minor"
        assert second.updates[0].changes[0].new_status is ComponentStatus.DEGRADED_PERFORMANCE
