"""How long readers would wait for a page that was never made, and a change for its page."""

import statistics
import time
from dataclasses import dataclass

from flask import Flask

from statuspage import clock
from statuspage.db import db
from statuspage.domain import page_settings
from statuspage.domain.events import SYSTEM, record

TIMES = 15


@dataclass(frozen=True)
class Rebuild:
    """Milliseconds."""

    first_ms: float
    """The first request of the process, with everything it loads."""
    median_ms: float
    max_ms: float
    cpu_ms: float
    """Median of the processor's time alone: steadier on a busy machine."""


def measure(app: Flask, address: str) -> Rebuild:
    """Publish `address`, then raise the revision and publish it again, many times.

    The app must not watch: then each request checks and rebuilds before it answers.
    """
    first, _ = _timed_get(app, address)
    again = []
    for _ in range(TIMES):
        _raise_revision(app)
        again.append(_timed_get(app, address))
    took, busy = zip(*again, strict=True)
    return Rebuild(first, statistics.median(took), max(took), statistics.median(busy))


def _raise_revision(app: Flask) -> None:
    with app.app_context():
        page = page_settings.get()
        assert page is not None
        record("page.touched", subject=page.public_id, title=page.name, by=SYSTEM, at=clock.now())
        db.session.commit()


def _timed_get(app: Flask, address: str) -> tuple[float, float]:
    """Milliseconds by the clock, and of the processor."""
    client = app.test_client()
    started, busy = time.perf_counter(), time.process_time()
    answer = client.get(address)
    took, busy = time.perf_counter() - started, time.process_time() - busy
    assert answer.status_code == 200, answer.text
    return took * 1000, busy * 1000
