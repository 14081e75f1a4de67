"""Every route of the desk says who may use it, and keeps to it."""

import pytest
import sqlalchemy as sa

from statuspage.domain.staff.members import Permission, Role
from statuspage.web.admin.permissions import ANYONE
from tests.conftest import on_sqlite

pytestmark = on_sqlite

OPEN = {
    "admin.auth.sign_in",
    "admin.auth.check_password",
    "admin.auth.ask_code",
    "admin.auth.check_code",
    "admin.auth.link",
    "admin.auth.use_link",
    "admin.auth.sign_out",
}


def desk_routes(app):
    """(method, address, endpoint) of every route of the desk, with ids that nothing has."""
    for rule in app.url_map.iter_rules():
        if not rule.endpoint.startswith("admin."):
            continue
        values = {
            name: 999 if name.endswith("_id") and "int" in rule.rule else "nothing"
            for name in rule.arguments
        }
        if "public_id" in values:
            values["public_id"] = "nothing"
        with app.test_request_context():
            address = app.url_map.bind("x").build(rule.endpoint, values)
        for method in sorted(rule.methods & {"GET", "POST"}):
            yield method, address, rule.endpoint


def needs(app, endpoint):
    return getattr(app.view_functions[endpoint], "needs", None)


def test_every_route_declares_its_permission(app):
    undeclared = [end for _, _, end in desk_routes(app) if needs(app, end) is None]
    assert undeclared == []


def test_only_sign_in_and_out_are_open_to_anyone(app):
    assert {end for _, _, end in desk_routes(app) if needs(app, end) == ANYONE} == OPEN


def test_viewer_permission_allows_no_writes(app):
    """Every POST but previews and one's own account needs more than a look."""
    lenient = {
        end
        for method, _, end in desk_routes(app)
        if method == "POST" and needs(app, end) == Permission.VIEW
    }
    assert lenient == {
        "admin.account.change_password",
        "admin.account.end_session",
        "admin.account.end_other_sessions",
        "admin.second_factor.set_up",
        "admin.second_factor.confirm",
        "admin.second_factor.renew_recovery_codes",
        "admin.second_factor.switch_off",
        "admin.incidents.preview_new",
        "admin.incidents.preview_draft",
        "admin.incidents.preview_update",
    }


def test_routes_require_signing_in(app, visitor, world):
    token = visitor.token()
    for method, address, endpoint in desk_routes(app):
        if endpoint in OPEN:
            continue
        if method == "GET":
            answer = visitor.get(address)
            assert answer.status_code == 302, address
            assert answer.location.startswith("/admin/sign-in?next="), address
        else:
            answer = visitor.post(address, token=token)
            assert answer.status_code == 401, address


@pytest.mark.parametrize("role", list(Role))
def test_roles_may_do_exactly_what_is_declared(app, person, role):
    browser = person(role, "Somebody")
    token = browser.token()
    for method, address, endpoint in desk_routes(app):
        if endpoint in OPEN:
            continue
        send = browser.get if method == "GET" else lambda path: browser.post(path, token=token)
        answer = send(address)
        allowed = role.may(needs(app, endpoint))
        assert (answer.status_code != 403) == allowed, (method, address, answer.status_code)
        assert answer.status_code < 500, (method, address)


def test_refused_viewer_gets_a_reason(person):
    answer = person(Role.VIEWER, "Vi").get("/admin/incidents/new")
    assert answer.status_code == 403
    assert "Your role does not permit it" in answer.text


def test_admin_responses_have_security_headers(app, ann):
    for path in ("/admin/", "/admin/sign-in", "/admin/incidents/nothing", "/admin/no/such/thing"):
        headers = ann.get(path).headers
        assert headers["Content-Security-Policy"].startswith(
            "default-src 'none'; script-src 'self'"
        )
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_unknown_admin_path_links_back_to_the_overview(client, ann):
    for browser in (client, ann):
        answer = browser.get("/admin/no/such/thing")
        assert answer.status_code == 404
        assert "There is nothing at this address" in answer.text
        assert 'href="/admin/"' in answer.text
    assert client.post("/admin/no/such/thing").status_code == 404


def test_unknown_admin_path_makes_no_query(ann, committed):
    with committed() as session:
        session.execute(sa.text("ALTER TABLE desk_session RENAME TO away"))
    assert ann.get("/admin/no/such/thing").status_code == 404


def test_admin_pages_have_no_inline_style_or_script(app, ann, an_incident):
    public_id = an_incident()
    for path in ("/admin/", f"/admin/incidents/{public_id}", "/admin/components", "/admin/nothing"):
        page = ann.get(path).text
        assert " style=" not in page
        assert "<style" not in page
        assert "<script>" not in page
        assert " onclick=" not in page
