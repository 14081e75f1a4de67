"""A recorded page, imported here, tells the same: equal JSON, in the same order of keys.

Lists what is excepted, each with its reason.
"""

import json
from datetime import datetime, timedelta

import pytest
import time_machine

from statuspage.cli import importing
from statuspage.config import PROJECT
from tests.conftest import on_sqlite

SAMPLES = PROJECT / "tests/samples/statuspage"
SUMMARIES = sorted(SAMPLES.glob("*/summary-*.json"))

OLDER_THAN_REMINDERS = {"summary-11-of-11-degraded"}
"""Recorded in 2022; Statuspage tells `reminder_intervals` of each incident since September 2023."""

pytestmark = on_sqlite


@pytest.fixture
def recorded(sample):
    return json.loads(sample.read_bytes())


@pytest.fixture
def settings(settings, recorded):
    """The page moves here with its address, as it would with its DNS entry."""
    url = recorded["page"]["url"] if "page" in recorded else settings.base_url
    return settings.model_copy(update={"base_url": url})


@pytest.fixture
def recorded_at(recorded):
    """The minute after the last change that the recording holds."""
    changes = recorded.get("incidents", [])
    moments = [one["updated_at"] for one in [recorded.get("page"), *changes] if one]
    return datetime.fromisoformat(max(moments)) + timedelta(minutes=1)


@pytest.fixture
def ask(app, client, sample, recorded_at):
    """What a path answers at the recorded moment, the recording being imported."""
    with time_machine.travel(recorded_at, tick=False):
        importing.run(app, str(sample))
        yield lambda path: json.loads(client.get(path).data)


@pytest.mark.parametrize("sample", SUMMARIES, ids=lambda path: path.stem)
def test_recorded_summary_is_served_unchanged(ask, recorded, sample):
    ours = ask("/api/v2/summary.json")

    if sample.stem in OLDER_THAN_REMINDERS:
        for incident in ours["incidents"]:
            assert incident.pop("reminder_intervals") is None
    assert written(ours) == written(recorded)


@pytest.mark.parametrize(
    ("sample", "status"),
    [(SAMPLES / f"github/summary-{name}.json", SAMPLES / f"github/status-{name}.json")
     for name in ("all-operational", "9-of-11-major-outage")],
    ids=lambda path: path.stem,
)  # fmt: skip
def test_recorded_status_is_served_unchanged(ask, status):
    assert written(ask("/api/v2/status.json")) == written(json.loads(status.read_bytes()))


@pytest.mark.parametrize("sample", [SAMPLES / "github/incidents-resolved-5.json"])
def test_recorded_incidents_are_served_unchanged(ask, recorded):
    """The collector kept the incidents alone: what stood of the page is not known."""
    ours = ask("/api/v2/incidents.json")["incidents"]
    assert written(ours) == written(recorded["incidents"])

    for told in recorded["incidents"]:
        assert written(ask(f"/api/v2/incidents/{told['id']}.json")["incident"]) == written(told)


@pytest.mark.parametrize("sample", [SUMMARIES[2]], ids=lambda path: path.stem)
def test_importing_a_recording_twice_changes_nothing(app, ask, sample):
    before = ask("/api/v2/summary.json")
    importing.run(app, str(sample))
    assert written(ask("/api/v2/summary.json")) == written(before)


def written(document):
    """Line by line, so that keys in another order differ as well."""
    return json.dumps(document, indent=1, ensure_ascii=False).splitlines()
