"""Tools other than Alertmanager, and what another one costs."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain import page_settings, tokens
from statuspage.domain.alerts import AlertGroup, AlertReport
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents.models import Incident
from statuspage.domain.statuses import ComponentStatus
from statuspage.domain.tokens import Scope
from statuspage.notify.worker import step
from statuspage.web.hooks.alert_parsers import registry
from tests.conftest import on_sqlite
from tests.helpers.alertmanager import an_alert, told

pytestmark = on_sqlite


@pytest.fixture
def post(app, client, committed, at):
    with committed():
        page_settings.create("Brambleway", by=SYSTEM, at=at)
        for name in ("Payments", "Search"):
            components.add_component(name, by=SYSTEM, at=at)
        scopes = [Scope.ALERTS_PUBLISH]
        _, secret = tokens.create("Tool", scopes=scopes, by=SYSTEM, at=at)
    return lambda tool, payload: client.post(f"/hooks/{tool}/{secret}", json=payload)


@pytest.fixture
def all_of(app):
    """`all_of()`: every incident, oldest first, as (name, status, claims by component)."""

    def read():
        with app.app_context():
            return [
                (
                    incident.name,
                    incident.status.value,
                    {part.name: claim.status.value for part, claim in incident.claims.items()},
                )
                for incident in db.session.scalars(sa.select(Incident).order_by(Incident.id))
            ]

    return read


@pytest.fixture
def later(app, traveller):
    """Six minutes pass, the worker's tick at their end."""

    def pass_by():
        traveller.shift(timedelta(minutes=6))
        step(app, datetime.now(UTC))

    return pass_by


def rule(state, **more):
    """A rule of Grafana's legacy alerts."""
    return {
        "evalMatches": [{"value": 12.5, "metric": "5xx", "tags": {}}],
        "message": "Too many errors.",
        "orgId": 1,
        "ruleId": 17,
        "ruleName": "Checkout errors",
        "ruleUrl": "https://grafana.example/d/abc?tab=alert",
        "state": state,
        "tags": {"component": "Payments"},
        "title": f"[{state}] Checkout errors",
        **more,
    }


def heartbeat(status, **monitor):
    return {
        "heartbeat": {
            "monitorID": 4,
            "status": status,
            "time": "2026-03-10 11:58:00.527",
            "msg": "connect ECONNREFUSED 10.0.0.7:443",
            "important": True,
        },
        "monitor": {"id": 4, "name": "search", "type": "http", "tags": [], **monitor},
        "msg": "[search] connect ECONNREFUSED 10.0.0.7:443",
    }


def test_a_legacy_rule_of_grafana_opens_and_ends_an_incident(post, all_of, later):
    assert post("grafana", rule("alerting")).status_code == 200
    assert all_of() == [("Checkout errors", "investigating", {"Payments": "degraded_performance"})]
    post("grafana", rule("ok", evalMatches=[]))
    later()
    assert [status for _, status, _ in all_of()] == ["resolved"]


@pytest.mark.parametrize("state", ["no_data", "pending", "paused", "unknown", 3])
def test_a_legacy_rule_without_an_outage_opens_nothing(post, all_of, state):
    assert post("grafana", rule(state)).status_code == 200
    assert all_of() == []


def test_grafana_may_send_its_present_form_to_either_address(post, all_of):
    for tool in ("grafana", "alertmanager"):
        message = told(an_alert(labels={"component": "Search"}), orgId=1, state="alerting")
        assert post(tool, message).status_code == 200
    assert [name for name, *_ in all_of()] == ["Alert 1"]


def test_a_monitor_of_uptime_kuma_opens_and_ends_an_incident_of_its_component(
    post, client, all_of, later
):
    post("uptime-kuma", heartbeat(0))
    assert all_of() == [("search is down", "investigating", {"Search": "partial_outage"})]
    assert "ECONNREFUSED" not in client.get("/").text
    post("uptime-kuma", heartbeat(1))
    later()
    assert [status for _, status, _ in all_of()] == ["resolved"]


def test_tags_of_uptime_kuma_name_component_and_severity(post, all_of):
    tags = [{"name": "Component", "value": "Payments"}, {"name": "severity", "value": "warning"}]
    post("uptime-kuma", heartbeat(0, tags=tags))
    assert [claims for *_, claims in all_of()] == [{"Payments": "degraded_performance"}]


@pytest.mark.parametrize(
    "payload", [heartbeat(2), heartbeat(3), {"heartbeat": None, "monitor": None, "msg": "Testing"}]
)
def test_uptime_kuma_reports_of_no_outage_open_nothing(post, all_of, payload):
    assert post("uptime-kuma", payload).status_code == 200
    assert all_of() == []


@pytest.mark.parametrize(
    ("tool", "payload"),
    [
        ("grafana", {}),
        ("grafana", {"state": "alerting"}),
        ("grafana", []),
        ("uptime-kuma", {"monitor": {}}),
        ("uptime-kuma", "down"),
        ("alertmanager", rule("alerting")),
    ],
)
def test_a_payload_of_another_form_is_refused_with_a_sentence(post, tool, payload):
    answer = post(tool, payload)
    assert answer.status_code == 400
    assert answer.json["error"].startswith("Send the payload of ")


def test_an_unknown_tool_and_a_body_that_is_too_large_are_refused(post):
    assert post("nagios", {}).status_code == 404
    answer = post("alertmanager", {"alerts": [], "padding": "x" * 1_000_000})
    assert (answer.status_code, answer.json["error"][:30]) == (
        413,
        "The body is larger than 1 MB. ",
    )


def test_another_tool_needs_its_parser_and_a_line_in_the_registry(post, all_of, monkeypatch):
    def parse(payload):
        """All that a file `alert_parsers/smoke_detector.py` has to hold."""
        return [
            AlertReport(
                fingerprint=payload["room"],
                group=AlertGroup(key="building"),
                name="Smoke",
                is_firing=payload["smoke"],
                status=ComponentStatus.MAJOR_OUTAGE,
                components="search",
            )
        ]

    monkeypatch.setitem(registry.PARSERS, "smoke-detector", parse)
    assert post("smoke-detector", {"room": "cellar", "smoke": True}).status_code == 200
    assert all_of() == [("Smoke", "investigating", {"Search": "major_outage"})]
