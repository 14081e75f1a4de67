"""`/history`: how bad it was at a glance, narrowed by component and severity, searched."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import corrections, drafts, maintenance
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.statuses import Impact, IncidentStatus
from tests.conftest import on_sqlite
from tests.helpers import site
from tests.helpers.site import Page, text_of


@pytest.fixture
def titles(client):
    """`titles("q=labels")`: what this search finds, newest first."""

    def found(query):
        answer = client.get(f"/history?{query}")
        assert answer.status_code == 200, answer.text
        return re.findall(r'<h3 dir="auto"><a href="[^"]+">(.*?)</a></h3>', answer.text)

    return found


# ── at a glance ────────────────────────────────────────────────────────────────


@on_sqlite
def test_history_tells_how_bad_it_was_for_how_long_and_of_what(client, committed, world, at):
    with committed():
        row = components.get(world.webhooks)
        site.a_past_incident(row, at - timedelta(days=3), at, claim=site.MAJOR, name="No webhooks")
    words = text_of(client.get("/history"))
    assert "No webhooks Major outage 35 min 7 Mar, 13:00–13:35 CET · Webhooks · Resolved" in words
    assert (
        "Slow loads Partial outage, 12 % 35 min"
        " 8 Mar, 10:00–10:35 CET · Website · Resolved · Postmortem" in words
    )
    assert "March 2026 3 incidents, all with an outage" in words


@on_sqlite
def test_history_marks_planned_work_and_counts_it_apart(client, committed, at):
    with committed():
        site.a_page(at)
        row = site.a_component("API", at)
        planned = site.a_maintenance(row, at - timedelta(days=2), at - timedelta(days=1))
        for moment in (at - timedelta(days=1), at - timedelta(hours=23)):
            maintenance.advance(planned.public_id, at=moment)
        site.a_past_incident(row, at - timedelta(days=3), at, claim=site.DEGRADED)
    words = text_of(client.get("/history"))
    assert "March 2026 1 incident, no outage · 1 planned" in words
    assert "Planned maintenance 1 h 9 Mar, 13:00–14:00 CET · API · Completed" in words
    assert words.index("Planned maintenance 1 h") < words.index("Degraded performance 35 min")


@on_sqlite
def test_incident_without_components_shows_its_impact(client, committed, at):
    with committed():
        site.a_page(at)
        for name, impact in (("Imported", Impact.MAJOR), ("A note", Impact.NONE)):
            incident = incidents.open_incident(
                name,
                UpdateInput(
                    status=IncidentStatus.INVESTIGATING, body="We look.", impact_override=impact
                ),
                by=SYSTEM,
                at=at - timedelta(hours=2),
            )
            site.resolve(incident, at - timedelta(hours=1))
    words = text_of(client.get("/history"))
    assert "Imported Major impact 1 h" in words
    assert "A note No component affected 1 h" in words


@on_sqlite
def test_month_chart_has_a_block_for_each_incident_and_leads_to_its_month(client, world):
    page = Page(client.get("/history").text)
    assert len(page.all("rect")) >= 12
    months = {link["aria-label"]: link["href"] for _, link in page.all("a") if "aria-label" in link}
    # Nothing was recorded before October, so nothing leads there.
    assert next(iter(months)) == "October 2025: 0 incidents"
    assert len(months) == 6
    assert months["March 2026: 2 incidents"] == "#m-2026-03"
    assert months["November 2025: 1 incident"] == "/history?page=2#m-2025-11"
    (links,) = {link["href"] for _, link in page.all("a") if link.get("href") == "#m-2026-03"}
    assert links in {f"#{section['id']}" for _, section in page.all("section") if "id" in section}
    older = Page(client.get("/history?page=2").text)
    assert "/history#m-2026-03" in {link.get("href") for _, link in older.all("a")}


# ── narrowed ───────────────────────────────────────────────────────────────────


@pytest.fixture
def many(committed, world, at):
    with committed():
        row = components.get(world.webhooks)
        for name, claim, days in (("Ägypten: Störung", site.DEGRADED, 40), ("Down", site.MAJOR, 9)):
            site.a_past_incident(row, at - timedelta(days=days), at, claim=claim, name=name)
    return world


@pytest.mark.parametrize(
    "query, expected",
    [
        ("severity=major", ["Down"]),
        (
            "severity=partial",
            ["Card payments declined in Europe", "Slow loads", "Down", "Late transfers"],
        ),
        ("severity=maintenance", []),
        ("q=slow+loads", ["Slow loads"]),
        ("q=OAD", ["Slow loads"]),
        ("q=quer", ["Slow loads", "Down", "Ägypten: Störung", "Late transfers"]),
        ("q=query+down", ["Down"]),
        ("q=fail%20over", ["Slow loads"]),
        ("q=Störung", ["Ägypten: Störung"]),
        ("q=uery", []),
        ("q=query&severity=major", ["Down"]),
        ("q=%22*%20AND%20query'", ["Slow loads", "Down", "Ägypten: Störung", "Late transfers"]),
        ("q=!%C2%A7%24", []),
    ],
)
def test_history_is_narrowed_by_words_and_severity(titles, many, query, expected):
    assert titles(query) == expected


def test_history_is_narrowed_by_component(client, titles, many):
    assert titles(f"component={many.webhooks}") == ["Down", "Ägypten: Störung"]
    answer = client.get(f"/history?component={many.webhooks}&q=down&severity=")
    assert "1 incident with “down” on Webhooks. Show all" in text_of(answer)
    page = Page(answer.text)
    (field,) = (one for _, one in page.all("input"))
    assert (field["name"], field["value"]) == ("q", "down")
    chosen = [option["value"] for _, option in page.all("option") if "selected" in option]
    assert chosen == [many.webhooks]


def test_search_finds_nothing_that_is_not_public(titles, committed, world, at):
    with committed():
        opened = incidents.get(world.open)
        row = components.get(world.cards)
        drafts.save_update(
            opened, UpdateInput(IncidentStatus.MONITORING, "A zebra."), by=SYSTEM, at=at
        )
        update = incidents.get(world.past).updates[0]
        corrections.edit_update(
            update, body="A slow query was found.", expected_version=1, by=SYSTEM, at=at
        )
        site.say(opened, "The token is okapi-77.", at, row)
        corrections.redact(opened, "okapi-77", by=SYSTEM, at=at)
        db.session.delete(site.say(opened, "A quagga.", at, row))
    for word in ("zebra", "secret", "mistake", "okapi", "quagga", "deliveries"):
        assert titles(f"q={word}") == [], word
    # Of the two incidents with these words, one was edited since.
    assert titles("q=fixed") == ["Late transfers"]
    assert titles("q=query+found") == ["Slow loads", "Late transfers"]


@on_sqlite
def test_search_is_paged_and_links_keep_what_was_chosen(client, titles, committed, world, at):
    with committed():
        row = components.get(world.webhooks)
        for number in range(51):
            site.a_past_incident(row, at - timedelta(days=2 + number), at, name=f"Late & {number}")
    query = f"q=late+%26&component={world.webhooks}"
    assert len(titles(query)) == 50
    answer = client.get(f"/history?{query}")
    assert f'rel="next" href="/history?{query.replace("&", "&amp;")}&amp;page=2"' in answer.text
    assert titles(f"{query}&page=2") == ["Late &amp; 50"]
    assert client.get(f"/history?{query}&page=3").status_code == 404


# ── served ─────────────────────────────────────────────────────────────────────


@on_sqlite
def test_searches_are_kept_by_the_reader_alone(app, client, world):
    client.get("/history")
    kept = len(app.extensions["published"])
    answer = client.get("/history?q=slow")
    assert answer.headers["Cache-Control"] == "private, max-age=30"
    assert '<meta name="robots" content="noindex">' in answer.text
    assert "Set-Cookie" not in answer.headers
    assert len(app.extensions["published"]) == kept


@on_sqlite
def test_searches_are_limited_per_network_and_the_history_is_not(client, world):
    for _ in range(60):
        assert client.get("/history?q=slow").status_code == 200
    answer = client.get("/history?q=slow")
    assert answer.status_code == 429
    assert "Too many searches. Try again in a minute." in text_of(answer)
    assert client.get("/history").status_code == 200


@on_sqlite
@pytest.mark.parametrize(
    "query, status",
    [
        ("q=", 302),
        ("q=&component=&severity=&page=2", 302),
        ("severity=green", 404),
        ("component=000000000000", 404),
        ("component=x%00", 404),
        ("q=a&page=9", 404),
        ("q=a%00b", 200),
        ("q=" + "word+" * 400, 200),
    ],
)
def test_odd_searches_are_told_so(client, world, query, status):
    answer = client.get(f"/history?{query}")
    assert answer.status_code == status
    if status == 302:
        assert answer.location == f"/history{'?page=2' if 'page' in query else ''}"


@on_sqlite
def test_search_without_database_is_a_503_and_the_history_is_not(client, committed, world):
    assert client.get("/history").status_code == 200
    with committed() as session:
        session.execute(sa.text("DROP TABLE claim"))
    answer = client.get("/history?q=slow")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert "We can’t reach our database right now." in text_of(answer)
    assert client.get("/history").status_code == 200
