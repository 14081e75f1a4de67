"""Which public addresses to render first, and the file each has in an export. Pure."""

import mimetypes
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from itertools import chain

from statuspage.export.changes import Changes
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
    """Pages that change as time goes by, and how often they are rendered."""

    COMPONENTS = timedelta(minutes=5)
    OLD_PAGES = timedelta(hours=1)
    """Each of them shifts with a new month."""


@dataclass(frozen=True)
class Plan:
    """What to render, in order: `now` is published at once, `later` follows."""

    now: tuple[str, ...]
    later: tuple[str, ...]
    all: frozenset[str]
    """Every address there is; files of others are removed."""


def plan(
    changes: Changes,
    present: Collection[str],
    *,
    is_new_program: bool,
    rounds: Collection[Round] = (),
) -> Plan:
    """`present` are the addresses that are staged, `rounds` what is due by the clock."""
    sitemap = changes.sitemap
    touched = [
        incident
        for incident in changes.incidents
        if incident.id in changes.touched or not incident.is_over
    ]
    now = dict.fromkeys(sitemap.after_changes())
    now.update(dict.fromkeys(chain.from_iterable(map(sitemap.of_incident, touched))))
    for number in sorted({incident.history_page for incident in touched} - {1}):
        now.update(dict.fromkeys(sitemap.numbered(number)))
    rest = dict.fromkeys(_all(changes))
    everything = frozenset(now) | frozenset(rest)
    is_everything = changes.is_all_touched or is_new_program
    of_components = set(chain.from_iterable(map(sitemap.of_component, changes.components)))
    due = set(chain.from_iterable(map(sitemap.of_component, changes.changed)))
    if changes.is_withdrawn:
        now.update(dict.fromkeys(a for a in rest if a in of_components or "?" in a))
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


def _all(changes: Changes) -> Iterator[str]:
    sitemap = changes.sitemap
    yield from sitemap.after_releases()
    yield from chain.from_iterable(map(sitemap.of_component, changes.components))
    for number in range(2, changes.history_pages + 1):
        yield from sitemap.numbered(number)
    yield from chain.from_iterable(map(sitemap.of_incident, changes.incidents))


def file_of(address: str, content_type: str) -> str:
    """The file of a response, relative to the root of the export.

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
