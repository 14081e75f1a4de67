"""Components by the Manage API."""

import json

import pytest

from statuspage.config import PROJECT
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.tokens import Scope
from tests.conftest import on_sqlite

RECORDED = PROJECT / "tests/samples/statuspage/manage-v1/component.json"


def test_created_component_has_the_keys_of_statuspage(program, page_id):
    made = program.post("/components", {"component": {"name": "API Gateway", "unknown": 1}})
    assert made.status_code == 201
    assert list(made.json) == list(json.loads(RECORDED.read_text()))
    assert made.json["page_id"] == page_id
    assert made.json["status"] == "operational"
    assert made.json["created_at"] == "2026-03-10T12:00:00Z"
    assert program.get(f"/components/{made.json['id']}").json == made.json


def test_status_set_by_a_program_is_public_at_once(program, client):
    made = program.post("/components", {"component": {"name": "Payments"}}).json
    sent = {"component": {"status": "partial_outage"}}
    assert program.patch(f"/components/{made['id']}", sent).json["status"] == "partial_outage"
    assert "Partial outage" in client.get("/").text


@on_sqlite
def test_patch_changes_only_sent_component_fields(program):
    made = program.post("/components", {"component": {"name": "A", "description": "One"}}).json
    changed = program.put(f"/components/{made['id']}", {"component": {"name": "B"}}).json
    assert (changed["name"], changed["description"]) == ("B", "One")
    cleared = program.patch(f"/components/{made['id']}", {"component": {"description": None}}).json
    assert cleared["description"] is None


@on_sqlite
def test_deleted_component_is_gone_with_an_empty_response(program):
    made = program.post("/components", {"component": {"name": "A"}}).json
    gone = program.delete(f"/components/{made['id']}")
    assert (gone.status_code, gone.data) == (204, b"")
    assert "Content-Type" not in gone.headers
    assert program.get(f"/components/{made['id']}").status_code == 404
    assert program.get("/components").json == []


@on_sqlite
def test_nested_forms_and_queries_are_read_like_json(program):
    form = program.send("POST", "/components", data={"component[name]": "By form"})
    assert form.json["name"] == "By form"
    query = program.send("POST", "/components.json?component[name]=By+query&component[showcase]=0")
    assert (query.json["name"], query.json["showcase"]) == ("By query", False)
    typed_wrong = program.send(
        "POST",
        "/components",
        data='{"component": {"name": "By curl"}}',
        content_type="application/x-www-form-urlencoded",
    )
    assert typed_wrong.json["name"] == "By curl"


@on_sqlite
def test_lists_are_paged_and_sizes_are_clamped(program):
    for name in "ABC":
        program.post("/components", {"component": {"name": name}})
    assert [
        component["name"] for component in program.get("/components?per_page=2&page=2").json
    ] == ["C"]
    assert len(program.get("/components?page=1&per_page=500").json) == 3


def test_a_list_is_of_100_unless_up_to_500_are_asked_for(program, committed, at):
    with committed():
        for number in range(501):
            components.add_component(f"Component {number}", by=SYSTEM, at=at)
    assert len(program.get("/components").json) == 100
    assert len(program.get("/components?page=0&per_page=0").json) == 100
    assert len(program.get("/components?page=1&per_page=206").json) == 206
    assert len(program.get("/components?page=1&per_page=501").json) == 500
    assert len(program.get("/components?page=2&per_page=500").json) == 1
    assert program.get("/components?page=9").json == []


@on_sqlite
def test_every_write_is_audited_under_the_token_name(program, app):
    program.post("/components", {"component": {"name": "API"}})
    with app.app_context():
        from statuspage.domain import events

        (newest,) = events.latest(1)
        assert (newest.actor_kind, newest.actor_name) == ("token", "deployer")


@on_sqlite
def test_token_without_the_scope_changes_nothing(program_with):
    reader = program_with(Scope.READ)
    refused = reader.post("/components", {"component": {"name": "API"}})
    assert refused.status_code == 403
    assert "components" in refused.json["error"]
    assert reader.get("/components").json == []


@on_sqlite
@pytest.mark.parametrize(
    "sent",
    [
        {"json": {"component": {"name": "API", "showcase": None, "only_show_if_degraded": None}}},
        {"data": {"component[name]": "API", "component[showcase]": ""}},
    ],
)
def test_null_or_a_blank_leaves_a_field_that_cannot_be_null_as_it_is(program, sent):
    made = program.post("/components", **sent)
    assert made.status_code == 201, made.text
    assert (made.json["showcase"], made.json["only_show_if_degraded"]) == (True, False)
    address = f"/components/{made.json['id']}"
    program.patch(address, {"component": {"showcase": False}})
    assert program.patch(address, **sent).json["showcase"] is False
