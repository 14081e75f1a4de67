"""Page access users and groups by the Manage API."""

import pytest

from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.tokens import Scope
from tests.conftest import on_sqlite
from tests.helpers.statements import recorded_statements


@pytest.fixture
def user(program):
    """`user("jane@example.com")` makes one and gives what was answered."""

    def make(email=None, **rest):
        made = program.post("/page_access_users", {"page_access_user": {"email": email, **rest}})
        assert made.status_code == 200, made.text
        return made.json

    return make


@pytest.fixture
def group(program):
    def make(name="Customers", **rest):
        made = program.post("/page_access_groups", {"page_access_group": {"name": name, **rest}})
        assert made.status_code == 201, made.text
        return made.json

    return make


@pytest.fixture
def component(program):
    def make(name):
        return program.post("/components", {"component": {"name": name}}).json["id"]

    return make


@pytest.fixture
def metric(program):
    def make(name):
        sent = {"metrics_provider": {"type": "Self"}}
        provider = program.post("/metrics_providers", sent).json["id"]
        address = f"/metrics_providers/{provider}/metrics"
        return program.post(address, {"metric": {"name": name}}).json["id"]

    return make


def ids(answer):
    assert answer.status_code == 200
    return [one["id"] for one in answer.json]


# ── users ──────────────────────────────────────────────────────────────────────


def test_page_access_user_has_the_keys_of_statuspage(program, user, group, page_id):
    one, other = group("One")["id"], group("Other")["id"]
    made = user("Jane@Example.com", external_login="jane", page_access_group_ids=[other, one])
    expected = {
        "id": made["id"],
        "page_id": page_id,
        "email": "Jane@example.com",
        "external_login": "jane",
        "page_access_group_id": one,
        "page_access_group_ids": [one, other],
        "created_at": "2026-03-10T12:00:00Z",
        "updated_at": "2026-03-10T12:00:00Z",
    }
    assert list(made.items()) == list(expected.items())
    assert program.get(f"/page_access_users/{made['id']}").json == made
    assert program.get(f"/page_access_groups/{one}").json["page_access_user_ids"] == [made["id"]]
    bare = user(external_login="joe")
    assert (bare["email"], bare["page_access_group_id"]) == (None, None)
    assert bare["page_access_group_ids"] == []


def test_duplicate_address_or_login_is_a_conflict(program, user):
    first = user("jane@example.com", external_login="jane")
    second = user("joe@example.com")
    for fields in ({"email": "JANE@example.com"}, {"external_login": "jane"}):
        sent = {"page_access_user": fields}
        assert program.post("/page_access_users", sent).status_code == 409
        assert program.patch(f"/page_access_users/{second['id']}", sent).status_code == 409
        assert program.patch(f"/page_access_users/{first['id']}", sent).status_code == 200
    assert ids(program.get("/page_access_users")) == [first["id"], second["id"]]


@on_sqlite
def test_invalid_user_is_refused(program):
    for fields in (
        {},
        {"email": ""},
        {"email": "jane"},
        {"email": 5},
        {"external_login": "x" * 256},
        {"email": "a@example.com", "page_access_group_ids": ["nothing"]},
        {"email": "a@example.com", "component_ids": ["nothing"]},
        {"external_login": "a", "subscribe_to_components": True},
    ):
        refused = program.post("/page_access_users", {"page_access_user": fields})
        assert refused.status_code == 422, fields
    assert program.get("/page_access_users").json == []


@on_sqlite
def test_patch_changes_only_sent_user_fields(program, user, group, traveller):
    made = user("jane@example.com", page_access_group_ids=[group()["id"]])
    traveller.shift(60)
    address = f"/page_access_users/{made['id']}"
    changed = program.patch(address, {"page_access_user": {"external_login": "jane"}})
    assert changed.json == made | {"external_login": "jane", "updated_at": "2026-03-10T12:01:00Z"}
    sent = {"page_access_user": {"email": None, "page_access_group_ids": []}}
    assert program.put(address, sent).json["page_access_group_ids"] == []
    assert program.get(address).json["email"] is None


@on_sqlite
def test_missing_wrapping_name_is_accepted(program, user):
    made = user("jane@example.com")
    sent = {"external_login": "jane", "email": "j@example.com", "page_access_group_ids": []}
    changed = program.patch(f"/page_access_users/{made['id']}", sent).json
    assert (changed["external_login"], changed["email"]) == ("jane", "j@example.com")


@on_sqlite
def test_users_are_paged_and_found_by_address(program, user):
    made = [user(f"{name}@example.com")["id"] for name in ("Ann", "Bob", "Cy")]
    assert ids(program.get("/page_access_users?per_page=2")) == made[:2]
    assert ids(program.get("/page_access_users?per_page=2&page=2")) == made[2:]
    assert ids(program.get("/page_access_users?page=9")) == []
    assert ids(program.get("/page_access_users?email=bob@example.com")) == made[1:2]
    assert ids(program.get("/page_access_users?email=nobody@example.com")) == []


def test_deleted_user_loses_the_subscription_and_the_group_stays(
    program, user, group, component, metric, app
):
    made = user(
        "jane@example.com",
        page_access_group_ids=[group()["id"]],
        component_ids=[component("API")],
        metric_ids=[metric("Latency")],
        subscribe_to_components=True,
    )
    gone = program.delete(f"/page_access_users/{made['id']}")
    assert (gone.status_code, gone.data) == (204, b"")
    assert program.get(f"/page_access_users/{made['id']}").status_code == 404
    assert [one["page_access_user_ids"] for one in program.get("/page_access_groups").json] == [[]]
    assert program.get("/subscribers").json == []


@on_sqlite
def test_new_user_is_asked_to_confirm_a_subscription(program, user, group, component, app):
    api, web, mail = component("API"), component("Web"), component("Mail")
    customers = group(component_ids=[web])["id"]
    user(
        "jane@example.com",
        page_access_group_ids=[customers],
        component_ids=[api],
        subscribe_to_components=True,
    )
    (told,) = program.get("/subscribers?state=unconfirmed").json
    assert told["email"] == "jane@example.com"
    assert set(told["components"]) == {api, web} != {mail}
    with app.app_context():
        row = subscribers.get(told["id"])
        assert row.state is subscribers.SubscriberState.UNCONFIRMED


# ── groups ─────────────────────────────────────────────────────────────────────


def test_page_access_group_has_the_keys_of_statuspage(
    program, user, group, component, metric, page_id
):
    jane, api, latency = user("jane@example.com")["id"], component("API"), metric("Latency")
    made = group(
        "Customers",
        external_identifier="idp-7",
        component_ids=[api],
        metric_ids=[latency],
        page_access_user_ids=[jane],
    )
    expected = {
        "id": made["id"],
        "page_id": page_id,
        "name": "Customers",
        "page_access_user_ids": [jane],
        "external_identifier": "idp-7",
        "metric_ids": [latency],
        "component_ids": [api],
        "created_at": "2026-03-10T12:00:00Z",
        "updated_at": "2026-03-10T12:00:00Z",
    }
    assert list(made.items()) == list(expected.items())
    assert program.get(f"/page_access_groups/{made['id']}").json == made
    assert program.get("/page_access_groups").json == [made]


@on_sqlite
def test_patch_changes_only_sent_group_fields(program, user, group, component):
    jane, api, web = user("jane@example.com")["id"], component("API"), component("Web")
    made = group(component_ids=[api], page_access_user_ids=[jane])
    address = f"/page_access_groups/{made['id']}"
    changed = program.patch(address, {"page_access_group": {"component_ids": [web]}}).json
    assert changed == made | {"component_ids": [web]}
    sent = {"page_access_group": {"name": "Partners", "page_access_user_ids": []}}
    changed = program.put(address, sent).json
    assert (changed["name"], changed["page_access_user_ids"]) == ("Partners", [])
    for fields in ({"name": ""}, {"component_ids": ["nothing"]}, {"metric_ids": "a"}):
        assert program.patch(address, {"page_access_group": fields}).status_code == 422
    assert program.get(address).json == changed


@on_sqlite
def test_deleted_group_keeps_its_users(program, user, group, component):
    jane = user("jane@example.com")["id"]
    made = group(page_access_user_ids=[jane], component_ids=[component("API")])
    gone = program.delete(f"/page_access_groups/{made['id']}")
    assert (gone.status_code, gone.json) == (200, made)
    assert program.get(f"/page_access_groups/{made['id']}").status_code == 404
    assert program.get(f"/page_access_users/{jane}").json["page_access_group_ids"] == []


@on_sqlite
def test_list_query_count_is_constant(program, user, group, component, app):
    lists = ("/page_access_users", "/page_access_groups")

    def asked():
        for path in lists:
            program.get(path)  # The use of the token is noted once a minute.
        with recorded_statements() as statements:
            assert [program.get(path).status_code for path in lists] == [200, 200]
        return len(statements)

    group(page_access_user_ids=[user("a@example.com")["id"]], component_ids=[component("A")])
    few = asked()
    for name in "bcd":
        made = user(f"{name}@example.com")["id"]
        group(name, page_access_user_ids=[made], component_ids=[component(name)])
    assert asked() == few


# ── what is given to them ──────────────────────────────────────────────────────


@on_sqlite
@pytest.mark.parametrize("kind", ["page_access_users", "page_access_groups"])
def test_components_are_added_replaced_and_removed(program, user, group, component, kind):
    holder = user("jane@example.com") if kind == "page_access_users" else group()
    address = f"/{kind}/{holder['id']}/components"
    a, b, c = (component(name) for name in "ABC")

    def held():
        return ids(program.get(address))

    for send, status in ((program.patch, 200), (program.put, 200)):
        answer = send(address, {"component_ids": [a, b]})
        assert (answer.status_code, answer.json["id"]) == (status, holder["id"])
    assert held() == [a, b]
    program.patch(address, {"component_ids": [c]})
    assert held() == [a, b, c]
    assert program.post(address, {"component_ids": [c, a, c]}).status_code == 201
    assert held() == [a, c]
    assert program.delete(f"{address}/{a}").json["id"] == holder["id"]
    assert program.delete(f"{address}/{a}").status_code == 404
    assert held() == [c]
    program.patch(address, {"component_ids": [a, b]})
    assert program.delete(address, json={"component_ids": [b]}).status_code == 200
    assert held() == [a, c]
    assert ids(program.get(f"{address}?per_page=1&page=2")) == [c]
    for wrong in ({"component_ids": ["nothing"]}, {"component_ids": a}, {}):
        assert program.post(address, wrong).status_code == 422
    assert program.delete(address, json={"component_ids": ["nothing"]}).status_code == 422
    assert held() == [a, c]
    assert program.delete(address).status_code == 200
    assert held() == []


@on_sqlite
def test_metrics_are_added_replaced_and_removed(program, user, metric):
    holder = user("jane@example.com")
    address = f"/page_access_users/{holder['id']}/metrics"
    a, b, c = (metric(name) for name in "ABC")

    def held():
        return ids(program.get(address))

    assert program.patch(address, {"metric_ids": [a]}).status_code == 200
    assert program.put(address, {"metric_ids": [b, a]}).status_code == 200
    assert held() == [a, b]
    assert program.post(address, {"metric_ids": [b, c]}).status_code == 201
    assert held() == [b, c]
    assert program.delete(f"{address}/{b}").status_code == 200
    assert program.delete(f"{address}/{b}").status_code == 404
    assert program.post(address, {"metric_ids": ["nothing"]}).status_code == 422
    program.patch(address, {"metric_ids": [a, b]})
    assert program.delete(address, json={"metric_ids": [c]}).json["id"] == holder["id"]
    assert held() == [a, b]
    assert program.delete(address).status_code == 200
    assert held() == []


def test_component_access_is_given_and_removed(program, user, group, component):
    api = component("API")
    jane, joe = user("jane@example.com")["id"], user("joe@example.com")["id"]
    customers = group()["id"]
    users, groups = f"/components/{api}/page_access_users", f"/components/{api}/page_access_groups"
    for sent in ([jane], [jane, joe]):
        given = program.post(users, {"page_access_user_ids": sent})
        assert (given.status_code, given.json["id"]) == (201, api)
    assert program.post(groups, {"page_access_group_ids": [customers]}).status_code == 201
    for wrong in ({"page_access_user_ids": ["nothing"]}, {"page_access_user_ids": jane}, {}):
        assert program.post(users, wrong).status_code == 422

    def held():
        paths = [f"page_access_users/{jane}", f"page_access_users/{joe}"]
        paths.append(f"page_access_groups/{customers}")
        return [ids(program.get(f"/{path}/components")) for path in paths]

    assert held() == [[api], [api], [api]]
    assert program.delete(users).json["id"] == api
    assert held() == [[], [], [api]]
    assert program.delete(groups).json["id"] == api
    assert held() == [[], [], []]


@on_sqlite
def test_archived_component_is_not_listed(program, group, component):
    api, web = component("API"), component("Web")
    made = group(component_ids=[api, web])
    program.delete(f"/components/{api}")
    address = f"/page_access_groups/{made['id']}"
    assert program.get(address).json["component_ids"] == [web]
    assert ids(program.get(f"{address}/components")) == [web]


# ── who may, and what it does not do ───────────────────────────────────────────


@on_sqlite
def test_user_addresses_require_their_scope(program_with, user):
    made = user("jane@example.com")
    for scope in (Scope.READ, Scope.INCIDENTS, Scope.COMPONENTS):
        refused = program_with(scope).get(f"/page_access_users/{made['id']}")
        assert refused.status_code == 403
    allowed = program_with(Scope.SUBSCRIBERS).get(f"/page_access_users/{made['id']}")
    assert allowed.json == made


@on_sqlite
def test_page_access_changes_log_no_address_and_change_no_public_page(
    program, user, component, client, app
):
    api = component("API")
    page = client.get("/").data
    made = user("jane@example.com", external_login="jane-7", component_ids=[api])
    program.patch(f"/page_access_users/{made['id']}", {"external_login": "jane-8"})
    program.delete(f"/page_access_users/{made['id']}")
    assert client.get("/").data == page
    with app.app_context():
        from statuspage.domain import events

        told = [(event.kind, event.title, event.data) for event in events.latest(10)]
    assert "page_access_user.removed" in str(told)
    assert "jane" not in str(told)
