"""Postmortems of the Manage API: one Markdown text, where the desk has parts.

A text that is written with our headings is taken apart into them, any other stays
whole in the summary; read again it is the same text.
"""

from statuspage.domain.incidents import affected, postmortem_text, postmortems
from statuspage.domain.incidents.models import Incident
from statuspage.domain.incidents.postmortems import Action, PostmortemState
from statuspage.domain.incidents.postmortems import Postmortem as Row
from statuspage.domain.tokens import Scope
from statuspage.errors import Invalid
from statuspage.web.api_v1 import incidents
from statuspage.web.api_v1.operations import Call, OrNone, operation
from statuspage.web.api_v1.shapes import Moment, Shape, seconds, seconds_or_none
from statuspage.web.json_errors import Refused
from statuspage.web.operations import Body, Nothing

POSTMORTEM = "/pages/{page_id}/incidents/{incident_id}/postmortem"

TWEET = "postmortem"
"""In an incident's details: what somebody wanted to be tweeted of its postmortem."""


class Postmortem(Shape):
    preview_key: str | None
    """Always null: drafts have no public preview."""
    body: str | None
    """The published text."""
    body_updated_at: Moment | None
    body_draft: str | None
    body_draft_updated_at: Moment | None
    published_at: Moment | None
    notify_subscribers: bool
    notify_twitter: bool
    """Stored only: nothing is tweeted."""
    custom_tweet: str | None
    created_at: Moment
    updated_at: Moment


class DraftFields(Body):
    body_draft: str


class DraftBody(Body):
    postmortem: DraftFields


class PublicationFields(Body):
    notify_subscribers: OrNone[bool] = None
    """Null: false."""
    notify_twitter: OrNone[bool] = None
    custom_tweet: OrNone[str] = None


class PublicationBody(Body):
    postmortem: OrNone[PublicationFields] = None


# The draft is told too, and that is nobody's but the writers'.
@operation("GET", POSTMORTEM, needs=Scope.INCIDENTS, returns=Postmortem)
def read_postmortem(call: Call[Nothing], incident_id: str) -> Postmortem:
    """The postmortem of an incident, draft included."""
    return _serialize(call, _find(incidents.find(incident_id)))


@operation("PUT", POSTMORTEM, needs=Scope.INCIDENTS, body=DraftBody, returns=Postmortem)
def write_postmortem(call: Call[DraftBody], incident_id: str) -> Postmortem:
    """Save a draft; the published version stays public."""
    incident = incidents.find(incident_id, lock=True)
    present = postmortems.of(incident)
    text = call.body.postmortem.body_draft
    if not text.strip():
        raise Invalid(body_draft="Send the text of the postmortem.")
    try:
        row = postmortems.save(
            incident,
            postmortem_text.split_parts(text),
            _actions(present),
            expected_version=present.version if present else None,
            by=call.by,
            at=call.at,
        )
    except Invalid as invalid:
        raise Invalid(body_draft=" ".join(invalid.errors.values())) from invalid
    return _serialize(call, row)


@operation(
    "PUT",
    f"{POSTMORTEM}/publish",
    needs=Scope.INCIDENTS,
    body=PublicationBody,
    returns=Postmortem,
)
def publish_postmortem(call: Call[PublicationBody], incident_id: str) -> Postmortem:
    """Publish the draft; the incident's status becomes `postmortem`."""
    incident = incidents.find(incident_id, lock=True)
    row = _find(incident)
    sent = call.body.postmortem or PublicationFields()
    postmortems.publish(row, notify=bool(sent.notify_subscribers), needs=(), by=call.by, at=call.at)
    if tweet := sent.said().keys() & {"notify_twitter", "custom_tweet"}:
        tweet_fields = {name: getattr(sent, name) for name in sorted(tweet)}
        affected.set_metadata(incident, {TWEET: tweet_fields}, by=call.by, at=call.at)
    return _serialize(call, row)


@operation("PUT", f"{POSTMORTEM}/revert", needs=Scope.INCIDENTS, returns=Postmortem)
def revert_postmortem(call: Call[Nothing], incident_id: str) -> Postmortem:
    """Withdraw it: it is a draft again, and the incident says that it was withdrawn."""
    row = _find(incidents.find(incident_id, lock=True))
    if row.is_published:
        _withdraw(row, call)
    return _serialize(call, row)


@operation("DELETE", POSTMORTEM, needs=Scope.INCIDENTS, success=204)
def delete_postmortem(call: Call[Nothing], incident_id: str) -> None:
    """Delete the draft; a published version is withdrawn first and kept on record."""
    row = _find(incidents.find(incident_id, lock=True))
    if row.is_published:
        _withdraw(row, call)
    postmortems.delete_draft(row, by=call.by, at=call.at)


def _withdraw(row: Row, call: Call[Nothing]) -> None:
    reason = "Withdrawn by a program, through the Manage API."
    postmortems.withdraw(row, reason=reason, by=call.by, at=call.at)


def _find(incident: Incident) -> Row:
    row = postmortems.of(incident)
    if row is None or row.state is PostmortemState.DELETED:
        raise Refused(404, "This incident has no postmortem.")
    return row


def _actions(row: Row | None) -> list[Action]:
    """As they stand: a client knows nothing of them."""
    return [
        Action(action.title, action.state, action.due_on, action.owner, action.public_id)
        for action in (row.actions if row else [])
    ]


def _serialize(call: Call[Body], row: Row) -> Postmortem:
    zone = call.page.zone
    tweet = (row.incident.details or {}).get(TWEET, {})
    return Postmortem(
        preview_key=None,
        body=postmortem_text.join_parts(row.published_parts) if row.is_published else None,
        body_updated_at=seconds_or_none(row.edited_at or row.published_at, zone),
        body_draft=postmortem_text.join_parts(row.parts),
        body_draft_updated_at=seconds(row.updated_at, zone),
        published_at=seconds_or_none(row.published_at, zone),
        notify_subscribers=row.has_notified,
        notify_twitter=bool(tweet.get("notify_twitter")),
        custom_tweet=tweet.get("custom_tweet"),
        created_at=seconds(row.created_at, zone),
        updated_at=seconds(row.updated_at, zone),
    )
