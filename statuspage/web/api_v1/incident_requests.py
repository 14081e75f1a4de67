"""What clients send of incidents and maintenance, turned into values of the domain."""

import json
import re
from contextlib import suppress
from datetime import UTC, date, datetime, time
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AliasChoices, BeforeValidator, Field

from statuspage.domain.components import verbs as components
from statuspage.domain.components.models import Component
from statuspage.domain.incidents.models import Incident
from statuspage.domain.statuses import ComponentStatus, Impact, IncidentStatus
from statuspage.errors import Invalid
from statuspage.web.api_v1.operations import OrNone
from statuspage.web.operations import Body

Step = Literal[
    "investigating",
    "identified",
    "monitoring",
    "resolved",
    "postmortem",
    "scheduled",
    "in_progress",
    "verifying",
    "completed",
]

YEARS = range(1970, 3000)


def _named(sent: Any) -> Any:
    """Forms also name components as a list, without saying how they stand.

    So does a client that sends back the components it read.
    """
    if isinstance(sent, list):
        sent = [row.get("id") if isinstance(row, dict) else row for row in sent]
        if all(isinstance(component_id, str) for component_id in sent):
            return {component_id: None for component_id in sent if component_id}
    return {} if sent in (None, "") else sent


def _listed(sent: Any) -> Any:
    """A form can say "none" only by one blank entry."""
    if sent in (None, ""):
        return []
    return [public_id for public_id in sent if public_id != ""] if isinstance(sent, list) else sent


def _written(sent: Any) -> Any:
    """Ruby's `2027-05-01 10:00:00 UTC` and RFC 5322's `Sat, 01 May 2027 10:00:00 GMT` too."""
    if not isinstance(sent, str):
        return sent
    if ruby := re.fullmatch(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (UTC|[+-]\d{4})", sent.strip()):
        return f"{ruby[1]}{ruby[2].replace('UTC', 'Z')}"
    with suppress(ValueError):
        written = parsedate_to_datetime(sent)
        return written if written.tzinfo else written.replace(tzinfo=UTC)  # `-0000`
    return sent


WrittenTime = Annotated[datetime, BeforeValidator(_written)]


def _day(sent: Any) -> Any:
    """A day without a time is a day, not its midnight."""
    if isinstance(sent, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", sent):
        return date.fromisoformat(sent)
    return sent


class IncidentFields(Body):
    name: str | None = None
    status: OrNone[Step] = None
    impact_override: OrNone[Impact] = None
    scheduled_for: OrNone[WrittenTime] = None
    """Without an offset: in the page's time zone."""
    scheduled_until: OrNone[WrittenTime] = None
    scheduled_remind_prior: OrNone[bool] = None
    """True: subscribers are reminded an hour before it begins."""
    auto_transition_to_maintenance_state: OrNone[bool] = None
    """False: components keep their status when it begins."""
    auto_transition_to_operational_state: OrNone[bool] = None
    """Stored only: components are always released when it ends."""
    scheduled_auto_in_progress: OrNone[bool] = None
    scheduled_auto_completed: OrNone[bool] = None
    scheduled_auto_transition: OrNone[bool] = None
    """Both of the two above."""
    auto_transition_deliver_notifications_at_start: OrNone[bool] = None
    auto_transition_deliver_notifications_at_end: OrNone[bool] = None
    reminder_intervals: OrNone[str | int | list[int]] = None
    """Hours: `[1, 5]` or `4`, also as a string. Null: the page's default; `[]`: never."""
    metadata: OrNone[dict[str, dict[str, Any]]] = None
    deliver_notifications: OrNone[bool] = None
    """Null: true."""
    auto_tweet_at_beginning: OrNone[bool] = None
    auto_tweet_on_completion: OrNone[bool] = None
    auto_tweet_on_creation: OrNone[bool] = None
    auto_tweet_one_hour_before: OrNone[bool] = None
    backfill_date: OrNone[Annotated[WrittenTime | date, BeforeValidator(_day)]] = None
    backfilled: OrNone[bool] = None
    body: OrNone[str] = Field(None, validation_alias=AliasChoices("body", "message"))
    """`message` in the API of 2014."""
    components: Annotated[dict[str, OrNone[ComponentStatus]], BeforeValidator(_named)] = Field(
        default_factory=dict
    )
    """Id → status; a blank status lists the component without changing it."""
    component_ids: Annotated[list[str], BeforeValidator(_listed)] = Field(default_factory=list)
    """All affected components; one that is missing is no longer affected."""

    @property
    def notify(self) -> bool:
        return self.deliver_notifications is not False

    @property
    def starts_by_itself(self) -> bool | None:
        """None where nothing is said."""
        return _either(self.scheduled_auto_in_progress, self.scheduled_auto_transition)

    @property
    def ends_by_itself(self) -> bool | None:
        return _either(self.scheduled_auto_completed, self.scheduled_auto_transition)

    @property
    def details(self) -> dict[str, Any]:
        """What is kept to be given back, of what was sent."""
        fields = self.said()
        details = {name: fields[name] for name in _KEPT if name in fields}
        if "metadata" in fields:
            details["metadata"] = self.metadata or {}
        return details

    def window(self, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
        """From when until when, as far as it was sent. Raises `Invalid`."""
        return (
            _moment("scheduled_for", self.scheduled_for, zone),
            _moment("scheduled_until", self.scheduled_until, zone),
        )

    def named(
        self, of: Incident | None
    ) -> tuple[dict[Component, ComponentStatus], list[Component] | None]:
        """What is said of which components, and all that are named (None: as before).

        What is off the page stays named: clients do not see it. Raises `Invalid` for an id
        that nothing has.
        """
        present = [row.component for row in of.affected] if of else []
        if not self.components and "component_ids" not in self.said():
            return {}, None
        by_id = {component.public_id: component for component in [*components.listed(), *present]}
        for field, ids in (
            ("components", [*self.components]),
            ("component_ids", self.component_ids),
        ):
            for public_id in ids:
                if public_id not in by_id:
                    words = f"There is no component with the id {public_id[:40]!r}."
                    raise Invalid(**{field: words})
        spoken_of = {
            by_id[public_id]: status
            for public_id, status in self.components.items()
            if status is not None
        }
        if "component_ids" in self.said():
            archived = [component for component in present if component.archived_at is not None]
            archived += [by_id[public_id] for public_id in self.component_ids]
        else:
            archived = present
        return spoken_of, [*archived, *(by_id[component] for component in self.components)]

    def reminders(self) -> int | list[int] | None:
        """Raises `Invalid` for a text that is not of their kind."""
        sent = self.reminder_intervals
        if not isinstance(sent, str):
            return sent
        try:
            read = json.loads(sent)
        except ValueError:
            read = sent
        several = read if isinstance(read, list) else [read]
        if not all(type(hours) is int for hours in several):
            raise Invalid(reminder_intervals="Send hours, such as [1, 5] or 4.")
        return read  # type: ignore[no-any-return]

    def happened_at(self, zone: ZoneInfo, now: datetime) -> datetime:
        """When what is back-filled was: a day alone means its noon. Raises `Invalid`."""
        sent = self.backfill_date
        if sent is None:
            raise Invalid(backfill_date="Send the day it happened.")
        if isinstance(sent, datetime):
            return _moment("backfill_date", sent, zone) or now
        noon = _moment("backfill_date", datetime.combine(sent, time(12)), zone) or now
        return min(noon, now) if sent == now.astimezone(zone).date() else noon


class IncidentBody(Body):
    incident: IncidentFields


def step(sent: IncidentFields, present: IncidentStatus | None = None) -> IncidentStatus | None:
    """The step that is sent; None where nothing is sent or it stands there already.

    Raises `Invalid` where the word for a published postmortem would be a step.
    """
    if sent.status is None:
        return None
    status = IncidentStatus(sent.status)
    if present is not None and status in _SAME.get(present, {present}):
        return None
    if status is IncidentStatus.POSTMORTEM:
        raise Invalid(status="Publish its postmortem; the status follows.")
    return status


_SAME = {
    IncidentStatus.POSTMORTEM: {IncidentStatus.POSTMORTEM, IncidentStatus.RESOLVED},
    IncidentStatus.CANCELLED: {IncidentStatus.COMPLETED},
}
"""What a client may send back, having read it, without taking a step."""

_KEPT = (
    "auto_transition_to_maintenance_state",
    "auto_transition_to_operational_state",
    "auto_transition_deliver_notifications_at_start",
    "auto_transition_deliver_notifications_at_end",
    "auto_tweet_at_beginning",
    "auto_tweet_on_completion",
    "auto_tweet_on_creation",
    "auto_tweet_one_hour_before",
)


def moment(field: str, sent: datetime, zone: ZoneInfo) -> datetime:
    """In UTC; without an offset it is the page's zone that is meant. Raises `Invalid`."""
    if sent.year not in YEARS:
        raise Invalid(**{field: f"Send a time from {YEARS.start} to {YEARS.stop - 1}."})
    if sent.tzinfo is None:
        sent = sent.replace(tzinfo=zone)
        if sent.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != sent.replace(tzinfo=None):
            raise Invalid(
                **{field: f"This time does not exist in {zone.key}: clocks go forward then."}
            )
    return sent.astimezone(UTC)


def _moment(field: str, sent: datetime | None, zone: ZoneInfo) -> datetime | None:
    return None if sent is None else moment(field, sent, zone)


def _either(first: bool | None, other: bool | None) -> bool | None:
    return other if first is None else first
