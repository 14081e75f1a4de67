"""A parsed request, and the few responses that the proxy makes itself."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias

from statuspage.observability.request_ids import HEADER
from statuspage.observability.request_ids import accepted as taken
from statuspage.serving.conditional import acceptable, canonical
from statuspage.serving.error_page import BARE_HEADERS, ERROR_PAGE_HEADERS, NOTHING_LOST

Fields: TypeAlias = dict[bytes, bytes]
"""Header fields by lower-case name; a name that came several times is joined."""

Policy: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""What our own responses say about HTTPS: a field, or none."""

Key: TypeAlias = tuple[bytes, tuple[str, ...], bool]
"""Canonical address, encodings the client accepts (best first), whether a browser opens it."""

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""RFC 9110 §7.6.1: what concerns one connection only."""
_ID = HEADER.lower().encode()
_NOT_PASSED_ON = HOP_BY_HOP | {b"content-length", b"expect", b"proxy", _ID}
_OF_THE_CACHE = frozenset({b"accept-encoding", b"if-none-match", b"if-modified-since"})
_WITH_BODY = frozenset({b"POST", b"PUT", b"PATCH"})


ErrorPage: TypeAlias = Callable[[str, str, str], str]
"""Two sentences, what is wrong and what to do, and the id of a request → an HTML page."""

UNAVAILABLE = "Our server is not responding right now."
MAYBE_SAVED = "We do not know whether this was saved. Check before you send it again."


@dataclass(frozen=True)
class Paths:
    """The paths that the proxy treats differently."""

    probe: bytes = b"/healthz"
    """Has a response whenever the web process works at all."""
    health: frozenset[bytes] = frozenset()
    """For monitors: they get a response soon, or 503."""
    json: tuple[bytes, ...] = ()
    """Beginnings of paths whose clients read errors as JSON."""


class Request:
    """One complete request."""

    __slots__ = (
        "_id",
        "body",
        "fields",
        "is_http_1_0",
        "is_last",
        "is_sent",
        "method",
        "size",
        "target",
    )

    def __init__(
        self, method: bytes, target: bytes, fields: Fields, body: bytes, *, size: int = 0
    ) -> None:
        self.method = method
        self.target = target
        self.fields = fields
        self.body = body
        self.size = size
        """Bytes that it holds until its response."""
        self.is_http_1_0 = False
        self.is_last = False
        """The connection ends after its response."""
        self.is_sent = False
        """The web process may have got it."""
        self._id = ""

    @property
    def id(self) -> str:
        """The request id, the same in the log lines of the proxy and of the web process."""
        if not self._id:
            self._id = taken(self.fields.get(_ID, b"").decode("latin-1"))
        return self._id

    @property
    def path(self) -> bytes:
        return self.target.partition(b"?")[0]

    @property
    def is_reading(self) -> bool:
        return self.method == b"GET" or self.method == b"HEAD"

    @property
    def is_personal(self) -> bool:
        """Whether it comes from the admin or changes something: public pages set no cookie."""
        fields = self.fields
        return not self.is_reading or b"cookie" in fields or b"authorization" in fields

    @property
    def key(self) -> Key | None:
        """The key of its cached response; None if none may be used."""
        fields = self.fields
        if not self.is_reading or self.body or b"authorization" in fields or b"range" in fields:
            return None
        target = self.target
        if b"?" in target:
            path, _, query = target.decode("latin-1").partition("?")
            target = canonical(path, query).encode("latin-1")
        accepted = fields.get(b"accept-encoding")
        codings = acceptable(accepted.decode("latin-1")) if accepted else ()
        return target, codings, fields.get(b"sec-fetch-dest") == b"document"

    def passed_on(self, client: bytes, key: Key | None) -> bytes:
        """The request to the web process, with where it came from added.

        `client` is the address at the other end of the connection. With a `key` it asks for the
        whole response as it would be stored, whatever this client has already.
        """
        fields = self.fields
        own = set(_NOT_PASSED_ON)
        own.update(name.strip().lower() for name in fields.get(b"connection", b"").split(b","))
        own.discard(b"host")
        method = self.method
        if key is not None:
            method = b"GET"
            own |= _OF_THE_CACHE
        host = fields.get(b"host", b"")
        added = {
            b"x-forwarded-for": client,
            b"x-forwarded-proto": b"http",
            b"x-forwarded-host": host,
        }
        lines = [b"%s %s HTTP/1.1" % (method, self.target)]
        lines += [
            b"%s: %s" % (name, value)
            for name, value in fields.items()
            # To WSGI, `X_Forwarded_For` is the same name as `X-Forwarded-For`.
            if name not in own and name not in added and b"_" not in name
        ]
        lines.append(b"%s: %s" % (_ID, self.id.encode()))
        for name, value in added.items():
            before = fields.get(name)
            lines.append(b"%s: %s" % (name, b"%s, %s" % (before, value) if before else value))
        if key is not None:
            lines += encodings_asked(key)
        if self.body or method in _WITH_BODY:
            lines.append(b"content-length: %d" % len(self.body))
        lines += [b"connection: close", b"", b""]
        return b"\r\n".join(lines)


def encodings_asked(key: Key) -> list[bytes]:
    """The header line, if any, that asks for the encodings of `key` in their order."""
    _, codings, _ = key
    weighted = (f"{coding};q={1 - place / 10}" for place, coding in enumerate(codings))
    value = ", ".join(weighted)
    return [b"accept-encoding: " + value.encode()] if value else []


def head_of(status: int, reason: str, fields: list[tuple[bytes, bytes]]) -> bytes:
    """A response up to its empty line."""
    lines = [b"HTTP/1.1 %d %s" % (status, reason.encode("latin-1"))]
    lines += [b"%s: %s" % field for field in fields]
    return b"\r\n".join([*lines, b"", b""])


def with_close(response: bytes) -> bytes:
    """The same response, saying that the connection ends."""
    status, _, rest = response.partition(b"\r\n")
    return b"%s\r\nconnection: close\r\n%s" % (status, rest)


def refusal(status: HTTPStatus, policy: Policy = ()) -> bytes:
    """Says only what was wrong, and that the connection ends."""
    body = f"{status.value} {status.phrase}\n".encode()
    fields = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
        *((name.lower().encode(), value.encode()) for name, value in BARE_HEADERS),
        *policy,
    ]
    return head_of(status, status.phrase, fields) + body


def unavailable(page: ErrorPage, request: Request, paths: Paths, policy: Policy = ()) -> bytes:
    """503 for people, or as JSON for programs."""
    advice = MAYBE_SAVED if request.is_sent and not request.is_reading else NOTHING_LOST
    fields = [(name.lower().encode(), value.encode()) for name, value in ERROR_PAGE_HEADERS]
    if request.path.startswith(paths.json):
        sentences = f"{UNAVAILABLE} {advice}"
        body = json.dumps({"error": sentences, "message": sentences}).encode()
        fields[0] = (b"content-type", b"application/json; charset=utf-8")
    else:
        body = page(UNAVAILABLE, advice, request.id).encode()
    fields.append((b"content-length", b"%d" % len(body)))
    if request.is_last:
        fields.append((b"connection", b"close"))
    fields += [(_ID, request.id.encode()), *policy]
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return head_of(status, status.phrase, fields) + (b"" if request.method == b"HEAD" else body)
