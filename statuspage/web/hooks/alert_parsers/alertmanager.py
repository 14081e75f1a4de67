"""Prometheus Alertmanager: version 4 of its webhook, which Grafana sends as well.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

import json
from typing import Any

from statuspage.domain.alerts import MAX_FINGERPRINT, AlertGroup, AlertReport
from statuspage.errors import Invalid
from statuspage.web.hooks.alert_parsers import fields

MAX_ALERTS = 500

NO_OUTAGE = {
    "watchdog",
    "deadmansswitch",
    "infoinhibitor",
    "datasourcenodata",
    "datasourceerror",
}
"""Names of alerts that report on the monitoring itself: those of kube-prometheus that always fire,
and Grafana's for a data source that doesn't answer."""


def parse(payload: object) -> list[AlertReport]:
    if not isinstance(payload, dict) or not isinstance(payload.get("alerts"), list):
        raise Invalid(
            payload="Send the payload of Alertmanager's webhook: an object with `alerts`."
        )
    alerts = payload["alerts"]
    if len(alerts) > MAX_ALERTS:
        raise Invalid(
            payload=f"{len(alerts)} alerts in one request. Set max_alerts to {MAX_ALERTS}."
        )
    if not all(isinstance(alert, dict) for alert in alerts):
        raise Invalid(payload="Each of the `alerts` must be an object with labels.")
    group = _group(payload, [_fingerprint(alert) for alert in alerts])
    return [_report(alert, group) for alert in alerts]


def _group(payload: dict[str, Any], fingerprints: list[str]) -> AlertGroup:
    shared = fields.words(payload.get("commonAnnotations"))
    return AlertGroup(
        key=fields.digest(fields.text(payload.get("groupKey")) or "".join(fingerprints)),
        name=fields.line(shared.get("summary")),
        body=shared.get("description", ""),
        is_over=_is_resolved(payload),
    )


def _report(alert: dict[str, Any], group: AlertGroup) -> AlertReport:
    labels = fields.words(alert.get("labels"))
    annotations = fields.words(alert.get("annotations"))
    name = labels.get("alertname", "")
    is_outage = name.strip().lower() not in NO_OUTAGE
    return AlertReport(
        fingerprint=_fingerprint(alert),
        group=group,
        name=fields.line(annotations.get("summary") or name) or "Alert",
        body=annotations.get("description", ""),
        components=fields.components(labels),
        status=fields.status(labels) if is_outage or "statuspage_status" in labels else None,
        is_firing=not (group.is_over or _is_resolved(alert)),
        started_at=fields.moment(alert.get("startsAt")),
        ended_at=fields.moment(alert.get("endsAt")),
        source_url=fields.link(alert.get("generatorURL")),
    )


def _fingerprint(alert: dict[str, Any]) -> str:
    fingerprint = fields.text(alert.get("fingerprint"))
    if 0 < len(fingerprint) <= MAX_FINGERPRINT:
        return fingerprint
    labels = alert.get("labels")
    labels = labels if isinstance(labels, dict) else {}
    by_name = {fields.text(name): fields.text(word) for name, word in labels.items()}
    return fields.digest(json.dumps(by_name, sort_keys=True))


def _is_resolved(item: dict[str, Any]) -> bool:
    return fields.text(item.get("status")).strip().lower() == "resolved"
