"""Uptime Kuma: its *Webhook* notification with the body `application/json`.

https://github.com/louislam/uptime-kuma/blob/2.0.0/server/notification-providers/webhook.js
"""

from typing import Any

from statuspage.domain.alerts import AlertGroup, AlertReport
from statuspage.errors import Invalid
from statuspage.web.hooks.alert_parsers import fields

DOWN, UP = 0, 1
"""Others are pending (2) and under maintenance (3)."""


def parse(payload: object) -> list[AlertReport]:
    if not isinstance(payload, dict) or "heartbeat" not in payload:
        raise Invalid(payload="Send the payload of Uptime Kuma's webhook as application/json.")
    heartbeat, monitor = payload["heartbeat"], payload.get("monitor")
    if not isinstance(heartbeat, dict) or not isinstance(monitor, dict):
        return []  # Its test, or a certificate that expires.
    return [_report(heartbeat, monitor)] if heartbeat.get("status") in (DOWN, UP) else []


def _report(heartbeat: dict[str, Any], monitor: dict[str, Any]) -> AlertReport:
    name = fields.line(monitor.get("name")) or "Monitor"
    fingerprint = fields.digest(f"{monitor.get('id', name)}")
    labels = _tags(monitor.get("tags"))
    is_firing = heartbeat["status"] == DOWN
    moment = fields.moment(f"{fields.text(heartbeat.get('time'))}Z")
    return AlertReport(
        fingerprint=fingerprint,
        group=AlertGroup(key=fingerprint),
        name=f"{name[:200]} is down",
        components=fields.components(labels) or name,
        status=fields.status({"severity": "critical", **labels}),
        is_firing=is_firing,
        started_at=moment if is_firing else None,
        ended_at=None if is_firing else moment,
    )


def _tags(value: object) -> dict[str, str]:
    tags = [tag for tag in value if isinstance(tag, dict)] if isinstance(value, list) else []
    return fields.words({fields.text(tag.get("name")): tag.get("value") for tag in tags})
