"""Incident templates: words prepared in calm for the hour when there is none.

Owns their tables and every rule about them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship, selectinload

from statuspage.db import Model, PublicId, db
from statuspage.domain import events
from statuspage.domain.components.models import Component
from statuspage.domain.events import Actor
from statuspage.domain.statuses import IncidentStatus
from statuspage.errors import Invalid
from statuspage.lib.markdown import clean, to_html

MAX_NAME = 255

template_component = sa.Table(
    "incident_template_component",
    db.metadata,
    sa.Column(
        "template_id", sa.ForeignKey("incident_template.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("component_id", sa.ForeignKey("component.id", ondelete="CASCADE"), primary_key=True),
)


class IncidentTemplate(Model):
    public_id: Mapped[PublicId]
    name: Mapped[str]
    """What staff choose it by."""
    title: Mapped[str]
    """The name of the incident that it fills in."""
    body: Mapped[str]
    group_name: Mapped[str | None]
    """Templates of one kind stand together."""
    update_status: Mapped[IncidentStatus | None]
    notify: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    components: Mapped[list[Component]] = relationship(
        secondary=template_component, order_by=(Component.position, Component.id)
    )


@dataclass(frozen=True)
class TemplateInput:
    name: str
    """What staff choose it by."""
    title: str
    """The name of the incident."""
    body: str
    group_name: str | None = None
    update_status: IncidentStatus | None = None
    notify: bool = True
    components: Sequence[Component] = ()


# ── verbs ──────────────────────────────────────────────────────────────────────


def create(fields: TemplateInput, *, by: Actor, at: datetime) -> IncidentTemplate:
    """A new template. Raises `Invalid` naming each wrong field."""
    template = IncidentTemplate(created_at=at)
    _fill(template, fields)
    db.session.add(template)
    _record("template.created", template, by, at)
    return template


def edit(template: IncidentTemplate, fields: TemplateInput, *, by: Actor, at: datetime) -> None:
    """Rewrite a template. Raises `Invalid` naming each wrong field."""
    _fill(template, fields)
    _record("template.edited", template, by, at)


def remove(template: IncidentTemplate, *, by: Actor, at: datetime) -> None:
    """Throw a template away; what was written with it stays."""
    _record("template.removed", template, by, at)
    db.session.delete(template)


# ── finders ────────────────────────────────────────────────────────────────────


def get(public_id: str) -> IncidentTemplate | None:
    return db.session.scalar(
        sa.select(IncidentTemplate).where(IncidentTemplate.public_id == public_id)
    )


def listed() -> list[IncidentTemplate]:
    """All templates with their components, by name."""
    query = sa.select(IncidentTemplate).order_by(IncidentTemplate.name, IncidentTemplate.id)
    return list(db.session.scalars(query.options(selectinload(IncidentTemplate.components))))


# ── helpers ────────────────────────────────────────────────────────────────────


def _fill(template: IncidentTemplate, fields: TemplateInput) -> None:
    errors = {}
    name, title, body = (clean(words).strip() for words in (fields.name, fields.title, fields.body))
    if not 0 < len(name) <= MAX_NAME:
        errors["name"] = f"Enter a template name of 1 to {MAX_NAME} characters."
    if not 0 < len(title) <= MAX_NAME:
        errors["title"] = f"Enter an incident name of 1 to {MAX_NAME} characters."
    if not body:
        errors["body"] = "Write a message for customers."
    try:
        to_html(body)
    except Invalid as invalid:
        errors |= invalid.errors
    if fields.group_name is not None and len(fields.group_name) > MAX_NAME:
        errors["group_name"] = f"Enter a group name of at most {MAX_NAME} characters."
    if errors:
        raise Invalid(**errors)
    template.name, template.title, template.body = name, title, body
    template.group_name = clean(fields.group_name or "").strip() or None
    template.update_status, template.notify = fields.update_status, fields.notify
    template.components = list(fields.components)


def _record(kind: str, template: IncidentTemplate, by: Actor, at: datetime) -> None:
    db.session.flush()
    events.record(
        kind, subject=template.public_id, title=template.name, by=by, at=at, is_public=False
    )
