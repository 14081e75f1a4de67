"""The outermost layer: published bytes go out before Flask, sessions or rows are touched.

`Edge` answers what is in the store of `page/cache`; a view that is asked for something
new calls `publish`, and both send the same bytes and headers.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, Response, abort, current_app, request

from statuspage.db import reading
from statuspage.domain import events
from statuspage.page.cache import Answer, Header, Published, Render, UnavailableError, Variant
from statuspage.web.sessions import DeskSessionInterface

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LANGUAGE = "en"
PARAMETERS = frozenset({"page"})
"""Query parameters that choose another public page. All others are ignored."""

PREFERENCE = ("br", "gzip", "identity")
"""Which encoding we like best where a reader likes them alike."""
LONGEST_REMEMBERED_HEADER = 200

ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')
QVALUE = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")

RETRY_AFTER_S = 30
SORRY = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>This page is not available right now</title>
<main>
<h1>This page is not available right now</h1>
<p>{reason} Nothing is lost, and we are on it. Please try again in half a minute.</p>
<p><a href="/">Current status</a></p>
</main>
</html>
"""


def init_app(app: Flask, data_dir: Path, *, watch: bool = True) -> None:
    """Put the edge in front of `app`. Without `watch` every request checks the revision."""

    @contextmanager
    def within() -> Iterator[None]:
        with app.app_context():
            reading()
            yield

    published = Published(
        events.revision, within=within, folder=data_dir / "published", watch=watch
    )
    app.extensions["published"] = published
    app.session_interface = DeskSessionInterface()
    app.wsgi_app = Edge(app.wsgi_app, published)  # type: ignore[method-assign]


def publish(address: str, render: Render) -> Response:
    """Answer a public view with what is published at `address`.

    `address` is the canonical one: the path, and those of `PARAMETERS` that `render`
    really used, such as `/history?page=2`. Aborts with 404 where `render` gives None;
    503 where nothing can be rendered and no copy is left.
    """
    published: Published = current_app.extensions["published"]
    try:
        answer = published.obtain((address, LANGUAGE), render)
    except UnavailableError:
        return sorry(
            HTTPStatus.SERVICE_UNAVAILABLE, "We can not reach our own records at the moment."
        )
    if answer is None:
        abort(404)
    return respond(answer, request.environ)


def respond(answer: Answer, environ: "WSGIEnvironment") -> Response:
    """What `Edge` would send for this request, as a Flask response."""
    status, headers, body = _select(answer, environ)
    return Response(body, status, headers)


def sorry(status: HTTPStatus, reason: str) -> Response:
    """A calm page that needs neither records nor templates; `reason` is a sentence of ours."""
    response = Response(SORRY.format(reason=reason), status, mimetype="text/html")
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


class Edge:
    """WSGI middleware: GET and HEAD of what is published; all else goes to `app`."""

    def __init__(self, app: "WSGIApplication", published: Published) -> None:
        self.app = app
        self._get: Callable[[tuple[str, str]], Answer | None] = published.get

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
                start_response(status, headers)
                return [body] if method == "GET" else []
        return self.app(environ, start_response)


def canonical(path: str, query: str) -> str:
    """The address that stands for all spellings of `path?query`; junk parameters are dropped.

    A name we can not read without decoding is kept: such an address is never
    published, and Flask judges it.
    """
    kept = [part for part in query.split("&") if _is_meaningful(part.partition("=")[0])]
    return f"{path}?{'&'.join(kept)}" if kept else path


def _is_meaningful(name: str) -> bool:
    return name in PARAMETERS or "%" in name or "+" in name


def _select(answer: Answer, environ: "WSGIEnvironment") -> tuple[str, list[Header], bytes]:
    """Status, headers and body by RFC 9110 §12.5.3 and §13.2.2. The list may be changed."""
    accepted = environ.get("HTTP_ACCEPT_ENCODING")
    variant = answer.best(acceptable(accepted)) if accepted else answer.variants["identity"]
    is_conditional = "HTTP_IF_NONE_MATCH" in environ or "HTTP_IF_MODIFIED_SINCE" in environ
    if is_conditional and answer.rendering.status == 200 and _has_it(answer, variant, environ):
        return "304 Not Modified", list(variant.not_modified), b""
    headers = list(variant.headers)
    if answer.rendering.shown_as and environ.get("HTTP_SEC_FETCH_DEST") == "document":
        _name_type(headers, answer.rendering.shown_as)
    return answer.status, headers, variant.body


def _name_type(headers: list[Header], content_type: str) -> None:
    place = next(i for i, (name, _) in enumerate(headers) if name == "Content-Type")
    headers[place] = ("Content-Type", content_type)


def _has_it(answer: Answer, variant: Variant, environ: "WSGIEnvironment") -> bool:
    """Whether the reader's copy is the present one. An entity tag outranks a date."""
    tags = environ.get("HTTP_IF_NONE_MATCH")
    if tags is not None:
        return matches(tags, variant.etag)
    since = environ.get("HTTP_IF_MODIFIED_SINCE")
    if since is None or answer.last_modified is None:
        return False
    return since == answer.last_modified or is_unchanged_since(since, answer.changed_at)


def matches(if_none_match: str, etag: str) -> bool:
    """Weak comparison (RFC 9110 §13.1.2) of one strong `etag` with a list of tags or `*`."""
    if if_none_match == etag:
        return True
    return if_none_match.strip() == "*" or etag in ENTITY_TAG.findall(if_none_match)


def is_unchanged_since(since: str, changed_at: datetime) -> bool:
    """False for what is no date."""
    try:
        moment = parsedate_to_datetime(since)
    except (ValueError, IndexError, OverflowError):
        return False
    return moment.tzinfo is not None and moment >= changed_at


def acceptable(accept_encoding: str) -> tuple[str, ...]:
    """The encodings a reader accepts, best first; malformed parts are as if not there.

    Plain bytes come last unless asked for: refusing them with nothing else on offer
    would help nobody, so `identity;q=0` only moves them behind the others.
    """
    if len(accept_encoding) > LONGEST_REMEMBERED_HEADER:
        return _acceptable(accept_encoding)
    return _remembered_acceptable(accept_encoding)


def _acceptable(accept_encoding: str) -> tuple[str, ...]:
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        coding, _, parameters = part.partition(";")
        weight = _weight(parameters)
        if weight is not None:
            weights[coding.strip().removeprefix("x-")] = weight
    anything = weights.get("*", 0.0)
    ranked = [(weights.get(coding, anything), coding) for coding in PREFERENCE]
    wanted = [(weight, coding) for weight, coding in ranked if weight > 0]
    return tuple(coding for _, coding in sorted(wanted, key=lambda item: -item[0]))


_remembered_acceptable = lru_cache(maxsize=256)(_acceptable)


def _weight(parameters: str) -> float | None:
    """1 where none is stated, None where it is no weight."""
    if not parameters.strip():
        return 1.0
    name, _, value = parameters.partition("=")
    if name.strip() != "q" or QVALUE.fullmatch(value.strip()) is None:
        return None
    return float(value)
