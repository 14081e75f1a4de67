"""What the front counts: each reader once, by what they were given."""

import pytest

from statuspage.observability.metrics import PAGE_REQUESTS, PASSED_ON, SERVED_AGE_SECONDS
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


def served_age():
    return SERVED_AGE_SECONDS.collect()[0].samples[0].value


def test_each_reader_is_counted_by_what_they_were_given(front, grown):
    tag = front.ask("/")[1]["etag"]
    assert grown() == {"made": 1}
    front.ask("/")
    front.ask("/", "HEAD")
    front.ask("/", If_None_Match=tag)
    assert grown() == {"hit": 2, "not_modified": 1}
    front.ask("/desk")
    front.ask("/desk", "POST", b"x")
    assert grown() == {"answered": 2}
    front.say(b"nonsense\r\n\r\n")
    assert grown() == {"refused": 1}
    assert 0 <= served_age() < 5


@soon_old
def test_old_pages_and_failures_are_told_apart(front, behind, grown):
    tag = front.ask("/")[1]["etag"]
    behind.stop()
    until(lambda: b"As of" in front.ask("/")[2])
    grown()
    front.ask("/")
    front.ask("/", If_None_Match=tag)
    assert grown() == {"stale": 2}
    front.ask("/gone")
    front.ask("/desk", "POST", b"x")
    assert grown() == {"error": 1, "failed": 1}
    assert served_age() > 0
    behind.start()
