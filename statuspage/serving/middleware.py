"""The outermost layer: cached responses go out before Flask, sessions or rows are touched.

`PublishedMiddleware` serves what is in the `cache`; a view whose response is not cached yet
calls `publish`, and both send the same bytes and headers.
"""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Flask, Response, abort, current_app, g, request
from prometheus_client import Counter

from statuspage.observability.metrics import PAGE_CHECKS, PAGE_REQUESTS, SERVED_AGE_SECONDS
from statuspage.serving.cache import Render, ResponseCache, UnavailableError
from statuspage.serving.conditional import acceptable, canonical, has_it
from statuspage.serving.error_page import ERROR_PAGE_HEADERS, NOTHING_LOST, error_page
from statuspage.serving.response import CachedResponse, Header

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LANGUAGE = "en"
NOT_MODIFIED = "304 Not Modified"


def init_app(app: Flask, published: ResponseCache, *, is_behind_proxy: bool = False) -> None:
    """Serve what is in `published` before `app` is asked.

    Behind our proxy, its requests are not counted as requests of readers: it counts those.
    """
    app.extensions["published"] = published
    app.extensions["page_counter"] = PAGE_CHECKS if is_behind_proxy else PAGE_REQUESTS
    if not is_behind_proxy:
        SERVED_AGE_SECONDS.set_function(published.served_age)
    app.wsgi_app = PublishedMiddleware(app.wsgi_app, published, app.extensions["page_counter"])  # type: ignore[method-assign]


def publish(address: str, render: Render) -> Response:
    """Answer a public view with what is published at `address`.

    `address` is the canonical one: the path, and those of `PARAMETERS` that `render`
    really used, such as `/history?page=2`. Aborts as `obtain`.
    """
    return respond(obtain(address, render), request.environ)


def obtain(address: str, render: Render) -> CachedResponse:
    """What is published at `address`, made now if need be.

    Aborts with 404 where `render` gives None, or where nothing can be: PostgreSQL does not even
    look for a NUL. With 503 where nothing can be rendered and no copy is left.
    """
    if "\0" in address:
        abort(404)
    published: ResponseCache = current_app.extensions["published"]
    counter: Counter = current_app.extensions.get("page_counter", PAGE_REQUESTS)
    try:
        answer = published.obtain((address, LANGUAGE), render)
    except UnavailableError:
        counter.labels("error").inc()
        reason = "We can’t reach our database right now."
        abort(error_response(HTTPStatus.SERVICE_UNAVAILABLE, reason))
    if answer is None:
        abort(404)
    counter.labels("made").inc()
    return answer


def respond(answer: CachedResponse, environ: "WSGIEnvironment") -> Response:
    """What `PublishedMiddleware` would send for this request, as a Flask response."""
    status, headers, body = _select(answer, environ)
    g.is_published = True
    return Response(body, status, headers)


def error_response(status: HTTPStatus, reason: str, advice: str = NOTHING_LOST) -> Response:
    """A calm page that needs neither records nor templates; both are sentences of ours."""
    page = error_page(reason, advice, g.get("request_id", ""))
    return Response(page, status, ERROR_PAGE_HEADERS)


class PublishedMiddleware:
    """WSGI middleware: GET and HEAD of what is published; all else goes to `app`."""

    def __init__(
        self, app: "WSGIApplication", published: ResponseCache, counter: Counter = PAGE_REQUESTS
    ) -> None:
        self.app = app
        self._hit, self._not_modified, self._stale = (
            counter.labels(result) for result in ("hit", "not_modified", "stale")
        )
        self._get: Callable[[tuple[str, str]], CachedResponse | None] = published.get

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if method == "GET" or method == "HEAD":
            address = environ["PATH_INFO"]
            if query := environ.get("QUERY_STRING"):
                address = canonical(address, query)
            answer = self._get((address, LANGUAGE))
            if answer is not None:
                status, headers, body = _select(answer, environ)
                if answer.is_old:
                    self._stale.inc()
                elif status is NOT_MODIFIED:
                    self._not_modified.inc()
                else:
                    self._hit.inc()
                start_response(status, headers)
                return [body] if method == "GET" else []
        return self.app(environ, start_response)


def _select(answer: CachedResponse, environ: "WSGIEnvironment") -> tuple[str, list[Header], bytes]:
    """Status, headers and body by RFC 9110 §12.5.3 and §13.2.2. The list may be changed."""
    accepted = environ.get("HTTP_ACCEPT_ENCODING")
    variant = answer.best(acceptable(accepted)) if accepted else answer.variants["identity"]
    tags, since = environ.get("HTTP_IF_NONE_MATCH"), environ.get("HTTP_IF_MODIFIED_SINCE")
    is_conditional = (tags is not None or since is not None) and answer.rendering.status == 200
    if is_conditional and has_it(tags, since, variant.etag, answer.last_modified):
        return NOT_MODIFIED, list(variant.not_modified), b""
    headers = list(variant.headers)
    if answer.rendering.shown_as and environ.get("HTTP_SEC_FETCH_DEST") == "document":
        _name_type(headers, answer.rendering.shown_as)
    return answer.status, headers, variant.body


def _name_type(headers: list[Header], content_type: str) -> None:
    place = next(i for i, (name, _) in enumerate(headers) if name == "Content-Type")
    headers[place] = ("Content-Type", content_type)
