"""Page access users of the Manage API: people outside the team, and what is given to them.

Kept for the programs that keep them; nothing is hidden from anybody else.
"""

from typing import Any

from pydantic import model_validator

from statuspage.domain import page_access as access
from statuspage.domain.page_access import PageAccessUser as Row
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.subscribers.subscriptions import Channel, Choice, Contact
from statuspage.errors import Invalid
from statuspage.web.api_v1 import metrics, page_access
from statuspage.web.api_v1.components import Component
from statuspage.web.api_v1.metrics import Metric
from statuspage.web.api_v1.operations import Call, OrNone, operation
from statuspage.web.api_v1.page_access import (
    NEEDS,
    ComponentIds,
    MetricIds,
    SomeComponentIds,
    SomeMetricIds,
    find_user,
    groups_named,
)
from statuspage.web.api_v1.shapes import Moment, Shape, seconds
from statuspage.web.json_bodies import wrapped
from statuspage.web.json_errors import Refused
from statuspage.web.operations import Body, Nothing

USERS = "/pages/{page_id}/page_access_users"
USER = "/pages/{page_id}/page_access_users/{page_access_user_id}"
PAGED = ("page", "per_page")


class PageAccessUser(Shape):
    id: str
    page_id: str
    email: str | None
    external_login: str | None
    page_access_group_id: str | None
    """The first of their groups."""
    page_access_group_ids: list[str]
    created_at: Moment
    updated_at: Moment


class UserFields(Body):
    external_login: OrNone[str] = None
    """The login at the identity provider, usually `uid`."""
    email: OrNone[str] = None
    page_access_group_ids: list[str] | None = None
    component_ids: list[str] | None = None
    metric_ids: list[str] | None = None
    subscribe_to_components: bool = False
    """Ask them by e-mail whether they want updates about these components."""


class UserBody(Body):
    page_access_user: UserFields

    @model_validator(mode="before")
    @classmethod
    def _wrapped(cls, sent: Any) -> Any:
        return wrapped(sent, "page_access_user")


# ── users ──────────────────────────────────────────────────────────────────────


@operation("GET", USERS, needs=NEEDS, returns=list[PageAccessUser], query=("email", *PAGED))
def list_users(call: Call[Nothing]) -> list[PageAccessUser]:
    """Every page access user, oldest first; with `email`, the user with that address."""
    email = call.query.get("email") or None
    rows = access.users(email=email, offset=call.window.offset, limit=call.window.limit)
    return _serialize_all(call, rows)


@operation("POST", USERS, needs=NEEDS, body=UserBody, returns=PageAccessUser)
def create_user(call: Call[UserBody]) -> PageAccessUser:
    """A new user, by e-mail address or external login. 409 if either is taken."""
    sent = call.body.page_access_user
    row = access.add_user(
        email=sent.email,
        external_login=sent.external_login,
        groups=groups_named(sent.page_access_group_ids or []),
        by=call.by,
        at=call.at,
    )
    _give(call, row, sent)
    return _serialize(call, row)


@operation("GET", USER, needs=NEEDS, returns=PageAccessUser)
def read_user(call: Call[Nothing], page_access_user_id: str) -> PageAccessUser:
    """One page access user."""
    return _serialize(call, find_user(page_access_user_id))


@operation("PATCH", USER, needs=NEEDS, body=UserBody, returns=PageAccessUser)
def update_user(call: Call[UserBody], page_access_user_id: str) -> PageAccessUser:
    """Update the fields sent. A list of groups replaces the current one."""
    row = find_user(page_access_user_id)
    sent = call.body.page_access_user
    fields = sent.said()
    ids = sent.page_access_group_ids
    access.edit_user(
        row,
        email=fields.get("email", row.email),
        external_login=fields.get("external_login", row.external_login),
        groups=None if ids is None else groups_named(ids),
        by=call.by,
        at=call.at,
    )
    _give(call, row, sent)
    return _serialize(call, row)


@operation("DELETE", USER, needs=NEEDS, success=204)
def delete_user(call: Call[Nothing], page_access_user_id: str) -> None:
    """Delete a user and their subscriptions."""
    access.remove(find_user(page_access_user_id), by=call.by, at=call.at)


def _give(call: Call[UserBody], row: Row, sent: UserFields) -> None:
    if sent.component_ids is not None:
        page_access.replace_components(call, row, sent.component_ids)
    if sent.metric_ids is not None:
        access.set_metrics(row, metrics.by_ids(sent.metric_ids), by=call.by, at=call.at)
    if sent.subscribe_to_components:
        if row.email is None:
            raise Invalid(subscribe_to_components="Messages go to an e-mail address: send one.")
        contact = Contact.of(Channel.EMAIL, row.email)
        choice = Choice(components=access.components_for(row))
        subscribers.add(contact, choice, access_user=row, by=call.by, at=call.at)


# ── their components ───────────────────────────────────────────────────────────


@operation("GET", f"{USER}/components", needs=NEEDS, returns=list[Component], query=PAGED)
def list_components(call: Call[Nothing], page_access_user_id: str) -> list[Component]:
    """The components of a user."""
    return page_access.serialize_components(call, find_user(page_access_user_id))


@operation("PATCH", f"{USER}/components", needs=NEEDS, body=ComponentIds, returns=PageAccessUser)
def add_components(call: Call[ComponentIds], page_access_user_id: str) -> PageAccessUser:
    """Add components to a user."""
    row = find_user(page_access_user_id)
    page_access.give_components(call, row, call.body.component_ids)
    return _serialize(call, row)


@operation(
    "POST",
    f"{USER}/components",
    needs=NEEDS,
    body=ComponentIds,
    returns=PageAccessUser,
    success=201,
)
def replace_components(call: Call[ComponentIds], page_access_user_id: str) -> PageAccessUser:
    """Replace the components of a user."""
    row = find_user(page_access_user_id)
    page_access.replace_components(call, row, call.body.component_ids)
    return _serialize(call, row)


@operation(
    "DELETE", f"{USER}/components", needs=NEEDS, body=SomeComponentIds, returns=PageAccessUser
)
def remove_components(call: Call[SomeComponentIds], page_access_user_id: str) -> PageAccessUser:
    """Remove components from a user; without ids, all of them."""
    row = find_user(page_access_user_id)
    page_access.take_components(call, row, call.body.component_ids)
    return _serialize(call, row)


@operation("DELETE", f"{USER}/components/{{component_id}}", needs=NEEDS, returns=PageAccessUser)
def remove_component(
    call: Call[Nothing], page_access_user_id: str, component_id: str
) -> PageAccessUser:
    """Remove one component from a user."""
    row = find_user(page_access_user_id)
    page_access.take_component(call, row, component_id)
    return _serialize(call, row)


# ── their metrics ──────────────────────────────────────────────────────────────


@operation("GET", f"{USER}/metrics", needs=NEEDS, returns=list[Metric], query=PAGED)
def list_metrics(call: Call[Nothing], page_access_user_id: str) -> list[Metric]:
    """The metrics of a user."""
    row = find_user(page_access_user_id)
    held = access.metrics_of(row, offset=call.window.offset, limit=call.window.limit)
    return metrics.serialize_all(call, held)


@operation("PATCH", f"{USER}/metrics", needs=NEEDS, body=MetricIds, returns=PageAccessUser)
def add_metrics(call: Call[MetricIds], page_access_user_id: str) -> PageAccessUser:
    """Add metrics to a user."""
    row = find_user(page_access_user_id)
    metrics_chosen = [*row.metrics, *metrics.by_ids(call.body.metric_ids)]
    access.set_metrics(row, metrics_chosen, by=call.by, at=call.at)
    return _serialize(call, row)


@operation(
    "POST", f"{USER}/metrics", needs=NEEDS, body=MetricIds, returns=PageAccessUser, success=201
)
def replace_metrics(call: Call[MetricIds], page_access_user_id: str) -> PageAccessUser:
    """Replace the metrics of a user."""
    row = find_user(page_access_user_id)
    access.set_metrics(row, metrics.by_ids(call.body.metric_ids), by=call.by, at=call.at)
    return _serialize(call, row)


@operation("DELETE", f"{USER}/metrics", needs=NEEDS, body=SomeMetricIds, returns=PageAccessUser)
def remove_metrics(call: Call[SomeMetricIds], page_access_user_id: str) -> PageAccessUser:
    """Remove metrics from a user; without ids, all of them."""
    row = find_user(page_access_user_id)
    ids = call.body.metric_ids
    removed = row.metrics if ids is None else metrics.by_ids(ids)
    remaining = [metric for metric in row.metrics if metric not in removed]
    access.set_metrics(row, remaining, by=call.by, at=call.at)
    return _serialize(call, row)


@operation("DELETE", f"{USER}/metrics/{{metric_id}}", needs=NEEDS, returns=PageAccessUser)
def remove_metric(call: Call[Nothing], page_access_user_id: str, metric_id: str) -> PageAccessUser:
    """Remove one metric from a user."""
    row = find_user(page_access_user_id)
    remaining = [metric for metric in row.metrics if metric.public_id != metric_id]
    if len(remaining) == len(row.metrics):
        raise Refused(404, "This user does not have access to this metric.")
    access.set_metrics(row, remaining, by=call.by, at=call.at)
    return _serialize(call, row)


def _serialize(call: Call[Body], row: Row) -> PageAccessUser:
    return _serialize_all(call, [row])[0]


def _serialize_all(call: Call[Body], rows: list[Row]) -> list[PageAccessUser]:
    """As they stand: one query for the groups of all."""
    groups = access.groups_of(rows)
    return [
        PageAccessUser(
            id=row.public_id,
            page_id=call.page.public_id,
            email=row.email,
            external_login=row.external_login,
            page_access_group_id=next(iter(groups.get(row.id, ())), None),
            page_access_group_ids=list(groups.get(row.id, ())),
            created_at=seconds(row.created_at, call.page.zone),
            updated_at=seconds(row.updated_at, call.page.zone),
        )
        for row in rows
    ]
