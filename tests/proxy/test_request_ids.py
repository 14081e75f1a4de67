"""The proxy gives each request it passes on an id, which its error page shows."""

import json
import re

from structlog.testing import capture_logs


def test_a_request_passed_on_has_one_id_and_keeps_a_valid_one(proxy):
    def passed(**sent):
        told = json.loads(proxy.ask("/admin", **sent)[2])
        return told["X-Request-Id"]

    first, second = passed(), passed()
    assert re.fullmatch("[0-9a-f]{16}", first)
    assert first != second
    assert passed(X_Request_ID="edge-4711-2026") == "edge-4711-2026"
    assert re.fullmatch("[0-9a-f]{16}", passed(X_Request_ID="<b>no</b>"))


def test_the_error_page_shows_the_request_id_of_the_log(proxy, web_process):
    web_process.stop()
    with capture_logs() as lines:
        status, fields, body = proxy.ask("/admin/sign-in/very-private", "POST", b"x")
    assert status == 503
    given = fields["x-request-id"]
    assert f"Reference: {given}".encode() in body
    assert "very-private" not in str(lines)
    assert "proxy.request_failed" in [line["event"] for line in lines]
    web_process.start()
