"""Public responses as ready bytes: bodies in each coding, tags and headers, from a rendering.

Pure: a `Rendering` and a moment go in, a `CachedResponse` comes out. `cache` decides when one
is made again.
"""

import base64
import gzip
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import brotli

from statuspage.serving.conditional import belongs_to_304

Header: TypeAlias = tuple[str, str]

AS_OF = b"<!--as-of-->"
"""Where a page says, once it is old, how old it is."""

CACHE_CONTROL = "public, max-age=15, stale-while-revalidate=60, stale-if-error=86400"
BROTLI_QUALITY = 8
"""9 takes fifteen times as long, for a few bytes."""
GZIP_LEVEL = 9
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""What is neither page nor script loads nothing. Short: caches read all headers at each request."""

PAGE_POLICY = "script-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
"""Of a page whose head narrows it (`policy_within`): what only a header can say, and what holds
should that be missing."""
HTML_POLICY = (
    "default-src 'none'; img-src 'self' data:; script-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Of HTML that says nothing of its own, and of scripts."""


def policy_within(css: str, *more: str) -> str:
    """The policy in the head of a page that is styled by `css` alone; `more` directives are added.

    A cache in front takes the header apart at each request, and the page's head not once. It cannot
     say who frames the page (HTML, section 4.2.5.3).
    """
    return "; ".join(
        (
            f"default-src 'none'; style-src {style_source(css)}; img-src 'self' data:",
            "script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'",
            *more,
        )
    )


def style_source(css: str) -> str:
    """What a policy says to allow exactly this inline style sheet."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()}'"


@dataclass(frozen=True)
class Rendering:
    """What a renderer gives: a public answer before it is made ready.

    `headers` are added to the usual ones and win over them. `cache_control` and
    `csp` default to those of a public page without style, or of data. `shown_as` is the
    content type for a browser that opens the address as a page; None: no other.
    """

    status: int
    content_type: str
    body: bytes
    cache_control: str | None = None
    csp: str | None = None
    headers: tuple[Header, ...] = ()
    shown_as: str | None = None

    @property
    def is_html(self) -> bool:
        return self.content_type.startswith("text/html")

    @property
    def is_text(self) -> bool:
        return any(
            word in self.content_type for word in ("text/", "json", "xml", "javascript", "calendar")
        )


class Variant(NamedTuple):
    """One encoding of an answer, complete."""

    etag: str
    body: bytes
    headers: tuple[Header, ...]
    not_modified: tuple[Header, ...]
    """The headers of a 304."""


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """Ready bytes in every encoding worth having; `identity` is always among them."""

    rendering: Rendering
    status: str
    changed_at: datetime
    """When these bytes replaced others, in whole seconds."""
    last_modified: str | None
    variants: Mapping[str, Variant]
    is_old: bool = False
    """It says of itself how old it is (`marked_old`)."""

    @classmethod
    def of(
        cls, rendering: Rendering, at: datetime, before: "CachedResponse | None" = None
    ) -> "CachedResponse":
        """Make `rendering` ready. `before` itself comes back where nothing changed."""
        if before is not None and before.rendering == rendering:
            return before
        changed_at = at.replace(microsecond=0)
        # Two versions within one second cannot be told apart by a date: then there is none.
        is_dated = before is None or before.changed_at != changed_at
        last_modified = format_datetime(changed_at, usegmt=True) if is_dated else None
        return cls(
            rendering=rendering,
            status=f"{rendering.status} {HTTPStatus(rendering.status).phrase}",
            changed_at=changed_at,
            last_modified=last_modified,
            variants=MappingProxyType(_variants(rendering, last_modified)),
        )

    @classmethod
    def plain(cls, rendering: Rendering, at: datetime) -> "CachedResponse":
        """Without packed forms, for who needs the bytes alone."""
        return cls(
            rendering=rendering,
            status=f"{rendering.status} {HTTPStatus(rendering.status).phrase}",
            changed_at=at,
            last_modified=None,
            variants={
                "identity": _variant(
                    rendering, "identity", rendering.body, _content_mark(rendering), None
                )
            },
        )

    @property
    def size(self) -> int:
        return sum(len(variant.body) for variant in self.variants.values())

    def best(self, codings: Iterable[str]) -> Variant:
        """The variant for the first of `codings` that there is, else the plain one."""
        for coding in codings:
            if coding in self.variants:
                return self.variants[coding]
        return self.variants["identity"]

    def marked_old(self, as_of: datetime, at: datetime) -> "CachedResponse":
        """The same page with a visible note of its age; itself where there is no place for one."""
        rendering = self.rendering
        if not rendering.is_html or AS_OF not in rendering.body:
            return self
        body = with_age(rendering.body, as_of)
        return replace(
            CachedResponse.of(replace(rendering, body=body), at, before=self), is_old=True
        )


def with_age(page: bytes, as_of: datetime) -> bytes:
    """An HTML page with a note that it was last current at `as_of`, if it has a place for one."""
    return page.replace(AS_OF, note(as_of), 1)


def note(as_of: datetime) -> bytes:
    words = f"{as_of.day} {as_of:%B %Y, %H:%M} UTC"
    return (
        '<p class="stale" role="status">As of'
        f' <time datetime="{as_of:%Y-%m-%dT%H:%M:%SZ}">{words}</time>. We can’t reach our'
        " database right now, so newer updates may be missing.</p>"
    ).encode()


def _variants(rendering: Rendering, last_modified: str | None) -> dict[str, Variant]:
    bodies = {"identity": rendering.body}
    if rendering.is_text:
        # mtime 0: the same page has the same bytes, whenever and wherever it was made.
        bodies["gzip"] = gzip.compress(rendering.body, GZIP_LEVEL, mtime=0)
        bodies["br"] = brotli.compress(rendering.body, quality=BROTLI_QUALITY)
    mark = _content_mark(rendering)
    return {
        coding: _variant(rendering, coding, body, mark, last_modified)
        for coding, body in bodies.items()
        if coding == "identity" or len(body) < len(rendering.body)
    }


def _content_mark(rendering: Rendering) -> str:
    """Differs when a byte or a header differs, so that a 304 never keeps an old policy alive."""
    digest = hashlib.blake2b(rendering.body, digest_size=12)
    head = (rendering.content_type, rendering.cache_control, rendering.csp, rendering.headers)
    digest.update(repr((int(rendering.status), *head)).encode())
    return digest.hexdigest()


def _variant(
    rendering: Rendering, coding: str, body: bytes, mark: str, last_modified: str | None
) -> Variant:
    etag = f'"{mark}"' if coding == "identity" else f'"{mark}-{coding}"'
    headers = {
        "Content-Type": rendering.content_type,
        "Content-Length": str(len(body)),
        "ETag": etag,
        "Cache-Control": rendering.cache_control or CACHE_CONTROL,
        "Vary": "Accept-Encoding",
    }
    if coding != "identity":
        headers["Content-Encoding"] = coding
    if last_modified is not None:
        headers["Last-Modified"] = last_modified
    headers |= _security_headers(rendering)
    names = {name.lower(): name for name in headers}
    for name, value in rendering.headers:
        headers[names.get(name.lower(), name)] = value
    return Variant(
        etag=etag,
        body=body,
        headers=tuple(headers.items()),
        not_modified=tuple(item for item in headers.items() if belongs_to_304(item[0])),
    )


def _security_headers(rendering: Rendering) -> dict[str, str]:
    """What guards the answer, and nothing that its policy makes needless: whoever stands before
    us, and the reader, take all of it apart each time."""
    # A script that runs by itself, as the worker of pushes does, obeys the policy it came with.
    is_script = rendering.content_type.startswith("text/javascript")
    usual = HTML_POLICY if rendering.is_html or is_script else DATA_POLICY
    policy = rendering.csp or usual
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if rendering.is_html:
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        if policy != PAGE_POLICY:  # Else the page says that itself, too.
            headers["Referrer-Policy"] = "same-origin"
    if any(name.lower() == "access-control-allow-origin" for name, _ in rendering.headers):
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return headers
