"""`/hooks/alertmanager`: Prometheus' Alertmanager says what fires and what is over.

    JSON → `parse` → `domain.monitoring.receive` → the same verbs as staff

The token is in a header, or at the end of the address. The body is version 4 of its webhook,
which Grafana sends as well:
https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from limits import RateLimitItemPerMinute
from sqlalchemy import exc

from statuspage import clock
from statuspage.db import db, read_only
from statuspage.domain import alerts as monitoring
from statuspage.domain.alerts import AlertGroup, AlertReport, TooManyOpenError
from statuspage.domain.incidents.models import MAX_NAME, Incident
from statuspage.domain.statuses import ComponentStatus
from statuspage.domain.tokens import ApiToken, Scope
from statuspage.lib.markdown import clean
from statuspage.web.authorization import sent_token
from statuspage.web.hooks import common
from statuspage.web.hooks.common import answer
from statuspage.web.security import limiter

bp = Blueprint("alertmanager", __name__, url_prefix="/hooks/alertmanager")
common.ask_again_where_the_database_is_gone(bp)

PER_TOKEN = RateLimitItemPerMinute(300)
MOST_ALERTS = 500
MOST_COMPONENTS = 20
TRIES = 3
"""Of the same alert told twice at once, one finds it known the second time."""

STATUSES = {
    "critical": ComponentStatus.PARTIAL_OUTAGE,
    "page": ComponentStatus.PARTIAL_OUTAGE,
    "error": ComponentStatus.PARTIAL_OUTAGE,
}
"""By the label `severity`: a monitor seldom knows that nothing works, so that is for people, or
for the label `statuspage_status`. What is not named here is degraded."""
TROUBLE = {
    ComponentStatus.DEGRADED_PERFORMANCE,
    ComponentStatus.PARTIAL_OUTAGE,
    ComponentStatus.MAJOR_OUTAGE,
}

log = structlog.get_logger()


class UnreadableError(Exception):
    """A sentence for whoever sets the hook up."""


@bp.post("/<token>")
def take_at(token: str) -> ResponseReturnValue:
    return _take(token) or common.nothing_here()


@bp.post("")
def take() -> ResponseReturnValue:
    return _take(sent_token("bearer")) or common.no_token()


def _take(secret: str) -> ResponseReturnValue | None:
    """None where the token may not report alerts."""
    at = clock.now()
    read_only()
    found = common.token_of(secret, Scope.ALERTS, at=at)
    if found is None:
        return None
    if not limiter.limiter.hit(PER_TOKEN, "alerts", str(found.id)):
        return _too_many(f"More than {PER_TOKEN.amount} requests a minute. Group your alerts.")
    try:
        notice = parse(request.get_data())
    except UnreadableError as unreadable:
        return answer(400, error=str(unreadable))
    if not monitoring.is_news(notice, token=found, at=at):
        return answer(200, alerts=len(notice.reports))
    db.session.rollback()
    try:
        incident = _receive(secret, notice, at)
    except TooManyOpenError:
        return _too_many(f"{monitoring.MOST_OPEN} incidents of this token are open. Resolve some.")
    return answer(200, alerts=len(notice.reports), incident=incident and incident.public_id)


def _receive(secret: str, notice: AlertGroup, at: datetime) -> Incident | None:
    for left in reversed(range(TRIES)):
        found = common.token_of(secret, Scope.ALERTS, at=at)
        if found is None:
            return None  # It was revoked this very moment.
        try:
            return _write(found, notice, at)
        except exc.IntegrityError:
            db.session.rollback()
            if not left:
                raise
    return None


def _write(token: ApiToken, notice: AlertGroup, at: datetime) -> Incident | None:
    incident = monitoring.receive(notice, token=token, at=at)
    common.note_use(token, at=at)
    db.session.commit()
    return incident


def _too_many(sentence: str) -> Response:
    response = answer(429, error=sentence)
    response.headers["Retry-After"] = "60"
    return response


# ── reading ────────────────────────────────────────────────────────────────────


def parse(body: bytes) -> AlertGroup:
    """What is told, bounded. Raises `UnreadableError` with a sentence."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableError("This is not JSON.") from None
    if not isinstance(told, dict) or not isinstance(told.get("alerts"), list):
        raise UnreadableError(
            "Send the payload of Alertmanager's webhook: an object with `alerts`."
        )
    alerts = told["alerts"]
    if len(alerts) > MOST_ALERTS:
        raise UnreadableError(
            f"{len(alerts)} alerts in one request. Set max_alerts to {MOST_ALERTS}."
        )
    if not all(isinstance(one, dict) for one in alerts):
        raise UnreadableError("Each of the `alerts` must be an object with labels.")
    reports = tuple(map(_report, alerts))
    shared = _words_of(told, "commonAnnotations")
    return AlertGroup(
        group_key=_digest(_text(told.get("groupKey")) or "".join(r.fingerprint for r in reports)),
        name=_line(shared.get("summary", "")),
        body=shared.get("description", ""),
        reports=reports,
    )


def _report(alert: dict[str, Any]) -> AlertReport:
    labels, annotations = _words_of(alert, "labels"), _words_of(alert, "annotations")
    fingerprint = _text(alert.get("fingerprint"))
    if not 0 < len(fingerprint) <= monitoring.MAX_FINGERPRINT:
        fingerprint = _digest(json.dumps(labels, sort_keys=True))
    named = labels.get("components") or labels.get("component", "")
    words = [word.strip()[:MAX_NAME] for word in named.split(",") if word.strip()]
    return AlertReport(
        fingerprint=fingerprint,
        name=_line(annotations.get("summary") or labels.get("alertname", "")) or "Alert",
        body=annotations.get("description", ""),
        components=tuple(dict.fromkeys(words))[:MOST_COMPONENTS],
        status=_status(labels),
        is_firing=alert.get("status") != "resolved",
        started_at=_moment(alert.get("startsAt")),
        source_url=_link(_text(alert.get("generatorURL"))),
    )


def _status(labels: dict[str, str]) -> ComponentStatus:
    try:
        stated = ComponentStatus(labels.get("statuspage_status", ""))
    except ValueError:
        stated = None
    if stated in TROUBLE:
        return stated
    severity = labels.get("severity", "").lower()
    return STATUSES.get(severity, ComponentStatus.DEGRADED_PERFORMANCE)


def _words_of(told: dict[str, Any], key: str) -> dict[str, str]:
    """Labels and annotations: words by names, what is no text left out."""
    found = told.get(key)
    return {k: _text(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _text(value: object) -> str:
    return clean(value) if isinstance(value, str) else ""


def _line(text: str) -> str:
    return " ".join(text.split())[:MAX_NAME]


def _moment(value: object) -> datetime | None:
    """None where it is no moment, or has no zone."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return moment.astimezone(UTC) if moment is not None and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _link(text: str) -> str | None:
    try:
        is_web = urlsplit(text).scheme in ("http", "https")
    except ValueError:
        return None
    return text if is_web and len(text) <= monitoring.MAX_URL else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
