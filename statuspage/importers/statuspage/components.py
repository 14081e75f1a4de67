"""Writes the groups and components of a recording."""

from collections.abc import Sequence
from datetime import datetime

from statuspage.db import db
from statuspage.domain.components.models import Component, ComponentGroup
from statuspage.importers.statuspage import documents
from statuspage.importers.statuspage.context import CHANGED_HERE, ImportContext


def write(work: ImportContext) -> None:
    """Bring groups and components to what is listed; what a newer list omits is archived."""
    listed = work.wanted.components or ()
    work.report.read["component"] = sum(not component.group for component in listed)
    work.report.read["group"] = sum(component.group for component in listed)
    for component in listed:
        if component.group and (work.is_newest_list or component.id not in work.groups):
            _group(work, component)
    db.session.flush()
    for component in listed:
        if not component.group:
            _import_listed(work, component)
    for component in work.wanted.older_components:
        if not component.group:
            _older(work, component)
    for incident in work.wanted.incidents:
        for update in incident.incident_updates:
            for change in update.changes:
                _import_mentioned(work, change, update, incident)
    if work.is_newest_list:
        _take_off(work, listed)
    db.session.flush()


def _group(work: ImportContext, component: documents.Component) -> None:
    row = work.groups.get(component.id)
    if row is None:
        row = work.groups[component.id] = ComponentGroup(public_id=component.id)
        work.add(row, "group")
    elif component.id in work.earlier.touched:
        work.report.note(CHANGED_HERE, component.id)
        return
    work.set(
        row,
        "group",
        name=component.name,
        description=component.description,
        position=component.position,
        created_at=component.created_at,
        updated_at=component.updated_at,
    )


def _import_listed(work: ImportContext, component: documents.Component) -> None:
    if work.is_newest_list:
        _component(work, component, archived_at=None)
    else:
        _older(work, component)


def _older(work: ImportContext, component: documents.Component) -> None:
    if component.id in work.rows:
        return
    hidden = component.only_show_if_degraded  # Such a one is listed only while it is in trouble.
    _component(work, component, archived_at=None if hidden else work.listed_at)


def _component(
    work: ImportContext, component: documents.Component, *, archived_at: datetime | None
) -> None:
    row = work.rows.get(component.id)
    if row is None:
        row = work.rows[component.id] = Component(public_id=component.id)
        work.add(row, "component")
    elif component.id in work.earlier.touched:
        work.report.note(CHANGED_HERE, component.id)
        return
    group = work.groups.get(component.group_id or "")
    if component.group_id and group is None:
        work.report.note(f"its group {component.group_id} is not in the source", component.id)
    work.set(
        row,
        "component",
        name=component.name,
        description=component.description,
        group_id=group.id if group else None,
        position=component.position,
        showcase=component.showcase,
        only_show_if_degraded=component.only_show_if_degraded,
        start_date=component.start_date,
        archived_at=archived_at,
        created_at=component.created_at,
        updated_at=component.updated_at,
    )
    row.group = group


def _import_mentioned(
    work: ImportContext,
    change: documents.Change,
    update: documents.Update,
    incident: documents.Incident,
) -> None:
    if change.code in work.rows or change.code in work.groups:
        return
    row = work.rows[change.code] = Component(public_id=change.code)
    work.add(row, "component")
    at = update.display_at
    work.set(
        row, "component", name=change.name, created_at=at, updated_at=at,
        archived_at=work.listed_at,
    )  # fmt: skip
    work.report.note(f"only its name is known, from incident {incident.id}", change.code)


def _take_off(work: ImportContext, listed: Sequence[documents.Component]) -> None:
    """Archive what the newest list does not show any more."""
    present = {component.id for component in listed} | work.wanted.unreadable_ids
    for public_id, row in work.rows.items():
        if public_id in present or public_id in work.earlier.touched:
            continue
        if row.archived_at is None and not row.only_show_if_degraded:
            work.set(row, "component", archived_at=work.wanted.listed_at)
    for public_id, group in list(work.groups.items()):
        if public_id not in present and public_id not in work.earlier.touched:
            for row in work.rows.values():
                if row.group_id == group.id:
                    work.set(row, "component", group_id=None)
                    row.group = None
            db.session.flush()
            db.session.delete(group)
            del work.groups[public_id]
            work.report.written["group"] += 1
