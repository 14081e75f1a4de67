"""`python -m benchmarks.mirror`: how long a mirror of a long history takes, at first and after a
change, on each kind of target.

Targets beside the usual ones: `--target s3://…`, with its keys as in the settings.
"""

import argparse
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import scale
from statuspage.export import runner

if TYPE_CHECKING:
    from statuspage.export.worker import ExportWorker

CHANGES = 3
BARS = "Bars: the present within seconds, 2,000 incidents within 60 s, a change within 5 s."


@dataclass
class Times:
    """Of one target, in seconds, without the half second until the worker looks."""

    present: float
    whole: float
    change: float
    """The longest of `CHANGES`."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mirror", description=__doc__)
    parser.add_argument("--components", type=int, default=20)
    parser.add_argument("--incidents", type=int, default=2_000, help="ten updates each")
    parser.add_argument("--target", action="append", default=[], help="one more, as in settings")
    parser.add_argument("--only", action="store_true", help="no other targets than those named")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="statuspage-mirror-") as name:
        folder = Path(name)
        targets = [*([] if options.only else _usual(folder)), *options.target]
        with _mirror(folder, targets, options.components, options.incidents) as (mirror, change):
            making, times = _measure(mirror, change)
    print(_table(mirror, making, times, busy))


def _usual(folder: Path) -> Iterator[str]:
    yield f"file:{folder}/copy"
    yield f"published:{folder}/published"
    if shutil.which("rsync"):
        yield f"rsync:{folder}/synchronised"
    if shutil.which("git"):
        subprocess.run(["git", "init", "-q", "--bare", folder / "pages.git"], check=True)
        yield f"git:{folder}/pages.git#pages"


@contextmanager
def _mirror(
    folder: Path, targets: list[str], components: int, of_incidents: int
) -> Iterator[tuple["ExportWorker", Callable[[int], None]]]:
    """A worker's mirror whose steps we take ourselves, and what changes the page."""
    from statuspage import clock
    from statuspage.config import Settings
    from statuspage.db import db, migrate
    from statuspage.domain.events import SYSTEM
    from statuspage.domain.incidents import verbs as incidents
    from statuspage.export.render import in_process
    from statuspage.export.targets import Keys
    from statuspage.export.worker import ExportWorker
    from statuspage.factory import create_app

    app = create_app(Settings(data_dir=folder / "data", demo=False), watch=False)
    migrate.bring_up_to_date(app)
    with app.app_context():
        scale.fill(components, of_incidents, clock.now())
    published = runner.disable_cache(app)
    settings = app.config["SETTINGS"]
    mirror = ExportWorker(
        folder / "work",
        targets,
        fetch=in_process(app.wsgi_app, settings.base_url),
        read_changes=runner.changes_reader(app),
        revision=published.read_revision,
        keys=Keys(settings.bucket_key, settings.bucket_secret),
    )

    def change(number: int) -> None:
        with app.app_context():
            (newest,) = incidents.unresolved()
            incidents.post_update(
                newest,
                status=newest.status,
                body=f"News {number}.",
                claims={row.component: row.claim for row in newest.affected},
                by=SYSTEM,
                at=clock.now(),
            )
            db.session.commit()

    yield mirror, change
    with app.app_context():
        db.engine.dispose()


def _measure(
    mirror: "ExportWorker", change: Callable[[int], None]
) -> tuple[Times, dict[str, Times]]:
    """What making takes, and for each target the time from the change until it has it."""
    whole = present = _step(mirror)
    first = _deliver(mirror)
    while mirror.builder.later:
        whole += _step(mirror)
    second = _deliver(mirror)
    making = Times(present, whole, 0)
    times = {name: Times(present + first[name], whole + second[name], 0) for name in first}
    for number in range(CHANGES):
        change(number)
        made = _step(mirror)
        making.change = max(making.change, made)
        for name, carried in _deliver(mirror).items():
            times[name].change = max(times[name].change, made + carried)
        while mirror.builder.later:
            _step(mirror)
    return making, times


def _step(mirror: "ExportWorker") -> float:
    from statuspage import clock

    begun = time.perf_counter()
    mirror.step(at=clock.now())
    return time.perf_counter() - begun


def _deliver(mirror: "ExportWorker") -> dict[str, float]:
    took = {}
    for uploader in mirror.uploaders:
        begun = time.perf_counter()
        if not uploader.deliver():
            raise SystemExit(f"{uploader.target.name} did not take it.")
        took[uploader.target.name] = time.perf_counter() - begun
    return took


def _peak_megabytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _table(mirror: "ExportWorker", making: Times, times: dict[str, Times], busy: float) -> str:
    addresses = max(len(stage.addresses) for stage in mirror.builder.stages)

    def row(name: str, one: Times) -> str:
        return f"| {name} | {one.present:.1f} s | {one.whole:.1f} s | {one.change:.1f} s |"

    kinds = [row(name.partition(":")[0], one) for name, one in times.items()]
    return "\n".join(
        [
            f"{addresses:,} addresses, at most {_peak_megabytes()} MB,"
            f" load {busy:.1f} before. {BARS}",
            "",
            "| target | present, empty target | whole | after a change |",
            "|---|---:|---:|---:|",
            row("(making)", making),
            *kinds,
        ]
    )


if __name__ == "__main__":
    main()
