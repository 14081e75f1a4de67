"""Subscribers of the Manage API: who is told, by which way and of what."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import TypedDict, TypeVar

from flask import current_app

from statuspage.domain import page_access
from statuspage.domain.events import Actor
from statuspage.domain.incidents.models import Incident
from statuspage.domain.page_access import PageAccessUser
from statuspage.domain.subscribers import queries as subscriber_queries
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.subscribers.queries import PRESENT, Order, Search
from statuspage.domain.subscribers.subscriptions import Channel, Choice, Contact, SubscriberState
from statuspage.domain.subscribers.subscriptions import Subscriber as Row
from statuspage.domain.tokens import Scope
from statuspage.errors import Invalid
from statuspage.lib.http_client import HttpClient
from statuspage.web.api_v1.components import by_ids
from statuspage.web.api_v1.operations import MAX_PAGE_NUMBER, Call, Window, operation
from statuspage.web.api_v1.subscriber_requests import (
    ComponentsBody,
    ContactFields,
    ReactivateBody,
    SubscriberBody,
    UnsubscribeBody,
    WhomBody,
)
from statuspage.web.api_v1.subscriber_serializers import (
    CountByState,
    CountByType,
    CountByTypeAndState,
    State,
    Subscriber,
    Type,
    serialize,
    tell_all,
)
from statuspage.web.json_errors import Refused
from statuspage.web.operations import Body, Nothing

SUBSCRIBERS = "/pages/{page_id}/subscribers"
SUBSCRIBER = "/pages/{page_id}/subscribers/{subscriber_id}"
MOST_AT_ONCE = 100
"""How many may be unsubscribed by one request."""


class _Act(TypedDict):
    by: Actor
    at: datetime


# ── all of them ────────────────────────────────────────────────────────────────


@operation(
    "GET",
    SUBSCRIBERS,
    needs=Scope.SUBSCRIBERS,
    returns=list[Subscriber],
    query=("q", "type", "state", "limit", "page", "sort_field", "sort_direction"),
)
def list_subscribers(call: Call[Nothing]) -> list[Subscriber]:
    """Subscribers: active ones unless `state` says otherwise. The first page is 0."""
    text = call.query.get("q", "").strip()
    order = one_of(Order, call.query, "sort_field", Order.PRIMARY) or Order.PRIMARY
    if order is Order.RELEVANCE and not text:
        raise Invalid(sort_field="Sorting by relevance needs a search (q).")
    window = _window(call)
    rows = subscriber_queries.find(
        _search(call, text),
        offset=window.offset,
        limit=window.limit,
        order=order,
        descending=one_of(Direction, call.query, "sort_direction", None) is Direction.DESC,
    )
    return tell_all(call, rows)


@operation(
    "POST",
    SUBSCRIBERS,
    needs=Scope.SUBSCRIBERS,
    body=SubscriberBody,
    returns=Subscriber,
    success=201,
)
def create_subscriber(call: Call[SubscriberBody]) -> Subscriber:
    """Add a subscriber. An existing one gets the components sent."""
    sent = call.body.subscriber
    ids = sent.component_ids
    # Without a list of components, who is known keeps theirs.
    choice = None if ids is None else Choice(by_ids(ids))
    return serialize(call, add(call, sent, choice, access_user=_access_user(sent.page_access_user)))


@operation(
    "GET",
    f"{SUBSCRIBERS}/count",
    needs=Scope.SUBSCRIBERS,
    returns=CountByType,
    query=("type", "state"),
)
def count_subscribers(call: Call[Nothing]) -> CountByType:
    """Number of subscribers by type: active ones unless `state` says otherwise."""
    tally = subscriber_queries.tally(_search(call))

    def count(kind: Type) -> int:
        return sum(tally[channel, state] for channel in kind.channels for state in PRESENT)

    return CountByType(**{kind.value: count(kind) for kind in Type})


@operation(
    "GET",
    f"{SUBSCRIBERS}/histogram_by_state",
    needs=Scope.SUBSCRIBERS,
    returns=CountByTypeAndState,
)
def count_by_state(call: Call[Nothing]) -> CountByTypeAndState:
    """Number of subscribers by type and state."""
    tally = subscriber_queries.tally(Search(is_of_page=True))

    def count(kind: Type) -> CountByState:
        states = {
            state.value: sum(tally[channel, state] for channel in kind.channels)
            for state in PRESENT
        }
        return CountByState(**states, total=sum(states.values()))

    return CountByTypeAndState(**{kind.value: count(kind) for kind in Type})


@operation(
    "GET",
    f"{SUBSCRIBERS}/unsubscribed",
    needs=Scope.SUBSCRIBERS,
    returns=list[Subscriber],
    query=("page", "per_page"),
)
def list_unsubscribed(call: Call[Nothing]) -> list[Subscriber]:
    """Subscribers who unsubscribed in the last 90 days; their addresses are deleted."""
    rows = subscriber_queries.find(
        Search(states=(SubscriberState.UNSUBSCRIBED,), is_of_page=True),
        offset=call.window.offset,
        limit=call.window.limit,
        order=Order.CREATED_AT,
        descending=True,
    )
    return tell_all(call, rows)


# ── several at once ────────────────────────────────────────────────────────────


@operation(
    "POST",
    f"{SUBSCRIBERS}/resend_confirmation",
    needs=Scope.SUBSCRIBERS,
    body=WhomBody,
    success=201,
)
def resend_confirmations(call: Call[WhomBody]) -> None:
    """Resend confirmations to unconfirmed subscribers; others are not contacted."""
    waiting = Search(states=(SubscriberState.UNCONFIRMED,), is_of_page=True)
    _each(
        call.body.subscribers,
        waiting,
        lambda subscriber: subscribers.ask_again(subscriber, **_act(call)),
    )


@operation(
    "POST", f"{SUBSCRIBERS}/unsubscribe", needs=Scope.SUBSCRIBERS, body=UnsubscribeBody, success=201
)
def unsubscribe_several(call: Call[UnsubscribeBody]) -> None:
    """Delete up to 100 subscribers; `all` if there are fewer than 100."""
    sent = call.body
    search = Search(
        channels=sent.type.channels if sent.type else None,
        states=(sent.state or State.ACTIVE).states,
        is_of_page=True,
    )
    if sent.subscribers == "all" and subscriber_queries.number(search) >= MOST_AT_ONCE:
        raise Invalid(subscribers=f"'all' works for fewer than {MOST_AT_ONCE} subscribers.")
    if len(sent.subscribers) > MOST_AT_ONCE:
        raise Invalid(subscribers=f"Send at most {MOST_AT_ONCE} subscribers.")
    _each(
        sent.subscribers,
        search,
        lambda subscriber: subscribers.unsubscribe(subscriber, **_act(call)),
    )


@operation(
    "POST", f"{SUBSCRIBERS}/reactivate", needs=Scope.SUBSCRIBERS, body=ReactivateBody, success=201
)
def reactivate_several(call: Call[ReactivateBody]) -> None:
    """Reactivate quarantined subscribers; others are unchanged."""
    sent = call.body
    search = Search(
        channels=sent.type.channels if sent.type else None,
        states=(SubscriberState.QUARANTINED,),
        is_of_page=True,
    )
    _each(
        sent.subscribers,
        search,
        lambda subscriber: subscribers.reactivate(subscriber, **_act(call)),
    )


# ── one of them ────────────────────────────────────────────────────────────────


@operation("GET", SUBSCRIBER, needs=Scope.SUBSCRIBERS, returns=Subscriber)
def read_subscriber(call: Call[Nothing], subscriber_id: str) -> Subscriber:
    """One subscriber."""
    return serialize(call, find(subscriber_id))


@operation(
    "PATCH",
    SUBSCRIBER,
    needs=Scope.SUBSCRIBERS,
    body=ComponentsBody,
    returns=Subscriber,
    lists_put=False,
)
def update_subscriber(call: Call[ComponentsBody], subscriber_id: str) -> Subscriber:
    """Choose their components; an empty list means all."""
    row = find(subscriber_id)
    sent = call.body.subscriber or call.body
    if "component_ids" in sent.said():
        old = row.choice
        choice = Choice(
            by_ids(sent.component_ids or []), old.incident, old.wants, old.language, old.time_zone
        )
        subscribers.choose(row, choice, **_act(call))
    return serialize(call, row)


@operation(
    "DELETE",
    SUBSCRIBER,
    needs=Scope.SUBSCRIBERS,
    returns=Subscriber,
    query=("skip_unsubscription_notification",),
)
def delete_subscriber(call: Call[Nothing], subscriber_id: str) -> Subscriber:
    """Unsubscribe and delete the address; this response is the last to contain it."""
    return remove(call, find(subscriber_id))


@operation("POST", f"{SUBSCRIBER}/resend_confirmation", needs=Scope.SUBSCRIBERS, success=201)
def resend_confirmation(call: Call[Nothing], subscriber_id: str) -> None:
    """Resend the confirmation. Does nothing if already confirmed."""
    subscribers.ask_again(find(subscriber_id), **_act(call))


# ── what those of an incident use too ──────────────────────────────────────────


def find(subscriber_id: str, incident: Incident | None = None) -> Row:
    """One who has not left. Raises `Refused` (404)."""
    row = subscribers.get(subscriber_id)
    if row is None or (incident is not None and row.incident_id != incident.id):
        raise Refused(404, "There is no subscriber with this id.")
    return row


def add(
    call: Call[Body],
    sent: ContactFields,
    choice: Choice | None,
    *,
    access_user: PageAccessUser | None = None,
) -> Row:
    """Raises `Invalid` unless there is one way to reach them."""
    contact = _contact(sent)
    # A program that knows the address of a webhook need not prove that it is theirs.
    is_confirmed = sent.skip_confirmation_notification or contact.channel is Channel.WEBHOOK
    return subscribers.add(
        contact, choice, is_confirmed=is_confirmed, access_user=access_user, **_act(call)
    )


def remove(call: Call[Nothing], row: Row) -> Subscriber:
    answer = serialize(call, row)
    subscribers.unsubscribe(row, **_act(call))
    return answer


class Direction(StrEnum):
    ASC = "asc"
    DESC = "desc"


# ── helpers ────────────────────────────────────────────────────────────────────


def _contact(sent: ContactFields) -> Contact:
    ways = [
        name
        for name, is_sent in {
            "endpoint": sent.endpoint,
            "phone_number": sent.phone_number,
            "email": sent.email and not sent.endpoint,
        }.items()
        if is_sent
    ]
    if len(ways) != 1:
        raise Invalid(
            subscriber="Send exactly one of: email; endpoint with email; phone_number with"
            " phone_country."
        )
    if sent.endpoint:
        contact = Contact.of(Channel.WEBHOOK, sent.endpoint, email=sent.email)
        networks = current_app.config["SETTINGS"].outgoing_networks
        if not HttpClient(networks).may_try(contact.address):
            raise Invalid(endpoint="This address is in a network that may not be reached.")
        return contact
    if sent.phone_number:
        return Contact.of(Channel.SMS, sent.phone_number, country=sent.phone_country or "US")
    return Contact.of(Channel.EMAIL, sent.email or "")


def _access_user(public_id: str | None) -> PageAccessUser | None:
    if public_id is None:
        return None
    user = page_access.get_user(public_id)
    if user is None:
        raise Invalid(page_access_user="There is no page access user with this id.")
    return user


def _search(call: Call[Nothing], text: str = "") -> Search:
    kind = one_of(Type, call.query, "type", None)
    state = one_of(State, call.query, "state", State.ACTIVE) or State.ACTIVE
    return Search(
        text=text,
        channels=kind.channels if kind else None,
        states=state.states,
        is_of_page=True,
    )


Word = TypeVar("Word", bound=StrEnum)


def one_of(
    words: type[Word], query: Mapping[str, str], name: str, default: Word | None
) -> Word | None:
    """The word in the query string. Raises `Invalid` for one that is not among them."""
    sent = query.get(name)
    if not sent:
        return default
    try:
        return words(sent)
    except ValueError:
        raise Invalid(**{name: f"Send one of: {', '.join(words)}."}) from None


def _window(call: Call[Nothing]) -> Window:
    """As `Call.window`, but that the first page is 0: Statuspage counts these alone so."""
    text = call.query.get("page", "")
    number = min(int(text[:9]), MAX_PAGE_NUMBER) if text.isascii() and text.isdecimal() else 0
    limit = call.window.limit
    return Window(number * limit, limit)


def _each(whom: list[str] | str, search: Search, act: Callable[[Row], object]) -> None:
    """Act on those who are named and meant by the search. Raises `Invalid` for an unknown id."""
    if whom == "all":
        rows = list(subscriber_queries.find(search))
    else:
        rows = subscriber_queries.named(list(whom))
        unknown = set(whom) - {row.public_id for row in rows}
        if unknown:
            raise Invalid(subscribers=f"There is no subscriber with the id {min(unknown)!r}.")
    for row in rows:
        act(row)


def _act(call: Call[Body]) -> _Act:
    return {"by": call.by, "at": call.at}
