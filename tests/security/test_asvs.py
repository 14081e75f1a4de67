"""Rows of OWASP ASVS 5.0 that no other test holds, and the table of them all."""

import logging
import re

import pytest

from statuspage.config import PROJECT
from statuspage.domain import page_settings, tokens
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.staff import members as staff
from statuspage.domain.staff import sessions
from statuspage.domain.staff.members import Role
from statuspage.domain.tokens import Scope
from statuspage.lib import signed_links
from statuspage.lib.signed_links import Purpose
from statuspage.observability import logging as logs
from tests.conftest import SECRET, on_sqlite
from tests.helpers.admin import Browser

TABLE = (PROJECT / "docs" / "security.md").read_text()
ROWS = re.findall(r"^\| ([\d., ]+) \| (.+) \| (.+) \|$", TABLE, re.M)
LEVEL_3 = {"3.4.7", "3.4.8", "6.3.8", "8.3.2", "13.4.6", "15.4.2", "16.5.4"}
"""What we hold of it."""
PASSWORD = "correct horse battery staple"


def test_asvs_table_has_each_row_once_with_its_evidence():
    """The file has the number and the level of each requirement, as the standard has them."""
    wanted = {
        line.split()[0]
        for line in (PROJECT / "tests" / "security" / "asvs-5.0.txt").read_text().splitlines()
    }
    told = [number for numbers, _, _ in ROWS for number in numbers.split(", ")]
    elsewhere = set(re.findall(r"^V(\d+): |\bV(\d+): no", TABLE, re.M))
    chapters = {number for found in elsewhere for number in found if number}
    assert len(told) == len(set(told))
    applying = {one for one in wanted if one.partition(".")[0] not in chapters}
    assert set(told) == applying | LEVEL_3
    assert chapters == {"10", "17"}
    for numbers, _, held_by in ROWS:
        assert re.search(r"`tests/|by design|below|by you|^–$|\]\(", held_by), numbers


# ── V4 and V13: HTTP ───────────────────────────────────────────────────────────


@pytest.fixture
def ada(app, committed, at):
    """The browser of an owner."""
    with committed():
        page_settings.create("Northwind", by=SYSTEM, at=at)
        staff.create(
            "ada@example.com", name="Ada", role=Role.OWNER, password=PASSWORD, by=SYSTEM, at=at
        )
    browser = Browser(app)
    browser.sign_in("ada@example.com", PASSWORD)
    return browser


@on_sqlite
def test_every_response_has_its_content_type_and_charset(client, ada):
    addresses = (
        *("/", "/history", "/history.atom", "/history.rss", "/api/v2/summary.json", "/badge.svg"),
        *("/maintenance.ics", "/robots.txt", "/embed.js", "/nowhere", "/v1/pages", "/healthz"),
        *("/subscribe", "/admin/sign-in", "/api/openapi.json", "/readyz", "/site.webmanifest"),
    )
    for address in addresses:
        answer = client.get(address)
        kind, _, parameters = answer.headers["Content-Type"].partition(";")
        assert "/" in kind, address
        # JSON is UTF-8 by its own rule (RFC 8259 §8.1) and has no such parameter.
        is_json = kind == "application/json" or kind.endswith("+json")
        if kind.startswith("text/") or (kind.endswith("xml") and not is_json):
            assert parameters.strip().lower().startswith("charset=utf-8"), address


@on_sqlite
@pytest.mark.parametrize("address", ["/", "/admin/sign-in", "/v1/pages", "/subscribe", "/nowhere"])
def test_trace_is_refused(client, address):
    answer = client.open(address, method="TRACE", headers={"X-Secret": "s3cret"})
    assert answer.status_code in (404, 405)
    assert "s3cret" not in answer.text


@on_sqlite
def test_query_parameters_are_not_read_as_form_fields(app, committed, at):
    with committed():
        page_settings.create("Northwind", by=SYSTEM, at=at)
        staff.create(
            "bea@example.com", name="Bea", role=Role.EDITOR, password=PASSWORD, by=SYSTEM, at=at
        )
    browser = Browser(app)
    query = f"?email=bea@example.com&password={PASSWORD.replace(' ', '+')}"
    assert browser.post(f"/admin/sign-in{query}", {"email": "", "password": ""}).status_code == 422
    assert browser.get("/admin/").status_code == 302


# ── V6, V7, V11: secrets ───────────────────────────────────────────────────────


@on_sqlite
def test_secrets_are_long_enough(app, committed, at):
    with committed():
        page_settings.create("Northwind", by=SYSTEM, at=at)
        person = staff.create(
            "bea@example.com", name="Bea", role=Role.EDITOR, password=None, by=SYSTEM, at=at
        )
        _, token = tokens.create("CI", scopes=[Scope.READ], by=SYSTEM, at=at)
        found = [
            token.removeprefix(tokens.PREFIX),
            staff.create_sign_in_link(person, at=at),
            sessions.start(person.id, browser="", at=at),
            signed_links.token(SECRET, Purpose.MANAGE, "k").partition(".")[2],
        ]
    for text in found:
        assert len(text) * 6 >= 160, "letters of base64, six bits each"


@on_sqlite
def test_every_admin_page_has_sign_out(ada):
    screens = ("/admin/", "/admin/incidents", "/admin/account", "/admin/team", "/admin/settings")
    for screen in screens:
        assert 'action="/admin/sign-out"' in ada.get(screen).text, screen


# ── V12: other servers ─────────────────────────────────────────────────────────


def test_certificate_checks_are_never_disabled():
    switches = re.compile(r"verify\s*=\s*False|CERT_NONE|check_hostname\s*=\s*False|_unverified_")
    for file in (PROJECT / "statuspage").rglob("*.py"):
        assert not switches.search(file.read_text()), file.name


# ── V15: more fields than asked for ────────────────────────────────────────────


@on_sqlite
def test_undeclared_form_fields_change_nothing(app, client, committed, at):
    with committed():
        page = page_settings.create("Northwind", by=SYSTEM, at=at)
        _, token = tokens.create("CI", scopes=list(Scope), by=SYSTEM, at=at)
        page_id = page.public_id
    asked = {"name": "Cards declined", "status": "investigating", "body": "Some are."}
    more = {"id": "0" * 12, "page_id": "0" * 12, "created_at": "2001-01-01T00:00:00Z"}
    more |= {"is_imported": True, "public_id": "0" * 12, "actor": "Eve"}
    answer = client.post(
        f"/v1/pages/{page_id}/incidents",
        json={"incident": asked | more},
        headers={"Authorization": f"OAuth {token}"},
    )
    assert answer.status_code == 201
    assert answer.json["id"] != more["id"]
    assert answer.json["page_id"] == page_id
    assert not answer.json["created_at"].startswith("2001")
    with app.app_context():
        assert incidents.get(answer.json["id"]).public_id == answer.json["id"]


# ── V16: the log ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_line_break_in_input_starts_no_log_line(log_format, capsys):
    root = logging.getLogger()
    before = list(root.handlers)
    try:
        logs.configure(log_format)
        formatter = root.handlers[-1].formatter
        record = logging.LogRecord(
            "statuspage.x",
            logging.WARNING,
            "x.py",
            1,
            "asked for %s",
            ("a\n2026 [error] b\r\nc",),
            None,
        )
        assert len(formatter.format(record).splitlines()) == 1
    finally:
        root.handlers[:] = before
