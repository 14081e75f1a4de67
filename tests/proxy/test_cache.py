"""What the readers' process hands out by itself."""

import asyncio
import gzip

import brotli
import pytest
from werkzeug.test import Client

from statuspage.proxy import cache as kept
from tests.helpers.proxy import WORDS, always_checked, cached, cached_for_long, until


@cached_for_long
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


@cached_for_long
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


@cached_for_long
def test_each_reader_gets_the_encoding_it_takes(front):
    plain = front.ask("/")[2]
    for _ in range(2):
        _, packed, body = front.ask("/", Accept_Encoding="gzip")
        assert (packed["content-encoding"], gzip.decompress(body)) == ("gzip", plain)
        _, packed, body = front.ask("/", Accept_Encoding="br, gzip")
        assert (packed["content-encoding"], brotli.decompress(body)) == ("br", plain)


@cached_for_long
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
    asked = len(behind.asked)
    assert front.ask("/", Accept_Encoding="gzip")[0] == 200
    assert len(behind.asked) == asked


@always_checked
def test_what_changed_is_given_from_the_next_check_on(front, behind):
    tag = front.ask("/")[1]["etag"]
    behind.text = "Checkout is down."
    status, fields, body = front.ask("/", If_None_Match=tag)
    assert status == 200
    assert b"Checkout is down." in body
    assert fields["etag"] != tag


@cached(check_after_s=0, valid_s=60)
def test_an_old_answer_goes_out_at_once_while_it_is_checked(front, behind):
    front.ask("/")
    behind.text = "Checkout is down."
    assert WORDS.encode() in front.ask("/")[2]
    until(lambda: b"Checkout is down." in front.ask("/")[2])


@always_checked
def test_a_page_that_went_away_is_not_given_once_more(front, behind, monkeypatch):
    front.ask("/")
    behind.flask.extensions["published"]._entries.clear()
    monkeypatch.setattr(behind, "_home", None)
    behind.flask.view_functions["_home"] = lambda: ("Not here.", 404)
    assert front.ask("/")[0] == 404
    assert len(front.front.cache) == 0


@cached_for_long
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
    assert len(front.front.cache) == 0


@cached_for_long
def test_parameters_without_a_meaning_do_not_fill_the_store(front, behind):
    for number in range(20):
        assert front.ask(f"/?n={number}")[0] == 200
    assert len(front.front.cache) == 0
    front.ask("/")
    asked = len(behind.asked)
    assert front.ask("/?n=20") == front.ask("/")
    assert len(behind.asked) == asked


@cached_for_long
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


@cached_for_long
def test_what_nobody_reads_is_forgotten(front):
    front.ask("/")
    front.front.cache.evict_idle(front.loop.time() + 599)
    assert len(front.front.cache) == 1
    front.front.cache.evict_idle(front.loop.time() + 601)
    assert len(front.front.cache) == 0


def test_the_end_of_an_old_question_leaves_nobody_waiting_for_a_new_one():
    key = (b"/", (), False)

    async def play():
        store = kept.Cache(None, None, None)
        old, other, new = (store.fetching(key) for _ in range(3))
        old.__enter__()
        other.__enter__()
        old.__exit__(None, None, None)
        new.__enter__()
        waiting = asyncio.create_task(store.wait_for_other(key))
        await asyncio.sleep(0)
        other.__exit__(None, None, None)
        await asyncio.sleep(0)
        assert not waiting.done()
        new.__exit__(None, None, None)
        assert await asyncio.wait_for(waiting, 5) is None

    asyncio.run(play())
