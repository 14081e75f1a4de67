"""Incidents and scheduled maintenance of the Manage API.

Statuspage has no operation that posts an update: a PATCH with a step or a text does.
What is sent without either changes no word on the timeline.
"""

from collections.abc import Collection
from datetime import datetime

from statuspage.domain.claims import OPERATIONAL, Claim
from statuspage.domain.components.models import Component
from statuspage.domain.incidents import affected, corrections, maintenance, reminders, search
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Incident as Row
from statuspage.domain.incidents.models import IncidentEdit, Moments, Schedule, UpdateInput
from statuspage.domain.statuses import (
    INCIDENT_STEPS,
    MAINTENANCE_STEPS,
    ComponentStatus,
    IncidentKind,
    IncidentStatus,
)
from statuspage.domain.tokens import Scope
from statuspage.errors import Invalid
from statuspage.page.html.formatting import Times
from statuspage.web.api_v1.incident_requests import IncidentBody, IncidentFields, step
from statuspage.web.api_v1.incident_serializers import Incident, IncidentSerializer
from statuspage.web.api_v1.operations import Call, operation
from statuspage.web.json_errors import Refused
from statuspage.web.operations import Body, Nothing

INCIDENTS = "/pages/{page_id}/incidents"
INCIDENT = "/pages/{page_id}/incidents/{incident_id}"
PAGED = ("page", "per_page")

UNRESOLVED = [step for step in INCIDENT_STEPS if not step.is_over]
UPCOMING = [IncidentStatus.SCHEDULED]
ACTIVE = [IncidentStatus.IN_PROGRESS, IncidentStatus.VERIFYING]

UNDER_MAINTENANCE = maintenance.UNDER_MAINTENANCE


# ── reading ────────────────────────────────────────────────────────────────────


@operation("GET", INCIDENTS, needs=Scope.READ, returns=list[Incident], query=("q", "limit", "page"))
def list_incidents(call: Call[Nothing]) -> list[Incident]:
    """Incidents and maintenance of any status, newest creation first."""
    return _list(call, words=call.query.get("q", ""))


@operation("GET", f"{INCIDENTS}/unresolved", needs=Scope.READ, returns=list[Incident], query=PAGED)
def list_unresolved(call: Call[Nothing]) -> list[Incident]:
    """Incidents that are not resolved, newest creation first."""
    return _list(call, statuses=UNRESOLVED)


@operation("GET", f"{INCIDENTS}/scheduled", needs=Scope.READ, returns=list[Incident], query=PAGED)
def list_scheduled(call: Call[Nothing]) -> list[Incident]:
    """Planned or active maintenance, newest creation first."""
    return _list(call, statuses=[*UPCOMING, *ACTIVE])


@operation("GET", f"{INCIDENTS}/upcoming", needs=Scope.READ, returns=list[Incident], query=PAGED)
def list_upcoming(call: Call[Nothing]) -> list[Incident]:
    """Maintenance that has not started, newest creation first."""
    return _list(call, statuses=UPCOMING)


@operation(
    "GET", f"{INCIDENTS}/active_maintenance", needs=Scope.READ, returns=list[Incident], query=PAGED
)
def list_active_maintenance(call: Call[Nothing]) -> list[Incident]:
    """Active maintenance, newest creation first."""
    return _list(call, statuses=ACTIVE)


@operation("GET", INCIDENT, needs=Scope.READ, returns=Incident)
def read_incident(call: Call[Nothing], incident_id: str) -> Incident:
    """One incident or maintenance."""
    return _serialize(call, find(incident_id))


def find(incident_id: str, *, lock: bool = False) -> Row:
    """What is published and was not retracted. Raises `Refused` (404)."""
    row = incidents.get(incident_id, lock=lock)
    if row is None or row.is_draft or row.retracted_at is not None:
        raise Refused(404, "There is no incident with this id.")
    return row


def _list(
    call: Call[Nothing], *, words: str = "", statuses: Collection[IncidentStatus] = ()
) -> list[Incident]:
    window = call.window
    rows = search.published(
        words=words, statuses=statuses, offset=window.offset, limit=window.limit
    )
    return IncidentSerializer(call, rows).all()


def _serialize(call: Call[Body], row: Row) -> Incident:
    return IncidentSerializer(call, [row]).one()


# ── opening ────────────────────────────────────────────────────────────────────


@operation(
    "POST", INCIDENTS, needs=Scope.INCIDENTS, body=IncidentBody, returns=Incident, success=201
)
def create_incident(call: Call[IncidentBody]) -> Incident:
    """Create an incident, plan maintenance, or record a past incident."""
    sent = call.body.incident
    if sent.backfilled:
        row = _backfill(call, sent)
    elif _is_planned(sent):
        row = _schedule(call, sent)
    else:
        row = _open(call, sent)
    _store_extras(row, sent, call)
    return _serialize(call, row)


def _is_planned(sent: IncidentFields) -> bool:
    """By its step; without one, by its window. Raises `Invalid` where they disagree."""
    has_window = sent.scheduled_for is not None or sent.scheduled_until is not None
    if sent.status is None:
        return has_window
    is_planned = IncidentStatus(sent.status) in MAINTENANCE_STEPS
    if has_window and not is_planned:
        raise Invalid(scheduled_for="Only maintenance has a window; its status is scheduled.")
    return is_planned


def _open(call: Call[IncidentBody], sent: IncidentFields) -> Row:
    status = step(sent) or IncidentStatus.INVESTIGATING
    claims, only = sent.named(None)
    return incidents.open_incident(
        sent.name or "",
        UpdateInput(
            status=status,
            body=_body(sent) or status.sentence,
            claims=affected.claims_with(None, said=claims, only=only),
            impact_override=sent.impact_override,
            notify=sent.notify,
        ),
        by=call.by,
        at=call.at,
    )


def _schedule(call: Call[IncidentBody], sent: IncidentFields) -> Row:
    status = step(sent) or IncidentStatus.SCHEDULED
    start, end = sent.window(call.page.zone)
    if start is None and status is IncidentStatus.SCHEDULED:
        raise Invalid(scheduled_for="Send when it starts.")
    claims, only = sent.named(None)
    if status is IncidentStatus.SCHEDULED and sent.auto_transition_to_maintenance_state:
        # They say how a component stands now; this is about how it will stand.
        claims = {
            component: present
            for component, present in claims.items()
            if present is not ComponentStatus.OPERATIONAL
        }
    return maintenance.schedule(
        sent.name or "",
        UpdateInput(
            status=status,
            body=_body(sent) or status.sentence,
            claims=affected.claims_with(
                None,
                said=claims,
                only=only,
                otherwise=_at_work(sent.auto_transition_to_maintenance_state),
            ),
            impact_override=sent.impact_override,
            notify=sent.notify,
        ),
        Schedule(
            scheduled_for=start or call.at,
            scheduled_until=end,
            auto_start=bool(sent.starts_by_itself),
            auto_end=bool(sent.ends_by_itself),
            reminds=bool(sent.scheduled_remind_prior),
        ),
        by=call.by,
        at=call.at,
    )


def _backfill(call: Call[IncidentBody], sent: IncidentFields) -> Row:
    if sent.components or sent.component_ids:
        raise Invalid(components="A backfilled incident cannot name components.")
    if _is_planned(sent):
        raise Invalid(backfilled="Only incidents can be backfilled, not maintenance.")
    happened_at = sent.happened_at(call.page.zone, call.at)
    return incidents.backfill(
        sent.name or "",
        UpdateInput(
            status=IncidentStatus.RESOLVED,
            body=_body(sent) or IncidentStatus.RESOLVED.sentence,
            impact_override=sent.impact_override,
        ),
        Moments(started_at=happened_at, resolved_at=happened_at),
        by=call.by,
        at=call.at,
    )


def _at_work(moves: bool | None) -> Claim:
    """What maintenance says of a component once it runs, where nobody says more."""
    return OPERATIONAL if moves is False else UNDER_MAINTENANCE


# ── changing ───────────────────────────────────────────────────────────────────


@operation("PATCH", INCIDENT, needs=Scope.INCIDENTS, body=IncidentBody, returns=Incident)
def update_incident(call: Call[IncidentBody], incident_id: str) -> Incident:
    """A status or body posts an update; other fields are changed."""
    row = find(incident_id, lock=True)
    sent = call.body.incident
    _store_extras(row, sent, call)
    if row.kind is IncidentKind.MAINTENANCE:
        _automate(row, sent, call)
    status = step(sent, row.status)
    window = _moved(row, sent, call)
    has_news = bool(_body(sent)) or status is not None or window is not None
    override_told = has_news and row.kind is IncidentKind.INCIDENT
    _edit(row, sent, call, override_too=not (override_told and sent.impact_override))
    claims_sent, only = sent.named(row)
    claims = affected.claims_with(
        row,
        said=claims_sent,
        only=only,
        otherwise=_newcomer(row),
        reopens=row.is_over and status is not None and not status.is_over,
    )
    if row.status is IncidentStatus.SCHEDULED:
        claims |= _replanned(row, sent, claims_sent)
    released = [component for component in row.claims if component not in claims]
    if has_news:
        _post_update(row, sent, call, status=status, window=window, claims=claims)
    else:
        affected.set_affected_components(row, claims, by=call.by, at=call.at)
    if released:
        affected.remove_components(row, released, by=call.by, at=call.at)
    return _serialize(call, row)


Window = tuple[datetime, datetime]


def _moved(row: Row, sent: IncidentFields, call: Call[IncidentBody]) -> Window | None:
    """The window that is sent, where it is another one than it has. Raises `Invalid`."""
    start, end = sent.window(call.page.zone)
    if start is None and end is None:
        return None
    if row.kind is IncidentKind.INCIDENT:
        raise Invalid(scheduled_for="Only maintenance has a window.")
    # Clients send back what they read: that has no fractions of a second.
    present = (row.scheduled_for, row.scheduled_until)
    start, end = (
        old if new is None or (old and old.replace(microsecond=0) == new) else new
        for old, new in zip(present, (start, end), strict=True)
    )
    if (start, end) == present:
        return None
    if start is None or end is None:
        raise Invalid(scheduled_until="Send when it starts and when it ends.")
    return start, end


def _edit(row: Row, sent: IncidentFields, call: Call[IncidentBody], *, override_too: bool) -> None:
    """Change its name, and its impact too unless an update tells that."""
    name = row.name if sent.name is None else sent.name
    override = row.impact_override
    if override_too:
        override = sent.said().get("impact_override", override)
    if (name, override) == (row.name, row.impact_override):
        return
    corrections.edit_incident(
        row,
        IncidentEdit(
            name=name, facts=row.facts, next_update_by=row.next_update_by, impact_override=override
        ),
        expected_version=row.version,
        by=call.by,
        at=call.at,
    )


def _newcomer(row: Row) -> Claim | None:
    """What it says of a component that it names for the first time."""
    if row.kind is IncidentKind.INCIDENT:
        return OPERATIONAL if row.is_over else None
    return _at_work((row.details or {}).get("auto_transition_to_maintenance_state"))


def _replanned(
    row: Row, sent: IncidentFields, mentioned: Collection[Component]
) -> dict[Component, Claim]:
    """What the plan says of its components now that this sets or clears maintenance at the start.

    A status that was stated for a component stays.
    """
    moves = sent.auto_transition_to_maintenance_state
    if moves is None:
        return {}
    return {
        component: _at_work(moves)
        for component, claim in row.claims.items()
        if component not in mentioned and claim == _at_work(not moves)
    }


def _post_update(
    row: Row,
    sent: IncidentFields,
    call: Call[IncidentBody],
    *,
    status: IncidentStatus | None,
    window: Window | None,
    claims: dict[Component, Claim],
) -> None:
    """Post an update; where the window moves, it is that update which tells of it."""
    if status is None:
        is_told = row.status is IncidentStatus.POSTMORTEM
        status = IncidentStatus.RESOLVED if is_told else row.status
    if window is not None:
        maintenance.reschedule(
            row,
            UpdateInput(
                status=status,
                body=_body(sent) or _new_window(window, call),
                claims=claims,
                notify=sent.notify,
            ),
            scheduled_for=window[0],
            scheduled_until=window[1],
            by=call.by,
            at=call.at,
        )
        return
    incidents.post_update(
        row,
        UpdateInput(
            status=status,
            body=_body(sent) or status.sentence,
            claims=claims,
            impact_override=sent.impact_override,
            notify=sent.notify,
        ),
        by=call.by,
        at=call.at,
    )


def _new_window(window: Window, call: Call[IncidentBody]) -> str:
    times = Times(call.page.zone, call.at)
    return f"The planned time has changed: {times.span(*window, style='full')}."


def _body(sent: IncidentFields) -> str:
    return (sent.body or "").strip()


# ── what comes with it ─────────────────────────────────────────────────────────


def _store_extras(row: Row, sent: IncidentFields, call: Call[IncidentBody]) -> None:
    """What is no word to customers: data of the client's own, and reminders to staff."""
    if details := sent.details:
        affected.set_metadata(row, details, by=call.by, at=call.at)
    if "reminder_intervals" in sent.said():
        affected.set_reminders(row, sent.reminders(), by=call.by, at=call.at)


def _automate(row: Row, sent: IncidentFields, call: Call[IncidentBody]) -> None:
    starts, ends = sent.starts_by_itself, sent.ends_by_itself
    maintenance.set_automation(
        row,
        auto_start=row.auto_start if starts is None else starts,
        auto_end=row.auto_end if ends is None else ends,
        by=call.by,
        at=call.at,
    )
    if sent.scheduled_remind_prior is not None:
        reminders.set_wanted(row, sent.scheduled_remind_prior, by=call.by, at=call.at)


# ── taking back ────────────────────────────────────────────────────────────────


@operation("DELETE", INCIDENT, needs=Scope.INCIDENTS, returns=Incident)
def delete_incident(call: Call[Nothing], incident_id: str) -> Incident:
    """Retract it: it disappears from all lists, and its address says that it was withdrawn."""
    row = find(incident_id, lock=True)
    reason = "Withdrawn by a program, through the Manage API."
    corrections.retract(row, reason=reason, by=call.by, at=call.at)
    return _serialize(call, row)
