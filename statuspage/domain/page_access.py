"""Page access: people and groups outside the team, and the components and metrics they are about.

Owns their tables and every rule about them. Who is entered here is remembered; nothing is
hidden from anybody else by it. The log holds no address.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import (
    InstrumentedAttribute,
    Mapped,
    mapped_column,
    relationship,
    with_parent,
)

from statuspage.db import Model, PublicId, db
from statuspage.domain import events
from statuspage.domain.components.models import Component
from statuspage.domain.events import Actor
from statuspage.domain.metrics import Metric
from statuspage.domain.subscribers import addresses
from statuspage.errors import Conflict, Invalid
from statuspage.lib import email_address
from statuspage.lib.markdown import clean

MAX_TEXT = 255


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
    """As it was written: some programs compare. Two spellings of one address are one."""
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


Holder: TypeAlias = PageAccessUser | PageAccessGroup
"""Who components and metrics are given to."""


@dataclass(frozen=True)
class Members:
    """Public ids of what belongs to a group, in the order in which it was made."""

    users: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()


# ── verbs ──────────────────────────────────────────────────────────────────────


def add_user(
    *,
    email: str | None,
    external_login: str | None,
    by: Actor,
    at: datetime,
    groups: Sequence[PageAccessGroup] = (),
) -> PageAccessUser:
    """Raises `Invalid` without an address and a login, `Conflict` where one is taken."""
    user = PageAccessUser(created_at=at, updated_at=at)
    _identify(user, email, external_login)
    user.groups = list(groups)
    db.session.add(user)
    _record("added", user, by, at)
    return user


def edit_user(
    user: PageAccessUser,
    *,
    email: str | None,
    external_login: str | None,
    groups: Sequence[PageAccessGroup] | None = None,
    by: Actor,
    at: datetime,
) -> None:
    """`groups` None: as they are. Raises as `add_user`."""
    _identify(user, email, external_login)
    if groups is not None:
        user.groups = list(groups)
    _touch("edited", user, by, at)


def add_group(
    name: str,
    *,
    external_identifier: str | None = None,
    users: Sequence[PageAccessUser] = (),
    by: Actor,
    at: datetime,
) -> PageAccessGroup:
    """Raises `Invalid` without a name."""
    group = PageAccessGroup(created_at=at, updated_at=at)
    _name(group, name, external_identifier)
    group.users = list(users)
    db.session.add(group)
    _record("added", group, by, at)
    return group


def edit_group(
    group: PageAccessGroup,
    *,
    name: str,
    external_identifier: str | None,
    users: Sequence[PageAccessUser] | None = None,
    by: Actor,
    at: datetime,
) -> None:
    """`users` None: as they are. Raises `Invalid` without a name."""
    _name(group, name, external_identifier)
    if users is not None:
        group.users = list(users)
    _touch("edited", group, by, at)


def remove(holder: Holder, *, by: Actor, at: datetime) -> None:
    """What was given to them stays, and so do a group's users; a user's subscriptions go."""
    _record("removed", holder, by, at)
    db.session.delete(holder)


def set_components(
    holder: Holder, components: Iterable[Component], *, by: Actor, at: datetime
) -> None:
    """They hold these and no others."""
    holder.components = list(dict.fromkeys(components))
    _touch("components_set", holder, by, at)


def set_metrics(holder: Holder, metrics: Iterable[Metric], *, by: Actor, at: datetime) -> None:
    """They hold these and no others."""
    holder.metrics = list(dict.fromkeys(metrics))
    _touch("metrics_set", holder, by, at)


def give_component(component: Component, to: Sequence[Holder], *, by: Actor, at: datetime) -> None:
    """Give a component to users or to groups; who holds it already goes on holding it."""
    for kind, (pairs, key) in _HELD.items():
        holders = {holder.id: holder for holder in to if isinstance(holder, kind)}
        present = sa.select(pairs.c[key]).where(pairs.c.component_id == component.id)
        added = holders.keys() - set(db.session.scalars(present.where(pairs.c[key].in_(holders))))
        if added:
            rows = [{key: holder_id, "component_id": component.id} for holder_id in sorted(added)]
            db.session.execute(sa.insert(pairs), rows)
        for holder_id in added:
            holders[holder_id].updated_at = at
    _record_access(component, by, at)


def take_component_from_users(component: Component, *, by: Actor, at: datetime) -> None:
    """No user holds it any more by themselves; those of groups that hold it still do."""
    _take_component(user_component, component, by, at)


def take_component_from_groups(component: Component, *, by: Actor, at: datetime) -> None:
    _take_component(group_component, component, by, at)


def _identify(user: PageAccessUser, email: str | None, external_login: str | None) -> None:
    email = addresses.email(email) if email else None
    external_login = _text("external_login", external_login)
    if email is None and external_login is None:
        raise Invalid(email="Enter an e-mail address or the login of an identity provider.")
    for column, value, words in (
        (PageAccessUser.email, email, "this e-mail address"),
        (PageAccessUser.external_login, external_login, "this external login"),
    ):
        if value is not None and _is_taken(column, value, by_other_than=user):
            raise Conflict(f"Another page access user has {words}.")
    user.email, user.external_login = email, external_login


def _is_taken(
    column: InstrumentedAttribute[str | None], value: str, by_other_than: PageAccessUser
) -> bool:
    query = sa.select(PageAccessUser.id).where(_spelt(column, value))
    with db.session.no_autoflush:
        rows = db.session.scalars(query).all()
    return any(row_id != by_other_than.id for row_id in rows)


def _spelt(column: InstrumentedAttribute[str | None], value: str) -> sa.ColumnElement[bool]:
    """Letters of an address may be large or small; those of a login differ."""
    if column is PageAccessUser.email:
        return sa.func.lower(column).in_(email_address.spellings(value))
    return column == value


def _name(group: PageAccessGroup, name: str, external_identifier: str | None) -> None:
    name_given = _text("name", name)
    if name_given is None:
        raise Invalid(name="Enter a name for the group.")
    group.name = name_given
    group.external_identifier = _text("external_identifier", external_identifier)


def _text(field: str, text: str | None) -> str | None:
    text = clean(text or "").strip()
    if len(text) > MAX_TEXT:
        raise Invalid(**{field: f"Use at most {MAX_TEXT} characters."})
    return text or None


def _take_component(pairs: sa.Table, component: Component, by: Actor, at: datetime) -> None:
    db.session.execute(sa.delete(pairs).where(pairs.c.component_id == component.id))
    _record_access(component, by, at)


_HELD: dict[type[Holder], tuple[sa.Table, str]] = {
    PageAccessUser: (user_component, "access_user_id"),
    PageAccessGroup: (group_component, "access_group_id"),
}


def _touch(happened: str, holder: Holder, by: Actor, at: datetime) -> None:
    holder.updated_at = at
    _record(happened, holder, by, at)


def _record(happened: str, holder: Holder, by: Actor, at: datetime) -> None:
    noun, title = "page_access_user", "Page access user"
    if isinstance(holder, PageAccessGroup):
        noun, title = "page_access_group", holder.name
    db.session.flush()
    events.record(
        f"{noun}.{happened}",
        subject=holder.public_id,
        title=title,
        by=by,
        at=at,
        is_public=False,
    )


def _record_access(component: Component, by: Actor, at: datetime) -> None:
    events.record(
        "component.page_access_changed",
        subject=component.public_id,
        title=component.statuspage_name,
        by=by,
        at=at,
        is_public=False,
    )


# ── finders ────────────────────────────────────────────────────────────────────


def get_user(public_id: str) -> PageAccessUser | None:
    return db.session.scalar(sa.select(PageAccessUser).where(PageAccessUser.public_id == public_id))


def get_group(public_id: str) -> PageAccessGroup | None:
    query = sa.select(PageAccessGroup).where(PageAccessGroup.public_id == public_id)
    return db.session.scalar(query)


def users(*, email: str | None = None, offset: int, limit: int) -> list[PageAccessUser]:
    """The oldest first; with an address, who has it."""
    query = sa.select(PageAccessUser).order_by(PageAccessUser.id).offset(offset).limit(limit)
    if email is not None:
        query = query.where(_spelt(PageAccessUser.email, email))
    return list(db.session.scalars(query))


def groups(*, offset: int, limit: int) -> list[PageAccessGroup]:
    """The oldest first."""
    query = sa.select(PageAccessGroup).order_by(PageAccessGroup.id).offset(offset).limit(limit)
    return list(db.session.scalars(query))


def users_with_ids(public_ids: Iterable[str]) -> dict[str, PageAccessUser]:
    """By public id; unknown ones are left out."""
    query = sa.select(PageAccessUser).where(PageAccessUser.public_id.in_(list(public_ids)))
    return {user.public_id: user for user in db.session.scalars(query)}


def groups_with_ids(public_ids: Iterable[str]) -> dict[str, PageAccessGroup]:
    """By public id; unknown ones are left out."""
    query = sa.select(PageAccessGroup).where(PageAccessGroup.public_id.in_(list(public_ids)))
    return {group.public_id: group for group in db.session.scalars(query)}


def groups_of(members: Iterable[PageAccessUser]) -> dict[int, tuple[str, ...]]:
    """Row id of a user → public ids of their groups, the oldest first."""
    query = (
        sa.select(group_user.c.access_user_id, PageAccessGroup.public_id)
        .join(PageAccessGroup, PageAccessGroup.id == group_user.c.access_group_id)
        .where(group_user.c.access_user_id.in_([user.id for user in members]))
        .order_by(PageAccessGroup.id)
    )
    return _by_row(query)


def members_of(those: Sequence[PageAccessGroup]) -> dict[int, Members]:
    """Row id → everything that belongs to a group; components on the page only."""
    ids = [group.id for group in those]
    users = _by_row(_members(ids, group_user, PageAccessUser))
    shown = _members(ids, group_component, Component).where(Component.archived_at.is_(None))
    components = _by_row(shown)
    metrics = _by_row(_members(ids, group_metric, Metric))
    return {
        public_id: Members(
            users.get(public_id, ()), components.get(public_id, ()), metrics.get(public_id, ())
        )
        for public_id in ids
    }


def components_of(holder: Holder, *, offset: int, limit: int) -> list[Component]:
    """Those on the page of what they hold, by position."""
    query = (
        sa.select(Component)
        .where(with_parent(holder, type(holder).components), Component.archived_at.is_(None))
        .order_by(Component.position, Component.id)
    )
    return list(db.session.scalars(query.offset(offset).limit(limit)))


def components_for(user: PageAccessUser) -> list[Component]:
    """Those on the page that they hold by themselves or by a group, by position."""
    theirs = sa.select(user_component.c.component_id).where(
        user_component.c.access_user_id == user.id
    )
    by_group = (
        sa.select(group_component.c.component_id)
        .join(group_user, group_user.c.access_group_id == group_component.c.access_group_id)
        .where(group_user.c.access_user_id == user.id)
    )
    query = sa.select(Component).where(
        sa.or_(Component.id.in_(theirs), Component.id.in_(by_group)),
        Component.archived_at.is_(None),
    )
    return list(db.session.scalars(query.order_by(Component.position, Component.id)))


def metrics_of(holder: Holder, *, offset: int, limit: int) -> list[Metric]:
    """By position."""
    query = sa.select(Metric).where(with_parent(holder, type(holder).metrics))
    query = query.order_by(Metric.position, Metric.id).offset(offset).limit(limit)
    return list(db.session.scalars(query))


def _members(
    group_ids: Sequence[int],
    pairs: sa.Table,
    kind: type[PageAccessUser] | type[Component] | type[Metric],
) -> sa.Select[int, str]:
    return (
        sa.select(pairs.c.access_group_id, kind.public_id)
        .join(kind, kind.id == pairs.c[f"{kind.__tablename__}_id"])
        .where(pairs.c.access_group_id.in_(group_ids))
        .order_by(kind.id)
    )


def _by_row(query: sa.Select[int, str]) -> dict[int, tuple[str, ...]]:
    names: dict[int, list[str]] = {}
    for row_id, public_id in db.session.execute(query):
        names.setdefault(row_id, []).append(public_id)
    return {row_id: tuple(ids) for row_id, ids in names.items()}
