"""What browsers report of the desk's policy."""

import logging

import pytest

from statuspage.web.hooks.csp_reports import MAX_BYTES, PER_NETWORK
from statuspage.web.security import REPORTS
from tests.conftest import on_sqlite

pytestmark = on_sqlite

REPORT = {
    "document-uri": "https://status.example.com/admin/sign-in/a-secret-of-somebody",
    "effective-directive": "script-src-elem",
    "blocked-uri": "https://evil.example/steal.js?cookie=1",
    "script-sample": "alert(1)",
}


@pytest.fixture
def lines(caplog):
    """`lines()`: what was logged of reports."""
    caplog.set_level(logging.WARNING)
    return lambda: [
        record.getMessage() for record in caplog.records if "policy." in record.getMessage()
    ]


def reported(client, report, **headers):
    return client.post(REPORTS, json={"csp-report": report}, headers=headers)


def test_only_admin_pages_request_csp_reports(client):
    assert (
        f"report-uri {REPORTS}" in client.get("/admin/sign-in").headers["Content-Security-Policy"]
    )
    assert "report-uri" not in client.get("/").headers["Content-Security-Policy"]


def test_csp_report_is_logged_without_a_secret_path(client, lines):
    assert reported(client, REPORT).status_code == 204
    (line,) = lines()
    assert "script-src-elem" in line
    assert "https://evil.example" in line
    assert "admin.auth.link" in line
    for secret in ("a-secret-of-somebody", "cookie=1", "alert"):
        assert secret not in line


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"effective-directive": "\nforged line", "blocked-uri": "http://[", "document-uri": 7},
        {"effective-directive": ["x"], "blocked-uri": "inline", "document-uri": "//[::1"},
        {"blocked-uri": "x" * 5000},
    ],
)
def test_csp_report_fields_are_limited(client, lines, report):
    assert reported(client, report).status_code == 204
    (line,) = lines()
    assert "forged" not in line
    assert len(line) < 400


@pytest.mark.parametrize(
    "body", [b"", b"[" * 5000, b"[]", b'{"csp-report": 1}', b" " * MAX_BYTES * 2]
)
def test_invalid_csp_report_is_refused(client, lines, body):
    assert client.post(REPORTS, data=body).status_code == 400
    assert lines() == []


def test_csp_reports_of_other_sites_are_ignored_and_limited(client, lines):
    assert reported(client, REPORT, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    answers = [reported(client, REPORT).status_code for _ in range(PER_NETWORK.amount + 5)]
    assert answers == [204] * PER_NETWORK.amount + [429] * 5
    assert len(lines()) == PER_NETWORK.amount
