"""Updates of incidents in the Manage API: what was posted is put right in the open."""

from statuspage.domain.incidents import affected, corrections
from statuspage.domain.incidents.models import Incident as Row
from statuspage.domain.incidents.models import IncidentUpdate as UpdateRow
from statuspage.domain.tokens import Scope
from statuspage.web.api_v1 import incidents
from statuspage.web.api_v1.incident_requests import WrittenTime, moment
from statuspage.web.api_v1.incident_serializers import TWEETS, IncidentSerializer, IncidentUpdate
from statuspage.web.api_v1.operations import Call, OrNone, operation
from statuspage.web.json_errors import Refused
from statuspage.web.operations import Body

UPDATE = "/pages/{page_id}/incidents/{incident_id}/incident_updates/{incident_update_id}"


class UpdateFields(Body):
    body: str | None = None
    display_at: OrNone[WrittenTime] = None
    """Without an offset: in the page's time zone. An update keeps its place in the timeline."""
    deliver_notifications: OrNone[bool] = None
    """True notifies subscribers now of a quiet update, or of the correction if they were notified
    and `body` changes."""
    wants_twitter_update: OrNone[bool] = None


class UpdateBody(Body):
    incident_update: UpdateFields


@operation("PATCH", UPDATE, needs=Scope.INCIDENTS, body=UpdateBody, returns=IncidentUpdate)
def edit_incident_update(
    call: Call[UpdateBody], incident_id: str, incident_update_id: str
) -> IncidentUpdate:
    """Update the fields sent. Earlier text is kept, and readers see what changed."""
    row = incidents.find(incident_id, lock=True)
    update = _find(row, incident_update_id)
    sent = call.body.incident_update
    if sent.body is not None:
        corrections.edit_update(
            update,
            body=sent.body,
            expected_version=update.version,
            by=call.by,
            at=call.at,
            notify=update.notify and sent.deliver_notifications is True,
        )
    if sent.display_at is not None:
        posted_at = moment("display_at", sent.display_at, call.page.zone)
        corrections.move_update(update, posted_at, by=call.by, at=call.at)
    if sent.deliver_notifications is not None:
        corrections.set_delivery(update, sent.deliver_notifications, by=call.by, at=call.at)
    if sent.wants_twitter_update is not None:
        _note_tweet(row, update, sent.wants_twitter_update, call)
    return IncidentSerializer(call, [row]).update(update)


def _find(row: Row, update_id: str) -> UpdateRow:
    for update in row.updates:
        if update.public_id == update_id and not update.is_draft:
            return update
    raise Refused(404, "This incident has no update with this id.")


def _note_tweet(row: Row, update: UpdateRow, is_wanted: bool, call: Call[UpdateBody]) -> None:
    ids = set((row.details or {}).get(TWEETS, []))
    ids = ids | {update.public_id} if is_wanted else ids - {update.public_id}
    affected.set_metadata(row, {TWEETS: sorted(ids)}, by=call.by, at=call.at)
