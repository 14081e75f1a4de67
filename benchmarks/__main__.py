"""`python -m benchmarks`: Markdown tables of responses beside nginx, of readers beside a busy
admin and a busy form, and of a rebuild."""

import argparse
import math
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks import admin, load, rebuild, rows, servers
from benchmarks.load import Sample
from statuspage import clock
from statuspage.db import migrate
from statuspage.factory import create_app

NEEDED = {"nginx": "nginx", "wrk": "wrk"}
FEED = "/history.atom"
JSON = "/api/v2/summary.json"
NGINX, OURS, CACHED = "nginx", "statuspage", "nginx cache"
PUBLISHED = "published files"
GUARDED = "nginx, same headers"
"""Bare files again, with the headers that guard ours: what those cost by themselves."""
AGAIN = "nginx, again"
"""The same server a second time: how far its ratio is from 1 is noise."""
SERVERS = (OURS, CACHED, PUBLISHED, GUARDED, AGAIN)
AS_PUBLISHED = "nginx, files as published"
"""Bare files with the bytes that we publish: a page there has its policy within it."""
OF_FILES = frozenset({NGINX, GUARDED, AGAIN})
BASES = {PUBLISHED: AS_PUBLISHED}
"""Whose bytes a server is measured by, where those are not `NGINX`'s."""
CONNECTIONS = (16, 64)
BARS = (
    "Bars: 0.50 of nginx for each answer and a p99 below 10 ms, 0.80 through nginx's cache,"
    " 0.98 as published files,"
    " 0.70 of its own rate beside admin and form, 60 ms for a rebuild."
)


@dataclass(frozen=True)
class Question:
    """What is asked of all servers. `if_none_match`: with the tag each of them gave."""

    name: str
    address: str
    file: str
    accept_encoding: str | None = None
    if_none_match: bool = False


QUESTIONS = (
    Question("page", "/", "page.html"),
    Question("page, gzip", "/", "page.html", accept_encoding="gzip"),
    Question("feed", FEED, "feed.atom"),
    Question("JSON", JSON, "summary.json"),
    Question("page, 304", "/", "page.html", if_none_match=True),
    Question("JSON, 304", JSON, "summary.json", if_none_match=True),
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
        timing, cookie = _prepare()
        with servers.product(environment) as ours:
            answers = {one.file: servers.fetch(ours + one.address) for one in QUESTIONS}
            published = servers.published_files(folder / "published")
            with servers.nginx(
                folder / "nginx",
                answers,
                ours,
                published,
                {one.address: one.file for one in QUESTIONS},
                options.workers,
            ) as nginx:
                addresses = {
                    NGINX: nginx.bare,
                    OURS: ours,
                    CACHED: nginx.cached,
                    PUBLISHED: nginx.published,
                    GUARDED: nginx.guarded,
                    AGAIN: nginx.bare,
                    AS_PUBLISHED: nginx.bare,
                }
                wanted = {
                    NGINX,
                    *options.server,
                    *(BASES.get(one, NGINX) for one in options.server),
                }
                asked = {name: url for name, url in addresses.items() if name in wanted}
                runs = [*_runs(asked), *_peers(options.peer)]
                rounds = _rounds(runs, options.rounds, options.seconds)
            pairs = _beside_the_admin(ours, cookie, options.rounds, options.seconds)
    print(_report(rounds, pairs, timing, answers, busy))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="how often each answer is asked")
    parser.add_argument("--seconds", type=float, default=0.3, help="length of one run of wrk")
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count(),
        help="processes of nginx (default: %(default)s)",
    )
    parser.add_argument(
        "--server",
        nargs="+",
        default=SERVERS,
        choices=SERVERS,
        metavar="NAME",
        help="of %(choices)s, who is asked beside nginx with the bare files (default: all)",
    )
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=ADDRESS",
        help="a page of another product that runs here, asked in the same rounds",
    )
    return parser.parse_args()


def _prepare() -> tuple[rebuild.Rebuild, str]:
    """Fill the page; how long it takes to render, and the cookie of somebody in the admin."""
    app = create_app(watch=False)
    migrate.bring_up_to_date(app)
    with app.app_context():
        rows.fill(clock.now())
    return rebuild.measure(app, "/"), admin.sign_in(app)


@dataclass(frozen=True)
class Run:
    """One question to one server."""

    question: Question
    connections: int
    server: str
    url: str

    @property
    def key(self) -> tuple[str, int, str]:
        return self.question.name, self.connections, self.server

    def headers(self) -> dict[str, str]:
        """What is asked with; the tag is the present one."""
        headers = {}
        if self.question.accept_encoding:
            headers["Accept-Encoding"] = self.question.accept_encoding
        if self.question.if_none_match:
            answered, _ = servers.fetch(self.url, headers)
            headers["If-None-Match"] = answered["ETag"]
        return headers

    def sample(self, seconds: float) -> Sample:
        """Once more where the page changed meanwhile, as it does each minute of an outage."""
        while True:
            headers = self.headers()
            sample = load.run(self.url, headers, seconds, self.connections)
            if self.headers() == headers:
                return sample


Rounds = Mapping[tuple[str, int, str], list[Sample]]
"""By question, number of connections and server."""


def _runs(addresses: Mapping[str, str]) -> Iterator[Run]:
    for question in QUESTIONS:
        for connections in CONNECTIONS:
            for server, base in addresses.items():
                path = question.address
                if server in OF_FILES:
                    path = f"/{question.file}"
                elif server == AS_PUBLISHED:
                    path = f"/{servers.as_published(question.file)}"
                yield Run(question, connections, server, base + path)


def _peers(pages: Iterable[str]) -> Iterator[Run]:
    """Pages of other products: not the same bytes, but what a reader asks for."""
    for page in pages:
        name, _, url = page.partition("=")
        for connections in CONNECTIONS:
            yield Run(QUESTIONS[0], connections, name, url)


def _rounds(runs: Sequence[Run], count: int, seconds: float) -> Rounds:
    """Every question to all servers, in another order each time: many short runs tell two
    servers apart better than a few long ones, for each begins with new connections, and how
    these fall to the processes of a server is chance."""
    for run in runs:
        run.sample(seconds)
    samples: dict[tuple[str, int, str], list[Sample]] = {run.key: [] for run in runs}
    for number in range(count):
        for run in Random(number).sample(runs, len(runs)):
            samples[run.key].append(run.sample(seconds))
        print(f"Round {number + 1} of {count} is done.", file=sys.stderr)
    return samples


Pairs = list[tuple[Sample, Sample, float]]
"""The page alone, beside admin and form, and what those two answered meanwhile per second."""


def _beside_the_admin(ours: str, cookie: str, count: int, seconds: float) -> Pairs:
    pairs = []
    for _ in range(count):
        alone = load.run(f"{ours}/", {}, seconds, CONNECTIONS[0])
        with admin.hammered(ours, cookie, seconds) as answered:
            beside = load.run(f"{ours}/", {}, seconds, CONNECTIONS[0])
        pairs.append((alone, beside, sum(one.requests_per_s for one in answered)))
    return pairs


def _report(
    rounds: Rounds,
    pairs: Pairs,
    timing: rebuild.Rebuild,
    answers: Mapping[str, servers.Answered],
    busy: float,
) -> str:
    lines = [
        "| answer | connections | server | req/s min / median / max | of nginx ± its standard error"
        " | p50 ms | p99 ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for (name, connections, server), samples in rounds.items():
        base = rounds[name, connections, BASES.get(server, NGINX)]
        lines.append(f"| {name} | {connections} | {server} {_figures(samples, base)}")
    sizes = ", ".join(f"{name} {len(body):,} bytes" for name, (_, body) in answers.items())
    alone, beside, answered = zip(*pairs, strict=True)
    return "\n".join(
        [
            *lines,
            "",
            f"{sizes}; 1 thread of wrk, {len(base)} rounds.",
            "",
            "| the page, 16 connections | req/s min / median / max | of alone ± its standard error"
            " | p50 ms | p99 ms |",
            "|---|---|---|---|---|",
            f"| alone {_figures(alone, alone)}",
            f"| beside 4 on admin and form {_figures(beside, alone)}",
            "",
            f"Admin and form answered {statistics.median(answered):,.0f} requests a second.",
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


def _figures(samples: list[Sample], base: list[Sample]) -> str:
    rates = [sample.requests_per_s for sample in samples]
    rate = f"{min(rates):,.0f} / {statistics.median(rates):,.0f} / {max(rates):,.0f}"
    ratio, error = _ratio(rates, [sample.requests_per_s for sample in base])
    p50 = statistics.median(sample.p50_ms for sample in samples)
    p99 = statistics.median(sample.p99_ms for sample in samples)
    of_base = "1" if samples is base else f"**{ratio:.3f}** ± {error:.3f}"
    return f"| {rate} | {of_base} | {p50:.2f} | {p99:.1f} |"


def _ratio(rates: Sequence[float], base: Sequence[float]) -> tuple[float, float]:
    """Of the means, and its standard error by that of both (0 for a single round)."""
    ratio = statistics.fmean(rates) / statistics.fmean(base)
    if len(rates) == 1:
        return ratio, 0.0
    spread = (statistics.variance(of) / statistics.fmean(of) ** 2 / len(of) for of in (rates, base))
    return ratio, ratio * math.sqrt(sum(spread))


if __name__ == "__main__":
    main()
