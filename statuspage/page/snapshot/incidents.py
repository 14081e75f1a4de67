"""From the rows of an incident to its view: its updates, its postmortem, what was kept of promises.

Pure. What the public may see was decided before: `page/snapshot` asks for it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from statuspage.domain.claims import OPERATIONAL, Claim
from statuspage.domain.incidents import postmortem_text
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Incident, IncidentUpdate, UpdateChange
from statuspage.domain.incidents.postmortems import ActionState, Part, Postmortem
from statuspage.domain.statuses import IncidentKind
from statuspage.lib.markdown import clean
from statuspage.page.snapshot import banner
from statuspage.page.snapshot.values import (
    ActionView,
    ChangeView,
    CorrectionView,
    EditView,
    IncidentRef,
    IncidentView,
    PostmortemView,
    UpdateView,
)


def incident_view(
    row: Incident,
    updates: Sequence[IncidentUpdate],
    postmortem: Postmortem | None,
    at: datetime,
    peak: Claim = OPERATIONAL,
) -> IncidentView:
    """The incident with those of its updates that may be told, newest first.

    `peak` is the worst it ever claimed.
    """
    on_time, due_count = _promises(updates, at)
    claims = [affected.claim for affected in row.affected]
    return IncidentView(
        id=row.public_id,
        row_id=row.id,
        kind=row.kind,
        name=row.name,
        status=row.status,
        impact=row.impact,
        who_is_affected=row.who_is_affected,
        what_still_works=row.what_still_works,
        what_you_can_do=row.what_you_can_do,
        next_update_by=row.next_update_by,
        is_overdue=incidents.overdue_by(row, at) is not None,
        started_at=row.started_at,
        began_at=began_at(row, updates),
        detected_at=row.detected_at,
        told_at=row.told_at,
        mitigated_at=row.mitigated_at,
        resolved_at=row.resolved_at,
        scheduled_for=row.scheduled_for,
        scheduled_until=row.scheduled_until,
        is_backfilled=row.is_backfilled,
        created_at=row.created_at,
        updated_at=row.updated_at,
        updates=_update_views(updates),
        components=tuple(
            (affected.component.public_id, affected.component.name) for affected in row.affected
        ),
        worst=max(claims, key=lambda claim: claim.rank, default=OPERATIONAL),
        promises_kept=on_time,
        promises_made=due_count,
        corrections=tuple(
            CorrectionView(
                correction.field, correction.old, correction.new, correction.reason, correction.at
            )
            for correction in row.corrections
        ),
        postmortem=_postmortem_view(postmortem, at) if postmortem else None,
        shortlink=row.shortlink,
        reminder_intervals=row.reminder_intervals,
        announced_at=row.announced_at,
        feed_id=row.feed_id,
        impact_override=row.impact_override,
        peak=peak,
        starts_by_itself=row.kind is IncidentKind.MAINTENANCE and row.auto_start,
        ends_by_itself=row.kind is IncidentKind.MAINTENANCE and row.auto_end,
        reminds=row.reminds,
        reminded_at=row.reminded_at,
    )


def began_at(row: Incident, updates: Sequence[IncidentUpdate]) -> datetime:
    """When it began to hold its components. Its record keeps the planned start of a maintenance."""
    if row.kind is IncidentKind.INCIDENT or not updates or updates[-1].status.claims:
        return row.started_at
    working = [update.posted_at for update in updates if update.status.claims]
    return working[-1] if working else row.started_at


def _update_views(updates: Sequence[IncidentUpdate]) -> tuple[UpdateView, ...]:
    before: Sequence[IncidentUpdate | None] = [*updates[1:], None]
    return tuple(
        UpdateView(
            id=update.public_id,
            status=update.status,
            is_first_of_status=older is None or older.status is not update.status,
            body=update.body,
            html=update.body_html,
            posted_at=update.posted_at,
            updated_at=update.updated_at,
            created_at=update.created_at,
            edited_at=update.edited_at,
            edits=_edits_of_update(update),
            changes=tuple(
                ChangeView(
                    component_id=change.component.public_id,
                    name=change.component.name,
                    full_name=_full_name(change),
                    statuspage_name=change.name,
                    old_status=change.status_before,
                    claim=change.claim,
                    because_of=ref_of(change.other_incident)
                    if change.is_outranked and change.other_incident
                    else None,
                )
                for change in update.changes
            ),
            next_update_by=update.next_update_by,
            is_automatic=update.is_automatic,
            notify=update.notify,
            custom_tweet=update.custom_tweet,
            tweet_id=update.tweet_id,
        )
        for update, older in zip(updates, before, strict=True)
    )


def _full_name(change: UpdateChange) -> str:
    """As it is shown today, unless it was called something else then."""
    component = change.component
    return component.full_name if change.name == component.statuspage_name else change.name


def ref_of(incident: Incident) -> IncidentRef:
    return IncidentRef(incident.public_id, incident.name, incident.kind)


def _edits_of_update(update: IncidentUpdate) -> tuple[EditView, ...]:
    texts = [clean(version.body) for version in update.versions] + [clean(update.body)]
    return tuple(
        EditView(version.replaced_at, version.reason, banner.changed(before, after))
        for version, before, after in zip(update.versions, texts, texts[1:], strict=False)
    )


def _postmortem_view(postmortem: Postmortem, at: datetime) -> PostmortemView:
    assert postmortem.published_at is not None
    texts = [_document(version.parts) for version in postmortem.versions]
    texts.append(_document(postmortem.published_parts))
    return PostmortemView(
        id=postmortem.public_id,
        parts=tuple(
            (part.value, part.heading, postmortem.published_html[part.value])
            for part in Part
            if postmortem.published_html.get(part.value)
        ),
        actions=tuple(
            ActionView(
                id=item.public_id,
                title=item.title,
                owner=item.owner,
                state=item.state,
                due_on=item.due_on,
                done_at=item.done_at,
                is_late=item.due_on is not None
                and item.due_on < at.astimezone(UTC).date()
                and item.state in (ActionState.OPEN, ActionState.IN_PROGRESS),
            )
            for item in postmortem.actions
        ),
        published_at=postmortem.published_at,
        edited_at=postmortem.edited_at,
        version=len(postmortem.versions) + 1,
        edits=tuple(
            EditView(version.replaced_at, version.reason, banner.changed(before, after))
            for version, before, after in zip(
                postmortem.versions, texts[:-1], texts[1:], strict=True
            )
        ),
        source=postmortem_text.join_parts(postmortem.published_parts),
    )


def _document(parts: Mapping[str, str]) -> str:
    """All parts as one text, for comparing versions."""
    return "\n\n".join(
        f"{part.heading}\n{parts[part.value]}" for part in Part if parts.get(part.value)
    )


def _promises(updates: Sequence[IncidentUpdate], at: datetime) -> tuple[int, int]:
    """(kept, made) promises of a next update; `updates` newest first. Open ones do not count."""
    on_time = due_count = 0
    for newer, update in zip([None, *updates[:-1]], updates, strict=True):
        if update.next_update_by is None:
            continue
        if newer is None and at <= update.next_update_by:
            continue
        due_count += 1
        on_time += newer is not None and newer.posted_at <= update.next_update_by
    return on_time, due_count
