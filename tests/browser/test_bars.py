"""Bars of days and the list of components: by pointer, finger, keyboard and without script."""

from datetime import timedelta

from playwright.sync_api import expect

from statuspage.domain.components import verbs as components
from statuspage.domain.incidents import verbs as incidents
from tests.helpers import site
from tests.helpers.accessibility import barriers


def the_day(page, northwind):
    return page.locator(f'.bar a[href="/components/{northwind.cards}#2026-03-10"]')


def test_day_shows_its_minutes_on_hover_and_on_focus(open_page, live_url, northwind):
    page = open_page()
    page.goto(live_url)
    day, tip = the_day(page, northwind), page.locator(".tip")
    day.hover()
    expect(tip).to_have_text("Today: Partial outage 9 min, Degraded performance 29 min")
    page.mouse.move(1, 1)
    expect(tip).to_have_count(0)
    day.focus()
    expect(tip).to_be_visible()
    expect(day).to_have_accessible_name("Today: Partial outage 9 min, Degraded performance 29 min")


def test_day_opens_by_keyboard_and_closes_with_escape(open_page, live_url, northwind):
    page = open_page()
    page.goto(live_url)
    day = the_day(page, northwind)
    day.press("Enter")
    opened = page.get_by_role("group", name="Opened day")
    expect(opened).to_contain_text("Tuesday 10 Mar")
    expect(opened).to_contain_text("Degraded performance 29 min")
    expect(opened.get_by_role("link", name="Card payments declined in Europe")).to_be_visible()
    expect(day).to_have_attribute("aria-expanded", "true")
    assert barriers(page) == []
    page.keyboard.press("Escape")
    expect(opened).to_have_count(0)
    expect(day).to_be_focused()


def test_day_opens_by_tap_in_the_flow_of_a_phone(open_page, live_url, northwind):
    page = open_page(width=375, has_touch=True)
    page.goto(live_url)
    the_day(page, northwind).tap()
    opened = page.get_by_role("group", name="Opened day").bounding_box()
    below = page.locator(f"#c-{northwind.cards} .legend").bounding_box()
    assert opened["y"] >= below["y"] + below["height"]
    assert opened["x"] >= 0
    assert opened["x"] + opened["width"] <= 375


def test_every_day_is_a_target_of_24_pixels(open_page, live_url, northwind, committed, at):
    with committed():
        cards = components.get(northwind.cards)
        for back in (1, 2, 3, 9, 20, 24, 40, 44, 88):
            site.a_past_incident(cards, at - timedelta(days=back), at)
    for width in (1280, 700, 375, 320):
        page = open_page(width=width)
        for address in ("/", f"/components/{northwind.cards}"):
            page.goto(live_url + address)
            widths = page.evaluate(
                """() => [...document.querySelectorAll(".bar a")]
                    .filter(link => link.getClientRects().length)
                    .map(link => link.getBoundingClientRect().width)"""
            )
            assert widths
            assert min(widths) >= 24, (width, address)


def test_day_leads_to_its_place_on_the_component_page_without_script(
    open_page, live_url, northwind
):
    page = open_page(script=False)
    page.goto(live_url)
    the_day(page, northwind).click()
    expect(page).to_have_url(f"{live_url}/components/{northwind.cards}#2026-03-10")
    day = page.locator('li[id="2026-03-10"]')
    expect(day).to_be_in_viewport()
    expect(day).to_contain_text("Partial outage 9 min")


def test_opened_day_stays_open_when_news_arrive(open_page, live_url, northwind, committed, at):
    page = open_page()
    page.goto(live_url)
    the_day(page, northwind).click()
    expect(page.locator(".pop")).to_be_visible()
    with committed():
        cards = components.get(northwind.cards)
        site.say(incidents.get(northwind.open), "It is getting better.", at, cards)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_text("It is getting better.", exact=True)).to_be_visible()
    expect(page.locator(".pop")).to_be_visible()


def test_component_page_shows_90_days_on_every_screen(open_page, live_url, northwind):
    for width, rows in ((1280, 1), (375, 3)):
        page = open_page(width=width)
        page.goto(f"{live_url}/components/{northwind.cards}")
        expect(page.get_by_role("heading", name="Last 90 days")).to_be_visible()
        tops = page.evaluate(
            """() => [...document.querySelectorAll(".ninety .bar")]
                .map(bar => Math.round(bar.getBoundingClientRect().top))"""
        )
        assert (len(tops), len(set(tops))) == (3, rows)


def test_folded_group_opens_and_hides_its_own_bar(open_page, live_url, northwind):
    page = open_page()
    page.goto(live_url)
    group = page.locator("details.group")
    expect(group.locator("summary .bar")).to_be_visible()
    group.locator("summary").click()
    expect(group.locator("summary .bar")).to_be_hidden()
    expect(group.get_by_role("link", name="Sign-in")).to_be_visible()
    left = "el => el.getBoundingClientRect().left"
    name = group.locator("summary h3").evaluate(left)
    assert name <= group.locator(".component .name").evaluate(left)


def test_printed_page_has_open_groups_without_a_sign_for_folding(open_page, live_url, northwind):
    page = open_page(script=False)
    page.goto(live_url)
    page.emulate_media(media="print")
    expect(page.get_by_role("link", name="Sign-in")).to_be_visible()
    sign = "getComputedStyle(document.querySelector('.group > summary'), '::before').display"
    assert page.evaluate(sign) == "none"


def test_component_is_found_by_its_name_on_a_long_page(
    open_page, live_url, northwind, committed, at
):
    with committed():
        group = site.a_group("Regions", at)
        for number in range(34):
            site.a_component(f"Region {number}", at, group=group)
    page = open_page(width=375)
    page.goto(live_url)
    field = page.get_by_role("searchbox", name="Find a component")
    field.fill("region 17")
    expect(page.get_by_role("link", name="Region 17")).to_be_visible()
    expect(page.locator(".board .component:visible")).to_have_count(1)
    expect(page.get_by_text("1 found")).to_be_visible()
    assert barriers(page) == []
    field.fill("")
    expect(page.get_by_role("link", name="Region 17")).to_be_hidden()
    page = open_page(script=False)
    page.goto(live_url)
    expect(page.locator("#find")).to_be_hidden()
    expect(page.get_by_text("1 other operational")).to_be_visible()
