"""Postmortems: what an incident taught, as a structured document in public.

Owns the postmortem tables and their rules: drafted, reviewed, published, and
edited with every earlier version kept.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship, selectinload

from statuspage.db import Model, PublicId, db
from statuspage.domain.events import Actor
from statuspage.domain.incidents import updates
from statuspage.domain.incidents.models import Incident
from statuspage.domain.statuses import Impact, IncidentKind, IncidentStatus
from statuspage.errors import Conflict, Invalid
from statuspage.lib.markdown import clean, to_html
from statuspage.lib.markdown import redact as redact_text


class Part(StrEnum):
    """The parts of the document, in reading order; the value is its field name."""

    SUMMARY = "summary"
    IMPACT = "impact"
    ROOT_CAUSE = "root_cause"
    FACTORS = "contributing_factors"
    WENT_WELL = "went_well"
    WENT_BADLY = "went_badly"
    LUCK = "luck"

    @property
    def heading(self) -> str:
        return _HEADINGS[self]


_HEADINGS = {
    Part.SUMMARY: "Summary",
    Part.IMPACT: "Impact",
    Part.ROOT_CAUSE: "Root cause",
    Part.FACTORS: "What made it possible",
    Part.WENT_WELL: "What went well",
    Part.WENT_BADLY: "What went badly",
    Part.LUCK: "Where we were lucky",
}


class PostmortemState(StrEnum):
    DRAFT = "draft"
    IN_REVIEW = "in_review"
    PUBLISHED = "published"
    DELETED = "deleted"
    """It was published once: its versions and actions stay for staff, its draft is gone."""


class ActionState(StrEnum):
    OPEN = "open"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    DROPPED = "dropped"

    @property
    def label(self) -> str:
        return self.value.replace("_", " ").capitalize()


@dataclass(frozen=True)
class Action:
    """One promised change. `public_id` names an existing one, None makes a new one."""

    title: str
    state: ActionState = ActionState.OPEN
    due_on: date | None = None
    owner: str | None = None
    public_id: str | None = None


class Postmortem(Model):
    public_id: Mapped[PublicId]
    incident_id: Mapped[int] = mapped_column(
        sa.ForeignKey("incident.id", ondelete="CASCADE"), unique=True
    )
    state: Mapped[PostmortemState] = mapped_column(default=PostmortemState.DRAFT)
    parts: Mapped[dict[str, str]] = mapped_column(sa.JSON, default=dict)
    """Field name of a `Part` → Markdown, as last saved by staff."""
    parts_html: Mapped[dict[str, str]] = mapped_column(sa.JSON, default=dict)
    published_parts: Mapped[dict[str, str]] = mapped_column(sa.JSON, default=dict)
    """The Markdown that the public reads."""
    published_html: Mapped[dict[str, str]] = mapped_column(sa.JSON, default=dict)
    author: Mapped[str]
    reviewer: Mapped[str | None]
    """Who published it, if not its author: one's own review is none."""
    published_at: Mapped[datetime | None]
    edited_at: Mapped[datetime | None]
    has_notified: Mapped[bool] = mapped_column(default=False)
    """Subscribers were told of what is published."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)
    """Raised by each save, so that two editors meet."""

    incident: Mapped[Incident] = relationship()
    actions: Mapped[list["ActionItem"]] = relationship(
        cascade="all, delete-orphan", order_by="ActionItem.position"
    )
    versions: Mapped[list["PostmortemVersion"]] = relationship(
        cascade="all, delete-orphan", order_by="PostmortemVersion.number"
    )

    @property
    def is_published(self) -> bool:
        return self.published_at is not None

    @property
    def has_unpublished_changes(self) -> bool:
        return self.is_published and self.parts != self.published_parts


class ActionItem(Model):
    public_id: Mapped[PublicId]
    postmortem_id: Mapped[int] = mapped_column(
        sa.ForeignKey("postmortem.id", ondelete="CASCADE"), index=True
    )
    position: Mapped[int]
    title: Mapped[str]
    owner: Mapped[str | None]
    state: Mapped[ActionState] = mapped_column(default=ActionState.OPEN)
    due_on: Mapped[date | None]
    done_at: Mapped[datetime | None]


class PostmortemVersion(Model):
    """A published text as it stood before it was replaced."""

    __table_args__ = (sa.UniqueConstraint("postmortem_id", "number"),)

    postmortem_id: Mapped[int] = mapped_column(sa.ForeignKey("postmortem.id", ondelete="CASCADE"))
    number: Mapped[int]
    parts: Mapped[dict[str, str]] = mapped_column(sa.JSON)
    parts_html: Mapped[dict[str, str]] = mapped_column(sa.JSON)
    replaced_at: Mapped[datetime]
    replaced_by: Mapped[str]
    reason: Mapped[str | None]


# ── verbs ──────────────────────────────────────────────────────────────────────


def save(
    incident: Incident,
    parts: Mapping[Part, str],
    actions: Sequence[Action],
    *,
    expected_version: int | None,
    by: Actor,
    at: datetime,
) -> Postmortem:
    """Write the draft; the public goes on reading what was published.

    `expected_version` is None for the first save. Raises `Conflict` when somebody
    saved meanwhile, `Invalid` on an incident that is not resolved or an action
    without a title.
    """
    if incident.kind is not IncidentKind.INCIDENT or not incident.is_over:
        raise Invalid(summary="A postmortem belongs to a resolved incident.")
    words, html = _render(parts)
    _check_actions(actions)
    updates.lock(incident)
    postmortem = of(incident)
    if (postmortem.version if postmortem else None) != expected_version:
        raise Conflict(
            "Someone else has saved this postmortem in the meantime.",
            **(postmortem.parts if postmortem else {}),
        )
    if postmortem is None:
        postmortem = Postmortem(
            incident=incident,
            incident_id=incident.id,
            author=by.name,
            created_at=at,
            version=0,
        )
        db.session.add(postmortem)
    postmortem.parts, postmortem.parts_html = words, html
    postmortem.version += 1
    postmortem.updated_at = at
    if not postmortem.is_published:
        postmortem.state = PostmortemState.DRAFT
    _set_actions(postmortem, actions, at)
    _record("postmortem.saved", postmortem, by, at)
    return postmortem


def submit_for_review(postmortem: Postmortem, *, by: Actor, at: datetime) -> None:
    """Ask a colleague to read it."""
    if not postmortem.is_published:
        postmortem.state = PostmortemState.IN_REVIEW
    postmortem.updated_at = at
    _record("postmortem.submitted", postmortem, by, at)


def publish(
    postmortem: Postmortem,
    *,
    by: Actor,
    at: datetime,
    reason: str | None = None,
    notify: bool = True,
    needs: Collection[Part] = (Part.SUMMARY, Part.ROOT_CAUSE),
) -> None:
    """Show what was saved to everyone; an earlier published text is kept as a version.

    Raises `Invalid` without the parts it `needs`, without any, or while the incident is
    open.
    """
    updates.lock(postmortem.incident)
    if not postmortem.incident.is_over:
        raise Invalid(summary="The incident was reopened. Resolve it before you publish this.")
    missing = {
        part.value: f"Write “{part.heading}” before you publish."
        for part in needs
        if not postmortem.parts.get(part.value)
    }
    if missing:
        raise Invalid(**missing)
    if not postmortem.parts:
        raise Invalid(summary="Write the postmortem before you publish it.")
    if postmortem.is_published:
        if postmortem.parts == postmortem.published_parts:
            return
        _keep_version(postmortem, by, at, reason)
        postmortem.edited_at = at
    else:
        postmortem.published_at = at
        postmortem.reviewer = by.name if by.name != postmortem.author else None
        postmortem.has_notified = notify
    postmortem.published_parts = dict(postmortem.parts)
    postmortem.published_html = dict(postmortem.parts_html)
    postmortem.state = PostmortemState.PUBLISHED
    postmortem.updated_at = at
    postmortem.incident.status = IncidentStatus.POSTMORTEM
    postmortem.incident.updated_at = at
    edited = postmortem.edited_at is not None
    kind = "postmortem.edited" if edited else "postmortem.published"
    _record(kind, postmortem, by, at, {"reason": reason}, notify=notify and not edited)


def withdraw(postmortem: Postmortem, *, reason: str, by: Actor, at: datetime) -> None:
    """Take a published postmortem back: it is a draft again, as it was last saved.

    What the public read is kept as a version, and a correction of the incident says that
    it was withdrawn. Raises `Invalid` when it is not published.
    """
    incident = postmortem.incident
    updates.lock(incident)
    if not postmortem.is_published:
        raise Invalid(postmortem="The postmortem is not published.")
    _keep_version(postmortem, by, at, reason)
    postmortem.published_at = postmortem.edited_at = None
    postmortem.published_parts, postmortem.published_html = {}, {}
    postmortem.has_notified = False
    postmortem.state = PostmortemState.DRAFT
    postmortem.updated_at = incident.updated_at = at
    if incident.status is IncidentStatus.POSTMORTEM:
        incident.status = IncidentStatus.RESOLVED
    updates.note_correction(incident, "postmortem", "published", "withdrawn", reason, by, at)
    _record("postmortem.withdrawn", postmortem, by, at, {"reason": reason})


def delete_draft(postmortem: Postmortem, *, by: Actor, at: datetime) -> None:
    """Throw the draft away. Raises `Invalid` while it is published: withdraw it first.

    Where something was published once, its versions and the actions it promised stay.
    """
    updates.lock(postmortem.incident)
    if postmortem.is_published:
        raise Invalid(postmortem="A published postmortem is withdrawn, not deleted.")
    _record("postmortem.draft_deleted", postmortem, by, at)
    if not postmortem.versions:
        db.session.delete(postmortem)
        return
    postmortem.state = PostmortemState.DELETED
    postmortem.parts, postmortem.parts_html = {}, {}
    postmortem.version += 1
    postmortem.updated_at = at


def set_action_state(action: ActionItem, state: ActionState, *, by: Actor, at: datetime) -> None:
    """Follow an action item through."""
    action.state = state
    action.done_at = at if state is ActionState.DONE else None
    postmortem = db.session.get_one(Postmortem, action.postmortem_id)
    postmortem.updated_at = at
    _record(
        "postmortem.action_moved",
        postmortem,
        by,
        at,
        {"action": action.title, "to": state.value},
    )


def redact(incident: Incident, secret: str, mark: str, *, at: datetime) -> int:
    """Take a secret out of every version of every part, and out of the action items.

    Returns how many rows changed. Part of `corrections.redact`, which records it.
    """
    postmortem = of(incident)
    if postmortem is None:
        return 0
    changed = 0
    texts: list[tuple[Postmortem | PostmortemVersion, str, str]] = [
        (postmortem, "parts", "parts_html"),
        (postmortem, "published_parts", "published_html"),
        *((version, "parts", "parts_html") for version in postmortem.versions),
    ]
    for row, parts, html in texts:
        changed += _redact_parts(row, parts, html, secret, mark)
    plain: list[tuple[PostmortemVersion | ActionItem, str]] = [
        *((version, "reason") for version in postmortem.versions),
        *((item, name) for item in postmortem.actions for name in ("title", "owner")),
    ]
    for of_plain, name in plain:
        words = getattr(of_plain, name)
        if words and secret in words:
            setattr(of_plain, name, words.replace(secret, mark))
            changed += 1
    if changed:
        postmortem.updated_at = at
        postmortem.edited_at = at if postmortem.is_published else None
        postmortem.version += 1
    return changed


# ── finders ────────────────────────────────────────────────────────────────────


def of(incident: Incident) -> Postmortem | None:
    """The incident's postmortem in any state, with actions and versions."""
    query = sa.select(Postmortem).where(Postmortem.incident_id == incident.id)
    query = query.options(*_FULL).execution_options(populate_existing=True)
    return db.session.scalar(query)


def published_of(incident_ids: Sequence[int]) -> dict[int, Postmortem]:
    """Incident's row id → its published postmortem, with actions and versions."""
    if not incident_ids:
        return {}
    query = sa.select(Postmortem).where(
        Postmortem.incident_id.in_(incident_ids), Postmortem.published_at.is_not(None)
    )
    rows = db.session.scalars(query.options(*_FULL))
    return {postmortem.incident_id: postmortem for postmortem in rows}


def listed() -> list[Postmortem]:
    """All postmortems, newest first, for staff."""
    query = sa.select(Postmortem).where(Postmortem.state != PostmortemState.DELETED)
    query = query.order_by(Postmortem.id.desc())
    return list(db.session.scalars(query.options(*_FULL, selectinload(Postmortem.incident))))


def missing(*, since: datetime) -> list[Incident]:
    """Published incidents of major or critical impact that ended at `since` or later and
    have no published postmortem, the newest first."""
    written = sa.select(Postmortem.incident_id).where(Postmortem.published_at.is_not(None))
    query = sa.select(Incident).where(
        Incident.kind == IncidentKind.INCIDENT,
        Incident.impact.in_([Impact.MAJOR, Impact.CRITICAL]),
        Incident.resolved_at >= since,
        Incident.published_at.is_not(None),
        Incident.retracted_at.is_(None),
        Incident.id.not_in(written),
    )
    return list(db.session.scalars(query.order_by(Incident.resolved_at.desc())))


def get_action(public_id: str) -> ActionItem | None:
    return db.session.scalar(sa.select(ActionItem).where(ActionItem.public_id == public_id))


# ── helpers ────────────────────────────────────────────────────────────────────

_FULL = (selectinload(Postmortem.actions), selectinload(Postmortem.versions))


def _render(parts: Mapping[Part, str]) -> tuple[dict[str, str], dict[str, str]]:
    words = {part.value: clean(parts.get(part, "")) for part in Part}
    # White space at the ends stays, so that programs read what they wrote.
    words = {name: text for name, text in words.items() if text.strip()}
    html = {}
    for name, text in words.items():
        try:
            html[name] = str(to_html(text))
        except Invalid as invalid:
            raise Invalid(**{name: str(invalid)}) from invalid
    return words, html


def _redact_parts(
    row: Postmortem | PostmortemVersion, parts: str, html: str, secret: str, mark: str
) -> int:
    words: dict[str, str] = getattr(row, parts) or {}
    rendered: dict[str, str] = getattr(row, html) or {}
    clear = {
        name: redact_text(words.get(name, ""), rendered.get(name, ""), secret, mark)
        for name in {**words, **rendered}
    }
    count = (
        {name: text for name, (text, _) in clear.items()},
        {n: h for n, (_, h) in clear.items()},
    )
    if count == (words, rendered):
        return 0
    setattr(row, parts, count[0])
    setattr(row, html, count[1])
    return 1


def _check_actions(actions: Sequence[Action]) -> None:
    for action in actions:
        if not 1 <= len(clean(action.title).strip()) <= 300:
            raise Invalid(actions="Each action needs a title of 1 to 300 characters.")


def _set_actions(postmortem: Postmortem, actions: Sequence[Action], at: datetime) -> None:
    present = {item.public_id: item for item in postmortem.actions}
    remaining = []
    for position, action in enumerate(actions, start=1):
        title = clean(action.title).strip()
        item = present.get(action.public_id or "") or ActionItem()
        if action.state is ActionState.DONE and item.state is not ActionState.DONE:
            item.done_at = at
        if action.state is not ActionState.DONE:
            item.done_at = None
        item.position, item.title, item.state = position, title, action.state
        item.due_on, item.owner = action.due_on, clean(action.owner or "").strip() or None
        remaining.append(item)
    postmortem.actions = remaining


def _keep_version(postmortem: Postmortem, by: Actor, at: datetime, reason: str | None) -> None:
    postmortem.versions.append(
        PostmortemVersion(
            number=len(postmortem.versions) + 1,
            parts=postmortem.published_parts,
            parts_html=postmortem.published_html,
            replaced_at=at,
            replaced_by=by.name,
            reason=clean(reason).strip() or None if reason else None,
        )
    )


def _record(
    kind: str,
    postmortem: Postmortem,
    by: Actor,
    at: datetime,
    data: dict[str, Any] | None = None,
    notify: bool = False,
) -> None:
    event_data = {"postmortem": postmortem.public_id, **(data or {})}
    updates.record(kind, postmortem.incident, by=by, at=at, data=event_data, notify=notify)
