"""The list of subscribers: searched, filtered, sorted and counted in SQL.

It may hold a hundred thousand rows, so nothing here reads more than a page of them.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import joinedload, selectinload

from statuspage.db import db
from statuspage.domain.incidents.models import Incident
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber, SubscriberState
from statuspage.lib import email_address

PRESENT = (SubscriberState.ACTIVE, SubscriberState.UNCONFIRMED, SubscriberState.QUARANTINED)
"""Everybody but those who left."""
READ_AT_ONCE = 1_000


class Order(StrEnum):
    """What a list is sorted by. Statuspage's words."""

    PRIMARY = "primary"
    """By address."""
    CREATED_AT = "created_at"
    QUARANTINED_AT = "quarantined_at"
    RELEVANCE = "relevance"
    """Addresses that begin with what was searched for come first."""


@dataclass(frozen=True)
class Search:
    """Which subscribers are meant."""

    text: str = ""
    """Part of an address; upper and lower case are one."""
    channels: Collection[Channel] | None = None
    states: Collection[SubscriberState] = PRESENT
    incident: Incident | None = None
    """Those of this incident only."""
    is_of_page: bool = False
    """Leave out those who follow one incident only."""


def find(
    search: Search,
    *,
    offset: int = 0,
    limit: int | None = None,
    order: Order = Order.PRIMARY,
    descending: bool = False,
) -> list[Subscriber]:
    """A piece of the list, with the components that they chose."""
    keys = _sorted_by(order, search)
    directed = [key.desc() if descending else key.asc() for key in keys]
    query = _with_choice(_matching(search)).order_by(*directed).offset(offset)
    return list(db.session.scalars(query if limit is None else query.limit(limit)))


def every(search: Search) -> Iterator[Subscriber]:
    """All of them by row id, read piece by piece."""
    after = 0
    while True:
        query = _with_choice(_matching(search)).where(Subscriber.id > after)
        piece = list(db.session.scalars(query.order_by(Subscriber.id).limit(READ_AT_ONCE)))
        yield from piece
        if len(piece) < READ_AT_ONCE:
            return
        after = piece[-1].id
        db.session.expunge_all()


def named(public_ids: Sequence[str]) -> list[Subscriber]:
    """Those of these ids that have not left."""
    query = sa.select(Subscriber).where(
        Subscriber.public_id.in_(public_ids), Subscriber.state.in_(PRESENT)
    )
    return list(db.session.scalars(_with_choice(query)))


def number(search: Search) -> int:
    """How many there are."""
    query = _matching(search).with_only_columns(sa.func.count())
    return db.session.scalar(query) or 0


def tally(search: Search) -> Mapping[tuple[Channel, SubscriberState], int]:
    """How many by channel and state; 0 for a pair that has none."""
    columns = (Subscriber.channel, Subscriber.state)
    query = _matching(search).with_only_columns(*columns, sa.func.count()).group_by(*columns)
    return Counter({(channel, state): count for channel, state, count in db.session.execute(query)})


def _matching(search: Search) -> sa.Select[Subscriber]:
    query = sa.select(Subscriber).where(Subscriber.state.in_(search.states))
    if search.text:
        query = query.where(
            sa.or_(
                *(
                    column.icontains(text, autoescape=True)
                    for column in (Subscriber.address, Subscriber.email)
                    for text in {search.text, *email_address.spellings(search.text)}
                )
            )
        )
    if search.channels is not None:
        query = query.where(Subscriber.channel.in_(search.channels))
    if search.incident is not None:
        query = query.where(Subscriber.incident_id == search.incident.id)
    elif search.is_of_page:
        query = query.where(Subscriber.incident_id.is_(None))
    return query


def _with_choice(query: sa.Select[Subscriber]) -> sa.Select[Subscriber]:
    return query.options(
        selectinload(Subscriber.components),
        joinedload(Subscriber.access_user),
        selectinload(Subscriber.incident),
    )


def _sorted_by(order: Order, search: Search) -> list[sa.ColumnElement[Any]]:
    first: sa.ColumnElement[Any]
    match order:
        case Order.PRIMARY:
            first = sa.func.lower(sa.func.coalesce(Subscriber.address, ""))
        case Order.CREATED_AT:
            first = Subscriber.created_at.expression
        case Order.QUARANTINED_AT:
            first = Subscriber.quarantined_at.expression
        case Order.RELEVANCE:
            begins = Subscriber.address.istartswith(search.text, autoescape=True)
            first = sa.case((begins, 0), else_=1)
    return [first, Subscriber.id.expression]
