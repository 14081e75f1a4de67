"""`/metrics` in the text format of Prometheus, for a token with the scope `read`.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping

from flask import Blueprint, Response, current_app
from prometheus_client import Metric, generate_latest
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from statuspage import clock
from statuspage.db import db, read_only
from statuspage.domain import events, tokens
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.tokens import Scope
from statuspage.notify import health
from statuspage.observability.metrics import PREFIX, AllProcesses
from statuspage.web.authorization import sent_token

bp = Blueprint("metrics", __name__)

TOKEN_CACHED_S = 3600.0
"""How long a token is still good for the metrics of processes while the database is away."""


@bp.get("/metrics")
def scrape() -> Response:
    """Metrics of the page from the database, and of each process of this machine.

    401 without a token. While the database is away, a token that was good within the last
    hour gets the metrics of the processes.
    """
    secret = sent_token("bearer")
    families: list[Metric] = []
    try:
        is_good = _is_good(secret)
        if is_good:
            families = list(_page_metrics())
            _checked_tokens()[_digest(secret)] = time.monotonic()
    except SQLAlchemyError:
        checked_at = _checked_tokens().get(_digest(secret), -TOKEN_CACHED_S)
        is_good = time.monotonic() - checked_at < TOKEN_CACHED_S
        families = []
    if not is_good:
        response = Response("Send a token: Authorization: Bearer YOUR_TOKEN\n", 401)
        response.headers["WWW-Authenticate"] = "Bearer"
        response.mimetype = "text/plain"
        return response
    is_up = bool(families)
    families.append(_gauge("database_up", "1 if the database answered this request.", is_up))
    folder = current_app.config["SETTINGS"].data_dir / "counters"
    families += AllProcesses(folder, with_own=True).collect()
    response = Response(generate_latest(_Collected(families)))
    response.headers["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8"
    response.headers["Cache-Control"] = "no-store"
    return response


class _Collected(Collector):
    """Families as the library wants them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _is_good(secret: str) -> bool:
    at = clock.now()
    token = tokens.with_secret(secret) if secret else None
    return token is not None and token.works(at) and token.may(Scope.READ)


def _checked_tokens() -> dict[str, float]:
    """Tokens that were good, by digest, and when (monotonic seconds)."""
    by_digest: dict[str, float] = current_app.extensions.setdefault("tokens_for_metrics", {})
    return by_digest


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _page_metrics() -> Iterator[Metric]:
    at = clock.now()
    db.session.rollback()
    read_only()
    now = health.check(at=at)
    unresolved = [incident for incident in incidents.unresolved() if not incident.is_draft]
    overdue = [
        incident for incident in unresolved if incidents.overdue_by(incident, at) is not None
    ]
    yield _gauge("revision", "Counter of all changes to the page.", events.revision())
    yield _gauges(
        "incidents_open",
        "Published incidents and maintenance that are not over.",
        [
            ({"kind": kind}, sum(incident.kind == kind for incident in unresolved))
            for kind in ("incident", "maintenance")
        ],
    )
    yield _gauge("promises_overdue", "Incidents whose next update is overdue.", len(overdue))
    yield _gauges(
        "deliveries",
        "Messages to subscribers in the last 90 days, by channel and state.",
        [
            ({"channel": channel, "state": state}, number)
            for (channel, state), number in sorted(now.counts.items())
        ],
    )
    yield _gauges(
        "deliveries_failing",
        "Messages of the last day that failed and have not been delivered since.",
        [({"channel": channel}, number) for channel, number in sorted(now.failures.items())],
    )
    yield _gauge(
        "oldest_due_delivery_seconds",
        "How long the oldest due message has been waiting.",
        now.late_by.total_seconds(),
    )
    yield _gauges(
        "worker_silent_seconds",
        "Seconds since the worker's last heartbeat; missing if no worker has run.",
        [({}, now.silent_for.total_seconds())] if now.silent_for is not None else [],
    )
    yield _gauge(
        "canary_lost",
        "1 if the worker's test job did not come through the queue.",
        now.is_canary_lost,
    )


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return _gauges(name, help_text, [({}, value)])


def _gauges(name: str, help_text: str, values: Iterable[tuple[Mapping[str, str], float]]) -> Metric:
    """One family with a value for each combination of labels."""
    family = Metric(PREFIX + name, help_text, "gauge")
    for labels, value in values:
        family.add_sample(family.name, dict(labels), value)
    return family
