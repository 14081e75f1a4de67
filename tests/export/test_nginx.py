"""What nginx in front does while the application is there, and when it is gone."""

import gzip
import hashlib
import re
import shutil
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from threading import Thread

import brotli
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.serving import make_server

from statuspage.config import PROJECT
from statuspage.db import db
from statuspage.export import published
from statuspage.export.staging import StagingFolder
from statuspage.proxy.cache import VARIES
from tests.helpers.apps import create_app
from tests.helpers.nginx import free_port, nginx
from tests.helpers.observatory import META, META_REFERRER, all_of, points


@contextmanager
def running(app):
    """The application on a port of its own."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def before(copy, tmp_path):
    """`with before(port): …` puts nginx with our published files before that port."""

    @contextmanager
    def put(behind: int):
        port = free_port()
        text = (PROJECT / "deploy" / "nginx" / "published.conf").read_text()
        text = text.replace("/srv/status", str(copy.published))
        text = text.replace("127.0.0.1:8000", f"127.0.0.1:{behind}")
        text = text.replace("listen 80;", f"listen 127.0.0.1:{port};")
        with nginx(text, tmp_path / "nginx", port) as url:
            yield url

    return put


GUARDS = (
    "X-Content-Type-Options",
    "Referrer-Policy",
    "Cross-Origin-Resource-Policy",
    "Cross-Origin-Opener-Policy",
)


def guards(headers):
    return {name: headers[name] for name in GUARDS if name in headers}


def framed_by(headers):
    return re.search("frame-ancestors [^;]*", headers["Content-Security-Policy"])[0]


def assert_is_as_good(answer, original):
    """What nginx says of a file is what the application says of its answer."""
    assert answer.status_code == 200, answer.url
    kind = original.headers["Content-Type"].partition(";")[0]
    assert answer.headers["Content-Type"].partition(";")[0] == kind
    wanted = guards(original.headers)
    wanted.pop("Referrer-Policy", None)
    if kind == "text/html":
        policy = all_of([answer.headers["Content-Security-Policy"], *META.findall(answer.text)])
        assert policy["default-src"] == {"'none'"}, answer.url
        # The one that tells how old the copy is.
        assert '<script src="/mirror.js"' in answer.text, answer.url
        assert policy["script-src"] == policy["connect-src"] == {"'self'"}, answer.url
        assert "'unsafe-inline'" not in policy["style-src"], answer.url
        assert META_REFERRER.findall(answer.text) == ["same-origin"], answer.url
    assert wanted.items() <= guards(answer.headers).items(), answer.url
    if "Content-Security-Policy" in original.headers:
        assert framed_by(answer.headers) == framed_by(original.headers), answer.url
    readers = "Access-Control-Allow-Origin"
    assert answer.headers.get(readers) == original.headers.get(readers), answer.url
    if kind != "text/html":
        assert answer.content == original.data, answer.url


def addresses_of(copy):
    return sorted(set(copy.mirror.builder.stages.published.addresses))


def test_files_equal_the_origin_except_for_a_hidden_age_note(copy, at):
    client = copy.app.test_client()
    page = client.get("/").data
    held = (copy.published / "index.html").read_bytes()
    note = b'<p class="stale" id="copy" role="status" data-quiet hidden></p>'
    script = b'<script src="/mirror.js" defer></script>\n'
    assert held.replace(note, b"<!--as-of-->").replace(script, b"") == page
    for path in ("history.rss", "api/v2/summary.json", "badge.svg", "maintenance.ics"):
        assert (copy.published / path).read_bytes() == client.get(f"/{path}").data


def test_text_files_have_compressed_copies(copy):
    for path in ("index.html", "history.rss", "api/v2/summary.json"):
        plain = (copy.published / path).read_bytes()
        assert gzip.decompress((copy.published / f"{path}.gz").read_bytes()) == plain
        assert brotli.decompress((copy.published / f"{path}.br").read_bytes()) == plain


def test_every_public_path_is_served_without_the_application(copy, before, at):
    nobody = free_port()
    client = copy.app.test_client()
    with before(nobody) as url, requests.Session() as session:
        for address in addresses_of(copy):
            with client.get(address) as original:
                assert_is_as_good(session.get(url + address), original)
        page = session.get(url)
        by_https = {**page.headers, "Strict-Transport-Security": "max-age=31536000"}
        assert points(by_https, page.text) >= 130
        packed = session.get(url, headers={"Accept-Encoding": "gzip"})
        assert packed.headers["Content-Encoding"] == "gzip"
        feed = session.get(f"{url}/history.rss")
        assert session.get(f"{url}/beacon.json").status_code == 502
        tagged = {"If-None-Match": feed.headers["ETag"]}
        assert session.get(f"{url}/history.rss", headers=tagged).status_code == 304


def test_etag_depends_on_bytes_and_there_is_no_last_modified(copy, before):
    """Two versions within one second are told apart, and two machines have one tag for one page."""
    with before(free_port()) as url, requests.Session() as session:
        for address, coding in (("/", "identity"), ("/", "gzip"), ("/history.rss", "gzip")):
            accepts = {"Accept-Encoding": coding}
            answer = session.get(url + address, headers=accepts, stream=True)
            sent = answer.raw.read(decode_content=False)
            time = published.time_of(hashlib.sha256(sent).hexdigest())
            assert answer.headers["ETag"] == f'"{time:x}-{len(sent):x}"'
            assert "Last-Modified" not in answer.headers
            late = {"If-Modified-Since": "Thu, 31 Dec 2099 00:00:00 GMT"}
            assert session.get(url + address, headers=accepts | late).status_code == 200
            tagged = {"If-None-Match": answer.headers["ETag"]}
            unchanged = session.get(url + address, headers=accepts | tagged)
            assert unchanged.status_code == 304
            assert "Last-Modified" not in unchanged.headers


@given(st.binary())
def test_file_time_is_past_and_portable(body):
    """RFC 9110, section 8.8.2.1: a server says no date to come. FAT begins with 1980."""
    time = published.time_of(hashlib.sha256(body).hexdigest())
    assert datetime(1980, 1, 2, tzinfo=UTC).timestamp() <= time
    assert time < datetime(2015, 1, 1, tzinfo=UTC).timestamp()


def test_lost_file_times_are_restored(copy, tmp_path):
    """So do those of a version before, which wrote none."""
    made = copy.mirror.builder.stages.published
    shutil.copytree(made.folder, tmp_path / "restored", copy_function=shutil.copyfile)
    restored = StagingFolder(tmp_path / "restored", published.time_of)
    assert restored.manifest.files == made.manifest.files
    for path in made.manifest.files:
        time = (made.site / path).stat().st_mtime
        assert (restored.site / path).stat().st_mtime == time, path


def test_path_without_a_file_is_passed_to_the_application(copy, before):
    with running(copy.app) as port, before(port) as url, requests.Session() as session:
        assert session.get(f"{url}/admin/", allow_redirects=False).status_code in (302, 303)
        desk = session.get(f"{url}/admin/sign-in")
        said = requests.get(f"http://127.0.0.1:{port}/admin/sign-in")
        assert desk.headers["Cache-Control"] == said.headers["Cache-Control"] == "no-store"
        assert guards(desk.headers) == guards(said.headers)
        assert session.get(f"{url}/incidents/nothing").status_code == 404
        assert session.get(f"{url}/incidents/").status_code == 404
        assert session.get(f"{url}/incidents/{copy.world.retracted}").status_code == 410
        assert session.get(f"{url}/history?page=999").status_code == 404
        for folder in ("incidents", "static", "api/v2", "api/v2/scheduled-maintenances"):
            answer = session.get(f"{url}/{folder}", allow_redirects=False)
            original = requests.get(f"http://127.0.0.1:{port}/{folder}", allow_redirects=False)
            assert (answer.status_code, answer.text) == (404, original.text)
        for page in ("history", "history.json", "api/v2/status.json", "feeds/updates.json"):
            assert session.post(f"{url}/{page}", json={"a": 1}).status_code == 405
        for number in ("0", "02", "two"):
            assert session.get(f"{url}/history?page={number}").status_code == 404
        second = session.get(f"{url}/history?page=2").text
        assert 'rel="canonical" href="https://status.example.com/history?page=2"' in second
        assert "history?page=2" in session.get(f"{url}/history?page=%32").text
        assert "No incidents with “nowhere”" in session.get(
            f"{url}/history?q=nowhere"
        ).text.replace("<bdi>", "").replace("</bdi>", "")
        for label in ("my label", "0"):
            drawn = session.get(f"{url}/badge.svg", params={"label": label}).text
            assert f">{label}<" in drawn
        assert (
            session.get(f"{url}/badge.svg?label=").content
            == session.get(f"{url}/badge.svg").content
        )
        for subscriber in ("nobody", "0"):
            left = session.get(f"{url}/?unsubscribe={subscriber}", allow_redirects=False)
            assert "/subscriptions/unsubscribe" in left.headers["Location"]
        assert "<form" in session.get(f"{url}/subscribe").text
        assert "fresh" in session.get(f"{url}/beacon.json").text


@pytest.mark.parametrize("configuration", ["docs/serving.md", "deploy/nginx/published.conf"])
def test_last_export_is_served_without_the_application(copy, tmp_path, configuration):
    """Fault 22, with the cache of the documentation and with published files."""
    port = free_port()
    text = (PROJECT / configuration).read_text()
    if configuration.endswith(".md"):
        text = re.search(r"^```nginx\n(.*?)^```", text, re.M | re.S)[1]
        # An answer that nobody asks for is kept for a day.
        assert "inactive=24h" in text
    addresses = ("/", "/history.rss", "/api/v2/summary.json", f"/incidents/{copy.world.open}")
    with ExitStack() as stack:
        with running(copy.app) as behind:
            text = text.replace("/var/cache/nginx/status", f"{tmp_path}/cache")
            text = text.replace("/srv/status", str(copy.published))
            text = text.replace("127.0.0.1:8000", f"127.0.0.1:{behind}")
            text = text.replace("listen 80;", f"listen 127.0.0.1:{port};")
            text = text.replace(
                "proxy_cache_revalidate on;", "add_header X-Cache $upstream_cache_status;"
            )
            url = stack.enter_context(nginx(text, tmp_path / "nginx", port))
            good = {address: requests.get(url + address).content for address in addresses}
        is_a_cache = configuration.endswith(".md")
        for address in addresses:
            # The last answer stays fresh for a second.
            while True:
                answer = requests.get(url + address)
                assert answer.status_code == 200
                assert answer.content == good[address]
                if not is_a_cache or answer.headers["X-Cache"] in ("STALE", "UPDATING"):
                    break


@pytest.mark.parametrize("path", ["docs/serving.md", "deploy/nginx/compose.conf"])
def test_nginx_caches_one_copy_per_encoding(copy, tmp_path, path):
    port = free_port()
    text = (PROJECT / path).read_text()
    if path.endswith(".md"):
        text = re.search(r"^```nginx\n(.*?)^```", text, re.M | re.S)[1]
    # It looks at no `Vary`: all that an answer may depend on has to be in its key.
    for name in VARIES - {b""}:
        assert f"map $http_{name.decode().replace('-', '_')} $" in text
    # Whoever mirrors packs nothing: this application does.
    app = create_app(copy.app.config["SETTINGS"], watch=False)
    with running(app) as behind:
        text = re.sub(r"server (127.0.0.1|web-\d):8000", f"server 127.0.0.1:{behind}", text)
        text = text.replace("/var/cache/nginx/status", f"{tmp_path}/cache")
        text = text.replace("listen 80;", f"listen 127.0.0.1:{port};")
        # Long enough that no copy is made anew while this test reads.
        text = text.replace(
            "proxy_cache_valid 200 1s;",
            "proxy_cache_valid 200 1h; add_header X-Cache $upstream_cache_status;",
        )
        with nginx(text, tmp_path / "nginx", port) as url:

            def asked(address, accepts, **headers):
                headers["Accept-Encoding"] = accepts
                answer = requests.get(url + address, headers=headers, allow_redirects=False)
                return answer.headers

            for first, others, packed in (
                ("br", ("gzip, deflate, br, zstd", "br;q=1.0, gzip;q=0.8", "BR"), "br"),
                ("gzip", ("deflate, gzip;q=0.5", "br;q=0, gzip", "br; q=0.0,gzip"), "gzip"),
                ("", ("identity", "gzip;q=0", "br;q=0,gzip;q=0.000", "abr, gzipped"), None),
            ):
                said = asked("/", first)
                assert (said["X-Cache"], said.get("Content-Encoding")) == ("MISS", packed)
                for accepts in others:
                    said = asked("/", accepts)
                    assert (said["X-Cache"], said.get("Content-Encoding")) == ("HIT", packed)
            for dest, kind in (("document", "text/xml"), ("empty", "application/atom+xml")):
                for cached in ("MISS", "HIT"):
                    said = asked("/history.atom", "br", **{"Sec-Fetch-Dest": dest})
                    assert said["X-Cache"] == cached
                    assert said["Content-Type"].startswith(kind)
            for _ in range(2):
                assert asked("/admin/sign-in", "br")["X-Cache"] == "MISS"
    with app.app_context():
        db.engine.dispose()


def test_nginx_falls_back_to_the_export_only_for_its_files(copy, tmp_path):
    port, nobody = free_port(), free_port()
    example, more = (
        re.search(r"^```nginx\n(.*?)^```", (PROJECT / page).read_text(), re.M | re.S)[1]
        for page in ("docs/serving.md", "docs/export.md")
    )
    text = example.rstrip().removesuffix("}") + more + "}"
    text = text.replace("/var/cache/nginx/status", f"{tmp_path}/cache")
    text = text.replace("/srv/copy", str(copy.folder))
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{nobody}")
    text = text.replace("listen 80;", f"listen 127.0.0.1:{port};")
    with nginx(text, tmp_path / "nginx", port) as url, requests.Session() as session:
        for address in ("/", "/history", "/history.rss", f"/incidents/{copy.world.open}"):
            assert session.get(url + address).status_code == 200, address
        assert 'href="api.html"' in session.get(url).text
        for address in ("/admin/", "/v1/pages", "/beacon.json", "/readyz", "/subscribe"):
            answer = session.get(url + address)
            assert answer.status_code == 503, address
            assert answer.headers["Retry-After"] == "30"
        assert session.post(f"{url}/subscribe", data={"address": "x"}).status_code == 503
        assert session.get(f"{url}/incidents/nothing").status_code == 503
