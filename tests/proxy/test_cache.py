"""What the proxy serves from its cache."""

import asyncio
import gzip

import brotli
import pytest
from werkzeug.test import Client

from statuspage.cli import processes
from statuspage.config import Settings
from statuspage.proxy import cache
from tests.helpers.proxy import WORDS, always_checked, cached, cached_for_long, until


@cached_for_long
def test_a_public_response_is_requested_once_and_then_served_by_the_proxy_alone(proxy, web_process):
    first, again = proxy.ask("/"), proxy.ask("/")
    assert first == again
    assert WORDS.encode() in first[2]
    assert web_process.asked == ["GET /"]


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
def test_the_proxy_responds_as_the_web_process_would(proxy, web_process, path, method):
    web = Client(web_process.app)
    for headers in ASKED_WITH * 2:
        told = web.open(path, method=method, headers=headers)
        status, fields, body = proxy.ask(path, method, **headers)
        assert (status, body) == (told.status_code, told.data), headers
        for name in SAME:
            assert fields.get(name) == told.headers.get(name), (name, headers)


@cached_for_long
def test_each_client_gets_the_encoding_it_accepts(proxy):
    plain = proxy.ask("/")[2]
    for _ in range(2):
        _, packed, body = proxy.ask("/", Accept_Encoding="gzip")
        assert (packed["content-encoding"], gzip.decompress(body)) == ("gzip", plain)
        _, packed, body = proxy.ask("/", Accept_Encoding="br, gzip")
        assert (packed["content-encoding"], brotli.decompress(body)) == ("br", plain)


@cached_for_long
def test_a_client_with_the_current_tag_gets_304_even_the_first_time(proxy, web_process):
    tag = proxy.ask("/")[1]["etag"]
    status, fields, body = proxy.ask("/", If_None_Match=tag)
    assert (status, body, fields["etag"]) == (304, b"", tag)
    assert "content-length" not in fields
    assert "content-security-policy" not in fields
    assert proxy.ask("/", If_None_Match=f"W/{tag}")[0] == 304
    # In an encoding that is not stored yet, too.
    tag = f'{tag[:-1]}-gzip"'
    assert proxy.ask("/", If_None_Match=tag, Accept_Encoding="gzip")[0] == 304
    asked = len(web_process.asked)
    assert proxy.ask("/", Accept_Encoding="gzip")[0] == 200
    assert len(web_process.asked) == asked


@always_checked
def test_a_change_is_served_from_the_next_check_on(proxy, web_process):
    tag = proxy.ask("/")[1]["etag"]
    web_process.text = "Checkout is down."
    status, fields, body = proxy.ask("/", If_None_Match=tag)
    assert status == 200
    assert b"Checkout is down." in body
    assert fields["etag"] != tag


@cached(check_after_s=0, valid_s=60)
def test_a_cached_response_is_served_at_once_while_it_is_checked(proxy, web_process):
    proxy.ask("/")
    web_process.text = "Checkout is down."
    assert WORDS.encode() in proxy.ask("/")[2]
    until(lambda: b"Checkout is down." in proxy.ask("/")[2])


@always_checked
def test_a_page_that_is_gone_is_not_served_once_more(proxy, web_process, monkeypatch):
    proxy.ask("/")
    web_process.flask.extensions["published"]._entries.clear()
    monkeypatch.setattr(web_process, "_home", None)
    web_process.flask.view_functions["_home"] = lambda: ("Not here.", 404)
    assert proxy.ask("/")[0] == 404
    assert len(proxy.server.cache) == 0


@cached_for_long
@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "OAuth key"}, {"Range": "bytes=0-1"}],
    ids=str,
)
def test_a_request_with_credentials_or_a_range_is_passed_on(proxy, web_process, headers):
    proxy.ask("/")
    proxy.ask("/", **headers)
    assert len(web_process.asked) == 2


def test_a_response_that_is_not_public_is_never_stored(proxy):
    for _ in range(2):
        _, fields, _ = proxy.ask("/admin")
        assert fields["set-cookie"] == "statuspage=1"
    assert len(proxy.server.cache) == 0


@cached_for_long
def test_meaningless_parameters_do_not_fill_the_cache(proxy, web_process):
    for number in range(20):
        assert proxy.ask(f"/?n={number}")[0] == 200
    assert len(proxy.server.cache) == 0
    proxy.ask("/")
    asked = len(web_process.asked)
    assert proxy.ask("/?n=20") == proxy.ask("/")
    assert len(web_process.asked) == asked


@cached_for_long
def test_the_cache_keeps_what_is_read_within_its_bounds(proxy, web_process, monkeypatch):
    monkeypatch.setattr(cache, "MAX_ENTRIES", 2)
    proxy.ask("/")
    proxy.ask("/gone")
    proxy.ask("/")
    proxy.ask("/", Accept_Encoding="gzip")
    asked = len(web_process.asked)
    proxy.ask("/")
    assert len(web_process.asked) == asked
    proxy.ask("/gone")
    assert len(web_process.asked) == asked + 1


@cached_for_long
def test_what_is_not_read_is_dropped(proxy):
    proxy.ask("/")
    proxy.server.cache.evict_idle(proxy.loop.time() + 599)
    assert len(proxy.server.cache) == 1
    proxy.server.cache.evict_idle(proxy.loop.time() + 601)
    assert len(proxy.server.cache) == 0


def test_the_end_of_an_old_fetch_leaves_nobody_waiting_for_a_new_one(tmp_path):
    config = processes.proxy_config(Settings(secret_key="x" * 16), tmp_path)
    key = (b"/", (), False)

    async def play():
        store = cache.Cache(config, None, None)
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
