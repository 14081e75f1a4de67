"""Slow readers, a slow desk, a web process that is gone: the front goes on."""

import asyncio
import gzip
import socket
import threading
import time

import brotli
import pytest

from statuspage.proxy import limits
from tests.helpers.proxy import WORDS, Running, cached, cached_for_long, rest, soon_old, until


def test_sixty_readers_who_never_finish_stall_nobody_and_are_told_so(front, monkeypatch):
    monkeypatch.setattr(limits, "HEADER_TIMEOUT_S", 0)
    monkeypatch.setattr(limits, "BODY_TIMEOUT_S", 0)
    head = b"POST /desk HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
    held = []
    for number in range(60):
        connection = front.connect()
        connection.sendall(head + b"\r\nab" * (number % 2))
        held.append(connection)
    began = time.monotonic()
    assert front.ask("/")[0] == 200
    assert time.monotonic() - began < 1
    for connection in held:
        with connection:
            assert rest(connection).startswith(b"HTTP/1.1 408 ")
    until(lambda: not front.front.limits.connections)


def test_a_reader_who_takes_nothing_is_let_go(front, monkeypatch):
    monkeypatch.setattr(limits, "WRITE_TIMEOUT_S", 0)
    with front.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: front.front.limits.connections)
        until(lambda: not front.front.limits.connections)


def test_a_reader_may_ask_only_so_far_ahead(front, behind):
    behind.hold.clear()
    with front.connect() as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        assert rest(connection) == b""
    assert behind.asked.count("GET /slow") <= 1


def test_a_newcomer_takes_the_place_of_the_oldest_idle_connection(front):
    front.front.limits.max_connections, front.front.limits.network_share = 2, 1
    with front.connect() as first, front.connect() as second:
        until(lambda: len(front.front.limits.connections) == 2)
        for connection in (front.connect(), second):
            with connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert rest(connection).startswith(b"HTTP/1.1 200 ")
        assert rest(first) == b""


def test_of_many_who_come_at_once_each_turn_of_the_loop_lets_several_in(front):
    async def crowd():
        held, turns = [front.connect() for _ in range(64)], 0
        while len(front.front.limits.connections) < len(held):
            await asyncio.sleep(0)
            turns += 1
        return held, turns

    held, turns = front.do(crowd())
    assert turns < 16
    for connection in held:
        connection.close()


def test_slow_views_leave_room_for_readers(front, behind):
    """Three turns are taken by slow views: stored answers go out, and are still checked."""
    front.ask("/")
    behind.hold.clear()
    held = [front.connect() for _ in range(10)]
    for connection in held:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    until(lambda: behind.asked.count("GET /slow") == 3)
    behind.text = "Checkout is down."
    until(lambda: b"Checkout is down." in front.ask("/")[2])
    assert behind.asked.count("GET /slow") == 3
    behind.hold.set()
    for connection in held:
        with connection:
            assert rest(connection).endswith(b"At last.")


def test_a_slow_desk_leaves_room_for_a_page_that_nobody_has_read_yet(front, behind):
    behind.hold.clear()
    held = [front.connect() for _ in range(10)]
    for connection in held:
        connection.sendall(
            b"GET /slow HTTP/1.1\r\nHost: x\r\nCookie: a=1\r\nConnection: close\r\n\r\n"
        )
    until(lambda: behind.asked.count("GET /slow") == 2)
    assert front.ask("/")[0] == 200
    assert front.ask("/nowhere")[0] == 404
    assert behind.asked.count("GET /slow") == 2
    behind.hold.set()
    for connection in held:
        with connection:
            assert rest(connection).endswith(b"At last.")


def test_when_the_web_process_is_gone_readers_get_what_is_stored(front, behind, caplog):
    before = front.ask("/")
    behind.stop()
    began = time.monotonic()
    for _ in range(20):
        assert front.ask("/") == before
    assert time.monotonic() - began < 3
    status, fields, body = front.ask("/desk", "POST", b"x")
    assert (status, fields["retry-after"]) == (503, "30")
    assert b"is not responding right now" in body
    assert "Traceback" not in caplog.text
    behind.start()
    assert front.ask("/desk")[0] == 200


@cached_for_long
def test_a_crowd_for_a_page_that_nobody_has_read_is_no_line_before_the_desk(front, behind):
    home = behind.flask.view_functions["_home"]
    behind.flask.view_functions["_home"] = lambda: behind.hold.wait(20) and home()
    behind.hold.clear()
    held = [front.connect() for _ in range(40)]
    for connection in held:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    until(lambda: behind.asked.count("GET /") == 3)
    until(lambda: len(front.front.limits.connections) == len(held))
    with front.connect() as desk:
        desk.sendall(b"POST /desk HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
        desk.sendall(b"Content-Length: 1\r\n\r\nx")
        until(lambda: len(front.front.limits.connections) > len(held))
        behind.hold.set()
        assert rest(desk).startswith(b"HTTP/1.1 200 ")
    for connection in held:
        with connection:
            assert WORDS.encode() in rest(connection)
    assert behind.asked.count("GET /") == 3


@soon_old
@pytest.mark.parametrize("coding", ["", "gzip", "br"])
def test_a_stored_page_says_how_old_it_is_once_it_is_old(front, behind, coding):
    tag = front.ask("/", Accept_Encoding=coding)[1]["etag"]
    behind.stop()
    unpack = {"": bytes, "gzip": gzip.decompress, "br": brotli.decompress}[coding]

    def page():
        status, _, body = front.ask("/", Accept_Encoding=coding, If_None_Match=tag)
        return unpack(body) if status == 200 else b""

    until(lambda: b'<p class="stale" role="status">As of' in page())
    assert WORDS.encode() in page()
    behind.start()
    until(lambda: page() == b"")


def test_an_answer_that_breaks_off_is_not_passed_for_a_whole_one(front):
    said = front.say(b"GET /broken HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 503 ")


@cached(check_timeout_s=0.2)
def test_a_web_process_that_hangs_keeps_no_reader_of_stored_pages_waiting(front, behind):
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
    until(lambda: b"Back." in front.ask("/")[2])


def test_a_view_that_hangs_ends_in_calm_words(front, behind, monkeypatch):
    monkeypatch.setattr(limits, "RESPONSE_TIMEOUT_S", 0.1)
    behind.hold.clear()
    status, fields, _ = front.ask("/slow")
    assert (status, fields["retry-after"]) == (503, "30")


def test_a_front_that_stops_gives_the_answers_under_way_and_says_that_it_leaves(behind):
    running = Running(behind.socket)
    behind.hold.clear()
    with running.connect() as busy, running.connect() as idle:
        busy.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: "GET /slow" in behind.asked)
        stopping = threading.Thread(target=running.stop)
        stopping.start()
        assert rest(idle) == b""
        behind.hold.set()
        said = rest(busy)
        stopping.join()
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close\r\n" in said
    assert said.endswith(b"At last.")
    with pytest.raises(ConnectionRefusedError):
        running.connect()
