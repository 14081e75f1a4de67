"""Uptime by the Manage API, equal to what the page says."""

from datetime import timedelta

import pytest

from statuspage.domain.claims import Claim
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Moments, UpdateInput
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from tests.conftest import on_sqlite

pytestmark = on_sqlite


@pytest.fixture
def component(committed, page_id, at):
    """A component that was down for an hour of yesterday; its id."""
    with committed():
        row = components.add_component("API", by=SYSTEM, at=at - timedelta(days=200))
        incidents.backfill(
            "Down",
            UpdateInput(
                status=IncidentStatus.RESOLVED,
                body="It was down.",
                claims={row: Claim(ComponentStatus.MAJOR_OUTAGE)},
            ),
            Moments(started_at=at - timedelta(days=1), resolved_at=at - timedelta(hours=23)),
            by=SYSTEM,
            at=at,
        )
        return row.public_id


def uptime(program, component, query=""):
    return program.get(f"/components/{component}/uptime{query}")


def test_uptime_covers_the_last_ninety_days_by_default(program, component):
    told = uptime(program, component).json
    assert told["range_start"] == "2025-12-11T00:00:00Z"
    assert told["range_end"] == "2026-03-11T00:00:00Z"
    assert (told["major_outage"], told["partial_outage"]) == (3600, 0)
    assert told["uptime_percentage"] == int((1 - 1 / (90 * 24)) * 10_000) / 100
    assert len(told["related_events"]) == 1


@pytest.mark.parametrize(
    "query, start, end",
    [
        ("?start=2026-03&end=2026-03", "2026-03-01", "2026-04-01"),
        ("?start=2026-02-10&end=2026-03-09", "2026-02-10", "2026-03-10"),
        ("?start=2025-10&end=2026-03", "2025-10-01", "2026-04-01"),
    ],
)
def test_partial_dates_are_accepted(program, component, query, start, end):
    told = uptime(program, component, query).json
    assert (told["range_start"][:10], told["range_end"][:10]) == (start, end)


def test_time_with_an_offset_is_accepted(program, component):
    query = "?start=2026-03-09T13:30:00%2B01:00&end=2026-03-09T13:30:00Z"
    told = uptime(program, component, query).json
    assert (told["range_start"], told["range_end"]) == (
        "2026-03-09T12:30:00Z",
        "2026-03-09T13:30:00Z",
    )
    assert (told["major_outage"], told["uptime_percentage"]) == (1800, 50.0)


@pytest.mark.parametrize(
    "query",
    [
        "?start=2025&end=2026",
        "?start=2026-03-10&end=2026-03-01",
        "?start=never",
        "?end=2026-13",
        "?end=0001-01",
        "?start=9999-08&end=9999-11",
        "?start=0001-01-01T00:00:00%2B14:00",
    ],
)
def test_impossible_range_is_refused(program, component, query):
    refused = uptime(program, component, query)
    assert refused.status_code == 422
    assert refused.json["message"]


def test_related_events_can_be_skipped(program, component):
    assert uptime(program, component, "?skip_related_events=true").json["related_events"] is None


def test_group_uptime_is_the_mean_of_its_components(program, component):
    other = program.post("/components", {"component": {"name": "Search"}}).json["id"]
    body = {"component_group": {"name": "All", "components": [component, other]}}
    group = program.post("/component-groups", body).json["id"]
    told = program.get(f"/component-groups/{group}/uptime").json
    alone = uptime(program, component).json["uptime_percentage"]
    assert told["uptime_percentage"] == int((alone + 100) / 2 * 100) / 100
    assert told["major_outage"] == 3600
    assert [event["component_id"] for event in told["related_events"]] == [component, other]


def test_days_before_the_start_date_have_no_data(program, component):
    first = {"component": {"start_date": "2026-03-09"}}
    program.patch(f"/components/{component}", first)
    alone = uptime(program, component, "?start=2026-03").json
    assert alone["range_start"] == "2026-03-09T00:00:00Z"
    assert alone["warnings"]
    assert alone["uptime_percentage"] == int((1 - 1 / 48) * 10_000) / 100
    old = {"name": "Search", "start_date": "2026-02-01"}
    other = program.post("/components", {"component": old}).json["id"]
    body = {"component_group": {"name": "All", "components": [component, other]}}
    group = program.post("/component-groups", body).json["id"]
    told = program.get(f"/component-groups/{group}/uptime?start=2026-03").json
    assert told["range_start"] == "2026-03-01T00:00:00Z"
    assert told["uptime_percentage"] == int((alone["uptime_percentage"] + 100) / 2 * 100) / 100
    earlier = program.get(f"/component-groups/{group}/uptime?start=2026-02&end=2026-02").json
    assert earlier["uptime_percentage"] == 100


def test_a_new_component_has_no_uptime_from_before_it_was_added(program):
    new = program.post("/components", {"component": {"name": "Search"}}).json
    assert new["start_date"] is None
    told = uptime(program, new["id"], "?start=2026-01").json
    assert told["range_start"] == "2026-03-10T00:00:00Z"
    assert told["warnings"]
