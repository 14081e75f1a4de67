"""Components of the Manage API.

A group appears among them as a component with `group: true`, as in Statuspage.
"""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from statuspage.domain.claims import Claim
from statuspage.domain.components import claims_store
from statuspage.domain.components import verbs as components
from statuspage.domain.components.models import Component as Row
from statuspage.domain.components.models import ComponentGroup as GroupRow
from statuspage.domain.components.verbs import ComponentEdit
from statuspage.domain.statuses import ComponentStatus, worst
from statuspage.domain.tokens import Scope
from statuspage.errors import Invalid
from statuspage.web.api_v1.operations import Call, OrNone, operation
from statuspage.web.api_v1.shapes import Date, Moment, Shape, seconds
from statuspage.web.json_errors import Refused
from statuspage.web.operations import Body, Nothing

COMPONENTS = "/pages/{page_id}/components"
COMPONENT = "/pages/{page_id}/components/{component_id}"


class Component(Shape):
    id: str
    page_id: str
    group_id: str | None
    created_at: Moment
    updated_at: Moment
    group: bool
    name: str
    description: str | None
    position: int
    """From 1 within its group, or among groups and components without one."""
    status: ComponentStatus
    showcase: bool
    only_show_if_degraded: bool
    automation_email: str | None
    """Always null: this page receives no mail from monitoring."""
    start_date: Date | None


class ComponentFields(Body):
    name: str | None = None
    description: OrNone[str] = None
    status: OrNone[ComponentStatus] = None
    group_id: OrNone[str] = None
    showcase: bool = True
    only_show_if_degraded: bool = False
    start_date: OrNone[date] = None


class ComponentBody(Body):
    component: ComponentFields


@operation("GET", COMPONENTS, needs=Scope.READ, returns=list[Component], query=("page", "per_page"))
def list_components(call: Call[Nothing]) -> list[Component]:
    """Every component and group, by position."""
    rows: list[Row | GroupRow] = [*components.groups(), *components.listed()]
    rows.sort(key=lambda row: row.position)
    tell = ComponentSerializer(call)
    return [tell.any(row) for row in call.window.of(rows)]


@operation(
    "POST", COMPONENTS, needs=Scope.COMPONENTS, body=ComponentBody, returns=Component, success=201
)
def create_component(call: Call[ComponentBody]) -> Component:
    """A new component, last in its group."""
    sent = call.body.component
    row = components.add_component(
        sent.name or "",
        by=call.by,
        at=call.at,
        group=_group(sent.group_id),
        description=sent.description,
        start_date=sent.start_date,
        showcase=sent.showcase,
        only_show_if_degraded=sent.only_show_if_degraded,
    )
    _set_status(row, sent, call)
    return ComponentSerializer(call).component(row)


@operation("GET", COMPONENT, needs=Scope.READ, returns=Component)
def read_component(call: Call[Nothing], component_id: str) -> Component:
    """One component or group."""
    return ComponentSerializer(call).any(find_any(component_id))


@operation("PATCH", COMPONENT, needs=Scope.COMPONENTS, body=ComponentBody, returns=Component)
def update_component(call: Call[ComponentBody], component_id: str) -> Component:
    """Update the fields sent. A status is set manually; open incidents keep theirs."""
    row = find_any(component_id)
    sent = call.body.component
    fields = sent.said()
    if isinstance(row, GroupRow):
        components.edit_group(
            row,
            by=call.by,
            at=call.at,
            name=fields.get("name", row.name) or "",
            description=fields.get("description", row.description),
        )
        return ComponentSerializer(call).group(row)
    if fields.keys() - {"status"}:
        components.edit_component(
            row,
            ComponentEdit(
                name=fields.get("name", row.name) or "",
                description=fields.get("description", row.description),
                group=_group(sent.group_id) if "group_id" in fields else row.group,
                start_date=fields.get("start_date", row.start_date),
                showcase=fields.get("showcase", row.showcase),
                only_show_if_degraded=fields.get(
                    "only_show_if_degraded", row.only_show_if_degraded
                ),
            ),
            by=call.by,
            at=call.at,
        )
    _set_status(row, sent, call)
    return ComponentSerializer(call).component(row)


@operation("DELETE", COMPONENT, needs=Scope.COMPONENTS, success=204)
def delete_component(call: Call[Nothing], component_id: str) -> None:
    """Remove it from the page. Past incidents and the audit log keep it."""
    row = find_any(component_id)
    if isinstance(row, GroupRow):
        components.remove_group(row, by=call.by, at=call.at)
    else:
        components.archive(row, by=call.by, at=call.at)


# ── what other operations use too ──────────────────────────────────────────────


class ComponentSerializer:
    """Tells components as they stand at the moment of a call: one query for all statuses."""

    def __init__(self, call: Call[Body]) -> None:
        self._page_id = call.page.public_id
        self._zone: ZoneInfo = call.page.zone
        self._at: datetime = call.at
        self._claims = claims_store.in_force(at=call.at)
        self._members = [row for row in components.listed() if row.group_id is not None]

    def any(self, row: Row | GroupRow) -> Component:
        return self.group(row) if isinstance(row, GroupRow) else self.component(row)

    def component(self, row: Row) -> Component:
        return self._tell(
            row,
            status=self.status(row),
            group_id=row.group.public_id if row.group else None,
            group=False,
            showcase=row.showcase,
            only_show_if_degraded=row.only_show_if_degraded,
            start_date=row.start_date,
        )

    def group(self, row: GroupRow) -> Component:
        """As a component; its status is the worst of its members'."""
        return self._tell(
            row,
            status=worst(self.status(member) for member in self.members(row)),
            group_id=None,
            group=True,
            showcase=True,
            only_show_if_degraded=False,
            start_date=None,
        )

    def members(self, row: GroupRow) -> list[Row]:
        return [member for member in self._members if member.group_id == row.id]

    def status(self, row: Row) -> ComponentStatus:
        claim = self._claims.get(row.id)
        return claim.status if claim else ComponentStatus.OPERATIONAL

    def _tell(
        self,
        row: Row | GroupRow,
        *,
        status: ComponentStatus,
        group_id: str | None,
        group: bool,
        showcase: bool,
        only_show_if_degraded: bool,
        start_date: date | None,
    ) -> Component:
        return Component(
            id=row.public_id,
            page_id=self._page_id,
            group_id=group_id,
            created_at=seconds(row.created_at, self._zone),
            updated_at=seconds(row.updated_at, self._zone),
            group=group,
            name=row.name,
            description=row.description,
            position=row.position,
            status=status,
            showcase=showcase,
            only_show_if_degraded=only_show_if_degraded,
            automation_email=None,
            start_date=start_date.isoformat() if start_date else None,
        )


def find(component_id: str) -> Row:
    """A component that is on the page. Raises `Refused` (404)."""
    row = components.get(component_id)
    if row is None or row.archived_at is not None:
        raise Refused(404, "There is no component with this id.")
    return row


def find_any(component_id: str) -> Row | GroupRow:
    """A component or a group. Raises `Refused` (404)."""
    return components.get_group(component_id) or find(component_id)


def by_ids(component_ids: list[str]) -> list[Row]:
    """The components with these ids, in their order. Raises `Invalid` for an unknown one."""
    present = {row.public_id: row for row in components.listed()}
    unknown = [public_id for public_id in component_ids if public_id not in present]
    if unknown:
        raise Invalid(component_ids=f"There is no component with the id {unknown[0]!r}.")
    return [present[public_id] for public_id in dict.fromkeys(component_ids)]


def _group(group_id: str | None) -> GroupRow | None:
    if group_id is None:
        return None
    group = components.get_group(group_id)
    if group is None:
        raise Invalid(group_id="There is no component group with this id.")
    return group


def _set_status(row: Row, sent: ComponentFields, call: Call[ComponentBody]) -> None:
    if sent.status is not None:
        claims_store.set_status(row, Claim(sent.status), by=call.by, at=call.at)
