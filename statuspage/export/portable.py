"""A public response as a file that works anywhere: relative links, no forms, a visible age.

Pure, for the HTML of our own templates. `STAMP` stands for the time until the file is
written, so that an unchanged page is recognised.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from posixpath import relpath
from urllib.parse import urlsplit

from statuspage.export.render import Response
from statuspage.page.html import assets
from statuspage.serving.conditional import canonical
from statuspage.serving.response import AS_OF

OLD_AFTER = timedelta(minutes=15)
"""From this age on, a copy says that newer information may be missing."""
SCRIPT = "mirror.js"
STAMP = b"<!--made-at-->"

# Text cannot hold `<`, so that what looks like a tag is one.
TAG = re.compile(r'<([a-z][a-z0-9]*)((?:\s+[^\s=>"]+(?:="[^"]*")?)*)\s*/?>')
LINK = re.compile(r'(\s)(href|src)="([^"]*)"')
FORM = re.compile(r"<form\b.*?</form>", re.S)
SHEET = re.compile(rb'(<\?xml-stylesheet[^>]*\shref=")/([^"]*)"')
LOADED = ("link", "script", "img", "iframe")
"""Tags whose link a browser loads by itself."""
KEPT = ("canonical",)
"""Relations whose link still leads to the original page."""


@dataclass(frozen=True)
class Place:
    """The path of a file, the original page, and the file of each address."""

    path: str
    origin: str
    files: Mapping[str, str]

    def to_file(self, path: str) -> str:
        return relpath(path, self.path.rpartition("/")[0] or ".")

    def to(self, link: str) -> str:
        """`link` to the file if there is one, else to the original page."""
        local = self._local(link)
        if local is None:
            return link
        before, mark, fragment = local.partition("#")
        address = _address(before)
        if address.endswith("/postmortem") and address in self.files:
            address, mark, fragment = address.removesuffix("/postmortem"), "#", "postmortem"
        if address not in self.files:
            return f"{self.origin}{local}"
        return f"{self.to_file(self.files[address])}{mark}{fragment}"

    def has(self, link: str) -> bool:
        """Whether `link` leads to a file, or out of the site."""
        local = self._local(link)
        if local is None:
            return True
        return _address(local.partition("#")[0]) in self.files

    def _local(self, link: str) -> str | None:
        """Path, query and fragment of a link within the site; None for all others."""
        host = self.origin.partition("://")[2]
        for start in (self.origin, f"webcal://{host}"):
            if link == start or link.startswith((f"{start}/", f"{start}?", f"{start}#")):
                rest = link.removeprefix(start)
                return rest if rest.startswith("/") else f"/{rest}"
        return link if link.startswith("/") and not link.startswith("//") else None


def _address(link: str) -> str:
    path, _, query = link.partition("?")
    return canonical(path, query) if query else path


def body_of(response: Response, place: Place) -> bytes:
    """The bytes of the file, with `STAMP` for the time of the build."""
    if 300 <= response.status < 400:
        return _leads_on(response, place)
    if response.is_html:
        return page(response, place)
    return SHEET.sub(
        lambda match: match[1] + place.to("/" + match[2].decode()).encode() + b'"', response.body
    )


def page(response: Response, place: Place) -> bytes:
    text = TAG.sub(lambda tag: _with_links(tag, place), response.body.decode())
    text = FORM.sub(lambda form: _no_form(form[0], place), text)
    line = f'<script src="{place.to_file(SCRIPT)}" defer></script>\n</head>'
    text = text.replace("</head>", line, 1)
    body = text.encode()
    return body.replace(AS_OF, _note(place).encode().replace(b"{}", STAMP), 1)


def _with_links(tag: re.Match[str], place: Place) -> str:
    name, attributes = tag[1], tag[2]
    if name == "link" and any(f'rel="{relation}"' in attributes for relation in KEPT):
        return tag[0]
    links = [html.unescape(link[3]) for link in LINK.finditer(attributes)]
    if name in LOADED and not all(map(place.has, links)):
        # Scripts of forms, and what has no file, are not loaded from the original page.
        return '<script type="text/plain">' if name == "script" else ""

    def moved(link: re.Match[str]) -> str:
        target = place.to(html.unescape(link[3]))
        return f'{link[1]}{link[2]}="{html.escape(target)}"'

    return tag[0].replace(attributes, LINK.sub(moved, attributes), 1) if attributes else tag[0]


def _note(place: Place) -> str:
    # In a new tab: it refuses to be framed, as the card is, and it may be down.
    return (
        f'<p class="stale" id="copy" role="status">This is a copy, made on <b>{{}}</b>.'
        f' For newer updates, see <a href="{html.escape(place.origin)}/" target="_blank">'
        f"{html.escape(urlsplit(place.origin).netloc)}</a>.</p>"
    )


def _no_form(form: str, place: Place) -> str:
    path = "/history" if 'role="search"' in form else "/subscribe"
    return (
        '<p class="intro">This form only works on the original page: <a'
        f' href="{html.escape(place.origin)}{path}">'
        f"{html.escape(urlsplit(place.origin).netloc)}{path}</a></p>"
    )


def _leads_on(response: Response, place: Place) -> bytes:
    target = html.escape(place.to(response.headers.get("location", "/")))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<title>This page has moved</title>\n"
        f'<meta http-equiv="refresh" content="0; url={target}">\n</head>\n'
        f'<body><p><a href="{target}">Continue</a></p></body>\n</html>\n'
    ).encode()


def stamp(at: datetime) -> str:
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def script(at: datetime) -> bytes:
    """Shows the age of the copy, with a warning once it is old. Unlike the pages, it is
    rewritten with every build."""
    stamp = f"{at:%Y-%m-%dT%H:%M:%SZ}"
    old = str(int(OLD_AFTER.total_seconds()))
    return assets.script(SCRIPT).replace("{made}", stamp).replace("{old}", old).encode()
