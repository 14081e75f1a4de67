"""Page access of a component, by the Manage API: which users and groups it is given to."""

from statuspage.domain import page_access
from statuspage.web.api_v1.components import COMPONENT, Component, ComponentSerializer, find
from statuspage.web.api_v1.operations import Call, operation
from statuspage.web.api_v1.page_access import NEEDS, groups_named, users_named
from statuspage.web.operations import Body, Nothing


class UserIds(Body):
    page_access_user_ids: list[str]


class GroupIds(Body):
    page_access_group_ids: list[str]


@operation(
    "POST",
    f"{COMPONENT}/page_access_users",
    needs=NEEDS,
    body=UserIds,
    returns=Component,
    success=201,
)
def give_to_users(call: Call[UserIds], component_id: str) -> Component:
    """Give these users access to a component as well."""
    row = find(component_id)
    users = users_named(call.body.page_access_user_ids)
    page_access.give_component(row, users, by=call.by, at=call.at)
    return ComponentSerializer(call).component(row)


@operation("DELETE", f"{COMPONENT}/page_access_users", needs=NEEDS, returns=Component)
def take_from_users(call: Call[Nothing], component_id: str) -> Component:
    """Remove a component from all users. Their groups keep it."""
    row = find(component_id)
    page_access.take_component_from_users(row, by=call.by, at=call.at)
    return ComponentSerializer(call).component(row)


@operation(
    "POST",
    f"{COMPONENT}/page_access_groups",
    needs=NEEDS,
    body=GroupIds,
    returns=Component,
    success=201,
)
def give_to_groups(call: Call[GroupIds], component_id: str) -> Component:
    """Give these groups access to a component as well."""
    row = find(component_id)
    groups = groups_named(call.body.page_access_group_ids)
    page_access.give_component(row, groups, by=call.by, at=call.at)
    return ComponentSerializer(call).component(row)


@operation("DELETE", f"{COMPONENT}/page_access_groups", needs=NEEDS, returns=Component)
def take_from_groups(call: Call[Nothing], component_id: str) -> Component:
    """Remove a component from all groups."""
    row = find(component_id)
    page_access.take_component_from_groups(row, by=call.by, at=call.at)
    return ComponentSerializer(call).component(row)
