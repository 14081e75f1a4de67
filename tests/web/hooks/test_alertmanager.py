"""Alerts of Alertmanager and Grafana: what they open, and when it ends."""

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Thread

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from statuspage.db import db
from statuspage.domain import alerts as monitoring
from statuspage.domain import page_settings, tokens
from statuspage.domain.components import claims_store
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM, Actor, ActorKind, Event
from statuspage.domain.incidents import drafts
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Incident, UpdateInput
from statuspage.domain.page_settings import PageEdit
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from statuspage.domain.tokens import Scope
from statuspage.lib.markdown import to_plain
from statuspage.notify.worker import step
from statuspage.web.hooks.alert_parsers.alertmanager import MAX_ALERTS, parse
from tests.conftest import on_sqlite
from tests.helpers.alertmanager import an_alert, told

ANN = Actor(ActorKind.STAFF, "Ann")


@pytest.fixture
def world(committed, at):
    with committed():
        page_settings.create("Brambleway", by=SYSTEM, at=at)
        return {
            name: components.add_component(name, by=SYSTEM, at=at).public_id
            for name in ("Payments", "Search")
        }


@pytest.fixture
def hook(app, committed, world, at):
    """`hook(alert, …)` posts alerts; `hook.publishes()` lets the token publish."""
    with committed():
        made, secret = tokens.create("Prometheus", scopes=[Scope.ALERTS], by=SYSTEM, at=at)
        token_id = made.id

    def post(*alerts, body=None, **more):
        sent = json.dumps(told(*alerts, **more)) if body is None else body
        return app.test_client().post(f"/hooks/alertmanager/{secret}", data=sent)

    def publishes():
        with committed() as session:
            session.get(tokens.ApiToken, token_id).scopes = [Scope.ALERTS_PUBLISH.value]

    post.publishes, post.secret = publishes, secret
    return post


@pytest.fixture
def later(app, traveller):
    """`later(minutes)` lets so much time pass, the worker's tick at its end."""

    def pass_by(minutes):
        traveller.shift(timedelta(minutes=minutes))
        step(app, datetime.now(UTC))

    return pass_by


@pytest.fixture
def all_of(app):
    """`all_of()`: every incident, oldest first, as (name, draft, status, claims by component)."""

    def read():
        with app.app_context():
            return [
                (
                    incident.name,
                    incident.is_draft,
                    incident.status.value,
                    {part.name: claim.status.value for part, claim in incident.claims.items()},
                )
                for incident in db.session.scalars(sa.select(Incident).order_by(Incident.id))
            ]

    return read


# ── what an alert opens ────────────────────────────────────────────────────────


def test_alert_opens_a_hidden_draft(hook, all_of, client, app, at):
    answer = hook(
        an_alert(
            labels={"component": "Payments"},
            annotations={"summary": "Payments fail", "description": "5 % of *cards* declined."},
        )
    )
    assert answer.status_code == 200
    assert all_of() == [("Payments fail", True, "investigating", {"Payments": "partial_outage"})]
    assert "Payments fail" not in client.get("/").text
    with app.app_context():
        incident = incidents.get(answer.json["incident"])
        assert incident.started_at == datetime(2026, 3, 10, 11, 50, 0, 123456, tzinfo=UTC)
        assert incident.detected_at == at
        assert incident.updates[0].body_html == "<p>5 % of <em>cards</em> declined.</p>"
        log = db.session.scalars(sa.select(Event).where(Event.subject == incident.public_id)).all()
        assert [(one.kind, one.actor_kind, one.actor_name) for one in log] == [
            ("incident.drafted", ActorKind.TOKEN, "Prometheus")
        ]


@on_sqlite
def test_alert_with_a_publishing_token_is_public_at_once(hook, client, world):
    hook.publishes()
    hook(an_alert(labels={"component": world["Search"], "severity": "warning"}))
    page = client.get("/").text
    assert "Alert 1" in page
    rows = client.get("/api/v2/components.json").json["components"]
    assert {row["name"]: row["status"] for row in rows} == {
        "Payments": "operational",
        "Search": "degraded_performance",
    }


@on_sqlite
def test_alert_group_makes_one_incident_with_worst_statuses(hook, all_of):
    hook(
        an_alert(1, labels={"component": "Payments", "severity": "warning"}),
        an_alert(2, labels={"components": "Search, Payments", "statuspage_status": "major_outage"}),
        an_alert(3, labels={"component": "Nothing of ours"}),
    )
    down = {"Payments": "major_outage", "Search": "major_outage"}
    assert all_of() == [("Alert 1 and 2 more", True, "investigating", down)]
    hook(an_alert(4, labels={"component": "Payments"}), key="another group")
    assert [name for name, *_ in all_of()] == ["Alert 1 and 2 more", "Alert 4"]


@on_sqlite
def test_later_alert_of_a_group_joins_its_incident(hook, all_of, later):
    hook.publishes()
    hook(an_alert(1, labels={"component": "Payments"}))
    later(2)
    hook(an_alert(1, labels={"component": "Payments"}), an_alert(2, labels={"component": "Search"}))
    both = {"Payments": "partial_outage", "Search": "partial_outage"}
    assert all_of() == [("Alert 1", False, "investigating", both)]


@on_sqlite
@pytest.mark.parametrize("is_published", [False, True])
def test_milder_later_alert_keeps_the_worst_status(hook, all_of, is_published):
    if is_published:
        hook.publishes()
    hook(an_alert(1, labels={"component": "Payments", "statuspage_status": "major_outage"}))
    hook(
        an_alert(2, labels={"component": "Payments", "severity": "warning"}),
        an_alert(3, labels={"component": "Search", "severity": "warning"}),
    )
    ((_, is_draft, _, claims),) = all_of()
    assert is_draft is not is_published
    assert claims == {"Payments": "major_outage", "Search": "degraded_performance"}


def test_twenty_concurrent_alerts_make_one_incident(hook, all_of):
    answers = []
    threads = [Thread(target=lambda: answers.append(hook(an_alert()))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {response.status_code for response in answers} == {200}
    assert len(all_of()) == 1


# ── when it ends ───────────────────────────────────────────────────────────────


@on_sqlite
def test_incident_resolves_after_all_its_alerts_stay_resolved(hook, all_of, later):
    hook.publishes()
    hook(an_alert(1), an_alert(2))
    hook(an_alert(1, status="resolved"))
    later(10)
    assert [status for *_, status, _ in all_of()] == ["investigating"]
    hook(an_alert(2, status="resolved"))
    later(4)
    assert [status for *_, status, _ in all_of()] == ["investigating"]
    later(1)
    assert [status for *_, status, _ in all_of()] == ["resolved"]


@on_sqlite
def test_the_quiet_minutes_after_an_alert_are_no_downtime(hook, later, app, committed, world, at):
    with committed():
        page = page_settings.get()
        page_settings.edit(page, PageEdit(page.name, "Europe/Vienna"), by=SYSTEM, at=at)
    hook.publishes()
    hook(an_alert(labels={"component": "Search"}))
    later(10)
    hook(an_alert(status="resolved", labels={"component": "Search"}))
    quiet_since = at + timedelta(minutes=10)
    later(5)
    with app.app_context():
        (incident,) = db.session.scalars(sa.select(Incident))
        assert incident.status is IncidentStatus.RESOLVED
        assert incident.resolved_at == quiet_since
        assert [row.ends_at for row in claims_store.claims_of([incident.id])] == [quiet_since]
        newest = incident.updates[0]
        assert newest.posted_at == at + timedelta(minutes=15)
        assert newest.body == "Our monitoring has seen no trouble since 13:10 CET."


@on_sqlite
def test_everything_an_alert_posts_is_labelled_automatic(hook, later, client):
    hook.publishes()
    hook(an_alert(labels={"component": "Search"}))
    hook(an_alert(2, labels={"component": "Payments"}))
    later(1)
    feed = client.get("/feeds/updates.atom").text
    assert feed.count("&lt;p&gt;Posted automatically.") == feed.count("<entry>") == 2
    (link,) = set(re.findall(r'href="[^"]*(/incidents/[a-z0-9]{12})#', feed))
    assert client.get(link).text.count('<span class="quiet">automatic</span>') == 2


@on_sqlite
def test_a_draft_of_an_alert_is_not_automatic_once_staff_publish_it(hook, app, committed, at):
    hook(an_alert())
    with committed():
        (incident,) = db.session.scalars(sa.select(Incident))
        assert incident.updates[0].is_automatic
        drafts.publish(incident, by=SYSTEM, at=at)
        assert not incident.updates[0].is_automatic


@on_sqlite
def test_an_alert_that_comes_and_goes_tells_customers_nothing_each_time(hook, app, later):
    hook.publishes()
    for _ in range(10):
        hook(an_alert())
        later(1)
        hook(an_alert(status="resolved"))
        later(4)
    with app.app_context():
        (incident,) = db.session.scalars(sa.select(Incident))
        assert len(incident.updates) == 1


@on_sqlite
def test_alert_within_the_hour_reopens_its_incident(hook, all_of, later):
    hook.publishes()
    hook(an_alert(labels={"component": "Search"}))
    hook(an_alert(status="resolved"))
    later(6)
    later(50)
    hook(an_alert(labels={"component": "Search"}))
    assert all_of() == [("Alert 1", False, "investigating", {"Search": "partial_outage"})]
    hook(an_alert(status="resolved"))
    later(6)
    later(61)
    hook(an_alert())
    assert [status for *_, status, _ in all_of()] == ["resolved", "investigating"]


@on_sqlite
def test_another_alert_of_an_ended_group_opens_a_new_incident(hook, all_of, later):
    hook.publishes()
    hook(an_alert(1))
    hook(an_alert(1, status="resolved"))
    later(6)
    hook(an_alert(1, status="resolved"), an_alert(2))
    told_of = [(name, status) for name, _, status, _ in all_of()]
    assert told_of == [("Alert 1", "resolved"), ("Alert 2", "investigating")]


@on_sqlite
def test_untouched_draft_is_deleted_when_its_alerts_resolve(hook, all_of, later):
    hook(an_alert())
    hook(an_alert(status="resolved"))
    later(6)
    assert all_of() == []
    hook(an_alert())
    assert len(all_of()) == 1


@on_sqlite
def test_incident_edited_by_staff_is_not_resolved_by_alerts(hook, all_of, later, committed, at):
    hook.publishes()
    public_id = hook(an_alert(labels={"component": "Search"})).json["incident"]
    with committed():
        incidents.post_update(
            incident := incidents.get(public_id),
            UpdateInput(
                status=IncidentStatus.IDENTIFIED, body="A disk is full.", claims=incident.claims
            ),
            by=ANN,
            at=at,
        )
    hook(an_alert(2, labels={"component": "Payments"}))
    hook(an_alert(1, status="resolved"), an_alert(2, status="resolved"))
    later(10)
    assert all_of() == [("Alert 1", False, "identified", {"Search": "partial_outage"})]


@on_sqlite
def test_discarded_draft_does_not_return_while_its_alert_fires(hook, all_of, later, committed, at):
    public_id = hook(an_alert()).json["incident"]
    with committed():
        drafts.delete(incidents.get(public_id), by=ANN, at=at)
    later(5)
    hook(an_alert())
    assert all_of() == []


@on_sqlite
def test_two_workers_resolve_an_incident_once(hook, app, later, traveller):
    hook.publishes()
    public_id = hook(an_alert()).json["incident"]
    hook(an_alert(status="resolved"))
    traveller.shift(timedelta(minutes=6))
    with app.app_context():
        now = datetime.now(UTC)
        assert monitoring.due_to_resolve(at=now) == [public_id]
        assert monitoring.resolve_quiet(public_id, at=now)
        assert not monitoring.resolve_quiet(public_id, at=now)
        assert monitoring.due_to_resolve(at=now) == []


@on_sqlite
def test_downtime_ends_when_the_last_alert_did(hook, app, later, at):
    hook.publishes()
    down = {"component": "Payments"}
    public_id = hook(an_alert(1, labels=down), an_alert(2, labels=down)).json["incident"]
    later(10)
    hook(
        an_alert(1, labels=down, status="resolved", endsAt="2026-03-10T12:06:30+00:00"),
        an_alert(2, labels=down, status="resolved", endsAt="2026-03-10T14:08:00+02:00"),
    )
    later(5)
    with app.app_context():
        incident = incidents.get(public_id)
        ended_at = datetime(2026, 3, 10, 12, 8, tzinfo=UTC)
        assert incident.resolved_at == ended_at
        assert [row.ends_at for row in claims_store.claims_of([incident.id])] == [ended_at]
        assert incident.updates[0].posted_at == at + timedelta(minutes=15)


@on_sqlite
@pytest.mark.parametrize(
    "ended_at", ["0001-01-01T00:00:00Z", "2026-03-10T11:00:00Z", "2026-03-11T00:00:00Z", None]
)
def test_an_alert_without_a_credible_end_ends_when_it_is_reported(hook, app, later, at, ended_at):
    hook.publishes()
    public_id = hook(an_alert(labels={"component": "Payments"})).json["incident"]
    later(10)
    hook(an_alert(labels={"component": "Payments"}, status="resolved", endsAt=ended_at))
    later(6)
    with app.app_context():
        assert incidents.get(public_id).resolved_at == at + timedelta(minutes=10)


@on_sqlite
def test_an_automatic_resolution_gives_the_time_in_the_zone_of_the_page(
    hook, app, later, committed, at
):
    with committed():
        page_settings.get().time_zone = "Asia/Kolkata"
    hook.publishes()
    public_id = hook(an_alert()).json["incident"]
    hook(an_alert(status="resolved", endsAt="2026-03-10T11:59:00Z"))
    later(6)
    with app.app_context():
        body = incidents.get(public_id).updates[0].body
    assert body == "Our monitoring has seen no trouble since 17:29 IST."


@on_sqlite
def test_a_resolution_after_midnight_names_the_day_of_the_end(hook, app, later, committed):
    with committed():
        page_settings.get().time_zone = "Pacific/Auckland"  # UTC+13 in March.
    hook.publishes()
    public_id = hook(an_alert(startsAt="2026-03-10T10:00:00Z")).json["incident"]
    hook(
        an_alert(startsAt="2026-03-10T10:00:00Z", status="resolved", endsAt="2026-03-10T10:59:00Z")
    )
    later(6)
    with app.app_context():
        body = incidents.get(public_id).updates[0].body
    assert body == "Our monitoring has seen no trouble since 10 March, 23:59 NZDT."


@on_sqlite
@pytest.mark.parametrize("has_status", [True, False])
def test_a_resolved_group_ends_alerts_that_the_message_leaves_out(hook, all_of, later, has_status):
    hook.publishes()
    hook(an_alert(1), an_alert(2), an_alert(3))
    cut = an_alert(1, status="resolved")
    if not has_status:
        del cut["status"]
    hook(cut, status="resolved", truncatedAlerts=2)
    later(5)
    assert [status for *_, status, _ in all_of()] == ["resolved"]


@on_sqlite
def test_a_firing_group_that_is_cut_ends_nothing(hook, all_of, later):
    hook.publishes()
    hook(an_alert(1), an_alert(2))
    hook(an_alert(1, status="resolved"), truncatedAlerts=1)
    later(20)
    assert [status for *_, status, _ in all_of()] == ["investigating"]


@on_sqlite
def test_a_resolved_group_leaves_alerts_of_other_groups_and_tokens(
    hook, all_of, later, committed, at, client
):
    hook.publishes()
    hook(an_alert(1), key="a")
    hook(an_alert(2), key="b")
    with committed():
        _, other = tokens.create("Other", scopes=[Scope.ALERTS], by=SYSTEM, at=at)
    resolved = told(an_alert(9, status="resolved"), key="b", status="resolved")
    client.post(f"/hooks/alertmanager/{other}", json=resolved)
    hook(an_alert(1, status="resolved"), key="a", status="resolved")
    later(5)
    assert [status for *_, status, _ in all_of()] == ["resolved", "investigating"]


@on_sqlite
def test_an_alert_that_its_tool_forgot_is_over_since_it_was_last_reported(
    hook, app, all_of, later, at
):
    hook.publishes()
    public_id = hook(an_alert(labels={"component": "Payments"})).json["incident"]
    later(4 * 60)
    hook(an_alert(labels={"component": "Payments"}))
    later(24 * 60)
    assert [status for *_, status, _ in all_of()] == ["investigating"]
    later(61)
    assert [status for *_, status, _ in all_of()] == ["resolved"]
    with app.app_context():
        assert incidents.get(public_id).resolved_at == at + timedelta(hours=4)


@on_sqlite
def test_an_alert_that_joins_late_claims_its_component_from_its_own_start(hook, app, later, at):
    hook.publishes()
    public_id = hook(an_alert(1, labels={"component": "Payments"})).json["incident"]
    later(10)
    late = {"labels": {"component": "Search"}, "startsAt": "2026-03-10T12:04:00Z"}
    hook(an_alert(1, labels={"component": "Payments"}), an_alert(2, **late))
    with app.app_context():
        rows = claims_store.claims_of([incidents.get(public_id).id])
        assert [row.starts_at.minute for row in rows] == [50, 4]


@on_sqlite
def test_a_description_whose_link_leads_nowhere_keeps_its_words(hook, app):
    hook.publishes()
    text = "Cards fail, see [the runbook](/runbooks/cards)."
    answer = hook(an_alert(annotations={"description": text}))
    with app.app_context():
        update = incidents.get(answer.json["incident"]).updates[0]
    assert to_plain(update.body_html) == text


# ── which component, and whether it is an outage ───────────────────────────────


@on_sqlite
@pytest.mark.parametrize(
    "zero",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00.000Z",
        "0001-01-01T05:30:00+05:30",
        "1970-01-01T00:00:00Z",
        "1969-12-31T19:00:00-05:00",
        "",
        None,
        0,
        "2026-03-10T11:00:00",
    ],
)
def test_an_alert_with_no_known_start_starts_now(hook, app, at, zero):
    hook.publishes()
    answer = hook(an_alert(labels={"component": "Payments"}, startsAt=zero))
    with app.app_context():
        incident = incidents.get(answer.json["incident"])
        assert incident.started_at == at
        assert [row.starts_at for row in claims_store.claims_of([incident.id])] == [at]


@on_sqlite
@pytest.mark.parametrize(
    "start",
    [
        "2026-03-10T06:20:00.123456789-05:30",
        "2026-03-10t11:50:00.123456z",
        "2026-03-10T11:50:00.123456+0000",
    ],
)
def test_starts_are_read_in_every_form_of_rfc_3339(hook, app, start):
    answer = hook(an_alert(startsAt=start))
    with app.app_context():
        started_at = incidents.get(answer.json["incident"]).started_at
    assert started_at == datetime(2026, 3, 10, 11, 50, 0, 123456, tzinfo=UTC)


@on_sqlite
@pytest.mark.parametrize(
    ("label", "found", "unknown"),
    [
        ("tracking", ["Tracking"], None),
        ("  TRACKING ", ["Tracking"], None),
        ("EU, payments", ["EU, payments"], None),
        ("eu,Payments", ["EU, payments"], None),
        ("Tracking, EU, payments,API", ["Tracking", "EU, payments", "API"], None),
        ("EU", [], "EU"),
        ("stra\u00dfe", ["STRASSE"], None),
        ("cafe\u0301", ["Caf\u00e9"], None),
        ("Core - mail", ["Mail"], None),
        ("api", [], "api"),
        ("API", ["API"], None),
        ("Queue", [], "Queue"),
        ("Core - Queue", ["Queue"], None),
        (",, ,", [], None),
    ],
)
def test_a_label_names_components_in_any_case_and_with_commas(
    hook, app, committed, at, label, found, unknown
):
    with committed():
        for name in ("Tracking", "EU, payments", "STRASSE", "Caf\u00e9", "API", "Api"):
            components.add_component(name, by=SYSTEM, at=at)
        for group in ("Core", "Edge"):
            group = components.add_group(group, by=SYSTEM, at=at)
            components.add_component("Queue", group=group, by=SYSTEM, at=at)
            if group.name == "Core":
                components.add_component("Mail", group=group, by=SYSTEM, at=at)
    answer = hook(an_alert(labels={"Component": label}))
    with app.app_context():
        incident = incidents.get(answer.json["incident"])
        assert [component.name for component in incident.claims] == found
        assert [row.unknown for row in monitoring.of_incident(incident)] == [unknown]


@on_sqlite
@pytest.mark.parametrize(
    "labels",
    [
        {"severity": "info"},
        {"severity": "None"},
        {"severity": " INFORMATIONAL "},
        {"alertname": "Watchdog", "severity": "critical"},
        {"alertname": "DeadMansSwitch"},
        {"alertname": "InfoInhibitor"},
        {"alertname": "DatasourceNoData", "rulename": "Checkout"},
        {"alertname": "DatasourceError", "rulename": "Checkout"},
    ],
)
def test_alerts_that_are_no_outage_open_nothing(hook, all_of, labels):
    hook.publishes()
    answer = hook(an_alert(labels={"component": "Payments", **labels}))
    assert (answer.status_code, answer.json) == (200, {"alerts": 1, "ignored": 1})
    assert all_of() == []
    hook(
        an_alert(2, labels={"component": "Payments", "statuspage_status": "Major_Outage", **labels})
    )
    assert [claims for *_, claims in all_of()] == [{"Payments": "major_outage"}]


# ── what is refused ────────────────────────────────────────────────────────────


@on_sqlite
def test_token_may_come_in_a_header(hook, client, all_of):
    def told_with(authorization):
        return client.post(
            "/hooks/alertmanager",
            json=told(an_alert(labels={"component": "Search"})),
            headers={"Authorization": authorization} if authorization else {},
        )

    for wrong in ("", "Bearer", "Bearer sp_wrong", f"Basic {hook.secret}"):
        answer = told_with(wrong)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert all_of() == []
    assert told_with(f"Bearer {hook.secret}").status_code == 200
    assert [name for name, *_ in all_of()] == ["Alert 1"]


@on_sqlite
def test_wrong_token_reveals_nothing(client, hook, committed, at):
    with committed():
        _, manage = tokens.create("CI", scopes=[Scope.MANAGE], by=SYSTEM, at=at)
    for secret in ("sp_wrong", manage):
        answer = client.post(f"/hooks/alertmanager/{secret}", json=told(an_alert()))
        assert answer.status_code == 404
    named = client.get("/v1/pages", headers={"Authorization": f"OAuth {hook.secret}"})
    assert named.status_code == 403


@on_sqlite
@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "`alerts`"),
        (b'{"alerts": {}}', "`alerts`"),
        (b'{"alerts": [1]}', "an object"),
        (json.dumps(told(*[{}] * (MAX_ALERTS + 1))).encode(), f"max_alerts to {MAX_ALERTS}"),
    ],
)
def test_unreadable_alert_is_refused_with_a_sentence(hook, all_of, body, sentence):
    answer = hook(body=body)
    assert answer.status_code == 400
    assert sentence in answer.json["error"]
    assert all_of() == []


def test_incomplete_alerts_are_accepted_as_far_as_possible(hook, all_of):
    odd = {
        "fingerprint": "x" * 100,
        "startsAt": "0001-01-01T00:00:00Z",
        "labels": {"alertname": "Nul \0 and \ud800", "component": 3, "severity": ["a"]},
        "annotations": {"description": "[" * 30_000, "summary": "  many\n lines  " * 100},
        "generatorURL": "http://[",
    }
    assert hook(odd, {}, {"labels": None, "annotations": 1}).status_code == 200
    ((name, *_),) = all_of()
    assert len(name) <= 255


@on_sqlite
def test_alert_calls_are_rate_limited(hook, monkeypatch):
    from limits import RateLimitItemPerMinute

    from statuspage.web.hooks import alerts

    monkeypatch.setattr(alerts, "PER_TOKEN", RateLimitItemPerMinute(3))
    answers = [hook(an_alert()) for _ in range(5)]
    assert [response.status_code for response in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].headers["Retry-After"] == "60"


@on_sqlite
def test_ungrouped_alerts_open_a_limited_number_of_incidents(hook, all_of, monkeypatch):
    monkeypatch.setattr(monitoring, "MOST_OPEN", 3)
    answers = [hook(an_alert(number), key=str(number)) for number in range(5)]
    assert [response.status_code for response in answers] == [200, 200, 200, 429, 429]
    assert len(all_of()) == 3


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


ODD = (
    "\x00",
    "\ud800",
    "\u202e",
    "",
    "9999-12-31T23:59:59.999999999Z",
    "2026-02-30T00:00:00Z",
    "javascript:alert(1)",
    "http://[::1",
    "é" * 300,
    "Payments, Search",
    10**400,
    1e308,
    float("nan"),
    None,
    True,
    [[]],
    {"a": {"b": 1}},
)


def made_odd(chance, value):
    """The same with odd things in odd places."""
    if isinstance(value, dict):
        value = {key: made_odd(chance, one) for key, one in value.items()}
        value[chance.choice([*value, "component", "\x00", "\ud800"])] = chance.choice(ODD)
    elif isinstance(value, list):
        value = [made_odd(chance, one) for one in value] * chance.choice((1, 1, 5))
    return chance.choice(ODD) if chance.random() < 0.05 else value


def test_any_alert_body_is_accepted_or_refused_without_a_500(hook, client, later):
    hook.publishes()
    chance = Random(2026)
    codes = Counter()
    for number in range(120):
        alert = an_alert(
            number,
            status=chance.choice(("firing", "resolved")),
            labels={"component": chance.choice(("Payments", "Search", "Nope"))},
            annotations={"summary": "Slow", "description": "Slower"},
        )
        body = json.dumps(made_odd(chance, told(alert, key=str(number))))
        codes[hook(body=body).status_code] += 1
    # 429: a tool may open only so many incidents.
    assert set(codes) <= {200, 400, 429}
    assert min(codes[200], codes[400]) > 10
    later(7)
    for address in ("/", "/history.atom", "/api/v2/summary.json"):
        assert client.get(address).status_code == 200


@settings(max_examples=30)
@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "status": json_values,
                "labels": json_values,
                "annotations": json_values,
                "startsAt": st.text(max_size=30) | st.datetimes().map(str) | json_values,
                "fingerprint": json_values,
                "generatorURL": json_values,
            },
        ),
        max_size=4,
    ),
    json_values,
)
def test_alerts_of_any_values_are_read_within_bounds(alerts, key):
    reports = parse(json.loads(json.dumps(told(*alerts, groupKey=key))))
    assert len(reports) == len(alerts)
    for report in reports:
        assert 0 < len(report.fingerprint) <= monitoring.MAX_FINGERPRINT
        assert 0 < len(report.name) <= 255
        assert report.status is not ComponentStatus.OPERATIONAL
        assert report.started_at is None or report.started_at.tzinfo
