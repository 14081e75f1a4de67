"""Odd bodies sent to the incidents of the Manage API: answered or refused, never half done."""

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from statuspage.web.api_v1.incident_requests import IncidentFields
from statuspage.web.api_v1.incident_updates import UpdateFields
from tests.conftest import on_sqlite

MOMENTS = ["2026-03-11T10:00:00Z", "2026-03-10T13:00", "2026-03-12", "9999-12-31T23:59:59-23:59"]
WORDS = st.sampled_from(
    """x null true [] [1] 4 COMPONENT maintenance critical scheduled in_progress completed
    resolved identified postmortem major_outage operational %""".split()  # noqa: SIM905
    + MOMENTS
    + ["", " ", "\u202e", "[" * 200]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS,
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(WORDS, parts, max_size=3),
    max_leaves=5,
)


def bodies(fields):
    """Objects with any of these fields, each of any type."""
    return st.dictionaries(st.sampled_from(sorted(fields)), VALUES, max_size=3)


@on_sqlite
@hypothesis.settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(bodies(IncidentFields.model_fields), min_size=1, max_size=3), st.data())
def test_incident_body_of_any_types_is_accepted_or_refused_with_a_sentence(
    program, component, sent, data
):
    first, *changes = sent

    def send(method, path, noun, body):
        body = replaced({noun: body}, component)
        answer = program.send(method, path, json=body)
        assert answer.status_code in (200, 201, 400, 422), (answer.text, body)
        assert answer.status_code < 400 or len(answer.json["message"]) > 10
        return answer

    made = send("POST", "/incidents", "incident", {"name": "Odd", **first})
    if made.status_code != 201:
        return
    path = f"/incidents/{made.json['id']}"
    for change in changes:
        before = program.get(path).json
        changed = send("PATCH", path, "incident", change)
        assert program.get(path).json == (before if changed.status_code > 399 else changed.json)
    update = f"{path}/incident_updates/{made.json['incident_updates'][0]['id']}"
    send("PUT", update, "incident_update", data.draw(bodies(UpdateFields.model_fields)))
    send("PUT", f"{path}/postmortem", "postmortem", {"body_draft": data.draw(VALUES)})


def replaced(value, component):
    """`COMPONENT` as the id of a component that there is."""
    if isinstance(value, dict):
        return {replaced(key, component): replaced(one, component) for key, one in value.items()}
    if isinstance(value, list):
        return [replaced(one, component) for one in value]
    return component if value == "COMPONENT" else value


@pytest.fixture
def settings(settings):
    """Without a brake: all of it is sent within one stopped second."""
    return settings.model_copy(update={"api_requests_per_second": 1_000_000})


@pytest.fixture
def component(program):
    return program.post("/components", {"component": {"name": "API"}}).json["id"]
