"""The card and the element `<status-page>` on somebody else's site, in Chromium.

The other site has an origin of its own, a policy that allows nothing but our script
and our data, and style rules that would ruin whatever they reach.
"""

from threading import Thread

import pytest
from playwright.sync_api import expect
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.statuses import IncidentStatus
from tests.helpers import site
from tests.helpers.accessibility import barriers
from tests.helpers.domain import let_time_pass

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Shop</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/shop.css">
<script src="{url}/embed.js" defer></script></head>
<body><main><h1>Shop</h1>{body}<p>Buy things.</p></main></body></html>"""
STYLE = """
a, b, span, div { color: lime !important; font-size: 40px !important; float: right !important }
body { letter-spacing: 9px; text-transform: uppercase }
iframe { border: 0; width: 100%; height: 170px }
"""
POLICY = (
    "default-src 'none'; style-src 'self'; script-src {url}; connect-src {url}; frame-src {url};"
    " base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
ELEMENT = "<status-page></status-page>"
ALWAYS = '<status-page show="always"></status-page>'


@pytest.fixture
def shop(live_url):
    """`shop(body)`: the address of another site's page with this in it."""
    bodies = {}

    def app(environ, start_response):
        path = environ["PATH_INFO"]
        if path.endswith(".css"):
            response = Response(STYLE, mimetype="text/css")
        else:
            page = PAGE.format(url=live_url, body=bodies.get(path, ""))
            response = Response(page, mimetype="text/html")
        response.headers["Content-Security-Policy"] = POLICY.format(url=live_url)
        return response(environ, start_response)

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def opened(body=ELEMENT):
        path = f"/{len(bodies)}"
        bodies[path] = body
        return f"http://127.0.0.1:{server.server_port}{path}"

    yield opened
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def quiet(committed, at):
    """A page on which all is well; the public id of its component."""
    with committed():
        site.a_page(at)
        return site.a_component("Checkout", at).public_id


@pytest.fixture
def open_shop(open_page, shop, live_url):
    """`open_shop(body, …)`: the other site's page, once our data has been asked for."""

    def opened(body=ELEMENT, **habits):
        page = open_page(**habits)
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda line: line.type == "error" and page.errors.append(line.text))
        with page.expect_response(f"{live_url}/embed") as answer:
            page.goto(shop(body))
        answer.value.finished()
        return page

    return opened


# ── the element ────────────────────────────────────────────────────────────────


def test_element_is_empty_while_operational_unless_asked(open_shop, live_url, quiet, at):
    page = open_shop(f"{ALWAYS}<div id=one>{ELEMENT}</div>")
    always, silent = page.locator("status-page").first, page.locator("#one status-page")
    expect(always.get_by_role("link")).to_contain_text("All systems operational")
    expect(always).to_contain_text("Northwind status")
    assert silent.bounding_box()["height"] == 0
    expect(silent.get_by_role("link")).to_have_count(0)
    assert page.errors == []


def test_element_shows_an_incident_and_links_to_the_page(open_shop, live_url, northwind):
    page = open_shop(timezone_id="Asia/Tokyo")
    link = page.get_by_role("status").get_by_role("link")
    expect(link).to_contain_text("Card payments declined in Europe")
    expect(link).to_contain_text("Partial outage since ")
    expect(link).to_contain_text(" · Northwind status")
    # The same state has the same words in the element, the card and the page.
    page.goto(f"{live_url}/embed")
    words = page.locator("main p").first.text_content()
    page = open_shop(timezone_id="Asia/Tokyo")
    link = page.get_by_role("status").get_by_role("link")
    expect(link).to_contain_text(words)
    assert page.errors == []
    with page.expect_popup() as popup:
        link.click()
    expect(popup.value).to_have_url(f"{live_url}/")
    assert popup.value.evaluate("window.opener") is None


def test_site_styles_do_not_reach_the_element(open_shop, northwind):
    page = open_shop()
    title = page.locator("status-page b")
    expect(title).to_be_visible()
    look = "one => ['color', 'fontSize', 'textTransform'].map(name => getComputedStyle(one)[name])"
    assert title.evaluate(look) == ["rgb(28, 29, 31)", "16px", "none"]
    dark = open_shop(dark=True).locator("status-page b")
    assert dark.evaluate(look) == ["rgb(236, 236, 234)", "16px", "none"]


def test_element_shows_maintenance_once_it_runs(open_shop, committed, quiet, at):
    with committed():
        site.a_maintenance(components.get(quiet), at, at, hours=1)
    expect(open_shop().get_by_role("link")).to_have_count(0)
    with committed():
        let_time_pass(at=at)
    link = open_shop().get_by_role("link")
    expect(link).to_contain_text("Webhook delivery moves to a new queue")
    expect(link).to_contain_text("Scheduled maintenance until ")
    expect(link).to_have_class("maint")


def test_element_shows_an_open_incident_without_affected_components(
    open_shop, committed, quiet, at
):
    with committed():
        for name in ("Odd mails", "Odd bills"):
            incidents.open_incident(
                name,
                UpdateInput(status=IncidentStatus.INVESTIGATING, body="We look."),
                by=SYSTEM,
                at=at,
            )
    link = open_shop().get_by_role("link")
    expect(link).to_contain_text("2 open incidents")
    expect(link).not_to_contain_text("systems operational")


def test_element_polls_once_a_minute_while_visible(
    open_page, shop, live_url, committed, northwind, at
):
    page = open_page()
    page.clock.install(time=at)
    asked = []
    page.on("request", lambda one: one.url.endswith("/embed") and asked.append(one))
    with page.expect_response(f"{live_url}/embed"):
        page.goto(shop(ELEMENT + ELEMENT))
    expect(page.get_by_role("link").nth(1)).to_contain_text("Card payments")
    page.evaluate("document.querySelector('status-page').shadowRoot.querySelector('a').id = 'same'")
    page.clock.fast_forward(55_000)
    assert len(asked) == 1, "two elements ask once"

    with page.expect_response(f"{live_url}/embed"):
        page.clock.fast_forward(10_000)
    page.wait_for_load_state("networkidle")
    expect(page.locator("status-page #same")).to_be_visible()  # Not read out a second time.

    page.evaluate("Object.defineProperty(document, 'hidden', { configurable: true, value: true })")
    page.clock.fast_forward(600_000)
    assert len(asked) == 2, "nobody looks"
    with committed():
        site.resolve(incidents.get(northwind.open), at)
    with page.expect_response(f"{live_url}/embed"):
        page.evaluate(
            "() => { delete document.hidden;"
            " document.dispatchEvent(new Event('visibilitychange')) }"
        )
    expect(page.get_by_role("link")).to_have_count(0)
    assert len(asked) == 3


@pytest.mark.parametrize(
    "answer",
    [{"status": 503, "body": "<h1>Sorry</h1>"}, {"status": 200, "body": "{}"}, None],
    ids=["not well", "no card", "not there"],
)
def test_unreachable_page_leaves_the_site_unchanged(open_page, shop, northwind, answer, at):
    page = open_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.route(
        "**/embed",
        lambda route: route.fulfill(**answer) if answer else route.abort(),
    )
    with page.expect_event("requestfinished" if answer else "requestfailed", _of_the_card):
        page.goto(shop())
    expect(page.get_by_role("heading", name="Shop")).to_be_visible()
    expect(page.locator("status-page a")).to_have_count(0)
    assert errors == []


def _of_the_card(request):
    return request.url.endswith("/embed")


def test_element_drops_an_old_state_it_cannot_refresh(open_page, shop, live_url, northwind, at):
    page = open_page()
    page.clock.install(time=at)
    page.goto(shop())
    expect(page.locator("status-page a")).to_be_visible()
    page.route("**/embed", lambda route: route.abort())
    for _ in range(5):
        with page.expect_event("requestfailed"):
            page.clock.fast_forward(61_000)
    expect(page.locator("status-page a")).to_be_visible()
    with page.expect_event("requestfailed"):
        page.clock.fast_forward(360_000)
    expect(page.locator("status-page a")).to_have_count(0)


# ── the card ───────────────────────────────────────────────────────────────────


def test_card_is_framed_on_another_site(open_page, shop, live_url, northwind):
    page = open_page(script=False)
    page.goto(shop(f'<iframe src="{live_url}/embed" title="Status of Northwind"></iframe>'))
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading")).to_have_text("Card payments declined in Europe")
    page.goto(shop(f'<iframe src="{live_url}/" title="Not the page itself"></iframe>'))
    expect(page.frame_locator("iframe").get_by_role("heading", name="Card")).to_have_count(0)


def test_element_and_card_pass_axe(open_shop, live_url, northwind):
    page = open_shop(f'{ALWAYS}<iframe src="{live_url}/embed" title="Status"></iframe>')
    expect(page.locator("status-page a")).to_be_visible()
    assert barriers(page) == []
    page.goto(f"{live_url}/embed")
    assert barriers(page) == []


def test_narrow_phone_never_scrolls_sideways(open_shop, live_url, committed, northwind, at):
    with committed():
        site.resolve(incidents.get(northwind.open), at)
        cards = components.get(northwind.cards)
        incident = incidents.open_incident(
            "Donaudampfschifffahrtsgesellschaftskapitänsmützenversand" * 3,
            UpdateInput(
                status=IncidentStatus.INVESTIGATING, body="We look.", claims={cards: site.MAJOR}
            ),
            by=SYSTEM,
            at=at,
        )
        assert incident.public_id
    page = open_shop(width=320, height=640)
    expect(page.locator("status-page b")).to_contain_text("Donaudampf")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.goto(f"{live_url}/embed")
    expect(page.get_by_role("heading")).to_contain_text("Donaudampf")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
