"""Page access: people and groups outside the team, and the components and metrics they are about.

Owns their tables and every rule about them.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from statuspage.db import Model, PublicId, db
from statuspage.domain.components import Component
from statuspage.domain.metrics import Metric


def _pairs(name: str, left: str, right: str) -> sa.Table:
    def key(table: str) -> sa.Column[int]:
        return sa.Column(
            f"{table}_id", sa.ForeignKey(f"{table}.id", ondelete="CASCADE"), primary_key=True
        )

    return sa.Table(name, db.metadata, key(left), key(right))


group_user = _pairs("access_group_user", "access_group", "access_user")
group_component = _pairs("access_group_component", "access_group", "component")
group_metric = _pairs("access_group_metric", "access_group", "metric")
user_component = _pairs("access_user_component", "access_user", "component")
user_metric = _pairs("access_user_metric", "access_user", "metric")


class PageAccessUser(Model):
    __tablename__ = "access_user"

    public_id: Mapped[PublicId]
    email: Mapped[str | None] = mapped_column(unique=True)
    """Lower case."""
    external_login: Mapped[str | None] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    groups: Mapped[list["PageAccessGroup"]] = relationship(
        secondary=group_user, back_populates="users"
    )
    components: Mapped[list[Component]] = relationship(secondary=user_component)
    metrics: Mapped[list[Metric]] = relationship(secondary=user_metric)


class PageAccessGroup(Model):
    __tablename__ = "access_group"

    public_id: Mapped[PublicId]
    name: Mapped[str]
    external_identifier: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    users: Mapped[list[PageAccessUser]] = relationship(
        secondary=group_user, back_populates="groups"
    )
    components: Mapped[list[Component]] = relationship(secondary=group_component)
    metrics: Mapped[list[Metric]] = relationship(secondary=group_metric)


def get_user(public_id: str) -> PageAccessUser | None:
    return db.session.scalar(sa.select(PageAccessUser).where(PageAccessUser.public_id == public_id))
