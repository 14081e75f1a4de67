"""The mirror in Chromium, from a file and from a static server, with the origin gone."""

import functools
import shutil
from collections.abc import Iterator
from datetime import timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import expect

from tests.conftest import NOW
from tests.export.conftest import Copy, a_copy


@pytest.fixture(scope="module")
def mirrored(_sqlite_template, tmp_path_factory) -> Iterator[Copy]:
    with a_copy(_sqlite_template, tmp_path_factory.mktemp("mirrored"), NOW) as copy:
        yield copy


@pytest.fixture
def northwind(mirrored):
    return mirrored.world


@pytest.fixture
def folder(mirrored, tmp_path):
    """The mirror as files. Nobody serves the application."""
    return shutil.copytree(mirrored.folder, tmp_path / "mirror")


@pytest.fixture
def static_url(folder):
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Handler, directory=folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def watched(page):
    """What the page asks for, and what goes wrong with it."""
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    return asked, wrong


@pytest.mark.parametrize("origin", ["a file", "a static server"])
def test_exported_pages_are_reachable_and_load_nothing_else(
    folder, static_url, open_page, origin, northwind
):
    start = f"file://{folder}/" if origin == "a file" else f"{static_url}/"
    page = open_page()
    asked, wrong = watched(page)
    todo, seen = [f"{start}index.html"], set()
    while todo:
        url = todo.pop()
        if url in seen:
            continue
        seen.add(url)
        page.goto(url)
        links = page.eval_on_selector_all(
            "a[href]",
            "all => all.map(one => new URL(one.getAttribute('href'), document.baseURI).href)",
        )
        assert not [link for link in links if link.startswith("webcal:")]
        inner = {link.partition("#")[0] for link in links if link.startswith(start)}
        todo += [one for one in inner - seen if one.endswith(".html")]
    names = {url.removeprefix(start) for url in seen}
    assert names >= {
        "history.html",
        "uptime.html",
        "api.html",
        f"incidents/{northwind.open}.html",
        f"incidents/{northwind.past}.html",
        f"components/{northwind.cards}.html",
    }
    assert not [url for url in asked if not url.startswith(start)]
    assert not wrong


def test_export_shows_the_state_and_its_age(folder, open_page):
    page = open_page()
    page.goto(f"file://{folder}/index.html")
    expect(page.get_by_role("heading", level=1)).to_have_text("Card payments declined in Europe")
    expect(page.locator("#copy")).to_contain_text("This copy was made at")
    expect(page.locator("#copy")).not_to_contain_text("Newer information may be missing")


def test_old_export_says_that_newer_information_may_be_missing(folder, open_page, at):
    page = open_page()
    page.clock.set_fixed_time(at + timedelta(minutes=40))
    page.goto(f"file://{folder}/incidents/../history.html")
    said = f"{at:%H:%M} UTC. Newer information may be missing."
    expect(page.locator("#copy")).to_contain_text(said)


def test_old_exported_card_says_that_newer_information_may_be_missing(static_url, open_page, at):
    page = open_page()
    _, wrong = watched(page)
    page.clock.set_fixed_time(at + timedelta(minutes=40))
    page.goto(f"{static_url}/embed.html")
    said = f"{at:%H:%M} UTC. Newer information may be missing."
    expect(page.locator("#copy")).to_contain_text(said)
    # The original lets nobody frame it.
    with page.context.expect_page():
        page.locator("#copy a").click()
    assert not wrong


def test_open_page_notices_a_new_export(folder, static_url, open_page, at):
    page = open_page()
    page.clock.install(time=at)
    page.goto(f"{static_url}/")
    later = at + timedelta(minutes=30)
    (folder / "copy.json").write_text(f'{{"made_at": "{later:%Y-%m-%dT%H:%M:%SZ}"}}')
    page.clock.run_for(timedelta(minutes=31).total_seconds() * 1000)
    expect(page.locator("#copy")).to_contain_text(f"{later:%H:%M} UTC.")
    expect(page.locator("#copy")).not_to_contain_text("missing")


def test_export_shows_its_time_without_script(folder, open_page, at):
    page = open_page(script=False)
    page.goto(f"file://{folder}/index.html")
    expect(page.locator("#copy")).to_contain_text(f"made on {at.day} {at:%B %Y, %H:%M} UTC")
