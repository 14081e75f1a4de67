"""Which public addresses to render first, and the file each has in an export. Pure."""

import mimetypes
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from statuspage.export.changes import Look
from statuspage.export.sitemap import FRONT

EXTENSIONS = {
    "text/html": ".html",
    "application/json": ".json",
    "image/svg+xml": ".svg",
    "image/webp": ".webp",
    "text/calendar": ".ics",
    "text/javascript": ".js",
}


class Round(Enum):
    """Pages that change as time goes by, made again after so long."""

    COMPONENTS = timedelta(minutes=5)
    OLD_PAGES = timedelta(hours=1)
    """With a new month each of them begins at another one."""


@dataclass(frozen=True)
class Plan:
    """What to ask for. `now` is published at once, `later` follows; both in good order."""

    now: tuple[str, ...]
    later: tuple[str, ...]
    all: frozenset[str]
    """Every address there is: what a mirror has beyond these is gone."""


def plan(
    look: Look, present: Collection[str], *, is_new_program: bool, rounds: Collection[Round] = ()
) -> Plan:
    """`present` are the addresses that the mirror holds, `rounds` what is due by the clock."""
    sitemap = look.sitemap
    touched = [one for one in look.incidents if one.id in look.touched or not one.is_over]
    now = dict.fromkeys(sitemap.after_changes())
    now.update(dict.fromkeys(address for one in touched for address in sitemap.of_incident(one)))
    for number in sorted({one.history_page for one in touched} - {1}):
        now.update(dict.fromkeys(sitemap.numbered(number)))
    rest = dict.fromkeys(_all(look))
    everything = frozenset(now) | frozenset(rest)
    is_everything = look.is_all_touched or is_new_program
    of_components = {address for one in look.components for address in sitemap.of_component(one)}
    due = {address for one in look.changed for address in sitemap.of_component(one)}
    if look.is_withdrawn:
        now.update(dict.fromkeys(one for one in rest if one in of_components or "?" in one))
    if Round.COMPONENTS in rounds:
        due |= of_components
    if Round.OLD_PAGES in rounds:
        due.update(address for address in rest if "?" in address)
    later = (
        address
        for address in rest
        if address not in now and (is_everything or address in due or address not in present)
    )
    return Plan(tuple(now), tuple(later), everything)


def _all(look: Look) -> Iterator[str]:
    sitemap = look.sitemap
    yield from sitemap.after_releases()
    yield from (address for one in look.components for address in sitemap.of_component(one))
    for number in range(2, look.history_pages + 1):
        yield from sitemap.numbered(number)
    yield from (address for one in look.incidents for address in sitemap.of_incident(one))


def file_of(address: str, content_type: str) -> str:
    """The file of an answer, relative to the root of the mirror.

    A static server finds the type by the end of the name, so every file has one;
    `try_files $uri $uri.html` then leads from the address to it.
    """
    if address == FRONT:
        return "index.html"
    path, _, query = address.partition("?")
    path = path.removeprefix("/")
    kind = content_type.partition(";")[0].strip()
    extension = EXTENSIONS.get(kind) or mimetypes.guess_extension(kind) or ".bin"
    last = path.rpartition("/")[2].lstrip(".")
    stem, dot, ending = path.rpartition(".") if "." in last else (path, ".", extension[1:])
    number = query.removeprefix("page=")
    return f"{stem}/page-{number}{dot}{ending}" if number else f"{stem}{dot}{ending}"
