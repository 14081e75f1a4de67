"""Grafana: its webhook of today, which is Alertmanager's, and that of its legacy alerts.

https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
https://grafana.com/docs/grafana/v8.5/alerting/old-alerting/notifications/#webhook
"""

from typing import Any

from statuspage.domain.alerts import AlertGroup, AlertReport
from statuspage.errors import Invalid
from statuspage.web.hooks.alert_parsers import alertmanager, fields


def parse(payload: object) -> list[AlertReport]:
    if isinstance(payload, dict) and "alerts" in payload:
        return alertmanager.parse(payload)
    if not isinstance(payload, dict) or "state" not in payload or not _name(payload):
        raise Invalid(
            payload="Send the payload of Grafana's webhook: an object with `alerts`, or with"
            " `ruleName` and `state`."
        )
    return [_legacy(payload)] if _state(payload) in ("alerting", "ok", "no_data") else []


def _legacy(payload: dict[str, Any]) -> AlertReport:
    """A rule; its state `no_data` says nothing about customers."""
    labels = fields.words(payload.get("tags"))
    rule = payload.get("ruleId") or _name(payload)
    fingerprint = fields.digest(f"{payload.get('orgId', 1)}:{rule}")
    return AlertReport(
        fingerprint=fingerprint,
        group=AlertGroup(key=fingerprint),
        name=_name(payload),
        body=fields.text(payload.get("message")),
        components=fields.components(labels),
        status=None if _state(payload) == "no_data" else fields.status(labels),
        is_firing=_state(payload) != "ok",
        source_url=fields.link(payload.get("ruleUrl")),
    )


def _name(payload: dict[str, Any]) -> str:
    return fields.line(payload.get("ruleName")) or fields.line(payload.get("title"))


def _state(payload: dict[str, Any]) -> str:
    return fields.text(payload.get("state")).strip().lower()
