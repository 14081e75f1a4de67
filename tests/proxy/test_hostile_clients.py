"""Clients that try to stall the proxy, each beside a second reader with a stopwatch."""

import socket
import time
from contextlib import ExitStack, contextmanager, suppress

import pytest

from statuspage.proxy import limits
from tests.helpers.proxy import rest, until

CHUNKED = b"POST /desk HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
UNFINISHED = b"POST /desk HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n"
MAX_WAIT_S = 1.0


@contextmanager
def attack(front, data: bytes):
    """Send `data` and keep the connection open; the proxy may hang up before the end."""
    with front.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(ConnectionError):
            connection.sendall(data)
        yield connection


def reader_wait_s(front) -> float:
    began = time.monotonic()
    assert front.ask("/")[0] == 200
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
def test_a_flood_of_small_or_endless_parts_delays_no_other_reader(front, data):
    front.ask("/")
    began = time.monotonic()
    with attack(front, data):
        assert reader_wait_s(front) < MAX_WAIT_S
        assert time.monotonic() - began < 5
        assert front.front.limits.held_bytes < 5_000_000
    until(lambda: front.front.limits.held_bytes == 0)


def test_bodies_that_nobody_finishes_leave_room_for_a_body_from_another_network(front):
    """The attacker holds its share; what it sends beyond ends its own oldest request."""
    held = front.front.limits
    held.max_held_bytes = 4_000_000
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(attack(front, UNFINISHED + b"x" * 300_000))
        until(lambda: held.held_bytes > 500_000)
        assert held.held_bytes <= held.max_held_bytes // held.network_share
        status, _, body = front.ask("/desk", "POST", b"x" * 1000)
        assert (status, b'"body":1000' in body) == (200, True)
        assert reader_wait_s(front) < MAX_WAIT_S


def test_stalled_connections_are_ended_rather_than_a_newcomer_refused(front):
    front.front.limits.max_connections = 80
    with ExitStack() as stack:
        stalled = [
            stack.enter_context(attack(front, UNFINISHED + b"0123456789")) for _ in range(200)
        ]
        for _ in range(10):
            assert reader_wait_s(front) < MAX_WAIT_S
        assert len(front.front.limits.connections) <= 20
        assert rest(stalled[0]) == b""


def test_clients_who_read_nothing_are_ended_rather_than_a_newcomer_refused(front):
    front.front.limits.max_connections, front.front.limits.network_share = 20, 1
    with ExitStack() as stack:
        for _ in range(20):
            unread = stack.enter_context(attack(front, b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n"))
            unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        # Three at a time are with the web process; the rest wait for them.
        until(lambda: any(client.is_unread for client in list(front.front.limits.connections)))
        assert reader_wait_s(front) < MAX_WAIT_S
        assert len(front.front.limits.connections) <= 20


def test_a_body_that_comes_too_slowly_is_ended(front, monkeypatch):
    monkeypatch.setattr(limits, "BODY_GRACE_S", 0.1)
    with attack(front, UNFINISHED + b"x") as connection:
        assert rest(connection).startswith(b"HTTP/1.1 408 ")


def test_a_request_ahead_of_its_response_counts_as_held(front, behind):
    behind.hold.clear()
    ahead = b"POST /desk HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000
    with attack(front, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + ahead * 5):
        until(lambda: front.front.limits.held_bytes > 5000)
    behind.hold.set()
    until(lambda: front.front.limits.held_bytes == 0)


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
def test_a_target_that_another_proxy_may_read_differently_is_refused(front, behind, target):
    asked = len(behind.asked)
    response = front.say(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % target)
    assert response.startswith(b"HTTP/1.1 400 ")
    assert len(behind.asked) == asked
