"""`python -m benchmarks.scale`: what a rebuild costs as a page grows, as a table and an SVG.

The history is written straight into the tables; each size is measured in a process of its
own, so that its memory is its own. Ten times the incidents in the same years fill ten times of
each day that is shown; in ten times the years they show nothing more.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks import rebuild
from statuspage import clock
from statuspage.config import Settings
from statuspage.db import db, migrate
from statuspage.domain import page_settings
from statuspage.domain.components.claims_store import ComponentClaim
from statuspage.domain.components.models import Component, ComponentGroup
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents.models import Affected, Incident, IncidentUpdate, UpdateChange
from statuspage.factory import create_app

UPDATES = 10
"""Of each incident."""
YEARS = 5
SIZES = (
    (20, 500, YEARS),
    (200, 2_000, YEARS),
    (200, 20_000, 10 * YEARS),
    (200, 20_000, YEARS),
    (500, 8_000, YEARS),
    (1_000, 20_000, YEARS),
)
"""Components, incidents, and the years in which they happened."""
BARS = (
    "Bars: 100 ms with 200 components and 2,000 incidents; 300 ms and 200 MB with 1,000 and 20,000."
)
WORDS = "Some requests fail. We are looking into the cause. Nothing has to be sent again."


@dataclass(frozen=True)
class Point:
    """One size of page and what it costs."""

    components: int
    incidents: int
    years: int
    wall_ms: float
    cpu_ms: float
    kilobytes: int
    """Of the page, unpacked."""
    megabytes: int
    """The most that the process ever held."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--svg", type=Path, help="where to draw the picture")
    parser.add_argument("--size", type=int, nargs=3, help="one: components, incidents, years")
    options = parser.parse_args()
    if options.size:
        print(json.dumps(asdict(_measure(*options.size))))
        return
    points = []
    for size in SIZES:
        print("{} components, {} incidents in {} years …".format(*size), file=sys.stderr)
        command = [sys.executable, "-m", "benchmarks.scale", "--size", *map(str, size)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        points.append(Point(**json.loads(told)))
    print(_table(points))
    if options.svg:
        options.svg.write_text(_picture(points))


def _measure(components: int, incidents: int, years: int) -> Point:
    with tempfile.TemporaryDirectory(prefix="statuspage-scale-") as name:
        app = create_app(Settings(data_dir=Path(name), demo=False), watch=False)
        migrate.bring_up_to_date(app)
        with app.app_context():
            fill(components, incidents, clock.now(), years)
        # As the leader of the group does before it forks.
        gc.collect()
        gc.freeze()
        took = rebuild.measure(app, "/")
        answer = app.test_client().get("/")
        with app.app_context():
            db.engine.dispose()
    return Point(
        components,
        incidents,
        years,
        round(took.median_ms, 1),
        round(took.cpu_ms, 1),
        len(answer.data) // 1024,
        _peak_megabytes(),
    )


def _peak_megabytes() -> int:
    status = Path("/proc/self/status").read_text()
    (peak,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) // 1024


# ── rows ───────────────────────────────────────────────────────────────────────


def fill(components: int, incidents: int, at: datetime, years: int = YEARS) -> None:
    """Write a page of this size and commit; all incidents are over but the last."""
    begin = at - timedelta(days=365 * years)
    page_settings.create("Example", by=SYSTEM, at=begin)
    db.session.flush()
    for model, rows in (
        (ComponentGroup, _groups(components, begin)),
        (Component, _components(components, begin)),
        (Incident, _incidents(incidents, begin, at)),
        (IncidentUpdate, _updates(incidents, begin, at)),
        (Affected, _affected(components, incidents)),
        (UpdateChange, _changes(components, incidents)),
        (ComponentClaim, _claims(components, incidents, begin, at)),
    ):
        while some := list(islice(rows, 5_000)):
            db.session.execute(sa.insert(model), some)
    db.session.commit()


Rows = Iterator[dict[str, Any]]


def _groups(components: int, begin: datetime) -> Rows:
    for number in range(1, components // 10 + 1):
        yield {"id": number, "name": f"Group {number}", "position": number} | _made(begin)


def _components(components: int, begin: datetime) -> Rows:
    for number in range(1, components + 1):
        yield {
            "id": number,
            "name": f"Component {number}",
            "group_id": (number - 1) // 10 + 1 if components >= 10 else None,
            "position": number,
            "start_date": begin.date(),
        } | _made(begin)


def _incidents(incidents: int, begin: datetime, at: datetime) -> Rows:
    for number in range(1, incidents + 1):
        started = _started(number, incidents, begin, at)
        is_open = number == incidents
        yield {
            "id": number,
            "name": f"Errors, case {number}",
            "status": "investigating" if is_open else "resolved",
            "impact": "minor",
            "started_at": started,
            "published_at": started,
            "resolved_at": None if is_open else started + timedelta(hours=1),
            "details": {},
        } | _made(started)


def _updates(incidents: int, begin: datetime, at: datetime) -> Rows:
    for number in range(1, incidents + 1):
        started = _started(number, incidents, begin, at)
        for step in range(UPDATES):
            is_last = step == UPDATES - 1 and number != incidents
            posted = started + timedelta(hours=1) * step / (UPDATES - 1)
            yield {
                "id": (number - 1) * UPDATES + step + 1,
                "incident_id": number,
                "status": "resolved" if is_last else "investigating",
                "body": WORDS,
                "body_html": f"<p>{WORDS}</p>",
                "posted_at": posted,
                "posted_by": "Ann",
            } | _made(posted)


def _affected(components: int, incidents: int) -> Rows:
    for number in range(1, incidents + 1):
        yield {
            "incident_id": number,
            "component_id": number % components + 1,
            "status": "partial_outage" if number == incidents else "operational",
        }


def _changes(components: int, incidents: int) -> Rows:
    for number in range(1, incidents + 1):
        for step in (0,) if number == incidents else (0, UPDATES - 1):
            well, ill = "operational", "partial_outage"
            component = number % components + 1
            yield {
                "incident_update_id": (number - 1) * UPDATES + step + 1,
                "component_id": component,
                "name": f"Component {component}",
                "old_status": ill if step else well,
                "new_status": well if step else ill,
            }


def _claims(components: int, incidents: int, begin: datetime, at: datetime) -> Rows:
    for number in range(1, incidents + 1):
        started = _started(number, incidents, begin, at)
        yield {
            "component_id": number % components + 1,
            "incident_id": number,
            "status": "partial_outage",
            "starts_at": started,
            "ends_at": None if number == incidents else started + timedelta(hours=1),
        }


def _started(number: int, incidents: int, begin: datetime, at: datetime) -> datetime:
    """Evenly over the years; the last two hours ago."""
    return begin + (at - timedelta(hours=2) - begin) * number / incidents


def _made(at: datetime) -> dict[str, datetime]:
    return {"created_at": at, "updated_at": at}


# ── report ─────────────────────────────────────────────────────────────────────


def _table(points: Sequence[Point]) -> str:
    lines = [
        f"Front page, {UPDATES} updates to an incident, SQLite;"
        f" load before: {os.getloadavg()[0]:.1f}. {BARS}",
        "",
        "| components | incidents | years | rebuild ms | processor ms | kB | peak MB |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        "| " + " | ".join(f"{value:,}" for value in asdict(one).values()) + " |" for one in points
    ]
    return "\n".join(lines)


def _picture(points: Sequence[Point]) -> str:
    """Bars of processor time, a row a size; plain SVG that both themes can show."""
    longest = max(one.cpu_ms for one in points)
    rows = []
    for number, one in enumerate(points):
        y = 40 + 44 * number
        length = round(420 * one.cpu_ms / longest)
        name = f"{one.components:,} components, {one.incidents:,} incidents in {one.years} years"
        rows.append(
            f'<text x="16" y="{y}">{name}</text>'
            f'<rect x="16" y="{y + 6}" width="{length}" height="14" rx="2" fill="#4a7"/>'
            f'<text x="{length + 24}" y="{y + 18}">{one.cpu_ms:.0f} ms</text>'
        )
    height = 40 + 44 * len(points)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 560 {height}"'
        ' font-family="system-ui, sans-serif" font-size="13" role="img"'
        ' aria-label="Processor time of a rebuild by size of page">'
        f'<rect width="560" height="{height}" fill="#fff"/>{"".join(rows)}</svg>\n'
    )


if __name__ == "__main__":
    main()
