"""What the front says by itself is guarded as the answers of the application are."""

from http import HTTPStatus

from flask import Response

from statuspage.proxy.http import Request, refusal, unavailable
from tests.security.test_observatory import GUARDS, score


def test_the_fronts_own_words_are_guarded_too():
    https = ((b"strict-transport-security", b"max-age=31536000"),)
    request = Request(b"GET", b"/", {}, b"")
    for said in (refusal(HTTPStatus.BAD_REQUEST, https), unavailable("Wait.", request, https)):
        head = said.partition(b"\r\n\r\n")[0].decode()
        answer = Response(headers=[tuple(one.split(": ", 1)) for one in head.split("\r\n")[1:]])
        assert all(name in answer.headers for name in GUARDS)
        assert score(answer) >= 130
