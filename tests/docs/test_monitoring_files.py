"""The dashboard and the alert rules that are shipped speak of what /metrics tells."""

import json
import re

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

from statuspage.config import PROJECT
from statuspage.observability import metrics
from statuspage.observability.metrics import PREFIX, REGISTRY

FOLDER = PROJECT / "deploy" / "monitoring"
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((FOLDER / "grafana-dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
SOURCE = (PROJECT / "statuspage" / "web" / "metrics.py").read_text()
OF_THE_PAGE = set(re.findall(r'_gauges?\(\s*"([a-z_]+)"', SOURCE))
TYPES = {
    family.name.removeprefix(PREFIX) + "_total" * (family.type == "counter"): family.type
    for family in REGISTRY.collect()
}
LABELS = {
    family._name.removeprefix(PREFIX): set(family._labelnames)
    for family in vars(metrics).values()
    if isinstance(family, Counter | Gauge | Histogram)
}
EXPORTED = OF_THE_PAGE | {
    name + part
    for name, kind in TYPES.items()
    for part in (("_bucket", "_sum", "_count") if kind == "histogram" else ("",))
}


def named(expression):
    return set(re.findall(r"statuspage_([a-z_]+)", expression))


@pytest.mark.parametrize("expression", [*QUERIES, *(rule["expr"] for rule in RULES)])
def test_monitoring_queries_only_existing_metrics_with_their_types(expression):
    assert named(expression) <= EXPORTED or not named(expression)
    for name in named(expression):
        is_counter = TYPES.get(name) == "counter" or name.endswith("_bucket")
        pattern = rf"(rate|increase)\(statuspage_{name}\b"
        assert bool(re.search(pattern, expression)) == is_counter, name
    for name, labels in re.findall(r"statuspage_([a-z_]+)\{([^}]*)\}", expression):
        of_process = LABELS.get(name.removesuffix("_bucket").removesuffix("_total"))
        own = {"kind", "channel", "state"} if of_process is None else of_process | {"process", "le"}
        assert set(re.findall(r"(\w+)[=!]", labels)) <= own | {"instance"}


def test_every_metric_is_on_the_dashboard():
    shown = set.union(*(named(query) for query in QUERIES))
    plain = {name.removesuffix("_bucket") for name in shown}
    assert set(TYPES) | OF_THE_PAGE == plain


def test_alerts_in_the_manual_have_a_rule():
    text = (PROJECT / "docs" / "monitoring.md").read_text()
    watched = set.union(*(named(rule["expr"]) for rule in RULES))
    assert named(text.partition("Worth a page")[2]) <= watched
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["action"].endswith((".", "?"))
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


def test_dashboard_panels_do_not_overlap():
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
