"""A new release in place of the last, with traffic on: `python -m benchmarks.faults upgrade`.

The program as it was before the newest migration (from the history of this repository, so it
needs git and a whole clone) runs with rows in its database. The present one is started beside
it on the same records, migrates them while the old one serves, and then the old one is
stopped. In front is nginx without a cache; on SQLite both share the data folder.
"""

import inspect
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from benchmarks import balanced, engines, several
from benchmarks.balanced import Member, Poster
from benchmarks.pressure import Readers, bar
from benchmarks.receivers import Receivers
from benchmarks.rolling import until_told
from benchmarks.servers import PROJECT

SUBSCRIBERS = 20
BEFORE_S, BESIDE_S, AFTER_S = 15.0, 5.0, 10.0
POSTED_EVERY_S = 0.5
PREPARE = """
import sys
from collections.abc import Iterable
from datetime import timedelta
{prepare}
print(*prepare(sys.argv[1:]))
"""


def upgrade() -> None:
    """On both engines."""
    with tempfile.TemporaryDirectory(prefix="statuspage-before-") as name:
        before = _program_before_the_newest_migration(Path(name))
        for kind, engine in engines.BOTH:
            _replace(kind, engine, before)


def _program_before_the_newest_migration(folder: Path) -> Path:
    newest = max(path.name for path in PROJECT.glob("migrations/versions/0*.py"))
    log = ["log", "-1", "--diff-filter=A", "--format=%H", "--", f"migrations/versions/{newest}"]
    added = _git(*log).decode().strip()
    with tarfile.open(fileobj=io.BytesIO(_git("archive", f"{added}^"))) as archive:
        archive.extractall(folder, filter="data")
    return folder


def _git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=PROJECT, check=True, capture_output=True).stdout


def _replace(kind: str, engine: engines.Engine, before: Path) -> None:
    receivers = Receivers()
    with engine() as settings:
        page, token = _prepared(before, settings, receivers)
        old, new = Member(settings, before), Member(settings)
        try:
            old.start()
            with balanced.nginx([old.port, new.port]) as (url, log):
                reads = Readers(url)
                poster = Poster(url, page, token, every_s=POSTED_EVERY_S)
                time.sleep(BEFORE_S)
                was, posted = _revision(), len(poster.acknowledged)
                started = new.start()
                time.sleep(BESIDE_S)
                stopped = old.stop()
                time.sleep(AFTER_S)
                poster.stop()
                count, slowest, bad = reads.stop()
                again = balanced.asked_again(log)
            missing = until_told(receivers, len(poster.acknowledged) * SUBSCRIBERS)
        finally:
            for member in (old, new):
                member.stop()
        wrong, now = balanced.not_once(poster.acknowledged), _revision()
    receivers.close()
    print(
        f"upgrade: {kind}: from {was} to {now}, {started:.1f} s to start beside the old,"
        f" {stopped:.1f} s to end that; {count} reads, {bad} not 200, slowest {slowest:.2f} s;"
        f" {len(poster.acknowledged)} updates acknowledged, {posted} of them before"
        f" ({dict(poster.codes)}, {poster.without_retry_after} without Retry-After, slowest"
        f" {poster.slowest_s:.1f} s), {len(poster.given_up)} given up, {wrong} not in the history"
        f" once; {len(receivers.arrived)} messages, {receivers.repeated()} of them again,"
        f" {missing} missing; {again} requests that nginx put to the other",
        flush=True,
    )
    bar("upgrade", was < now, f"there was something to migrate on {kind}")
    bar("upgrade", bad == 0 and slowest < 3, f"every read 200 within 3 s on {kind}")
    bar("upgrade", set(poster.codes) <= {201, 503}, f"every write done or 503 on {kind}")
    bar("upgrade", poster.without_retry_after == 0, f"503 with Retry-After on {kind}")
    bar("upgrade", wrong == 0 and not poster.given_up, f"nothing is lost on {kind}")
    bar("upgrade", missing == 0 and not receivers.repeated(), f"each message once on {kind}")


def _prepared(program: Path, settings: dict[str, str], receivers: Receivers) -> tuple[str, str]:
    """As `several.prepare`, by that program and in its schema."""
    code = PREPARE.format(prepare=inspect.getsource(several.prepare))
    done = subprocess.run(
        [sys.executable, "-c", code, *(receivers.address(one) for one in range(SUBSCRIBERS))],
        cwd=program,
        env=os.environ | settings,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    page, token = done.stdout.split()[-2:]
    return page, token


def _revision() -> str:
    from statuspage.db import db, migrate
    from statuspage.factory import create_app

    app = create_app(watch=False)
    with app.app_context():
        present = migrate.revision()
        db.engine.dispose()
    return present or ""
