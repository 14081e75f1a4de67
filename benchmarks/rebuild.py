"""How long readers would wait for a page that was never made, and a change for its page."""

import statistics
import time
from dataclasses import dataclass

from flask import Flask

from statuspage import clock
from statuspage.db import db
from statuspage.domain import pages
from statuspage.domain.events import SYSTEM, record

TIMES = 15


@dataclass(frozen=True)
class Rebuild:
    """Milliseconds."""

    first_ms: float
    """The first request of the process, with everything it loads."""
    median_ms: float
    max_ms: float


def measure(app: Flask, address: str) -> Rebuild:
    """Publish `address`, then raise the revision and publish it again, many times.

    The app must not watch: then each request checks and rebuilds before it answers.
    """
    first = _timed_get(app, address)
    again = []
    for _ in range(TIMES):
        _raise_revision(app)
        again.append(_timed_get(app, address))
    return Rebuild(first, statistics.median(again), max(again))


def _raise_revision(app: Flask) -> None:
    with app.app_context():
        page = pages.get()
        assert page is not None
        record("page.touched", subject=page.public_id, title=page.name, by=SYSTEM, at=clock.now())
        db.session.commit()


def _timed_get(app: Flask, address: str) -> float:
    client = app.test_client()
    started = time.perf_counter()
    answer = client.get(address)
    took = time.perf_counter() - started
    assert answer.status_code == 200, answer.text
    return took * 1000
