"""Subscribers: who is told of what, and by which channel.

Owns their tables and every rule about them. Telling them is the work of `notify`.
"""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from statuspage.db import Model, PublicId, db
from statuspage.domain.access import PageAccessUser
from statuspage.domain.components import Component

subscriber_component = sa.Table(
    "subscriber_component",
    db.metadata,
    sa.Column(
        "subscriber_id", sa.ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("component_id", sa.ForeignKey("component.id", ondelete="CASCADE"), primary_key=True),
)


class Channel(StrEnum):
    """The ways to reach somebody. The first six are Statuspage's words."""

    EMAIL = "email"
    SMS = "sms"
    WEBHOOK = "webhook"
    SLACK = "slack"
    TEAMS = "teams"
    INTEGRATION_PARTNER = "integration_partner"
    DISCORD = "discord"
    TELEGRAM = "telegram"
    GOOGLE_CHAT = "google_chat"
    MATTERMOST = "mattermost"
    WEB_PUSH = "web_push"


class SubscriberState(StrEnum):
    UNCONFIRMED = "unconfirmed"
    ACTIVE = "active"
    QUARANTINED = "quarantined"
    """Reaching them failed too often; nothing is sent until they are reactivated."""
    UNSUBSCRIBED = "unsubscribed"
    """Left; the address is gone, only that somebody left is kept."""


class Wants(StrEnum):
    """How much of an incident somebody wants to hear."""

    EVERY = "every"
    """Each update."""
    ENDS = "ends"
    """That it began and that it is over."""


class Subscriber(Model):
    public_id: Mapped[PublicId]
    key: Mapped[str] = mapped_column(sa.String(512), unique=True)
    """Channel, address and incident in one: nobody is told twice by the same way."""
    channel: Mapped[Channel] = mapped_column(index=True)
    state: Mapped[SubscriberState] = mapped_column(index=True)
    address: Mapped[str | None]
    """E-mail address, URL, or phone number in digits; None once they left."""
    email: Mapped[str | None]
    """Who answers for a webhook: told when it is quarantined."""
    phone_country: Mapped[str | None] = mapped_column(sa.String(2))
    incident_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("incident.id", ondelete="CASCADE"), index=True
    )
    """The only incident they want to hear of; None: the whole page."""
    access_user_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("access_user.id", ondelete="CASCADE"), index=True
    )
    wants: Mapped[Wants] = mapped_column(default=Wants.EVERY)
    skip_confirmation: Mapped[bool] = mapped_column(default=False)
    confirmed_at: Mapped[datetime | None]
    quarantined_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    """How often in a row they could not be reached."""
    failing_since: Mapped[datetime | None]
    purge_at: Mapped[datetime | None]
    unsubscribed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    components: Mapped[list[Component]] = relationship(secondary=subscriber_component)
    """Which components they chose; none: all of them."""
    access_user: Mapped[PageAccessUser | None] = relationship()
