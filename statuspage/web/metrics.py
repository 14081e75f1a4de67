"""`/metrics` in the text format of Prometheus, for a token that may read.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterable, Mapping

from flask import Blueprint, Response, request

from statuspage import clock
from statuspage.db import db, reading
from statuspage.domain import events, incidents, tokens
from statuspage.domain.tokens import Scope
from statuspage.notify import health

bp = Blueprint("metrics", __name__)

Labels = Mapping[str, str]


@bp.get("/metrics")
def tell() -> Response:
    """Figures of the whole installation, from the database; 401 without a token."""
    at = clock.now()
    kind, _, secret = request.headers.get("Authorization", "").strip().partition(" ")
    token = tokens.with_secret(secret.strip()) if kind.lower() == "bearer" else None
    if token is None or not token.works(at) or not token.may(Scope.READ):
        answer = Response("Send a token: Authorization: Bearer YOUR_TOKEN\n", 401)
        answer.headers["WWW-Authenticate"] = "Bearer"
        answer.mimetype = "text/plain"
        return answer
    db.session.rollback()
    reading()
    now = health.look(at=at)
    unresolved = [one for one in incidents.unresolved() if not one.is_draft]
    overdue = [one for one in unresolved if incidents.overdue_by(one, at) is not None]
    lines = [
        *_gauge("revision", "Counts every change of the page.", [({}, events.revision())]),
        *_gauge(
            "incidents_open",
            "Incidents and maintenance that are published and not over.",
            [
                ({"kind": kind}, sum(one.kind == kind for one in unresolved))
                for kind in ("incident", "maintenance")
            ],
        ),
        *_gauge(
            "promises_overdue", "Promised updates that did not come in time.", [({}, len(overdue))]
        ),
        *_gauge(
            "deliveries",
            "Messages to subscribers of the last 90 days by channel and state.",
            [
                ({"channel": channel, "state": state}, number)
                for (channel, state), number in sorted(now.counts.items())
            ],
        ),
        *_gauge(
            "deliveries_failing",
            "Messages of the last day that failed and did not get through since.",
            [({"channel": channel}, number) for channel, number in sorted(now.failures.items())],
        ),
        *_gauge(
            "oldest_due_delivery_seconds",
            "How long the oldest message that should be on its way has waited.",
            [({}, now.late_by.total_seconds())],
        ),
        *_gauge(
            "worker_silent_seconds",
            "Since the last sign of life of a worker; missing where none was ever seen.",
            [({}, now.silent_for.total_seconds())] if now.silent_for is not None else [],
        ),
        *_gauge(
            "canary_lost",
            "1 when the job that the last start left in the queue did not come out.",
            [({}, int(now.is_canary_lost))],
        ),
    ]
    answer = Response("\n".join(lines) + "\n", mimetype="text/plain")
    answer.headers["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8"
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _gauge(name: str, about: str, values: Iterable[tuple[Labels, float]]) -> Iterable[str]:
    yield f"# HELP statuspage_{name} {about}"
    yield f"# TYPE statuspage_{name} gauge"
    for labels, value in values:
        # Labels are words of ours: nothing in them needs to be escaped.
        told = ",".join(f'{key}="{word}"' for key, word in labels.items())
        yield f"statuspage_{name}{{{told}}} {value:g}" if told else f"statuspage_{name} {value:g}"
