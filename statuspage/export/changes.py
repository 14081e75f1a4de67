"""What the public site has, and what changed: read in a few light queries."""

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

EVENTS_READ_AGAIN = 200
"""On PostgreSQL ids can commit out of order: the last so many are read again."""
MAX_EVENTS = 5_000
"""After more events than this, everything is rendered again."""
OF_ALL_PAGES = ("page.", "component.", "components.", "group.", "backup.")
"""Kinds of events that may change every page."""
OF_ONE_STATUS = ("component.status_set",)
OF_ALL_COMPONENTS = (".components_left_out",)
"""Endings of kinds that may concern any component."""

WITHDRAWN = (".retracted", ".redacted", ".withdrawn", ".archived")


@dataclass(frozen=True)
class Changes:
    """The public site at one moment, and what changed since an event."""

    at: datetime
    sitemap: Sitemap
    origin: str
    restored_at: datetime | None
    """When the data was last restored from a backup."""
    revision: int
    newest_event: int
    components: tuple[str, ...]
    changed: frozenset[str]
    """Components named by events since then, or by an incident of these events."""
    incidents: tuple[Listed, ...]
    history_pages: int
    seen: frozenset[int]
    """Ids of the last events, which are not news the next time."""
    touched: frozenset[str]
    """Public ids in events since then."""
    is_all_touched: bool
    is_withdrawn: bool
    """Something was retracted: nothing is published until every page that may name it is new."""


def changes_since(
    since: int, seen: frozenset[int], *, sitemap: Sitemap, at: datetime, base_url: str
) -> Changes:
    """What there is, and what the events after `since` changed that are not `seen` yet.

    Raises `NoPageError` before the first set-up.
    """
    page = snapshot.describe(base_url=base_url)
    listing = snapshot.listing(at=at)
    newest, recent = events.since(max(since - EVENTS_READ_AGAIN, 0), MAX_EVENTS)
    # Restored data may be older than the files.
    is_unknown = since == 0 or newest < since or len(recent) == MAX_EVENTS
    new = [(kind, subject) for number, kind, subject in recent if number not in seen]
    # At first everything is new, and the current pages go first.
    touched = frozenset(subject for _, subject in new) if since else frozenset[str]()
    changed = frozenset(listing.components)
    if not any(kind.endswith(OF_ALL_COMPONENTS) for kind, _ in new):
        changed &= touched | incidents.components_of(touched)
    return Changes(
        at=at,
        sitemap=sitemap,
        origin=page.url,
        restored_at=events.newest_at("backup.restored"),
        revision=page.revision,
        newest_event=newest,
        components=listing.components,
        changed=changed,
        incidents=listing.incidents,
        history_pages=listing.history_pages,
        seen=frozenset(number for number, _, _ in recent),
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
