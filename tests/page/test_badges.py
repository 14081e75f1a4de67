"""Badges: the status in a picture that anybody can read, and nobody can fill the store with."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from statuspage.domain import page_settings
from statuspage.domain.claims import Claim
from statuspage.domain.components import claims_store
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from statuspage.serving.conditional import canonical
from tests.conftest import on_sqlite
from tests.helpers import site
from tests.helpers.domain import let_time_pass

SVG = "{http://www.w3.org/2000/svg}"
PAGE = "/badge.svg"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)

pytestmark = on_sqlite


@pytest.fixture
def search(committed, at) -> str:
    """A page whose one component is operational; its public id."""
    with committed():
        site.a_page(at)
        return site.a_component("Search", at).public_id


@pytest.fixture
def put(committed, search, at):
    """`put(status)`: staff set the status of Search."""

    def stand(status):
        with committed():
            claims_store.set_status(components.get(search), Claim(status), by=SYSTEM, at=at)

    return stand


def read(client, address=PAGE):
    """A badge as it is seen: (label, words). Fails where it is no picture of our kind."""
    answer = client.get(address)
    assert answer.status_code == 200, address
    assert answer.headers["Content-Type"] == "image/svg+xml; charset=utf-8"
    picture = etree.fromstring(answer.data)
    assert picture.tag == f"{SVG}svg"
    assert picture.get("role") == "img"
    label, words = (element.text for element in picture.iter(f"{SVG}text"))
    assert picture[0].tag == f"{SVG}title"
    assert picture[0].text == f"{label}: {words}"
    return label, words


def parts(client, address=PAGE):
    """(grounds, colour of the words, outline of the sign)."""
    picture = etree.fromstring(client.get(address).data)
    group = picture.find(f"{SVG}g")
    left, right = picture.find(f"{SVG}rect"), picture.find(f"{SVG}path")
    return (left.get("fill"), right.get("fill")), group.get("fill"), group[0].get("d")


# ── what it says ───────────────────────────────────────────────────────────────


def test_badge_has_word_colour_and_sign_for_each_status(client, put, search):
    address = f"/components/{search}/badge.svg"
    seen = set()
    for status in ComponentStatus:
        put(status)
        assert read(client, address) == ("Search", status.label)
        assert read(client) == ("Northwind", status.label)
        (_, ground), _, sign = parts(client, address)
        seen.add((ground, sign))
    grounds, signs = zip(*seen, strict=True)
    assert len(set(grounds)) == len(set(signs)) == len(ComponentStatus)


def test_badge_text_has_enough_contrast(client, put):
    for status in ComponentStatus:
        put(status)
        grounds, ink, _ = parts(client)
        for ground in grounds:
            assert contrast(ink, ground) >= 4.5, (status, ground)


def test_badge_shows_an_open_incident_without_affected_components(client, committed, put, at):
    with committed():
        for _ in range(2):
            incidents.open_incident(
                "Odd mails",
                UpdateInput(status=IncidentStatus.INVESTIGATING, body="We look."),
                by=SYSTEM,
                at=at,
            )
    assert read(client) == ("Northwind", "2 open incidents")
    put(ComponentStatus.PARTIAL_OUTAGE)
    assert read(client) == ("Northwind", "Partial outage")


def test_badge_shows_maintenance_once_it_begins(client, committed, search, at):
    with committed():
        planned = site.a_maintenance(components.get(search), at, at + timedelta(hours=1))
        assert planned.status is IncidentStatus.SCHEDULED
    assert read(client) == ("Northwind", "Operational")
    with committed():
        let_time_pass(at=at + timedelta(hours=1))
    assert read(client) == ("Northwind", "Under maintenance")


def test_hidden_component_has_no_badge(client, committed, search, at):
    with committed():
        components.archive(components.get(search), by=SYSTEM, at=at)
    for public_id in (search, "000000000000"):
        for query in ("", "?label=Search"):
            assert client.get(f"/components/{public_id}/badge.svg{query}").status_code == 404


def test_badge_is_a_404_before_setup(client):
    for address in (PAGE, f"{PAGE}?label=x", "/components/000000000000/badge.svg"):
        assert client.get(address).status_code == 404


# ── how it is served ───────────────────────────────────────────────────────────


@pytest.mark.parametrize("address", [PAGE, f"{PAGE}?label=Search%20for%20all"])
def test_badge_is_cached_briefly_and_revalidated(client, put, address):
    first = client.get(address)
    assert first.headers["Cache-Control"].startswith("public, max-age=15,")
    assert first.headers["Access-Control-Allow-Origin"] == "*"
    assert first.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "default-src 'none'" in first.headers["Content-Security-Policy"]
    mine = {"If-None-Match": first.headers["ETag"]}
    assert client.get(address, headers=mine).status_code == 304
    put(ComponentStatus.MAJOR_OUTAGE)
    second = client.get(address, headers=mine)
    assert second.status_code == 200
    assert "Major outage" in second.text
    head = client.head(address)
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["ETag"] == second.headers["ETag"]


def test_badge_loads_no_other_resource(client, search):
    text = client.get(PAGE).text
    for word in ("href", "style", "script", "url(", "@import", "<!"):
        assert word not in text
    assert len(text) < 1200


def test_badge_labels_do_not_fill_the_cache(app, client, search):
    published = app.extensions["published"]
    client.get(f"{PAGE}?label=first")
    before, size = len(published), published.size
    for number in range(60):
        read(client, f"{PAGE}?label=label-{number}&x={number}")
    assert (len(published), published.size) == (before, size)


def test_label_parameter_is_ignored_on_other_pages(client, search):
    assert client.get("/?label=x").data == client.get("/").data
    assert canonical("/", "label=x") == "/"
    assert canonical("/history", "label=x&page=2") == "/history?page=2"
    assert canonical("/components/abc/badge.svg", "utm=1&label=x") == (
        "/components/abc/badge.svg?label=x"
    )


# ── labels ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "label, shown",
    [
        ("API", "API"),
        ("  our\tAPI \n v2 ", "our API v2"),
        ("<b>&\"'</b>", "<b>&\"'</b>"),
        ("\u202eevil\u2066\x00\x1b\u200b", "evil"),
        ("x" * 500, "x" * 39 + "…"),
        ("状態", "状態"),
        (" \u200b ", "Northwind"),
        ("", "Northwind"),
    ],
)
def test_badge_label_is_escaped(client, search, label, shown):
    assert read(client, f"{PAGE}?label={quote(label)}") == (shown, "Operational")


def test_component_badge_shows_its_name_unless_labelled(client, committed, search, at):
    assert read(client, f"/components/{search}/badge.svg")[0] == "Search"
    assert read(client, f"/components/{search}/badge.svg?l%61bel=Finder")[0] == "Finder"


@settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(label=st.text(max_size=60))
def test_any_label_makes_a_badge_that_contains_it(client, committed, label):
    with committed():
        if page_settings.get() is None:
            site.a_page(NOON)
    shown, _ = read(client, f"{PAGE}?label={quote(label, errors='replace')}")
    assert 0 < len(shown) <= 40
    picture = etree.fromstring(client.get(f"{PAGE}?label={quote(label, errors='replace')}").data)
    width = float(picture.get("width"))
    ends = [
        float(element.get("x")) + float(element.get("textLength"))
        for element in picture.iter(f"{SVG}text")
    ]
    ground = float(re.match(r"M(\d+) 0", picture.find(f"{SVG}path").get("d"))[1])
    assert ends[0] < ground < ends[1] < width


def contrast(one, other):
    """WCAG 2.2: the contrast ratio of two colours."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour):
    if len(colour) == 4:
        colour = "#" + "".join(digit * 2 for digit in colour[1:])
    shares = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
