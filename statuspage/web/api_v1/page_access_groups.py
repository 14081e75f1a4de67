"""Page access groups of the Manage API: users under one name, and what is given to them.

Kept for the programs that keep them; nothing is hidden from anybody else.
"""

from typing import Any

from pydantic import model_validator

from statuspage.domain import page_access as access
from statuspage.domain.page_access import PageAccessGroup as Row
from statuspage.web.api_v1 import metrics, page_access
from statuspage.web.api_v1.components import Component
from statuspage.web.api_v1.operations import Call, OrNone, operation
from statuspage.web.api_v1.page_access import (
    NEEDS,
    ComponentIds,
    SomeComponentIds,
    find_group,
    users_named,
)
from statuspage.web.api_v1.shapes import Moment, Shape, seconds
from statuspage.web.json_bodies import wrapped
from statuspage.web.operations import Body, Nothing

GROUPS = "/pages/{page_id}/page_access_groups"
GROUP = "/pages/{page_id}/page_access_groups/{page_access_group_id}"
PAGED = ("page", "per_page")


class PageAccessGroup(Shape):
    id: str
    page_id: str
    name: str
    page_access_user_ids: list[str]
    external_identifier: str | None
    metric_ids: list[str]
    component_ids: list[str]
    created_at: Moment
    updated_at: Moment


class GroupFields(Body):
    name: str | None = None
    external_identifier: OrNone[str] = None
    """Its name at the identity provider."""
    component_ids: list[str] | None = None
    metric_ids: list[str] | None = None
    page_access_user_ids: list[str] | None = None


class GroupBody(Body):
    page_access_group: GroupFields

    @model_validator(mode="before")
    @classmethod
    def _wrapped(cls, sent: Any) -> Any:
        return wrapped(sent, "page_access_group")


@operation("GET", GROUPS, needs=NEEDS, returns=list[PageAccessGroup], query=PAGED)
def list_groups(call: Call[Nothing]) -> list[PageAccessGroup]:
    """Every page access group, oldest first."""
    return _serialize_all(call, access.groups(offset=call.window.offset, limit=call.window.limit))


@operation("POST", GROUPS, needs=NEEDS, body=GroupBody, returns=PageAccessGroup, success=201)
def create_group(call: Call[GroupBody]) -> PageAccessGroup:
    """A new group, with its users, components and metrics."""
    sent = call.body.page_access_group
    row = access.add_group(
        sent.name or "",
        external_identifier=sent.external_identifier,
        users=users_named(sent.page_access_user_ids or []),
        by=call.by,
        at=call.at,
    )
    _give(call, row, sent)
    return _serialize(call, row)


@operation("GET", GROUP, needs=NEEDS, returns=PageAccessGroup)
def read_group(call: Call[Nothing], page_access_group_id: str) -> PageAccessGroup:
    """One page access group."""
    return _serialize(call, find_group(page_access_group_id))


@operation("PATCH", GROUP, needs=NEEDS, body=GroupBody, returns=PageAccessGroup)
def update_group(call: Call[GroupBody], page_access_group_id: str) -> PageAccessGroup:
    """Update the fields sent. A list replaces the current one."""
    row = find_group(page_access_group_id)
    sent = call.body.page_access_group
    fields = sent.said()
    ids = sent.page_access_user_ids
    access.edit_group(
        row,
        name=fields.get("name", row.name) or "",
        external_identifier=fields.get("external_identifier", row.external_identifier),
        users=None if ids is None else users_named(ids),
        by=call.by,
        at=call.at,
    )
    _give(call, row, sent)
    return _serialize(call, row)


@operation("DELETE", GROUP, needs=NEEDS, returns=PageAccessGroup)
def delete_group(call: Call[Nothing], page_access_group_id: str) -> PageAccessGroup:
    """Delete a group. Its users stay."""
    row = find_group(page_access_group_id)
    answer = _serialize(call, row)
    access.remove(row, by=call.by, at=call.at)
    return answer


def _give(call: Call[GroupBody], row: Row, sent: GroupFields) -> None:
    if sent.component_ids is not None:
        page_access.replace_components(call, row, sent.component_ids)
    if sent.metric_ids is not None:
        access.set_metrics(row, metrics.by_ids(sent.metric_ids), by=call.by, at=call.at)


# ── their components ───────────────────────────────────────────────────────────


@operation("GET", f"{GROUP}/components", needs=NEEDS, returns=list[Component], query=PAGED)
def list_components(call: Call[Nothing], page_access_group_id: str) -> list[Component]:
    """The components of a group."""
    return page_access.serialize_components(call, find_group(page_access_group_id))


@operation("PATCH", f"{GROUP}/components", needs=NEEDS, body=ComponentIds, returns=PageAccessGroup)
def add_components(call: Call[ComponentIds], page_access_group_id: str) -> PageAccessGroup:
    """Add components to a group."""
    row = find_group(page_access_group_id)
    page_access.give_components(call, row, call.body.component_ids)
    return _serialize(call, row)


@operation(
    "POST",
    f"{GROUP}/components",
    needs=NEEDS,
    body=ComponentIds,
    returns=PageAccessGroup,
    success=201,
)
def replace_components(call: Call[ComponentIds], page_access_group_id: str) -> PageAccessGroup:
    """Replace the components of a group."""
    row = find_group(page_access_group_id)
    page_access.replace_components(call, row, call.body.component_ids)
    return _serialize(call, row)


@operation(
    "DELETE", f"{GROUP}/components", needs=NEEDS, body=SomeComponentIds, returns=PageAccessGroup
)
def remove_components(call: Call[SomeComponentIds], page_access_group_id: str) -> PageAccessGroup:
    """Remove components from a group; without ids, all of them."""
    row = find_group(page_access_group_id)
    page_access.take_components(call, row, call.body.component_ids)
    return _serialize(call, row)


@operation("DELETE", f"{GROUP}/components/{{component_id}}", needs=NEEDS, returns=PageAccessGroup)
def remove_component(
    call: Call[Nothing], page_access_group_id: str, component_id: str
) -> PageAccessGroup:
    """Remove one component from a group."""
    row = find_group(page_access_group_id)
    page_access.take_component(call, row, component_id)
    return _serialize(call, row)


def _serialize(call: Call[Body], row: Row) -> PageAccessGroup:
    return _serialize_all(call, [row])[0]


def _serialize_all(call: Call[Body], rows: list[Row]) -> list[PageAccessGroup]:
    """As they stand: three queries for the members of all."""
    members = access.members_of(rows)
    return [
        PageAccessGroup(
            id=row.public_id,
            page_id=call.page.public_id,
            name=row.name,
            page_access_user_ids=list(members[row.id].users),
            external_identifier=row.external_identifier,
            metric_ids=list(members[row.id].metrics),
            component_ids=list(members[row.id].components),
            created_at=seconds(row.created_at, call.page.zone),
            updated_at=seconds(row.updated_at, call.page.zone),
        )
        for row in rows
    ]
