"""The order of components and groups, as the buttons and the dragging of the desk change it."""

from collections.abc import Sequence

from statuspage.domain.components import verbs as components
from statuspage.domain.components.models import Component, ComponentGroup
from statuspage.errors import Invalid

Item = Component | ComponentGroup


def present() -> tuple[list[Item], dict[ComponentGroup, list[Component]]]:
    """The order of the page as it stands; archived components keep their place."""
    everything = components.listed(archived=True)
    groups = components.groups()
    top: list[Item] = [item for item in everything if item.group_id is None]
    top += groups
    top.sort(key=lambda item: (item.position, item.id))
    children = {
        group: [item for item in everything if item.group_id == group.id] for group in groups
    }
    return top, children


def move(
    top: list[Item],
    children: dict[ComponentGroup, list[Component]],
    moved: str,
    by: int,
) -> None:
    """Move one item past the next visible one among its siblings."""
    siblings: list[Sequence[Item]] = [top, *children.values()]
    for row in siblings:
        names = [name(item) for item in row]
        if moved in names:
            place = names.index(moved)
            target = place + by
            while 0 <= target < len(row) and is_archived(row[target]):
                target += by
            if 0 <= target < len(row):
                row.insert(target, row.pop(place))  # type: ignore[attr-defined]
            return


def dragged(order: str) -> tuple[list[Item], dict[ComponentGroup, list[Component]]]:
    """`c-A g-B c-C/g-B`: top level items in order, members as component/group.

    What is not named keeps its place behind what is. Raises `Invalid` on an unknown name.
    """
    top, children = present()
    by_name: dict[str, Item] = {name(item): item for item in top}
    by_name |= {name(member): member for members in children.values() for member in members}
    new_top: list[Item] = []
    new_children: dict[ComponentGroup, list[Component]] = {group: [] for group in children}
    for word in order.split():
        moved, _, parent = word.partition("/")
        item, group = by_name.get(moved), by_name.get(parent)
        if item is None or (parent and not isinstance(group, ComponentGroup)):
            raise Invalid(
                order="The components changed in the meantime. Check the list and reorder again."
            )
        if isinstance(group, ComponentGroup) and isinstance(item, Component):
            new_children[group].append(item)
        else:
            new_top.append(item)
    placed = {id(item) for item in new_top}
    placed |= {id(member) for members in new_children.values() for member in members}
    new_top += [item for item in top if id(item) not in placed]
    for group, members in children.items():
        new_children[group] += [member for member in members if id(member) not in placed]
    return new_top, new_children


def name(item: Item) -> str:
    return f"{'c' if isinstance(item, Component) else 'g'}-{item.public_id}"


def is_archived(item: Item) -> bool:
    return isinstance(item, Component) and item.archived_at is not None
