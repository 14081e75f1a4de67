"""What /metrics tells Prometheus, of the page and of every process of this machine."""

import re
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from statuspage.config import PROJECT
from statuspage.db import db
from statuspage.domain import tokens
from statuspage.domain.events import SYSTEM
from statuspage.domain.tokens import Scope
from statuspage.notify import worker as jobs
from statuspage.notify.heartbeat import HeartbeatKind
from statuspage.observability import metrics
from statuspage.observability.metrics import PREFIX, REGISTRY, AllProcesses, MetricsFile
from tests.conftest import on_sqlite
from tests.helpers.admin import Browser


@pytest.fixture
def token(committed, at):
    with committed():
        return tokens.create("Prometheus", scopes=[Scope.READ], by=SYSTEM, at=at)[1]


@pytest.fixture
def scraped(client, token):
    """`scraped()`: (name, labels) → value, as Prometheus' own parser reads it."""

    def scrape():
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
        return {
            (sample.name.removeprefix("statuspage_"), frozenset(sample.labels.items())): sample
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    return scrape


@pytest.fixture
def sheet(settings):
    """`sheet("front")`: the place of another process among those of this machine."""
    with ExitStack() as places:

        def take(role):
            taken = MetricsFile(settings.data_dir / "counters", role)
            places.callback(taken.close)
            return taken

        yield take


def value(samples, name, **labels):
    found = samples.get((name, frozenset(labels.items())))
    return found.value if found else 0


def counted(samples, name, **labels):
    """The sum over all processes."""
    wanted = set(labels.items())
    return sum(s.value for (one, has), s in samples.items() if one == name and wanted <= has)


@on_sqlite
def test_metrics_follow_the_prometheus_format(app, client, token, at):
    jobs.record_heartbeat(app, HeartbeatKind.TICK, at)
    metrics.DELIVERY_SECONDS.labels("webhook").observe(0.3)
    text = client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).text
    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names)), "a family that stands in two places"
    assert text.count("# HELP ") == text.count("# TYPE ") == len(names)
    for family in families:
        assert re.fullmatch(r"statuspage_[a-z_]+", family.name)
        assert family.documentation.endswith((".", ":"))
        assert family.type in ("counter", "gauge", "histogram")
        # The parser takes `_total` away from the name of a counter.
        written = family.name + "_total" * (family.type == "counter")
        assert f"# TYPE {written} {family.type}" in text
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|percent)(_|$)", family.name)
        series = [(sample.name, frozenset(sample.labels.items())) for sample in family.samples]
        assert len(series) == len(set(series))


@on_sqlite
def test_histogram_adds_up_to_its_count(scraped):
    before = scraped()
    for seconds in (0.02, 0.025, 0.4, 99):
        metrics.DELIVERY_SECONDS.labels("slack").observe(seconds)
    after = scraped()

    def grew(name, **labels):
        labels |= {"channel": "slack", "process": "web"}
        return value(after, name, **labels) - value(before, name, **labels)

    assert grew("delivery_seconds_count") == 4
    assert grew("delivery_seconds_sum") == pytest.approx(99.445)
    buckets = {"0.025": 2, "0.1": 2, "0.25": 2, "0.5": 3, "15": 3, "+Inf": 4}
    assert {le: grew("delivery_seconds_bucket", le=le) for le in buckets} == buckets


@on_sqlite
def test_page_views_sign_ins_and_failures_are_counted(app, client, scraped):
    before = scraped()
    tag = client.get("/robots.txt").headers["ETag"]
    client.get("/robots.txt")
    client.get("/robots.txt", headers={"If-None-Match": tag})
    browser = Browser(app)
    for _ in range(7):
        browser.sign_in("ada@example.com", "wrong")
    with app.app_context(), pytest.raises(sa.exc.OperationalError):
        db.session.execute(sa.text("SELECT * FROM nowhere"))
    after = scraped()

    def grew(name, **labels):
        return counted(after, name, **labels) - counted(before, name, **labels)

    assert grew("page_requests_total", result="made") == 1
    assert grew("page_requests_total", result="hit") == 1
    assert grew("page_requests_total", result="not_modified") == 1
    assert grew("sign_in_failures_total", step="password") == 6
    assert grew("throttled_requests_total", part="desk") == 1
    assert grew("requests_total", part="desk", status="422") == 6
    assert grew("request_seconds_count", part="desk") == grew("requests_total", part="desk") > 7
    assert grew("database_errors_total", kind="OperationalError") == 1


@on_sqlite
def test_each_process_has_its_own_label(scraped, sheet):
    first, second = sheet("front"), sheet("front")
    metrics.PAGE_REQUESTS.labels("error").inc()
    first.write()
    second.write()
    samples = scraped()
    told = [
        dict(labels)["process"]
        for name, labels in samples
        if name == "process_resident_memory_bytes"
    ]
    assert sorted(told) == ["front-1", "front-2", "web"]
    own = value(samples, "page_requests_total", process="web", result="error")
    assert value(samples, "page_requests_total", process="front-2", result="error") == own >= 1
    # A process that is started again goes on under the name that was left.
    first.close()
    assert sheet("front").process == "front-1"


@on_sqlite
@pytest.mark.parametrize("text", ["", "{", "[]", '{"at": 1}', '{"at": "x", "samples": {}}'])
def test_what_a_process_left_unreadable_is_left_out(scraped, settings, text):
    folder = settings.data_dir / "counters"
    folder.mkdir()
    (folder / "front-1.json").write_text(text)
    assert {dict(labels).get("process") for _, labels in scraped()} == {None, "web"}


@on_sqlite
def test_metrics_of_an_ended_process_disappear(scraped, sheet, traveller):
    sheet("worker").write()
    assert {dict(labels).get("process") for _, labels in scraped()} == {None, "web", "worker-1"}
    traveller.shift(metrics.DEAD_AFTER_S + 1)
    assert {dict(labels).get("process") for _, labels in scraped()} == {None, "web"}


@on_sqlite
def test_known_token_gets_process_metrics_without_the_database(
    app, client, token, committed, scraped
):
    assert value(scraped(), "database_up") == 1
    with committed() as session:
        session.execute(sa.text("DROP TABLE api_token"))
    samples = scraped()
    assert value(samples, "database_up") == 0
    assert ("revision", frozenset()) not in samples
    assert counted(samples, "process_resident_memory_bytes") > 0
    wrong = client.get("/metrics", headers={"Authorization": "Bearer another"})
    assert wrong.status_code == 401


@on_sqlite
def test_command_prints_metrics_of_a_worker_without_address(app, sheet, monkeypatch):
    worker = sheet("worker")
    metrics.DELIVERY_ATTEMPTS.labels("email", "sent").inc()
    worker.write()
    monkeypatch.setattr(db.session, "execute", None)  # It asks no database.
    told = app.test_cli_runner().invoke(args=["metrics"])
    assert told.exit_code == 0
    families = list(text_string_to_metric_families(told.output))
    samples = [sample for family in families for sample in family.samples]
    assert {sample.labels["process"] for sample in samples} == {"worker-1"}
    sent = [one for one in samples if one.labels.get("result") == "sent"]
    # What other tests of this process sent is counted, too.
    assert sum(sample.value for sample in sent if sample.labels["channel"] == "email") >= 1


def written(folder, name):
    """Labels and value of the samples of one family in a shared folder."""
    families = AllProcesses(folder, with_own=False).collect()
    return [
        (s.labels, s.value) for family in families if family.name == name for s in family.samples
    ]


def test_a_process_tells_the_others_by_itself(tmp_path):
    program = (
        "import sys; from pathlib import Path\n"
        "from statuspage.observability import metrics as counters\n"
        "counters.share(Path(sys.argv[1]), 'front')\n"
        "assert not {'flask', 'sqlalchemy'} & set(sys.modules)\n"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE) as process:
        deadline = time.monotonic() + 10
        name = f"{PREFIX}process_resident_memory_bytes"
        while not (samples := written(tmp_path, name)):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert [labels for labels, _ in samples] == [{"process": "front-1"}]
        assert samples[0][1] > 1_000_000
        process.stdin.close()
    assert process.returncode == 0


def test_documentation_lists_exactly_the_metrics():
    text = (PROJECT / "docs" / "monitoring.md").read_text()
    explained = set(re.findall(r"^\| `statuspage_([a-z_]+)` \|", text, re.M))
    source = (PROJECT / "statuspage" / "web" / "metrics.py").read_text()
    of_the_page = set(re.findall(r'_gauges?\(\s*"([a-z_]+)"', source))
    of_processes = {
        family.name.removeprefix(PREFIX) + "_total" * (family.type == "counter")
        for family in REGISTRY.collect()
    }
    assert explained == of_processes | of_the_page
