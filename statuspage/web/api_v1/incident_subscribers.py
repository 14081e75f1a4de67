"""Subscribers of one incident, of the Manage API: people who follow that and nothing else."""

from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Incident
from statuspage.domain.subscribers import queries as subscriber_queries
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.subscribers.queries import Search
from statuspage.domain.subscribers.subscriptions import Choice
from statuspage.domain.tokens import Scope
from statuspage.errors import Invalid
from statuspage.web.api_v1.operations import Call, operation
from statuspage.web.api_v1.subscriber_requests import ContactFields
from statuspage.web.api_v1.subscriber_serializers import Subscriber, serialize, tell_all
from statuspage.web.api_v1.subscribers import add, find, remove
from statuspage.web.json_errors import Refused
from statuspage.web.operations import Body, Nothing

SUBSCRIBERS = "/pages/{page_id}/incidents/{incident_id}/subscribers"
SUBSCRIBER = "/pages/{page_id}/incidents/{incident_id}/subscribers/{subscriber_id}"


class IncidentSubscriberBody(Body):
    subscriber: ContactFields


@operation(
    "GET",
    SUBSCRIBERS,
    needs=Scope.SUBSCRIBERS,
    returns=list[Subscriber],
    query=("page", "per_page"),
)
def list_incident_subscribers(call: Call[Nothing], incident_id: str) -> list[Subscriber]:
    """Subscribers of this incident."""
    window = call.window
    rows = subscriber_queries.find(
        Search(incident=_incident(incident_id)), offset=window.offset, limit=window.limit
    )
    return tell_all(call, rows)


@operation(
    "POST",
    SUBSCRIBERS,
    needs=Scope.SUBSCRIBERS,
    body=IncidentSubscriberBody,
    returns=Subscriber,
    success=201,
)
def create_incident_subscriber(call: Call[IncidentSubscriberBody], incident_id: str) -> Subscriber:
    """Subscribe someone to this incident by e-mail or text message."""
    incident = _incident(incident_id)
    sent = call.body.subscriber
    if sent.endpoint:
        raise Invalid(endpoint="An incident is followed by e-mail or text message.")
    return serialize(call, add(call, sent, Choice(incident=incident)))


@operation("GET", SUBSCRIBER, needs=Scope.SUBSCRIBERS, returns=Subscriber)
def read_incident_subscriber(
    call: Call[Nothing], incident_id: str, subscriber_id: str
) -> Subscriber:
    """One subscriber of this incident."""
    return serialize(call, find(subscriber_id, _incident(incident_id)))


@operation("DELETE", SUBSCRIBER, needs=Scope.SUBSCRIBERS, returns=Subscriber)
def delete_incident_subscriber(
    call: Call[Nothing], incident_id: str, subscriber_id: str
) -> Subscriber:
    """Unsubscribe and delete the address; this response is the last to contain it."""
    return remove(call, find(subscriber_id, _incident(incident_id)))


@operation("POST", f"{SUBSCRIBER}/resend_confirmation", needs=Scope.SUBSCRIBERS, success=201)
def resend_incident_confirmation(call: Call[Nothing], incident_id: str, subscriber_id: str) -> None:
    """Resend the confirmation. Does nothing if already confirmed."""
    row = find(subscriber_id, _incident(incident_id))
    subscribers.ask_again(row, by=call.by, at=call.at)


def _incident(incident_id: str) -> Incident:
    incident = incidents.get(incident_id)
    if incident is None or incident.is_draft:
        raise Refused(404, "There is no incident with this id.")
    return incident
