"""Published answers: made once, made again when something moved, kept when nothing answers."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from statuspage.serving.cache import ResponseCache, UnavailableError
from statuspage.serving.response import AS_OF, CachedResponse, Rendering, policy_within

HOME = ("/", "en")
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


class DatabaseGoneError(Exception):
    pass


@dataclass
class Records:
    """The rows behind a page: a revision and a text. `is_gone` makes both unreachable."""

    text: str = "All systems operational"
    number: int = 1
    is_gone: bool = False
    renders: int = 0
    reads: int = 0

    def change(self, text: str) -> None:
        self.text, self.number = text, self.number + 1

    def revision(self) -> int:
        self.reads += 1
        self._answer()
        return self.number

    def page(self) -> Rendering | None:
        self.renders += 1
        self._answer()
        return html(self.text) if self.text else None

    def _answer(self) -> None:
        if self.is_gone:
            raise DatabaseGoneError("connection refused")


@dataclass
class Times:
    """A wall clock and a stop-watch that move together, by hand."""

    wall: datetime = NOON
    elapsed: float = 1000.0

    def shift(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.elapsed += seconds

    def settings(self) -> dict:
        return {"now": lambda: self.wall, "monotonic": lambda: self.elapsed}


@dataclass
class Gate:
    """Holds whoever passes until it is opened; tells when somebody stands before it."""

    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def pass_through(self) -> None:
        self.reached.set()
        assert self.opened.wait(10)


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def published(records, times) -> ResponseCache:
    return ResponseCache(records.revision, watch=False, **times.settings())


def html(text: str, **more) -> Rendering:
    body = f"<!doctype html><main><!--as-of--><p>{text}</p></main>".encode()
    return Rendering(200, "text/html; charset=utf-8", body, **more)


def plain(answer: CachedResponse | None) -> str:
    assert answer is not None
    return answer.variants["identity"].body.decode()


def etag(answer: CachedResponse) -> str:
    return answer.variants["identity"].etag


# ── made once, made again ──────────────────────────────────────────────────────


def test_response_is_rendered_once_and_then_served_from_the_cache(published, records):
    first = published.obtain(HOME, records.page)
    assert published.get(HOME) is first
    assert published.obtain(HOME, records.page) is first
    assert records.renders == 1


def test_change_in_the_database_replaces_the_response(published, records):
    before = published.obtain(HOME, records.page)
    records.change("Checkout is down")
    after = published.get(HOME)
    assert "Checkout is down" in plain(after)
    assert etag(after) != etag(before)


def test_unchanged_bytes_keep_etag_and_last_modified(published, records, times):
    before = published.obtain(HOME, records.page)
    records.change(records.text)
    times.shift(3600)
    assert published.get(HOME) is before
    assert records.renders == 2


def test_response_is_rendered_again_once_a_minute(published, records, times):
    published.obtain(HOME, records.page)
    times.shift(59)
    published.get(HOME)
    assert records.renders == 1
    times.shift(1)
    published.get(HOME)
    assert records.renders == 2


def test_clock_set_back_does_not_freeze_a_page(published, records, times):
    published.obtain(HOME, records.page)
    times.wall -= timedelta(hours=1)
    published.get(HOME)
    assert records.renders == 2


def test_entry_is_dropped_after_ten_minutes_without_a_reader(published, records, times):
    published.obtain(HOME, records.page)
    published.obtain(("/history", "en"), records.page)
    for _ in range(11):
        times.shift(60)
        published.get(HOME)
    assert len(published) == 1


def test_deleted_page_is_not_served_again(published, records):
    published.obtain(HOME, records.page)
    records.change("")
    assert published.get(HOME) is None
    assert published.obtain(HOME, records.page) is None


def test_languages_are_cached_separately(published):
    english = published.obtain(("/", "en"), lambda: html("Operational"))
    german = published.obtain(("/", "de"), lambda: html("In Betrieb"))
    assert (plain(english), plain(german)) == (
        plain(published.get(("/", "en"))),
        plain(published.get(("/", "de"))),
    )
    assert "In Betrieb" in plain(german)


def test_missing_page_is_not_cached(published, tmp_path):
    published = ResponseCache(lambda: 1, watch=False, folder=tmp_path / "published")
    not_found = Rendering(404, "text/html", b"Not here.")
    for number in range(100):
        assert published.obtain((f"/wp-admin/{number}", "en"), lambda: None) is None
        answer = published.obtain((f"/.env/{number}", "en"), lambda: not_found)
        assert answer is not None
        assert answer.status == "404 Not Found"
    assert len(published) == 0
    assert list(tmp_path.rglob("*.copy")) == []


def test_cache_evicts_the_least_recently_read_entry(records, times):
    published = ResponseCache(records.revision, watch=False, max_entries=3, **times.settings())
    for name in "abc":
        published.obtain((f"/{name}", "en"), records.page)
        times.shift(1)
    published.get(("/a", "en"))
    times.shift(1)
    published.obtain(("/d", "en"), records.page)
    assert published.get(("/b", "en")) is None
    assert all(published.get((f"/{name}", "en")) for name in "acd")


def test_cache_is_bounded_in_bytes():
    published = ResponseCache(lambda: 1, watch=False, max_bytes=100_000)
    for number in range(50):
        noise = random.Random(number).randbytes(10_000)
        published.obtain((f"/{number}", "en"), lambda b=noise: Rendering(200, "image/png", b))
        assert published.size <= 100_000
    assert len(published) == 10


# ── many readers ───────────────────────────────────────────────────────────────


def test_concurrent_misses_render_once(records):
    published = ResponseCache(records.revision, watch=False)
    together, gate, renders = threading.Barrier(8), Gate(), []

    def page():
        renders.append(1)
        gate.pass_through()
        return html("One for all")

    def read():
        together.wait(10)
        return published.obtain(HOME, page)

    with ThreadPoolExecutor(8) as readers:
        waiting = [readers.submit(read) for _ in range(8)]
        assert gate.reached.wait(10)
        gate.opened.set()
        answers = {id(one.result(10)) for one in waiting}
    assert len(renders) == 1
    assert len(answers) == 1


def test_failed_render_fails_all_waiting_readers(records):
    published = ResponseCache(records.revision, watch=False)
    gate = Gate()

    def page():
        gate.pass_through()
        raise DatabaseGoneError

    with ThreadPoolExecutor(2) as readers:
        waiting = [readers.submit(published.obtain, HOME, page) for _ in range(2)]
        assert gate.reached.wait(10)
        gate.opened.set()
        for one in waiting:
            with pytest.raises(UnavailableError):
                one.result(10)
    assert plain(published.obtain(HOME, records.page))


def test_stale_response_is_served_during_a_rebuild(records):
    published = ResponseCache(records.revision)
    gate = Gate()
    is_slow = False

    def page():
        if is_slow:
            gate.pass_through()
        return records.page()

    old = published.obtain(HOME, page)
    is_slow = True
    records.change("Checkout is down")
    assert gate.reached.wait(10), "the watcher noticed the change"
    assert published.obtain(HOME, page) is old
    gate.opened.set()
    wait_until(lambda: "Checkout is down" in plain(published.get(HOME)))


def test_watcher_renders_a_change_without_a_request(records):
    published = ResponseCache(records.revision)
    published.obtain(HOME, records.page)
    records.change("Checkout is down")
    wait_until(lambda: "Checkout is down" in plain(published.get(HOME)))
    assert records.renders == 2


def test_reader_does_not_query_the_revision(records):
    askers = set()

    def revision():
        askers.add(threading.current_thread().name)
        return records.revision()

    published = ResponseCache(revision)
    published.obtain(HOME, records.page)
    for _ in range(100):
        published.get(HOME)
    assert askers == {"published"}


def test_first_reader_after_idle_time_gets_the_current_page(records, times):
    published = ResponseCache(records.revision, **times.settings())
    published.obtain(HOME, records.page)
    times.shift(300)
    records.change("Checkout is down")
    assert "Checkout is down" in plain(published.get(HOME))


def test_hanging_database_blocks_no_reader_and_the_page_shows_its_age(records, times):
    gate = Gate()
    is_hanging = False

    def revision():
        if is_hanging:
            gate.pass_through()
        return records.revision()

    published = ResponseCache(revision, **times.settings())
    published.obtain(HOME, records.page)
    is_hanging = True
    assert gate.reached.wait(10)
    times.shift(31)
    assert "As of" in plain(published.get(HOME))
    records.is_gone = True
    with pytest.raises(UnavailableError):
        published.obtain(("/history", "en"), records.page)
    records.is_gone = False
    is_hanging = False
    gate.opened.set()
    wait_until(lambda: "As of" not in plain(published.get(HOME)))


def test_slow_render_does_not_block_another_page(records, times):
    gate = Gate()
    is_slow = False

    def slow_page():
        if is_slow:
            gate.pass_through()
        return records.page()

    published = ResponseCache(records.revision, **times.settings())
    published.obtain(HOME, slow_page)
    is_slow = True
    records.change("Checkout is down")
    assert gate.reached.wait(10), "the watcher makes the slow page again"
    times.shift(2)
    assert "Checkout is down" in plain(published.obtain(("/history", "en"), records.page))
    gate.opened.set()


@pytest.fixture
def many(records, times, published) -> list[tuple[str, str]]:
    """The addresses of a hundred pages in use that take ten seconds to make again."""

    def page():
        times.shift(0.1)
        return records.page()

    addresses = [(f"/incidents/{number}", "en") for number in range(100)]
    for address in addresses:
        published.obtain(address, page)
    return addresses


def test_change_reaches_a_reader_quickly_with_many_cached_pages(records, times, published, many):
    for words in ("Checkout is slow", "Checkout is down"):
        records.change(words)
        began = times.elapsed
        assert words in plain(published.get(many[50]))
        assert times.elapsed - began < 0.5


def test_page_not_rebuilt_in_time_is_rendered_for_its_next_reader(records, times, published, many):
    records.change("Checkout is down")
    while times.elapsed < 1020:
        published.check()
        times.shift(0.1)
    assert len(published) < 50
    assert "Checkout is down" in plain(published.obtain(many[0], records.page))
    records.is_gone = True
    left = len(published)
    for _ in range(20):
        published.check()
        times.shift(0.2)
    assert len(published) == left, "while nothing can be made, what there is stays"


def wait_until(is_so) -> None:
    """Ask until it is so: what is awaited is the work of another thread."""
    pause = threading.Event()
    for _ in range(500):
        if is_so():
            return
        pause.wait(0.02)
    raise AssertionError("It never came.")


# ── the database is gone ───────────────────────────────────────────────────────


def test_last_good_response_is_served_without_the_database(published, records):
    before = published.obtain(HOME, records.page)
    records.is_gone = True
    assert published.get(HOME) is before


def test_page_unchecked_for_half_a_minute_shows_its_age(published, records, times):
    fresh = published.obtain(HOME, records.page)
    records.is_gone = True
    times.shift(30)
    assert published.get(HOME) is fresh
    times.shift(1)
    old = published.get(HOME)
    assert '<p class="stale" role="status">As of' in plain(old)
    assert '<time datetime="2026-03-10T12:00:00Z">10 March 2026, 12:00 UTC</time>' in plain(old)
    assert AS_OF not in old.variants["identity"].body
    assert etag(old) != etag(fresh)
    times.shift(600)
    assert published.get(HOME) is old, "marked once, compressed once"


def test_age_note_disappears_when_the_database_returns(published, records, times):
    fresh = published.obtain(HOME, records.page)
    records.is_gone = True
    times.shift(31)
    published.get(HOME)
    records.is_gone = False
    assert published.get(HOME) is fresh


def test_feeds_and_json_have_no_age_note(published, records, times):
    feed = Rendering(200, "application/atom+xml", b"<feed><!--as-of--></feed>")
    fresh = published.obtain(("/history.atom", "en"), lambda: feed)
    records.is_gone = True
    times.shift(31)
    assert published.get(("/history.atom", "en")) is fresh


def test_failed_render_keeps_the_last_good_page(published, records, times, caplog):
    is_broken = False

    def page():
        if is_broken:
            raise ZeroDivisionError
        return records.page()

    published.obtain(HOME, page)
    is_broken = True
    records.change("Checkout is down")
    assert "All systems operational" in plain(published.get(HOME))
    times.shift(31)
    assert "As of" in plain(published.get(HOME))
    assert "page.render_failed" in caplog.text
    is_broken = False
    times.shift(2)
    now = plain(published.get(HOME))
    assert "Checkout is down" in now
    assert "As of" not in now


def test_repaired_page_restarts_its_age(published, records, times, caplog):
    broken = Records(is_gone=True)
    published.obtain(HOME, lambda: (broken if records.number == 2 else records).page())
    records.change("Checkout is down")
    published.get(HOME)
    times.shift(60)
    records.change("All well again")
    fresh = published.get(HOME)
    records.is_gone = True
    times.shift(20)
    assert published.get(HOME) is fresh


def test_failing_page_is_not_rendered_at_every_check(published, records):
    published.obtain(HOME, records.page)
    broken = Records(is_gone=True)
    published.obtain(("/history", "en"), records.page)
    records.change("Checkout is down")
    published._entries[HOME].render = broken.page
    for _ in range(10):
        published.get(HOME)
    assert broken.renders == 1


def test_missing_copy_raises_unavailable(published, records):
    records.is_gone = True
    with pytest.raises(UnavailableError):
        published.obtain(HOME, records.page)


def test_rendering_and_checking_run_inside_the_given_context(records):
    inside = []

    @contextmanager
    def within():
        inside.append("in")
        yield
        inside.append("out")

    published = ResponseCache(records.revision, within=within, watch=False)
    published.obtain(HOME, records.page)
    assert inside == ["in", "out"] * 2


# ── after a restart ────────────────────────────────────────────────────────────


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "published"


@pytest.fixture
def start(records, times, folder):
    """Start a process on the folder of copies."""
    return lambda: ResponseCache(records.revision, watch=False, folder=folder, **times.settings())


def test_disk_copy_survives_a_restart_and_shows_its_age(start, records, times):
    rendering = html("Kept", csp="default-src 'none'", headers=(("X-Extra", "1"),))
    start().obtain(HOME, lambda: rendering)
    records.is_gone = True
    times.shift(3600)
    answer = start().obtain(HOME, records.page)
    assert "As of" in plain(answer)
    assert "Kept" in plain(answer)
    assert ("X-Extra", "1") in answer.variants["identity"].headers
    assert ("Content-Security-Policy", "default-src 'none'") in answer.variants["br"].headers


def test_page_served_from_disk_recovers_when_the_database_returns(start, records, times):
    start().obtain(HOME, records.page)
    records.is_gone = True
    times.shift(3600)
    restarted = start()
    restarted.obtain(HOME, records.page)
    records.is_gone = False
    records.change("All well again")
    now = plain(restarted.get(HOME))
    assert "All well again" in now
    assert "As of" not in now


def test_response_is_the_same_after_a_restart(start, records):
    assert etag(start().obtain(HOME, records.page)) == etag(start().obtain(HOME, records.page))


def test_disk_copy_dates_from_its_last_successful_check(start, records, times):
    running = start()
    running.obtain(HOME, records.page)
    for _ in range(5):
        times.shift(60)
        running.get(HOME)
    records.is_gone = True
    times.shift(3600)
    assert "10 March 2026, 12:05 UTC" in plain(start().obtain(HOME, records.page))


@pytest.mark.parametrize("seed", range(25))
def test_damaged_disk_copy_is_dropped(start, records, folder, seed):
    start().obtain(HOME, records.page)
    [path] = folder.glob("*.copy")
    path.write_bytes(damaged(path.read_bytes(), random.Random(seed)))
    records.is_gone = True
    with pytest.raises(UnavailableError):
        start().obtain(HOME, records.page)
    assert list(folder.iterdir()) == []


def damaged(data: bytes, dice: random.Random) -> bytes:
    match dice.randrange(4):
        case 0:
            return dice.randbytes(dice.randrange(500))
        case 1:
            return data[: dice.randrange(len(data))]
        case 2:
            place = dice.randrange(len(data))
            return (
                data[:place] + bytes([data[place] ^ (1 << dice.randrange(8))]) + data[place + 1 :]
            )
        case _:
            return data + b"\0"


def test_disk_copy_of_another_page_is_not_served(start, records, folder):
    start().obtain(HOME, lambda: html("Home"))
    [home] = folder.glob("*.copy")
    start().obtain(("/history", "en"), lambda: html("History"))
    [history] = set(folder.glob("*.copy")) - {home}
    home.write_bytes(history.read_bytes())
    records.is_gone = True
    with pytest.raises(UnavailableError):
        start().obtain(HOME, records.page)


def test_disk_copy_of_another_version_is_not_served(start, records, folder):
    published = start()
    published._copies.save("en /", {"status": 200, "shape": "of tomorrow"}, b"?", NOON)
    records.is_gone = True
    with pytest.raises(UnavailableError):
        published.obtain(HOME, records.page)


def test_deleted_page_leaves_no_disk_copy(start, records, folder):
    published = start()
    published.obtain(HOME, records.page)
    records.change("")
    assert published.get(HOME) is None
    assert list(folder.glob("*.copy")) == []


def test_withdrawn_text_on_an_unread_page_is_removed_from_disk(start, records, times, folder):
    start().obtain(("/incidents/1", "en"), records.page)
    restarted = start()
    restarted.obtain(HOME, records.page)
    for _ in range(11):
        times.shift(60)
        restarted.get(HOME)
    assert len(list(folder.glob("*.copy"))) == 2
    records.change("Redacted")
    assert "Redacted" in plain(restarted.get(HOME))
    [home] = folder.glob("*.copy")
    assert b"Redacted" in home.read_bytes()


def test_failing_disk_stops_no_reader(records, tmp_path):
    (tmp_path / "published").write_text("a file where the folder should be")
    published = ResponseCache(records.revision, watch=False, folder=tmp_path / "published")
    assert plain(published.obtain(HOME, records.page))
    records.change("Checkout is down")
    assert "Checkout is down" in plain(published.get(HOME))


# ── one answer ─────────────────────────────────────────────────────────────────


def test_text_is_compressed_and_pictures_are_not():
    text = CachedResponse.of(html("word " * 500), NOON)
    assert set(text.variants) == {"identity", "gzip", "br"}
    sizes = [len(text.variants[coding].body) for coding in ("br", "gzip", "identity")]
    assert sizes == sorted(sizes)
    assert text.size == sum(sizes)
    assert set(CachedResponse.of(Rendering(200, "image/png", b"0" * 5000), NOON).variants) == {
        "identity"
    }


def test_longer_encoding_is_not_kept():
    assert set(CachedResponse.of(Rendering(200, "text/plain", b"ok"), NOON).variants) == {
        "identity"
    }


def test_each_encoding_has_its_own_strong_etag():
    variants = CachedResponse.of(html("word " * 500), NOON).variants
    tags = {variant.etag for variant in variants.values()}
    assert len(tags) == 3
    assert all(tag.startswith('"') and tag.endswith('"') for tag in tags)


def test_changed_header_changes_the_etag():
    page = html("Same words")
    stricter = replace(page, csp="default-src 'none'; sandbox")
    assert etag(CachedResponse.of(page, NOON)) != etag(CachedResponse.of(stricter, NOON))


def test_two_versions_within_one_second_have_no_last_modified():
    first = CachedResponse.of(html("one"), NOON)
    second = CachedResponse.of(html("two"), NOON + timedelta(milliseconds=300), first)
    third = CachedResponse.of(html("three"), NOON + timedelta(milliseconds=900), second)
    later = CachedResponse.of(html("four"), NOON + timedelta(seconds=1), third)
    assert first.last_modified == "Tue, 10 Mar 2026 12:00:00 GMT"
    assert second.last_modified is None
    assert third.last_modified is None
    assert later.last_modified == "Tue, 10 Mar 2026 12:00:01 GMT"


def test_public_page_has_security_headers():
    headers = dict(CachedResponse.of(html("Hello"), NOON).variants["identity"].headers)
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; img-src 'self' data:; script-src 'self'; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Vary"] == "Accept-Encoding"
    assert headers["Cache-Control"] == (
        "public, max-age=15, stale-while-revalidate=60, stale-if-error=86400"
    )


def test_data_response_has_a_policy_that_loads_nothing():
    data = CachedResponse.of(Rendering(200, "application/json; charset=utf-8", b"{}"), NOON)
    headers = dict(data.variants["identity"].headers)
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_policy_allows_exactly_the_given_style_sheet():
    # The digest of `body{color:red}` as `openssl dgst -sha256 -binary | base64` gives it.
    policy = policy_within("body{color:red}")
    assert "style-src 'sha256-FcQqt3aNlV7AZnGV4zkQRVeCeJOxbMPnQSx258L803E=';" in policy


def test_feed_allows_other_origins_also_on_a_304():
    feed = Rendering(
        200, "application/json", b"{}", headers=(("Access-Control-Allow-Origin", "*"),)
    )
    variant = CachedResponse.of(feed, NOON).variants["identity"]
    assert dict(variant.headers)["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert dict(variant.not_modified)["Access-Control-Allow-Origin"] == "*"


def test_renderer_header_overrides_the_default():
    page = html("Embedded", headers=(("referrer-policy", "no-referrer"),))
    names = [name.lower() for name, _ in CachedResponse.of(page, NOON).variants["identity"].headers]
    assert names.count("referrer-policy") == 1
    assert ("Referrer-Policy", "no-referrer") in CachedResponse.of(page, NOON).variants[
        "identity"
    ].headers
