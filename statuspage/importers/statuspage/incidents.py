"""Writes the incidents of a recording, with all that their updates say."""

import html
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime

from statuspage.db import db
from statuspage.domain.incidents.models import (
    Affected,
    Incident,
    IncidentUpdate,
    UpdateChange,
    UpdateVersion,
)
from statuspage.domain.statuses import (
    ComponentStatus,
    Impact,
    IncidentKind,
    IncidentStatus,
    incident_impact,
)
from statuspage.errors import Invalid
from statuspage.importers.statuspage import documents, existing
from statuspage.importers.statuspage.context import CHANGED_HERE, ImportContext
from statuspage.importers.statuspage.errors import RefusedError
from statuspage.lib.markdown import clean, recorded_to_html, to_html

POSTED_BY = "Statuspage"
END_UNKNOWN = "no source contains its end; it is taken to have ended when it was last seen open"
_TAG = re.compile(r"<[A-Za-z/!][^>]*>")

Each = Callable[[Sequence[documents.Incident]], Iterable[documents.Incident]]


def write(work: ImportContext, each: Each) -> None:
    """Bring the incidents to what is recorded; `each` passes them on as they are written.

    Raises `RefusedError` if strict and two of them have an update in common.
    """
    todo = []
    recorded = {incident.id for incident in work.wanted.incidents}
    for incident in work.wanted.incidents:
        work.report.read[str(incident.kind)] += 1
        work.report.read["update"] += len(incident.incident_updates)
        if incident.id in work.earlier.touched:
            work.report.note(CHANGED_HERE, incident.id)
            continue
        todo.append(_with_earlier(work, incident))
    for public_id, row in work.incident_rows.items():
        if public_id in recorded | work.earlier.touched or row.is_over:
            continue
        todo.append(existing.imported_incident(row))
    todo = [_ended(work, incident) for incident in todo]
    for incident in each(_without_shared_updates(work, todo)):
        work.told[incident.id] = incident
        _incident(work, incident)


def _with_earlier(work: ImportContext, incident: documents.Incident) -> documents.Incident:
    row = work.incident_rows.get(incident.id)
    if row is None:
        return incident
    pair = (
        (existing.imported_incident(row), incident)
        if work.is_current
        else (incident, existing.imported_incident(row))
    )
    return documents.merge_incident(*pair)


def _ended(work: ImportContext, incident: documents.Incident) -> documents.Incident:
    """Over, when a later summary does not show it any more."""
    if incident.status.is_over:
        end = incident.resolved_at or incident.last_word_at
        return incident.model_copy(update={"resolved_at": end})
    incident = incident.model_copy(update={"resolved_at": None})
    row = work.incident_rows.get(incident.id)
    if work.is_newest_summary:
        is_open = incident.id in (work.wanted.open_ids or ())
    else:
        is_open = row is not None and not row.is_over
    seen_at = work.summarised_at
    if seen_at is None or is_open or incident.updated_at > seen_at:
        return incident
    is_work = incident.kind is IncidentKind.MAINTENANCE
    seen_open_at = work.wanted.seen_open_at.get(incident.id)
    if row is not None and not row.is_over:
        seen_open_at = seen_open_at or work.earlier.summarised_at
    end = max(incident.last_word_at, seen_open_at or incident.last_word_at)
    if is_work and incident.scheduled_until and end <= incident.scheduled_until <= seen_at:
        end = incident.scheduled_until
    work.report.note(END_UNKNOWN, incident.id)
    status = IncidentStatus.COMPLETED if is_work else IncidentStatus.RESOLVED
    return incident.model_copy(update={"status": status, "resolved_at": end})


def _without_shared_updates(
    work: ImportContext, incidents: Sequence[documents.Incident]
) -> list[documents.Incident]:
    """Leave out an update that belongs to another incident already."""
    owner = {
        update.public_id: public_id
        for public_id, row in work.incident_rows.items()
        for update in row.updates
    }
    result = []
    for incident in incidents:
        own = []
        for update in incident.incident_updates:
            if owner.setdefault(update.id, incident.id) == incident.id:
                own.append(update)
                continue
            if work.is_strict:
                raise RefusedError(
                    f"Update {update.id} belongs to two incidents: {owner[update.id]} and"
                    f" {incident.id}."
                )
            reason = f"{documents.LEFT_OUT}: the update belongs to another incident"
            work.report.note(reason, f"{incident.id}/{update.id}")
        result.append(incident.model_copy(update={"incident_updates": tuple(own)}))
    return result


def _incident(work: ImportContext, incident: documents.Incident) -> None:
    kind = incident.kind
    row = work.incident_rows.get(incident.id)
    if row is None:
        row = work.incident_rows[incident.id] = Incident(
            public_id=incident.id,
            kind=kind,
            # The API does not tell whether it starts and ends by itself.
            auto_start=False,
            auto_end=False,
            updates=[],
            affected=[],
            corrections=[],
        )
        work.add(row, kind)
    is_work = kind is IncidentKind.MAINTENANCE
    details = dict(row.details or {})
    if is_work and incident.started_at:
        details["started_at"] = incident.started_at.isoformat()
    if incident.feed_id:
        details["feed_id"] = incident.feed_id
    impact = _impact(incident)
    told_at = min((update.display_at for update in incident.incident_updates), default=None)
    work.set(
        row,
        kind,
        kind=kind,
        name=incident.name,
        status=incident.status,
        impact=impact,
        impact_override=impact if incident.impact and impact is not _rule(incident) else None,
        started_at=_start(incident),
        told_at=told_at or incident.created_at,
        mitigated_at=incident.monitoring_at,
        resolved_at=incident.resolved_at,
        scheduled_for=(incident.scheduled_for or incident.began_at) if is_work else None,
        scheduled_until=incident.scheduled_until,
        shortlink=incident.shortlink,
        reminder_intervals=incident.reminder_intervals,
        details=details,
        published_at=incident.created_at,
        created_at=incident.created_at,
        updated_at=incident.updated_at,
    )
    db.session.flush()
    _updates(work, row, incident)
    _affected(work, row, incident)
    db.session.flush()


def _impact(incident: documents.Incident) -> Impact:
    if incident.kind is IncidentKind.MAINTENANCE:
        return Impact.MAINTENANCE
    return incident.impact or _rule(incident)


def _rule(incident: documents.Incident) -> Impact:
    """What our rule makes of everything its updates said."""
    if incident.kind is IncidentKind.MAINTENANCE:
        return Impact.MAINTENANCE
    statuses = [
        status
        for update in incident.incident_updates
        for change in update.changes
        for status in (change.old_status, change.new_status)
    ]
    return incident_impact(statuses, whole_page=False)


def _updates(work: ImportContext, row: Incident, incident: documents.Incident) -> None:
    ids = {update.id for update in incident.incident_updates}
    for update in [update for update in row.updates if update.public_id not in ids]:
        row.updates.remove(update)
        work.report.written["update"] += 1
    present = {update.public_id: update for update in row.updates}
    for told in reversed(incident.incident_updates):
        existing = present.get(told.id)
        if existing is None:
            update = IncidentUpdate(
                public_id=told.id,
                body=told.body,
                body_html=_rendered(told.body),
                posted_by=POSTED_BY,
                changes=[],
                versions=[],
            )
            row.updates.insert(0, update)
            work.report.written["update"] += 1
        _update(work, existing or update, told, existing is None)


def _update(
    work: ImportContext, row: IncidentUpdate, update: documents.Update, fresh: bool
) -> None:
    if row.body != update.body:
        row.versions.append(
            UpdateVersion(
                number=len(row.versions) + 1,
                body=row.body,
                body_html=row.body_html,
                replaced_at=update.updated_at,
                replaced_by=POSTED_BY,
            )
        )
        work.set(
            row,
            "update",
            body=update.body,
            body_html=_rendered(update.body),
            edited_at=update.updated_at,
            version=row.version + 1,
        )
    work.set(
        row,
        None if fresh else "update",
        status=update.status,
        posted_at=update.display_at,
        created_at=update.created_at,
        updated_at=update.updated_at,
        notify=update.deliver_notifications,
        tweet_id=update.tweet_id,
        custom_tweet=update.custom_tweet,
    )
    changes = [_change(work, change) for change in update.changes if _is_component(work, change)]
    if [_saying(change) for change in row.changes] != [_saying(change) for change in changes]:
        row.changes = changes
        work.report.written["change"] += len(changes)
    work.report.read["change"] += len(changes)


def _change(work: ImportContext, change: documents.Change) -> UpdateChange:
    return UpdateChange(
        component_id=work.rows[change.code].id,
        name=change.name,
        old_status=change.old_status,
        new_status=change.new_status,
    )


def _is_component(work: ImportContext, change: documents.Change) -> bool:
    if change.code in work.rows:
        return True
    work.report.note("an update names a group", change.code)
    return False


def _affected(work: ImportContext, row: Incident, incident: documents.Incident) -> None:
    """The components that the recording lists, as the last update before the end left each.

    Where nothing lists them, those that the updates name.
    """
    codes = [change.code for update in incident.incident_updates for change in update.changes]
    if incident.components is not None:
        codes = [component.id for component in incident.components]
    statuses = _statuses(incident, codes)
    public_ids = {component.id: public_id for public_id, component in work.rows.items()}
    present = {public_ids[affected.component_id]: affected for affected in row.affected}
    for public_id, affected in present.items():
        if public_id not in statuses:
            row.affected.remove(affected)
            work.report.written["affected"] += 1
    for public_id, status in statuses.items():
        if public_id in present:
            work.set(present[public_id], "affected", status=status)
        elif public_id in work.rows:
            row.affected.append(Affected(component_id=work.rows[public_id].id, status=status))
            work.report.written["affected"] += 1


def _statuses(incident: documents.Incident, codes: Collection[str]) -> dict[str, ComponentStatus]:
    """Component's public id → its status in this incident.

    An announcement says how components stand before the work, which puts them under
    maintenance: so did 138 of 140 recorded ones.
    """
    is_ahead = incident.status is IncidentStatus.SCHEDULED
    untouched = ComponentStatus.UNDER_MAINTENANCE if is_ahead else ComponentStatus.OPERATIONAL
    statuses = dict.fromkeys(codes, untouched)
    for update in reversed(incident.incident_updates):
        for change in update.changes:
            is_said = change.new_status is not change.old_status or not is_ahead
            if change.code in statuses and is_said and not update.status.is_over:
                statuses[change.code] = change.new_status
    return statuses


def _start(incident: documents.Incident) -> datetime:
    """When it began, a maintenance when the work did: Statuspage calls its announcement so."""
    begins = [incident.began_at]
    if incident.kind is IncidentKind.MAINTENANCE:
        begins = [incident.scheduled_for or incident.began_at]
        begins += [
            update.display_at for update in incident.incident_updates if update.status.claims
        ]
    return min([*begins, incident.resolved_at or begins[0]])


def _rendered(body: str) -> str:
    """Safe HTML of a recorded body: of its tags those that we allow, or of its Markdown."""
    body = clean(body)
    if _TAG.search(body):
        return str(recorded_to_html(body))
    try:
        return str(to_html(body.strip(), strict=False))
    except Invalid:
        # Longer or deeper than what is rendered: the words as they are.
        return "<p>" + html.escape(body.strip()).replace("\n", "<br>\n") + "</p>"


def _saying(row: UpdateChange) -> tuple[object, ...]:
    return row.component_id, row.name, row.old_status, row.new_status
