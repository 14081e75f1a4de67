"""Imports: the recorded history of a page elsewhere, written as if it had been told here.

Keeps ids, times and words. Notifies nobody, and records one event. What people
changed here since an earlier import stays as they left it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import available_timezones

import sqlalchemy as sa
from sqlalchemy.orm import selectinload

from statuspage.db import db
from statuspage.domain import components, events, pages
from statuspage.domain.claims import Claim, Span, effective
from statuspage.domain.components import Component, ComponentClaim, ComponentGroup
from statuspage.domain.events import Actor, Event
from statuspage.domain.pages import Page
from statuspage.domain.recordings import (
    Listing,
    RecordedChange,
    RecordedComponent,
    RecordedGroup,
    RecordedIncident,
    RecordedPage,
    RecordedUpdate,
    Unplaced,
    newest,
    newest_words,
    over,
    spans,
    succeed,
)
from statuspage.domain.status import (
    ComponentStatus,
    Impact,
    IncidentKind,
    IncidentStatus,
    incident_impact,
)
from statuspage.domain.timeline import (
    Affected,
    Incident,
    IncidentUpdate,
    UpdateChange,
    UpdateVersion,
)
from statuspage.errors import Invalid
from statuspage.text import recorded_to_html

IMPORTED = "Imported from Statuspage"
"""`posted_by` of an imported update."""
EVENT = "page.imported"

Caps = dict[str, tuple[ComponentStatus, datetime]]


@dataclass
class Report:
    """What an import held (`read`), how many rows of it were new or different (`written`),
    and what has no home here."""

    read: dict[str, int] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    unplaced: list[Unplaced] = field(default_factory=list)

    def count(self, what: str) -> None:
        self.written[what] = self.written.get(what, 0) + 1

    def note(self, subject: str, reason: str) -> None:
        self.unplaced.append(Unplaced(subject, reason))


def write(
    listings: Sequence[Listing],
    *,
    by: Actor,
    at: datetime,
    advance: Callable[[int, int], None] = lambda _done, _of: None,
) -> Report:
    """Write what these listings tell; a second time nothing changes.

    `advance` is told how many incidents of how many are done. Raises `Invalid` when
    the listings contradict themselves, or when the database holds another page.
    """
    _check_ids(listings)
    report = Report()
    recorded_at = max((one.at for one in listings if one.at), default=None)
    page = _page_for([one.page for one in _by_time(listings) if one.page], at)
    previous = _recorded_before(page)
    is_older = bool(previous and recorded_at and recorded_at < previous)
    touched = _touched_here()
    if not is_older:
        _write_page(page, _by_time(listings), previous, report)
    by_id, shown = _write_components(listings, is_older, touched, at, report)
    caps = {} if is_older else _caps(shown)
    wanted = _incidents(listings, previous, report)
    rows = _present([one.public_id for one in wanted])
    for number, recorded in enumerate(wanted):
        advance(number + 1, len(wanted))
        row = rows.get(recorded.public_id)
        if row is not None and row.public_id in touched:
            report.note(row.public_id, "was changed here since; left as it is")
            continue
        _write_incident(row, recorded, by_id, caps, is_older, report)
    if not is_older:
        _close_lost(listings, previous, touched, by_id, report)
        _hold_standing(shown, by_id, touched, recorded_at, report)
    report.read |= _counts(listings, wanted)
    if report.written:
        _record(page, report, recorded_at or previous or at, by, at)
    return report


# ── the page ───────────────────────────────────────────────────────────────────


def _by_time(listings: Iterable[Listing]) -> list[Listing]:
    return sorted(listings, key=lambda one: one.at.timestamp() if one.at else 0)


def _page_for(recorded: Sequence[RecordedPage], at: datetime) -> Page:
    """The page that the recordings are of: the present one when it is that or still empty."""
    ids = {one.public_id for one in recorded if one.public_id}
    if len(ids) > 1:
        raise Invalid(
            source=f"These are recordings of {len(ids)} pages. Import one page at a time."
        )
    page = pages.get()
    if page is None:
        page = Page(name="Status", time_zone="Etc/UTC", created_at=at, updated_at=at)
        page.version = 1
        db.session.add(page)
        return page
    names = {one.name for one in recorded}
    urls = {one.url for one in recorded if one.url}
    same = page.public_id in ids or page.url in urls or (not ids and page.name in names)
    if recorded and not same and not _is_empty():
        raise Invalid(
            source=f"This database holds the page “{page.name}”. Import “{recorded[-1].name}” into"
            " an empty one: start it with STATUSPAGE_DEMO=0."
        )
    return page


def _is_empty() -> bool:
    return not any(
        db.session.scalar(sa.select(sa.exists().select_from(kind)))
        for kind in (Component, Incident, ComponentGroup)
    )


def _recorded_before(page: Page) -> datetime | None:
    """Of which moment the newest imported recording of this page is."""
    if page.public_id is None:
        return None
    query = sa.select(Event.data).where(Event.kind == EVENT)
    moments = [data["recorded_at"] for data in db.session.scalars(query)]
    return max(map(datetime.fromisoformat, moments), default=None)


def _touched_here() -> set[str]:
    """Public ids of all that people changed here."""
    return set(db.session.scalars(sa.select(Event.subject).distinct()))


def _write_page(
    page: Page, listings: Sequence[Listing], previous: datetime | None, report: Report
) -> None:
    if previous is not None and page.updated_at > previous:
        return  # Somebody set the page up here since.
    values: dict[str, object] = {}
    for listing in listings:
        told = listing.page
        if told is None or listing.at is None:
            continue
        if told.time_zone is not None and told.time_zone not in available_timezones():
            raise Invalid(source=f"{listing.source}: “{told.time_zone}” is no known time zone.")
        known = {"public_id": told.public_id, "url": told.url, "time_zone": told.time_zone}
        values |= {name: value for name, value in known.items() if value is not None}
        values |= {"name": told.name, "updated_at": listing.at}
    if _assign(page, values):
        report.count("page")
    db.session.flush()


def _record(page: Page, report: Report, recorded_at: datetime, by: Actor, at: datetime) -> None:
    db.session.flush()
    events.record(
        EVENT,
        subject=page.public_id,
        title=page.name,
        by=by,
        at=at,
        data={
            "recorded_at": recorded_at.isoformat(),
            "written": report.written,
            "unplaced": len(report.unplaced),
        },
    )


# ── components ─────────────────────────────────────────────────────────────────


def _write_components(
    listings: Sequence[Listing],
    is_older: bool,
    touched: set[str],
    at: datetime,
    report: Report,
) -> tuple[dict[str, Component], dict[str, RecordedComponent]]:
    """Public id → row, and what the newest full listing shows of each component."""
    ordered = _by_time(listings)
    full = [one for one in ordered if one.lists_components]
    told = {one.public_id: one for listing in ordered for one in listing.components}
    groups = {one.public_id: one for listing in ordered for one in listing.groups}
    shown = {one.public_id: one for one in full[-1].components} if full else {}
    told |= shown
    group_rows = _write_groups(groups, full[-1] if full else None, is_older, touched, report)
    rows = {row.public_id: row for row in components.listed(archived=True)}
    for recorded in told.values():
        row = rows.get(recorded.public_id)
        is_lost = recorded.group_id is not None and recorded.group_id not in group_rows
        if is_lost and row is None:
            report.note(recorded.public_id, "its group is not recorded; stands outside groups")
        group = group_rows.get(recorded.group_id or "")
        if row is not None and (
            row.public_id in touched or is_older or recorded.updated_at < row.updated_at
        ):
            continue
        if row is None:
            row = Component(public_id=recorded.public_id, created_at=recorded.created_at)
            db.session.add(row)
            rows[recorded.public_id] = row
        is_gone = bool(full) and recorded.public_id not in shown
        if is_gone and recorded.only_show_if_degraded:
            is_gone = False  # Statuspage hides such a component while it is operational.
        values = {
            name: getattr(recorded, name)
            for name in (
                "name", "description", "position", "showcase", "only_show_if_degraded",
                "start_date", "updated_at",
            )
        }  # fmt: skip
        values["archived_at"] = (row.archived_at or full[-1].at or at) if is_gone else None
        changed = _assign(row, values)
        if row.group is not group:
            row.group, changed = group, True
        if changed:
            report.count("components")
    _add_forgotten(listings, rows, at, report)
    db.session.flush()
    if full and not is_older:
        _archive_gone(rows, shown, touched, full[-1].at or at, report)
    return rows, shown


def _write_groups(
    told: dict[str, RecordedGroup],
    newest_listing: Listing | None,
    is_older: bool,
    touched: set[str],
    report: Report,
) -> dict[str, ComponentGroup]:
    rows = {row.public_id: row for row in components.groups()}
    listed = {one.public_id for one in newest_listing.groups} if newest_listing else set()
    for recorded in told.values():
        row = rows.get(recorded.public_id)
        if newest_listing is not None and recorded.public_id not in listed and row is None:
            continue  # Dissolved since: a group without components would stand empty.
        if row is not None and (row.public_id in touched or is_older):
            continue
        if row is None:
            row = ComponentGroup(public_id=recorded.public_id, created_at=recorded.created_at)
            db.session.add(row)
            rows[recorded.public_id] = row
        values = {
            name: getattr(recorded, name)
            for name in ("name", "description", "position", "updated_at")
        }
        if _assign(row, values):
            report.count("groups")
    db.session.flush()
    return rows


def _add_forgotten(
    listings: Sequence[Listing], rows: dict[str, Component], at: datetime, report: Report
) -> None:
    """A component that only old updates name still belongs to their history."""
    for listing in listings:
        for incident in listing.incidents:
            for change in (one for update in incident.updates for one in update.changes):
                if change.component_id not in rows:
                    rows[change.component_id] = row = Component(
                        public_id=change.component_id,
                        name=change.name,
                        position=len(rows) + 1,
                        created_at=incident.created_at,
                        updated_at=incident.created_at,
                        archived_at=at,
                    )
                    db.session.add(row)
                    report.count("components")


def _archive_gone(
    rows: dict[str, Component],
    shown: dict[str, RecordedComponent],
    touched: set[str],
    when: datetime,
    report: Report,
) -> None:
    for public_id, row in rows.items():
        if public_id in shown or public_id in touched or row.archived_at is not None:
            continue
        if not row.only_show_if_degraded:
            row.archived_at = when
            report.count("components")


def _caps(shown: dict[str, RecordedComponent]) -> Caps:
    return {one.public_id: (one.status, one.updated_at) for one in shown.values()}


def _hold_standing(
    shown: dict[str, RecordedComponent],
    by_id: dict[str, Component],
    touched: set[str],
    recorded_at: datetime | None,
    report: Report,
) -> None:
    """Where the page shows worse than its incidents claim, a standing status carries it."""
    if not shown:
        return
    db.session.flush()
    query = sa.select(ComponentClaim).where(ComponentClaim.ends_at.is_(None))
    in_force: dict[int, list[ComponentClaim]] = {}
    for claim in db.session.scalars(query):
        in_force.setdefault(claim.component_id, []).append(claim)
    for public_id, row in by_id.items():
        if public_id in touched:
            continue
        told = shown.get(public_id)
        wanted = told.status if told else ComponentStatus.OPERATIONAL
        since = told.updated_at if told else recorded_at
        claims = in_force.get(row.id, [])
        standing = [one for one in claims if one.incident_id is None]
        held = [Span(one.claim, one.starts_at) for one in claims if one.incident_id is not None]
        claimed = effective(held, max((one.starts_at for one in held), default=row.created_at))
        needed = wanted if wanted.severity > claimed.status.severity else None
        if [one.status for one in standing] == ([needed] if needed else []):
            continue
        assert since is not None
        for one in standing:
            if one.starts_at < since:
                one.ends_at = since
            else:
                db.session.delete(one)
        if needed:
            components.record_spans(row, None, [Span(Claim(needed), since)])
        report.count("standing statuses")


# ── incidents ──────────────────────────────────────────────────────────────────


def _incidents(
    listings: Sequence[Listing], previous: datetime | None, report: Report
) -> list[RecordedIncident]:
    """Each incident once, as the newest recordings tell it together, oldest first."""
    ordered = _by_time(listings)
    versions: dict[str, list[RecordedIncident]] = {}
    seen: dict[str, datetime | None] = {}
    for listing in ordered:
        for one in listing.incidents:
            versions.setdefault(one.public_id, []).append(one)
            if not one.is_brief:
                seen[one.public_id] = listing.at
    whole = [one.at for one in ordered if one.is_whole and one.at is not None]
    latest = max([*whole, *([previous] if previous else [])], default=None)
    found = []
    for public_id, told in versions.items():
        incident = newest(told)
        last_seen = seen.get(public_id)
        if not incident.status.is_over and latest and last_seen and last_seen < latest:
            incident = over(incident, last_seen=last_seen)
            report.note(public_id, _LOST)
        found.append(incident)
    return sorted(found, key=lambda one: (one.created_at, one.public_id))


_LOST = "its end is not recorded; taken as over when it was last seen open"


def _present(public_ids: Sequence[str]) -> dict[str, Incident]:
    found: dict[str, Incident] = {}
    for start in range(0, len(public_ids), 500):
        query = (
            sa.select(Incident)
            .where(Incident.public_id.in_(public_ids[start : start + 500]))
            .options(
                selectinload(Incident.updates).selectinload(IncidentUpdate.changes),
                selectinload(Incident.updates).selectinload(IncidentUpdate.versions),
                selectinload(Incident.affected),
            )
        )
        found |= {row.public_id: row for row in db.session.scalars(query)}
    return found


def _write_incident(
    row: Incident | None,
    recorded: RecordedIncident,
    by_id: dict[str, Component],
    caps: Caps,
    is_older: bool,
    report: Report,
) -> None:
    if row is None:
        row = Incident(
            public_id=recorded.public_id, corrections=[], updates=[], affected=[], version=1
        )
        db.session.add(row)
        is_changed = True
    else:
        present = _recorded(row)
        recorded = succeed(present, recorded)
        is_changed = _comparable(present) != _comparable(recorded)
    if is_changed:
        _assign_incident(row, recorded)
        _write_updates(row, recorded, by_id, report)
    db.session.flush()
    claims_changed = False
    if is_changed or not is_older:
        told = spans(recorded, caps)
        claims_changed = _write_claims(row, told, by_id)
        claims_changed |= _write_affected(row, recorded, told, by_id)
    if is_changed or claims_changed:
        kind = "maintenances" if recorded.kind is IncidentKind.MAINTENANCE else "incidents"
        report.count(kind)


def _assign_incident(row: Incident, recorded: RecordedIncident) -> None:
    said = [
        status
        for update in recorded.updates
        for change in update.changes
        for status in (change.old, change.new)
    ]
    derived = incident_impact(said, whole_page=False)
    if recorded.kind is IncidentKind.MAINTENANCE:
        derived = Impact.MAINTENANCE
    _assign(
        row,
        {
            "kind": recorded.kind,
            "name": recorded.name,
            "status": recorded.status,
            "impact": recorded.impact,
            "impact_override": None if recorded.impact is derived else recorded.impact,
            "started_at": recorded.started_at,
            "told_at": recorded.updates[0].posted_at if recorded.updates else recorded.created_at,
            "mitigated_at": recorded.mitigated_at,
            "resolved_at": recorded.resolved_at,
            "scheduled_for": recorded.scheduled_for,
            "scheduled_until": recorded.scheduled_until,
            # The recording does not say whether it starts by itself; nobody may be notified of it.
            "auto_start": False,
            "auto_end": False,
            "shortlink": recorded.shortlink,
            "reminder_intervals": recorded.reminder_intervals,
            "published_at": recorded.created_at,
            "created_at": recorded.created_at,
            "updated_at": recorded.updated_at,
        },
    )


def _write_updates(
    row: Incident, recorded: RecordedIncident, by_id: dict[str, Component], report: Report
) -> None:
    present = {one.public_id: one for one in row.updates}
    wanted = {one.public_id for one in recorded.updates}
    for gone in present.keys() - wanted:
        row.updates.remove(present[gone])
    for told in recorded.updates:
        update = present.get(told.public_id)
        if update is None:
            update = IncidentUpdate(
                public_id=told.public_id, posted_by=IMPORTED, changes=[], versions=[], version=1
            )
            row.updates.insert(0, update)
            report.count("updates")
        elif _recorded_update(update) == told:
            continue
        else:
            report.count("updates")
            if update.body != told.body:
                _keep_words(update, told.updated_at)
        _assign(
            update,
            {
                "status": told.status,
                "body": told.body,
                "body_html": str(recorded_to_html(told.body)),
                "posted_at": told.posted_at,
                "created_at": told.created_at,
                "updated_at": told.updated_at,
                "notify": told.notify,
                "tweet_id": told.tweet_id,
                "custom_tweet": told.custom_tweet,
            },
        )
        update.changes[:] = [
            UpdateChange(
                component=by_id[change.component_id],
                name=change.name,
                old_status=change.old,
                new_status=change.new,
            )
            for change in told.changes
        ]


def _keep_words(update: IncidentUpdate, at: datetime) -> None:
    update.versions.append(
        UpdateVersion(
            number=update.version,
            body=update.body,
            body_html=update.body_html,
            replaced_at=at,
            replaced_by=IMPORTED,
        )
    )
    update.version += 1
    update.edited_at = at


def _write_claims(row: Incident, told: dict[str, list[Span]], by_id: dict[str, Component]) -> bool:
    wanted = {
        (by_id[public_id].id, span.claim.status, span.starts_at, span.ends_at)
        for public_id, pieces in told.items()
        for span in pieces
    }
    present = components.claims_of([row.id])
    if {(one.component_id, one.status, one.starts_at, one.ends_at) for one in present} == wanted:
        return False
    for one in present:
        db.session.delete(one)
    for public_id, pieces in told.items():
        components.record_spans(by_id[public_id], row, pieces)
    db.session.flush()
    return True


def _write_affected(
    row: Incident,
    recorded: RecordedIncident,
    told: dict[str, list[Span]],
    by_id: dict[str, Component],
) -> bool:
    wanted = {
        by_id[public_id].id: status
        for public_id, status in newest_words(recorded).items()
        if public_id in by_id
    }
    for public_id, pieces in told.items():
        if pieces[-1].ends_at is None:
            wanted[by_id[public_id].id] = pieces[-1].claim.status
    if not recorded.status.is_over and recorded.status.claims:
        # What the page shows as better than this incident said has recovered.
        claimed = {by_id[one].id for one, pieces in told.items() if pieces[-1].ends_at is None}
        wanted |= dict.fromkeys(wanted.keys() - claimed, ComponentStatus.OPERATIONAL)
    if {one.component_id: one.status for one in row.affected} == wanted:
        return False
    rows = {one.component_id: one for one in row.affected}
    row.affected[:] = [one for one in row.affected if one.component_id in wanted]
    for component_id, status in wanted.items():
        affected = rows.get(component_id)
        if affected is None:
            affected = Affected(component_id=component_id)
            row.affected.append(affected)
        affected.status = status
    db.session.flush()
    return True


def _close_lost(
    listings: Sequence[Listing],
    previous: datetime | None,
    touched: set[str],
    by_id: dict[str, Component],
    report: Report,
) -> None:
    """Incidents imported earlier, open then, that the page does not show any more."""
    if previous is None or not any(one.is_whole for one in listings):
        return
    named = {one.public_id for listing in listings for one in listing.incidents}
    still_open = sa.select(Incident.public_id).where(
        Incident.status.not_in([status for status in IncidentStatus if status.is_over])
    )
    lost = [
        public_id
        for public_id in db.session.scalars(still_open)
        if public_id not in named and public_id not in touched
    ]
    for row in _present(lost).values():
        ended = over(_recorded(row), last_seen=previous)
        _assign_incident(row, ended)
        told = spans(ended, {})
        _write_claims(row, told, by_id)
        report.count("incidents")
        report.note(row.public_id, _LOST)


# ── rows and values ────────────────────────────────────────────────────────────


def _recorded(row: Incident) -> RecordedIncident:
    """An imported row as the recording that it was made of."""
    return RecordedIncident(
        public_id=row.public_id,
        kind=row.kind,
        name=row.name,
        status=row.status,
        impact=row.impact,
        started_at=row.started_at,
        mitigated_at=row.mitigated_at,
        resolved_at=row.resolved_at,
        scheduled_for=row.scheduled_for,
        scheduled_until=row.scheduled_until,
        created_at=row.created_at,
        updated_at=row.updated_at,
        updates=tuple(_recorded_update(one) for one in reversed(row.updates)),
        shortlink=row.shortlink,
        reminder_intervals=row.reminder_intervals,
        component_ids=tuple(one.component.public_id for one in row.affected),
    )


def _recorded_update(row: IncidentUpdate) -> RecordedUpdate:
    return RecordedUpdate(
        public_id=row.public_id,
        status=row.status,
        body=row.body,
        posted_at=row.posted_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        notify=row.notify,
        tweet_id=row.tweet_id,
        custom_tweet=row.custom_tweet,
        changes=tuple(
            RecordedChange(one.component.public_id, one.name, one.old_status, one.new_status)
            for one in row.changes
        ),
    )


def _comparable(one: RecordedIncident) -> RecordedIncident:
    """Without what does not tell recordings apart: the order of updates of one moment."""
    ordered = tuple(sorted(one.updates, key=lambda update: update.public_id))
    return replace(one, updates=ordered, component_ids=())


def _assign(row: object, values: Mapping[str, object]) -> bool:
    """Set what differs; whether anything did."""
    different = {name: value for name, value in values.items() if getattr(row, name) != value}
    for name, value in different.items():
        setattr(row, name, value)
    return bool(different)


def _check_ids(listings: Sequence[Listing]) -> None:
    """One id names one thing. Raises `Invalid`."""
    owners: dict[str, str] = {}
    for listing in listings:
        listed = [*(one.public_id for one in (*listing.groups, *listing.components))]
        told = [one.public_id for one in listing.incidents]
        for ids in (listed, told):
            if len(set(ids)) < len(ids):
                twice = Counter(ids).most_common(1)[0][0]
                raise Invalid(source=f"{listing.source}: the id {twice} is used twice.")
        for incident in listing.incidents:
            for update in incident.updates:
                if owners.setdefault(update.public_id, incident.public_id) != incident.public_id:
                    raise Invalid(
                        source=f"{listing.source}: the update {update.public_id} belongs to two"
                        " incidents."
                    )
    _check_owners(owners)


def _check_owners(owners: dict[str, str]) -> None:
    ids = sorted(owners)
    for start in range(0, len(ids), 500):
        query = (
            sa.select(IncidentUpdate.public_id, Incident.public_id)
            .join(Incident)
            .where(IncidentUpdate.public_id.in_(ids[start : start + 500]))
        )
        for update_id, incident_id in db.session.execute(query):
            if owners[update_id] != incident_id:
                raise Invalid(source=f"The update {update_id} belongs to {incident_id} here.")


def _counts(listings: Sequence[Listing], incidents: Sequence[RecordedIncident]) -> dict[str, int]:
    maintenances = [one for one in incidents if one.kind is IncidentKind.MAINTENANCE]
    return {
        "groups": len({one.public_id for listing in listings for one in listing.groups}),
        "components": len({one.public_id for listing in listings for one in listing.components}),
        "incidents": len(incidents) - len(maintenances),
        "maintenances": len(maintenances),
        "updates": sum(len(one.updates) for one in incidents),
    }
