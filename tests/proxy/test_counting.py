"""What the proxy counts: each client once, by its response."""

import pytest

from statuspage.observability.metrics import PAGE_REQUESTS, PASSED_ON
from tests.helpers.proxy import soon_old, until


@pytest.fixture
def grown():
    """`grown()`: what was counted since it was asked last, without what did not change."""
    before = {}

    def look():
        found = {}
        for counter in (PAGE_REQUESTS, PASSED_ON):
            for sample in counter.collect()[0].samples:
                if not sample.name.endswith("_total"):
                    continue
                result, number = sample.labels["result"], sample.value
                if number != before.get((counter, result), 0):
                    found[result] = number - before.get((counter, result), 0)
                before[counter, result] = number
        return found

    look()
    return look


def test_each_client_is_counted_once_by_its_response(proxy, grown):
    tag = proxy.ask("/")[1]["etag"]
    assert grown() == {"made": 1}
    proxy.ask("/")
    proxy.ask("/", "HEAD")
    proxy.ask("/", If_None_Match=tag)
    assert grown() == {"hit": 2, "not_modified": 1}
    proxy.ask("/admin")
    proxy.ask("/admin", "POST", b"x")
    assert grown() == {"answered": 2}
    proxy.say(b"nonsense\r\n\r\n")
    assert grown() == {"refused": 1}
    assert 0 <= proxy.server.served_age() < 5


@soon_old
def test_stale_responses_and_failures_are_counted_apart(proxy, web_process, grown):
    tag = proxy.ask("/")[1]["etag"]
    web_process.stop()
    until(lambda: b"As of" in proxy.ask("/")[2])
    grown()
    proxy.ask("/")
    proxy.ask("/", If_None_Match=tag)
    assert grown() == {"stale": 2}
    proxy.ask("/gone")
    proxy.ask("/admin", "POST", b"x")
    assert grown() == {"error": 1, "failed": 1}
    assert proxy.server.served_age() > 0
    web_process.start()
