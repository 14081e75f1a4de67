"""The public pages as a customer's browser gets them."""

import base64
import gzip
import hashlib
import re
from datetime import timedelta
from itertools import pairwise
from urllib.parse import unquote

import brotli
import pytest

from statuspage.db import db
from statuspage.domain import page_settings
from statuspage.domain.claims import Claim
from statuspage.domain.components import claims_store
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import corrections
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Moment, UpdateInput
from statuspage.domain.page_settings import PageEdit
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from statuspage.page.html import charts
from tests.conftest import on_sqlite
from tests.helpers import site
from tests.helpers.apps import create_app
from tests.helpers.observatory import META
from tests.helpers.site import Page, text_of
from tests.helpers.statements import recorded_statements

MAX_FRONT_BYTES = 14 * 1024
MAX_SCRIPT_BYTES = 5632
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


# ── the front page ─────────────────────────────────────────────────────────────


def test_front_page_shows_the_incident_its_start_and_what_works(client, world):
    words = text_of(client.get("/"))
    assert "Card payments declined in Europe" in words
    assert "Started 12:22 CET. Partial outage since 12:51. Everything else is operational." in words


@on_sqlite
def test_banner_does_not_blame_an_incident_for_another_outage(client, committed, world, at):
    with committed():
        webhooks = components.get(world.webhooks)
        claims_store.set_status(webhooks, site.MAJOR, by=SYSTEM, at=at - timedelta(hours=3))
    answer = client.get("/")
    assert (
        "Started 12:22 CET. Partial outage since 12:51. Also affected: Webhooks (major outage)."
        " 4 of 6 components are operational." in text_of(answer)
    )
    assert 'class="state major"' in answer.text


@on_sqlite
def test_degraded_component_is_not_called_operational(client, committed, at):
    with committed():
        site.a_page(at)
        for name, claim in (("Mail", site.MAJOR), ("Search", site.DEGRADED), ("API", None)):
            component = site.a_component(name, at)
            if claim:
                claims_store.set_status(component, claim, by=SYSTEM, at=at - timedelta(hours=1))
    assert (
        "Mail is down Major outage since 12:00 CET."
        " 1 major outage, 1 degraded. 1 of 3 components is operational." in text_of(client.get("/"))
    )


@on_sqlite
def test_open_incident_shows_facts_and_next_update(client, world):
    words = text_of(client.get("/"))
    assert "Who is affected About 12 % of card payments" in words
    assert "What still works Bank transfers" in words
    assert "What you can do Retry, or pay by transfer" in words
    assert "Next update by 13:15" in words


@on_sqlite
def test_overdue_next_update_is_shown_as_overdue(client, world, traveller):
    traveller.shift(timedelta(minutes=21))
    assert "was promised by 13:15, 6 minutes late" in text_of(client.get("/"))


@on_sqlite
def test_updates_are_listed_newest_first_with_changes(client, world):
    words = text_of(client.get("/"))
    assert words.index("rolling the change back") < words.index("We are looking into it")
    assert "Card payments: Degraded performance → Partial outage, 12 %, EU" in words
    assert "<strong>stale balance</strong>" in client.get("/").text


@on_sqlite
def test_front_page_shows_the_last_three_updates(client, committed, world, at):
    with committed():
        for minute in range(1, 4):
            incident = incidents.get(world.open)
            component = components.get(world.cards)
            site.say(incident, f"Word number {minute}.", at + timedelta(minutes=minute), component)
    words = text_of(client.get("/"))
    assert "Word number 1." in words
    assert "We are looking into it" not in words
    assert "2 earlier updates" in words
    assert "We are looking into it" in text_of(client.get(f"/incidents/{world.open}"))


@on_sqlite
def test_three_open_incidents_show_their_newest_update_only(client, committed, world, at):
    with committed():
        for name in ("Bank transfers", "Website"):
            row = next(row for row in components.listed() if row.name == name)
            site.an_open_incident(row, at)
    words = text_of(client.get("/"))
    assert words.count("Some card payments in Europe are being declined") == 0
    assert words.count("against a stale balance") == 3
    assert words.count("Partial outage, 12 %, EU · Started 12:22 CET") == 3
    assert words.count("Identified 12:51 · Next update by 13:15 · 1 earlier update") == 3


@on_sqlite
def test_resolved_incident_stays_on_the_front_page_for_24_hours(
    client, committed, world, at, traveller
):
    with committed():
        ended = at - timedelta(minutes=2)
        site.resolve(incidents.get(world.open), ended, "Cards work **everywhere** again.")
    card = (
        "Resolved 12:58 CET Card payments declined in Europe Cards work everywhere again."
        " Partial outage, 12 % · 12:22–12:58 CET, 36 min · Card payments"
    )
    words = text_of(client.get("/"))
    assert words.index("All systems operational") < words.index(card)
    assert words.index(card) < words.index("Scheduled maintenance") < words.index("Components")
    traveller.shift(timedelta(hours=23, minutes=57))
    assert "Cards work everywhere again." in text_of(client.get("/"))
    traveller.shift(timedelta(minutes=1))
    assert "Cards work everywhere again." not in text_of(client.get("/"))


@on_sqlite
def test_resolved_incident_stands_below_open_ones_and_tells_how_it_ended(
    client, committed, world, at
):
    with committed():
        past = site.an_open_incident(components.get(world.transfers), at)
        site.resolve(past, at - timedelta(minutes=2), "Transfers work again.")
        site.a_postmortem(past, at)
    words = text_of(client.get("/"))
    assert words.index("against a stale balance") < words.index("Transfers work again.")
    assert words.index("Transfers work again.") < words.index("Components")
    assert words.index("Components") < words.index("Scheduled maintenance")


@on_sqlite
@pytest.mark.parametrize(
    ("claim", "tone"), [(None, "ok"), (site.DEGRADED, "degraded"), (site.MAJOR, "major")]
)
def test_icon_in_the_tab_is_the_sign_of_the_state(client, committed, at, claim, tone):
    with committed():
        site.a_page(at)
        row = site.a_component("Website", at)
        if claim:
            claims_store.set_status(row, claim, by=SYSTEM, at=at)
        path = f"/components/{row.public_id}"
    for address in ("/", path):
        assert charts.GLYPHS[tone] in unquote(_icon(client.get(address))), address
    assert _icon(client.get("/history")) == "/favicon.svg"


def _icon(answer):
    links = (attributes for _, attributes in Page(answer.text).all("link"))
    (icon,) = (link["href"] for link in links if link.get("rel") == "icon")
    return icon


@on_sqlite
def test_groups_are_open_while_nothing_is_wrong(client, committed, world, at):
    with committed():
        site.resolve(incidents.get(world.open), at)
    assert _groups(client) == {"Payments": ("details", True), "Account": ("details", True)}


@on_sqlite
def test_groups_that_are_fine_fold_and_trouble_comes_first_while_an_incident_is_open(client, world):
    page = client.get("/").text
    assert _groups(client) == {"Payments": ("div", True), "Account": ("details", False)}
    board = page[page.index('id="components"') :]
    assert board.index("Card payments") < board.index("1 other operational")
    assert board.index("Bank transfers") < board.index("Website")
    assert "1 of 2 in trouble" in board


def _groups(client):
    """Name → (element, whether its components are seen), in the order of the page."""
    found = re.findall(
        r'<(details|div) class="card group"( id="g-\w+")( open)?>.*?<h3 dir="auto">(\w+)',
        client.get("/").text,
        re.DOTALL,
    )
    return {name: (tag, tag == "div" or bool(is_open)) for tag, _, is_open, name in found}


@on_sqlite
def test_folded_group_shows_the_worst_of_each_day(client, committed, world, at):
    with committed():
        sign_in = next(row for row in components.listed() if row.name == "Sign-in")
        site.a_past_incident(sign_in, at - timedelta(days=3), at, claim=site.MAJOR)
    page = client.get("/").text
    account = page[page.index("Account <span") :].partition("</summary>")[0]
    assert 'role="img" aria-label="90 days: 1 with problems; worst 7 Mar, major outage"' in account
    assert "Worst of each day" in account
    assert "<a " not in account, "no link within the row that opens the group"


@on_sqlite
def test_page_of_more_than_20_components_has_rows_without_bars(client, committed, world, at):
    assert 'class="bar"' in client.get("/").text
    with committed():
        for number in range(20):
            site.a_component(f"Region {number}", at)
    page = client.get("/").text
    assert 'class="bar"' not in page
    assert "Uptime of all 26 components" in page
    assert 'id="find"' not in page


@on_sqlite
def test_page_of_40_components_has_a_field_to_find_them(client, committed, world, at):
    with committed():
        for number in range(34):
            site.a_component(f"Region {number}", at)
    assert '<search id="find" hidden>' in client.get("/").text


@on_sqlite
def test_uptime_bar_has_a_text_alternative(client, world):
    page = client.get("/").text
    assert 'role="group" aria-label="90 days: 1 with problems; worst Today, partial outage"' in page
    assert "<title>Today: Partial outage 9 min, Degraded performance 29 min</title>" in page
    assert "90 days: no problems" in page


@on_sqlite
def test_day_of_a_bar_leads_to_its_minutes_and_incidents(client, world):
    link = f'href="/components/{world.cards}#2026-03-10"'
    assert link in client.get("/").text
    page = client.get(f"/components/{world.cards}").text
    day = page[page.index('<li id="2026-03-10">') :].partition("</ol>")[0]
    assert "Tuesday 10 Mar" in day
    assert "<b>Partial outage</b> 9 min" in day
    assert "<b>Degraded performance</b> 29 min" in day
    assert f'href="/incidents/{world.open}"' in day


@on_sqlite
def test_legend_explains_every_sign(client, world):
    words = site.text_of(client.get("/"))
    for status in ComponentStatus:
        assert status.label in words[words.index("Components") :]


@on_sqlite
def test_days_before_the_start_date_show_no_data(client, world):
    page = client.get("/").text
    assert "90 days: no problems, 79 without data" in page
    assert '<rect width="790" height="36" fill="url(#n)"/>' in page


@on_sqlite
def test_each_bar_width_shows_the_uptime_of_its_window(client, committed, world, at):
    with committed():
        cards = components.get(world.transfers)
        site.a_past_incident(cards, at - timedelta(days=45), at, claim=site.MAJOR, minutes=600)
    page = client.get("/").text
    bar = page[page.index(f'id="c-{world.transfers}"') :]
    assert '<span class="w90">99.53 % uptime</span>' in bar
    assert '<span class="w60">99.31 % uptime</span>' in bar
    assert '<span class="w30">100.0 % uptime</span>' in bar


@on_sqlite
def test_front_page_shows_maintenance_and_the_past_two_weeks(client, world):
    words = text_of(client.get("/"))
    assert "Planned for 11 Mar, 13:00–14:00 CET" in words
    assert "Affects Webhooks" in words
    assert "Who is affected Deliveries up to 5 minutes late; none are lost" in words
    assert "Today 1 open incident, shown above." in words
    assert "9 Mar No incidents reported." in words
    assert "8 Mar Slow loads" in words
    assert "10:00–10:35 CET, 35 min · Website · Resolved · Postmortem" in words
    assert "24 Feb – 7 Mar No incidents reported." in words


@on_sqlite
def test_page_without_incidents_says_so(client, committed, at):
    with committed():
        site.a_page(at)
        site.a_component("Website", at)
    assert "All systems operational No open incidents." in text_of(client.get("/"))


@on_sqlite
def test_page_before_setup_says_so(client):
    answer = client.get("/")
    assert answer.status_code == 503
    assert "not set up yet" in answer.text
    assert client.get("/nothing/here").status_code == 404


# ── incidents ──────────────────────────────────────────────────────────────────


@on_sqlite
def test_incident_page_shows_durations_and_moments(client, committed, world, at):
    with committed():
        site.resolve(incidents.get(world.open), at + timedelta(minutes=40))
    words = text_of(client.get(f"/incidents/{world.open}"))
    assert "12:22–13:40 CET · 1 h 18 min" in words
    assert "Detected after 4 min" in words
    assert "First update after 6 min" in words
    assert "Restored after 1 h 18 min" in words
    assert "Promised updates on time 1 of 2" in words
    assert "Card payments: Partial outage, 12 %, EU → Operational" in words


@on_sqlite
def test_status_timeline_has_a_text_alternative(client, world):
    page = client.get(f"/incidents/{world.open}").text
    label = re.search(r'aria-label="(Card payments over time:[^"]+)"', page)[1]
    assert "Degraded performance, 12:22–12:51" in label
    assert "Partial outage, 12 %, EU, 12:51 CET – now" in label


@on_sqlite
def test_edited_update_shows_when_and_what_changed(client, committed, world, at):
    with committed():
        update = incidents.get(world.open).updates[0]
        anchor = update.public_id
        corrections.edit_update(
            update,
            body=site.SAID.replace("three", "four"),
            expected_version=update.version,
            reason="We counted again.",
            by=SYSTEM,
            at=at + timedelta(minutes=2),
        )
    answer = client.get(f"/incidents/{world.open}")
    assert "edited 13:02 · what changed" in text_of(answer)
    assert "We counted again." in answer.text
    assert "<del>three</del><ins>four</ins>" in answer.text
    assert f'id="update-{anchor}"' in answer.text
    assert ">edited<" in client.get("/").text


@on_sqlite
def test_corrected_moment_shows_its_old_value_and_reason(client, committed, world, at):
    with committed():
        corrections.correct_moment(
            incidents.get(world.open),
            Moment.STARTED,
            at - timedelta(minutes=42),
            reason="The first failure was earlier.",
            by=SYSTEM,
            at=at,
        )
    words = text_of(client.get(f"/incidents/{world.open}"))
    assert "Start corrected from 12:22 to 12:18: The first failure was earlier." in words


@on_sqlite
def test_postmortem_is_shown_on_its_incident(client, world):
    answer = client.get(f"/incidents/{world.past}")
    words = text_of(answer)
    assert "Postmortem Published 10 Mar 2026" in words
    assert "Summary A replica was read-only. Root cause Nobody tested failover." in words
    assert "Refuse to start a writer on a replica Done" in words
    assert "Rehearse failover Open, due 18 Mar" in words
    moved = client.get(f"/incidents/{world.past}/postmortem")
    assert moved.status_code == 302
    assert moved.location == f"/incidents/{world.past}#postmortem"
    assert client.get(f"/incidents/{world.open}/postmortem").status_code == 404


def test_retracted_incident_is_a_410_with_its_reason(client, world):
    answer = client.get(f"/incidents/{world.retracted}")
    assert answer.status_code == 410
    assert "It belonged to another page." in answer.text
    assert "Told by mistake" not in client.get("/").text + client.get("/history").text


@on_sqlite
def test_draft_incident_is_not_public(client, world):
    assert client.get(f"/incidents/{world.draft}").status_code == 404
    for address in world.addresses:
        assert "Nobody may read this" not in client.get(address).text
        assert "Secret words" not in client.get(address).text


@pytest.mark.parametrize(
    "address",
    [
        "/nothing",
        "/incidents/000000000000",
        "/components/x",
        "/history?page=0",
        "/history?page=x",
        "/history?page=900",
        "/history?page=000001999999",
        f"/history?page={'0' * 5_000}1",
        "/uptime?page=99999999999999",
        "/logo",
    ],
)
@on_sqlite
def test_unknown_path_is_a_404_in_the_page_design(client, world, address):
    answer = client.get(address)
    assert answer.status_code == 404
    assert "Page not found" in answer.text
    assert "Northwind" in answer.text
    assert 'href="/history"' in answer.text


@on_sqlite
def test_thousand_unknown_paths_read_the_page_once(app, client, world):
    client.get("/nothing")
    with recorded_statements() as statements:
        client.get("/nothing-else")
    assert [
        statement
        for statement in statements
        if "FROM" in statement and "FROM revision" not in statement
    ] == []


# ── history, uptime, components ────────────────────────────────────────────────


@on_sqlite
def test_history_has_three_months_per_page(client, world):
    first = client.get("/history")
    assert "March 2026" in first.text
    assert "Slow loads" in first.text
    assert "Late transfers" not in first.text
    assert '<a rel="next" href="/history?page=2">' in first.text
    assert 'rel="prev"' not in first.text
    second = client.get("/history?page=2")
    assert "November 2025" in second.text
    assert "Late transfers" in second.text
    assert '<a rel="prev" href="/history">' in second.text
    assert client.get("/history?page=3").status_code == 404
    assert client.get("/history?page=1").data == first.data


@on_sqlite
def test_component_page_explains_its_uptime(client, committed, world, at):
    with committed():
        transfers = components.get(world.transfers)
        site.a_past_incident(transfers, at - timedelta(days=9), at, minutes=100, name="Slow bank")
    words = text_of(client.get(f"/components/{world.transfers}"))
    assert "How we calculate 99.99 %" in words
    assert "Uptime = 1 − downtime ÷ length." in words
    assert "Length: 90 days (7,776,000 s). Downtime: 12 min (720.0 s)." in words
    assert "1 Mar, 13:00–14:40 CET Partial outage, 12 %, EU 1 h 40 min × 0.12 Slow bank" in words


@on_sqlite
def test_component_page_names_what_does_not_count(client, committed, world, at):
    with committed():
        webhooks = components.get(world.webhooks)
        site.a_past_incident(webhooks, at - timedelta(days=3), at, claim=site.DEGRADED, minutes=60)
    words = text_of(client.get(f"/components/{world.webhooks}"))
    assert "Downtime: none. Not counted: 1 h of degraded performance." in words
    assert "× 0" in words


@on_sqlite
def test_uptime_page_has_a_figure_for_each_month(client, world):
    page = client.get("/uptime")
    assert "March 2026, 10 days: 1 with problems; worst Today, partial outage" in page.text
    words = text_of(page)
    assert "Component Jan 2026 Feb 2026 Mar 2026 3 months" in words
    head, cards, _ = re.split(rf'(<tr id="c-{world.cards}">.*?</tr>)', page.text, flags=re.S)
    assert head.rstrip().endswith('<th scope="rowgroup" colspan="5" dir="auto">Payments</th></tr>')
    assert re.findall(r'<td class="(\w+)">(?:<span class="vh">)?([\w .]+)<', cards) == [
        ("full", "100"),
        ("full", "100"),
        ("fine", "99.99"),
        ("fine", "99.99"),
    ]
    assert "Days of Payments › Card payments" in text_of(page)
    assert '<a rel="next" href="/uptime?page=2">' in page.text


@on_sqlite
def test_uptime_table_marks_months_with_outages(client, committed, world, at):
    with committed():
        transfers = components.get(world.transfers)
        for back, minutes in ((50, 20), (8, 150)):
            started = at - timedelta(days=back)
            site.a_past_incident(transfers, started, at, claim=site.MAJOR, minutes=minutes)
    row = client.get("/uptime").text.partition(f'<tr id="c-{world.transfers}">')[2]
    cells = re.findall(r'<td class="(\w+)">([\d.]+)<', row.partition("</tr>")[0])
    assert cells == [("fine", "99.95"), ("full", "100"), ("poor", "98.95"), ("dip", "99.82")]


@on_sqlite
def test_component_page_explains_a_manual_status(client, committed, world, at):
    with committed():
        webhooks = components.get(world.webhooks)
        claims_store.set_status(webhooks, site.MAJOR, by=SYSTEM, at=at - timedelta(hours=1))
    words = text_of(client.get(f"/components/{world.webhooks}"))
    assert "Major outage" in words
    assert "Set manually" in words
    assert "since 12:00 CET" in words


# ── what a page must be ────────────────────────────────────────────────────────


@on_sqlite
def test_every_page_is_well_formed_with_ordered_headings(client, world):
    for address in (*world.addresses, f"/incidents/{world.retracted}", "/nothing"):
        page = Page(client.get(address).text)
        assert page.errors == [], address
        levels = [int(tag[1]) for tag, _ in page.all("h1", "h2", "h3", "h4", "h5", "h6")]
        assert levels[0] == 1, address
        assert levels.count(1) == 1, address
        jumps = [b for a, b in pairwise(levels) if b > a + 1]
        assert jumps == [], (address, levels)
        assert [tag for tag, _ in page.all("main", "header", "footer")].count("main") == 1
        for tag, attributes in page.all("a", "use"):
            target = attributes.get("href") or ""
            if target.startswith("#"):
                assert any(other.get("id") == target[1:] for _, other in page.tags), (tag, target)


@on_sqlite
def test_pages_have_no_inline_style_or_script(client, world):
    for address in (*world.addresses, "/nothing"):
        answer = client.get(address)
        for tag, attributes in Page(answer.text).tags:
            assert "style" not in attributes, (address, tag)
            assert not [name for name in attributes if name.startswith("on")], (address, tag)
        (css,) = re.findall(r"<style>(.*?)</style>", answer.text, flags=re.S)
        digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
        (policy,) = META.findall(answer.text)
        assert answer.text.index(policy) < answer.text.index("<style>")
        assert f"style-src 'sha256-{digest}';" in policy
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        scripts = [attributes for _, attributes in Page(answer.text).all("script")]
        more = ["/subscribe.js"] if address.endswith("/subscribe") else []
        assert [script["src"].partition("?")[0] for script in scripts] == ["/public.js", *more]


@on_sqlite
def test_pages_load_nothing_from_third_parties(client, world):
    for address in world.addresses:
        page = Page(client.get(address).text)
        loaded = page.all("img", "script", "link", "iframe", "source", "video")
        for tag, attributes in loaded:
            target = attributes.get("src") or attributes.get("href") or ""
            if target.startswith("data:"):
                continue
            canonical = attributes.get("rel") == "canonical"
            assert target.startswith("https://status.example.com" if canonical else "/"), tag
        assert "@import" not in client.get(address).text
        assert "url(http" not in client.get(address).text


@on_sqlite
def test_public_pages_set_no_cookie_and_do_not_vary_by_it(app, client, world):
    for address in list(_public_addresses(app, world)):
        answer = client.get(address)
        assert "Set-Cookie" not in answer.headers, address
        assert "cookie" not in answer.headers.get("Vary", "").lower(), address
        assert answer.status_code < 500, address


def _public_addresses(app, world):
    known = {"public_id": world.open, "form": "atom", "rest": "elsewhere", "token": "wrong"}
    with app.test_request_context():
        adapter = app.url_map.bind("status.example.com")
        for rule in app.url_map.iter_rules():
            if "GET" in rule.methods and not rule.rule.startswith(("/admin", "/static", "/v1")):
                yield adapter.build(rule.endpoint, {n: known[n] for n in rule.arguments})


@on_sqlite
def test_page_head_has_canonical_link_and_feeds(client, world):
    links = Page(client.get("/").text).all("link")
    feeds = [one["href"] for _, one in links if one.get("rel") == "alternate"]
    assert set(feeds) >= {
        "/feeds/updates.rss",
        "/feeds/updates.atom",
        "/feeds/updates.json",
        "/history.rss",
        "/history.atom",
    }
    for path in (*feeds, f"/incidents/{world.open}.atom", f"/components/{world.cards}.atom"):
        assert client.get(path).status_code == 200, path
    page = client.get(f"/incidents/{world.open}").text
    url = f"https://status.example.com/incidents/{world.open}"
    assert f'<link rel="canonical" href="{url}">' in page
    assert f'<meta property="og:url" content="{url}">' in page
    assert '<meta name="description" content="Identified: A configuration change' in page


@on_sqlite
def test_staff_text_is_escaped(client, committed, at):
    evil = '"><script>alert(1)</script>'
    with committed():
        site.a_page(at)
        one = site.a_component(evil, at, description=evil)
        incident = site.an_open_incident(one, at)
        incident.name = evil
        site.say(incident, evil, at, one)
        address = f"/incidents/{incident.public_id}"
        component = f"/components/{one.public_id}"
    for path in ("/", address, component, "/history", "/uptime", "/subscribe"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert Page(answer.text).errors == []


@on_sqlite
def test_page_uses_its_colours_and_logo(client, committed, world, at):
    before = META.findall(client.get("/").text)
    with committed():
        page = page_settings.get()
        page_settings.edit(
            page,
            PageEdit(
                name=page.name,
                time_zone=page.time_zone,
                accent="#aa00aa",
                accent_dark="#ffaaff",
                about="We *ship*.",
                support_url="https://help.example.com/",
            ),
            by=SYSTEM,
            at=at,
        )
        page_settings.set_logo(page, PNG, by=SYSTEM, at=at)
    answer = client.get("/")
    assert ":root{--accent:#aa00aa}" in answer.text
    assert ":root{--accent:#ffaaff}" in answer.text
    assert "We <em>ship</em>." in answer.text
    assert 'href="https://help.example.com/"' in answer.text
    assert META.findall(answer.text) != before
    assert '<img src="/logo" alt="">' in answer.text
    logo = client.get("/logo")
    assert (logo.content_type, logo.data) == ("image/png", PNG)


@on_sqlite
def test_times_have_the_page_zone_and_utc_for_machines(client, world):
    page = client.get("/").text
    assert '<time datetime="2026-03-10T11:22:00Z">12:22</time>' in page
    assert "All times in CET (Europe/Vienna)" in page


@on_sqlite
def test_unchanged_page_gets_a_304(client, world, traveller):
    for address in world.addresses:
        first = client.get(address)
        traveller.shift(timedelta(seconds=30))
        again = client.get(address, headers={"If-None-Match": first.headers["ETag"]})
        assert again.status_code == 304, address


@on_sqlite
def test_robots_txt_icons_and_script_are_served(client, world):
    assert "Disallow: /admin/" in client.get("/robots.txt").text
    for icon in ("/favicon.svg", "/favicon.ico"):
        assert client.get(icon).content_type.startswith("image/svg+xml")
    script = client.get(re.search(r'src="(/public\.js\?v=\w+)"', client.get("/").text)[1])
    assert script.content_type.startswith("text/javascript")
    assert len(gzip.compress(script.data)) <= MAX_SCRIPT_BYTES


# ── weight ─────────────────────────────────────────────────────────────────────


@on_sqlite
def test_front_page_fits_into_the_first_round_trip(client, committed, at):
    """20 components, 90 days, one open incident: 14 KB at most, in either encoding."""
    statuses = [site.PARTIAL, site.DEGRADED, site.MAJOR]
    with committed():
        site.a_page(at)
        groups = [
            components.add_group(name, by=SYSTEM, at=at)
            for name in ("Payments", "Account", "Data and reports")
        ]
        rows = [
            site.a_component(name, at, group=groups[n % 3] if n > 4 else None)
            for n, name in enumerate(NAMES)
        ]
        for n, row in enumerate(rows):
            for back in range(3):
                started = at - timedelta(days=(n * 7 + back * 29) % 88 + 1, minutes=37 * n)
                claim = statuses[(n + back) % 3]
                site.a_past_incident(row, started, at, claim=claim, minutes=17 + 11 * n + back)
        incident = site.an_open_incident(rows[7], at)
        site.say(incident, site.SAID.replace("three", "four"), at, rows[7])
        site.a_maintenance(rows[3], at, at + timedelta(days=2))
    small = client.get("/", headers={"Accept-Encoding": "br"})
    zipped = client.get("/", headers={"Accept-Encoding": "gzip"})
    assert brotli.decompress(small.data) == gzip.decompress(zipped.data) == client.get("/").data
    assert len(small.data) <= MAX_FRONT_BYTES
    assert len(zipped.data) <= MAX_FRONT_BYTES


NAMES = [
    "Website API",
    "Card payments",
    "Bank transfers",
    "Direct debit",
    "Payouts",
    "Invoices",
    "Webhooks",
    "Sign-in",
    "Dashboard",
    "Mobile app",
    "Search",
    "File uploads",
    "E-mail delivery",
    "SMS delivery",
    "Reports",
    "Exports",
    "Data warehouse",
    "Help centre",
    "Partner portal",
    "Status of banks",
]


# ── queries ────────────────────────────────────────────────────────────────────


@on_sqlite
def test_page_query_count_is_constant(settings, committed, at, world):
    paths = (
        "/",
        "/history",
        f"/incidents/{world.open}",
        "/uptime",
        f"/components/{world.cards}",
        "/maintenance",
        "/subscribe",
    )
    # The first look at the form ever makes the key pair for browsers.
    _queries(settings, "/subscribe")
    small = {path: _queries(settings, path) for path in paths}
    with committed():
        rows = [site.a_component(f"Part {n}", at) for n in range(60)]
        for n in range(40):
            row = rows[n]
            if n % 2:
                site.a_past_incident(row, at - timedelta(days=n, hours=2), at, name=f"Past {n}")
            else:
                incident = site.an_open_incident(row, at)
                site.say(incident, "More.", at, row, status=IncidentStatus.MONITORING)
            claims_store.set_status(rows[-n - 1], site.DEGRADED, by=SYSTEM, at=at)
        site.a_past_incident(components.get(world.cards), at - timedelta(days=8), at)
        busy = incidents.get(world.open)
        for n, row in enumerate(rows[:30]):
            site.say(busy, f"Word {n}.", at, row)
    assert {path: _queries(settings, path) for path in paths} == small
    assert max(small.values()) <= 21, small


def _queries(settings, path) -> int:
    """How many statements a process that has nothing yet asks for this page."""
    app = create_app(settings, watch=False)
    with recorded_statements() as statements:
        assert app.test_client().get(path).status_code == 200
    with app.app_context():
        db.engine.dispose()
    return len(statements)


@on_sqlite
def test_statuses_are_shown_in_words_beside_colours(client, committed, at):
    with committed():
        site.a_page(at)
        for status in ComponentStatus:
            row = site.a_component(f"With {status.value}", at)
            claims_store.set_status(row, site.Claim(status), by=SYSTEM, at=at)
    words = text_of(client.get("/"))
    for status in ComponentStatus:
        assert f"With {status.value} {status.label}" in words


@on_sqlite
def test_a_component_shows_no_uptime_from_before_it_was_added(client, committed, at):
    with committed():
        site.a_page(at)
        new = components.add_component("Search", by=SYSTEM, at=at)
        path = f"/components/{new.public_id}"
    front = client.get("/").text
    assert 'fill="url(#n)"' in front, "89 days have no data"
    calendar = text_of(client.get("/uptime"))
    assert "No data before 10 Mar" in calendar
    assert "no data– no data– 100 100 Days of" in calendar, "of March, and of all three"
    assert "89 days without data, before 10 Mar" in text_of(client.get(path))


@on_sqlite
def test_names_from_right_to_left_are_isolated_in_a_line(client, committed, at):
    names = ["شحن\u202eabc", "תשלומים"]
    with committed():
        site.a_page(at)
        claims = {
            components.add_component(name, by=SYSTEM, at=at): Claim(ComponentStatus.MAJOR_OUTAGE)
            for name in names
        }
        incident = incidents.open_incident(
            "Outage",
            UpdateInput(status=IncidentStatus.INVESTIGATING, body="-", claims=claims),
            by=SYSTEM,
            at=at,
        )
        public_id = incident.public_id
    page = client.get(f"/incidents/{public_id}").text
    assert f"<bdi>{names[0]}</bdi>, <bdi>{names[1]}</bdi>: " in page
