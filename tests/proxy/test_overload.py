"""Slow clients, a slow admin, a web process that is gone: the proxy goes on."""

import asyncio
import gzip
import json
import socket
import threading
import time

import brotli
import pytest

from statuspage.proxy import limits
from tests.helpers.proxy import WORDS, Running, cached, cached_for_long, rest, soon_old, until


def test_sixty_clients_that_never_finish_stall_nobody_and_get_408(proxy, monkeypatch):
    monkeypatch.setattr(limits, "HEADER_TIMEOUT_S", 0)
    monkeypatch.setattr(limits, "BODY_TIMEOUT_S", 0)
    head = b"POST /admin HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
    held = []
    for number in range(60):
        connection = proxy.connect()
        connection.sendall(head + b"\r\nab" * (number % 2))
        held.append(connection)
    began = time.monotonic()
    assert proxy.ask("/")[0] == 200
    assert time.monotonic() - began < 1
    for connection in held:
        with connection:
            assert rest(connection).startswith(b"HTTP/1.1 408 ")
    until(lambda: not proxy.server.limits.connections)


def test_a_client_that_reads_nothing_is_ended(proxy, monkeypatch):
    monkeypatch.setattr(limits, "WRITE_TIMEOUT_S", 0)
    with proxy.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: proxy.server.limits.connections)
        until(lambda: not proxy.server.limits.connections)


def test_a_client_may_send_only_so_many_requests_ahead(proxy, web_process):
    web_process.hold.clear()
    with proxy.connect() as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        assert rest(connection) == b""
    assert web_process.asked.count("GET /slow") <= 1


def test_a_newcomer_takes_the_place_of_the_oldest_idle_connection(proxy):
    proxy.server.limits.max_connections, proxy.server.limits.network_share = 2, 1
    with proxy.connect() as first, proxy.connect() as second:
        until(lambda: len(proxy.server.limits.connections) == 2)
        for connection in (proxy.connect(), second):
            with connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert rest(connection).startswith(b"HTTP/1.1 200 ")
        assert rest(first) == b""


def test_of_many_who_come_at_once_each_turn_of_the_loop_lets_several_in(proxy):
    async def crowd():
        held, turns = [proxy.connect() for _ in range(64)], 0
        while len(proxy.server.limits.connections) < len(held):
            await asyncio.sleep(0)
            turns += 1
        return held, turns

    held, turns = proxy.do(crowd())
    assert turns < 16
    for connection in held:
        connection.close()


def test_slow_views_leave_room_for_readers(proxy, web_process):
    """Three slots are taken by slow views: cached responses go out, and are still checked."""
    proxy.ask("/")
    web_process.hold.clear()
    held = [proxy.connect() for _ in range(10)]
    for connection in held:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    until(lambda: web_process.asked.count("GET /slow") == 3)
    web_process.text = "Checkout is down."
    until(lambda: b"Checkout is down." in proxy.ask("/")[2])
    assert web_process.asked.count("GET /slow") == 3
    web_process.hold.set()
    for connection in held:
        with connection:
            assert rest(connection).endswith(b"At last.")


def test_a_slow_admin_leaves_room_for_a_page_that_is_not_cached(proxy, web_process):
    web_process.hold.clear()
    held = [proxy.connect() for _ in range(10)]
    for connection in held:
        connection.sendall(
            b"GET /slow HTTP/1.1\r\nHost: x\r\nCookie: a=1\r\nConnection: close\r\n\r\n"
        )
    until(lambda: web_process.asked.count("GET /slow") == 2)
    assert proxy.ask("/")[0] == 200
    assert proxy.ask("/nowhere")[0] == 404
    assert web_process.asked.count("GET /slow") == 2
    web_process.hold.set()
    for connection in held:
        with connection:
            assert rest(connection).endswith(b"At last.")


def test_without_a_web_process_clients_get_what_is_cached(proxy, web_process, caplog):
    before = proxy.ask("/")
    web_process.stop()
    began = time.monotonic()
    for _ in range(20):
        assert proxy.ask("/") == before
    assert time.monotonic() - began < 3
    status, fields, body = proxy.ask("/admin", "POST", b"x")
    assert (status, fields["retry-after"]) == (503, "30")
    assert b"is not responding right now" in body
    assert "Traceback" not in caplog.text
    web_process.start()
    assert proxy.ask("/admin")[0] == 200


@cached_for_long
def test_a_crowd_for_a_page_that_is_not_cached_does_not_delay_the_admin(proxy, web_process):
    home = web_process.flask.view_functions["_home"]
    web_process.flask.view_functions["_home"] = lambda: web_process.hold.wait(20) and home()
    web_process.hold.clear()
    held = [proxy.connect() for _ in range(40)]
    for connection in held:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    until(lambda: web_process.asked.count("GET /") == 3)
    until(lambda: len(proxy.server.limits.connections) == len(held))
    with proxy.connect() as admin:
        admin.sendall(b"POST /admin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
        admin.sendall(b"Content-Length: 1\r\n\r\nx")
        until(lambda: len(proxy.server.limits.connections) > len(held))
        web_process.hold.set()
        assert rest(admin).startswith(b"HTTP/1.1 200 ")
    for connection in held:
        with connection:
            assert WORDS.encode() in rest(connection)
    assert web_process.asked.count("GET /") == 3


@soon_old
@pytest.mark.parametrize("coding", ["", "gzip", "br"])
def test_a_cached_page_says_how_old_it_is_once_it_is_old(proxy, web_process, coding):
    tag = proxy.ask("/", Accept_Encoding=coding)[1]["etag"]
    web_process.stop()
    unpack = {"": bytes, "gzip": gzip.decompress, "br": brotli.decompress}[coding]

    def page():
        status, _, body = proxy.ask("/", Accept_Encoding=coding, If_None_Match=tag)
        return unpack(body) if status == 200 else b""

    until(lambda: b'<p class="stale" role="status">As of' in page())
    assert WORDS.encode() in page()
    web_process.start()
    until(lambda: page() == b"")


def test_a_response_that_breaks_off_becomes_503(proxy):
    said = proxy.say(b"GET /broken HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 503 ")


@cached(check_timeout_s=0.2)
def test_a_web_process_that_hangs_keeps_no_client_of_cached_pages_waiting(proxy, web_process):
    before = proxy.ask("/")
    web_process.stop()
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(web_process.socket))
        mute.listen(100)
        began = time.monotonic()
        for _ in range(20):
            assert proxy.ask("/") == before
        assert time.monotonic() - began < 3
    web_process.socket.unlink()
    web_process.start()
    web_process.text = "Back."
    until(lambda: b"Back." in proxy.ask("/")[2])


def test_a_view_that_hangs_ends_in_503(proxy, web_process, monkeypatch):
    monkeypatch.setattr(limits, "RESPONSE_TIMEOUT_S", 0.1)
    web_process.hold.clear()
    status, fields, _ = proxy.ask("/slow")
    assert (status, fields["retry-after"]) == (503, "30")


@pytest.fixture
def stopped(web_process):
    """The web process takes connections, as its socket does, and responds to none."""
    web_process.stop()
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(web_process.socket))
        mute.listen(100)
        yield
    web_process.socket.unlink()
    web_process.start()


@pytest.fixture
def _impatient(monkeypatch):
    monkeypatch.setattr(limits, "PROBE_AFTER_S", 0)
    monkeypatch.setattr(limits, "PROBE_TIMEOUT_S", 0.2)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/beacon.json"])
def test_health_checks_get_503_within_two_seconds_of_a_stopped_web_process(proxy, stopped, path):
    began = time.monotonic()
    assert proxy.ask(path)[0] == 503
    assert time.monotonic() - began < 2.5


@pytest.mark.usefixtures("_impatient")
def test_pages_get_503_at_once_after_a_stopped_web_process_failed_a_probe(proxy, request):
    proxy.ask("/open")
    request.getfixturevalue("stopped")
    with proxy.connect() as write:
        write.sendall(b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
        assert proxy.ask("/open")[0] == 503
        began = time.monotonic()
        status, fields, body = proxy.ask("/v1/pages")
        assert time.monotonic() - began < 1
        assert (status, fields["content-type"]) == (503, "application/json; charset=utf-8")
        assert json.loads(body)["message"].endswith(
            "Nothing is lost. Please try again in half a minute."
        )
        # It may still be carried out: the client waits for the outcome.
        write.setblocking(False)
        with pytest.raises(BlockingIOError):
            write.recv(1)


@pytest.mark.usefixtures("_impatient")
def test_pages_are_served_again_once_the_web_process_responds_to_a_probe(proxy, web_process):
    proxy.ask("/open")
    web_process.hold.clear()
    app = web_process._server.app
    web_process._server.app = lambda *args: web_process.hold.wait(20) and app(*args)
    assert proxy.ask("/open")[0] == 503
    web_process.hold.set()
    until(lambda: proxy.ask("/open")[0] == 200)


def test_a_write_that_was_sent_and_got_no_response_is_not_called_lost(proxy, web_process):
    web_process.flask.view_functions["_admin"] = web_process._broken
    status, _, body = proxy.ask("/admin", "POST", b"x")
    assert status == 503
    assert b"We do not know whether this was saved. Check before you send it again." in body
    assert b"Nothing is lost" not in body


def test_a_proxy_that_stops_sends_the_responses_under_way_and_closes(web_process):
    running = Running(web_process.socket)
    web_process.hold.clear()
    with running.connect() as busy, running.connect() as idle:
        busy.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: "GET /slow" in web_process.asked)
        stopping = threading.Thread(target=running.stop)
        stopping.start()
        assert rest(idle) == b""
        web_process.hold.set()
        said = rest(busy)
        stopping.join()
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close\r\n" in said
    assert said.endswith(b"At last.")
    with pytest.raises(ConnectionRefusedError):
        running.connect()
