"""Components and component groups: the parts of the service that customers know.

Owns the rules about their names, order and groups. Their status is in `claims_store`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.components import claims_store
from statuspage.domain.components.models import Component, ComponentGroup
from statuspage.domain.events import Actor, Event
from statuspage.errors import Invalid
from statuspage.lib.markdown import clean, printable

MAX_NAME = 255


@dataclass(frozen=True)
class ComponentEdit:
    """Everything that an edit of a component may change."""

    name: str
    description: str | None
    group: ComponentGroup | None
    start_date: date | None
    showcase: bool
    only_show_if_degraded: bool


def add_component(
    name: str,
    *,
    by: Actor,
    at: datetime,
    group: ComponentGroup | None = None,
    description: str | None = None,
    start_date: date | None = None,
    showcase: bool = True,
    only_show_if_degraded: bool = False,
) -> Component:
    """A new operational component, last in its group. Raises `Invalid` on an empty name."""
    component = Component(created_at=at, updated_at=at, group=group)
    _describe(component, name, description)
    component.group_id = group.id if group else None
    component.start_date = start_date
    component.showcase = showcase
    component.only_show_if_degraded = only_show_if_degraded
    component.position = _next_position(group)
    db.session.add(component)
    _record("component.added", component, by, at)
    return component


def edit_component(component: Component, edit: ComponentEdit, *, by: Actor, at: datetime) -> None:
    """Change what a component is called and where it stands. Raises `Invalid`."""
    group = edit.group
    _describe(component, edit.name, edit.description)
    if component.group_id != (group.id if group else None):
        component.position = _next_position(group)
        component.group = group
        component.group_id = group.id if group else None
    component.start_date = edit.start_date
    component.showcase = edit.showcase
    component.only_show_if_degraded = edit.only_show_if_degraded
    component.updated_at = at
    _record("component.edited", component, by, at)


def archive(component: Component, *, by: Actor, at: datetime) -> None:
    """Take a component off the page; its history stays. Its claims in force end."""
    component.archived_at = component.updated_at = at
    claims_store.release(component, at=at)
    _record("component.archived", component, by, at)


def restore(component: Component, *, by: Actor, at: datetime) -> None:
    """Put an archived component back on the page."""
    component.archived_at = None
    component.updated_at = at
    _record("component.restored", component, by, at)


def add_group(
    name: str, *, by: Actor, at: datetime, description: str | None = None
) -> ComponentGroup:
    """A new empty group, last on the page. Raises `Invalid` on an empty name."""
    group = ComponentGroup(created_at=at, updated_at=at, position=_next_position(None))
    _describe(group, name, description)
    db.session.add(group)
    _record("group.added", group, by, at)
    return group


def edit_group(
    group: ComponentGroup,
    *,
    by: Actor,
    at: datetime,
    name: str,
    description: str | None,
) -> None:
    """Rename or describe a group. Raises `Invalid` on an empty name."""
    _describe(group, name, description)
    group.updated_at = at
    _record("group.edited", group, by, at)


def remove_group(group: ComponentGroup, *, by: Actor, at: datetime) -> Event:
    """Delete a group; its components move to the top level, at the end.

    Its event keeps what it was, for `restore_group`.
    """
    content = {
        "description": group.description,
        "position": group.position,
        "components": [row.public_id for row in listed(archived=True) if row.group_id == group.id],
    }
    for component in listed(archived=True):
        if component.group_id == group.id:
            component.position = _next_position(None)
            component.group = None
            component.group_id = None
            db.session.flush()
    event = _record("group.removed", group, by, at, {"group": content})
    db.session.delete(group)
    return event


def restore_group(event: Event, *, by: Actor, at: datetime) -> ComponentGroup:
    """Bring back the group that `remove_group` deleted, under its id and with those of its
    components that no other group has taken. Raises `Invalid`."""
    content = event.data.get("group")
    if content is None:
        raise Invalid(group="This group was not kept, so it cannot be restored.")
    if get_group(event.subject) is not None:
        raise Invalid(group="This group has already been restored.")
    group = ComponentGroup(
        public_id=event.subject, position=content["position"], created_at=at, updated_at=at
    )
    _describe(group, event.title, content["description"])
    db.session.add(group)
    db.session.flush()
    free = {row.public_id: row for row in listed(archived=True) if row.group_id is None}
    members = [free[public_id] for public_id in content["components"] if public_id in free]
    for position, component in enumerate(members, start=1):
        component.position = position
        component.group, component.group_id = group, group.id
    _record("group.restored", group, by, at)
    return group


def set_members(
    group: ComponentGroup, members: Sequence[Component], *, by: Actor, at: datetime
) -> None:
    """The group holds exactly these, in this order; whom it held besides goes to the top level."""
    chosen = {component.id for component in members}
    for component in listed(archived=True):
        if component.group_id == group.id and component.id not in chosen:
            component.position = _next_position(None)
            component.group, component.group_id = None, None
            db.session.flush()
    for position, component in enumerate(members, start=1):
        component.position = position
        component.group, component.group_id = group, group.id
    group.updated_at = at
    _record("group.members_set", group, by, at)


def arrange(
    order: Sequence[Component | ComponentGroup],
    children: Mapping[ComponentGroup, Sequence[Component]],
    *,
    by: Actor,
    at: datetime,
) -> None:
    """Order the page: the top level, and the components of each group.

    A component moves to where it is named. Raises `Invalid` when something is
    named twice.
    """
    placed = [*order, *(child for group in children.values() for child in group)]
    if len(set(map(id, placed))) != len(placed):
        raise Invalid(order="Each component can be listed only once.")
    for position, item in enumerate(order, start=1):
        item.position = position
        if isinstance(item, Component):
            item.group, item.group_id = None, None
    for group, members in children.items():
        for position, component in enumerate(members, start=1):
            component.position = position
            component.group, component.group_id = group, group.id
    events.record("components.arranged", subject="components", title="Components", by=by, at=at)


def get(public_id: str) -> Component | None:
    return db.session.scalar(sa.select(Component).where(Component.public_id == public_id))


def get_group(public_id: str) -> ComponentGroup | None:
    return db.session.scalar(sa.select(ComponentGroup).where(ComponentGroup.public_id == public_id))


def listed(*, archived: bool = False) -> list[Component]:
    """Components in the order of the page, their groups loaded; archived ones too when asked."""
    query = sa.select(Component).order_by(Component.position, Component.id)
    if not archived:
        query = query.where(Component.archived_at.is_(None))
    return sorted(db.session.scalars(query), key=_place)


def _place(row: Component) -> tuple[int, int, int]:
    """A group stands among the components without one; the older first at the same position."""
    if row.group is None:
        return row.position, 0, row.position
    return row.group.position, row.group.id, row.position


def groups() -> list[ComponentGroup]:
    """Groups by position."""
    query = sa.select(ComponentGroup).order_by(ComponentGroup.position, ComponentGroup.id)
    return list(db.session.scalars(query))


def _describe(item: Component | ComponentGroup, name: str, description: str | None) -> None:
    name = clean(name).strip()
    if not name or len(name) > MAX_NAME:
        raise Invalid(name=f"Enter a name of 1 to {MAX_NAME} characters.")
    item.name = name
    item.description = printable(description).strip() or None if description else None


def _next_position(group: ComponentGroup | None) -> int:
    taken = sa.select(sa.func.max(Component.position)).where(
        Component.group_id == (group.id if group else None)
    )
    highest = [db.session.scalar(taken) or 0]
    if group is None:
        highest.append(db.session.scalar(sa.select(sa.func.max(ComponentGroup.position))) or 0)
    return max(highest) + 1


def _record(
    kind: str,
    item: Component | ComponentGroup,
    by: Actor,
    at: datetime,
    data: dict[str, object] | None = None,
    notify: bool = False,
) -> Event:
    db.session.flush()
    return events.record(
        kind,
        subject=item.public_id,
        title=item.name,
        by=by,
        at=at,
        data=data,
        notify=notify,
    )
