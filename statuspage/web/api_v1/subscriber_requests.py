"""What clients send of subscribers."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from statuspage.web.api_v1.operations import OrNone
from statuspage.web.api_v1.subscriber_serializers import State, Type
from statuspage.web.operations import Body

MOST_NAMED = 1_000


def _listed(sent: object) -> object:
    """`all` as it is; `a,b` as a list: clients write both."""
    if isinstance(sent, str) and sent != "all":
        return [word.strip() for word in sent.split(",") if word.strip()]
    return sent


Ids = Annotated[
    list[str] | str,
    BeforeValidator(_listed),
    Field(description="Ids of subscribers, or `all`."),
]


class ContactFields(Body):
    """Exactly one of: `email`; `endpoint`, with `email`; `phone_number`, with `phone_country`."""

    email: OrNone[str] = None
    endpoint: OrNone[str] = None
    phone_country: OrNone[str] = None
    phone_number: OrNone[str] = None
    skip_confirmation_notification: bool = False
    """They have consented already: no confirmation is sent."""


class SubscriberFields(ContactFields):
    component_ids: OrNone[list[str]] = None
    page_access_user: OrNone[str] = None
    """Id of a page access user."""


class SubscriberBody(Body):
    subscriber: SubscriberFields


class ChosenFields(Body):
    component_ids: OrNone[list[str]] = None


class ComponentsBody(ChosenFields):
    subscriber: ChosenFields | None = None
    """The same, wrapped."""


class WhomBody(Body):
    subscribers: Annotated[Ids, Field(max_length=MOST_NAMED)]


class ReactivateBody(WhomBody):
    type: OrNone[Type] = None


class UnsubscribeBody(WhomBody):
    type: OrNone[Type] = None
    state: OrNone[State] = State.ACTIVE
    skip_unsubscription_notification: bool = False
    """No effect: unsubscribed people are never contacted."""
