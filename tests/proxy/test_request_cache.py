"""A request that came before is not parsed again."""

import asyncio
import re

import pytest

from statuspage.proxy import request_cache
from tests.helpers.proxy import WORDS, always_checked, cached_for_long

ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def say_each(proxy, *words: bytes) -> list[bytes]:
    """The responses on one connection, each waited for before more is sent."""
    answers = []
    with proxy.connect() as connection:
        for one in words:
            connection.sendall(one)
            answers.append(whole(connection))
    return answers


def undated(answers: list[bytes]) -> list[bytes]:
    """Without `Date`: a second may begin between two responses that are passed on."""
    return [re.sub(rb"\r\ndate: [^\r]+", b"", one) for one in answers]


def whole(connection) -> bytes:
    """One response with a length."""
    said = b""
    while b"\r\n\r\n" not in said:
        said += connection.recv(1 << 16)
    head, _, body = said.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
    while len(body) < length:
        body += connection.recv(1 << 16)
    assert len(body) == length
    return head + b"\r\n\r\n" + body


@cached_for_long
@pytest.mark.parametrize(
    "words",
    [
        ASK,
        b"\r\n" + ASK,
        b"GET /?utm_source=mail HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nSec-Fetch-Dest: document\r\nContent-Length: 0\r\n\r\n",
        b"GET /gone HTTP/1.1\r\nhost: x\r\nIf-Modified-Since: yesterday\r\n\r\n",
    ],
)
def test_the_same_request_gets_the_same_response_however_often(proxy, words):
    first, second, third = undated(say_each(proxy, words, words, words))
    assert first == second == third
    assert len(proxy.server.parsed) == 1
    assert undated(say_each(proxy, words, ASK, words)[::2]) == [first, first]


@cached_for_long
def test_a_repeated_request_gets_what_is_cached_now(proxy, web_process):
    say_each(proxy, ASK, ASK)
    web_process.text = "Partial outage."
    proxy.server.cache.evict_idle(float("inf"))
    assert b"Partial outage." in say_each(proxy, ASK)[0]
    assert b"Partial outage." in say_each(proxy, ASK, ASK)[1]


@always_checked
def test_a_repeated_request_does_not_skip_the_check(proxy, web_process):
    say_each(proxy, ASK)
    web_process.text = "Partial outage."
    assert b"Partial outage." in say_each(proxy, ASK, ASK)[0]


@cached_for_long
@pytest.mark.parametrize(
    "words",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nCookie: statuspage=1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n" % (b"y" * request_cache.MAX_HEAD_BYTES),
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        ASK + ASK,
        ASK + b"GET",
        b"GET / HTTP/1.1\r\nHost: x\r\n X: folded\r\n\r\n",
    ],
)
def test_only_plain_public_requests_are_remembered(proxy, words):
    with proxy.connect() as connection:
        connection.sendall(words)
        assert connection.recv(1)
        proxy.do(asyncio.sleep(0))  # What the proxy does with them is done.
    assert len(proxy.server.parsed) == 0


@cached_for_long
def test_a_body_that_ends_like_a_request_is_not_taken_for_one(proxy, web_process):
    say_each(proxy, ASK)
    head = b"POST /admin HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % len(ASK)
    with proxy.connect() as connection:
        connection.sendall(head + b"Expect: 100-continue\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(ASK)
        assert f'"body":{len(ASK)}'.encode() in whole(connection).replace(b" ", b"")
    assert web_process.asked[-1] == "POST /admin"


@cached_for_long
def test_the_request_cache_stays_within_its_bounds(proxy, monkeypatch):
    monkeypatch.setattr(request_cache, "MAX_ENTRIES", 3)
    for number in range(8):
        words = b"GET /?%d HTTP/1.1\r\nHost: x\r\n\r\n" % number
        assert WORDS.encode() in say_each(proxy, words, words)[1]
        assert len(proxy.server.parsed) <= 3
