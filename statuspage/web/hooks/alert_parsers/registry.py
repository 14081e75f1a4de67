"""The tools that may post to `/hooks/<tool>/<token>`, each with its parser."""

from collections.abc import Callable

from statuspage.domain.alerts import AlertReport
from statuspage.web.hooks.alert_parsers import alertmanager, grafana, uptime_kuma

Parser = Callable[[object], list[AlertReport]]
"""Reads a decoded JSON body. Raises `Invalid` (field `payload`) with a sentence."""

PARSERS: dict[str, Parser] = {
    "alertmanager": alertmanager.parse,
    "grafana": grafana.parse,
    "uptime-kuma": uptime_kuma.parse,
}
