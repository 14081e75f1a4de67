"""The readers' process: what it hands out by itself, what it passes on, and what it survives."""

import asyncio
import gzip
import re
import socket
import threading
import time
from contextlib import closing, suppress
from datetime import timedelta
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import brotli
import pytest
import uvloop
from flask import Flask, request
from werkzeug.serving import make_server
from werkzeug.test import Client

from statuspage.front import kept, reader, server
from statuspage.front.server import Front
from statuspage.page.cache import Published, Rendering
from statuspage.web import edge
from statuspage.web.edge import Edge

WORDS = "All systems operational. " * 200


class Behind:
    """A web process of the test's own: a few addresses behind the real edge, on a Unix socket."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "web.sock"
        self.text = WORDS
        self.asked: list[str] = []
        self.hold = threading.Event()
        self.hold.set()
        self.flask = Flask("behind")
        published = Published(self._revision, watch=False)
        self.flask.extensions["published"] = published
        self.flask.add_url_rule("/", view_func=self._home)
        self.flask.add_url_rule("/gone", view_func=self._gone)
        self.flask.add_url_rule("/desk", view_func=self._desk, methods=["GET", "POST", "PUT"])
        self.flask.add_url_rule("/open", view_func=lambda: ("Anybody.", {"ETag": '"1"'}))
        self.flask.add_url_rule("/slow", view_func=self._slow)
        self.flask.add_url_rule("/stream", view_func=self._stream)
        self.flask.add_url_rule("/big", view_func=self._big)
        self.flask.add_url_rule("/broken", view_func=self._broken)
        inner = Edge(self.flask.wsgi_app, published)

        def app(environ, start_response):
            self.asked.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
            return inner(environ, start_response)

        self.app = app
        self.start()

    def start(self) -> None:
        self._server = make_server(f"unix://{self.socket}", 0, self.app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self.hold.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.socket.unlink(missing_ok=True)

    def _revision(self) -> int:
        return hash(self.text)

    def _home(self):
        def render() -> Rendering:
            html = f"<!doctype html><!--as-of--><p>{self.text}</p>"
            return Rendering(
                200,
                "text/html; charset=utf-8",
                html.encode(),
                shown_as="text/plain",
                headers=(("Vary", "Accept-Encoding, Sec-Fetch-Dest"),),
            )

        return edge.publish("/", render)

    def _gone(self):
        return edge.publish("/gone", lambda: Rendering(410, "text/html", b"Withdrawn."))

    def _desk(self):
        told = dict(request.headers.items())
        told |= {"method": request.method, "body": len(request.get_data())}
        return told, 200, {"Cache-Control": "no-store", "Set-Cookie": "statuspage=1"}

    def _slow(self):
        assert self.hold.wait(20)
        return "At last."

    def _stream(self):
        return self.flask.response_class(iter(["one ", "two ", "three"]), mimetype="text/plain")

    def _big(self):
        return self.flask.response_class(
            (b"x" * 100_000 for _ in range(50)), headers={"Content-Length": "5000000"}
        )

    def _broken(self):
        return self.flask.response_class(iter([b"half"]), headers={"Content-Length": "1000"})


class Running:
    """A front in a thread, with its event loop."""

    def __init__(self, path: Path) -> None:
        self.loop = uvloop.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.front = Front(path, threads=4)
        self.port = self.do(self.front.open("127.0.0.1", 0))

    def do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=20)

    def stop(self) -> None:
        self.do(self.front.close())
        self.do(self._settle())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _settle(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str):
        """Status, headers by lower-case name, body."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body=body, headers=names)
            return _read(connection.getresponse())

    def say(self, words: bytes) -> bytes:
        """All that comes until the front hangs up."""
        with self.connect() as connection:
            connection.sendall(words)
            return _rest(connection)


def _read(answer: HTTPResponse):
    return (
        answer.status,
        {name.lower(): value for name, value in answer.getheaders()},
        answer.read(),
    )


def _rest(connection: socket.socket) -> bytes:
    said = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            said += piece
    return said


def _until(is_so) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def behind(tmp_path):
    behind = Behind(tmp_path)
    yield behind
    behind.stop()


@pytest.fixture
def front(behind):
    running = Running(behind.socket)
    yield running
    running.stop()


@pytest.fixture
def _long_lived(monkeypatch):
    """A stored answer is given for long without a check, however slow this machine is."""
    monkeypatch.setattr(kept, "CHECK_AFTER_S", 60)
    monkeypatch.setattr(kept, "VALID_S", 60)


@pytest.fixture
def _always_checked(monkeypatch):
    monkeypatch.setattr(kept, "CHECK_AFTER_S", 0)
    monkeypatch.setattr(kept, "VALID_S", 0)


# ── what is stored ─────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("_long_lived")
def test_a_public_answer_is_asked_for_once_and_then_given_by_the_front_alone(front, behind):
    first, again = front.ask("/"), front.ask("/")
    assert first == again
    assert WORDS.encode() in first[2]
    assert behind.asked == ["GET /"]


ASKED_WITH = (
    {},
    {"Accept-Encoding": "gzip"},
    {"Accept-Encoding": "gzip, deflate, br"},
    {"Accept-Encoding": "br;q=0.5, gzip"},
    {"Accept-Encoding": "identity"},
    {"Sec-Fetch-Dest": "document"},
    {"If-None-Match": "*"},
    {"If-None-Match": '"else", "other"'},
    {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
    {"If-Modified-Since": "Fri, 01 Jan 2016 00:00:00 GMT"},
    {"If-Modified-Since": "yesterday"},
    {"Cookie": "statuspage=1"},
)
SAME = (
    "content-type",
    "content-length",
    "content-encoding",
    "etag",
    "cache-control",
    "vary",
    "set-cookie",
    "last-modified",
    "content-security-policy",
    "referrer-policy",
)


@pytest.mark.usefixtures("_long_lived")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/?utm_source=mail", "/", "/gone", "/nowhere", "/open"])
def test_the_front_says_what_the_web_process_would_say(front, behind, path, method):
    web = Client(behind.app)
    for headers in ASKED_WITH * 2:
        told = web.open(path, method=method, headers=headers)
        status, fields, body = front.ask(path, method, **headers)
        assert (status, body) == (told.status_code, told.data), headers
        for name in SAME:
            assert fields.get(name) == told.headers.get(name), (name, headers)


@pytest.mark.usefixtures("_long_lived")
def test_each_reader_gets_the_encoding_it_takes(front):
    plain = front.ask("/")[2]
    for _ in range(2):
        _, packed, body = front.ask("/", Accept_Encoding="gzip")
        assert (packed["content-encoding"], gzip.decompress(body)) == ("gzip", plain)
        _, packed, body = front.ask("/", Accept_Encoding="br, gzip")
        assert (packed["content-encoding"], brotli.decompress(body)) == ("br", plain)


@pytest.mark.usefixtures("_long_lived")
def test_a_reader_who_has_it_gets_no_body_even_the_first_time(front, behind):
    tag = front.ask("/")[1]["etag"]
    status, fields, body = front.ask("/", If_None_Match=tag)
    assert (status, body, fields["etag"]) == (304, b"", tag)
    assert "content-length" not in fields
    assert "content-security-policy" not in fields
    assert front.ask("/", If_None_Match=f"W/{tag}")[0] == 304
    # In an encoding that is not stored yet, too.
    tag = f'{tag[:-1]}-gzip"'
    assert front.ask("/", If_None_Match=tag, Accept_Encoding="gzip")[0] == 304


@pytest.mark.usefixtures("_always_checked")
def test_what_changed_is_given_from_the_next_check_on(front, behind):
    tag = front.ask("/")[1]["etag"]
    behind.text = "Checkout is down."
    status, fields, body = front.ask("/", If_None_Match=tag)
    assert status == 200
    assert b"Checkout is down." in body
    assert fields["etag"] != tag


def test_an_old_answer_goes_out_at_once_while_it_is_checked(front, behind, monkeypatch):
    monkeypatch.setattr(kept, "CHECK_AFTER_S", 0)
    monkeypatch.setattr(kept, "VALID_S", 60)
    front.ask("/")
    behind.text = "Checkout is down."
    assert WORDS.encode() in front.ask("/")[2]
    _until(lambda: b"Checkout is down." in front.ask("/")[2])


@pytest.mark.usefixtures("_always_checked")
def test_a_page_that_went_away_is_not_given_once_more(front, behind, monkeypatch):
    front.ask("/")
    behind.flask.extensions["published"]._entries.clear()
    monkeypatch.setattr(behind, "_home", None)
    behind.flask.view_functions["_home"] = lambda: ("Not here.", 404)
    assert front.ask("/")[0] == 404
    assert len(front.front.store) == 0


@pytest.mark.usefixtures("_long_lived")
@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "OAuth key"}, {"Range": "bytes=0-1"}],
    ids=str,
)
def test_a_request_that_is_not_everybodys_is_passed_on(front, behind, headers):
    front.ask("/")
    front.ask("/", **headers)
    assert len(behind.asked) == 2


def test_an_answer_that_is_not_public_is_never_stored(front):
    for _ in range(2):
        _, fields, _ = front.ask("/desk")
        assert fields["set-cookie"] == "statuspage=1"
    assert len(front.front.store) == 0


@pytest.mark.usefixtures("_long_lived")
def test_parameters_without_a_meaning_do_not_fill_the_store(front, behind):
    for number in range(20):
        assert front.ask(f"/?n={number}")[0] == 200
    assert len(front.front.store) == 0
    front.ask("/")
    asked = len(behind.asked)
    assert front.ask("/?n=20") == front.ask("/")
    assert len(behind.asked) == asked


@pytest.mark.usefixtures("_long_lived")
def test_the_store_keeps_what_is_read_within_its_bounds(front, behind, monkeypatch):
    monkeypatch.setattr(kept, "MAX_ENTRIES", 2)
    front.ask("/")
    front.ask("/gone")
    front.ask("/")
    front.ask("/", Accept_Encoding="gzip")
    asked = len(behind.asked)
    front.ask("/")
    assert len(behind.asked) == asked
    front.ask("/gone")
    assert len(behind.asked) == asked + 1


@pytest.mark.usefixtures("_long_lived")
def test_what_nobody_reads_is_forgotten(front):
    front.ask("/")
    front.front.store.let_go_of_unused(front.loop.time() + 599)
    assert len(front.front.store) == 1
    front.front.store.let_go_of_unused(front.loop.time() + 601)
    assert len(front.front.store) == 0


# ── what is passed on ──────────────────────────────────────────────────────────


def test_a_post_reaches_the_desk_with_its_body_and_where_it_came_from(front):
    status, fields, body = front.ask(
        "/desk", "POST", b"a=1&b=2", X_Forwarded_For="203.0.113.9", X_Forwarded_Proto="https"
    )
    assert status == 200
    assert fields["set-cookie"] == "statuspage=1"
    assert b'"body":7' in body
    assert b'"X-Forwarded-For":"203.0.113.9, 127.0.0.1"' in body
    assert b'"X-Forwarded-Proto":"https, http"' in body
    host = f"127.0.0.1:{front.port}".encode()
    assert b'"X-Forwarded-Host":"%s"' % host in body
    assert b'"Host":"%s"' % host in body


def test_nobody_can_pass_for_another_address_by_an_underscore_or_a_trailer(front):
    said = front.say(
        b"POST /desk HTTP/1.1\r\nHost: x\r\nX_Forwarded_For: 203.0.113.9\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\nTrailer: X-Forwarded-For\r\n\r\n"
        b"3\r\nabc\r\n0\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n"
    )
    assert b"203.0.113.9" not in said
    assert b'"X-Forwarded-For":"127.0.0.1"' in said
    assert b'"body":3' in said


def test_an_answer_of_unknown_length_is_passed_on_in_chunks(front):
    status, fields, body = front.ask("/stream")
    assert (status, body) == (200, b"one two three")
    assert fields["transfer-encoding"] == "chunked"


def test_to_an_old_reader_it_ends_with_the_connection(front):
    said = front.say(b"GET /stream HTTP/1.0\r\n\r\n")
    assert said.endswith(b"\r\n\r\none two three")
    assert b"transfer-encoding" not in said


def test_a_big_answer_arrives_whole_however_slowly_it_is_read(front):
    with front.connect() as connection:
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        begun = connection.recv(100)
        # The reader pauses; others are served.
        assert front.ask("/")[0] == 200
        said = begun + _rest(connection)
    assert said.partition(b"\r\n\r\n")[2] == b"x" * 5_000_000


def test_a_big_body_is_passed_on_and_one_too_big_is_refused(front, behind):
    status, _, body = front.ask("/desk", "POST", b"x" * 1_500_000)
    assert status == 200
    assert b'"body":1500000' in body
    _until(lambda: front.front.held_bytes == 0)
    asked = len(behind.asked)
    head = b"POST /desk HTTP/1.1\r\nHost: x\r\n"
    assert front.say(head + b"Content-Length: 3000000\r\n\r\n").startswith(b"HTTP/1.1 413 ")
    chunks = b"%x\r\n%s\r\n" % (500_000, b"x" * 500_000) * 5
    said = front.say(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    assert said.startswith(b"HTTP/1.1 413 ")
    assert len(behind.asked) == asked
    _until(lambda: front.front.held_bytes == 0)


def test_too_many_bodies_at_once_are_refused_and_forgotten(front, monkeypatch):
    monkeypatch.setattr(server, "MAX_HELD_BYTES", 1000)
    head = b"POST /desk HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n"
    assert front.say(head + b"x" * 1500).startswith(b"HTTP/1.1 503 ")
    _until(lambda: front.front.held_bytes == 0)


def test_a_reader_who_asks_before_sending_is_told_to_go_on(front):
    with front.connect() as connection:
        connection.sendall(
            b"POST /desk HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n"
            b"Connection: close\r\n\r\n"
        )
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        said = _rest(connection)
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b'"body":3' in said
    assert b"Expect" not in said


# ── one connection, many requests ──────────────────────────────────────────────


def test_one_connection_carries_many_requests(front):
    with closing(HTTPConnection("127.0.0.1", front.port, timeout=10)) as connection:
        kinds = [("GET", "/"), ("HEAD", "/"), ("POST", "/desk"), ("GET", "/nowhere"), ("GET", "/")]
        for method, path in kinds:
            connection.request(method, path, body=b"x" if method == "POST" else None)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == (404 if path == "/nowhere" else 200)
        assert connection.sock is not None


def test_requests_sent_ahead_are_answered_in_their_order(front):
    front.ask("/")
    words = b"".join(
        b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path
        for path in (b"/", b"/stream", b"/", b"/nowhere", b"/")
    )
    said = front.say(words + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    statuses = re.findall(rb"HTTP/1\.1 (\d+) ", said)
    assert statuses == [b"200", b"200", b"200", b"404", b"200", b"200"]
    assert said.count(WORDS.encode()) == 4
    assert said.index(b"three") > said.index(WORDS.encode())


def test_a_request_may_come_byte_by_byte(front):
    words = b"GET /?a=1 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    with front.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in words:
            connection.sendall(bytes([byte]))
        said = _rest(connection)
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"content-encoding: gzip" in said


def test_a_reader_who_says_no_more_still_gets_the_answer(front):
    with front.connect() as connection:
        connection.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert b"three" in _rest(connection)


def test_a_full_address_is_asked_for_like_its_path(front, behind):
    said = front.say(b"GET http://x/?a=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 200 ")
    assert behind.asked == ["GET /"]


def test_an_upgrade_is_not_taken_up_and_the_request_is_answered(front):
    said = front.say(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nrubbish"
    )
    assert said.startswith(b"HTTP/1.1 200 ")
    assert said.count(b"HTTP/1.1 ") == 1


# ── what is refused ────────────────────────────────────────────────────────────


HEAD = b"POST /desk HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "words",
    [
        HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        HEAD + b"Content-Length: 3, 3\r\n\r\nabc",
        HEAD + b"Content-Length: +3\r\n\r\nabc",
        HEAD + b"Content-Length: 99999999999999999999999\r\n\r\nabc",
        HEAD + b"Content-Length : 3\r\n\r\nabc",
        HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3;\rx\r\nabc\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
        HEAD + b"X: a\r\n folded\r\nContent-Length: 0\r\n\r\n",
        HEAD + b"X: a\rContent-Length: 3\r\n\r\n",
        HEAD + b"X: a\x00b\r\n\r\n",
        HEAD + b"X\x01: a\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET ftp://example.com/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=lambda words: repr(words.removeprefix(HEAD))[:60],
)
def test_what_could_be_read_in_two_ways_is_refused_and_never_passed_on(front, behind, words):
    said = front.say(words + b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
    assert re.findall(rb"HTTP/1\.1 (\d+) ", said) == [b"400"]
    assert behind.asked == []


def test_a_broken_request_is_refused_after_the_good_ones_before_it(front):
    said = front.say(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n rubbish\r\n\r\n")
    assert re.findall(rb"HTTP/1\.1 (\d+) ", said) == [b"200", b"400"]
    assert b"three" in said


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"a" * 40_000, b"431"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"a" * 40_000 + b"\r\n\r\n", b"431"),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\n"
            + b"".join(b"X%d: a\r\n" % number for number in range(101))
            + b"\r\n",
            b"431",
        ),
    ],
    ids=["address", "unfinished head", "long head", "many fields"],
)
def test_heads_have_limits(front, behind, words, status):
    assert re.findall(rb"HTTP/1\.1 (\d+) ", front.say(words)) == [status]
    assert behind.asked == []


# ── trouble ────────────────────────────────────────────────────────────────────


def test_sixty_readers_who_never_finish_stall_nobody_and_are_told_so(front, monkeypatch):
    monkeypatch.setattr(reader, "HEAD_S", 0)
    monkeypatch.setattr(reader, "BODY_S", 0)
    held = []
    for number in range(60):
        connection = front.connect()
        connection.sendall(HEAD + b"Content-Length: 9\r\n" + b"\r\nab" * (number % 2))
        held.append(connection)
    began = time.monotonic()
    assert front.ask("/")[0] == 200
    assert time.monotonic() - began < 1
    for connection in held:
        with connection:
            assert _rest(connection).startswith(b"HTTP/1.1 408 ")
    _until(lambda: not front.front.readers)


def test_a_reader_who_takes_nothing_is_let_go(front, monkeypatch):
    monkeypatch.setattr(reader, "STUCK_S", 0)
    with front.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        _until(lambda: front.front.readers)
        _until(lambda: not front.front.readers)


def test_a_reader_may_ask_only_so_far_ahead(front, behind):
    behind.hold.clear()
    with front.connect() as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        assert _rest(connection) == b""
    assert behind.asked.count("GET /slow") <= 1


def test_more_readers_than_there_is_room_for_are_told_so(front):
    front.front._max_readers = 2
    with front.connect() as first, front.connect() as second:
        _until(lambda: len(front.front.readers) == 2)
        assert front.say(b"").startswith(b"HTTP/1.1 503 ")
        for connection in (first, second):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert _rest(connection).startswith(b"HTTP/1.1 200 ")


def test_slow_views_leave_room_for_readers(front, behind):
    """Three turns are taken by slow views: stored answers go out, and are still checked."""
    front.ask("/")
    behind.hold.clear()
    held = [front.connect() for _ in range(10)]
    for connection in held:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    _until(lambda: behind.asked.count("GET /slow") == 3)
    behind.text = "Checkout is down."
    _until(lambda: b"Checkout is down." in front.ask("/")[2])
    assert behind.asked.count("GET /slow") == 3
    behind.hold.set()
    for connection in held:
        with connection:
            assert _rest(connection).endswith(b"At last.")


def test_a_slow_desk_leaves_room_for_a_page_that_nobody_has_read_yet(front, behind):
    behind.hold.clear()
    held = [front.connect() for _ in range(10)]
    for connection in held:
        connection.sendall(
            b"GET /slow HTTP/1.1\r\nHost: x\r\nCookie: a=1\r\nConnection: close\r\n\r\n"
        )
    _until(lambda: behind.asked.count("GET /slow") == 2)
    assert front.ask("/")[0] == 200
    assert front.ask("/nowhere")[0] == 404
    assert behind.asked.count("GET /slow") == 2
    behind.hold.set()
    for connection in held:
        with connection:
            assert _rest(connection).endswith(b"At last.")


def test_when_the_web_process_is_gone_readers_get_what_is_stored(front, behind, caplog):
    before = front.ask("/")
    behind.stop()
    began = time.monotonic()
    for _ in range(20):
        assert front.ask("/") == before
    assert time.monotonic() - began < 3
    status, fields, body = front.ask("/desk", "POST", b"x")
    assert (status, fields["retry-after"]) == (503, "30")
    assert b"does not answer at the moment" in body
    assert "Traceback" not in caplog.text
    behind.start()
    assert front.ask("/desk")[0] == 200


@pytest.mark.parametrize("coding", ["", "gzip", "br"])
def test_a_stored_page_says_how_old_it_is_once_it_is_old(front, behind, monkeypatch, coding):
    monkeypatch.setattr(kept, "OLD_AFTER", timedelta(0))
    monkeypatch.setattr(kept, "RETRY_AFTER_S", 0.05)
    tag = front.ask("/", Accept_Encoding=coding)[1]["etag"]
    behind.stop()
    unpack = {"": bytes, "gzip": gzip.decompress, "br": brotli.decompress}[coding]

    def page():
        status, _, body = front.ask("/", Accept_Encoding=coding, If_None_Match=tag)
        return unpack(body) if status == 200 else b""

    _until(lambda: b'<p class="stale" role="status">As of' in page())
    assert WORDS.encode() in page()
    behind.start()
    _until(lambda: page() == b"")


def test_an_answer_that_breaks_off_is_not_passed_for_a_whole_one(front):
    said = front.say(b"GET /broken HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 503 ")


def test_a_web_process_that_hangs_keeps_no_reader_of_stored_pages_waiting(
    front, behind, monkeypatch
):
    monkeypatch.setattr(kept, "PATIENCE_S", 0.2)
    before = front.ask("/")
    behind.stop()
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(behind.socket))
        mute.listen(100)
        began = time.monotonic()
        for _ in range(20):
            assert front.ask("/") == before
        assert time.monotonic() - began < 3
    behind.socket.unlink()
    behind.start()
    behind.text = "Back."
    _until(lambda: b"Back." in front.ask("/")[2])


def test_a_view_that_hangs_ends_in_calm_words(front, behind, monkeypatch):
    monkeypatch.setattr(reader, "ANSWER_S", 0.1)
    behind.hold.clear()
    status, fields, _ = front.ask("/slow")
    assert (status, fields["retry-after"]) == (503, "30")


def test_a_front_that_stops_gives_the_answers_under_way_and_says_that_it_leaves(behind):
    running = Running(behind.socket)
    behind.hold.clear()
    with running.connect() as busy, running.connect() as idle:
        busy.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        _until(lambda: "GET /slow" in behind.asked)
        stopping = threading.Thread(target=running.stop)
        stopping.start()
        assert _rest(idle) == b""
        behind.hold.set()
        said = _rest(busy)
        stopping.join()
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close\r\n" in said
    assert said.endswith(b"At last.")
    with pytest.raises(ConnectionRefusedError):
        running.connect()
