"""What the proxy passes on, and what it refuses."""

import re
import socket
from contextlib import closing
from http.client import HTTPConnection

import pytest

from statuspage.proxy.http import Request
from tests.helpers.proxy import WORDS, rest, until


def test_a_post_reaches_the_admin_with_its_body_and_where_it_came_from(proxy):
    status, fields, body = proxy.ask(
        "/admin", "POST", b"a=1&b=2", X_Forwarded_For="203.0.113.9", X_Forwarded_Proto="https"
    )
    assert status == 200
    assert fields["set-cookie"] == "statuspage=1"
    assert b'"body":7' in body
    assert b'"X-Forwarded-For":"203.0.113.9, 127.0.0.1"' in body
    assert b'"X-Forwarded-Proto":"https, http"' in body
    host = f"127.0.0.1:{proxy.port}".encode()
    assert b'"X-Forwarded-Host":"%s"' % host in body
    assert b'"Host":"%s"' % host in body


def test_an_underscore_in_a_field_name_does_not_forge_an_address(proxy):
    response = proxy.say(
        b"POST /admin HTTP/1.1\r\nHost: x\r\nX_Forwarded_For: 203.0.113.9\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    )
    assert b"203.0.113.9" not in response
    assert b'"X-Forwarded-For":"127.0.0.1"' in response
    assert b'"body":3' in response


def test_a_trailer_is_refused(proxy, web_process):
    asked = len(web_process.asked)
    response = proxy.say(
        b"POST /admin HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        b"Trailer: X-Forwarded-For\r\n\r\n3\r\nabc\r\n0\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n"
    )
    assert response.startswith(b"HTTP/1.1 400 ")
    assert len(web_process.asked) == asked


def test_header_name_with_underscore_is_not_forwarded():
    """To WSGI it is the same as one with a hyphen; our test server drops it by itself."""
    fields = {b"host": b"x", b"x_forwarded_for": b"203.0.113.9", b"x-kept": b"1"}
    head = Request(b"POST", b"/admin", fields, b"").passed_on(b"127.0.0.1", None)
    assert b"203.0.113.9" not in head
    assert b"\r\nx-kept: 1\r\n" in head


def test_a_response_of_unknown_length_is_passed_on_in_chunks(proxy):
    status, fields, body = proxy.ask("/stream")
    assert (status, body) == (200, b"one two three")
    assert fields["transfer-encoding"] == "chunked"


def test_to_an_http_1_0_client_it_ends_with_the_connection(proxy):
    said = proxy.say(b"GET /stream HTTP/1.0\r\n\r\n")
    assert said.endswith(b"\r\n\r\none two three")
    assert b"transfer-encoding" not in said


def test_a_big_response_arrives_whole_however_slowly_it_is_read(proxy):
    with proxy.connect() as connection:
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        begun = connection.recv(100)
        # The client pauses; others are served.
        assert proxy.ask("/")[0] == 200
        said = begun + rest(connection)
    assert said.partition(b"\r\n\r\n")[2] == b"x" * 5_000_000


def test_a_big_body_is_passed_on_and_one_too_big_is_refused(proxy, web_process):
    status, _, body = proxy.ask("/admin", "POST", b"x" * 900_000)
    assert status == 200
    assert b'"body":900000' in body
    until(lambda: proxy.server.limits.held_bytes == 0)
    asked = len(web_process.asked)
    head = b"POST /admin HTTP/1.1\r\nHost: x\r\n"
    assert proxy.say(head + b"Content-Length: 3000000\r\n\r\n").startswith(b"HTTP/1.1 413 ")
    chunks = b"%x\r\n%s\r\n" % (500_000, b"x" * 500_000) * 5
    said = proxy.say(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    assert said.startswith(b"HTTP/1.1 413 ")
    assert len(web_process.asked) == asked
    until(lambda: proxy.server.limits.held_bytes == 0)


def test_a_body_beyond_the_share_of_its_network_is_refused_and_forgotten(proxy):
    proxy.server.limits.max_held_bytes = 1000
    head = b"POST /admin HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n"
    assert proxy.say(head + b"x" * 1500).startswith(b"HTTP/1.1 503 ")
    until(lambda: proxy.server.limits.held_bytes == 0)


def test_expect_100_continue_is_answered_before_the_body(proxy):
    with proxy.connect() as connection:
        connection.sendall(
            b"POST /admin HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n"
            b"Connection: close\r\n\r\n"
        )
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        said = rest(connection)
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b'"body":3' in said
    assert b"Expect" not in said


# ── one connection, many requests ──────────────────────────────────────────────


def test_one_connection_carries_many_requests(proxy):
    with closing(HTTPConnection("127.0.0.1", proxy.port, timeout=10)) as connection:
        kinds = [("GET", "/"), ("HEAD", "/"), ("POST", "/admin"), ("GET", "/nowhere"), ("GET", "/")]
        for method, path in kinds:
            connection.request(method, path, body=b"x" if method == "POST" else None)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == (404 if path == "/nowhere" else 200)
        assert connection.sock is not None


def test_requests_sent_ahead_are_answered_in_their_order(proxy):
    proxy.ask("/")
    words = b"".join(
        b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path
        for path in (b"/", b"/stream", b"/", b"/nowhere", b"/")
    )
    said = proxy.say(words + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    statuses = re.findall(rb"HTTP/1\.1 (\d+) ", said)
    assert statuses == [b"200", b"200", b"200", b"404", b"200", b"200"]
    assert said.count(WORDS.encode()) == 4
    assert said.index(b"three") > said.index(WORDS.encode())


def test_a_request_may_come_byte_by_byte(proxy):
    words = b"GET /?a=1 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    with proxy.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in words:
            connection.sendall(bytes([byte]))
        said = rest(connection)
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"content-encoding: gzip" in said


def test_a_client_that_closed_its_sending_side_still_gets_the_response(proxy):
    with proxy.connect() as connection:
        connection.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert b"three" in rest(connection)


def test_a_full_address_is_asked_for_like_its_path(proxy, web_process):
    said = proxy.say(b"GET http://x/?a=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 200 ")
    assert web_process.asked == ["GET /"]


def test_an_upgrade_is_not_taken_up_and_the_request_is_answered(proxy):
    said = proxy.say(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nrubbish"
    )
    assert said.startswith(b"HTTP/1.1 200 ")
    assert said.count(b"HTTP/1.1 ") == 1


# ── what is refused ────────────────────────────────────────────────────────────


HEAD = b"POST /admin HTTP/1.1\r\nHost: x\r\n"


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
def test_what_could_be_read_in_two_ways_is_refused_and_never_passed_on(proxy, web_process, words):
    said = proxy.say(words + b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
    assert re.findall(rb"HTTP/1\.1 (\d+) ", said) == [b"400"]
    assert web_process.asked == []


def test_a_broken_request_is_refused_after_the_good_ones_before_it(proxy):
    said = proxy.say(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n rubbish\r\n\r\n")
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
def test_heads_have_limits(proxy, web_process, words, status):
    assert re.findall(rb"HTTP/1\.1 (\d+) ", proxy.say(words)) == [status]
    assert web_process.asked == []
