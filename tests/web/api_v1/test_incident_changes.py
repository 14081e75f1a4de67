"""Incidents changed, resolved and deleted by the Manage API; updates that are edited."""

from datetime import timedelta

import pytest

from statuspage.domain import events
from statuspage.domain.tokens import Scope
from tests.conftest import on_sqlite


@pytest.fixture
def component(program):
    """`component("API")` makes a component and gives its id."""

    def make(name: str) -> str:
        return program.post("/components", {"component": {"name": name}}).json["id"]

    return make


@pytest.fixture
def opened(program):
    """`opened(name="Errors", …)` opens an incident by the API and gives the answer."""

    def make(**fields):
        return program.post("/incidents", {"incident": {"name": "Errors", **fields}}).json

    return make


@pytest.fixture
def change(program, traveller):
    """`change(incident, status="resolved", …)` sends a PATCH a minute later."""

    def send(made, **fields):
        traveller.shift(timedelta(minutes=1))
        answer = program.patch(f"/incidents/{made['id']}", {"incident": fields})
        assert answer.status_code == 200, answer.text
        return answer.json

    return send


def status_of(program, component_id):
    return program.get(f"/components/{component_id}").json["status"]


def bodies(incident):
    return [update["body"] for update in incident["incident_updates"]]


def statuses(incident):
    return {one["name"]: one["status"] for one in incident["components"]}


# ── as real clients do it ──────────────────────────────────────────────────────


def test_terraform_provider_runs_from_plan_to_destroy(program, component, opened, change, client):
    api = component("API")
    sent = {"name": "Slow", "status": "investigating", "body": "Looking.", "component_ids": [api]}
    sent |= {"components": {api: "degraded_performance"}, "impact_override": "minor"}
    made = opened(**sent)
    assert program.get(f"/incidents/{made['id']}").json == made
    same = change(made, name="Slow", impact_override="minor", component_ids=[api])
    assert same == made
    changed = change(made, name="Slow answers", status="identified", body="Found it.")
    assert bodies(changed) == ["Found it.", "Looking."]
    assert statuses(changed) == {"API": "degraded_performance"}
    over = change(made, status="resolved")
    assert over["resolved_at"] == over["updated_at"] == "2026-03-10T12:03:00Z"
    assert over["monitoring_at"] is None
    assert statuses(over) == {"API": "operational"}
    gone = program.delete(f"/incidents/{made['id']}")
    assert (gone.status_code, gone.json["id"]) == (200, made["id"])
    assert program.get(f"/incidents/{made['id']}").status_code == 404
    assert program.delete(f"/incidents/{made['id']}").status_code == 404
    assert program.get("/incidents").json == []
    assert client.get(f"/incidents/{made['id']}").status_code == 410


def test_prometheus_alerts_to_statuspage_works(program, component, opened, change):
    api, web = component("API"), component("Web")
    firing = {"component_ids": [api], "components": {api: "major_outage"}, "status": "identified"}
    made = opened(name="ApiDown", body="ApiDown fires.", **firing)
    assert made["impact"] == "major"
    (unresolved,) = program.get("/incidents/unresolved").json
    assert unresolved == made
    assert [one["id"] for one in unresolved["components"]] == [api]
    worse = {"component_ids": [api, web], "components": {api: "major_outage", web: "major_outage"}}
    assert change(made, impact_override="critical", **worse)["impact"] == "critical"
    calm = {api: "operational", web: "operational"}
    over = change(made, status="resolved", body="ApiDown is calm.", components=calm)
    assert statuses(over) == {"API": "operational", "Web": "operational"}
    assert program.get("/incidents/unresolved").json == []
    assert status_of(program, api) == status_of(program, web) == "operational"


# ── updates ────────────────────────────────────────────────────────────────────


@on_sqlite
def test_only_status_or_body_posts_an_update(opened, change):
    made = opened(body="One.")
    assert bodies(change(made, body="Two.")) == ["Two.", "One."]
    assert bodies(change(made, status="investigating")) == ["Two.", "One."]
    assert bodies(change(made, status="monitoring"))[0] == "A fix is in place. We are watching it."
    seen = change(made, name="Other", metadata={"a": {"b": 1}}, impact_override="critical", body="")
    assert len(bodies(seen)) == 3
    assert (seen["name"], seen["impact"], seen["metadata"]) == (
        "Other",
        "critical",
        {"a": {"b": 1}},
    )
    assert seen["monitoring_at"] == "2026-03-10T12:03:00Z"
    assert [update["status"] for update in seen["incident_updates"]] == [
        "monitoring",
        "investigating",
        "investigating",
    ]


@on_sqlite
def test_components_not_sent_keep_their_claims(program, component, opened, change):
    api, web = component("API"), component("Web")
    made = opened(components={api: "major_outage", web: "partial_outage"})
    seen = change(made, components={api: "operational", web: ""}, body="API is back.")
    assert statuses(seen) == {"API": "operational", "Web": "partial_outage"}
    assert statuses(change(made, status="identified")) == statuses(seen)
    newest = seen["incident_updates"][0]["affected_components"]
    assert {one["name"]: (one["old_status"], one["new_status"]) for one in newest} == {
        "API": ("major_outage", "operational"),
        "Web": ("partial_outage", "partial_outage"),
    }


def test_components_alone_change_without_an_update(program, component, opened, change, app):
    api, web = component("API"), component("Web")
    made = opened(components={api: "degraded_performance"})
    seen = change(made, components={api: "major_outage", web: "partial_outage"})
    assert statuses(seen) == {"API": "major_outage", "Web": "partial_outage"}
    assert (len(bodies(seen)), seen["impact"]) == (1, "major")
    with app.app_context():
        (event,) = [one for one in events.latest(5) if one.kind == "incident.components_changed"]
        assert event.data == {"API": "major_outage", "Web": "partial_outage"}
        assert (event.actor_name, event.notify) == ("deployer", False)


@on_sqlite
@pytest.mark.parametrize("more", [{}, {"body": "Not these."}], ids=["quietly", "with words"])
def test_component_ids_replace_the_affected_components(
    program, component, opened, change, client, more
):
    api, web = component("API"), component("Web")
    made = opened(components={api: "major_outage", web: "partial_outage"})
    assert statuses(change(made, component_ids=[web], **more)) == {"Web": "partial_outage"}
    assert status_of(program, api) == "operational"
    page = client.get(f"/incidents/{made['id']}").text
    assert "Components corrected from “<bdi>API, Web</bdi>” to “<bdi>Web</bdi>”" in page
    assert change(made, component_ids=[], **more)["components"] == []
    assert status_of(program, web) == "operational"
    assert change(made, status="resolved", component_ids=[api])["components"][0]["id"] == api


@on_sqlite
def test_resolved_incident_has_no_claims_and_may_reopen(program, component, opened, change):
    api = component("API")
    made = opened(components={api: "major_outage"})
    change(made, status="resolved", components={api: "major_outage"})
    assert status_of(program, api) == "operational"
    change(made, components={api: "partial_outage"})
    assert status_of(program, api) == "operational"
    again = change(made, status="investigating", body="It is back.")
    assert (again["resolved_at"], statuses(again)) == (None, {"API": "operational"})
    assert program.get("/incidents/unresolved").json == [again]
    again = change(made, components={api: "partial_outage"})
    assert statuses(again) == {"API": "partial_outage"}


@on_sqlite
def test_released_component_keeps_the_claim_of_another_incident(program, component, opened, change):
    api = component("API")
    one, other = (opened(components={api: word}) for word in ("major_outage", "partial_outage"))
    change(one, status="resolved", components={api: "operational"})
    assert status_of(program, api) == "partial_outage"
    change(other, status="resolved")
    assert status_of(program, api) == "operational"


@on_sqlite
def test_archived_component_is_not_served_and_stays_stored(
    program, component, opened, change, client
):
    api, web = component("API"), component("Web")
    made = opened(components={api: "major_outage"})
    program.delete(f"/components/{api}")
    assert change(made, body="API is no more.")["components"] == []
    seen = change(made, component_ids=[web], components={api: "operational"})
    assert statuses(seen) == {"Web": "operational"}
    assert change(made, component_ids=[])["components"] == []
    page = client.get(f"/incidents/{made['id']}").text
    assert "corrected from “<bdi>API, Web</bdi>” to “<bdi>API</bdi>”" in page


@on_sqlite
def test_update_is_sent_unless_deliver_notifications_is_false(opened, change, app):
    made = opened()
    for told in (True, False):
        seen = change(made, body="More.", deliver_notifications=told)
        assert seen["incident_updates"][0]["deliver_notifications"] is told
        with app.app_context():
            assert events.latest(1)[0].notify is told


@on_sqlite
def test_impact_follows_components_without_an_override(component, opened, change):
    made = opened(components={component("API"): "degraded_performance"}, impact_override="critical")
    seen = change(made, impact_override=None)
    assert (seen["impact"], seen["impact_override"]) == ("minor", None)


@on_sqlite
def test_metadata_is_replaced_as_a_whole(opened, change, client):
    made = opened(metadata={"a": {"n": 10**30}, "b": {}})
    etag = client.get("/").headers["ETag"]
    assert made["metadata"]["a"]["n"] == 10**30
    seen = change(made, metadata={"c": {"x": "y"}})
    assert seen["metadata"] == {"c": {"x": "y"}}
    assert seen["updated_at"] == made["updated_at"]
    assert change(made, metadata=None)["metadata"] == {}
    assert client.get("/").headers["ETag"] == etag


@on_sqlite
def test_refused_change_leaves_the_incident_unchanged(program, opened):
    made = opened()
    for fields in (
        {"status": "scheduled"},
        {"status": "postmortem"},
        {"name": " "},
        {"status": "identified", "components": {"nothing": "operational"}},
        {"status": "identified", "body": "x" * 25_001},
        {"status": "identified", "scheduled_until": "2026-04-01T10:00:00Z"},
        {"status": "identified", "metadata": {"a": 1}},
    ):
        sent = {"incident": {"metadata": {"a": {}}, **fields}}
        refused = program.patch(f"/incidents/{made['id']}", sent)
        assert (refused.status_code, len(refused.json["message"]) > 10) == (422, True), fields
        assert program.get(f"/incidents/{made['id']}").json == made, fields


@on_sqlite
def test_nan_and_infinity_are_refused(program):
    data = b'{"incident": {"name": "A", "metadata": {"a": {"b": 1e999}}}}'
    refused = program.post("/incidents", data=data, content_type="application/json")
    assert refused.status_code == 400


# ── deleting ───────────────────────────────────────────────────────────────────


@on_sqlite
def test_deleted_incident_is_retracted_publicly(program, component, opened, client, app):
    api = component("API")
    made = opened(components={api: "major_outage"})
    answer = program.delete(f"/incidents/{made['id']}")
    assert list(answer.json) == list(made)
    assert status_of(program, api) == "operational"
    assert (
        "Withdrawn by a program, through the Manage API."
        in client.get(f"/incidents/{made['id']}").text
    )
    with app.app_context():
        newest = events.latest(1)[0]
        assert (newest.kind, newest.actor_name) == ("incident.retracted", "deployer")
    update = made["incident_updates"][0]["id"]
    sent = {"incident_update": {"body": "Again."}}
    path = f"/incidents/{made['id']}/incident_updates/{update}"
    assert program.patch(path, sent).status_code == 404


@on_sqlite
def test_read_scope_cannot_change_incidents(program, program_with, opened):
    made = opened()
    reader = program_with(Scope.READ, Scope.COMPONENTS)
    path = f"/incidents/{made['id']}"
    assert reader.get(path).json == made
    assert reader.post("/incidents", {"incident": {"name": "A"}}).status_code == 403
    assert reader.patch(path, {"incident": {"status": "resolved"}}).status_code == 403
    assert reader.delete(path).status_code == 403
    assert program.get("/incidents").json == [made]


# ── updates that are edited ────────────────────────────────────────────────────


@pytest.fixture
def edit(program, traveller):
    """`edit(incident, 0, body="…")` edits one of its updates (0: the newest) a minute later."""

    def send(made, number, **fields):
        traveller.shift(timedelta(minutes=1))
        update = made["incident_updates"][number]["id"]
        path = f"/incidents/{made['id']}/incident_updates/{update}"
        return program.put(path, {"incident_update": fields})

    return send


def test_edited_update_keeps_its_earlier_text(opened, edit, client):
    made = opened(body="Databse is down.")
    edited = edit(made, 0, body="Database is down.").json
    (update,) = made["incident_updates"]
    assert edited == {
        **update,
        "body": "Database is down.",
        "updated_at": "2026-03-10T12:01:00.000Z",
    }
    page = client.get(f"/incidents/{made['id']}").text
    assert "Database is down." in page
    assert "Databse" in page


@on_sqlite
def test_update_time_may_move_between_its_neighbours(program, opened, change, edit):
    made = change(opened(body="One."), body="Two.")
    assert edit(made, 1, display_at="2026-03-10T11:00:00+02:00").json["display_at"] == (
        "2026-03-10T09:00:00.000Z"
    )
    assert edit(made, 0, display_at="2026-03-10 09:00").json["display_at"] == (
        "2026-03-10T09:00:00.000Z"
    )
    assert bodies(program.get(f"/incidents/{made['id']}").json) == ["Two.", "One."]
    for number, wrong in ((0, "2026-03-10T08:59:59Z"), (0, "2026-03-10T23:00:00Z")):
        assert edit(made, number, display_at=wrong).status_code == 422
    assert edit(made, 1, display_at="2026-03-10T09:00:01Z").status_code == 422
    assert edit(made, 1, display_at="0001-01-01T00:00:00Z").status_code == 422


@on_sqlite
def test_moved_update_is_a_visible_correction(opened, edit, client):
    made = opened()
    edit(made, 0, display_at="2026-03-10T11:00:00Z")
    assert "Update posted at corrected from" in client.get(f"/incidents/{made['id']}").text


@on_sqlite
def test_silent_update_may_be_sent_later(opened, edit, app):
    made = opened(deliver_notifications=False)
    assert edit(made, 0, deliver_notifications=True).json["deliver_notifications"] is True
    with app.app_context():
        newest = events.latest(1)[0]
        assert (newest.notify, newest.data["update"]) == (True, made["incident_updates"][0]["id"])
    assert edit(made, 0, deliver_notifications="false").json["deliver_notifications"] is False
    with app.app_context():
        assert events.latest(1)[0].notify is False


@on_sqlite
def test_tweet_settings_are_returned(program, opened, change, edit):
    made = change(opened(), body="Two.")
    assert edit(made, 1, wants_twitter_update=True).json["wants_twitter_update"] is True
    seen = program.get(f"/incidents/{made['id']}").json["incident_updates"]
    assert [one["wants_twitter_update"] for one in seen] == [False, True]
    assert edit(made, 1, wants_twitter_update=False).json["wants_twitter_update"] is False


@on_sqlite
def test_update_is_found_only_under_its_incident(program, opened):
    one, other = opened(), opened()
    path = f"/incidents/{one['id']}/incident_updates/{other['incident_updates'][0]['id']}"
    assert program.patch(path, {"incident_update": {"body": "X"}}).status_code == 404


@on_sqlite
def test_refused_edit_changes_nothing(program, opened, edit):
    made = opened()
    for fields in ({"body": " "}, {"body": 5}, {"body": "New.", "display_at": "x"}):
        assert edit(made, 0, **fields).status_code == 422
        assert program.get(f"/incidents/{made['id']}").json == made


@on_sqlite
def test_program_decides_whether_a_correction_is_sent(opened, edit, app):
    made = opened()
    for told in (None, True):
        edit(made, 0, body=f"Corrected: {told}.", deliver_notifications=told)
        with app.app_context():
            newest = events.latest(1)[0]
            assert (newest.kind, newest.notify) == ("incident.update_edited", told is True)


def test_an_incident_that_is_sent_back_as_it_was_read_changes_nothing(program):
    api = program.post("/components", {"component": {"name": "API"}}).json["id"]
    sent = {"name": "n", "body": "b", "components": {api: "major_outage"}}
    made = program.post("/incidents", {"incident": sent}).json
    again = program.put(f"/incidents/{made['id']}", {"incident": made})
    assert again.status_code == 200, again.text
    assert again.json == made


def test_null_for_component_ids_names_the_same_components_and_an_empty_list_none(program):
    api = program.post("/components", {"component": {"name": "API"}}).json["id"]
    sent = {"name": "n", "body": "b", "components": {api: "major_outage"}}
    address = f"/incidents/{program.post('/incidents', {'incident': sent}).json['id']}"
    kept = program.patch(address, {"incident": {"component_ids": None, "components": None}}).json
    assert [component["status"] for component in kept["components"]] == ["major_outage"]
    assert program.patch(address, {"incident": {"component_ids": []}}).json["components"] == []
