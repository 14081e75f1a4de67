"""Component groups by the Manage API."""

import json

import pytest

from statuspage.config import PROJECT
from tests.conftest import on_sqlite

pytestmark = on_sqlite

RECORDED = PROJECT / "tests/samples/statuspage/manage-v1/component-group.json"


@pytest.fixture
def three(program):
    """Ids of three components."""
    return [program.post("/components", {"component": {"name": name}}).json["id"] for name in "ABC"]


def made(program, ids, **more):
    body = {"component_group": {"name": "Shop", "components": ids}, **more}
    return program.post("/component-groups", body)


def test_component_group_has_the_keys_of_statuspage(program, three):
    answer = made(program, three[:2], description="What sells.")
    assert answer.status_code == 201
    assert list(answer.json) == list(json.loads(RECORDED.read_text()))
    assert answer.json["components"] == three[:2]
    assert answer.json["description"] == "What sells."
    assert program.get(f"/component-groups/{answer.json['id']}").json == answer.json
    assert program.get("/component-groups").json == [answer.json]


def test_group_components_keep_the_sent_order(program, three):
    group = made(program, [three[2], three[0]]).json["id"]
    changed = program.patch(
        f"/component-groups/{group}", {"component_group": {"components": [three[1], three[2]]}}
    ).json
    assert (changed["name"], changed["components"]) == ("Shop", [three[1], three[2]])
    left = program.get(f"/components/{three[0]}").json
    assert left["group_id"] is None


def test_deleted_group_is_returned_once_and_keeps_its_components(program, three):
    group = made(program, three).json["id"]
    gone = program.delete(f"/component-groups/{group}")
    assert (gone.status_code, gone.json["components"]) == (200, three)
    assert program.get(f"/component-groups/{group}").status_code == 404
    assert [component["group_id"] for component in program.get("/components").json] == [None] * 3


@pytest.mark.parametrize(
    "body",
    [
        {"component_group": {"name": "Shop"}},
        {"component_group": {"name": "Shop", "components": ["nothing"]}},
        {"component_group": {"name": "", "components": []}},
        {"component_group": {"name": "Shop", "components": "abc"}},
    ],
)
def test_invalid_group_is_refused_whole(program, three, body):
    assert program.post("/component-groups", body).status_code == 422
    assert program.get("/component-groups").json == []
