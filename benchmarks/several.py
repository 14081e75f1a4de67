"""Several of a kind on the same records: workers, and groups that are restarted in turn.

`python -m benchmarks.faults workers` plays it. Needs the programs of PostgreSQL and Redis.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from benchmarks import engines
from benchmarks.pressure import bar
from benchmarks.receivers import Receivers
from benchmarks.servers import PROJECT

WORKERS = 3
DELIVERIES = 1_000
MAINTENANCES = 500
"""Each takes two steps by itself, to its beginning and to its end."""
DUE_S = 120.0
SETTLED_S = 5.0
"""How long to look for what happens twice, once everything has happened."""

Step = tuple[Any, str]
"""A maintenance and the status that it took on."""


def workers() -> None:
    """Three workers find a thousand deliveries and a thousand steps of maintenance due."""
    for kind, engine in engines.BOTH:
        receivers = Receivers()
        with engine() as settings:
            prepare(receivers.address(number) for number in range(DELIVERIES))
            _leave_due()
            began = time.monotonic()
            running = [_worker(settings) for _ in range(WORKERS)]
            try:
                done, steps, told = _watch(receivers)
            finally:
                for process in running:
                    process.terminate()
                ended = [process.wait(30) for process in running]
        receivers.close()
        print(
            f"workers: {kind}: {WORKERS} workers through after {done - began:.1f} s;"
            f" {len({one.path for one in receivers.arrived})} of {DELIVERIES} messages arrived,"
            f" {receivers.repeated()} of them again;"
            f" steps taken {sum(steps.values())} of {2 * MAINTENANCES},"
            f" {sum(number - 1 for number in steps.values())} of them again;"
            f" deliveries {dict(told)}",
            flush=True,
        )
        bar("workers", receivers.repeated() == 0, f"no message twice on {kind}")
        bar("workers", told == {("sent", 1): DELIVERIES}, f"all sent with one try on {kind}")
        bar("workers", len(steps) == 2 * MAINTENANCES, f"every step taken on {kind}")
        bar("workers", set(steps.values()) == {1}, f"no step twice on {kind}")
        bar("workers", all(code in (0, -15, 143) for code in ended), f"no worker fell on {kind}")


def prepare(webhooks: Iterable[str], *, mails: Iterable[str] = ()) -> tuple[str, str]:
    """A page whose news go to these addresses; its id, and a token that may write incidents."""
    from statuspage import clock
    from statuspage.db import db, migrate
    from statuspage.domain import page_settings, tokens
    from statuspage.domain.events import SYSTEM
    from statuspage.domain.subscribers.subscriptions import Channel, Subscriber, SubscriberState
    from statuspage.factory import create_app

    app = create_app(watch=False)
    migrate.bring_up_to_date(app)
    with app.app_context():
        at = clock.now()
        page = page_settings.create("Example", by=SYSTEM, at=at)
        _, secret = tokens.create("Drill", scopes=[tokens.Scope.MANAGE], by=SYSTEM, at=at)
        readers = [(Channel.WEBHOOK, address) for address in webhooks]
        readers += [(Channel.EMAIL, address) for address in mails]
        for number, (channel, address) in enumerate(readers):
            db.session.add(
                Subscriber(
                    key=f"drill:{number}",
                    channel=channel,
                    state=SubscriberState.ACTIVE,
                    address=address,
                    # Long ago, so that nobody is asked whether so long a list is right.
                    created_at=at - timedelta(days=30),
                )
            )
        db.session.commit()
        db.engine.dispose()
        return page.public_id, secret


def _leave_due() -> None:
    """An incident that nobody was told of, and maintenance whose window is over."""
    from statuspage import clock
    from statuspage.db import db
    from statuspage.domain.events import SYSTEM
    from statuspage.domain.incidents import maintenance
    from statuspage.domain.incidents import verbs as incidents
    from statuspage.domain.statuses import IncidentStatus
    from statuspage.factory import create_app

    # As a program that plans it may say: nobody is told of its steps.
    quiet = {f"auto_transition_deliver_notifications_at_{edge}": False for edge in ("start", "end")}
    app = create_app(watch=False)
    with app.app_context():
        at = clock.now()
        for number in range(MAINTENANCES):
            planned = maintenance.schedule(
                f"Maintenance {number}",
                body="We work.",
                claims={},
                scheduled_for=at - timedelta(minutes=20),
                scheduled_until=at - timedelta(minutes=10),
                by=SYSTEM,
                at=at - timedelta(minutes=30),
                notify=False,
            )
            planned.details = quiet
        status = IncidentStatus.INVESTIGATING
        incidents.open_incident("Due", status=status, body="Due.", claims={}, by=SYSTEM, at=at)
        db.session.commit()
        db.engine.dispose()


def _worker(settings: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "statuspage", "worker"],
        cwd=PROJECT,
        env=os.environ | settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _watch(receivers: Receivers) -> tuple[float, Counter[Step], Counter[tuple[str, int]]]:
    """Wait until all has happened, and a little longer for what happens again.

    When it had happened (seconds of the monotonic clock), how often each step was taken, and
    deliveries by state and number of tries.
    """
    from statuspage.db import db, read_only
    from statuspage.factory import create_app

    app = create_app(watch=False)
    until = time.monotonic() + DUE_S
    with app.app_context():
        while time.monotonic() < until:
            read_only()
            steps = _steps()
            if len(receivers.arrived) >= DELIVERIES and len(steps) == 2 * MAINTENANCES:
                break
            time.sleep(0.5)
        done = time.monotonic()
        time.sleep(SETTLED_S)
        read_only()
        steps, told = _steps(), _told()
        db.engine.dispose()
    return done, steps, told


def _steps() -> Counter[Step]:
    import sqlalchemy as sa

    from statuspage.db import db
    from statuspage.domain.incidents.models import Incident, IncidentUpdate

    chosen = sa.select(IncidentUpdate.incident_id, IncidentUpdate.status).join(Incident)
    planned = Incident.name.like("Maintenance %"), IncidentUpdate.status != "scheduled"
    found = Counter(
        (key, status.value) for key, status in db.session.execute(chosen.where(*planned))
    )
    db.session.rollback()
    return found


def _told() -> Counter[tuple[str, int]]:
    import sqlalchemy as sa

    from statuspage.db import db
    from statuspage.notify.deliveries import Delivery

    rows = db.session.execute(sa.select(Delivery.state, Delivery.attempts))
    return Counter((state.value, attempts) for state, attempts in rows)
