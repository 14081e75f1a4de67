"""What there is to mirror, and what changed: read from the rows in a few light queries."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from statuspage.config import PACKAGE, PROJECT
from statuspage.domain import events
from statuspage.domain.incidents import verbs as incidents
from statuspage.export.sitemap import Sitemap
from statuspage.page.snapshot import build as snapshot
from statuspage.page.snapshot.values import Listed

EVENTS_LOOKED_AT_AGAIN = 200
"""On PostgreSQL ids can commit out of order: this many before the last one are read again."""
TOLD_AT_MOST = 5_000
"""More than so many events since the last time are not looked at one by one."""
OF_ALL_PAGES = ("page.", "component.", "components.", "group.", "backup.")
"""Kinds of events after which names may stand differently on every page."""
OF_ONE_STATUS = ("component.status_set",)
OF_ALL_COMPONENTS = (".components_left_out",)
"""Ends of kinds after which it cannot be told which components are concerned."""

WITHDRAWN = (".retracted", ".redacted", ".withdrawn", ".archived")


@dataclass(frozen=True)
class Look:
    """The public site at one moment, beside what was seen at event `since`."""

    at: datetime
    sitemap: Sitemap
    origin: str
    restored_at: datetime | None
    """When the records were restored from a backup the last time."""
    revision: int
    newest_event: int
    components: tuple[str, ...]
    changed: frozenset[str]
    """Components that events tell of since then, or that an incident of theirs names."""
    incidents: tuple[Listed, ...]
    history_pages: int
    seen: frozenset[int]
    """The last events, not to be told of again."""
    touched: frozenset[str]
    """Public ids that events tell of since then."""
    is_all_touched: bool
    is_withdrawn: bool
    """Something was taken back: until every page that may name it is made again, none is shown."""


def look(
    since: int, seen: frozenset[int], *, sitemap: Sitemap, at: datetime, base_url: str
) -> Look:
    """What there is, and what events tell of after `since` that are not `seen` yet.

    Raises `NoPageError` before the first set-up.
    """
    page = snapshot.describe(base_url=base_url)
    found = snapshot.listing(at=at)
    newest, told = events.since(max(since - EVENTS_LOOKED_AT_AGAIN, 0), TOLD_AT_MOST)
    # A restored copy may be of before.
    is_unknown = since == 0 or newest < since or len(told) == TOLD_AT_MOST
    new = [(kind, subject) for number, kind, subject in told if number not in seen]
    # At the very first all of it is new: then the present goes first alone.
    touched = frozenset(subject for _, subject in new) if since else frozenset[str]()
    changed = frozenset(found.components)
    if not any(kind.endswith(OF_ALL_COMPONENTS) for kind, _ in new):
        changed &= touched | incidents.components_of(touched)
    return Look(
        at=at,
        sitemap=sitemap,
        origin=page.url,
        restored_at=events.newest_at("backup.restored"),
        revision=page.revision,
        newest_event=newest,
        components=found.components,
        changed=changed,
        incidents=found.incidents,
        history_pages=found.history_pages,
        seen=frozenset(number for number, _, _ in told),
        touched=touched,
        is_all_touched=is_unknown or any(_is_of_all(kind) for kind, _ in new),
        is_withdrawn=bool(since) and any(kind.endswith(WITHDRAWN) for kind, _ in new),
    )


def _is_of_all(kind: str) -> bool:
    return kind.startswith(OF_ALL_PAGES) and kind not in OF_ONE_STATUS


@cache
def program() -> str:
    """Differs when the program makes other pages of the same rows."""
    digest = hashlib.sha256()
    code = [PACKAGE / room for room in ("page", "serving", "export")]
    for folder in (PROJECT / "templates/public", PROJECT / "static", *code):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
