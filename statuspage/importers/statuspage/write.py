"""Writes a recording into the database, next to what earlier imports wrote there.

    what is stored → page → components → incidents → claims → one event

It changes rows without the verbs of `domain`: those act now, an import tells what
was. One `page.imported` event is recorded, when anything changed; nobody is
notified. The caller commits.
"""

from datetime import datetime

from statuspage.db import db
from statuspage.domain import events, page_settings
from statuspage.domain.events import Actor
from statuspage.domain.page_settings import Page
from statuspage.importers.statuspage import claims, components, documents, existing, feed, incidents
from statuspage.importers.statuspage.context import (
    CHANGED_HERE,
    ImportContext,
    Report,
    is_as_new,
    later,
)
from statuspage.importers.statuspage.documents import Recording, added
from statuspage.importers.statuspage.existing import Earlier
from statuspage.importers.statuspage.incidents import Each


def write(
    recording: Recording,
    *,
    by: Actor,
    at: datetime,
    each: Each = lambda rows: rows,
    is_strict: bool = False,
) -> Report:
    """Bring the database to what the recording tells; a second time nothing changes.

    `each` passes the incidents on as they are written. Raises `RefusedError`.
    """
    earlier = existing.earlier_import(recording)
    work = ImportContext(recording, earlier, at, is_strict=is_strict)
    page = _page(work)
    components.write(work)
    incidents.write(work, each)
    claims.write(work)
    report = work.report
    report.notes = added(_still_true(recording, work.told), report.notes)
    if report.written.total():
        _record(page, work, earlier, by)
    db.session.flush()
    return report


def _page(work: ImportContext) -> Page:
    row, settings = page_settings.get(), work.wanted.page
    if row is None:
        name = settings.name if settings else "Status"
        row = Page(name=name, time_zone="Etc/UTC", created_at=work.at, updated_at=work.at)
        db.session.add(row)
        work.report.written["page"] += 1
    work.report.page = row.name
    if work.wanted.page_id and row.public_id != work.wanted.page_id:
        work.set(row, "page", public_id=work.wanted.page_id)
    if settings is not None and _tells_the_page(work, settings, row):
        zone = settings.time_zone if settings.id else row.time_zone
        work.set(row, "page", name=settings.name, time_zone=zone, updated_at=settings.updated_at)
        work.report.page = row.name
    return row


def _tells_the_page(work: ImportContext, page: documents.Page, row: Page) -> bool:
    if row.public_id in work.earlier.touched:
        work.report.note(CHANGED_HERE, f"page {row.public_id}")
        return False
    if not is_as_new(page.updated_at, work.earlier.page_at):
        return False
    return page.id is not None or work.is_first or not work.earlier.page_id


def _still_true(
    recording: Recording, older: dict[str, documents.Incident]
) -> dict[str, tuple[str, ...]]:
    """The recording's notes, without what another recording tells after all."""
    full = {event.id for event in older.values() if event.is_full}
    statements = {}
    for reason, places in recording.notes.items():
        rest = places
        if reason in (feed.NO_IMPACT, feed.NO_PLAN):
            rest = tuple(place for place in places if place not in full)
        if rest:
            statements[reason] = rest
    return statements


def _record(page: Page, work: ImportContext, earlier: Earlier | None, by: Actor) -> None:
    target, before = work.wanted, work.earlier
    page_at = later(target.page.updated_at if target.page else None, before.page_at)
    db.session.flush()
    events.record(
        existing.IMPORTED,
        subject=page.public_id,
        title=page.name,
        by=by,
        at=work.at,
        changed_at=_changed_at(target, earlier),
        data={
            "page_id": target.page_id or before.page_id,
            "host": target.host or before.host,
            "page_at": _written(page_at),
            "listed_at": _written(work.listed_at),
            "summarised_at": _written(work.summarised_at),
            "written": dict(work.report.written),
        },
    )


def _changed_at(recording: Recording, earlier: Earlier | None) -> datetime | None:
    """When the page last changed there; None where this import itself is the newest change."""
    recorded = recording.page.updated_at if recording.page else None
    if recorded is None or earlier is None:
        return recorded
    before = events.changed_at()
    return recorded if before is None or recorded > before else None


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
