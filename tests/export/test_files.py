"""The files of a mirror: complete, in themselves, with what changed and without what is gone."""

import hashlib
import html
import json
import os
import re
import shutil
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import feedparser
import pytest
from flask import Response

from statuspage.db import db
from statuspage.domain import page_settings
from statuspage.domain.components import verbs as components
from statuspage.domain.components.verbs import ComponentEdit
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import corrections
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.statuses import IncidentStatus
from statuspage.export.staging import StagingFolder
from statuspage.page.exported import Exported, exported
from tests.helpers import site

LINK = re.compile(r'<\w+[^>]*?\s(?:href|src)="([^"]*)"')


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "public"


@pytest.fixture
def mirror(northwind, mirror_to, folder):
    return mirror_to(f"file:{folder}")


def links_of(page: Path) -> list[str]:
    return [html.unescape(link) for link in LINK.findall(page.read_text())]


def files_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder.resolve())): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.resolve().rglob("*")
        if path.is_file()
    }


def test_every_internal_link_leads_to_a_file(copy):
    broken = [
        (page.name, link)
        for page in copy.folder.resolve().rglob("*.html")
        if page.name != "404.html"
        for link in links_of(page)
        if "://" not in link and not link.startswith("#")
        if link.startswith("/") or not (page.parent / re.split("[?#]", link)[0]).is_file()
    ]
    assert not broken


def test_only_links_to_the_original_lead_to_the_origin(copy):
    outside = {
        link
        for page in copy.folder.resolve().rglob("*.html")
        if page.name != "404.html"
        for tag, link in re.findall(r'<(\w+)[^>]*?\s(?:href|src)="(https?://[^"]*)"',
                                    page.read_text())
        if tag != "link"
    }  # fmt: skip
    pages = {link.partition("?component=")[0] for link in outside}
    assert pages == {
        "https://status.example.com/",
        "https://status.example.com/history",
        "https://status.example.com/subscribe",
    }


STAYS_ON_THE_ORIGIN = {
    *("/beacon.json", "/healthz", "/readyz", "/metrics"),
    *("/push-worker.js", "/subscribe.js", "/icon.png", "/site.webmanifest"),
    "/.well-known/security.txt",
}
"""They describe processes, belong to subscribing, or expire."""


def test_every_public_view_declares_its_export_or_stays_on_the_origin(copy):
    mirrored = set(copy.mirror.builder.stages.portable.addresses)
    urls = copy.app.url_map.bind("status.example.com")
    matched = {urls.match(address.partition("?")[0])[0] for address in mirrored - {"/404"}}
    expected = {
        rule.endpoint
        for rule in copy.app.url_map.iter_rules()
        if "GET" in rule.methods
        and not rule.rule.startswith(("/admin", "/v1", "/subscriptions", "/static", "/hooks"))
        and rule.rule not in STAYS_ON_THE_ORIGIN
    } - {"status_api.nothing_here", "api_subscribers.show", "public.logo"}
    assert not expected - matched


def test_a_new_page_is_exported_by_the_declaration_at_its_view(
    app, northwind, mirror_to, folder, brought
):
    @app.get("/regions")
    @exported(Exported.AFTER_CHANGES)
    def regions():
        return "<h1>Regions</h1>"

    @app.get("/components/<public_id>/regions.<any(json, txt):form>")
    @exported(Exported.PER_COMPONENT)
    def regions_of_component(public_id, form):
        return Response(f"{public_id} {form}", mimetype="application/json")

    assert brought(mirror_to(f"file:{folder}")) == [True]
    assert (folder / "regions.html").read_text() == "<h1>Regions</h1>"
    for form in ("json", "txt"):
        path = folder / f"components/{northwind.cards}/regions.{form}"
        assert path.read_text() == f"{northwind.cards} {form}"


def test_feeds_calendar_and_json_are_those_of_the_origin(copy, at):
    client = copy.app.test_client()
    for path in ("history.json", "api/v2/summary.json", "maintenance.ics", "feeds/updates.json"):
        assert (copy.folder / path).read_bytes() == client.get(f"/{path}").data
    for path in ("history.rss", "history.atom", "feeds/updates.rss", "feeds/updates.atom"):
        feed = feedparser.parse((copy.folder / path).read_bytes())
        assert not feed.bozo
        assert feed.entries
        assert re.search(r'xml-stylesheet .*href="(\.\./)?static/feed.css"',
                         (copy.folder / path).read_text())  # fmt: skip


def test_page_shows_its_age_and_original_without_script(copy):
    page = (copy.folder / "index.html").read_text()
    assert "This is a copy, made on <b>10 March 2026, 12:00 UTC</b>" in page
    assert '<a href="https://status.example.com/" target="_blank">status.example.com</a>' in page


def test_form_is_replaced_by_a_link_to_the_original(copy):
    page = (copy.folder / "subscribe.html").read_text()
    assert "<form" not in page
    assert '<a href="https://status.example.com/subscribe">' in page


def test_text_that_looks_like_a_link_is_unchanged(
    northwind, committed, mirror, folder, brought, at
):
    said = 'We saw href="/admin" and src="/x" in the log.'
    with committed():
        site.say(incidents.get(northwind.open), said, at, components.get(northwind.cards))
    brought(mirror)
    assert said in html.unescape((folder / f"incidents/{northwind.open}.html").read_text())


def test_update_is_in_the_next_export_and_other_pages_keep_their_bytes(
    northwind, committed, mirror, folder, brought, traveller, at
):
    brought(mirror)
    before = files_of(folder)
    traveller.shift(timedelta(minutes=3))
    with committed():
        incident = incidents.get(northwind.open)
        site.say(incident, "The roll back is done.", at + timedelta(minutes=3),
                 components.get(northwind.cards))  # fmt: skip
    asked = []
    fetch = mirror.builder.fetch
    mirror.builder.fetch = lambda address: asked.append(address) or fetch(address)
    brought(mirror)
    assert "The roll back is done." in (folder / "index.html").read_text()
    assert "The roll back is done." in (folder / f"incidents/{northwind.open}.atom").read_text()
    after = files_of(folder)
    past = [path for path in before if northwind.past in path]
    assert [after[path] for path in past] == [before[path] for path in past]
    assert not any(northwind.past in address for address in asked)


def test_renamed_component_reaches_every_page(northwind, committed, mirror, folder, brought, at):
    brought(mirror)
    with committed():
        component = components.get(northwind.cards)
        components.edit_component(
            component,
            ComponentEdit(
                name="Card processing",
                description=None,
                group=component.group,
                start_date=None,
                showcase=True,
                only_show_if_degraded=False,
            ),
            by=SYSTEM,
            at=at,
        )
    brought(mirror)
    assert "Card processing" in (folder / "subscribe.html").read_text()


def test_retracted_incident_disappears_at_once_everywhere(
    northwind, committed, mirror, folder, brought, at
):
    brought(mirror)
    name = "Card payments declined in Europe"
    with committed():
        corrections.retract(
            incidents.get(northwind.open), reason="It was another company.", by=SYSTEM, at=at
        )
    mirror.step(at=at)
    mirror.uploaders[0].deliver()
    assert "It was another company." in (folder / f"incidents/{northwind.open}.html").read_text()
    assert not (folder / f"incidents/{northwind.open}.rss").exists()
    assert not (folder / f"api/v2/incidents/{northwind.open}.json").exists()
    left = [p for p in folder.resolve().rglob("*") if p.is_file() and name in p.read_text("latin")]
    assert [path.stem for path in left] == [northwind.open]
    left = [
        path
        for path in folder.parent.rglob(".public.*/**/*")
        if path.is_file()
        and folder.resolve() not in path.parents
        and name in path.read_text("latin")
    ]
    assert not left


def test_redacted_secret_is_in_no_file(northwind, committed, mirror, folder, brought, at):
    with committed():
        incident = incidents.get(northwind.past)
        site.say(incident, "The password is hunter2hunter2.", at, components.get(northwind.cards),
                 status=IncidentStatus.RESOLVED)  # fmt: skip
    brought(mirror)
    assert "hunter2hunter2" in (folder / f"incidents/{northwind.past}.html").read_text()
    with committed():
        corrections.redact(incidents.get(northwind.past), "hunter2hunter2", by=SYSTEM, at=at)
    brought(mirror)
    assert not [
        path
        for path in folder.parent.rglob("*")
        if path.is_file() and path.suffix != ".db" and b"hunter2hunter2" in path.read_bytes()
        and "statuspage.db" not in path.name
    ]  # fmt: skip


def test_manifest_lists_every_file_with_digest_and_type(copy):
    told = json.loads((copy.folder / "manifest.json").read_text())
    assert told["origin"] == "https://status.example.com"
    assert told["made_at"] == "2026-03-10T12:00:00Z"
    assert told["revision"] > 0
    found = files_of(copy.folder)
    del found["manifest.json"]
    assert {path: one["sha256"] for path, one in told["files"].items()} == found
    assert told["files"]["history.rss"]["content_type"].startswith("application/rss+xml")


def test_draft_incident_is_in_no_file(copy):
    assert not [
        path
        for path in copy.folder.resolve().rglob("*")
        if path.is_file() and copy.world.draft in path.read_text(errors="replace")
    ]


def test_readers_never_see_a_partial_export(northwind, committed, mirror, folder, brought, at):
    """The number of an update is the same on the front page and in its feed, at every moment."""
    brought(mirror)
    stop, seen, torn = Event(), set(), []

    def read():
        number = re.compile(r"Round (\d+)\.")
        while not stop.wait(0.001):
            root = os.open(folder, os.O_RDONLY)
            try:
                told = [
                    number.findall(Path(f"/proc/self/fd/{root}/{name}").read_text())[:1]
                    for name in ("index.html", f"incidents/{northwind.open}.html")
                ]
            except FileNotFoundError:
                continue  # That folder is gone: a reader opens the next one.
            finally:
                os.close(root)
            seen.update(told[0])
            if told[0] != told[1]:
                torn.append(told)

    reader = Thread(target=read)
    reader.start()
    for number in range(3):
        with committed():
            one = incidents.get(northwind.open)
            site.say(one, f"Round {number}.", at, components.get(northwind.cards))
        mirror.step(at=at)
        assert mirror.uploaders[0].deliver()
    stop.set()
    reader.join()
    assert not torn
    assert seen
    files = json.loads((folder / "manifest.json").read_text())["files"]
    found = files_of(folder)
    del found["manifest.json"]
    assert found == {path: one["sha256"] for path, one in files.items()}


def test_damaged_files_are_rebuilt_after_a_restart(northwind, mirror_to, folder, brought):
    first = mirror_to(f"file:{folder}")
    brought(first)
    good = files_of(folder)
    stage = first.builder.stages.portable
    victims = ["index.html", "history.rss", f"incidents/{northwind.past}.html", "favicon.svg"]
    for path in victims:
        (stage.site / path).write_bytes(os.urandom(500))
    (stage.site / "api" / ".half").write_bytes(b"of a crash")
    second = mirror_to(f"file:{folder}")
    brought(second)
    assert files_of(folder) == good


def test_damaged_manifest_causes_a_full_rebuild(mirror_to, northwind, folder,
                                                                  brought):  # fmt: skip
    brought(mirror_to(f"file:{folder}"))
    good = files_of(folder)
    for rubbish in (b"", b"\xff\x00", b"[]", b'{"format": 1, "files": {"a": {}}}', b"{}"):
        (folder.parent / "work/portable/site/manifest.json").unlink()
        (folder.parent / "work/portable/site/manifest.json").write_bytes(rubbish)
        assert StagingFolder(folder.parent / "work/portable").manifest.files == {}
    brought(mirror_to(f"file:{folder}"))
    assert files_of(folder) == good


def test_empty_folder_gets_current_pages_first_and_history_later(
    northwind, mirror, folder, brought, at
):
    mirror.step(at=at)
    assert mirror.uploaders[0].deliver()
    past = f"incidents/{northwind.past}.html"
    page = folder / "index.html"
    here = [link for link in links_of(page) if "://" not in link and not link.startswith("#")]
    assert all((folder / re.split("[?#]", link)[0]).is_file() for link in here)
    assert f"incidents/{northwind.open}.html" in here
    assert not (folder / past).exists()
    assert f"https://status.example.com/incidents/{northwind.past}" in links_of(page)
    brought(mirror)
    assert (folder / past).is_file()
    assert past in links_of(page)


def test_complete_export_is_not_replaced_by_a_partial_one(
    northwind, mirror_to, folder, brought, at
):
    brought(mirror_to(f"file:{folder}"))
    shutil.rmtree(folder.parent / "work/portable")
    again = mirror_to(f"file:{folder}")
    again.step(at=at)
    assert again.uploaders[0].deliver()
    assert (folder / f"incidents/{northwind.past}.html").is_file()


def test_change_rebuilds_only_affected_components(
    northwind, committed, mirror, brought, traveller, at
):
    brought(mirror)
    asked = []
    fetch = mirror.builder.fetch
    mirror.builder.fetch = lambda address: asked.append(address) or fetch(address)
    with committed():
        incident = incidents.get(northwind.open)
        site.say(incident, "Half of it is back.", at, components.get(northwind.cards))
        named = {row.component.public_id for row in incident.affected}
    brought(mirror)
    made = {address[12:24] for address in asked if address.startswith("/components/")}
    assert made == named
    traveller.shift(timedelta(minutes=5))
    brought(mirror)
    made = {address[12:24] for address in asked if address.startswith("/components/")}
    assert made > named


def test_folder_with_foreign_files_is_left_alone(mirror_to, northwind, folder, brought):
    folder.mkdir()
    (folder / "mine.txt").write_text("Not yours.")
    assert brought(mirror_to(f"file:{folder}")) == [False]
    assert (folder / "mine.txt").read_text() == "Not yours."


def test_export_stays_when_the_database_is_gone(northwind, app, mirror, folder, brought, at):
    brought(mirror)
    good = files_of(folder)
    with app.app_context():
        db.engine.dispose()
        path = Path(db.engine.url.database)
    path.rename(path.with_suffix(".away"))
    path.mkdir()
    with pytest.raises(Exception, match="open"):
        mirror.step(at=at)
    assert files_of(folder) == good


def test_command_writes_the_whole_site_to_a_folder(app, northwind, folder):
    run = app.test_cli_runner().invoke(args=["mirror", str(folder)])
    assert run.exit_code == 0, run.output
    assert "files to" in run.output
    assert (folder / f"incidents/{northwind.past}.html").is_file()


def test_command_before_setup_says_so(app, folder):
    run = app.test_cli_runner().invoke(args=["mirror", str(folder)])
    assert run.exit_code == 1
    assert "There is no page yet." in run.output


def test_logo_has_a_file_name_of_its_type(committed, mirror_to, folder, brought, at):
    with committed():
        page = site.a_page(at)
        svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>'
        png = bytes.fromhex(
            "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
            "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
        )
        try:
            page_settings.set_logo(page, png, by=SYSTEM, at=at)
        except ValueError:
            page_settings.set_logo(page, svg, by=SYSTEM, at=at)
    brought(mirror_to(f"file:{folder}"))
    source = re.search(r'<img src="([^"]+)"', (folder / "index.html").read_text())[1]
    assert source in ("logo.png", "logo.svg")
    assert (folder / source).is_file()
