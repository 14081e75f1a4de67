"""Metrics on the front page: figures that programs sent in the last 24 hours."""

import re
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain import metrics
from statuspage.domain.events import SYSTEM
from statuspage.domain.metrics import Facts, Point
from statuspage.notify import worker
from tests.conftest import on_sqlite
from tests.helpers import site
from tests.helpers.site import text_of
from tests.helpers.statements import recorded_statements

MAX_METRIC_BYTES = 450


@pytest.fixture
def measured(committed, at):
    """`measured("Latency", {5: 12.5}, suffix="ms")`: figures by how many minutes ago."""
    with committed():
        site.a_page(at)
        provider = metrics.add_provider("Self", by=SYSTEM, at=at)

    def make(name, figures, **facts):
        with committed():
            metric = metrics.add(provider, Facts(name, **facts), by=SYSTEM, at=at)
            add(metric, figures, at)
        return metric

    def add(metric, figures, now: datetime):
        points = [
            Point(int((now - timedelta(minutes=minutes)).timestamp()), value)
            for minutes, value in figures.items()
        ]
        metrics.add_points({metric: points}, by=SYSTEM, at=now)

    make.more = add
    return make


def drawings(client) -> list[str]:
    """The `d` of each metric's line."""
    section = client.get("/").text.partition('<section class="card metrics"')[2]
    return re.findall(r'<path d="([^"]*)"', section.partition("</section>")[0])


def test_metric_shows_its_last_value_and_24_hours(client, measured):
    measured(
        "Response time",
        {600: 1204.06, 30: 80, 5: 132.44},
        suffix="ms",
        decimal_places=1,
        tooltip_description="Median of all requests",
    )
    words = text_of(client.get("/"))
    assert "Metrics Response time 132.4 ms Median of all requests" in words
    assert "24 hours ago 80.0–1,204.1 ms 12:55" in words
    title = "Response time: 132.4\xa0ms at 12:55; last 24 hours: 80.0\xa0ms to 1,204.1\xa0ms"
    assert f"<title>{title}</title>" in client.get("/").text


@on_sqlite
def test_page_without_values_has_no_metrics_section(client, measured, traveller):
    measured("Hidden", {5: 1}, display=False)
    measured("Without figures", {})
    measured("Old", {24 * 60 + 1: 1})
    measured("Ahead of time", {-5: 1})
    assert "Metrics" not in client.get("/").text
    traveller.shift(timedelta(minutes=6))
    assert "Metrics Ahead of time 1 " in text_of(client.get("/"))
    traveller.shift(timedelta(hours=24))
    assert "Metrics" not in client.get("/").text


@on_sqlite
def test_metrics_are_shown_in_order_with_escaped_names(client, measured):
    measured("Queue <b>length</b>", {5: -0.2}, suffix='"jobs"&')
    measured("Errors", {5: 3}, y_axis_hidden=True)
    page = client.get("/").text
    assert "Queue &lt;b&gt;length" in page
    words = text_of(client.get("/"))
    assert 'Queue <b>length</b> 0 "jobs"& ' in words
    assert words.index("Queue") < words.index("Errors 3")
    assert "Errors: 3 at 12:55</title>" in page
    assert "style=" not in page.partition("</head>")[2]


def test_metric_value_is_shown_within_a_minute(client, measured, committed, at, traveller):
    metric = measured("Load", {5: 1})
    assert "Load 1 " in text_of(client.get("/"))
    with committed():
        measured.more(metric, {0: 2}, at)
    assert "Load 1 " in text_of(client.get("/"))
    traveller.shift(timedelta(minutes=1))
    assert "Load 2 " in text_of(client.get("/"))


@on_sqlite
def test_metric_change_by_staff_is_shown_at_once(client, measured, committed, at):
    metric = measured("Load", {5: 1})
    client.get("/")
    with committed():
        metrics.edit(metrics.get(metric.public_id), Facts("Work"), by=SYSTEM, at=at)
    assert "Work 1 " in text_of(client.get("/"))
    with committed():
        metrics.forget_points(metric, by=SYSTEM, at=at)
    assert "Work" not in client.get("/").text


def test_chart_shows_averages_per_quarter_hour(client, measured):
    # 12:00 begins a quarter; the one before has 10 and 30, the one before that 0.
    measured("Load", {0: 40, 1: 10, 14: 30, 16: 0})
    assert drawings(client) == ["M93 40h0l1-20l1-20"]


@on_sqlite
def test_chart_line_breaks_at_gaps_but_not_between_rare_values(client, measured):
    measured("Broken", {minutes: 1 for minutes in range(0, 1440, 15) if not 300 < minutes < 600})
    measured("Each second hour", {minutes: minutes for minutes in range(0, 1440, 120)})
    measured("Once", {700: 5})
    broken, rare, once = drawings(client)
    assert (broken.count("M"), rare.count("M")) == (2, 1)
    assert re.fullmatch(r"M\d+ 20h0", once)


@on_sqlite
def test_chart_axis_is_fixed_and_clips_values_beyond_it(client, measured):
    measured("Success", {0: 100, 15: 99, 30: 50}, y_axis_min=98, y_axis_max=100)
    assert drawings(client) == ["M93 40h0l1-20l1-20"]


@on_sqlite
def test_chart_size_is_bounded(client, measured):
    def weight():
        return len(client.get("/", headers={"Accept-Encoding": "br"}).data)

    measured("First", {5: 1})
    before = weight()
    for number in range(3):
        figures = {n: (n * 7919 + number) % 997 / 10 for n in range(1440)}
        measured(f"Figures {number}", figures, suffix="ms", decimal_places=1)
    assert weight() - before < 3 * MAX_METRIC_BYTES
    assert max(len(re.findall("[hl]", drawing)) for drawing in drawings(client)) == 96


@on_sqlite
def test_metrics_query_count_is_constant(client, measured, app, traveller):
    measured("First", {5: 1})
    with recorded_statements() as few:
        client.get("/")
    for number in range(5):
        measured(f"Next {number}", {5: 1, 50: 2})
    with recorded_statements() as many:
        assert len(drawings(client)) == 6
    assert len(many) == len(few)


def test_values_older_than_90_days_are_deleted(measured, app, at, monkeypatch):
    # Three parts of two, to see that the whole is taken.
    monkeypatch.setattr(metrics, "DROPPED_AT_ONCE", 2)
    measured("One", dict.fromkeys(range(5), 1.0))
    measured("Other", {0: 1, -30: 2})

    def kept():
        with app.app_context():
            return db.session.scalar(sa.select(sa.func.count()).select_from(metrics.metric_point))

    worker.delete_expired(app, at + timedelta(days=90, minutes=-10))
    assert kept() == 7
    worker.delete_expired(app, at + timedelta(days=90, minutes=10))
    assert kept() == 1
