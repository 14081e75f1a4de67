"""`/api/v2/subscribers.json`: subscribing by programs, as Statuspage's public API had it.

The same verb as the form: every address is answered alike, and confirms by a message. An
id is no proof, so reading and leaving take the token of a link that a message carried.
"""

from typing import Any

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue
from limits import RateLimitItemPerDay
from sqlalchemy import exc

from statuspage import clock
from statuspage.db import db
from statuspage.domain import page_settings
from statuspage.domain.components import models
from statuspage.domain.components import verbs as components
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Incident
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.subscribers.subscriptions import (
    THEMSELVES,
    Channel,
    Choice,
    Contact,
    Subscriber,
)
from statuspage.errors import Invalid
from statuspage.lib import signed_links
from statuspage.lib.http_client import HttpClient
from statuspage.lib.signed_links import Purpose
from statuspage.notify.channels import registry
from statuspage.page.html import subscription_pages
from statuspage.page.snapshot import build as snapshot
from statuspage.web import json_bodies, json_errors
from statuspage.web.json_errors import Refused
from statuspage.web.public import subscription_forms
from statuspage.web.public.api import PREFLIGHT
from statuspage.web.public.subscriptions import (
    LINKS_PER_NETWORK,
    PER_NETWORK,
    TEXTS_PER_NETWORK,
)
from statuspage.web.security import is_cross_site, limiter, network

ADDRESS = "/api/v2/subscribers.json"
RETRY_AFTER_S = 600
PER_CONTACT = RateLimitItemPerDay(6)

bp = Blueprint("api_subscribers", __name__)
json_errors.init(bp)


def _is_no_text() -> bool:
    return "phone_number" not in _fields()


@bp.post(ADDRESS)
@limiter.limit(PER_NETWORK, key_func=network)
@limiter.limit(TEXTS_PER_NETWORK, key_func=network, exempt_when=_is_no_text)
def subscribe() -> ResponseReturnValue:
    """Ask to be told. What follows goes to the address."""
    if is_cross_site():
        raise Refused(403, "Other sites cannot subscribe their visitors. Send this from a server.")
    page = _page()
    fields = _fields()
    contact = _contact(fields)
    subscription_forms.limit(contact)
    choice = Choice(components=_components(fields), incident=_incident(fields))
    wording = subscription_pages.wording(snapshot.describe(base_url=_settings().base_url))
    try:
        subscribers.request_confirmation(contact, choice, wording=wording, at=clock.now())
        db.session.commit()
    except exc.IntegrityError:
        # The same address at the same moment: the other request has asked.
        db.session.rollback()
    return _serialize(page, contact.channel), 201


@bp.get(ADDRESS)
@limiter.limit(LINKS_PER_NETWORK, key_func=network)
def show() -> ResponseReturnValue:
    """What the owner of a link has chosen."""
    page, subscriber = _page(), _owner(Purpose.MANAGE)
    chosen = [component.public_id for component in subscriber.components]
    return _serialize(page, subscriber.channel) | {
        "subscriber": {"state": subscriber.state, "component_ids": chosen}
    }


@bp.delete(ADDRESS)
def leave() -> ResponseReturnValue:
    """Unsubscribe the owner of a link at once."""
    page, subscriber = _page(), _owner(Purpose.MANAGE, Purpose.UNSUBSCRIBE)
    answer = _serialize(page, subscriber.channel)
    subscribers.unsubscribe(subscriber, by=THEMSELVES, at=clock.now())
    db.session.commit()
    return answer


@bp.after_request
def _open_to_any_site(response: Response) -> Response:
    response.headers["Access-Control-Allow-Origin"] = "*"
    return json_errors.harden(response)


@bp.route(ADDRESS, methods=["OPTIONS"])
def preflight() -> ResponseReturnValue:
    methods = "GET, HEAD, POST, DELETE, OPTIONS"
    return Response(status=204, headers={**PREFLIGHT, "Access-Control-Allow-Methods": methods})


@bp.errorhandler(429)
def _too_many(_error: Exception) -> ResponseReturnValue:
    response = json_errors.error(429, "Too many requests from this network. Nothing was saved.")
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


# ── what was sent ──────────────────────────────────────────────────────────────


def _fields() -> dict[str, Any]:
    """What stands below `subscriber`. Raises `Refused` (400) for what cannot be read."""
    fields = json_bodies.fields_of(request).get("subscriber", {})
    if not isinstance(fields, dict):
        raise Refused(400, 'Send an object below "subscriber".')
    return fields


def _text(fields: dict[str, Any], name: str) -> str | None:
    """Raises `Invalid` for what is no text."""
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise Invalid(**{name: "Send a text."})
    return value or None


def _contact(fields: dict[str, Any]) -> Contact:
    """Raises `Invalid`."""
    email, endpoint = _text(fields, "email"), _text(fields, "endpoint")
    number = _text(fields, "phone_number")
    if number:
        contact = Contact.of(Channel.SMS, number, country=_text(fields, "phone_country"))
    elif endpoint:
        contact = Contact.of(Channel.WEBHOOK, endpoint, email=email)
        if not HttpClient(_settings().outgoing_networks).may_try(contact.address):
            raise Invalid(endpoint="This address is in a network that may not be reached.")
    elif email:
        contact = Contact.of(Channel.EMAIL, email)
    else:
        raise Invalid(subscriber="Send an email, an endpoint or a phone_number.")
    if not registry.CHANNELS[contact.channel].is_set_up(_settings()):
        raise Invalid(subscriber=f"This page cannot send by {contact.channel.value}.")
    return contact


def _components(fields: dict[str, Any]) -> list[models.Component]:
    """Raises `Invalid` for one that is not on the page."""
    ids = fields.get("component_ids") or []
    if not isinstance(ids, list):
        raise Invalid(component_ids="Send a list of ids.")
    present = {component.public_id: component for component in components.listed()}
    if any(not isinstance(public_id, str) or public_id not in present for public_id in ids):
        raise Invalid(component_ids="There is no component with one of these ids.")
    return [present[public_id] for public_id in dict.fromkeys(ids)]


def _incident(fields: dict[str, Any]) -> Incident | None:
    """Raises `Invalid` for one that the public does not see."""
    public_id = _text(fields, "incident")
    if public_id is None:
        return None
    incident = incidents.get(public_id)
    if incident is None or incident.is_draft or incident.retracted_at is not None:
        raise Invalid(incident="There is no incident with this id.")
    return incident


def _owner(*purposes: Purpose) -> Subscriber:
    """Who has the link whose token was sent as `id`. Raises `Refused` (404)."""
    token = _text(_fields(), "id") or ""
    for purpose in purposes:
        public_id = signed_links.subject_of(_settings().link_keys, purpose, token)
        subscriber = subscribers.get(public_id) if public_id else None
        if subscriber is not None:
            return subscriber
    raise Refused(404, "Send as subscriber[id] the end of a link from a message to you.")


# ── what is answered ───────────────────────────────────────────────────────────


def _page() -> page_settings.Page:
    page = page_settings.get()
    if page is None:
        raise Refused(404, "There is no page yet.")
    return page


def _serialize(page: page_settings.Page, channel: Channel) -> dict[str, Any]:
    by_mail_or_text = channel in (Channel.EMAIL, Channel.SMS)
    return {
        "page": {"id": page.public_id, "name": page.name},
        "mode": "email_sms" if by_mail_or_text else "webhook",
        "can_select_components": True,
    }


def _settings() -> Any:
    return current_app.config["SETTINGS"]
