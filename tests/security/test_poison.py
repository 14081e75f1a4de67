"""Requests that no honest program sends: refused or answered, never an error of ours."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import on_sqlite
from tests.helpers import site

pytestmark = on_sqlite

POISON = (
    "\x00",
    "\u202egnp.exe",
    "a" * 300_000,
    "[" * 20_000,
    "> " * 9_000,
    "%ff%c0%af",
    "{{7*7}}",
)
ADDRESSES = ("/", "/history", "/subscribe", "/search", "/badge.svg", "/admin/sign-in", "/v1/pages")


@pytest.fixture
def reader(client, committed, at):
    site.northwind(committed, at)
    return client


@pytest.mark.parametrize("address", ADDRESSES)
def test_hostile_queries_forms_and_headers_cause_no_500(reader, address):
    for words in POISON:
        short = words[:2_000]
        names = ("page", "label", "next", "q", "done", "component")
        assert reader.get(address, query_string=dict.fromkeys(names, short)).status_code < 500
        form = dict.fromkeys(("email", "password", "channel", "endpoint", "owner", "zone"), words)
        assert reader.post(address, data=form).status_code < 500
        plain = short.replace("\x00", "").encode("ascii", "ignore").decode()
        headers = dict.fromkeys(("If-None-Match", "If-Modified-Since", "Accept-Encoding"), plain)
        assert reader.get(address, headers=headers).status_code < 500
    for body in (b"\xff\xfe\x00", b'{"a":' * 5_000, b"x" * 1_000_001):
        for kind in ("application/json", "application/x-www-form-urlencoded"):
            assert reader.post(address, data=body, content_type=kind).status_code < 500


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(path=st.text(max_size=30), method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "ODD"]))
def test_any_path_and_method_is_answered(reader, path, method):
    for start in ("/", "/incidents/", "/subscriptions/", "/admin/", "/v1/pages/", "/static/"):
        safe = (start + path).encode("utf-8", "replace").decode()
        assert reader.open(base_url="http://localhost", path=safe, method=method).status_code < 500


@pytest.mark.parametrize("up", ["../", "..%2f", "%2e%2e/", "..\\", "....//", "%252e%252e/"])
def test_path_traversal_is_refused(reader, up):
    for start in ("/static/", "/", "/api/v2/"):
        with reader.get(f"{start}{up * 6}etc/passwd") as answer:
            assert answer.status_code in (301, 308, 400, 404)
            assert b"root:" not in answer.data


@pytest.mark.parametrize(
    "name",
    ["X-Forwarded-Host", "X-Forwarded-Proto", "X-Original-URL", "X-Rewrite-URL", "Forwarded"],
)
def test_cached_pages_ignore_request_headers(reader, name):
    clean = reader.get("/").data
    answer = reader.get("/history", headers={name: "evil.example", "Host": "evil.example"})
    assert b"evil.example" not in answer.data
    assert b"evil.example" not in reader.get("/history").data
    assert reader.get("/", headers={name: "evil.example"}).data == clean
