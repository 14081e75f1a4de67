"""Incident templates: words prepared in calm for the hour when there is none."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from statuspage.db import Model, PublicId, db
from statuspage.domain.components import Component
from statuspage.domain.status import IncidentStatus

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
    components: Mapped[list[Component]] = relationship(secondary=template_component)
