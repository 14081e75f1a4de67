"""The page, its team, its templates and the look of embeds by the Manage API."""

import json

import pytest

from statuspage.config import PROJECT
from statuspage.domain.events import SYSTEM
from statuspage.domain.staff import members as staff
from statuspage.domain.staff.members import Role
from statuspage.domain.tokens import Scope
from tests.conftest import on_sqlite

pytestmark = on_sqlite

RECORDED = json.loads((PROJECT / "tests/samples/statuspage/manage-v1/page.json").read_text())


# ── the page ───────────────────────────────────────────────────────────────────


def test_page_has_the_keys_of_statuspage_in_order(program, page_id):
    (told,) = program.get("/v1/pages").json
    assert list(told) == list(RECORDED)
    for name, value in RECORDED.items():
        if isinstance(value, dict):
            assert list(told[name]) == list(value)
    assert program.get("").json == told
    assert told["id"] == page_id


def test_supported_page_settings_take_effect(program, client):
    program.patch(
        "",
        {
            "page": {
                "name": "Northwind",
                "time_zone": "Europe/Vienna",
                "support_url": "https://help.example.com",
                "css_link_color": "#aa3300",
            }
        },
    )
    html = client.get("/").text
    assert "Northwind status" in html
    assert "CET" in html
    assert "https://help.example.com" in html
    assert "#aa3300" in html


def test_page_hidden_from_search_has_noindex(program, client):
    assert "noindex" not in client.get("/").text
    told = program.patch("", {"page": {"hidden_from_search": "true"}}).json
    assert told["hidden_from_search"] is True
    assert '<meta name="robots" content="noindex">' in client.get("/").text


def test_what_means_nothing_here_is_kept_and_given_back(program):
    sent = {"css_greens": "00aa00", "subdomain": "acme", "allow_sms_subscribers": True}
    told = program.patch("", {"page": sent}).json
    assert {name: told[name] for name in sent} == sent


@pytest.mark.parametrize(
    "sent",
    [
        {"time_zone": "Mars/Olympus"},
        {"css_greens": "green"},
        {"name": " "},
        {"url": "javascript:alert(1)"},
        {"subdomain": "x" * 600},
        {"viewers_must_be_team_members": True},
        {"ip_restrictions": "10.0.0.0/8"},
        {"allow_page_subscribers": False},
        {"allow_incident_subscribers": False},
        {"allow_email_subscribers": False},
        {"allow_sms_subscribers": "false"},
        {"allow_webhook_subscribers": False},
        {"allow_rss_atom_feeds": False},
    ],
)
def test_invalid_page_setting_changes_nothing(program, sent):
    before = program.get("").json
    assert program.patch("", {"page": {"css_reds": "ff0000", **sent}}).status_code == 422
    assert program.get("").json == before


def test_page_accepts_the_settings_it_gave_back(program):
    before = program.get("").json
    after = program.put("", {"page": before}).json
    assert {**after, "updated_at": ""} == {**before, "updated_at": ""}


def test_page_access_responses_warn_that_the_page_stays_public(program):
    made = program.post("/page_access_users", {"page_access_user": {"email": "a@example.com"}})
    assert made.status_code == 200
    for response in (made, program.get("/page_access_groups")):
        assert "everyone sees the whole page" in response.headers["Warning"]
    assert "Warning" not in program.get("").headers


def test_the_embed_config_is_kept_for_clients(program, page_id):
    told = program.put(
        "/status_embed_config", {"status_embed_config": {"position": "top-left"}}
    ).json
    assert told == program.get("/status_embed_config").json
    assert (told["page_id"], told["position"]) == (page_id, "top-left")
    colour = {"status_embed_config": {"incident_text_color": "#00ff00", "position": None}}
    assert program.patch("/status_embed_config", colour).json == told | {
        "incident_text_color": "#00ff00"
    }
    for wrong in ({"position": "middle"}, {"incident_text_color": "red"}):
        refused = program.patch("/status_embed_config", {"status_embed_config": wrong})
        assert refused.status_code == 422


# ── templates ──────────────────────────────────────────────────────────────────


def test_template_is_returned_with_its_components(program):
    component = program.post("/components", {"component": {"name": "API"}}).json
    made = program.post(
        "/incident_templates",
        {
            "template": {
                "name": "API down",
                "title": "The API is down",
                "body": "We are on it.",
                "update_status": "investigating",
                "component_ids": [component["id"]],
                "should_tweet": True,
            }
        },
    )
    assert made.status_code == 201
    assert made.json["components"] == [component]
    assert program.get("/incident_templates").json == [made.json]


@pytest.mark.parametrize(
    "sent", [{}, {"name": "A", "title": "B"}, {"name": "A", "title": "B", "body": "C", "x": 1}]
)
def test_template_requires_name_title_and_body(program, sent):
    is_whole = "body" in sent
    answer = program.post("/incident_templates", {"template": sent})
    assert answer.status_code == (201 if is_whole else 422)


# ── the team ───────────────────────────────────────────────────────────────────


@pytest.fixture
def organization(page_id):
    return f"/v1/organizations/{page_id}"


def test_new_team_member_is_a_viewer_until_permissions_are_given(
    program, organization, app, page_id
):
    user = {"email": "Ann@example.com", "first_name": "Ann", "last_name": "Lee"}
    made = program.post(f"{organization}/users", {"user": user})
    assert made.status_code == 201
    assert (made.json["email"], made.json["last_name"]) == ("ann@example.com", "Lee")
    address = f"{organization}/permissions/{made.json['id']}"
    none = {"page_configuration": False, "incident_manager": False, "maintenance_manager": False}
    assert program.get(address).json["data"]["pages"] == {"page_id": page_id, **none}
    everything = dict.fromkeys(none, True)
    assert program.put(address, {"pages": {page_id: everything}}).status_code == 200
    with app.app_context():
        assert staff.with_email("ann@example.com").role is Role.EDITOR
    mixed = everything | {"page_configuration": False}
    assert program.put(address, {"pages": {page_id: mixed}}).status_code == 422


def test_last_owner_cannot_be_removed(program, organization, committed, at):
    with committed():
        owner = staff.create(
            "olga@example.com", name="Olga", role=Role.OWNER, password=None, by=SYSTEM, at=at
        ).id
    assert program.delete(f"{organization}/users/{owner}").status_code == 422
    ann = program.post(f"{organization}/users", {"user": {"email": "ann@example.com"}}).json
    assert program.delete(f"{organization}/users/{ann['id']}").status_code == 200
    assert [user["email"] for user in program.get(f"{organization}/users").json] == [
        "olga@example.com"
    ]
    assert program.delete(f"{organization}/users/99999").status_code == 404
    assert program.put(f"{organization}/permissions/{owner}", {"pages": {}}).status_code == 422


def test_deactivated_member_returns_as_a_viewer(program, organization, page_id, app):
    user = {"user": {"email": "ann@example.com", "password": "correct horse battery"}}
    ann = program.post(f"{organization}/users", user).json["id"]
    everything = dict.fromkeys(
        ("page_configuration", "incident_manager", "maintenance_manager"), True
    )
    program.put(f"{organization}/permissions/{ann}", {"pages": {page_id: everything}})
    assert program.post(f"{organization}/users", user).status_code == 422, "she is there"
    program.delete(f"{organization}/users/{ann}")
    user["user"]["password"] = "another horse battery"
    assert program.post(f"{organization}/users", user).json["id"] == ann
    with app.app_context():
        assert staff.with_email("ann@example.com").role is Role.VIEWER
        assert staff.authenticate("ann@example.com", "correct horse battery") is None
        assert staff.authenticate("ann@example.com", "another horse battery") is not None


def test_reading_the_team_requires_the_manage_scope(program_with, organization):
    assert program_with(Scope.INCIDENTS).get(f"{organization}/users").status_code == 403
