"""Feeds: what was told reaches readers, once, in three valid formats."""

import json
import locale
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import feedparser
import pytest
import sqlalchemy as sa
from lxml import etree

from statuspage.db import db
from statuspage.domain import page_settings
from statuspage.domain.claims import Claim
from statuspage.domain.components import verbs as components
from statuspage.domain.components.verbs import ComponentEdit
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import corrections, drafts, maintenance, postmortems
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import (
    Facts,
    IncidentEdit,
    IncidentUpdate,
    Schedule,
    UpdateInput,
)
from statuspage.domain.incidents.postmortems import Action, Part
from statuspage.domain.page_settings import PageEdit
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from tests.conftest import on_sqlite
from tests.helpers.feed_rules import ATOM, CHECKS, check_atom, check_json_feed, check_rss

SITE = "https://status.example.com"
FORMS = ("rss", "atom", "json")
CONTENT_TYPES = {
    "rss": "application/rss+xml; charset=utf-8",
    "atom": "application/atom+xml; charset=utf-8",
    "json": "application/feed+json",
}


@pytest.fixture
def story(committed, at):
    """A page with a resolved incident and its postmortem, one that is open, and a maintenance."""
    with committed():
        page = page_settings.create("Northwind", by=SYSTEM, at=at, time_zone="Europe/Vienna")
        group = components.add_group("Payments", by=SYSTEM, at=at)
        cards = components.add_component("Card payments", group=group, by=SYSTEM, at=at)
        search = components.add_component("Search", by=SYSTEM, at=at)

        slow = an_incident("Search is slow", at - timedelta(days=3), {search: DEGRADED})
        resolve(slow, at - timedelta(days=2))
        document = postmortems.save(
            slow,
            {
                Part.SUMMARY: "A [bad index](https://example.com/).",
                Part.ROOT_CAUSE: "We _forgot_ it.",
            },
            [Action("Alert on slow queries")],
            expected_version=None,
            by=SYSTEM,
            at=at - timedelta(days=1),
        )
        postmortems.publish(document, by=SYSTEM, at=at - timedelta(days=1))

        declined = an_incident(
            "Card payments declined in Europe",
            at - timedelta(minutes=40),
            {cards: DEGRADED},
            facts=Facts("Customers in the EU", "PayPal", "Try again in an hour"),
        )
        second = incidents.post_update(
            declined,
            UpdateInput(
                status=IncidentStatus.IDENTIFIED,
                body="A **bad** deploy & its `<config>`.",
                claims={cards: Claim(ComponentStatus.PARTIAL_OUTAGE, Decimal("12.00"), "EU")},
                next_update_by=at + timedelta(minutes=10),
            ),
            by=SYSTEM,
            at=at - timedelta(minutes=20),
        )
        planned = maintenance.schedule(
            "Database upgrade",
            UpdateInput(
                status=IncidentStatus.SCHEDULED,
                body="We upgrade.",
                claims={search: maintenance.UNDER_MAINTENANCE},
            ),
            Schedule(
                scheduled_for=at + timedelta(days=2),
                scheduled_until=at + timedelta(days=2, hours=1),
            ),
            by=SYSTEM,
            at=at - timedelta(hours=1),
        )
        return {
            "page": page.public_id,
            "cards": cards.public_id,
            "search": search.public_id,
            "slow": slow.public_id,
            "declined": declined.public_id,
            "second": second.public_id,
            "planned": planned.public_id,
            "document": document.public_id,
        }


DEGRADED = Claim(ComponentStatus.DEGRADED_PERFORMANCE)


def an_incident(name, at, claims, **more):
    keep = drafts.create if more.pop("draft", False) else incidents.open_incident
    return keep(
        name,
        UpdateInput(IncidentStatus.INVESTIGATING, "We are looking into it.", claims, **more),
        by=SYSTEM,
        at=at,
    )


def resolve(incident, at):
    return incidents.post_update(
        incident, UpdateInput(status=IncidentStatus.RESOLVED, body="It is over."), by=SYSTEM, at=at
    )


def addresses(story):
    narrowed = [f"/components/{story['cards']}", f"/components/{story['search']}"]
    narrowed += [f"/incidents/{story[name]}" for name in ("slow", "declined", "planned")]
    yield from ((f"/history.{form}", form) for form in ("rss", "atom"))
    for stem in ("/feeds/updates", *narrowed):
        yield from ((f"{stem}.{form}", form) for form in FORMS)


def items(client, address):
    return check_json_feed(client.get(address).data, SITE + address)


# ── the formats ────────────────────────────────────────────────────────────────


def test_every_feed_follows_its_format(client, story):
    for address, form in addresses(story):
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["Content-Type"] == CONTENT_TYPES[form]
        assert CHECKS[form](answer.data, SITE + address), address


@on_sqlite
def test_feedparser_reads_every_feed_without_complaint(client, story):
    for address, form in addresses(story):
        if form != "json":
            parsed = feedparser.parse(client.get(address).data)
            assert not parsed.bozo, address
            assert parsed.version == {"rss": "rss20", "atom": "atom10"}[form]
            assert all(entry.id and entry.link and entry.title for entry in parsed.entries)


@on_sqlite
def test_empty_page_has_valid_feeds(client, committed, at):
    with committed():
        page_settings.create("Quiet", by=SYSTEM, at=at)
    assert check_atom(client.get("/history.atom").data, f"{SITE}/history.atom") == []
    assert check_rss(client.get("/history.rss").data, f"{SITE}/history.rss") == []
    for form in FORMS:
        address = f"/feeds/updates.{form}"
        assert CHECKS[form](client.get(address).data, SITE + address) == []


@on_sqlite
def test_feed_rendering_does_not_set_the_locale(client, story, monkeypatch):
    """Else a file that another thread opens meanwhile is read as ASCII."""
    asked = []
    monkeypatch.setattr(locale, "setlocale", lambda *words: asked.append(words) or "C")
    for address, _ in addresses(story):
        assert client.get(address).status_code == 200
    assert not asked


@on_sqlite
def test_feeds_allow_other_origins_and_caching(client, story):
    for address, _form in addresses(story):
        answer = client.get(address)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert answer.headers["Cache-Control"].startswith("public, max-age=")
        assert "Set-Cookie" not in answer.headers
        assert answer.headers["Vary"] == "Accept-Encoding, Sec-Fetch-Dest"


# ── an entry for each update ───────────────────────────────────────────────────


@on_sqlite
def test_update_entry_has_text_link_and_component_changes(client, story):
    update, first, *_ = items(client, f"/incidents/{story['declined']}.json")

    assert update["title"] == "Identified: Card payments declined in Europe"
    assert update["url"] == f"{SITE}/incidents/{story['declined']}#update-{story['second']}"
    assert update["date_published"] == "2026-03-10T12:40:00+01:00"
    assert update["tags"] == ["incident", "identified"]
    assert (
        "<strong>bad</strong> deploy &amp; its <code>&lt;config&gt;</code>"
        in update["content_html"]
    )
    moved = "Payments - Card payments: Degraded performance → Partial outage, 12 %, EU"
    assert moved in update["content_text"]
    assert "Next update by 10 March 2026, 13:10 CET" in update["content_text"]
    assert first["title"] == "Investigating: Card payments declined in Europe"
    assert "Payments - Card payments: Operational → Degraded performance" in first["content_text"]


@on_sqlite
def test_three_feed_formats_have_the_same_entries(client, story):
    from_json = items(client, "/feeds/updates.json")
    atom = check_atom(client.get("/feeds/updates.atom").data, f"{SITE}/feeds/updates.atom")
    rss = check_rss(client.get("/feeds/updates.rss").data, f"{SITE}/feeds/updates.rss")

    told = [(item["id"], item["title"], item["url"], item["content_html"]) for item in from_json]
    assert told == [
        (
            entry.findtext(f"{ATOM}id"),
            entry.findtext(f"{ATOM}title"),
            entry.find(f"{ATOM}link").get("href"),
            entry.findtext(f"{ATOM}content"),
        )
        for entry in atom
    ]
    encoded = "{http://purl.org/rss/1.0/modules/content/}encoded"
    assert told == [
        tuple(item.findtext(tag) for tag in ("guid", "title", "link", encoded)) for item in rss
    ]


def test_updates_maintenance_and_postmortems_are_listed_newest_first(client, story):
    told = [item["title"] for item in items(client, "/feeds/updates.json")]
    assert told == [
        "Identified: Card payments declined in Europe",
        "Investigating: Card payments declined in Europe",
        "Scheduled: Database upgrade",
        "Postmortem: Search is slow",
        "Resolved: Search is slow",
        "Investigating: Search is slow",
    ]


@on_sqlite
def test_postmortem_entry_has_its_parts_and_link(client, story):
    item = items(client, f"/incidents/{story['slow']}.json")[0]
    assert item["url"] == f"{SITE}/incidents/{story['slow']}#postmortem"
    assert item["date_published"] == "2026-03-09T13:00:00+01:00"
    assert "<h3>Summary</h3>" in item["content_html"]
    assert '<a href="https://example.com/"' in item["content_html"]
    assert "<em>forgot</em>" in item["content_html"]


@on_sqlite
def test_maintenance_entry_has_its_window(client, story):
    (item,) = items(client, f"/incidents/{story['planned']}.json")
    assert (
        "Planned from 12 March 2026, 13:00 CET to 12 March 2026, 14:00 CET" in item["content_text"]
    )


@on_sqlite
def test_incident_feed_shows_its_status(client, story):
    feed = client.get(f"/incidents/{story['declined']}.json").json
    assert feed["title"] == "Northwind Status - Card payments declined in Europe"
    assert feed["home_page_url"] == f"{SITE}/incidents/{story['declined']}"
    assert feed["description"] == (
        "Identified · Who is affected: Customers in the EU · What still works: PayPal"
        " · What you can do: Try again in an hour"
    )


@on_sqlite
def test_component_feed_has_only_its_entries(client, story):
    feed = client.get(f"/components/{story['cards']}.json").json
    assert feed["title"] == "Northwind Status - Payments › Card payments"
    assert {item["title"].partition(": ")[2] for item in feed["items"]} == {
        "Card payments declined in Europe"
    }
    searching = items(client, f"/components/{story['search']}.json")
    assert [item["title"] for item in searching] == [
        "Scheduled: Database upgrade",
        "Postmortem: Search is slow",
        "Resolved: Search is slow",
        "Investigating: Search is slow",
    ]


@on_sqlite
def test_edited_update_keeps_its_entry_id_and_says_it_was_edited(client, committed, story, at):
    before = {item["id"]: item for item in items(client, "/feeds/updates.json")}
    with committed():
        corrections.edit_update(
            db.session.query(IncidentUpdate).filter_by(public_id=story["second"]).one(),
            body="A bad deploy of the *payment gateway*.",
            expected_version=1,
            reason="We name what broke",
            by=SYSTEM,
            at=at,
        )
    after = {item["id"]: item for item in items(client, "/feeds/updates.json")}

    assert list(after) == list(before)
    changed = [one for one in after if after[one] != before[one]]
    assert [after[one]["title"] for one in changed] == [
        "Identified: Card payments declined in Europe"
    ]
    old, new = before[changed[0]], after[changed[0]]
    assert new["date_published"] == old["date_published"]
    assert new["date_modified"] == "2026-03-10T13:00:00+01:00" > old["date_modified"]
    assert "payment gateway" in new["content_text"]
    assert "Edited 10 March 2026, 13:00 CET: We name what broke" in new["content_text"]


@on_sqlite
def test_later_updates_do_not_change_older_entries(client, committed, story, at):
    before = {item["id"]: item for item in items(client, "/feeds/updates.json")}
    with committed():
        incident = incidents.get(story["declined"])
        corrections.edit_incident(
            incident,
            IncidentEdit(
                name="Card and wallet payments declined",
                facts=Facts("Everyone"),
                next_update_by=None,
                impact_override=None,
            ),
            expected_version=incident.version,
            by=SYSTEM,
            at=at,
        )
        resolve(incident, at + timedelta(minutes=1))
        planned = incidents.get(story["planned"])
        maintenance.reschedule(
            planned,
            UpdateInput(status=planned.status, claims=planned.claims, body="Later."),
            scheduled_for=at + timedelta(days=5),
            scheduled_until=at + timedelta(days=6),
            by=SYSTEM,
            at=at + timedelta(minutes=2),
        )
        cards = components.get(story["cards"])
        components.edit_component(
            cards,
            ComponentEdit(
                name="Cards",
                description=None,
                group=None,
                start_date=None,
                showcase=True,
                only_show_if_degraded=False,
            ),
            by=SYSTEM,
            at=at + timedelta(minutes=3),
        )
    after = {item["id"]: item for item in items(client, "/feeds/updates.json")}

    assert {one: after[one] for one in before} == before
    new = [item["title"] for one, item in after.items() if one not in before]
    assert new == ["Scheduled: Database upgrade", "Resolved: Card and wallet payments declined"]


def test_newest_update_comes_first_even_of_an_old_incident(client, committed, story, at):
    with committed():
        for number in range(60):
            an_incident(f"Small trouble {number}", at + timedelta(seconds=number), {})
        resolve(incidents.get(story["declined"]), at + timedelta(hours=1))
    updates = items(client, "/feeds/updates.json")
    assert len(updates) == 50
    assert updates[0]["title"] == "Resolved: Card payments declined in Europe"
    history = check_rss(client.get("/history.rss").data, f"{SITE}/history.rss")
    assert len(history) == 25
    # What is scheduled and has not begun stands before everything that was told.
    assert [item.findtext("title") for item in history[:2]] == [
        "Database upgrade",
        "Card payments declined in Europe",
    ]


# ── an entry for each incident, as Statuspage's ────────────────────────────────


def test_history_feed_has_one_entry_per_incident(client, story):
    planned, declined, slow = check_atom(client.get("/history.atom").data, f"{SITE}/history.atom")
    assert declined.findtext(f"{ATOM}title") == "Card payments declined in Europe"
    assert re.fullmatch(
        r"tag:status\.example\.com,2005:Incident/\d+", declined.findtext(f"{ATOM}id")
    )
    assert declined.findtext(f"{ATOM}content") == (
        "<p><small>Mar <var data-var='date'>10</var>, <var data-var='time'>12:40</var> CET</small>"
        "<br><strong>Identified</strong> - A <strong>bad</strong> deploy &amp; its"
        " <code>&lt;config&gt;</code>.</p>"
        "<p><small>Mar <var data-var='date'>10</var>, <var data-var='time'>12:20</var> CET</small>"
        "<br><strong>Investigating</strong> - We are looking into it.</p>"
    )
    assert planned.findtext(f"{ATOM}published") == "2026-03-12T13:00:00+01:00"
    assert planned.findtext(f"{ATOM}content").startswith(
        "<p><strong>THIS IS A SCHEDULED EVENT Mar <var data-var='date'>12</var>,"
        " <var data-var='time'>13:00</var> CET &nbsp;-&nbsp;"
        " <var data-var='time'>14:00</var> CET</strong></p><p><small>"
    )
    link = f"{SITE}/incidents/{story['slow']}#postmortem"
    assert slow.findtext(f"{ATOM}content").startswith(
        "<p><small>Mar <var data-var='date'> 9</var>, <var data-var='time'>13:00</var> CET</small>"
        f'<br><strong>Postmortem</strong> - <a href="{link}">Read details</a></p>'
    )


@on_sqlite
@pytest.mark.parametrize(
    "body, told",
    [
        ("One.\n\nTwo\nthree.", "One.<br /><br />Two<br />three."),
        ("Try:\n\n- this\n- *that*", "Try:<br /><br />- this<br />- <em>that</em>"),
        ("## Why\n\nSo.", "Why<br /><br />So."),
        ("```\na\n  b\n```", "<code>a<br />b</code>"),
        ("> told\n\n1. `x < y`", "told<br /><br />- <code>x &lt; y</code>"),
        ("|a|b|\n|-|-|\n|1|2|", "a b<br /><br />1 2"),
    ],
)
def test_history_feed_joins_an_update_into_one_paragraph(client, committed, at, body, told):
    with committed():
        page_settings.create("Northwind", by=SYSTEM, at=at)
        incidents.open_incident(
            "Trouble", UpdateInput(status=IncidentStatus.INVESTIGATING, body=body), by=SYSTEM, at=at
        )
    (entry,) = check_atom(client.get("/history.atom").data, f"{SITE}/history.atom")
    html = entry.findtext(f"{ATOM}content").partition("</strong> - ")[2]
    assert html == f"{told}</p>"


# ── what readers may not see, and what is gone ─────────────────────────────────


@on_sqlite
def test_draft_changes_no_feed(client, committed, story, at):
    before = {address: client.get(address).data for address, _ in addresses(story)}
    with committed():
        cards = components.get(story["cards"])
        an_incident("Secret trouble", at, {cards: DEGRADED}, draft=True)
        drafts.save_update(
            incidents.get(story["declined"]),
            UpdateInput(status=IncidentStatus.RESOLVED, body="Not yet."),
            by=SYSTEM,
            at=at,
        )
    assert {address: client.get(address).data for address in before} == before


@on_sqlite
def test_retracted_incident_leaves_the_feeds_and_its_own_is_gone(client, committed, story, at):
    with committed():
        corrections.retract(
            incidents.get(story["declined"]), reason="It was another page's.", by=SYSTEM, at=at
        )
    for form in FORMS:
        answer = client.get(f"/incidents/{story['declined']}.{form}")
        assert answer.status_code == 410
        assert "It was another page's." in answer.text
    for address, _form in addresses(story):
        if story["declined"] not in address:
            assert "declined" not in client.get(address).text


@on_sqlite
def test_feed_of_an_unknown_object_is_a_404(client, committed, story, at):
    with committed():
        draft = an_incident("Secret trouble", at, {}, draft=True)
        components.archive(components.get(story["cards"]), by=SYSTEM, at=at)
    for stem in (
        "/incidents/nosuchthing0",
        f"/incidents/{draft.public_id}",
        "/components/nosuchthing0",
        f"/components/{story['cards']}",
        "/feeds/nothing",
    ):
        for form in FORMS:
            assert client.get(f"{stem}.{form}").status_code == 404
    assert client.get("/history.json").mimetype != "application/feed+json"
    assert client.get("/feeds/updates.xml").status_code == 404


@on_sqlite
def test_feeds_are_a_404_before_setup(client):
    for address in ("/history.atom", "/history.rss", "/feeds/updates.json"):
        assert client.get(address).status_code == 404


# ── bytes ──────────────────────────────────────────────────────────────────────


@on_sqlite
def test_unchanged_feed_gets_a_304(client, committed, story, traveller):
    before = {address: client.get(address) for address, _ in addresses(story)}
    traveller.shift(timedelta(hours=7))
    with committed():
        page = page_settings.get()
        page_settings.edit(
            page,
            PageEdit(page.name, page.time_zone, about="New words."),
            by=SYSTEM,
            at=datetime(2026, 3, 10, 18, tzinfo=UTC),
        )
    for address, first in before.items():
        again = client.get(address)
        assert again.data == first.data, address
        assert again.headers["ETag"] == first.headers["ETag"]
        unchanged = client.get(address, headers={"If-None-Match": first.headers["ETag"]})
        assert unchanged.status_code == 304
        assert unchanged.data == b""


@on_sqlite
def test_new_update_is_in_the_feed_at_once(client, committed, story, at):
    etag = client.get("/feeds/updates.atom").headers["ETag"]
    with committed():
        resolve(incidents.get(story["declined"]), at)
    answer = client.get("/feeds/updates.atom", headers={"If-None-Match": etag})
    assert answer.status_code == 200
    assert "Resolved: Card payments declined in Europe" in answer.text


@on_sqlite
def test_feed_query_count_is_constant(client, committed, story, app, at):
    every = [address for address, _ in addresses(story)]
    few = {address: queries(app, client, address) for address in every}
    with committed():
        cards, search = components.get(story["cards"]), components.get(story["search"])
        for number in range(12):
            incident = an_incident(f"Trouble {number}", at, {cards: DEGRADED, search: DEGRADED})
            resolve(incident, at + timedelta(minutes=number))
        for name in ("declined", "planned"):
            incident = incidents.get(story[name])
            incidents.post_update(
                incident,
                UpdateInput(status=incident.status, body="More.", claims=incident.claims),
                by=SYSTEM,
                at=at,
            )
    many = {address: queries(app, client, address) for address in every}

    assert {address: many[address] for address in every if many[address] > few[address]} == {}
    assert max(few.values()) <= 16


def queries(app, client, address):
    """How many statements a rendering of `address` runs."""
    seen = []

    def note(_connection, _cursor, statement, *_rest):
        if statement.startswith("SELECT"):
            seen.append(statement)

    with app.app_context():
        engine = db.engine
    app.extensions["published"]._entries.clear()
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        assert client.get(address).status_code == 200
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    return len(seen)


# ── hostile rows ───────────────────────────────────────────────────────────────


@on_sqlite
def test_invalid_rows_do_not_break_a_feed(client, committed, story):
    """What is cleaned on input comes from elsewhere here: control characters, lone surrogates."""
    dirty = "a\x00b\x0bc\x1f\ufffe\uffff]]>&#0;&nbsp;<b>"
    with committed() as session:
        for statement, value in (
            ("UPDATE incident SET name = :value, what_still_works = :value", dirty),
            ("UPDATE incident_update SET body_html = :value", f"<p>{dirty}</p>"),
            ("UPDATE update_change SET name = :value, scope = :value", dirty),
            ("UPDATE component SET name = :value", dirty),
            ("UPDATE page SET name = :value", dirty),
            (
                "UPDATE postmortem SET published_html = :value",
                json.dumps({"summary": f"<p>lone \ud800 {dirty}</p>"}),
            ),
        ):
            session.execute(sa.text(statement), {"value": value})
        session.execute(sa.text("UPDATE revision SET number = number + 1"))
    for address, form in addresses(story):
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert CHECKS[form](answer.data, SITE + address)
        if form != "json":
            assert not feedparser.parse(answer.data).bozo


# ── people ─────────────────────────────────────────────────────────────────────


@on_sqlite
def test_browser_gets_the_feed_under_a_type_it_displays(client, story):
    for address, form in addresses(story):
        feed = client.get(address)
        for _ in ("first made", "published"):
            page = client.get(address, headers={"Sec-Fetch-Dest": "document"})
            assert page.data == feed.data
            shown_as = CONTENT_TYPES["json"] if form == "json" else "text/xml; charset=utf-8"
            assert page.headers["Content-Type"] == shown_as
        assert client.get(address).headers["Content-Type"] == CONTENT_TYPES[form]


@on_sqlite
def test_feed_policy_allows_its_stylesheet(client, story):
    for address, form in addresses(story):
        answer = client.get(address)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self';")
        if form != "json":
            named = '<?xml-stylesheet type="text/css" href="/static/feed.css"?>'
            assert answer.text.splitlines()[1] == named
    with client.get("/static/feed.css", buffered=True) as stylesheet:
        assert stylesheet.mimetype == "text/css"


@on_sqlite
@pytest.mark.filterwarnings("ignore::pytest.PytestRemovedIn10Warning")  # of pytest-base-url
@pytest.mark.parametrize("address", ["/feeds/updates.atom", "/feeds/updates.rss", "/history.rss"])
def test_feed_stylesheet_makes_a_readable_page(live_url, story, page, address):
    page.goto(live_url + address)
    shown = page.locator("title, summary, description, content").filter(visible=True)
    words = "\n".join(shown.all_text_contents())
    assert "Card payments declined in Europe" in words
    assert "<p>" not in words
    note = page.evaluate("() => getComputedStyle(document.documentElement, '::before').content")
    assert "This is a web feed." in note


@on_sqlite
def test_pages_link_to_their_feeds(client, story):
    expected = {
        "/": {"/feeds/updates.atom", "/feeds/updates.rss", "/feeds/updates.json"},
        "/history": {"/history.atom", "/history.rss"},
        f"/incidents/{story['declined']}": {f"/incidents/{story['declined']}.atom"},
        f"/components/{story['cards']}": {f"/components/{story['cards']}.atom"},
    }
    for address, feeds in expected.items():
        head = etree.HTML(client.get(address).data).find("head")
        links = {link.get("href"): link for link in head.iterfind("link[@rel='alternate']")}
        assert feeds <= links.keys()
        for href, link in links.items():
            assert link.get("title")
            assert client.get(href).mimetype == link.get("type")


def test_updates_of_one_second_have_different_dates_in_atom(client, committed, at):
    with committed():
        page_settings.create("Northwind", by=SYSTEM, at=at, time_zone="Europe/Vienna")
        incident = incidents.open_incident(
            "Slow", UpdateInput(status=IncidentStatus.INVESTIGATING, body="-"), by=SYSTEM, at=at
        )
        moments = [timedelta(seconds=60, milliseconds=part) for part in (250, 750)]
        for moment in (*moments, timedelta(seconds=90, milliseconds=10)):
            incidents.post_update(
                incident,
                UpdateInput(status=IncidentStatus.IDENTIFIED, body="-"),
                by=SYSTEM,
                at=at + moment,
            )
    feed = etree.fromstring(client.get("/feeds/updates.atom").data)
    assert [node.text for node in feed.iterfind("{*}entry/{*}updated")] == [
        "2026-03-10T13:01:30+01:00",
        "2026-03-10T13:01:00.750000+01:00",
        "2026-03-10T13:01:00.250000+01:00",
        "2026-03-10T13:00:00+01:00",
    ]
