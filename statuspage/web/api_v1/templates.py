"""Incident templates of the Manage API."""

from pydantic import Field

from statuspage.domain.incidents import templates as incident_templates
from statuspage.domain.incidents.templates import TemplateInput
from statuspage.domain.statuses import IncidentStatus
from statuspage.domain.tokens import Scope
from statuspage.errors import Invalid
from statuspage.web.api_v1.components import Component, ComponentSerializer, by_ids
from statuspage.web.api_v1.operations import Call, OrNone, operation
from statuspage.web.api_v1.shapes import Shape
from statuspage.web.operations import Body, Nothing

TEMPLATES = "/pages/{page_id}/incident_templates"

UNKNOWN = {IncidentStatus.POSTMORTEM, IncidentStatus.CANCELLED}
"""Words that Statuspage's templates do not have."""


class IncidentTemplate(Shape):
    id: str
    components: list[Component]
    name: str
    title: str
    """The incident name it fills in."""
    body: str
    group_id: str | None
    """Templates of a group are listed together."""
    update_status: IncidentStatus | None
    should_tweet: bool
    """Always false."""
    should_send_notifications: bool


class TemplateFields(Body):
    name: str = ""
    title: str = ""
    body: str = ""
    group_id: OrNone[str] = None
    update_status: OrNone[IncidentStatus] = None
    should_send_notifications: bool = True
    component_ids: list[str] = Field(default_factory=list)


class TemplateBody(Body):
    template: TemplateFields


@operation(
    "POST",
    TEMPLATES,
    needs=Scope.INCIDENTS,
    body=TemplateBody,
    returns=IncidentTemplate,
    success=201,
)
def create_template(call: Call[TemplateBody]) -> IncidentTemplate:
    """A new template; staff choose it by name."""
    sent = call.body.template
    if sent.update_status in UNKNOWN:
        raise Invalid(update_status="Choose a status of an incident or a maintenance.")
    row = incident_templates.create(
        TemplateInput(
            sent.name,
            title=sent.title,
            body=sent.body,
            group_name=sent.group_id,
            update_status=sent.update_status,
            notify=sent.should_send_notifications,
            components=by_ids(sent.component_ids),
        ),
        by=call.by,
        at=call.at,
    )
    return _serialize(ComponentSerializer(call), row)


@operation(
    "GET",
    TEMPLATES,
    needs=Scope.READ,
    returns=list[IncidentTemplate],
    query=("page", "per_page"),
)
def list_templates(call: Call[Nothing]) -> list[IncidentTemplate]:
    """Every template, by name."""
    teller = ComponentSerializer(call)
    return [_serialize(teller, row) for row in call.window.of(incident_templates.listed())]


def _serialize(
    teller: ComponentSerializer, row: incident_templates.IncidentTemplate
) -> IncidentTemplate:
    present = [component for component in row.components if component.archived_at is None]
    return IncidentTemplate(
        id=row.public_id,
        components=[teller.component(component) for component in present],
        name=row.name,
        title=row.title,
        body=row.body,
        group_id=row.group_name,
        update_status=row.update_status,
        should_tweet=False,
        should_send_notifications=row.notify,
    )
