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


def _with_earlier(work: ImportContext, one: documents.Incident) -> documents.Incident:
    row = work.incident_rows.get(one.id)
    if row is None:
        return one
    pair = (
        (existing.imported_incident(row), one)
        if work.is_current
        else (one, existing.imported_incident(row))
    )
    return documents.merge_incident(*pair)


def _ended(work: ImportContext, one: documents.Incident) -> documents.Incident:
    """Over, when a later summary does not show it any more."""
    if one.status.is_over:
        end = one.resolved_at or one.last_word_at
        return one.model_copy(update={"resolved_at": end})
    one = one.model_copy(update={"resolved_at": None})
    row = work.incident_rows.get(one.id)
    if work.is_newest_summary:
        is_open = one.id in (work.wanted.open_ids or ())
    else:
        is_open = row is not None and not row.is_over
    seen_at = work.summarised_at
    if seen_at is None or is_open or one.updated_at > seen_at:
        return one
    is_work = one.kind is IncidentKind.MAINTENANCE
    seen_open_at = work.wanted.seen_open_at.get(one.id)
    if row is not None and not row.is_over:
        seen_open_at = seen_open_at or work.earlier.summarised_at
    end = max(one.last_word_at, seen_open_at or one.last_word_at)
    if is_work and one.scheduled_until and end <= one.scheduled_until <= seen_at:
        end = one.scheduled_until
    work.report.note(END_UNKNOWN, one.id)
    status = IncidentStatus.COMPLETED if is_work else IncidentStatus.RESOLVED
    return one.model_copy(update={"status": status, "resolved_at": end})


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


def _incident(work: ImportContext, one: documents.Incident) -> None:
    kind = one.kind
    row = work.incident_rows.get(one.id)
    if row is None:
        row = work.incident_rows[one.id] = Incident(
            public_id=one.id,
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
    if is_work and one.started_at:
        details["started_at"] = one.started_at.isoformat()
    if one.feed_id:
        details["feed_id"] = one.feed_id
    impact = _impact(one)
    told_at = min((update.display_at for update in one.incident_updates), default=None)
    work.set(
        row,
        kind,
        kind=kind,
        name=one.name,
        status=one.status,
        impact=impact,
        impact_override=impact if one.impact and impact is not _rule(one) else None,
        started_at=_start(one),
        told_at=told_at or one.created_at,
        mitigated_at=one.monitoring_at,
        resolved_at=one.resolved_at,
        scheduled_for=(one.scheduled_for or one.began_at) if is_work else None,
        scheduled_until=one.scheduled_until,
        shortlink=one.shortlink,
        reminder_intervals=one.reminder_intervals,
        details=details,
        published_at=one.created_at,
        created_at=one.created_at,
        updated_at=one.updated_at,
    )
    db.session.flush()
    _updates(work, row, one)
    _affected(work, row, one)
    db.session.flush()


def _impact(one: documents.Incident) -> Impact:
    if one.kind is IncidentKind.MAINTENANCE:
        return Impact.MAINTENANCE
    return one.impact or _rule(one)


def _rule(one: documents.Incident) -> Impact:
    """What our rule makes of everything its updates said."""
    if one.kind is IncidentKind.MAINTENANCE:
        return Impact.MAINTENANCE
    statuses = [
        status
        for update in one.incident_updates
        for change in update.changes
        for status in (change.old_status, change.new_status)
    ]
    return incident_impact(statuses, whole_page=False)


def _updates(work: ImportContext, row: Incident, one: documents.Incident) -> None:
    ids = {update.id for update in one.incident_updates}
    for update in [update for update in row.updates if update.public_id not in ids]:
        row.updates.remove(update)
        work.report.written["update"] += 1
    present = {update.public_id: update for update in row.updates}
    for told in reversed(one.incident_updates):
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


def _update(work: ImportContext, row: IncidentUpdate, told: documents.Update, fresh: bool) -> None:
    if row.body != told.body:
        row.versions.append(
            UpdateVersion(
                number=len(row.versions) + 1,
                body=row.body,
                body_html=row.body_html,
                replaced_at=told.updated_at,
                replaced_by=POSTED_BY,
            )
        )
        work.set(
            row,
            "update",
            body=told.body,
            body_html=_rendered(told.body),
            edited_at=told.updated_at,
            version=row.version + 1,
        )
    work.set(
        row,
        None if fresh else "update",
        status=told.status,
        posted_at=told.display_at,
        created_at=told.created_at,
        updated_at=told.updated_at,
        notify=told.deliver_notifications,
        tweet_id=told.tweet_id,
        custom_tweet=told.custom_tweet,
    )
    changes = [_change(work, change) for change in told.changes if _is_component(work, change)]
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


def _affected(work: ImportContext, row: Incident, one: documents.Incident) -> None:
    """The components that the recording lists, as the last update before the end left each.

    Where nothing lists them, those that the updates name.
    """
    codes = [change.code for update in one.incident_updates for change in update.changes]
    if one.components is not None:
        codes = [component.id for component in one.components]
    statuses = _statuses(one, codes)
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


def _statuses(one: documents.Incident, named: Collection[str]) -> dict[str, ComponentStatus]:
    """Component's public id → its status in this incident.

    An announcement says how components stand before the work, which puts them under
    maintenance: so did 138 of 140 recorded ones.
    """
    is_ahead = one.status is IncidentStatus.SCHEDULED
    untouched = ComponentStatus.UNDER_MAINTENANCE if is_ahead else ComponentStatus.OPERATIONAL
    statuses = dict.fromkeys(named, untouched)
    for update in reversed(one.incident_updates):
        for change in update.changes:
            is_said = change.new_status is not change.old_status or not is_ahead
            if change.code in statuses and is_said and not update.status.is_over:
                statuses[change.code] = change.new_status
    return statuses


def _start(one: documents.Incident) -> datetime:
    """When it began, a maintenance when the work did: Statuspage calls its announcement so."""
    begins = [one.began_at]
    if one.kind is IncidentKind.MAINTENANCE:
        begins = [one.scheduled_for or one.began_at]
        begins += [update.display_at for update in one.incident_updates if update.status.claims]
    return min([*begins, one.resolved_at or begins[0]])


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
