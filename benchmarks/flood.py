"""A tool that posts alerts without looking at the answers: `python -m benchmarks.faults flood`.

A thousand incidents through the API, as fast as sixteen connections take them, while the
page is read. Then the records are held against what was answered.
"""

import http.client
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from benchmarks import engines
from benchmarks.pressure import PAGES, Readers, ask, bar
from benchmarks.receivers import Receivers
from benchmarks.servers import product
from benchmarks.several import prepare

POSTS = 1_000
CONNECTIONS = 16
LOW = 5
"""Requests a second: fewer than two busy cores can store."""
SUBSCRIBERS = 5
SEEN_S = 30.0


@dataclass
class _Answers:
    """What became of the posts."""

    stored: list[str] = field(default_factory=list)
    """Names that were answered 201."""
    codes: Counter[int] = field(default_factory=Counter)
    without_retry_after: int = 0
    slowest_s: float = 0.0


def flood() -> None:
    """On both engines, with a limit that is reached; on SQLite as the limit usually is, too."""
    for kind, engine, limit in (
        ("SQLite", engines.sqlite, LOW),
        ("PostgreSQL and Redis", engines.postgresql_and_redis, LOW),
        ("SQLite, usual limit", engines.sqlite, None),
    ):
        receivers = Receivers()
        with engine() as settings:
            page, token = prepare(receivers.address(number) for number in range(SUBSCRIBERS))
            limited = {"STATUSPAGE_API_REQUESTS_PER_SECOND": str(limit)} if limit else {}
            with product({**settings, **limited}) as url:
                for path in PAGES:
                    ask(url + path)
                reads, began = Readers(url), time.monotonic()
                answers = _post_all(url, page, token)
                took = time.monotonic() - began
                seen = _until_shown(url, answers.stored)
                count, slowest, bad = reads.stop()
            broken = _broken(answers)
        receivers.close()
        print(
            f"flood: {kind}: {POSTS} posts in {took:.1f} s: {dict(answers.codes)}, slowest"
            f" {answers.slowest_s:.1f} s, {answers.without_retry_after} refused without"
            f" Retry-After; {broken} of the records other than answered; all on the page"
            f" {seen:.1f} s later; {count} reads, {bad} not 200, slowest {slowest:.2f} s;"
            f" {len(receivers.arrived)} messages sent",
            flush=True,
        )
        bar("flood", set(answers.codes) <= {201, 420, 503}, f"201, 420 or 503 on {kind}")
        bar("flood", not limit or answers.codes[420] > 0, f"it is limited on {kind}")
        bar("flood", answers.without_retry_after == 0, f"refused with Retry-After on {kind}")
        bar("flood", broken == 0, f"what is answered 201, and nothing else, is there on {kind}")
        bar("flood", bad == 0 and slowest < 1, f"every read 200 within 1 s on {kind}")
        # A thousand open incidents are more than any page has: it takes longer to draw them.
        bar("flood", seen < (5 if limit else 15), f"the page shows it soon on {kind}")


def _post_all(url: str, page: str, token: str) -> _Answers:
    answers, lock = _Answers(), threading.Lock()
    left = iter(range(POSTS))
    headers = {"Authorization": f"OAuth {token}", "Content-Type": "application/json"}

    def post() -> None:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
        while True:
            with lock:
                number = next(left, None)
            if number is None:
                break
            name = f"Alert {number:04}"
            incident = {"name": name, "status": "investigating", "body": f"{name}. " * 50}
            began = time.monotonic()
            body = json.dumps({"incident": incident})
            connection.request("POST", f"/v1/pages/{page}/incidents", body, headers)
            answer = connection.getresponse()
            answer.read()
            with lock:
                answers.codes[answer.status] += 1
                answers.slowest_s = max(answers.slowest_s, time.monotonic() - began)
                if answer.status == 201:
                    answers.stored.append(name)
                elif not answer.headers["Retry-After"]:
                    answers.without_retry_after += 1
        connection.close()

    threads = [threading.Thread(target=post) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _until_shown(url: str, names: list[str]) -> float:
    """Seconds until the page names everything that was acknowledged."""
    began = time.monotonic()
    while time.monotonic() - began < SEEN_S:
        shown = ask(f"{url}/")[2].decode()
        if all(name in shown for name in names):
            return time.monotonic() - began
        time.sleep(0.05)
    return float("inf")


def _broken(answers: _Answers) -> int:
    """Incidents that should not be there, or not so: each has one update, whole, and one event."""
    import sqlalchemy as sa

    from statuspage.db import db
    from statuspage.domain.events import Event
    from statuspage.domain.incidents.models import Incident, IncidentUpdate
    from statuspage.factory import create_app

    app = create_app(watch=False)
    with app.app_context():
        pairs = sa.select(Incident.name, IncidentUpdate.body).outerjoin(IncidentUpdate)
        rows = Counter((name, (body or "").strip()) for name, body in db.session.execute(pairs))
        events = db.session.scalar(
            sa.select(sa.func.count()).where(Event.kind == "incident.opened")
        )
        db.session.rollback()
        db.engine.dispose()
    wanted = Counter((name, (f"{name}. " * 50).strip()) for name in answers.stored)
    return (rows - wanted).total() + (wanted - rows).total() + abs(events - len(answers.stored))
