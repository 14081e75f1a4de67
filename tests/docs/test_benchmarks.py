"""The benchmark reads what wrk reports, fills its page, and says what is missing."""

import os
import subprocess
import sys

import pytest

from benchmarks import load, rebuild, rows
from benchmarks.load import LoadError, Sample
from tests.conftest import on_sqlite

REPORT = """Running 2s test @ http://127.0.0.1:8101/
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   712.22us    1.01ms  20.40ms   92.32%
    Req/Sec    28.82k     4.10k   35.67k    70.00%
  Latency Distribution
     50%  466.00us
     75%  731.00us
     90%    1.42ms
     99%    2.83ms
  57421 requests in 2.00s, 634.69MB read
Requests/sec:  28682.55
Transfer/sec:    317.03MB
"""


def test_wrk_report_is_read_in_milliseconds():
    assert load.read(REPORT) == Sample(28682.55, pytest.approx(0.466), pytest.approx(2.83))


def test_wrk_report_without_figures_is_refused():
    with pytest.raises(LoadError, match="No figure"):
        load.read("unable to connect to 127.0.0.1:1 Connection refused")


def test_benchmark_without_nginx_and_wrk_says_what_to_install(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks"],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert "Debian: apt-get install nginx wrk" in run.stderr
    assert "Traceback" not in run.stderr


@on_sqlite
def test_benchmark_page_has_an_open_incident_and_shows_a_change(app, at, monkeypatch):
    monkeypatch.setattr(rows, "INCIDENTS", 20)
    with app.app_context():
        rows.fill(at)
    timing = rebuild.measure(app, "/")
    assert 0 < timing.median_ms <= timing.max_ms
    page = app.test_client().get("/").text
    assert "case 20" in page
    assert page.count("Payments Checkout") >= 1
