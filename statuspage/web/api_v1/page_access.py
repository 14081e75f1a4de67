"""What the operations of page access share: bodies that name things, and the finders of those."""

from collections.abc import Sequence

from statuspage.domain import page_access
from statuspage.domain.components.models import Component as ComponentRow
from statuspage.domain.page_access import Holder, PageAccessGroup, PageAccessUser
from statuspage.domain.tokens import Scope
from statuspage.errors import Invalid
from statuspage.web.api_v1 import components
from statuspage.web.api_v1.components import Component
from statuspage.web.api_v1.operations import Call
from statuspage.web.json_errors import Refused
from statuspage.web.operations import Body

NEEDS = Scope.SUBSCRIBERS
"""Other people's addresses."""


class ComponentIds(Body):
    component_ids: list[str]


class SomeComponentIds(Body):
    component_ids: list[str] | None = None
    """Omitted: all of them."""


class MetricIds(Body):
    metric_ids: list[str]


class SomeMetricIds(Body):
    metric_ids: list[str] | None = None
    """Omitted: all of them."""


def find_user(page_access_user_id: str) -> PageAccessUser:
    """Raises `Refused` (404)."""
    row = page_access.get_user(page_access_user_id)
    if row is None:
        raise Refused(404, "There is no page access user with this id.")
    return row


def find_group(page_access_group_id: str) -> PageAccessGroup:
    """Raises `Refused` (404)."""
    row = page_access.get_group(page_access_group_id)
    if row is None:
        raise Refused(404, "There is no page access group with this id.")
    return row


def users_named(ids: Sequence[str]) -> list[PageAccessUser]:
    """Raises `Invalid` for an unknown one."""
    present = page_access.users_with_ids(ids)
    if unknown := [public_id for public_id in ids if public_id not in present]:
        sentence = f"There is no page access user with the id {unknown[0]!r}."
        raise Invalid(page_access_user_ids=sentence)
    return list(present.values())


def groups_named(ids: Sequence[str]) -> list[PageAccessGroup]:
    """Raises `Invalid` for an unknown one."""
    present = page_access.groups_with_ids(ids)
    if unknown := [public_id for public_id in ids if public_id not in present]:
        sentence = f"There is no page access group with the id {unknown[0]!r}."
        raise Invalid(page_access_group_ids=sentence)
    return list(present.values())


# ── components of a user or a group ────────────────────────────────────────────


def serialize_components(call: Call[Body], holder: Holder) -> list[Component]:
    """A part of what they hold."""
    held = page_access.components_of(holder, offset=call.window.offset, limit=call.window.limit)
    teller = components.ComponentSerializer(call)
    return [teller.component(row) for row in held]


def give_components(call: Call[Body], holder: Holder, ids: list[str]) -> None:
    """Beside those they hold."""
    _set(call, holder, [*holder.components, *components.by_ids(ids)])


def replace_components(call: Call[Body], holder: Holder, ids: list[str]) -> None:
    _set(call, holder, components.by_ids(ids))


def take_components(call: Call[Body], holder: Holder, ids: list[str] | None) -> None:
    """None: all of them."""
    taken_away = holder.components if ids is None else components.by_ids(ids)
    _set(call, holder, [row for row in holder.components if row not in taken_away])


def take_component(call: Call[Body], holder: Holder, component_id: str) -> None:
    """Raises `Refused` (404) where they do not hold it."""
    remaining = [row for row in holder.components if row.public_id != component_id]
    if len(remaining) == len(holder.components):
        raise Refused(404, "They do not have access to this component.")
    _set(call, holder, remaining)


def _set(call: Call[Body], holder: Holder, rows: Sequence[ComponentRow]) -> None:
    page_access.set_components(holder, rows, by=call.by, at=call.at)
