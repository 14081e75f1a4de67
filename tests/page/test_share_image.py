"""The picture beside a shared link says the state in words, on every address that has one."""

import re
import struct
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from statuspage.domain.components import verbs as components
from statuspage.domain.incidents.models import UpdateInput
from statuspage.page import share_image
from statuspage.page.html.formatting import Times
from statuspage.page.share_image import Picture
from statuspage.page.snapshot import build as snapshot
from tests.conftest import on_sqlite
from tests.helpers import site

pytestmark = on_sqlite
BASE = "https://status.example.org"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def search(committed, at):
    with committed():
        site.a_page(at)
        return site.a_component("Search", at - timedelta(days=2)).public_id


@pytest.fixture
def open_incident(committed, search, at):
    with committed():
        return site.an_open_incident(components.get(search), at).public_id


@pytest.fixture
def picture_of_page(app, search, at):
    def read():
        with app.app_context():
            shown = snapshot.take(at=at, base_url=BASE)
        return share_image.picture_of_page(shown, Times(shown.page.zone, at))

    return read


@pytest.fixture
def drawing_of(app, search):
    def draw(title):
        picture = Picture("major", "Major outage", title, "2 components affected", "", "")
        with app.app_context():
            page = snapshot.describe(base_url=BASE)
        return share_image.svg(page, Times(page.zone, NOON), picture)

    return draw


def image_size(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


def test_a_quiet_page_says_that_all_is_operational(picture_of_page):
    picture = picture_of_page()
    assert (picture.tone, picture.state, picture.since) == ("ok", "Operational", "")
    assert picture.title == "All systems operational"


def test_the_only_incident_is_the_picture_of_the_page(picture_of_page, open_incident, at):
    picture = picture_of_page()
    start = Times(ZoneInfo("Europe/Vienna"), at).full(at - timedelta(minutes=38))
    assert picture == Picture(
        tone="partial",
        state="Partial outage",
        title="Card payments declined in Europe",
        plain_title="1 component affected",
        detail="12 %, EU",
        since=f"Started {start} CET",
    )


def test_trouble_outside_the_incident_makes_the_headline_the_picture(
    picture_of_page, committed, open_incident, at
):
    with committed():
        other = site.a_component("Mail", at - timedelta(days=2))
        site.incidents.open_incident(
            "Mail is late",
            UpdateInput(
                status=site.IncidentStatus.INVESTIGATING,
                body="Mail is late.",
                claims={other: site.DEGRADED},
            ),
            by=site.SYSTEM,
            at=at,
        )
    picture = picture_of_page()
    assert picture.detail == "2 components affected"
    assert picture.since == ""


def test_a_resolved_incident_says_when_it_ended(committed, search, at):
    with committed():
        incident = site.an_open_incident(components.get(search), at)
        site.resolve(incident, at - timedelta(minutes=1))
        public_id = incident.public_id
        shown = snapshot.incident(public_id, at=at, base_url=BASE)
    picture = share_image.picture_of_incident(shown.incident, Times(shown.page.zone, at))
    assert (picture.tone, picture.state) == ("ok", "Resolved")
    assert picture.since.startswith("Ended ")


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Kartenzahlungen schlagen fehl", "Kartenzahlungen schlagen fehl"),
        ("Оплата картой не проходит", "Оплата картой не проходит"),
        ("Labels 🔥 can’t be printed", "Labels can’t be printed"),
        ("对象存储不可用", "2 components affected"),
        ("التخزين السحابي", "2 components affected"),
        ("<b>Fast & loose</b>", "&lt;b&gt;Fast &amp; loose&lt;/b&gt;"),
    ],
)
def test_a_title_without_letters_in_the_font_gives_way_to_the_count(drawing_of, title, shown):
    assert f'font-weight="700" fill="#1c1d1f">{shown}</text>' in drawing_of(title)


def test_a_long_title_takes_two_lines_and_ends_in_an_ellipsis(drawing_of):
    lines = drawing_of("word " * 60).split('font-size="54"')[1:]
    assert len(lines) == 2
    assert "…</text>" in lines[1]


def test_page_incident_and_component_name_their_picture(client, open_incident, search):
    for path in ("/", f"/incidents/{open_incident}", f"/components/{search}"):
        address = f"{path.rstrip('/')}/share.png"
        html = client.get(path).text
        assert re.search(rf'<meta property="og:image" content="https?://[^/"]+{address}">', html)
        assert '<meta name="twitter:card" content="summary_large_image">' in html
        image = client.get(address)
        assert image.status_code == 200
        assert image.headers["Content-Type"] == "image/png"
        assert image_size(image.data) == (share_image.WIDTH, share_image.HEIGHT)
        repeated = client.get(address, headers={"If-None-Match": image.headers["ETag"]})
        assert repeated.status_code == 304


def test_the_title_beside_a_link_begins_with_the_state(client, open_incident, search):
    named = {
        "/": "Card payments declined in Europe · Northwind status",
        f"/incidents/{open_incident}": "Identified: Card payments declined in Europe",
        f"/components/{search}": "Partial outage: Search",
    }
    for path, title in named.items():
        assert f'<meta property="og:title" content="{title}' in client.get(path).text


def test_an_unknown_incident_has_no_picture(client, search):
    assert client.get("/incidents/000000000000/share.png").status_code == 404
    assert client.get("/components/000000000000/share.png").status_code == 404
