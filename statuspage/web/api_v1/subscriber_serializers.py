"""What is told of subscribers, in Statuspage's words.

Statuspage knows six channels. Those that only this page has are told as `integration_partner`,
so that every sum holds.
"""

from collections.abc import Collection, Sequence
from enum import StrEnum

from statuspage.domain.subscribers.addresses import national
from statuspage.domain.subscribers.queries import PRESENT
from statuspage.domain.subscribers.subscriptions import Channel, SubscriberState
from statuspage.domain.subscribers.subscriptions import Subscriber as Row
from statuspage.web.api_v1.operations import Call
from statuspage.web.api_v1.shapes import Moment, Shape, seconds, seconds_or_none
from statuspage.web.operations import Body


class Type(StrEnum):
    """Channels, in Statuspage's terms."""

    EMAIL = "email"
    SMS = "sms"
    SLACK = "slack"
    WEBHOOK = "webhook"
    TEAMS = "teams"
    INTEGRATION_PARTNER = "integration_partner"

    @property
    def channels(self) -> list[Channel]:
        return [channel for channel in Channel if type_of(channel) is self]


class State(StrEnum):
    ACTIVE = "active"
    UNCONFIRMED = "unconfirmed"
    QUARANTINED = "quarantined"
    ALL = "all"

    @property
    def states(self) -> Collection[SubscriberState]:
        return PRESENT if self is State.ALL else (SubscriberState(self.value),)


def type_of(channel: Channel) -> Type:
    try:
        return Type(channel.value)
    except ValueError:
        return Type.INTEGRATION_PARTNER


class Subscriber(Shape):
    id: str
    skip_confirmation_notification: bool
    mode: Type
    email: str | None
    """Webhooks only: who gets an e-mail when it cannot be reached."""
    endpoint: str | None
    phone_number: str | None
    """Digits, without the country code."""
    phone_country: str | None
    display_phone_number: str | None
    obfuscated_channel_name: str | None
    """The chat tool, if it takes messages at a secret address."""
    workspace_name: str | None
    """Always null: workspace names are unknown."""
    quarantined_at: Moment | None
    purge_at: Moment | None
    components: list[str]
    """Ids; omitted: all of them."""
    page_access_user_id: str | None
    created_at: Moment


class CountByType(Shape):
    email: int
    sms: int
    webhook: int
    integration_partner: int
    slack: int
    teams: int


class CountByState(Shape):
    active: int
    unconfirmed: int
    quarantined: int
    total: int


class CountByTypeAndState(Shape):
    email: CountByState
    sms: CountByState
    webhook: CountByState
    integration_partner: CountByState
    slack: CountByState
    teams: CountByState


def serialize(call: Call[Body], row: Row) -> Subscriber:
    return tell_all(call, [row])[0]


def tell_all(call: Call[Body], rows: Sequence[Row]) -> list[Subscriber]:
    zone = call.page.zone
    return [
        Subscriber(
            id=row.public_id,
            skip_confirmation_notification=row.skip_confirmation,
            mode=type_of(row.channel),
            email=row.address if row.channel is Channel.EMAIL else row.email,
            endpoint=row.address if row.channel is Channel.WEBHOOK else None,
            phone_number=_national(row),
            phone_country=row.phone_country,
            display_phone_number=row.address if row.channel is Channel.SMS else None,
            obfuscated_channel_name=row.channel.label if row.channel in _CHATS else None,
            workspace_name=None,
            quarantined_at=seconds_or_none(row.quarantined_at, zone),
            purge_at=seconds_or_none(row.purge_at, zone),
            components=[component.public_id for component in row.components],
            page_access_user_id=row.access_user.public_id if row.access_user else None,
            created_at=seconds(row.created_at, zone),
        )
        for row in rows
    ]


_CHATS = set(Channel) - {Channel.EMAIL, Channel.SMS, Channel.WEBHOOK}


def _national(row: Row) -> str | None:
    if row.channel is not Channel.SMS or row.address is None:
        return None
    return national(row.address)
