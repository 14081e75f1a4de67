"""What a customer sees and does on the public pages, in Chromium."""

import re

import pytest
from playwright.sync_api import expect

from statuspage.domain import page_settings
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.statuses import IncidentStatus
from tests.helpers import site
from tests.helpers.accessibility import barriers

SECOND_LOOK_MS = 40_000
"""Longer than a page waits before it asks for news."""


@pytest.fixture
def say(committed, northwind, at):
    """`say(words)`: staff post an update on the open incident."""

    def post(words, **more):
        with committed():
            cards = components.get(northwind.cards)
            site.say(incidents.get(northwind.open), words, at, cards, **more)

    return post


def test_customer_reads_what_is_wrong_and_what_to_do(open_page, live_url, northwind, at):
    page = open_page(timezone_id="Asia/Tokyo")
    errors = []
    page.on("pageerror", lambda error: errors.append(error))
    page.on("console", lambda line: line.type == "error" and errors.append(line.text))
    page.goto(live_url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Card payments declined in Europe")
    state = page.get_by_role("region", name="Current status")
    expect(state).to_contain_text("GMT+9, 38 minutes ago. Partial outage since ")
    expect(state).to_contain_text("Everything else is operational.")
    expect(page.get_by_text("What you can do")).to_be_visible()
    expect(page.locator(".facts").first).to_contain_text(", in 15 minutes")
    expect(page.locator("#zone")).to_contain_text("All times in your time zone (GMT+9)")
    page.get_by_role("button", name="show UTC").click()
    expect(state).to_contain_text("UTC, 38 minutes ago")
    page.reload()
    expect(page.locator("#zone")).to_contain_text("All times in UTC")
    page.get_by_role("article").filter(has_text="Identified").get_by_role("link").first.click()
    expect(page).to_have_url(f"{live_url}/incidents/{northwind.open}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Card payments declined in Europe")
    assert page.context.cookies() == []
    assert errors == []


def test_public_pages_are_readable_without_script(open_page, live_url, northwind):
    page = open_page(script=False)
    page.goto(live_url)
    expect(page.get_by_role("region", name="Current status")).to_contain_text(
        re.compile(r"Started \d\d:\d\d CET\. Partial outage since \d\d:\d\d\. Everything else")
    )
    expect(page.locator("#zone")).to_have_text("All times in CET (Europe/Vienna)")
    expect(page.get_by_role("link", name="Sign-in")).to_be_hidden()
    page.get_by_text("Account").click()
    expect(page.get_by_role("link", name="Sign-in")).to_be_visible()
    page.get_by_role("link", name="Website", exact=True).click()
    page.get_by_text("How we calculate").click()
    expect(page.get_by_text("Uptime = 1 − downtime ÷ length.")).to_be_visible()


def test_public_pages_pass_axe(open_page, live_url, northwind):
    page = open_page()
    more = (f"/incidents/{northwind.retracted}", "/history?q=query", "/nothing")
    for address in (*northwind.addresses, *more):
        page.goto(live_url + address)
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        assert barriers(page) == [], address


def test_narrow_phone_never_scrolls_sideways(open_page, live_url, northwind):
    page = open_page(width=320, height=640)
    more = (f"/incidents/{northwind.retracted}", "/history?q=query", "/nothing")
    for address in (*northwind.addresses, *more):
        page.goto(live_url + address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, address
    page.goto(live_url)
    expect(page.get_by_text("30 days ago").first).to_be_visible()
    expect(page.get_by_text("90 days ago").first).to_be_hidden()


def test_uptime_bar_shows_the_days_of_its_figure(open_page, live_url, northwind):
    for width, days in ((1280, 90), (700, 61), (400, 31)):
        page = open_page(width=width)
        page.goto(live_url)
        shown = page.evaluate(
            """() => {
                const svg = document.querySelector(".bar svg"), bar = svg.parentNode;
                const unit = svg.getBoundingClientRect().width / 897;
                const cut = bar.getBoundingClientRect().left - svg.getBoundingClientRect().left;
                const over = svg.getBoundingClientRect().right - bar.getBoundingClientRect().right;
                return { first: cut / unit / 10, over };
            }"""
        )
        assert shown["first"] == pytest.approx(90 - days, abs=0.05)
        assert shown["over"] == pytest.approx(0, abs=0.5)


def test_uptime_breaks_no_name_or_figure_on_a_small_phone(open_page, live_url, northwind):
    page = open_page(width=320)
    page.goto(live_url + "/uptime")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    for text in ("Webhooks", "Website", "Payments"):
        box = page.locator(".uptime th", has_text=re.compile(f"^{text}$")).first.bounding_box()
        assert box["height"] < 40, text
    for cell in page.locator(".uptime tr[id] > td:visible").all():
        assert cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth")


def test_public_pages_work_by_keyboard(open_page, live_url, northwind):
    page = open_page()
    page.goto(live_url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.getElementById('main').contains(document.activeElement)")
    for _ in range(40):
        if page.evaluate("document.activeElement.textContent").startswith("Account"):
            break
        page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Sign-in")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Account › Sign-in")


def test_new_update_appears_without_a_layout_jump(open_page, live_url, northwind, say, at):
    page = open_page(height=500)
    page.clock.install(time=at)
    page.goto(live_url)
    page.get_by_text("Account").click()
    link = page.get_by_role("link", name="Webhooks", exact=True)
    link.focus()
    link.scroll_into_view_if_needed()
    before = link.bounding_box()["y"]

    say("The fix is being **rolled out**.", status=IncidentStatus.MONITORING)
    page.clock.fast_forward(SECOND_LOOK_MS)

    expect(page.locator(".timeline li").first).to_contain_text("The fix is being rolled out.")
    expect(page.locator("#live")).to_contain_text("The fix is being rolled out.")
    assert link.bounding_box()["y"] == pytest.approx(before, abs=1)
    expect(page.get_by_role("link", name="Sign-in")).to_be_visible()
    expect(link).to_be_focused()


def test_unchanged_page_is_not_replaced(open_page, live_url, northwind, at):
    page = open_page()
    page.clock.install(time=at)
    page.goto(live_url)
    page.evaluate("document.querySelector('#main h1').dataset.mark = 'same'")
    with page.expect_response(live_url + "/"):
        page.clock.fast_forward(SECOND_LOOK_MS)
    page.wait_for_load_state("networkidle")
    expect(page.locator("#main h1[data-mark=same]")).to_be_visible()
    expect(page.locator("#live")).to_be_empty()


def test_lost_connection_keeps_the_page_and_is_retried(open_page, live_url, northwind, say, at):
    page = open_page()
    page.clock.install(time=at)
    page.goto(live_url)
    page.context.set_offline(True)
    with page.expect_event("requestfailed"):
        page.clock.fast_forward(SECOND_LOOK_MS)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    say("We are back.")
    page.context.set_offline(False)
    page.clock.fast_forward(2 * SECOND_LOOK_MS)
    expect(page.locator(".timeline li").first).to_contain_text("We are back.")


def test_a_lost_connection_is_told_after_two_failed_checks_and_can_be_tried_again(
    open_page, live_url, northwind
):
    page = open_page()
    page.add_init_script("Math.random = () => .5")
    page.clock.install()
    page.goto(live_url)
    expect(page.locator("#fresh")).to_have_text("Checked just now")
    page.clock.run_for(13_000)
    expect(page.locator("#fresh")).to_have_text("Checked 10 s ago")
    page.context.set_offline(True)
    with page.expect_event("requestfailed"):
        page.clock.run_for(20_000)
    expect(page.locator("#lost")).to_be_empty()
    with page.expect_event("requestfailed"):
        page.clock.run_for(15_000)
    warning = page.locator("#lost")
    expect(warning).to_contain_text("Not connected since ")
    expect(warning).to_contain_text("What you see may be old.")
    expect(page.locator("#live")).to_contain_text("Not connected.")
    assert barriers(page) == []
    # What is told belongs to the last check: no time goes on.
    before = page.locator(".state").text_content()
    page.clock.run_for(180_000)
    assert page.locator(".state").text_content() == before

    page.context.set_offline(False)
    warning.get_by_role("button", name="Try again").click()
    expect(warning).to_be_empty()
    expect(page.locator("#fresh")).to_have_text("Checked just now")


def test_news_of_any_incident_are_announced_and_marked(
    open_page, live_url, northwind, committed, at
):
    with committed():
        other = site.an_open_incident(components.get(northwind.transfers), at).public_id
    page = open_page()
    page.clock.install()
    page.goto(live_url)
    with committed():
        row = components.get(northwind.cards)
        site.say(incidents.get(northwind.open), "The older one goes on.", at, row)
    page.clock.fast_forward(SECOND_LOOK_MS)
    live = page.locator("#live")
    expect(live).to_have_text(
        "1 new update. Card payments declined in Europe: Identified: The older one goes on."
    )
    assert other not in northwind.open
    expect(page.locator(".timeline li.new")).to_have_count(1)
    expect(page.locator(".timeline li.new")).to_contain_text("The older one goes on.")
    page.get_by_role("link", name="1 new update").click()
    expect(page.locator(".timeline li.new")).to_be_in_viewport()
    expect(page.get_by_role("link", name="1 new update")).to_have_count(0)


def test_news_of_several_among_many_incidents_are_announced_and_marked_until_they_end(
    open_page, live_url, northwind, committed, at
):
    with committed():
        ids = [
            site.an_open_incident(components.get(row), at).public_id
            for row in (northwind.transfers, northwind.webhooks)
        ]
    page = open_page()
    page.clock.install()
    page.goto(live_url)
    icon = page.locator("link[rel=icon]").get_attribute("href")
    with committed():
        row = components.get(northwind.transfers)
        site.say(incidents.get(ids[0]), "Nothing gets through.", at, row, site.MAJOR)
        site.resolve(incidents.get(ids[1]), at, "Webhooks arrive again.")
    page.clock.fast_forward(SECOND_LOOK_MS)
    # With two incidents left, each shows older updates too: they are no news.
    expect(page.locator("#live")).to_have_text(
        "2 new updates. Card payments declined in Europe: Identified: Nothing gets through."
        " Card payments declined in Europe: Resolved: Webhooks arrive again."
    )
    expect(page.locator(".new")).to_have_count(2)
    expect(page.locator("link[rel=icon]")).not_to_have_attribute("href", icon)
    page.clock.fast_forward(SECOND_LOOK_MS)
    expect(page.locator(".new")).to_have_count(2)


def test_the_words_of_the_script_do_not_move_the_page(open_page, live_url, northwind):
    page = open_page(width=375)
    page.add_init_script(
        """new PerformanceObserver(list => list.getEntries().forEach(one => {
            window.moved = (window.moved ?? 0) + one.value;
        })).observe({ type: "layout-shift", buffered: true })"""
    )
    page.goto(live_url)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.moved ?? 0") < 0.05


def test_a_narrow_phone_breaks_no_word_of_ours_and_no_name(
    open_page, live_url, northwind, committed, at
):
    with committed():
        page_settings.get().name = "Frachtversicherung der Vereinigten Österreichischen Spediteure"
        row = site.a_component("Authentication", at, group=None)
        say = "| Region | Service |\n|---|---|\n| eu-central-1 | Authentication Partially |\n\n"
        incidents.open_incident(
            "Codes",
            UpdateInput(
                status=IncidentStatus.INVESTIGATING,
                body=say + "```\n" + "x" * 200 + "\n```",
                claims={row: site.DEGRADED},
            ),
            by=SYSTEM,
            at=at,
        )
    page = open_page(width=320, height=640)
    for address in ("/", "/subscribe"):
        page.goto(live_url + address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, address
    page.goto(live_url)
    assert barriers(page) == []
    one_line = """selector => [...document.querySelectorAll(selector)]
        .filter(one => one.getClientRects().length > 1 || one.offsetHeight > 30)
        .map(one => one.textContent)"""
    assert page.evaluate(one_line, ".legend span") == []
    assert page.evaluate(one_line, ".group > summary h3") == []
    wrap = "getComputedStyle(document.querySelector('.text td')).overflowWrap"
    assert page.evaluate(wrap) == "break-word"
    expect(page.locator(".text pre")).to_have_attribute("tabindex", "0")


def test_a_table_on_a_phone_breaks_no_word(open_page, live_url, say, northwind):
    say(
        "| Region | Service | State | Since |\n|---|---|---|---|\n"
        "| eu-central-1 | Authentication | Partially degraded | 2026-11-30 20:57 UTC |"
    )
    page = open_page(width=375)
    page.goto(f"{live_url}/incidents/{northwind.open}")
    cell = page.get_by_role("cell", name="Authentication")
    assert cell.evaluate("cell => getComputedStyle(cell).overflowWrap") == "break-word"
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    whole = """cell => {
        const range = document.createRange();
        range.selectNodeContents(cell);
        return range.getClientRects().length;
    }"""
    assert cell.evaluate(whole) == 1


def test_a_link_to_a_folded_update_opens_it(open_page, live_url, northwind, committed, at):
    with committed():
        row = components.get(northwind.cards)
        for number in range(9):
            site.say(incidents.get(northwind.open), f"Word {number}.", at, row)
        first = incidents.get(northwind.open).updates[-1].public_id
    page = open_page()
    page.goto(f"{live_url}/incidents/{northwind.open}#update-{first}")
    expect(page.locator(f"#update-{first}")).to_be_in_viewport()
    link = page.locator(f"#update-{first} .perm")
    assert link.get_attribute("href") == f"#update-{first}"


def test_history_is_searched_by_keyboard_without_script(open_page, live_url, northwind):
    page = open_page(script=False, width=320)
    page.goto(f"{live_url}/history")
    page.get_by_role("searchbox", name="Search").fill("query")
    page.get_by_label("Severity").select_option("Partial outage or worse")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Show").press("Enter")
    expect(page.locator(".count")).to_contain_text("2 incidents with “query”")
    expect(page.get_by_role("link", name="Slow loads")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    page.get_by_role("link", name="November 2025: 1 incident").click()
    expect(page.get_by_role("link", name="Late transfers")).to_be_visible()
