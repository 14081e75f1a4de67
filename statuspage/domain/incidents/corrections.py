"""Corrections: what was told is put right in the open.

Edits keep the earlier words, corrections say what was before and why, a retraction
leaves its reason, and a secret taken out leaves a mark. Knows nothing of HTTP.
"""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.components import claims_store
from statuspage.domain.events import Actor
from statuspage.domain.incidents import postmortems, updates
from statuspage.domain.incidents.models import (
    Facts,
    Incident,
    IncidentEdit,
    IncidentUpdate,
    Moment,
    UpdateVersion,
)
from statuspage.domain.statuses import IncidentStatus
from statuspage.errors import Conflict, Invalid
from statuspage.lib.markdown import clean
from statuspage.lib.markdown import redact as redact_text

REDACTED = "[redacted]"
"""What stands where a secret was published by mistake."""


def edit_update(
    update: IncidentUpdate,
    *,
    body: str,
    expected_version: int,
    by: Actor,
    at: datetime,
    reason: str | None = None,
    notify: bool = False,
) -> None:
    """Change the words of an update; the earlier ones are kept and shown.

    With `notify` those who were sent the earlier words are told. Raises `Conflict` when
    somebody edited it since `expected_version`, `Invalid` when `body` is blank or nobody
    has read it yet.
    """
    updates.check_body(update.incident.name, body)
    updates.lock(update.incident)
    db.session.refresh(update)
    if update.is_draft:
        raise Invalid(body="This update is a draft; edit the draft instead.")
    if update.version != expected_version:
        raise Conflict("Someone else has edited this update in the meantime.", body=update.body)
    if clean(body).strip() == clean(update.body):
        return
    earlier = UpdateVersion(
        number=update.version,
        body=update.body,
        body_html=update.body_html,
        replaced_at=at,
        replaced_by=by.name,
        reason=clean(reason or "").strip() or None,
    )
    updates.write_body(update, body)
    update.versions.append(earlier)
    update.version += 1
    update.edited_at = update.updated_at = at
    update.incident.updated_at = at
    updates.record(
        f"{update.incident.kind}.update_edited",
        update.incident,
        update=update,
        by=by,
        at=at,
        data={"reason": earlier.reason},
        notify=notify,
    )


def move_update(update: IncidentUpdate, posted_at: datetime, *, by: Actor, at: datetime) -> None:
    """Correct when an update was posted; a correction tells what stood there.

    It keeps its place in the timeline: raises `Invalid` for a moment before the update
    before it, after the one after it, or in the future.
    """
    updates.lock(update.incident)
    db.session.refresh(update)
    old = update.posted_at
    if posted_at == old:
        return
    published = [row for row in update.incident.updates if not row.is_draft]
    place = published.index(update)
    newer, older = published[:place][-1:], published[place + 1 :][:1]
    if posted_at > (newer[0].posted_at if newer else at):
        raise Invalid(display_at="It cannot be after the next update or in the future.")
    if older and posted_at < older[0].posted_at:
        raise Invalid(display_at="It cannot be before the previous update.")
    update.posted_at = posted_at
    update.updated_at = update.incident.updated_at = at
    moments = (updates.plain(old), updates.plain(posted_at))
    updates.note_correction(update.incident, "update_posted_at", *moments, None, by, at)
    updates.record(
        f"{update.incident.kind}.update_moved",
        update.incident,
        update=update,
        by=by,
        at=at,
        data=dict(zip(("old", "new"), moments, strict=True)),
    )


def set_delivery(update: IncidentUpdate, notify: bool, *, by: Actor, at: datetime) -> None:
    """Say whether an update goes out to subscribers; what was kept quiet goes out now."""
    if update.notify == notify:
        return
    updates.lock(update.incident)
    update.notify = notify
    update.updated_at = update.incident.updated_at = at
    kind = "update_sent" if notify else "update_kept_quiet"
    updates.record(
        f"{update.incident.kind}.{kind}",
        update.incident,
        update=update,
        by=by,
        at=at,
        notify=notify,
    )


def edit_incident(
    incident: Incident,
    edit: IncidentEdit,
    *,
    expected_version: int,
    by: Actor,
    at: datetime,
    reason: str | None = None,
) -> None:
    """Change an incident's name, facts, promise or impact.

    What was published is kept as a correction. Raises `Conflict` when somebody
    edited it since `expected_version`, `Invalid` on an empty name.
    """
    updates.check_body(edit.name, "-")
    updates.check_facts(edit.facts)
    updates.lock(incident)
    if incident.version != expected_version:
        raise Conflict(
            "Someone else has edited this incident in the meantime.",
            name=incident.name,
            **{field.name: getattr(incident, field.name) or "" for field in fields(Facts)},
        )
    before = {"name": incident.name, "impact": incident.impact.value}
    before |= {field.name: getattr(incident, field.name) for field in fields(Facts)}
    incident.name = clean(edit.name).strip()
    incident.next_update_by = None if incident.is_over else edit.next_update_by
    updates.set_facts(incident, edit.facts)
    if incident.impact_override is not None and edit.impact_override is None:
        updates.reset_impact(incident)
    incident.impact_override = edit.impact_override
    updates.recompute_impact(incident, incident.claims)
    incident.version += 1
    incident.updated_at = at
    if not incident.is_draft:
        for field, old in before.items():
            updates.note_correction(
                incident,
                field,
                old,
                updates.plain(getattr(incident, field)),
                reason,
                by,
                at,
            )
    data: dict[str, object] = {"reason": clean(reason or "").strip() or None}
    updates.record(f"{incident.kind}.edited", incident, by=by, at=at, data=data)


def correct_moment(
    incident: Incident,
    moment: Moment,
    value: datetime | None,
    *,
    reason: str,
    by: Actor,
    at: datetime,
) -> None:
    """Put one of the five moments right; claims that began or ended there move along.

    Raises `Invalid` without a reason, for a moment in the future, or when the
    order started ≤ resolved would break.
    """
    reason = clean(reason).strip()
    if not reason:
        raise Invalid(reason="Give a reason for the correction.")
    updates.lock(incident)
    if value is not None and value > at:
        raise Invalid(**{moment.value: "This time is in the future."})
    if moment is Moment.STARTED and value is None:
        raise Invalid(started_at="An incident needs a start time.")
    if moment is Moment.STARTED and incident.status is IncidentStatus.SCHEDULED:
        raise Invalid(started_at="It has not started; reschedule it instead.")
    if moment is Moment.RESOLVED and (value is None) == incident.is_over:
        raise Invalid(resolved_at="Resolve or reopen the incident with an update.")
    started = value if moment is Moment.STARTED and value else incident.started_at
    resolved = value if moment is Moment.RESOLVED else incident.resolved_at
    if resolved is not None and resolved < started:
        raise Invalid(**{moment.value: "It cannot be resolved before it started."})

    old: datetime | None = getattr(incident, moment.value)
    if old == value:
        return
    if value is not None and old is not None:
        _move_claims(incident, moment, old, value)
    setattr(incident, moment.value, value)
    incident.updated_at = at
    if not incident.is_draft:
        updates.note_correction(
            incident,
            moment.value,
            updates.plain(old),
            updates.plain(value),
            reason,
            by,
            at,
        )
    updates.record(
        f"{incident.kind}.moment_corrected",
        incident,
        by=by,
        at=at,
        data={
            "moment": moment.value,
            "old": updates.plain(old),
            "new": updates.plain(value),
            "reason": reason,
        },
    )


def retract(incident: Incident, *, reason: str, by: Actor, at: datetime) -> None:
    """Withdraw a published incident: it leaves the lists, its address says why.

    All its claims are released. Raises `Invalid` without a reason or on a draft.
    """
    if incident.is_draft:
        raise Invalid(reason="A draft is deleted, not retracted.")
    reason = clean(reason).strip()
    if not reason:
        raise Invalid(reason="Give a reason; customers will see it.")
    updates.lock(incident)
    if incident.retracted_at is not None:
        raise Invalid(reason="This was already retracted.")
    claims_store.replace_claims(incident, {}, at=at)
    incident.retracted_at = incident.updated_at = at
    incident.retracted_reason = reason
    incident.next_update_by = None
    updates.record(
        f"{incident.kind}.retracted",
        incident,
        by=by,
        at=at,
        data={"reason": reason},
        notify=True,
    )


def redact(incident: Incident, secret: str, *, by: Actor, at: datetime) -> int:
    """Take a secret that was published by mistake out of every version of every text.

    A visible mark stands in its place; the log does not repeat it. Returns how
    many texts changed. Raises `Invalid` when fewer than 4 characters are given or
    nothing holds them.
    """
    secret = clean(secret).strip()
    if len(secret) < 4:
        raise Invalid(words="Enter the exact words to remove, at least 4 characters.")
    updates.lock(incident)
    changed = sum(_redact_update(update, secret, at) for update in incident.updates)
    names = ("name", "retracted_reason", *(field.name for field in fields(Facts)))
    changed += _redact_fields(incident, names, secret)
    for correction in incident.corrections:
        changed += _redact_fields(correction, ("old", "new", "reason"), secret)
    for row in [*incident.affected, *claims_store.claims_of([incident.id])]:
        changed += _redact_fields(row, ("scope",), secret)
    changed += postmortems.redact(incident, secret, REDACTED, at=at)
    changed += events.redact(incident.public_id, secret, REDACTED)
    if not changed:
        raise Invalid(words="No text of this incident contains these words.")
    incident.updated_at = at
    updates.record(f"{incident.kind}.redacted", incident, by=by, at=at, data={"texts": changed})
    return changed


# ── helpers ────────────────────────────────────────────────────────────────────


def _move_claims(incident: Incident, moment: Moment, old: datetime, new: datetime) -> None:
    """What began or ended with the incident still does; nothing is claimed outside of it."""
    for row in claims_store.claims_of([incident.id]):
        if moment is Moment.STARTED and (row.starts_at == old or row.starts_at < new):
            row.starts_at = new
        if moment is Moment.RESOLVED and row.ends_at is not None:
            row.ends_at = new if row.ends_at == old else min(row.ends_at, new)
        if row.ends_at is not None and row.ends_at <= row.starts_at:
            db.session.delete(row)


def _redact_update(update: IncidentUpdate, secret: str, at: datetime) -> int:
    changed = 0
    texts: list[IncidentUpdate | UpdateVersion] = [update, *update.versions]
    for text in texts:
        present = (text.body, text.body_html)
        text.body, text.body_html = redact_text(*present, secret, REDACTED)
        changed += (text.body, text.body_html) != present
    facts = (field.name for field in fields(Facts))
    changed += _redact_fields(update, ("custom_tweet", *facts), secret)
    for version in update.versions:
        changed += _redact_fields(version, ("reason",), secret)
    for change in update.changes:
        changed += _redact_fields(change, ("scope",), secret)
    if changed:
        update.edited_at = update.updated_at = at
    return changed


def _redact_fields(row: object, names: Sequence[str], secret: str) -> int:
    changed = 0
    for name in names:
        words = getattr(row, name)
        if words and secret in words:
            setattr(row, name, words.replace(secret, REDACTED))
            changed += 1
    return changed
