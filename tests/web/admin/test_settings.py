"""Page settings, the team and the audit log."""

import io

from statuspage import clock
from statuspage.domain import page_settings
from statuspage.domain.events import SYSTEM
from statuspage.domain.staff import members as staff
from statuspage.domain.staff.members import Role
from tests.conftest import on_sqlite
from tests.helpers.admin import BASE, Browser, fields_of, text_of

pytestmark = on_sqlite

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100


def test_settings_are_saved_and_shown(ann, world, stored):
    form = fields_of(ann.get("/admin/settings"), "/admin/settings")
    assert (form["name"], form["time_zone"]) == ("Northwind", "Europe/Vienna")
    form |= {
        "name": "Southwind",
        "time_zone": "Asia/Tokyo",
        "about": "We *sail*.",
        "accent": "#336699",
        "support_url": "mailto:help@example.com",
    }
    assert ann.post("/admin/settings", form).status_code == 303
    page = stored(page_settings.get)
    assert (page.name, page.time_zone, page.accent) == ("Southwind", "Asia/Tokyo", "#336699")
    assert "Southwind" in ann.get("/admin/").text


def test_invalid_settings_are_refused_at_the_field_and_kept(ann, world, stored):
    form = fields_of(ann.get("/admin/settings"), "/admin/settings")
    form |= {"time_zone": "Mars/Olympus", "accent": "red", "url": "ftp://x", "about": "Kept."}
    answer = ann.post("/admin/settings", form)
    assert answer.status_code == 422
    for field in ("time_zone", "accent", "url"):
        assert f'href="#{field}"' in answer.text
    kept = fields_of(answer, "/admin/settings")
    assert (kept["time_zone"], kept["about"]) == ("Mars/Olympus", "Kept.")
    assert stored(page_settings.get).time_zone == "Europe/Vienna"


def test_logo_is_uploaded_shown_and_removed(ann, world, stored):
    answer = ann.post(
        "/admin/settings/logo",
        {"logo": (io.BytesIO(PNG), "logo.png")},
        content_type="multipart/form-data",
    )
    assert answer.status_code == 303
    shown = ann.get("/admin/settings/logo")
    assert (shown.data, shown.mimetype) == (PNG, "image/png")
    ann.post("/admin/settings/logo", {"remove": "1"})
    assert ann.get("/admin/settings/logo").status_code == 404


def test_invalid_or_too_large_logo_is_refused(ann, world):
    for content in (b"<svg onload=alert(1)>", PNG + b"0" * 100_000):
        answer = ann.post(
            "/admin/settings/logo",
            {"logo": (io.BytesIO(content), "logo.png")},
            content_type="multipart/form-data",
        )
        assert answer.status_code == 422
        assert 'href="#logo"' in answer.text


def test_owner_adds_a_member_who_signs_in_by_link(app, owner, stored):
    form = {"email": "new@example.com", "name": "New", "role": "editor"}
    assert owner.post("/admin/team", form).status_code == 303
    person = stored(lambda: staff.with_email("new@example.com"))
    assert person.role is Role.EDITOR
    page = owner.post(f"/admin/team/{person.id}/link")
    link = page.text.split(f'value="{BASE}')[1].split('"')[0]
    new = Browser(app)
    answer = new.post(link)
    assert answer.location == "/admin/account", "they choose a password first"
    assert new.post("/admin/account", {"password": "correct horse battery"}).status_code == 303
    assert Browser(app).sign_in("new@example.com", "correct horse battery").status_code == 303


def test_creating_a_sign_in_link_requires_the_owners_password(app, owner, ann, stored):
    password = "correct horse battery"
    assert owner.post("/admin/account", {"password": password}).status_code == 303
    person = stored(lambda: staff.with_email("ann@example.com"))
    address = f"/admin/team/{person.id}/link"
    assert f'href="{address}"' in owner.get("/admin/team").text
    assert 'autocomplete="current-password"' in owner.get(address).text
    for typed in ({}, {"current_password": "not the owner's"}):
        refused = owner.post(address, typed)
        assert refused.status_code == 422
        assert "not your current password" in text_of(refused)
        assert f"{BASE}/admin/sign-in/" not in refused.text
    made = owner.post(address, {"current_password": password})
    link = made.text.split(f'value="{BASE}')[1].split('"')[0]
    assert Browser(app).post(link).status_code == 303
    said = text_of(owner.get("/admin/audit"))
    assert "sign in link made Ann" in said
    assert link.rpartition("/")[2] not in said


def test_deactivated_member_returns_by_link_and_not_by_old_password(app, owner, committed):
    password = "correct horse battery"
    with committed():
        bea = staff.create(
            "bea@example.com",
            name="Bea",
            role=Role.EDITOR,
            password=password,
            by=SYSTEM,
            at=clock.now(),
        )
        address = f"/admin/team/{bea.id}"
    for step in ("disable", "enable"):
        assert owner.post(f"{address}/{step}").status_code == 303
    assert Browser(app).sign_in("bea@example.com", password).status_code == 422
    made = owner.post(f"{address}/link")
    link = made.text.split(f'value="{BASE}')[1].split('"')[0]
    back = Browser(app)
    assert back.post(link).status_code == 303
    assert back.post("/admin/account", {"password": password}).status_code == 303


def test_refused_team_change_gives_a_reason(owner, stored):
    taken = owner.post("/admin/team", {"email": "olga@example.com", "role": "viewer"})
    assert taken.status_code == 422
    assert "already on the team" in taken.text
    unknown = owner.post("/admin/team", {"email": "x@example.com", "role": "emperor"})
    assert unknown.status_code == 422
    olga = stored(lambda: staff.with_email("olga@example.com").id)
    last = owner.post(f"/admin/team/{olga}/role", {"role": "viewer"})
    assert last.status_code == 422
    assert "needs an owner" in last.text
    assert owner.post(f"/admin/team/{olga}/disable").status_code == 422


def test_owner_changes_roles_and_ends_sessions(owner, ann, stored):
    person = stored(lambda: staff.with_email("ann@example.com").id)
    owner.post(f"/admin/team/{person}/role", {"role": "viewer"})
    assert ann.get("/admin/incidents/new").status_code == 403
    owner.post(f"/admin/team/{person}/end-sessions")
    assert ann.get("/admin/").status_code == 302
    owner.post(f"/admin/team/{person}/disable")
    owner.post(f"/admin/team/{person}/enable")
    assert stored(lambda: staff.get(person).is_active)


def test_audit_log_shows_who_did_what_and_is_paged(ann, world):
    for number in range(51):
        ann.post("/admin/components/groups/new", {"name": f"Group {number}"})
    first = ann.get("/admin/audit")
    assert "Ann" in text_of(first)
    assert "Group 50" in first.text
    older = first.text.split('rel="next" href="')[1].split('"')[0]
    second = text_of(ann.get(older))
    assert "Group 0" in second
    assert "Group 50" not in second
    assert ann.get("/admin/audit?before=99999999999999999999").status_code == 200


def test_admin_before_setup_asks_for_the_page_name(app, committed, at):
    with committed():
        person = staff.create(
            "first@example.com", name="First", role=Role.OWNER, password=None, by=SYSTEM, at=at
        )
        token = staff.create_sign_in_link(person, at=at)
    first = Browser(app)
    first.post(f"/admin/sign-in/{token}")
    assert "This page has no name yet" in first.get("/admin/").text
    answer = first.post("/admin/settings", {"name": "Northwind", "time_zone": "Europe/Vienna"})
    assert answer.status_code == 303
    assert "Nothing is monitored here yet" in text_of(first.get("/admin/"))
