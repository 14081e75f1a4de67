"""Monitoring that runs wild: `python -m benchmarks.faults alerts`.

Ten thousand posts to the hook of Alertmanager over sixteen connections: one alert that fires
all the time, and twenty that come and go. Meanwhile the page is read and a person publishes.
"""

import http.client
import json
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from urllib.parse import urlsplit

from benchmarks import engines
from benchmarks.pressure import PAGES, Readers, ask, bar, until_seen
from benchmarks.receivers import Receivers
from benchmarks.servers import product
from benchmarks.several import prepare

POSTS = 10_000
CONNECTIONS = 16
FLAPPING = 20
SUBSCRIBERS = 5
PEOPLE = 3
"""How often a person publishes meanwhile."""


def alerts() -> None:
    for kind, engine in engines.BOTH:
        receivers = Receivers()
        with engine() as settings:
            _, token = prepare(receivers.address(number) for number in range(SUBSCRIBERS))
            secret = _hook()
            with product(settings) as url:
                for path in PAGES:
                    ask(url + path)
                reads, began = Readers(url), time.monotonic()
                threads = _flood(url, f"/hooks/alertmanager/{secret}", codes := Counter())
                people = [until_seen(url, token) for _ in range(PEOPLE)]
                for thread in threads:
                    thread.join()
                took = time.monotonic() - began
                count, slowest, bad = reads.stop()
            opened = _opened()
        receivers.close()
        print(
            f"alerts: {kind}: {POSTS} posts in {took:.1f} s: {dict(codes)};"
            f" {opened.total()} incidents of {len(opened)} alerts; a person's news on the page"
            f" after {max(people):.1f} s at most; {count} reads, {bad} not 200,"
            f" slowest {slowest:.2f} s",
            flush=True,
        )
        bar("alerts", set(codes) == {200, 429}, f"200 or 429 on {kind}")
        bar("alerts", opened.total() == len(opened) == 1 + FLAPPING, f"one each on {kind}")
        bar("alerts", max(people) < 5, f"people come first on {kind}")
        bar("alerts", bad == 0 and slowest < 1, f"every read 200 within 1 s on {kind}")


def _hook() -> str:
    """A token that may publish what alerts say."""
    from statuspage import clock
    from statuspage.db import db
    from statuspage.domain import tokens
    from statuspage.domain.events import SYSTEM
    from statuspage.factory import create_app

    with create_app(watch=False).app_context():
        scopes = [tokens.Scope.ALERTS_PUBLISH]
        _, secret = tokens.create("Monitoring", scopes=scopes, by=SYSTEM, at=clock.now())
        db.session.commit()
        db.engine.dispose()
        return secret


def _flood(url: str, path: str, codes: Counter[int]) -> list[threading.Thread]:
    left, lock = iter(range(POSTS)), threading.Lock()

    def post() -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        while True:
            with lock:
                number = next(left, None)
            if number is None:
                break
            connection.request("POST", path, _body(number))
            answer = connection.getresponse()
            answer.read()
            with lock:
                codes[answer.status] += 1
        connection.close()

    threads = [threading.Thread(target=post) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    return threads


def _body(number: int) -> str:
    """Every other post is of the alert that fires all the time."""
    which = 0 if number % 2 else 1 + number // 2 % FLAPPING
    is_over = which and number // 2 // FLAPPING % 2
    alert = {
        "status": "resolved" if is_over else "firing",
        "labels": {"alertname": f"Alert {which}", "severity": "critical"},
        "annotations": {},
        "startsAt": datetime.now(UTC).isoformat(),
        "fingerprint": f"{which:016x}",
    }
    return json.dumps({"version": "4", "groupKey": f"group {which}", "alerts": [alert]})


def _opened() -> Counter[str]:
    """How many incidents there are, by the name of their alert."""
    import sqlalchemy as sa

    from statuspage.db import db
    from statuspage.domain.incidents.models import Incident
    from statuspage.factory import create_app

    with create_app(watch=False).app_context():
        named = sa.select(Incident.name).where(Incident.name.startswith("Alert "))
        found = Counter(db.session.scalars(named))
        db.session.rollback()
        db.engine.dispose()
        return found
