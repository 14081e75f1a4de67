"""How the Manage API tells incidents, maintenance and their updates."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import current_app

from statuspage.domain.incidents import postmortem_text, postmortems
from statuspage.domain.incidents.models import Incident as Row
from statuspage.domain.incidents.models import IncidentUpdate as UpdateRow
from statuspage.domain.incidents.postmortems import Postmortem
from statuspage.domain.statuses import ComponentStatus, Impact, IncidentKind, IncidentStatus
from statuspage.web.api_v1 import components
from statuspage.web.api_v1.components import Component
from statuspage.web.api_v1.operations import Call
from statuspage.web.api_v1.shapes import Moment, Shape, milliseconds, seconds, seconds_or_none
from statuspage.web.operations import Body

TWEETS = "wants_twitter_update"
"""In an incident's details: ids of the updates that somebody wanted to be tweeted."""


class AffectedComponent(Shape):
    code: str
    """Its id."""
    name: str
    """With the name of its group, as of then: `Payments - Card payments`."""
    old_status: ComponentStatus
    new_status: ComponentStatus


class IncidentUpdate(Shape):
    id: str
    incident_id: str
    affected_components: list[AffectedComponent] | None
    """Null if it names none."""
    body: str
    created_at: Moment
    custom_tweet: str | None
    deliver_notifications: bool
    display_at: Moment
    status: str
    tweet_id: str | None
    twitter_updated_at: Moment | None
    updated_at: Moment
    wants_twitter_update: bool
    """Stored only: nothing is tweeted."""


class Incident(Shape):
    id: str
    components: list[Component]
    """Their current state. Components removed from the page are left out."""
    created_at: Moment
    """For a backfilled incident, the time it happened."""
    impact: Impact
    impact_override: Impact | None
    incident_updates: list[IncidentUpdate]
    """Newest first; includes a published postmortem."""
    metadata: dict[str, Any]
    monitoring_at: Moment | None
    name: str
    page_id: str
    postmortem_body: str | None
    postmortem_body_last_updated_at: Moment | None
    postmortem_ignored: bool
    postmortem_notified_subscribers: bool
    postmortem_notified_twitter: bool
    postmortem_published_at: Moment | None
    resolved_at: Moment | None
    scheduled_auto_completed: bool
    scheduled_auto_in_progress: bool
    scheduled_for: Moment | None
    auto_transition_deliver_notifications_at_end: bool | None
    auto_transition_deliver_notifications_at_start: bool | None
    auto_transition_to_maintenance_state: bool | None
    auto_transition_to_operational_state: bool | None
    scheduled_remind_prior: bool
    scheduled_reminded_at: Moment | None
    scheduled_until: Moment | None
    shortlink: str
    status: str
    updated_at: Moment
    reminder_intervals: str | None
    """Null, or JSON as a string: `[]`, `[1, 5]` or `4`, in hours."""


class IncidentSerializer:
    """Tells these incidents as they stand at the moment of a call, in as many queries for
    one as for a hundred."""

    def __init__(self, call: Call[Body], rows: Sequence[Row]) -> None:
        self._rows = rows
        self._page_id = call.page.public_id
        self._page_url = call.page.url or current_app.config["SETTINGS"].base_url.rstrip("/")
        self._zone = call.page.zone
        self._components = components.ComponentSerializer(call)
        self._postmortems = postmortems.published_of([row.id for row in rows])

    def all(self) -> list[Incident]:
        return [self._incident(row) for row in self._rows]

    def one(self) -> Incident:
        (row,) = self._rows
        return self._incident(row)

    def update(self, update: UpdateRow) -> IncidentUpdate:
        tweets = (update.incident.details or {}).get(TWEETS, [])
        return IncidentUpdate(
            id=update.public_id,
            incident_id=update.incident.public_id,
            affected_components=_affected(update),
            body=update.body,
            created_at=milliseconds(update.created_at, self._zone),
            custom_tweet=update.custom_tweet,
            deliver_notifications=update.notify,
            display_at=milliseconds(update.posted_at, self._zone),
            status=status_word(update.status),
            tweet_id=None if update.tweet_id is None else str(update.tweet_id),
            twitter_updated_at=None,
            updated_at=milliseconds(update.updated_at, self._zone),
            wants_twitter_update=update.public_id in tweets,
        )

    def _incident(self, row: Row) -> Incident:
        zone = self._zone
        details = row.details or {}
        is_planned = row.kind is IncidentKind.MAINTENANCE
        postmortem = self._postmortems.get(row.id)
        written_at = (postmortem.edited_at or postmortem.published_at) if postmortem else None
        return Incident(
            id=row.public_id,
            components=self._named(row),
            created_at=seconds(row.started_at if row.is_backfilled else row.created_at, zone),
            impact=row.impact,
            impact_override=row.impact_override,
            incident_updates=self._updates(row, postmortem),
            metadata=details.get("metadata") or {},
            monitoring_at=seconds_or_none(_monitored_at(row), zone),
            name=row.name,
            page_id=self._page_id,
            postmortem_body=_body(postmortem),
            postmortem_body_last_updated_at=seconds_or_none(written_at, zone),
            postmortem_ignored=False,
            postmortem_notified_subscribers=bool(postmortem and postmortem.has_notified),
            postmortem_notified_twitter=False,
            postmortem_published_at=seconds_or_none(
                postmortem.published_at if postmortem else None, zone
            ),
            resolved_at=seconds_or_none(row.resolved_at, zone),
            scheduled_auto_completed=is_planned and row.auto_end,
            scheduled_auto_in_progress=is_planned and row.auto_start,
            scheduled_for=seconds_or_none(row.scheduled_for, zone),
            auto_transition_deliver_notifications_at_end=details.get(
                "auto_transition_deliver_notifications_at_end"
            ),
            auto_transition_deliver_notifications_at_start=details.get(
                "auto_transition_deliver_notifications_at_start"
            ),
            auto_transition_to_maintenance_state=details.get(
                "auto_transition_to_maintenance_state"
            ),
            auto_transition_to_operational_state=details.get(
                "auto_transition_to_operational_state"
            ),
            scheduled_remind_prior=row.reminds,
            scheduled_reminded_at=seconds_or_none(row.reminded_at, zone),
            scheduled_until=seconds_or_none(row.scheduled_until, zone),
            shortlink=row.shortlink or f"{self._page_url}/incidents/{row.public_id}",
            status=status_word(row.status),
            updated_at=seconds(row.updated_at, zone),
            reminder_intervals=row.reminder_intervals,
        )

    def _named(self, row: Row) -> list[Component]:
        present = [
            affected.component
            for affected in row.affected
            if affected.component.archived_at is None
        ]
        present.sort(key=lambda component: (component.position, component.id))
        return [self._components.component(component) for component in present]

    def _updates(self, row: Row, postmortem: Postmortem | None) -> list[IncidentUpdate]:
        updates = [update for update in row.updates if not update.is_draft]
        dated = [(update.posted_at, self.update(update)) for update in updates]
        if postmortem is not None and postmortem.published_at is not None:
            written = self._postmortem(row, postmortem, postmortem.published_at)
            dated.append((postmortem.published_at, written))
            dated.sort(key=lambda pair: pair[0], reverse=True)
        return [update for _, update in dated]

    def _postmortem(self, row: Row, postmortem: Postmortem, at: datetime) -> IncidentUpdate:
        return IncidentUpdate(
            id=postmortem.public_id,
            incident_id=row.public_id,
            affected_components=None,
            body=postmortem_text.join_parts(postmortem.published_parts),
            created_at=milliseconds(at, self._zone),
            custom_tweet=None,
            deliver_notifications=postmortem.has_notified,
            display_at=milliseconds(at, self._zone),
            status=IncidentStatus.POSTMORTEM.value,
            tweet_id=None,
            twitter_updated_at=None,
            updated_at=milliseconds(postmortem.edited_at or at, self._zone),
            wants_twitter_update=False,
        )


def status_word(status: IncidentStatus) -> str:
    """In Statuspage's words, which have none for maintenance that was called off."""
    return (IncidentStatus.COMPLETED if status is IncidentStatus.CANCELLED else status).value


def _monitored_at(row: Row) -> datetime | None:
    """The first time it was said that a fix is being watched."""
    watched = [
        update.posted_at
        for update in row.updates
        if update.status is IncidentStatus.MONITORING and not update.is_draft
    ]
    return min(watched, default=None)


def _affected(update: UpdateRow) -> list[AffectedComponent] | None:
    return [
        AffectedComponent(
            code=change.component.public_id,
            name=change.name,
            old_status=change.status_before,
            new_status=change.claim.status,
        )
        for change in update.changes
    ] or None


def _body(postmortem: Postmortem | None) -> str | None:
    return postmortem_text.join_parts(postmortem.published_parts) if postmortem else None
