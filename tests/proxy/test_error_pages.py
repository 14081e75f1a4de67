"""Responses of the proxy itself have the security headers of the application."""

from http import HTTPStatus

from flask import Response

from statuspage.proxy.http import Paths, Request, refusal, unavailable
from statuspage.serving.error_page import error_page
from tests.helpers.observatory import GUARDS, score


def test_responses_of_the_proxy_itself_have_security_headers():
    https = ((b"strict-transport-security", b"max-age=31536000"),)
    request = Request(b"GET", b"/", {}, b"")
    for response in (
        refusal(HTTPStatus.BAD_REQUEST, https),
        unavailable(error_page, request, Paths(), https),
    ):
        head = response.partition(b"\r\n\r\n")[0].decode()
        answer = Response(headers=[tuple(one.split(": ", 1)) for one in head.split("\r\n")[1:]])
        assert all(name in answer.headers for name in GUARDS)
        assert score(answer) >= 130
