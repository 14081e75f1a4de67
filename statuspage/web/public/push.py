"""Web push: a browser subscribes itself, and the files that it needs for that.

A browser shows by the secret in its subscription that it is the one that subscribed,
so it gets the links to its own page at once. It confirms by reading its first push.
"""

from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, jsonify, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import exc
from werkzeug.datastructures import MultiDict

from statuspage import clock
from statuspage.db import db, read_only
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.subscribers import push_keys
from statuspage.domain.subscribers.push_subscriptions import Browser
from statuspage.domain.subscribers.subscriptions import Channel, Contact, Subscriber
from statuspage.errors import Invalid
from statuspage.lib import signed_links
from statuspage.lib.http_client import HttpClient
from statuspage.lib.signed_links import Purpose
from statuspage.page import push_assets
from statuspage.page.html import subscription_pages
from statuspage.page.snapshot import build as snapshot
from statuspage.page.snapshot.build import NoPageError
from statuspage.serving.middleware import publish
from statuspage.serving.response import Rendering
from statuspage.web.public import subscription_forms
from statuspage.web.public.subscriptions import (
    LINKS_PER_NETWORK,
    PER_NETWORK,
    PRIVATE,
    open_incident,
)
from statuspage.web.security import is_cross_site, limiter, network

RETRY_AFTER_S = 3600

bp = Blueprint("push", __name__)

Shape = TypeVar("Shape", bound=BaseModel)
Text = Annotated[str, Field(max_length=2000)]
Ids = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=1000)]


class _Keys(BaseModel):
    p256dh: Text
    auth: Text


class _Subscription(BaseModel):
    """What `PushSubscription.toJSON()` gives."""

    endpoint: Text
    keys: _Keys

    def browser(self) -> Browser:
        """Raises `Invalid`."""
        return Browser.of(self.endpoint, self.keys.p256dh, self.keys.auth)


class _Known(BaseModel):
    subscription: _Subscription
    incident: Text = ""


class _Wanted(_Known):
    """The fields of the form, by their names there."""

    scope: Text = "all"
    component: Ids = []
    group: Ids = []
    wants: Text = "every"
    time_zone: Text = ""


class _Moved(BaseModel):
    old: _Subscription
    subscription: _Subscription


# ── subscribing ────────────────────────────────────────────────────────────────


@bp.post("/subscribe/push")
@limiter.limit(PER_NETWORK, key_func=network)
def subscribe() -> ResponseReturnValue:
    """Subscribe this browser, or change what it hears of."""
    body = _read(_Wanted)
    browser = body.subscription.browser()
    _check_reachable(browser)
    subscription_forms.limit(Contact(Channel.WEB_PUSH, browser.endpoint, browser=browser))
    incident = open_incident(body.incident) if body.incident else None
    if body.incident and incident is None:
        raise Invalid(incident="This incident is over.")
    sent = MultiDict(body.model_dump(exclude={"subscription", "incident"}))
    page = snapshot.describe(base_url=current_app.config["SETTINGS"].base_url)
    try:
        subscriber = push_keys.subscribe(
            browser,
            subscription_forms.choice_of(sent, incident),
            wording=subscription_pages.wording(page),
            at=clock.now(),
        )
        db.session.commit()
    except exc.IntegrityError:
        # The same browser at the same moment: the other request has asked.
        db.session.rollback()
        return _refuse("This browser has just subscribed.", 409)
    return _serialize(subscriber), 201


@bp.post("/subscribe/push/known")
@limiter.limit(LINKS_PER_NETWORK, key_func=network)
def known() -> ResponseReturnValue:
    """How this browser stands; 404 where it is not subscribed. Changes nothing."""
    read_only()
    body = _read(_Known)
    incident = incidents.get(body.incident) if body.incident else None
    subscriber = push_keys.find(body.subscription.browser(), incident)
    if subscriber is None or (
        subscriber.purge_at is not None and subscriber.purge_at <= clock.now()
    ):
        return _refuse("This browser is not subscribed.", 404)
    return _serialize(subscriber)


@bp.post("/subscribe/push/moved")
@limiter.limit(LINKS_PER_NETWORK, key_func=network)
def moved() -> ResponseReturnValue:
    """The browser's maker gave it another address: its subscriptions move along."""
    body = _read(_Moved)
    new = body.subscription.browser()
    _check_reachable(new)
    old = body.old.browser()
    if not _is_same_service(old, new):
        raise Invalid(endpoint="Another push service: subscribe again.")
    number = push_keys.move(old, new)
    db.session.commit()
    return _answer({"moved": number})


@bp.errorhandler(Invalid)
def _invalid(invalid: Invalid) -> ResponseReturnValue:
    db.session.rollback()
    return _answer({"error": str(invalid), "fields": invalid.errors}), 422


@bp.errorhandler(NoPageError)
def _not_ready(_error: NoPageError) -> ResponseReturnValue:
    return _refuse("This status page is not set up yet.", 503)


@bp.errorhandler(429)
def _too_many(_error: Exception) -> ResponseReturnValue:
    response, status = _refuse("Too many requests from your network. Try again in an hour.", 429)
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response, status


# ── files ──────────────────────────────────────────────────────────────────────


@bp.get("/push-worker.js")
def worker() -> ResponseReturnValue:
    return publish("/push-worker.js", push_assets.worker)


@bp.get("/subscribe.js")
def script() -> ResponseReturnValue:
    return publish("/subscribe.js", push_assets.script)


@bp.get("/icon.png")
def icon() -> ResponseReturnValue:
    return publish("/icon.png", push_assets.icon)


@bp.get("/site.webmanifest")
def manifest() -> ResponseReturnValue:
    def render() -> Rendering | None:
        base_url = current_app.config["SETTINGS"].base_url
        try:
            return push_assets.manifest(snapshot.describe(base_url=base_url))
        except NoPageError:
            return None

    return publish("/site.webmanifest", render)


# ── helpers ────────────────────────────────────────────────────────────────────


def _read(shape: type[Shape]) -> Shape:
    """What was sent. Raises `Invalid` for another shape, or where another site sends it."""
    if is_cross_site():
        raise Invalid(subscription="Subscribe on the status page itself.")
    try:
        return shape.model_validate(request.get_json(silent=True))
    except ValidationError:
        raise Invalid(subscription="This is not a browser subscription.") from None


def _check_reachable(browser: Browser) -> None:
    """Refuse what can be told to be no push service; names are judged when we connect.

    Raises `Invalid`.
    """
    host = urlsplit(browser.endpoint).hostname or ""
    networks = current_app.config["SETTINGS"].outgoing_networks
    is_name_or_address = "." in host.strip(".") or ":" in host
    if not (is_name_or_address and HttpClient(networks).may_try(browser.endpoint)):
        raise Invalid(endpoint="This is not the address of a push service.")


def _is_same_service(old: Browser, new: Browser) -> bool:
    """Whether both addresses are of one host, or of neighbours such as `*.notify.windows.com`."""
    hosts = [urlsplit(browser.endpoint).hostname or "" for browser in (old, new)]
    parents = [host.partition(".")[2] for host in hosts]
    return hosts[0] == hosts[1] or (parents[0] == parents[1] and parents[0].count(".") >= 2)


def _serialize(subscriber: Subscriber) -> Response:
    """How it stands, and the links that only this browser gets."""

    def link(purpose: Purpose, view: str) -> str:
        secret = current_app.config["SETTINGS"].secret_key
        token = signed_links.token(secret, purpose, subscriber.public_id)
        return url_for(f"subscriptions.{view}", token=token)

    return _answer(
        {
            "state": subscriber.state.value,
            "manage": link(Purpose.MANAGE, "show"),
            "leave": link(Purpose.UNSUBSCRIBE, "unsubscribe"),
        }
    )


def _refuse(words: str, status: int) -> tuple[Response, int]:
    return _answer({"error": words}), status


def _answer(fields: dict[str, Any]) -> Response:
    response = jsonify(fields)
    response.headers.update(PRIVATE)
    response.headers["Content-Security-Policy"] = "default-src 'none'"
    return response
