"""The edge: published bytes by HTTP's rules, the same on the first request and on every other."""

import gzip
import random
from datetime import UTC, datetime

import brotli
import pytest
import sqlalchemy as sa
from flask import Flask, abort, request, session
from hypothesis import example, given
from hypothesis import strategies as st

from statuspage.db import db
from statuspage.domain import page_settings as pages
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.serving import middleware
from statuspage.serving.cache import ResponseCache
from statuspage.serving.conditional import acceptable, canonical, matches
from statuspage.serving.middleware import PublishedMiddleware
from statuspage.serving.response import CachedResponse, Rendering
from statuspage.web.sessions import AdminSessionInterface

WORDS = "All systems operational. " * 200
DATE = "Tue, 10 Mar 2026 12:00:00 GMT"


class Site:
    """A small status page: a few public addresses behind the edge, on rows of its own."""

    def __init__(self, folder) -> None:
        self.text = WORDS
        self.number = 1
        self.is_gone = False
        self.renders = 0
        self.entered = 0
        self.flask = Flask("site")
        self.flask.secret_key = "only-for-tests-and-nothing-else"
        self.flask.session_interface = AdminSessionInterface()
        self.flask.before_request(self._enter)
        self.flask.add_url_rule("/", view_func=self.home)
        self.flask.add_url_rule("/history", view_func=self.history)
        self.flask.add_url_rule("/incidents/<public_id>", view_func=self.incident)
        self.flask.add_url_rule("/admin/", view_func=self.desk)
        self.flask.add_url_rule("/careless", view_func=self.careless)
        self.folder = folder
        self.restart()

    def restart(self) -> None:
        published = ResponseCache(
            self.revision,
            watch=False,
            folder=self.folder,
            now=lambda: datetime(2026, 3, 10, 12, tzinfo=UTC),
        )
        self.published = self.flask.extensions["published"] = published
        self.flask.wsgi_app = PublishedMiddleware(Flask.wsgi_app.__get__(self.flask), published)

    def revision(self) -> int:
        self._answer()
        return self.number

    def home(self):
        return middleware.publish("/", lambda: self._html(f"Home. {self.text}"))

    def history(self):
        number = request.args.get("page", 1, type=int)
        if number > 3:
            abort(404)
        address = "/history" if number == 1 else f"/history?page={number}"
        return middleware.publish(address, lambda: self._html(f"History {number}. {self.text}"))

    def incident(self, public_id):
        if public_id == "withdrawn":
            return middleware.publish(
                f"/incidents/{public_id}", lambda: self._html("Withdrawn.", status=410)
            )
        return middleware.publish(
            f"/incidents/{public_id}",
            lambda: self._html("Incident.") if public_id == "known" else None,
        )

    def desk(self):
        session["seen"] = True
        return "desk"

    def careless(self):
        session["seen"] = True
        return "never"

    def _html(self, text: str, status: int = 200) -> Rendering:
        self.renders += 1
        self._answer()
        body = f"<!doctype html><main><!--as-of-->{text}</main>".encode()
        return Rendering(status, "text/html; charset=utf-8", body)

    def _answer(self) -> None:
        if self.is_gone:
            raise ConnectionError("refused")

    def _enter(self) -> None:
        self.entered += 1


@pytest.fixture
def site(tmp_path) -> Site:
    return Site(tmp_path / "published")


@pytest.fixture
def reader(site):
    return site.flask.test_client()


# ── ready bytes ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Accept-Encoding": "gzip"},
        {"Accept-Encoding": "gzip, br"},
        {"If-None-Match": "*"},
        {"If-Modified-Since": DATE},
    ],
)
def test_first_and_cached_responses_are_identical_to_the_byte(site, method, headers):
    reader = site.flask.test_client()
    first = reader.open("/", method=method, headers=headers)
    second = reader.open("/", method=method, headers=headers)
    assert site.entered == 1, "the second never reached Flask"
    assert first.status == second.status
    assert list(first.headers) == list(second.headers)
    assert first.data == second.data


def test_cached_page_is_served_without_flask(site, reader):
    for _ in range(5):
        assert reader.get("/").status_code == 200
    assert (site.entered, site.renders) == (1, 1)


def test_change_is_served_after_the_next_check(site, reader):
    reader.get("/")
    site.text, site.number = "Checkout is down", 2
    assert "Checkout is down" in reader.get("/").text


def test_head_gives_the_length_without_a_body(reader):
    length = len(reader.get("/").data)
    answer = reader.head("/")
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["Content-Length"] == str(length)


def test_other_methods_reach_flask(reader):
    reader.get("/")
    assert reader.post("/").status_code == 405


def test_public_pages_have_all_caching_headers(reader):
    answer = reader.get("/")
    assert answer.headers["Cache-Control"].startswith("public, max-age=")
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.headers["Last-Modified"] == DATE
    assert answer.headers["ETag"].startswith('"')


# ── encodings ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "accepted, coding",
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("GZIP", "gzip"),
        ("br", "br"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br;q=0, gzip;q=0.000", None),
        ("*", "br"),
        ("*;q=0", None),
        ("br;q=0, *", "gzip"),
        ("identity;q=1, gzip;q=0.5", None),
        ("identity;q=0", None),
        ("deflate", None),
        ("br;q=2, gzip;q=x, ;;,", None),
        ("gzip ; q = 0.3", "gzip"),
    ],
)
def test_preferred_encoding_is_sent(site, reader, accepted, coding):
    reader.get("/")
    headers = {} if accepted is None else {"Accept-Encoding": accepted}
    answer = reader.get("/", headers=headers)
    assert answer.headers.get("Content-Encoding") == coding
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    assert decoded(answer).startswith(b"<!doctype html>")
    assert WORDS.encode() in decoded(answer)
    assert site.entered == 1


def decoded(answer) -> bytes:
    match answer.headers.get("Content-Encoding"):
        case "gzip":
            return gzip.decompress(answer.data)
        case "br":
            return brotli.decompress(answer.data)
        case _:
            return answer.data


codings = st.sampled_from(["br", "gzip", "x-gzip", "identity", "*", "deflate", "zstd", ""])
weights = st.sampled_from(["", ";q=0", ";q=0.0", ";q=1", ";q=0.5", ";q=0.25", ";q=7", ";q=", ";"])
headers = st.lists(st.tuples(codings, weights), max_size=6)


@given(headers)
def test_refused_encoding_is_not_sent(parts):
    ranked = acceptable(",".join(coding + weight for coding, weight in parts))
    last = {coding.removeprefix("x-"): weight for coding, weight in parts if is_weight(weight)}
    refused = {coding for coding, weight in last.items() if weight in (";q=0", ";q=0.0")}
    assert not refused & set(ranked)
    assert set(ranked) <= {"br", "gzip", "identity"}
    assert len(set(ranked)) == len(ranked)


def is_weight(text: str) -> bool:
    return text not in (";q=7", ";q=")


@given(st.text(max_size=300))
@example("," * 250)
@example(";q=1" * 100)
@example("br;q=1٠")
def test_any_accept_encoding_is_answered(text):
    answer = CachedResponse.of(Rendering(200, "text/plain", WORDS.encode()), datetime.now(UTC))
    assert answer.best(acceptable(text)) in answer.variants.values()


# ── conditional requests ───────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "condition, is_current",
    [
        ("{tag}", True),
        ("W/{tag}", True),
        ('"other", {tag}', True),
        ('W/"other",W/{tag} , "third"', True),
        ("*", True),
        (" * ", True),
        ('"other"', False),
        ("", False),
        ("garbage", False),
        ('"', False),
        ('"*"', False),
    ],
)
def test_matching_etag_gets_a_304(reader, condition, is_current):
    tag = reader.get("/").headers["ETag"]
    answer = reader.get("/", headers={"If-None-Match": condition.format(tag=tag)})
    assert answer.status_code == (304 if is_current else 200)
    assert bool(answer.data) is not is_current


def test_a_304_has_caching_headers_and_no_body_headers(reader):
    page = reader.get("/")
    answer = reader.get("/", headers={"If-None-Match": page.headers["ETag"]})
    assert answer.status_code == 304
    for name in ("ETag", "Cache-Control", "Vary"):
        assert answer.headers[name] == page.headers[name]
    assert "Content-Type" not in answer.headers
    assert "Content-Length" not in answer.headers


def test_etag_of_another_encoding_does_not_match(reader):
    reader.get("/")
    packed = reader.get("/", headers={"Accept-Encoding": "br"}).headers["ETag"]
    assert reader.get("/", headers={"If-None-Match": packed}).status_code == 200
    both = {"If-None-Match": packed, "Accept-Encoding": "br"}
    assert reader.get("/", headers=both).status_code == 304


@pytest.mark.parametrize(
    "since, status",
    [
        (DATE, 304),
        ("Tue, 10 Mar 2026 12:00:01 GMT", 304),
        ("Tue, 10 Mar 2026 11:59:59 GMT", 200),
        ("Tuesday, 10-Mar-26 12:00:00 GMT", 304),
        ("Tue, 10 Mar 2026 12:00:00 -0000", 200),
        ("yesterday", 200),
        ("", 200),
        ("Tue, 99 Mar 2026 12:00:00 GMT", 200),
        ("Tue, 10 Mar 99999999999999999999 12:00:00 GMT", 200),
    ],
)
def test_if_modified_since_is_compared_with_the_last_change(reader, since, status):
    reader.get("/")
    assert reader.get("/", headers={"If-Modified-Since": since}).status_code == status


def test_if_none_match_outranks_if_modified_since(reader):
    reader.get("/")
    answer = reader.get("/", headers={"If-None-Match": '"other"', "If-Modified-Since": DATE})
    assert answer.status_code == 200


@given(st.text(max_size=100))
def test_any_if_none_match_is_answered_and_matches_only_its_etag(text):
    assert matches(text, '"0123456789abcdef"') is (text.strip() == "*")


@given(st.lists(st.text(st.characters(exclude_characters='"', codec="latin-1"), max_size=9)))
def test_etag_matches_in_any_list(others):
    listed = ", ".join([*(f'W/"{other}"' for other in others), '"0123456789abcdef"'])
    assert matches(listed, '"0123456789abcdef"')


def test_withdrawn_page_is_gone_despite_a_matching_etag(reader):
    for _ in range(2):
        answer = reader.get("/incidents/withdrawn", headers={"If-None-Match": "*"})
        assert answer.status_code == 410
        assert b"Withdrawn." in answer.data


# ── addresses ──────────────────────────────────────────────────────────────────


def test_unknown_parameters_share_one_cache_entry(site, reader):
    page = reader.get("/").data
    for number in range(50):
        assert reader.get(f"/?utm_source=mail&_={number}").data == page
    assert site.entered == 1, "a link in a mail costs no more than the plain address"
    for number in range(50):
        assert reader.get(f"/?page={number}").data == page
        assert reader.get(f"/?p%61ge={number}").data == page
    assert len(site.published) == 1
    assert site.renders == 1


def test_page_number_selects_its_own_entry(site, reader):
    assert "History 1." in reader.get("/history").text
    for _ in range(2):
        assert "History 2." in reader.get("/history?page=2").text
        assert "History 2." in reader.get("/history?utm=x&page=2&y").text
        assert "History 2." in reader.get("/history?page=02").text
        assert "History 1." in reader.get("/history?page=two").text
        assert "History 3." in reader.get("/history?page=3&page=2").text
        assert reader.get("/history?page=4").status_code == 404
    assert len(site.published) == 3


@given(st.text(st.characters(codec="latin-1"), max_size=60))
def test_any_query_string_is_answered_and_selects_only_known_pages(query):
    address = canonical("/", query)
    assert address == "/" or any(word in query for word in ("page", "%", "+"))


def test_unknown_path_is_a_404_and_is_not_cached(site, reader):
    for number in range(20):
        assert reader.get(f"/incidents/{number}").status_code == 404
        assert reader.get(f"/wp-login-{number}.php").status_code == 404
    assert len(site.published) == 0
    assert not list(site.folder.glob("*"))


# ── no cookie ──────────────────────────────────────────────────────────────────


def test_public_pages_ignore_and_set_no_cookie(reader):
    desk = reader.get("/admin/")
    assert "Set-Cookie" in desk.headers
    for _ in range(2):
        answer = reader.get("/")
        assert "Set-Cookie" not in answer.headers
        assert "Cookie" not in answer.headers["Vary"]
    missing = reader.get("/nowhere")
    assert "Set-Cookie" not in missing.headers
    assert "Vary" not in missing.headers


def test_public_view_that_writes_to_the_session_raises(site, reader):
    site.flask.testing = True
    with pytest.raises(RuntimeError, match="no session outside /admin"):
        reader.get("/careless")


# ── the database is gone ───────────────────────────────────────────────────────


def test_readers_are_served_when_the_database_goes(site, reader):
    before = reader.get("/")
    site.is_gone = True
    after = reader.get("/")
    assert after.status_code == 200
    assert after.data == before.data


def test_restart_without_database_serves_the_last_copy(site, reader):
    reader.get("/")
    site.is_gone = True
    site.restart()
    for _ in range(2):
        answer = reader.get("/")
        assert answer.status_code == 200
        assert WORDS in answer.text
        assert 'class="stale"' in answer.text


def test_missing_copy_gets_a_503_with_an_apology(site, reader):
    site.is_gone = True
    answer = reader.get("/history")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "30"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "not available right now" in answer.text
    site.is_gone = False
    assert reader.get("/history").status_code == 200


def test_random_bytes_in_disk_copies_are_not_served(site, reader):
    addresses = ["/", "/history", "/history?page=2", "/incidents/known"]
    pages = {address: reader.get(address).data for address in addresses}
    dice = random.Random(20)
    for path in site.folder.iterdir():
        path.write_bytes(dice.randbytes(dice.randrange(2000)))
    site.restart()
    for address in addresses:
        answer = reader.get(address)
        assert (answer.status_code, answer.data) == (200, pages[address])


# ── in the product ─────────────────────────────────────────────────────────────


@pytest.fixture
def a_page(committed, at):
    with committed():
        pages.create("Example", by=SYSTEM, at=at)


def test_cached_page_is_independent_of_cookie_and_host(app, a_page):
    published = app.extensions["published"]
    with app.test_client() as client:
        first = client.get("/", headers={"Cookie": "statuspage=forged", "Host": "evil.example"})
        second = client.get("/")
    assert len(published) == 1
    assert first.data == second.data
    assert b"evil.example" not in first.data
    for answer in (first, second):
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers
        assert answer.headers["Vary"] == "Accept-Encoding"


def test_cached_page_costs_one_revision_query(app, a_page):
    client = app.test_client()
    client.get("/")
    with app.app_context():
        engine = db.engine
    asked = []
    listener = lambda _c, _u, statement, *_: asked.append(statement)  # noqa: E731
    sa.event.listen(engine, "before_cursor_execute", listener)
    assert client.get("/").status_code == 200
    assert len([statement for statement in asked if "SELECT" in statement]) == 1
    assert "revision" in asked[-1]


def test_staff_commit_is_on_the_next_page(app, a_page, committed, at):
    client = app.test_client()
    client.get("/")
    with committed():
        components.add_component("Checkout", by=SYSTEM, at=at)
    assert "Checkout" in client.get("/").text


def test_unexpected_error_gets_a_500_without_traceback(app):
    @app.get("/surprise")
    def surprise():
        raise RuntimeError("the inner workings")

    answer = app.test_client().get("/surprise")

    assert answer.status_code == 500
    assert "Something went wrong on our side." in answer.text
    assert "inner workings" not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
