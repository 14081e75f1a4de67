"""Times in the reader's zone, language and clock, over changes of the clock and over midnight.

The script and the page write ranges by the same rules: see `Times.span`.
"""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import maintenance
from statuspage.domain.incidents.models import Schedule, UpdateInput
from statuspage.domain.statuses import IncidentStatus
from statuspage.page.html.formatting import Times
from tests.helpers import site

ZONES = (
    "America/Los_Angeles",
    "America/New_York",
    "Europe/Vienna",
    "Asia/Kathmandu",
    "Asia/Tokyo",
    "Pacific/Auckland",
    "Pacific/Chatham",
)
RANGES = (
    ("2026-10-24T23:30:00Z", "2026-10-25T03:00:00Z"),  # Vienna sets the clock back.
    ("2026-10-25T00:15:00Z", "2026-10-25T01:15:00Z"),  # 02:15 CEST to 02:15 CET there.
    ("2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"),  # Vienna sets it forward.
    ("2026-03-08T09:30:00Z", "2026-03-08T10:30:00Z"),  # Los Angeles, forward.
    ("2026-11-01T05:30:00Z", "2026-11-01T09:30:00Z"),  # New York, then Los Angeles, back.
    ("2026-09-26T13:30:00Z", "2026-09-26T14:30:00Z"),  # Auckland and Chatham, forward.
    ("2026-04-04T13:30:00Z", "2026-04-04T15:30:00Z"),  # Auckland and Chatham, back.
    ("2026-05-05T14:50:00Z", "2026-05-05T15:10:00Z"),  # Over midnight in Tokyo.
    ("2026-05-05T17:50:00Z", "2026-05-05T18:40:00Z"),  # Over midnight in Kathmandu.
    ("2025-12-31T20:00:00Z", "2026-01-01T12:00:00Z"),  # Over a year, nearly everywhere.
)
SHOWN = """ranges => {
    const main = document.getElementById("main");
    main.replaceChildren(...ranges.map(([from, to]) => {
        const one = document.createElement("p");
        Object.assign(one.dataset, { from, to, s: "full" });
        return one;
    }));
    document.getElementById("zone").querySelector("button").click();
    document.getElementById("zone").querySelector("button").click();
    return [...main.children].map(one => one.textContent);
}"""


def moment(text):
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("zone", ZONES)
def test_the_script_writes_ranges_as_the_page_does(open_page, live_url, northwind, at, zone):
    page = open_page(timezone_id=zone, locale="en-GB")
    page.goto(live_url)
    times = Times(ZoneInfo(zone), at)
    shown = page.evaluate(SHOWN, RANGES)
    for (start, end), words in zip(RANGES, shown, strict=True):
        expected = times.span(moment(start), moment(end), style="full")
        assert without_zones(words) == without_zones(expected), (zone, start)
        # A zone is named at the end, and at the start too where it is another one there.
        assert len(zones(words)) == len(zones(expected)), (words, expected)


def zones(words):
    return re.findall(r"\d\d:\d\d ([A-Z]\S*)", words)


def without_zones(words):
    return re.sub(r"(\d\d:\d\d) [A-Z]\S*", r"\1", words).replace(" – ", "–")


def test_the_hour_that_comes_twice_is_told_apart_by_its_zone(open_page, live_url, northwind):
    page = open_page(timezone_id="Europe/Vienna", locale="en-GB")
    page.goto(live_url)
    assert page.evaluate(SHOWN, [RANGES[1]]) == ["25 Oct, 02:15 CEST – 02:15 CET"]


def test_zone_and_clock_are_those_of_the_browsers_language(open_page, live_url, northwind):
    for locale, zone, expected in (
        ("en-US", "America/New_York", "5 May, 10:50 AM–11:10 AM EDT"),
        ("en-US", "America/Los_Angeles", "5 May, 7:50 AM–8:10 AM PDT"),
        ("en-GB", "Europe/Vienna", "5 May, 16:50–17:10 CEST"),
        ("de-AT", "Europe/Vienna", "5 May, 16:50–17:10 MESZ"),
        ("ja-JP", "Asia/Tokyo", "5 May, 23:50 JST – 6 May, 00:10 JST"),
    ):
        page = open_page(timezone_id=zone, locale=locale)
        page.goto(live_url)
        (words,) = page.evaluate(SHOWN, [RANGES[7]])
        if zone == "Asia/Tokyo":
            expected = "5 May, 23:50 – 6 May, 00:10 JST"
        assert words.replace("\u202f", " ") == expected


@pytest.mark.parametrize("zone", ZONES)
def test_the_past_stands_under_the_readers_days(open_page, live_url, committed, at, zone):
    starts = [
        datetime(at.year, at.month, at.day, tzinfo=UTC).timestamp() - n * 86_400 for n in (1, 2, 6)
    ]
    with committed():
        site.a_page(at)
        row = site.a_component("API", at)
        for n, start in enumerate(starts):
            began = datetime.fromtimestamp(start, UTC).replace(hour=(5, 12, 21)[n])
            site.a_past_incident(row, began, at, name=f"Past {n}")
    page = open_page(timezone_id=zone, locale="en-GB")
    page.goto(live_url)
    there = ZoneInfo(zone)
    times = Times(there, at)
    for n, start in enumerate(starts):
        began = datetime.fromtimestamp(start, UTC).replace(hour=(5, 12, 21)[n])
        day = page.locator(".day", has_text=f"Past {n}")
        ended = began.timestamp() + 35 * 60
        heading = times.heading(datetime.fromtimestamp(ended, there).date())
        expect(day.get_by_role("heading", level=3)).to_have_text(heading)
        expect(day).to_contain_text(times.clock(began))
    expect(page.locator(".day h3").first).to_have_text("Today")
    # Each day is there once: headings go down without a gap.
    assert len(page.locator(".day").all()) >= 5


def test_a_date_is_shown_only_where_it_is_not_the_readers_today(open_page, live_url, committed):
    at = datetime(2026, 5, 5, 15, 5, tzinfo=UTC)  # 00:05 on the 6th in Tokyo.
    with committed():
        site.a_page(at)
        cards = site.a_component("Cards", at)
        site.an_open_incident(cards, at)
    page = open_page(timezone_id="Asia/Tokyo", locale="en-GB")
    page.clock.set_fixed_time(at)
    page.goto(live_url)
    expect(page.locator(".facts")).to_contain_text("by 00:20")
    expect(page.locator(".state")).to_contain_text("Started 5 May, 23:27")


def test_labels_of_a_strip_never_touch(open_page, live_url, committed, at):
    with committed():
        site.a_page(at)
        cards = site.a_component("Cards", at)
        opened = site.an_open_incident(cards, at)
        for minute in range(1, 8):
            claim = (site.PARTIAL, site.MAJOR)[minute % 2]
            site.say(opened, f"Word {minute}.", at - timedelta(minutes=8 - minute), cards, claim)
        path = f"/incidents/{opened.public_id}"
    for locale in ("en-GB", "en-US"):
        page = open_page(width=375, timezone_id="Asia/Tokyo", locale=locale)
        page.goto(live_url + path)
        boxes = page.evaluate(
            """[...document.querySelectorAll(".axis text[visibility=visible]")]
                .map(one => one.getBoundingClientRect()).map(box => [box.left, box.right])"""
        )
        boxes.sort()
        assert len(boxes) > 1
        assert all(one[1] < two[0] for one, two in pairwise(boxes))
        texts = page.locator(".axis text").all_text_contents()
        assert not any("," in text for text in texts)


def test_the_page_without_script_names_each_zone_of_a_window(open_page, live_url, committed):
    at = datetime(2026, 10, 20, 12, tzinfo=UTC)
    with committed():
        site.a_page(at)
        row = site.a_component("API", at)
        planned = maintenance.schedule(
            "Night work",
            UpdateInput(
                status=IncidentStatus.SCHEDULED,
                body="We work.",
                claims={row: maintenance.UNDER_MAINTENANCE},
            ),
            Schedule(
                scheduled_for=datetime(2027, 10, 31, 0, 15, tzinfo=UTC),
                scheduled_until=datetime(2027, 10, 31, 1, 15, tzinfo=UTC),
            ),
            by=SYSTEM,
            at=at,
        )
        path = f"/incidents/{planned.public_id}"
    page = open_page(script=False)
    for address in ("/", "/maintenance", path):
        page.goto(live_url + address)
        expect(page.locator("main")).to_contain_text("31 Oct 2027, 02:15 CEST – 02:15 CET")
