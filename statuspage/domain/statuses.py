"""The words for how things stand, their order, and what follows from them.

Pure: enums and functions over them. The words and rules are Statuspage's:
https://support.atlassian.com/statuspage/docs/top-level-status-and-incident-impact-calculations/
An unknown word raises `ValueError`; it never falls through to green.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class ComponentStatus(StrEnum):
    """Component status, in order of severity."""

    OPERATIONAL = "operational"
    UNDER_MAINTENANCE = "under_maintenance"
    DEGRADED_PERFORMANCE = "degraded_performance"
    PARTIAL_OUTAGE = "partial_outage"
    MAJOR_OUTAGE = "major_outage"

    @property
    def severity(self) -> int:
        """0 (operational) to 4 (major outage)."""
        return _SEVERITY[self]

    @property
    def label(self) -> str:
        """`Partial outage`."""
        return _label(self)


_SEVERITY = {status: rank for rank, status in enumerate(ComponentStatus)}


class IncidentKind(StrEnum):
    INCIDENT = "incident"
    MAINTENANCE = "maintenance"


class IncidentStatus(StrEnum):
    """The steps of an incident, then those of a scheduled maintenance."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"
    POSTMORTEM = "postmortem"
    SCHEDULED = "scheduled"
    IN_PROGRESS = "in_progress"
    VERIFYING = "verifying"
    COMPLETED = "completed"
    CANCELLED = "cancelled"

    @property
    def label(self) -> str:
        """`In progress`."""
        return _label(self)

    @property
    def sentence(self) -> str:
        """What to say when nobody wrote a word: what the status says, and nothing more."""
        return _SENTENCES[self]

    @property
    def is_over(self) -> bool:
        """Nothing is claimed any more."""
        return self in _OVER

    @property
    def claims(self) -> bool:
        """Components are held in their claimed status while this lasts."""
        return not self.is_over and self is not IncidentStatus.SCHEDULED


_SENTENCES = {
    IncidentStatus.INVESTIGATING: "We are investigating.",
    IncidentStatus.IDENTIFIED: "The cause is known.",
    IncidentStatus.MONITORING: "A fix is in place. We are watching it.",
    IncidentStatus.RESOLVED: "This is resolved.",
    IncidentStatus.POSTMORTEM: "The postmortem is published.",
    IncidentStatus.SCHEDULED: "Maintenance is planned.",
    IncidentStatus.IN_PROGRESS: "The maintenance has begun.",
    IncidentStatus.VERIFYING: "The work is done. We are checking that everything is in order.",
    IncidentStatus.COMPLETED: "The maintenance is complete.",
    IncidentStatus.CANCELLED: "The maintenance is called off.",
}

_OVER = frozenset(
    {
        IncidentStatus.RESOLVED,
        IncidentStatus.POSTMORTEM,
        IncidentStatus.COMPLETED,
        IncidentStatus.CANCELLED,
    }
)

INCIDENT_STEPS = (
    IncidentStatus.INVESTIGATING,
    IncidentStatus.IDENTIFIED,
    IncidentStatus.MONITORING,
    IncidentStatus.RESOLVED,
)
MAINTENANCE_STEPS = (
    IncidentStatus.SCHEDULED,
    IncidentStatus.IN_PROGRESS,
    IncidentStatus.VERIFYING,
    IncidentStatus.COMPLETED,
)


class Impact(StrEnum):
    """How bad an incident is. `maintenance` belongs to scheduled maintenance."""

    NONE = "none"
    MAINTENANCE = "maintenance"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"

    @property
    def severity(self) -> int:
        return list(Impact).index(self)

    @property
    def label(self) -> str:
        return _label(self)


class Indicator(StrEnum):
    """The page's state for the API."""

    NONE = "none"
    MAINTENANCE = "maintenance"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


@dataclass(frozen=True)
class PageStatus:
    """`indicator` for programs, `description` in Statuspage's words."""

    indicator: Indicator
    description: str


def worst(statuses: Iterable[ComponentStatus]) -> ComponentStatus:
    """The most severe of them; operational when there are none."""
    return max(
        statuses,
        key=lambda status: status.severity,
        default=ComponentStatus.OPERATIONAL,
    )


def incident_impact(affected: Iterable[ComponentStatus], *, whole_page: bool) -> Impact:
    """The impact of an incident that claims these statuses.

    `whole_page` says that every component of the page has a major outage.
    """
    match worst(affected):
        case ComponentStatus.MAJOR_OUTAGE:
            return Impact.CRITICAL if whole_page else Impact.MAJOR
        case ComponentStatus.PARTIAL_OUTAGE | ComponentStatus.DEGRADED_PERFORMANCE:
            return Impact.MINOR
        case ComponentStatus.UNDER_MAINTENANCE:
            return Impact.MAINTENANCE
        case ComponentStatus.OPERATIONAL:
            return Impact.NONE


def page_status(leaves: Sequence[ComponentStatus]) -> PageStatus:
    """The page's status from its components alone, by the table measured on recorded pages."""
    match worst(leaves):
        case ComponentStatus.OPERATIONAL:
            return PageStatus(Indicator.NONE, "All Systems Operational")
        case ComponentStatus.UNDER_MAINTENANCE:
            return PageStatus(Indicator.MAINTENANCE, "Service Under Maintenance")
        case ComponentStatus.DEGRADED_PERFORMANCE:
            return PageStatus(Indicator.MINOR, "Partially Degraded Service")
        case ComponentStatus.PARTIAL_OUTAGE:
            return PageStatus(Indicator.MINOR, "Minor Service Outage")
        case ComponentStatus.MAJOR_OUTAGE:
            if all(status is ComponentStatus.MAJOR_OUTAGE for status in leaves):
                return PageStatus(Indicator.CRITICAL, "Major Service Outage")
            return PageStatus(Indicator.MAJOR, "Partial System Outage")


def _label(word: StrEnum) -> str:
    return word.value.replace("_", " ").capitalize()
