"""The tables of components and their groups."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from statuspage.db import Model, PublicId


class ComponentGroup(Model):
    public_id: Mapped[PublicId]
    name: Mapped[str]
    description: Mapped[str | None]
    position: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Component(Model):
    public_id: Mapped[PublicId]
    name: Mapped[str]
    description: Mapped[str | None]
    group_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("component_group.id", ondelete="SET NULL"), index=True
    )
    position: Mapped[int] = mapped_column(default=1)
    """Numbered from 1 within the group, or among groups and components without one."""
    showcase: Mapped[bool] = mapped_column(default=True)
    """Bars and uptime are shown."""
    only_show_if_degraded: Mapped[bool] = mapped_column(default=False)
    start_date: Mapped[date | None]
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    group: Mapped[ComponentGroup | None] = relationship(lazy="joined")

    @property
    def full_name(self) -> str:
        """`Payments › Card payments`, for people."""
        return f"{self.group.name} › {self.name}" if self.group else self.name

    @property
    def statuspage_name(self) -> str:
        """`Payments - Card payments`, as Statuspage's API has it and updates keep it."""
        return f"{self.group.name} - {self.name}" if self.group else self.name

    def first_day(self, zone: ZoneInfo) -> date:
        """From when on there is data: the day of its creation unless another was set."""
        return self.start_date or self.created_at.astimezone(zone).date()
