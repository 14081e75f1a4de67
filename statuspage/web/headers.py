"""Headers that every answer of the application has, unless whoever made it chose its own.

Published answers have all of theirs in their stored bytes (`page/answers`).
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g

from statuspage.serving.error_page import BARE_HEADERS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SERVER = ("Server", "web")


def init_app(app: Flask) -> None:
    """Call it before whoever sets headers of its own after a request."""
    app.after_request(guard)


def guard(response: Response) -> Response:
    """Add what is missing. A 304 adds nothing: it would change what the reader has stored.

    Nor does what is published: its first answer comes from here, and a front keeps that one.
    """
    if response.status_code == HTTPStatus.NOT_MODIFIED or g.get("is_published"):
        return response
    if "Access-Control-Allow-Origin" in response.headers:
        response.headers.setdefault("Cross-Origin-Resource-Policy", "cross-origin")
    for name, value in BARE_HEADERS:
        response.headers.setdefault(name, value)
    return response


def unnamed(application: "WSGIApplication") -> "WSGIApplication":
    """Where no front takes its name away, the web server does not tell which program it is."""

    def wrapped(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, SERVER], *more)

        return application(environ, start)

    return wrapped
