"""The documents of the public API as models, for its description: field order is the wire's.

`page/statuspage` writes the documents; tests hold each of them to these models.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from statuspage.domain.statuses import ComponentStatus, Impact, IncidentStatus
from statuspage.web.operations import Reading

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Date = Annotated[str, Field(json_schema_extra={"format": "date"})]


class Document(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PageRef(Document):
    id: str
    name: str
    url: str
    time_zone: str
    updated_at: Moment


class PageStatus(Document):
    indicator: str
    """`none`, `maintenance`, `minor`, `major` or `critical`."""
    description: str


class PublicComponent(Document):
    id: str
    name: str
    status: ComponentStatus
    created_at: Moment
    updated_at: Moment
    position: int
    description: str | None
    showcase: bool
    start_date: Date | None
    group_id: str | None
    page_id: str
    group: bool
    only_show_if_degraded: bool
    components: list[str] | None = None
    """Groups only: the ids of its components."""


class OtherIncident(Document):
    id: str
    name: str


class Change(Document):
    code: str
    """Id of the component."""
    name: str
    old_status: ComponentStatus
    new_status: ComponentStatus
    """The component's status after the update, other incidents included."""
    because_of: OtherIncident | None = None
    """The other incident that keeps it at `new_status`; absent if there is none."""


class PublicUpdate(Document):
    id: str
    status: IncidentStatus
    body: str
    incident_id: str
    created_at: Moment
    updated_at: Moment
    display_at: Moment
    affected_components: list[Change] | None
    deliver_notifications: bool
    custom_tweet: str | None
    tweet_id: int | None


class Told(Document):
    """What incidents and maintenances have in common."""

    id: str
    name: str
    status: IncidentStatus
    created_at: Moment
    updated_at: Moment
    monitoring_at: Moment | None
    resolved_at: Moment | None
    impact: Impact
    shortlink: str
    started_at: Moment
    page_id: str
    incident_updates: list[PublicUpdate]
    components: list[PublicComponent]


class PublicIncident(Told):
    reminder_intervals: str | None


class PublicMaintenance(Told):
    scheduled_for: Moment | None
    scheduled_until: Moment | None


class Summary(Document):
    page: PageRef
    components: list[PublicComponent]
    incidents: list[PublicIncident]
    scheduled_maintenances: list[PublicMaintenance]
    status: PageStatus


class StatusDocument(Document):
    page: PageRef
    status: PageStatus


class ComponentsDocument(Document):
    page: PageRef
    components: list[PublicComponent]


class IncidentsDocument(Document):
    page: PageRef
    incidents: list[PublicIncident]


class IncidentDocument(Document):
    page: PageRef
    incident: PublicIncident | PublicMaintenance


class MaintenancesDocument(Document):
    page: PageRef
    scheduled_maintenances: list[PublicMaintenance]


READINGS = (
    Reading("/api/v2/summary.json", "Everything at once: what most clients want.", Summary),
    Reading("/api/v2/status.json", "The overall status of the page.", StatusDocument),
    Reading("/api/v2/components.json", "Every component and group.", ComponentsDocument),
    Reading("/api/v2/incidents.json", "The 50 newest incidents.", IncidentsDocument),
    Reading("/api/v2/incidents/unresolved.json", "Open incidents.", IncidentsDocument),
    Reading("/api/v2/incidents/{public_id}.json", "One incident or maintenance.", IncidentDocument),
    Reading(
        "/api/v2/scheduled-maintenances.json", "The 50 newest maintenances.", MaintenancesDocument
    ),
    Reading(
        "/api/v2/scheduled-maintenances/upcoming.json", "Planned maintenance.", MaintenancesDocument
    ),
    Reading(
        "/api/v2/scheduled-maintenances/active.json",
        "Maintenance in progress.",
        MaintenancesDocument,
    ),
)
