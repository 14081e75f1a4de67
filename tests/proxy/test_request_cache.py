"""A head that was said before is answered without being read anew."""

import asyncio
import re

import pytest

from statuspage.proxy import request_cache as known
from tests.helpers.proxy import WORDS, always_checked, cached_for_long

ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def say_each(front, *words: bytes) -> list[bytes]:
    """The answers on one connection, each waited for before more is said."""
    answers = []
    with front.connect() as connection:
        for one in words:
            connection.sendall(one)
            answers.append(whole(connection))
    return answers


def undated(answers: list[bytes]) -> list[bytes]:
    """A second may begin between two answers that are passed on."""
    return [re.sub(rb"\r\ndate: [^\r]+", b"", one) for one in answers]


def whole(connection) -> bytes:
    """One answer with a length."""
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
def test_the_same_words_get_the_same_answer_however_often(front, words):
    first, second, third = undated(say_each(front, words, words, words))
    assert first == second == third
    assert len(front.front.parsed) == 1
    assert undated(say_each(front, words, ASK, words)[::2]) == [first, first]


@cached_for_long
def test_what_was_said_before_is_answered_with_what_is_stored_now(front, behind):
    say_each(front, ASK, ASK)
    behind.text = "Partial outage."
    front.front.cache.evict_idle(float("inf"))
    assert b"Partial outage." in say_each(front, ASK)[0]
    assert b"Partial outage." in say_each(front, ASK, ASK)[1]


@always_checked
def test_known_words_do_not_spare_the_check(front, behind):
    say_each(front, ASK)
    behind.text = "Partial outage."
    assert b"Partial outage." in say_each(front, ASK, ASK)[0]


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
        b"GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n" % (b"y" * known.MAX_HEAD_BYTES),
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        ASK + ASK,
        ASK + b"GET",
        b"GET / HTTP/1.1\r\nHost: x\r\n X: folded\r\n\r\n",
    ],
)
def test_words_that_are_not_one_plain_question_are_not_remembered(front, words):
    with front.connect() as connection:
        connection.sendall(words)
        assert connection.recv(1)
        front.do(asyncio.sleep(0))  # What the front does with them is done.
    assert len(front.front.parsed) == 0


@cached_for_long
def test_the_end_of_a_body_that_looks_like_a_request_is_none(front, behind):
    say_each(front, ASK)
    head = b"POST /desk HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % len(ASK)
    with front.connect() as connection:
        connection.sendall(head + b"Expect: 100-continue\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(ASK)
        assert f'"body":{len(ASK)}'.encode() in whole(connection).replace(b" ", b"")
    assert behind.asked[-1] == "POST /desk"


@cached_for_long
def test_no_more_is_remembered_than_there_is_room_for(front, monkeypatch):
    monkeypatch.setattr(known, "MAX_ENTRIES", 3)
    for number in range(8):
        words = b"GET /?%d HTTP/1.1\r\nHost: x\r\n\r\n" % number
        assert WORDS.encode() in say_each(front, words, words)[1]
        assert len(front.front.parsed) <= 3
