"""Clients that try to stall the proxy, each beside a second client with a stopwatch."""

import socket
import time
from contextlib import ExitStack, closing, contextmanager, suppress

import pytest

from statuspage.proxy import limits
from tests.helpers.proxy import cached_for_long, rest, until

CHUNKED = b"POST /admin HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
UNFINISHED = b"POST /admin HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n"
BIG = b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n"
MAX_WAIT_S = 1.0


@contextmanager
def attack(proxy, data: bytes):
    """Send `data` and keep the connection open; the proxy may close it before the end."""
    with proxy.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(ConnectionError):
            connection.sendall(data)
        yield connection


@contextmanager
def unread(proxy, data: bytes):
    """Send `data` and read nothing; the kernel keeps little of the responses."""
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", proxy.port))
        connection.sendall(data)
        yield connection


def client_wait_s(proxy) -> float:
    began = time.monotonic()
    assert proxy.ask("/")[0] == 200
    return time.monotonic() - began


@pytest.mark.parametrize(
    "data",
    [
        CHUNKED + b"1\r\na\r\n" * 200_000,
        CHUNKED + b"0\r\n" + b"x:\r\n" * 262_144,
        CHUNKED + b"0\r\n" + b"".join(b"x%d: %b\r\n" % (n, b"y" * 1000) for n in range(20_000)),
        CHUNKED + b"0\r\nx: " + b"y" * 20_000_000,
        CHUNKED + b"1;" + b"y" * 20_000_000,
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"x:\r\n" * 262_144,
        b"GET / HTTP/1.1\r\nHost: x\r\nx: " + b"y" * 20_000_000,
        b"GET /" + b"y" * 20_000_000,
    ],
    ids=[
        "chunks of one byte",
        "a trailer that repeats",
        "trailers with rising names",
        "a trailer that does not end",
        "a chunk extension that does not end",
        "a field that repeats",
        "a field that does not end",
        "a target that does not end",
    ],
)
def test_a_flood_of_small_or_endless_parts_delays_no_other_client(proxy, data):
    proxy.ask("/")
    began = time.monotonic()
    with attack(proxy, data):
        assert client_wait_s(proxy) < MAX_WAIT_S
        assert time.monotonic() - began < 5
        assert proxy.server.limits.held_bytes < 5_000_000
    until(lambda: proxy.server.limits.held_bytes == 0)


def test_bodies_that_nobody_finishes_leave_room_for_a_body_from_another_network(proxy):
    """The attacker holds its share; what it sends beyond ends its own oldest request."""
    held = proxy.server.limits
    held.max_held_bytes = 4_000_000
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(attack(proxy, UNFINISHED + b"x" * 300_000))
        until(lambda: held.held_bytes > 500_000)
        assert held.held_bytes <= held.max_held_bytes // held.network_share
        status, _, body = proxy.ask("/admin", "POST", b"x" * 1000)
        assert (status, b'"body":1000' in body) == (200, True)
        assert client_wait_s(proxy) < MAX_WAIT_S


def test_stalled_connections_are_ended_rather_than_a_newcomer_refused(proxy):
    proxy.server.limits.max_connections = 80
    with ExitStack() as stack:
        stalled = [
            stack.enter_context(attack(proxy, UNFINISHED + b"0123456789")) for _ in range(200)
        ]
        for _ in range(10):
            assert client_wait_s(proxy) < MAX_WAIT_S
        assert len(proxy.server.limits.connections) <= 20
        assert rest(stalled[0]) == b""


@cached_for_long
def test_clients_who_read_nothing_are_ended_rather_than_a_newcomer_refused(proxy):
    proxy.ask("/")
    proxy.server.limits.max_connections, proxy.server.limits.network_share = 20, 1
    with ExitStack() as stack:
        for _ in range(20):
            unread = stack.enter_context(attack(proxy, b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n"))
            unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        # Three at a time are with the web process; the rest wait for them.
        until(lambda: any(client.is_unread for client in list(proxy.server.limits.connections)))
        assert client_wait_s(proxy) < MAX_WAIT_S
        assert len(proxy.server.limits.connections) <= 20


def test_a_response_that_nobody_reads_counts_as_held(proxy):
    with unread(proxy, BIG):
        until(lambda: proxy.server.limits.held_bytes > 50_000)
    until(lambda: proxy.server.limits.held_bytes == 0)


@cached_for_long
def test_a_cached_response_that_nobody_reads_counts_as_held(proxy, web_process):
    web_process.text = "x" * 500_000
    ahead = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20
    with unread(proxy, ahead):
        until(lambda: proxy.server.limits.held_bytes > 50_000)
    until(lambda: proxy.server.limits.held_bytes == 0)


def test_unread_responses_end_the_oldest_and_leave_room_for_a_body(proxy):
    held = proxy.server.limits
    held.max_held_bytes, held.network_share = 200_000, 1
    with ExitStack() as stack:
        clients = [stack.enter_context(unread(proxy, BIG)) for _ in range(6)]
        until(lambda: 0 < len(held.connections) < len(clients))
        status, _, body = proxy.ask("/admin", "POST", b"x" * 1000)
        assert (status, b'"body":1000' in body) == (200, True)
        assert held.held_bytes <= held.max_held_bytes


def test_a_body_that_comes_too_slowly_is_ended(proxy, monkeypatch):
    monkeypatch.setattr(limits, "BODY_GRACE_S", 0.1)
    with attack(proxy, UNFINISHED + b"x") as connection:
        assert rest(connection).startswith(b"HTTP/1.1 408 ")


def test_a_request_ahead_of_its_response_counts_as_held(proxy, web_process):
    web_process.hold.clear()
    ahead = b"POST /admin HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000
    with attack(proxy, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + ahead * 5):
        until(lambda: proxy.server.limits.held_bytes > 5000)
    web_process.hold.set()
    until(lambda: proxy.server.limits.held_bytes == 0)


@pytest.mark.parametrize(
    "target",
    [
        b"http://a?b/admin/audit",
        b"http://a#b/admin/audit",
        b"http://user@x/admin/audit",
        b"http://elsewhere/admin/audit",
        b"/admin/audit#x",
        b"/#/admin/audit",
    ],
)
def test_a_target_that_another_proxy_may_read_differently_is_refused(proxy, web_process, target):
    asked = len(web_process.asked)
    response = proxy.say(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % target)
    assert response.startswith(b"HTTP/1.1 400 ")
    assert len(web_process.asked) == asked


def test_clients_who_read_nothing_do_not_keep_every_turn_from_a_new_page(proxy, monkeypatch):
    monkeypatch.setattr(limits, "CROWDED_WRITE_TIMEOUT_S", 0)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(unread(proxy, BIG))
        connections = proxy.server.limits.connections
        until(lambda: sum(client.is_unread for client in list(connections)) == 3)
        assert proxy.ask("/open")[0] == 200
