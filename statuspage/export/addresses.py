"""The public addresses, which of them to ask for first, and the file each has in a mirror.

Pure. `tests/mirror/test_addresses.py` holds the lists against the map of the application.
"""

import mimetypes
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from statuspage.export.changes import Look
from statuspage.page.snapshot.values import Listed

FRONT = "/"
MISSING = "/404"
"""No address of ours: its answer is what stands at every address that leads nowhere."""
PRESENT = (
    FRONT,
    "/api/v2/summary.json",
    "/api/v2/status.json",
    "/api/v2/components.json",
    "/api/v2/incidents.json",
    "/api/v2/incidents/unresolved.json",
    "/api/v2/scheduled-maintenances.json",
    "/api/v2/scheduled-maintenances/upcoming.json",
    "/api/v2/scheduled-maintenances/active.json",
    "/badge.svg",
    "/embed",
    "/feeds/updates.atom",
    "/feeds/updates.rss",
    "/feeds/updates.json",
    "/history.atom",
    "/history.rss",
    "/history.json",
    "/history",
    "/maintenance",
    "/maintenance.ics",
    "/uptime",
    # What kind of file it is shows with the answer only, and pages link to it.
    "/logo",
    # Its example is the newest incident.
    "/api",
    "/.well-known/status",
)
"""Asked for after every change."""
CONSTANT = (
    "/public.js",
    "/embed.js",
    "/favicon.svg",
    "/favicon.ico",
    "/static/feed.css",
    "/subscribe",
    "/robots.txt",
    "/api/reference",
    "/api/openapi.json",
    MISSING,
)
"""Changed by another release, by the page's own settings or by its components only."""
OF_THE_ORIGIN = (
    "/beacon.json",
    "/healthz",
    "/readyz",
    "/metrics",
    "/push-worker.js",
    "/subscribe.js",
    "/icon.png",
    "/site.webmanifest",
)
"""Public, but of no use in a copy: they tell of processes, or belong to subscribing."""
NUMBERED = ("/history", "/history.json", "/uptime")
FEEDS = (".rss", ".atom", ".json")

INCIDENT = re.compile(r"/(?:api/v2/)?incidents/(\w{12})\b")

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
    touched = [one for one in look.incidents if one.id in look.touched or not one.is_over]
    now = dict.fromkeys(PRESENT)
    now.update(dict.fromkeys(address for one in touched for address in of_incident(one)))
    for number in sorted({one.history_page for one in touched} - {1}):
        now.update(dict.fromkeys(_numbered(path, number) for path in NUMBERED))
    rest = dict.fromkeys(_all(look))
    everything = frozenset(now) | frozenset(rest)
    is_everything = look.is_all_touched or is_new_program
    of_components = {address for one in look.components for address in of_component(one)}
    due = {address for one in look.changed for address in of_component(one)}
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


def of_incident(one: Listed) -> Iterator[str]:
    path = f"/incidents/{one.id}"
    yield path
    if one.is_retracted:
        return
    yield from (path + form for form in FEEDS)
    yield f"/api/v2/incidents/{one.id}.json"
    if one.has_postmortem:
        yield f"{path}/postmortem"
    if not one.is_over:
        yield f"{path}/subscribe"


def incidents_among(addresses: Collection[str]) -> list[str]:
    """The public ids of the incidents whose pages and feeds are among these."""
    found = (INCIDENT.match(address) for address in addresses)
    return list(dict.fromkeys(one[1] for one in found if one))


def of_component(public_id: str) -> Iterator[str]:
    path = f"/components/{public_id}"
    yield path
    yield f"{path}/badge.svg"
    yield from (path + form for form in FEEDS)
    yield f"{path}.ics"


def _all(look: Look) -> Iterator[str]:
    yield from CONSTANT
    yield from (address for one in look.components for address in of_component(one))
    for number in range(2, look.history_pages + 1):
        yield from (_numbered(path, number) for path in NUMBERED)
    yield from (address for one in look.incidents for address in of_incident(one))


def _numbered(path: str, number: int) -> str:
    return f"{path}?page={number}"


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
