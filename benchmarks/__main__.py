"""`python -m benchmarks`: a Markdown table of page, feed and 304 beside nginx, and of a rebuild."""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import load, rebuild, rows, servers
from benchmarks.load import Sample

NEEDED = {"nginx": "nginx", "wrk": "wrk"}
FEED = "/history.atom"
BARS = "Bars: 0.40 of nginx for each answer, 60 ms for a rebuild."


@dataclass(frozen=True)
class Question:
    """What is asked of both servers. `if_none_match`: with the tag each of them gave."""

    name: str
    ours: str
    nginxs: str
    accept_encoding: str | None = None
    if_none_match: bool = False


QUESTIONS = (
    Question("page", "/", "/page.html"),
    Question("page, gzip", "/", "/page.html", accept_encoding="gzip"),
    Question("feed", FEED, "/feed.atom"),
    Question("page, 304", "/", "/page.html", if_none_match=True),
)


def main() -> None:
    options = _options()
    missing = [package for program, package in NEEDED.items() if not shutil.which(program)]
    if missing:
        sys.exit(f"Missing: {' and '.join(missing)}. Debian: apt-get install {' '.join(missing)}")
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="statuspage-bench-") as name:
        folder = Path(name)
        environment = {"STATUSPAGE_DATA_DIR": str(folder / "data"), "STATUSPAGE_DEMO": "0"}
        os.environ.update(environment)
        print("A page of 20 components and 500 incidents is made …", file=sys.stderr)
        timing = _rebuild()
        with servers.product(environment) as ours:
            files = {
                "page.html": servers.fetch(ours)[1],
                "feed.atom": servers.fetch(ours + FEED)[1],
            }
            with servers.nginx(folder / "nginx", files) as theirs:
                rounds = _rounds(ours, theirs, options.rounds, options.seconds)
    print(_report(rounds, timing, files, busy))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each answer is asked")
    parser.add_argument("--seconds", type=float, default=2, help="length of one run of wrk")
    return parser.parse_args()


def _rebuild() -> rebuild.Rebuild:
    from statuspage import clock, create_app, schema

    app = create_app(watch=False)
    schema.bring_up_to_date(app)
    with app.app_context():
        rows.fill(clock.now())
    return rebuild.measure(app, "/")


Rounds = Mapping[tuple[str, str], list[Sample]]


def _rounds(ours: str, theirs: str, count: int, seconds: float) -> Rounds:
    """Every question to both servers, forwards and backwards in turn."""
    runs = [
        (question, server, url, _headers(question, url))
        for question in QUESTIONS
        for server, url in (
            ("nginx", theirs + question.nginxs),
            ("statuspage", ours + question.ours),
        )
    ]
    for _, _, url, headers in runs:
        load.run(url, headers, 1)
    samples = defaultdict(list)
    for number in range(count):
        for question, server, url, headers in runs[:: -1 if number % 2 else 1]:
            samples[question.name, server].append(load.run(url, headers, seconds))
        print(f"Round {number + 1} of {count} is done.", file=sys.stderr)
    return samples


def _headers(question: Question, url: str) -> dict[str, str]:
    headers = {}
    if question.accept_encoding:
        headers["Accept-Encoding"] = question.accept_encoding
    answered, _ = servers.fetch(url, headers)
    if question.if_none_match:
        headers["If-None-Match"] = answered["ETag"]
    return headers


def _report(
    rounds: Rounds, timing: rebuild.Rebuild, files: Mapping[str, bytes], busy: float
) -> str:
    lines = [
        "| answer | server | req/s min / median / max | of nginx (min–max) | p50 ms | p99 ms |",
        "|---|---|---|---|---|---|",
    ]
    for question in QUESTIONS:
        base = rounds[question.name, "nginx"]
        for server in ("nginx", "statuspage"):
            lines.append(_line(question.name, server, rounds[question.name, server], base))
    sizes = ", ".join(f"{name} {len(body):,} bytes" for name, body in files.items())
    return "\n".join(
        [
            *lines,
            "",
            f"{sizes}; 1 thread, {load.CONNECTIONS} connections, {len(base)} rounds.",
            "",
            "| a page of 20 components and 500 incidents is made | ms |",
            "|---|---|",
            f"| first request of a process | {timing.first_ms:.0f} |",
            f"| after a change, median of {rebuild.TIMES} | {timing.median_ms:.1f} |",
            f"| after a change, slowest | {timing.max_ms:.1f} |",
            f"| after a change, processor time alone | {timing.cpu_ms:.1f} |",
            "",
            f"{BARS} Load of the machine before: {busy:.1f} on {os.cpu_count()} processors.",
        ]
    )


def _line(name: str, server: str, samples: list[Sample], base: list[Sample]) -> str:
    rates = [sample.requests_per_s for sample in samples]
    ratios = [
        ours.requests_per_s / theirs.requests_per_s
        for ours, theirs in zip(samples, base, strict=True)
    ]
    rate = f"{min(rates):,.0f} / {statistics.median(rates):,.0f} / {max(rates):,.0f}"
    ratio = f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f}–{max(ratios):.2f})"
    p50 = statistics.median(sample.p50_ms for sample in samples)
    p99 = statistics.median(sample.p99_ms for sample in samples)
    ratio = "1" if server == "nginx" else ratio
    return f"| {name} | {server} | {rate} | {ratio} | {p50:.2f} | {p99:.1f} |"


if __name__ == "__main__":
    main()
