"""The values in a payload: bounded, and without characters that the database refuses."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from statuspage.domain import alerts
from statuspage.domain.incidents.models import MAX_NAME
from statuspage.domain.statuses import ComponentStatus
from statuspage.lib.markdown import clean

FIRST_YEAR = 2000
"""Tools write year 1 (Go's zero time) or 1970 (Unix time 0) for a time they don't know."""
NO_OUTAGE = {"debug", "info", "information", "informational", "none", "notice", "ok"}
"""Severities of alerts that say nothing about customers."""
PARTIAL_OUTAGE = {"critical", "error", "page"}
"""A monitor seldom knows that nothing works: that is for staff to say, or for the label
`statuspage_status`."""
TROUBLE = {
    ComponentStatus.DEGRADED_PERFORMANCE,
    ComponentStatus.PARTIAL_OUTAGE,
    ComponentStatus.MAJOR_OUTAGE,
}


def text(value: object) -> str:
    return clean(value) if isinstance(value, str) else ""


def line(value: object) -> str:
    return " ".join(text(value).split())[:MAX_NAME]


def words(value: object) -> dict[str, str]:
    """Labels or annotations by lower-case name; a name that is lower-case already comes first."""
    if not isinstance(value, dict):
        return {}
    by_name = sorted(value.items(), key=lambda item: item[0] == item[0].lower())
    return {text(name).lower(): text(word) for name, word in by_name}


def components(labels: Mapping[str, str]) -> str:
    return labels.get("components") or labels.get("component", "")


def status(labels: Mapping[str, str]) -> ComponentStatus | None:
    """What these labels claim for components; None: no outage."""
    stated = labels.get("statuspage_status", "").strip().lower()
    if stated in TROUBLE:
        return ComponentStatus(stated)
    severity = labels.get("severity", "").strip().lower()
    if severity in NO_OUTAGE:
        return None
    if severity in PARTIAL_OUTAGE:
        return ComponentStatus.PARTIAL_OUTAGE
    return ComponentStatus.DEGRADED_PERFORMANCE


def moment(value: object) -> datetime | None:
    """None for what is no time, has no zone, or is a tool's zero."""
    try:
        parsed = datetime.fromisoformat(value.strip().upper()) if isinstance(value, str) else None
        parsed = parsed.astimezone(UTC) if parsed is not None and parsed.tzinfo else None
    except (ValueError, OverflowError):
        return None
    return parsed if parsed is not None and parsed.year >= FIRST_YEAR else None


def link(value: object) -> str | None:
    url = text(value)
    try:
        is_web = urlsplit(url).scheme in ("http", "https")
    except ValueError:
        return None
    return url if is_web and len(url) <= alerts.MAX_URL else None


def digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
