"""Metrics by the Manage API, and the figures that programs send."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import psycopg
import pytest
import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain import events, metrics
from statuspage.domain.tokens import Scope
from tests.conftest import on_postgresql, on_sqlite
from tests.helpers.statements import recorded_statements

NOW = int(datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp())


@pytest.fixture
def provider(program) -> str:
    made = program.post("/metrics_providers", {"metrics_provider": {"type": "Self"}})
    assert made.status_code == 201
    return made.json["id"]


@pytest.fixture
def metric(program, provider):
    """`metric("Latency", suffix="ms")` makes one and gives what was answered."""

    def make(name="Latency", **rest):
        sent = {"metric": {"name": name, **rest}}
        made = program.post(f"/metrics_providers/{provider}/metrics", sent)
        assert made.status_code == 201, made.text
        return made.json

    return make


@pytest.fixture
def points(app):
    """`points(id)`: what is kept, by second."""

    def read(metric_id):
        with app.app_context():
            row = metrics.get(metric_id)
            kept = sa.select(metrics.metric_point.c["second", "value"])
            kept = kept.where(metrics.metric_point.c.metric_id == row.id)
            return dict(db.session.execute(kept).all())

    return read


def send(program, metric_id, timestamp, value):
    data = {"data": {"timestamp": timestamp, "value": value}}
    return program.post(f"/metrics/{metric_id}/data", data)


# ── providers ──────────────────────────────────────────────────────────────────


@on_sqlite
def test_metrics_provider_has_the_keys_of_statuspage(program, provider, page_id):
    told = program.get(f"/metrics_providers/{provider}").json
    expected = {
        "id": provider,
        "type": "Self",
        "disabled": False,
        "metric_base_uri": None,
        "last_revalidated_at": None,
        "created_at": "2026-03-10T12:00:00Z",
        "updated_at": "2026-03-10T12:00:00Z",
        "page_id": page_id,
    }
    assert list(told.items()) == list(expected.items())
    assert program.get("/metrics_providers").json == [told]


@on_sqlite
def test_fetching_provider_is_refused_with_advice(program):
    for kind in ("Pingdom", "NewRelic", "Librato", "Datadog"):
        sent = {"metrics_provider": {"type": kind, "api_key": "secret"}}
        refused = program.post("/metrics_providers", sent)
        assert refused.status_code == 422
        assert "type Self" in refused.json["message"]
        assert "/metrics/{metric_id}/data" in refused.json["message"]
    assert program.get("/metrics_providers").json == []


@on_sqlite
def test_unknown_provider_type_is_refused(program):
    for fields in ({}, {"type": "self"}, {"type": None}, {"type": 5}, [], None):
        refused = program.post("/metrics_providers", {"metrics_provider": fields})
        assert refused.status_code == 422, fields


@on_sqlite
def test_provider_is_changed_and_deleted_with_its_metrics(program, provider, metric):
    made = metric()
    address = f"/metrics_providers/{provider}"
    base = {"metrics_provider": {"metric_base_uri": "https://example.com"}}
    assert program.patch(address, base).json["metric_base_uri"] == "https://example.com"
    assert program.put(address, {"metrics_provider": {"type": "Datadog"}}).status_code == 422
    send(program, made["id"], NOW, 1)
    gone = program.delete(address)
    assert (gone.status_code, gone.json["id"]) == (200, provider)
    assert program.get(address).status_code == 404
    assert program.get("/metrics").json == []


@on_sqlite
def test_alternative_wrapping_names_are_accepted(program):
    for sent in ({"metric_provider": {"type": "Self"}}, {"type": "Self"}):
        assert program.post("/metrics_providers", sent).status_code == 201


# ── metrics ────────────────────────────────────────────────────────────────────


def test_metric_has_the_keys_of_statuspage(program, provider, metric):
    made = metric(
        "Response time",
        metric_identifier="api.p50",
        suffix="ms",
        y_axis_min=0,
        y_axis_max=500,
        decimal_places=1,
        tooltip_description="Median of all requests",
        transform="average",
    )
    expected = {
        "id": made["id"],
        "metrics_provider_id": provider,
        "metric_identifier": "api.p50",
        "name": "Response time",
        "display": True,
        "tooltip_description": "Median of all requests",
        "backfilled": False,
        "y_axis_min": 0.0,
        "y_axis_max": 500.0,
        "y_axis_hidden": False,
        "suffix": "ms",
        "decimal_places": 1,
        "most_recent_data_at": None,
        "created_at": "2026-03-10T12:00:00Z",
        "updated_at": "2026-03-10T12:00:00Z",
        "last_fetched_at": None,
        "backfill_percentage": 0,
        "reference_name": None,
    }
    assert list(made.items()) == list(expected.items())
    assert program.get(f"/metrics/{made['id']}").json == made
    assert program.get(f"/metrics_providers/{provider}/metrics").json == [made]


@on_sqlite
def test_patch_changes_only_sent_metric_fields(program, metric, traveller):
    made = metric(suffix="ms", y_axis_max=10)
    traveller.shift(60)
    sent = {"metric": {"name": "Load", "y_axis_max": None}}
    changed = program.patch(f"/metrics/{made['id']}", sent).json
    assert changed == made | {
        "name": "Load",
        "y_axis_max": 0,
        "updated_at": "2026-03-10T12:01:00Z",
    }


@on_sqlite
def test_invalid_metric_is_refused(program, provider):
    address = f"/metrics_providers/{provider}/metrics"
    for fields in (
        {"name": ""},
        {"name": "x" * 256},
        {"name": ["a"]},
        {"suffix": "x" * 256},
        {"decimal_places": 6},
        {"decimal_places": -1},
        {"y_axis_min": 5, "y_axis_max": 5},
        {"y_axis_max": 1e16},
        {"y_axis_min": "low"},
        {"display": "perhaps"},
    ):
        refused = program.post(address, {"metric": {"name": "Latency", **fields}})
        assert refused.status_code == 422, fields
    assert program.get(address).json == []


@on_sqlite
def test_metrics_are_listed_by_position_and_paged(program, metric):
    for name in "ABC":
        metric(name)
    assert [one["name"] for one in program.get("/metrics").json] == ["A", "B", "C"]
    assert [one["name"] for one in program.get("/metrics?per_page=2&page=2").json] == ["C"]
    assert program.get("/metrics?page=9").json == []


@on_sqlite
def test_metrics_list_query_count_is_constant(program, metric, app):
    send(program, metric()["id"], NOW, 1)
    program.get("/metrics")  # The use of the token is noted once a minute.
    with recorded_statements() as few:
        program.get("/metrics")
    for name in "BCDE":
        send(program, metric(name)["id"], NOW, 1)
    with recorded_statements() as many:
        assert len(program.get("/metrics").json) == 5
    assert len(many) == len(few) < 12


@on_sqlite
def test_deleted_metric_is_gone(program, metric):
    made = metric()
    gone = program.delete(f"/metrics/{made['id']}")
    assert (gone.status_code, gone.json) == (200, made)
    assert program.get(f"/metrics/{made['id']}").status_code == 404
    assert send(program, made["id"], NOW, 1).status_code == 404


# ── figures ────────────────────────────────────────────────────────────────────


def test_metric_value_is_stored_and_replaced_by_a_later_one_of_its_second(program, metric, points):
    made = metric()
    first = send(program, made["id"], NOW - 60, 12)
    assert (first.status_code, first.json) == (
        201,
        {"data": {"timestamp": NOW - 60, "value": 12}},
    )
    send(program, made["id"], NOW - 60, 13.5)
    send(program, made["id"], NOW - 61.5, -1)
    assert points(made["id"]) == {NOW - 60: 13.5, NOW - 62: -1}
    told = program.get(f"/metrics/{made['id']}").json
    assert told["most_recent_data_at"] == "2026-03-10T11:59:00Z"


def test_values_of_several_metrics_are_stored_together(program, metric, points):
    one, other = metric("A")["id"], metric("B")["id"]
    data = {
        one: [{"timestamp": NOW - n % 50, "value": n} for n in range(100)],
        other: [{"timestamp": NOW, "value": 0.5}],
    }
    for _ in range(2):
        sent = program.post("/metrics/data", {"data": data})
        assert sent.status_code == 202
        assert set(sent.json) == {one, other}
        assert sent.json[other] == data[other]
        assert len(sent.json[one]) == 50
    # Of two for one second in one request, the last one counts.
    assert points(one) == {NOW - n: n + 50 for n in range(50)}


@on_sqlite
def test_values_are_stored_all_or_none(program, metric, points):
    made = metric()["id"]
    good = {"timestamp": NOW, "value": 1}
    for data in (
        {made: [good], "nothing": [good]},
        {made: [good, {"timestamp": NOW, "value": "much"}]},
        {made: [good, {"timestamp": NOW - 91 * 86_400, "value": 1}]},
        {made: [{"timestamp": NOW - n, "value": n} for n in range(metrics.MAX_POINTS + 1)]},
        {made: good},
        [good],
    ):
        refused = program.post("/metrics/data", {"data": data})
        assert refused.status_code == 422, data
    assert "nothing" in program.post("/metrics/data", {"data": {"nothing": [good]}}).text
    assert points(made) == {}


@on_sqlite
def test_value_outside_the_last_90_days_is_refused(program, metric, points):
    made = metric()["id"]
    wrong = [None, "NaN", "inf", "-Infinity", 1.1e15, -1e16, 10**400, [1], {}]
    late = [None, "today", NOW * 1000, NOW + 3601, NOW - 90 * 86_400 - 1, -1, 10**30]
    for timestamp, value in [(NOW, one) for one in wrong] + [(one, 1) for one in late]:
        refused = send(program, made, timestamp, value)
        assert refused.status_code == 422, (timestamp, value)
        assert refused.json["message"]
    assert points(made) == {}


@on_sqlite
def test_non_finite_value_is_refused(program, metric, points):
    made = metric()["id"]
    for number in ("NaN", "Infinity", "-Infinity", "1e400"):
        text = f'{{"data": {{"timestamp": {NOW}, "value": {number}}}}}'
        sent = program.post(f"/metrics/{made}/data", data=text, content_type="application/json")
        assert sent.status_code == 400
    assert points(made) == {}


@on_sqlite
def test_value_may_come_as_a_form_or_query(program, metric, points):
    made = metric()["id"]
    form = {"data[timestamp]": str(NOW), "data[value]": "2.5"}
    assert program.post(f"/metrics/{made}/data.json", data=form).status_code == 201
    later = urlencode(form | {"data[timestamp]": str(NOW + 60)})
    assert program.send("POST", f"/metrics/{made}/data?{later}").status_code == 201
    assert points(made) == {NOW: 2.5, NOW + 60: 2.5}


@on_sqlite
def test_all_values_of_a_metric_can_be_deleted(program, metric, points):
    one, other = metric("A"), metric("B")
    for made in (one, other):
        send(program, made["id"], NOW, 1)
    answer = program.delete(f"/metrics/{one['id']}/data")
    assert (answer.status_code, answer.json) == (200, one)
    assert (points(one["id"]), points(other["id"])) == ({}, {NOW: 1})


@on_sqlite
def test_sending_values_is_audited_once_a_day_without_a_new_revision(
    program, metric, app, traveller
):
    one, other = metric("A"), metric("B")

    def state():
        with app.app_context():
            sent = [event for event in events.latest(50) if event.kind == "metric.data_sent"]
            return sorted(event.title for event in sent), events.revision()

    _, before = state()
    for minute in range(3):
        send(program, one["id"], NOW + minute, 1)
    program.post("/metrics/data", {"data": {other["id"]: [{"timestamp": NOW, "value": 1}]}})
    assert state() == (["A", "B"], before)
    traveller.shift(timedelta(days=1))
    send(program, one["id"], NOW, 1)
    assert state() == (["A", "A", "B"], before)


# ── who may ────────────────────────────────────────────────────────────────────


@on_sqlite
def test_metrics_need_read_scope_and_values_components_scope(program_with, metric, points):
    made = metric()["id"]
    reader, sender = program_with(Scope.READ), program_with(Scope.COMPONENTS)
    assert reader.get("/metrics").status_code == 200
    assert send(reader, made, NOW, 1).status_code == 403
    assert points(made) == {}
    assert send(sender, made, NOW, 1).status_code == 201


@on_postgresql
def test_metric_deleted_during_a_change_is_a_conflict(program, metric, app):
    removed = metric()["id"]

    def remove(_session, _context, _instances):
        with db.engine.begin() as somebody_else:
            somebody_else.execute(sa.delete(metrics.Metric.__table__))

    sa.event.listen(db.session, "before_flush", remove, once=True)
    answer = program.patch(f"/metrics/{removed}", {"metric": {"name": "Delay"}})
    assert answer.status_code == 409
    assert "Send it again" in answer.json["message"]


@on_postgresql
def test_deadlock_is_a_conflict(program, metric):
    changed = metric()["id"]

    def wait_for_one_another(_session, _context, _instances):
        raise sa.exc.OperationalError("UPDATE", {}, psycopg.errors.DeadlockDetected())

    sa.event.listen(db.session, "before_flush", wait_for_one_another, once=True)
    answer = program.patch(f"/metrics/{changed}", {"metric": {"name": "Delay"}})
    assert answer.status_code == 409


def test_a_metric_has_no_null_where_statuspage_has_none_and_accepts_what_it_gave(program, metric):
    made = metric("Latency", metric_identifier="")
    expected = {"suffix": "", "y_axis_min": 0, "y_axis_max": 0, "metric_identifier": ""}
    assert {name: made[name] for name in expected} == expected
    again = program.patch(f"/metrics/{made['id']}", {"metric": {**made, "name": "Delay"}})
    assert again.status_code == 200, again.text
    assert {name: again.json[name] for name in expected} == expected
