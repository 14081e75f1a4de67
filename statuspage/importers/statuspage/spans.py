"""How long each component was held in which status, from what an incident said of it.

Pure. A span is what becomes a claim; components are named by their id.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from statuspage.importers.statuspage.documents import Component, Incident

_OPERATIONAL = ComponentStatus.OPERATIONAL


@dataclass(frozen=True)
class Held:
    """`incident_id` is None for a status that no incident speaks for."""

    incident_id: str | None
    component_id: str
    status: ComponentStatus
    starts_at: datetime
    ends_at: datetime | None = None

    @property
    def begin(self) -> tuple[str, ComponentStatus, datetime]:
        return self.component_id, self.status, self.starts_at


def of_incident(incident: Incident) -> list[Held]:
    """What its updates say, until it is over; nothing while it is only scheduled."""
    held: dict[str, Held] = {}
    done: list[Held] = []
    first = True
    for update in reversed(incident.incident_updates):
        if not update.status.claims:
            if update.status.is_over:
                done += [replace(span, ends_at=update.display_at) for span in held.values()]
                held = {}
            continue
        at = update.display_at
        since = min(at, incident.began_at) if first and not _is_planned(incident) else at
        first = False
        for change in update.changes:
            present = held.get(change.code)
            if present is not None and present.status is change.new_status:
                continue
            if present is not None:
                done.append(replace(held.pop(change.code), ends_at=at))
            if change.new_status is not _OPERATIONAL:
                held[change.code] = Held(incident.id, change.code, change.new_status, since)
    end = incident.resolved_at if incident.status.is_over else None
    done += [replace(span, ends_at=end) for span in held.values()]
    if incident.status.is_over and end is not None:
        done = [replace(span, ends_at=min(span.ends_at or end, end)) for span in done]
    return lasting(done)


def with_known(
    spans: Sequence[Held], older: Sequence[Held], incident: Incident, guessed_end: datetime | None
) -> list[Held]:
    """`wanted` with what earlier imports had found out.

    A claim that was found to end earlier keeps that end, unless it is `guessed_end`;
    one that no update tells of stays until the incident is over.
    """
    ends = {span.begin: span.ends_at for span in older if span.ends_at != guessed_end}
    result = []
    for span in spans:
        end = ends.get(span.begin)
        if end is not None and (span.ends_at is None or end < span.ends_at):
            span = replace(span, ends_at=end)
        result.append(span)
    begins = {span.begin for span in spans}
    over = incident.resolved_at if incident.status.is_over else None
    result += [
        replace(span, ends_at=span.ends_at or over) for span in older if span.begin not in begins
    ]
    return lasting(result)


def reconciled(
    listed: Iterable[Component],
    spans: Sequence[Held],
    incidents: Mapping[str, Incident],
    listed_at: datetime,
) -> list[Held]:
    """The spans, such that what is in force equals the listed statuses.

    A status that nothing explains belongs to the open incident that lists the
    component as affected and never said how it stands, else to none. A claim
    worse than what is listed ended when the component last changed.
    """
    result = [span for span in spans if span.ends_at is not None]
    open_spans: dict[str, list[Held]] = {}
    for span in spans:
        if span.ends_at is None:
            open_spans.setdefault(span.component_id, []).append(span)
    for component in listed:
        open_here = open_spans.pop(component.id, [])
        changed_at = min(component.updated_at, listed_at)
        too_bad = [span for span in open_here if span.status.severity > component.status.severity]
        remaining = [span for span in open_here if span not in too_bad]
        result += remaining
        result += lasting(replace(span, ends_at=changed_at) for span in too_bad)
        if component.status not in {span.status for span in remaining} | {_OPERATIONAL}:
            result.append(_unexplained(component, incidents, changed_at))
    return result + [span for rest in open_spans.values() for span in rest]


def lasting(spans: Iterable[Held]) -> list[Held]:
    """Those that last for any time at all."""
    return [span for span in spans if span.ends_at is None or span.ends_at > span.starts_at]


def _unexplained(
    component: Component, incidents: Mapping[str, Incident], changed_at: datetime
) -> Held:
    for incident in sorted(incidents.values(), key=lambda candidate: _fits(component, candidate)):
        lists_it = component.id in {component.id for component in incident.components or ()}
        codes = {change.code for update in incident.incident_updates for change in update.changes}
        if incident.status.claims and lists_it and component.id not in codes:
            return Held(incident.id, component.id, component.status, changed_at)
    return Held(None, component.id, component.status, changed_at)


def _fits(component: Component, incident: Incident) -> tuple[bool, datetime, str]:
    is_work = component.status is ComponentStatus.UNDER_MAINTENANCE
    return _is_planned(incident) is not is_work, incident.created_at, incident.id


def _is_planned(incident: Incident) -> bool:
    return incident.scheduled_for is not None or incident.status is IncidentStatus.SCHEDULED
