"""`/metrics` in the text format of Prometheus, for a token that may read.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from flask import Blueprint, Response, current_app
from sqlalchemy.exc import SQLAlchemyError

from statuspage import clock
from statuspage.db import db, read_only
from statuspage.domain import events, tokens
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.tokens import Scope
from statuspage.notify import health
from statuspage.observability import metrics
from statuspage.observability.metrics import Family, Histogram, Numbers
from statuspage.web.authorization import sent_token

bp = Blueprint("metrics", __name__)

PREFIX = "statuspage_"
BELIEVED_S = 3600.0
"""How long a token is still good for figures of processes while the database is away."""

Labels = Mapping[str, str]
Lines = Iterator[str]


@bp.get("/metrics")
def tell() -> Response:
    """Figures of the page from the database, and of each process of this machine.

    401 without a token. Where the database is away, a token that was good within the last
    hour gets the figures of the processes.
    """
    secret = sent_token("bearer")
    lines: list[str] = []
    try:
        is_good = _is_good(secret)
        if is_good:
            lines = list(_of_the_page())
            _believed()[_mark(secret)] = time.monotonic()
    except SQLAlchemyError:
        is_good = time.monotonic() - _believed().get(_mark(secret), -BELIEVED_S) < BELIEVED_S
        lines = []
    if not is_good:
        answer = Response("Send a token: Authorization: Bearer YOUR_TOKEN\n", 401)
        answer.headers["WWW-Authenticate"] = "Bearer"
        answer.mimetype = "text/plain"
        return answer
    is_up = int(bool(lines))
    lines += _gauge("database_up", "1 if the database answered this request.", [({}, is_up)])
    folder = current_app.config["SETTINGS"].data_dir / "counters"
    lines += process_metrics(metrics.of_all(folder))
    answer = Response("\n".join(lines) + "\n", mimetype="text/plain")
    answer.headers["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8"
    answer.headers["Cache-Control"] = "no-store"
    return answer


# ── who asks ───────────────────────────────────────────────────────────────────


def _is_good(secret: str) -> bool:
    at = clock.now()
    token = tokens.with_secret(secret) if secret else None
    return token is not None and token.works(at) and token.may(Scope.READ)


def _believed() -> dict[str, float]:
    """Tokens that were good, by digest, and when (monotonic seconds)."""
    found: dict[str, float] = current_app.extensions.setdefault("tokens_for_metrics", {})
    return found


def _mark(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


# ── what is told ───────────────────────────────────────────────────────────────


def _of_the_page() -> Lines:
    at = clock.now()
    db.session.rollback()
    read_only()
    now = health.check(at=at)
    unresolved = [one for one in incidents.unresolved() if not one.is_draft]
    overdue = [one for one in unresolved if incidents.overdue_by(one, at) is not None]
    yield from _gauge("revision", "Counter of all changes to the page.", [({}, events.revision())])
    yield from _gauge(
        "incidents_open",
        "Published incidents and maintenance that are not over.",
        [
            ({"kind": kind}, sum(one.kind == kind for one in unresolved))
            for kind in ("incident", "maintenance")
        ],
    )
    yield from _gauge(
        "promises_overdue", "Incidents whose next update is overdue.", [({}, len(overdue))]
    )
    yield from _gauge(
        "deliveries",
        "Messages to subscribers in the last 90 days, by channel and state.",
        [
            ({"channel": channel, "state": state}, number)
            for (channel, state), number in sorted(now.counts.items())
        ],
    )
    yield from _gauge(
        "deliveries_failing",
        "Messages of the last day that failed and have not been delivered since.",
        [({"channel": channel}, number) for channel, number in sorted(now.failures.items())],
    )
    yield from _gauge(
        "oldest_due_delivery_seconds",
        "How long the oldest due message has been waiting.",
        [({}, now.late_by.total_seconds())],
    )
    yield from _gauge(
        "worker_silent_seconds",
        "Seconds since the worker's last heartbeat; missing if no worker has run.",
        [({}, now.silent_for.total_seconds())] if now.silent_for is not None else [],
    )
    yield from _gauge(
        "canary_lost",
        "1 if the worker's test job did not come through the queue.",
        [({}, int(now.is_canary_lost))],
    )


def process_metrics(told: Mapping[str, Numbers]) -> Lines:
    """Each family once, with a series for each process: the label `process` names it."""
    for family in metrics.FAMILIES.values():
        yield from _head(family.name, family.about, family.type)
        for process, numbers in sorted(told.items()):
            for words, found in sorted(numbers.get(family.name, {}).items()):
                labels = {"process": process, **dict(zip(family.labels, words, strict=False))}
                yield from _series(family, labels, found)


def _series(family: Family, labels: Labels, numbers: Sequence[float]) -> Lines:
    if not isinstance(family, Histogram):
        yield _line(family.name, labels, numbers[0])
        return
    *counts, total = numbers
    bounds = [*(f"{bound:g}" for bound in family.bounds), "+Inf"]
    for bound, number in zip(bounds, accumulate(counts), strict=False):
        yield _line(f"{family.name}_bucket", {**labels, "le": bound}, number)
    yield _line(f"{family.name}_sum", labels, total)
    yield _line(f"{family.name}_count", labels, sum(counts))


def _gauge(name: str, about: str, values: Iterable[tuple[Labels, float]]) -> Lines:
    yield from _head(name, about, "gauge")
    for labels, value in values:
        yield _line(name, labels, value)


def _head(name: str, about: str, kind: str) -> Lines:
    yield f"# HELP {PREFIX}{name} {about}"
    yield f"# TYPE {PREFIX}{name} {kind}"


def _line(name: str, labels: Labels, value: float) -> str:
    # Labels are words of ours: nothing in them needs to be escaped.
    told = ",".join(f'{key}="{word}"' for key, word in labels.items())
    return (
        f"{PREFIX}{name}{{{told}}} {_number(value)}" if told else f"{PREFIX}{name} {_number(value)}"
    )


def _number(value: float) -> str:
    return f"{value:.17g}" if value % 1 else f"{value:.0f}"
