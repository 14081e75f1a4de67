"""What other sites put on their pages, and how programs find what there is."""

import base64
import hashlib
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from statuspage import clock
from statuspage.db import db
from statuspage.domain import page_settings
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.page_settings import PageEdit
from tests.conftest import on_sqlite
from tests.helpers import site
from tests.helpers.site import Page, text_of

SITE = "https://status.example.com"
MAX_SCRIPT_BYTES = 3000

pytestmark = on_sqlite


@pytest.fixture
def world(committed, at) -> site.World:
    return site.northwind(committed, at)


# ── the card ───────────────────────────────────────────────────────────────────


def test_card_shows_incident_and_start_and_links_to_the_page(client, world):
    answer = client.get("/embed")
    assert "Card payments declined in Europe" in text_of(answer)
    assert (
        "Started 12:22 CET. Partial outage since 12:51. Everything else is operational."
        " Northwind status" in text_of(answer)
    )
    page = Page(answer.text)
    assert page.errors == []
    ((_, link),) = page.all("a")
    assert link == {"href": f"{SITE}/", "target": "_blank", "rel": "noopener"}


def test_card_names_the_day_of_an_older_start(client, world, traveller):
    traveller.shift(timedelta(days=1))
    assert "Started 10 Mar, 12:22 CET. Partial outage since 10 Mar, 12:51." in text_of(
        client.get("/embed")
    )


def test_card_shows_all_operational(client, committed, world, at):
    with committed():
        site.resolve(incidents.get(world.open), at)
    assert "All systems operational No open incidents. Northwind status" in text_of(
        client.get("/embed")
    )


def test_card_may_be_framed_and_loads_only_itself(client, world):
    answer = client.get("/embed")
    (css,) = re.findall(r"<style>(.*?)</style>", answer.text, flags=re.S)
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    assert answer.headers["Content-Security-Policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; script-src 'self';"
        " connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors *"
    )
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    page = Page(answer.text)
    assert {"name": "robots", "content": "noindex"} in [meta for _, meta in page.all("meta")]
    assert page.all("script", "form", "img", "iframe", "link") == []
    assert all("style" not in attributes for _, attributes in page.tags)
    assert len(answer.data) < 4096


def test_other_pages_refuse_framing(client, world):
    for address in world.addresses:
        headers = client.get(address).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_stale_card_shows_its_age(
    app,
    client,
    committed,
    world,
    traveller,
):
    client.get("/embed")
    with committed() as session:
        session.execute(sa.text("DROP TABLE revision"))
    traveller.shift(timedelta(minutes=1))
    answer = client.get("/embed")
    with app.app_context():
        db.metadata.tables["revision"].create(db.engine)
    assert answer.status_code == 200
    assert "As of 10 March 2026, 12:00 UTC." in text_of(answer)


# ── the script ─────────────────────────────────────────────────────────────────


def test_embed_script_is_small_and_works_under_a_strict_policy(client):
    answer = client.get("/embed.js")
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Cache-Control"].startswith("public, max-age=3600")
    assert len(answer.data) <= MAX_SCRIPT_BYTES
    for risky in ("innerHTML", "eval(", "Function(", "insertAdjacentHTML", ".style", "<style"):
        assert risky not in answer.text


# ── finding it ─────────────────────────────────────────────────────────────────


def test_status_document_lists_every_address_and_each_answers(client, world):
    answer = client.get("/.well-known/status")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    directory = answer.json
    assert (directory["name"], directory["time_zone"]) == ("Northwind", "Europe/Vienna")
    addresses = list(_addresses(directory))
    assert len(addresses) > 15
    for address in addresses:
        assert address.startswith(f"{SITE}/"), address
        path = address.removeprefix(SITE).replace("{id}", world.cards)
        assert client.get(path).status_code == 200, path


def test_status_document_links_description_docs_and_status(client, world):
    links = client.get("/.well-known/status").headers["Link"]
    for path, relation in (
        ("/api/openapi.json", "service-desc"),
        ("/api", "service-doc"),
        ("/api/v2/status.json", "status"),
    ):
        assert f'<{path}>; rel="{relation}"' in links  # RFC 8631


@pytest.mark.parametrize(
    "address, calendar",
    [
        ("/", "/maintenance.ics"),
        ("/maintenance", "/maintenance.ics"),
        ("/components/{}", "/components/{}.ics"),
    ],
)
def test_page_head_links_json_and_calendar(
    client,
    world,
    address,
    calendar,
):
    address, calendar = address.format(world.cards), calendar.format(world.cards)
    links = [link for _, link in Page(client.get(address).text).all("link")]
    calendars = [link["href"] for link in links if link.get("type") == "text/calendar"]
    assert calendars == [calendar]
    for link in links:
        if link["href"].startswith("data:"):
            continue
        answer = client.get(link["href"].removeprefix(SITE))
        assert answer.status_code == 200, link
        if "type" in link and link["rel"] != "icon":
            assert answer.mimetype == link["type"], link


def test_front_page_links_status_and_api(client, world):
    links = {link["rel"]: link["href"] for _, link in Page(client.get("/").text).all("link")}
    assert links["alternate status"] == "/api/v2/summary.json"
    assert links["service-desc"] == "/api/openapi.json"
    assert links["service-doc"] == "/api"


def test_calendars_stand_beside_the_form_and_recipes_for_sites_beside_the_api(
    client, committed, world
):
    with committed():
        name = components.get(world.cards).full_name
    page = Page(client.get("/subscribe").text)
    targets = {link.get("href"): link for _, link in page.all("a")}
    assert "webcal://status.example.com/maintenance.ics" in targets
    own = targets[f"webcal://status.example.com/components/{world.cards}.ics"]
    assert own["aria-label"] == f"{name}, maintenance calendar"
    words = text_of(client.get("/api"))
    for recipe in (f'<img src="{SITE}/badge.svg"', f'src="{SITE}/embed"', f'"{SITE}/embed.js"'):
        assert recipe in words
    targets = [link.get("href") for _, link in Page(client.get("/maintenance").text).all("a")]
    assert "webcal://status.example.com/maintenance.ics" in targets


def _addresses(value):
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _addresses(one)
    elif "://" in value:
        yield value


def test_security_txt_names_the_support_address_and_expires_within_a_year(client, committed, world):
    address = "/.well-known/security.txt"
    assert client.get(address).status_code == 404
    with committed():
        row = page_settings.get()
        edit = PageEdit(row.name, row.time_zone, support_url="mailto:help@example.com")
        page_settings.edit(row, edit, by=SYSTEM, at=clock.now())
    answer = client.get(address)
    assert answer.mimetype == "text/plain"
    assert answer.text == (
        "Contact: mailto:help@example.com\n"
        "Expires: 2026-10-01T00:00:00Z\n"
        "Canonical: https://status.example.com/.well-known/security.txt\n"
    )
