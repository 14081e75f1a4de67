"""Component groups of the Manage API. `description` stands beside `component_group`."""

from statuspage.domain.components import verbs as components
from statuspage.domain.components.models import ComponentGroup as Row
from statuspage.domain.tokens import Scope
from statuspage.errors import Invalid
from statuspage.web.api_v1.components import by_ids
from statuspage.web.api_v1.operations import Call, OrNone, operation
from statuspage.web.api_v1.shapes import Moment, Shape, seconds
from statuspage.web.json_errors import Refused
from statuspage.web.operations import Body, Nothing

GROUPS = "/pages/{page_id}/component-groups"
GROUP = "/pages/{page_id}/component-groups/{id}"


class GroupComponent(Shape):
    id: str
    page_id: str
    name: str
    description: str | None
    components: list[str]
    """Ids of its components, by position."""
    position: int
    created_at: Moment
    updated_at: Moment


class GroupFields(Body):
    name: str | None = None
    components: list[str] | None = None
    """Ids. They move into the group in this order; components left out move to the top level."""
    description: OrNone[str] = None


class GroupBody(Body):
    component_group: GroupFields = GroupFields()
    description: OrNone[str] = None

    def description_or(self, present: str | None) -> str | None:
        """What was sent, beside the group or within it; else what there is."""
        if "description" in self.model_fields_set:
            return self.description
        if "description" in self.component_group.model_fields_set:
            return self.component_group.description
        return present


@operation(
    "GET", GROUPS, needs=Scope.READ, returns=list[GroupComponent], query=("page", "per_page")
)
def list_groups(call: Call[Nothing]) -> list[GroupComponent]:
    """Every group, by position."""
    return _serialize_all(call, call.window.of(components.groups()))


@operation(
    "POST", GROUPS, needs=Scope.COMPONENTS, body=GroupBody, returns=GroupComponent, success=201
)
def create_group(call: Call[GroupBody]) -> GroupComponent:
    """A new group of existing components, last on the page."""
    sent = call.body.component_group
    if sent.components is None:
        raise Invalid(components="Send the ids of the components in the group.")
    members = by_ids(sent.components)
    row = components.add_group(
        sent.name or "", description=call.body.description_or(None), by=call.by, at=call.at
    )
    components.set_members(row, members, by=call.by, at=call.at)
    return _serialize(call, row)


@operation("GET", GROUP, needs=Scope.READ, returns=GroupComponent)
def read_group(call: Call[Nothing], id: str) -> GroupComponent:  # noqa: A002  the name in the path
    """One group."""
    return _serialize(call, find(id))


@operation("PATCH", GROUP, needs=Scope.COMPONENTS, body=GroupBody, returns=GroupComponent)
def update_group(call: Call[GroupBody], id: str) -> GroupComponent:  # noqa: A002  the name in the path
    """Update the fields sent; a list of components replaces the current one."""
    row = find(id)
    sent = call.body.component_group
    components.edit_group(
        row,
        name=(sent.name or "") if "name" in sent.model_fields_set else row.name,
        description=call.body.description_or(row.description),
        by=call.by,
        at=call.at,
    )
    if sent.components is not None:
        components.set_members(row, by_ids(sent.components), by=call.by, at=call.at)
    return _serialize(call, row)


@operation("DELETE", GROUP, needs=Scope.COMPONENTS, returns=GroupComponent)
def delete_group(call: Call[Nothing], id: str) -> GroupComponent:  # noqa: A002  the name in the path
    """Delete a group; its components move to the top level."""
    row = find(id)
    answer = _serialize(call, row)
    components.remove_group(row, by=call.by, at=call.at)
    return answer


def find(group_id: str) -> Row:
    """Raises `Refused` (404)."""
    row = components.get_group(group_id)
    if row is None:
        raise Refused(404, "There is no component group with this id.")
    return row


def _serialize(call: Call[Body], row: Row) -> GroupComponent:
    (answer,) = _serialize_all(call, [row])
    return answer


def _serialize_all(call: Call[Body], rows: list[Row]) -> list[GroupComponent]:
    listed = components.listed()
    return [
        GroupComponent(
            id=row.public_id,
            page_id=call.page.public_id,
            name=row.name,
            description=row.description,
            components=[
                component.public_id for component in listed if component.group_id == row.id
            ],
            position=row.position,
            created_at=seconds(row.created_at, call.page.zone),
            updated_at=seconds(row.updated_at, call.page.zone),
        )
        for row in rows
    ]
