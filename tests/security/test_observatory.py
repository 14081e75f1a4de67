"""Our responses score as planned in Mozilla's HTTP Observatory."""

import re

import pytest

from tests.conftest import on_sqlite
from tests.helpers import site
from tests.helpers.apps import create_app
from tests.helpers.observatory import GUARDS, META_REFERRER, directives, score

pytestmark = on_sqlite


def test_header_has_directives_that_a_meta_policy_cannot_set(client, committed, at):
    """Frames, and the least of ASVS 3.4.3 should the head of a page be missing."""
    northwind = site.northwind(committed, at)
    for address in (*northwind.addresses, "/nothing"):
        header = directives(client.get(address).headers["Content-Security-Policy"])
        assert header["frame-ancestors"] == header["object-src"] == header["base-uri"] == {"'none'"}
        assert header["script-src"] == {"'self'"}


def test_public_pages_score_130_and_set_no_cookie(client, committed, at):
    northwind = site.northwind(committed, at)
    found = {}
    for address in (*northwind.addresses, f"/incidents/{northwind.retracted}", "/subscribe"):
        answer = client.get(address)
        assert "Set-Cookie" not in answer.headers
        found[address] = score(answer)
    assert min(found.values()) >= 130, found


def test_not_found_page_scores_130(client, committed, at):
    site.northwind(committed, at)
    assert score(client.get("/nothing")) >= 130


def test_sign_in_and_admin_score_120(client, committed, at):
    site.northwind(committed, at)
    for address in ("/admin/sign-in", "/admin/", "/admin/nothing"):
        assert score(client.get(address)) >= 120, address


@pytest.mark.parametrize(
    "address", ["/", "/admin/sign-in", "/static/feed.css", "/api/v2/summary.json"]
)
def test_every_response_has_hsts_on_an_https_address(client, address):
    with client.get(address) as answer:
        assert answer.headers.getlist("Strict-Transport-Security") == ["max-age=31536000"]


def test_http_address_sends_no_hsts(settings):
    assert asked_to_come(settings, base_url="http://127.0.0.1:8000") is None


def test_hsts_includes_subdomains_if_set(settings):
    assert asked_to_come(settings, hsts_subdomains=True) == "max-age=31536000; includeSubDomains"


def asked_to_come(settings, **more):
    app = create_app(settings.model_copy(update=more), watch=False)
    return app.test_client().get("/healthz").headers.get("Strict-Transport-Security")


@pytest.mark.parametrize("purpose", ["", "unsubscribe/", "confirm/"])
def test_pages_linked_from_emails_score_130(client, committed, at, purpose):
    site.northwind(committed, at)
    answer = client.get(f"/subscriptions/{purpose}nobody")
    assert score(answer) >= 130
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert META_REFERRER.findall(answer.text) == ["no-referrer"]


def test_email_link_before_setup_sends_no_referrer(client):
    answer = client.get("/subscriptions/somebody")
    assert answer.status_code == 503
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert META_REFERRER.findall(answer.text) == ["no-referrer"]


def test_first_response_has_the_same_headers_as_later_ones(client, committed, at):
    """A front keeps the first one."""
    northwind = site.northwind(committed, at)
    pages = (*northwind.addresses, f"/incidents/{northwind.retracted}", "/subscriptions/asked")
    for address in (*pages, "/history.rss", "/api/v2/summary.json", "/badge.svg", "/public.js"):
        first, next_one = client.get(address), client.get(address)
        assert first.headers == next_one.headers, address


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("GET", "/beacon.json"),
        ("GET", "/nothing"),
        ("POST", "/"),
        ("PUT", "/admin/sign-in"),
        ("GET", "/v1/pages"),
        ("GET", "/v1/nothing"),
        ("DELETE", "/v1/pages"),
        ("GET", "/api/v2/nothing.json"),
        ("GET", "/api/v2/push/subscription"),
    ],
)
def test_every_response_has_security_headers_and_no_version(client, method, address):
    answer = client.open(address, method=method)
    assert set(answer.headers.keys()) >= GUARDS
    assert "frame-ancestors" in answer.headers["Content-Security-Policy"]
    everything = f"{answer.headers}\n{answer.text}".lower()
    assert not re.search(r"werkzeug|flask|python|granian|sqlalchemy|traceback", everything)


def test_error_page_reveals_nothing_about_the_program(app, client):
    app.add_url_rule("/fails", view_func=lambda: 1 // 0)
    answer = client.get("/fails")
    assert answer.status_code == 500
    assert score(answer) >= 130
    assert "ZeroDivision" not in answer.text
    assert "Traceback" not in answer.text


def test_admin_requests_no_device_permission(client):
    assert "camera=()" in client.get("/admin/sign-in").headers["Permissions-Policy"]


def test_public_page_isolates_its_window(client, committed, at):
    site.northwind(committed, at)
    for _ in ("made", "stored"):
        assert client.get("/").headers["Cross-Origin-Opener-Policy"] == "same-origin"
    unchanged = client.get("/", headers={"If-None-Match": client.get("/").headers["ETag"]})
    assert unchanged.status_code == 304
    # It would replace the policy that the reader has stored.
    assert not GUARDS & set(unchanged.headers.keys())
