"""Subscribing: the public form, and the links that only a subscriber has.

Nothing here knows a session. A link is its own proof (`links`), so its forms need no
token against forgery; the public form is refused when another site sends it.
"""

import json
import re
from collections.abc import Callable
from functools import cache
from http import HTTPStatus

import structlog
from flask import Blueprint, Response, abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import exc
from werkzeug.exceptions import HTTPException

from statuspage import clock
from statuspage.config import Settings
from statuspage.db import CommitInDoubtError, db, read_only
from statuspage.db.errors import IN_DOUBT
from statuspage.domain.subscribers import push_keys
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.subscribers.subscriptions import (
    THEMSELVES,
    Channel,
    Choice,
    Subscriber,
    SubscriberState,
)
from statuspage.errors import Invalid
from statuspage.lib import signed_links
from statuspage.lib.signed_links import Purpose
from statuspage.notify.channels.webhook import signing_secret
from statuspage.page.exported import Exported, exported
from statuspage.page.html import pages as pages_html
from statuspage.page.html import subscription_pages
from statuspage.page.html.formatting import Times
from statuspage.page.html.subscription_pages import FormValues
from statuspage.page.snapshot import build as snapshot
from statuspage.page.snapshot.build import NoPageError
from statuspage.page.snapshot.values import IncidentPage, IncidentView, PageView, Snapshot
from statuspage.serving.middleware import error_response, publish
from statuspage.serving.response import HTML_POLICY, Rendering
from statuspage.web import database_outage
from statuspage.web.public import subscription_forms
from statuspage.web.security import is_cross_site, limiter, network

PER_NETWORK = "20 per 10 minutes; 60 per hour"
TEXTS_PER_NETWORK = "10 per 4 hours"
"""Text messages cost money."""
LINKS_PER_NETWORK = "120 per 10 minutes"

PRIVATE = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    # The address of the page is the key to it.
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "X-Robots-Tag": "noindex",
}

log = structlog.get_logger()

bp = Blueprint("subscriptions", __name__)


# ── the form ───────────────────────────────────────────────────────────────────


@bp.get("/subscribe")
@exported(Exported.AFTER_RELEASES)
def form() -> ResponseReturnValue:
    """The form; with `?component=` for a component that customers see, that one is chosen."""
    chosen = request.args.get("component", "")
    if _is_shown(chosen):
        typed = FormValues(components=[chosen])
        return publish(f"/subscribe?component={chosen}", _ready(lambda: _form(typed=typed)))
    return publish("/subscribe", _ready(_form))


@bp.get("/incidents/<public_id>/subscribe")
@exported(Exported.PER_OPEN_INCIDENT)
def form_of_incident(public_id: str) -> ResponseReturnValue:
    def render() -> Rendering | None:
        incident = open_incident(public_id)
        return _form(incident) if incident else None

    return publish(f"/incidents/{public_id}/subscribe", _ready(render))


def _is_shown(component: str) -> bool:
    if not re.fullmatch(r"[0-9a-z]{12}", component):
        return False
    read_only()
    try:
        return snapshot.standing(component, at=clock.now()) is not None
    finally:
        # The form is rendered in a session of its own, which may have to write.
        db.session.rollback()


def _form(
    incident: IncidentView | None = None,
    typed: FormValues | None = None,
    errors: dict[str, str] | None = None,
) -> Rendering:
    choices, key = _take(), _push_key()
    return subscription_pages.form(
        choices,
        subscription_forms.offered(),
        push_key=key,
        incident=incident,
        typed=typed,
        errors=errors,
    )


def _push_key() -> str:
    """Ours, by which browsers know us; made when somebody first looks at the form."""
    key = push_keys.key()
    if key is None:
        # A transaction of its own: that of a reader cannot begin to write half-way.
        db.session.rollback()
        try:
            key = push_keys.make_key(at=clock.now())
            db.session.commit()
        except exc.IntegrityError:
            # Another process was first: its pair is the one.
            db.session.rollback()
            key = push_keys.key()
            assert key is not None
    return key.public_key


def _is_no_text() -> bool:
    return request.form.get("channel") != Channel.SMS.value


@bp.post("/subscribe")
@limiter.limit(PER_NETWORK, key_func=network)
@limiter.limit(TEXTS_PER_NETWORK, key_func=network, exempt_when=_is_no_text)
def subscribe() -> ResponseReturnValue:
    """The same answer for every address, known or not."""
    if is_cross_site():
        return _refuse(
            "This form came from another site",
            "Nothing was saved. Use the form on this page.",
            HTTPStatus.FORBIDDEN,
        )
    response = redirect(url_for(".asked"), 303)
    incident_id = request.form.get("incident")
    incident = open_incident(incident_id) if incident_id else None
    if incident_id and incident is None:
        abort(404)
    try:
        _refuse_machines()
        _request_confirmation(incident)
        db.session.commit()
    except Invalid as invalid:
        db.session.rollback()
        return _private(_form(incident, subscription_forms.typed(), invalid.errors))
    except exc.IntegrityError:
        # The same address at the same moment: the other request has asked.
        db.session.rollback()
    return response


@bp.get("/subscriptions/asked")
def asked() -> ResponseReturnValue:
    return publish(
        "/subscriptions/asked", _ready(lambda: subscription_pages.confirmation_sent(*_page()))
    )


def _request_confirmation(incident: IncidentView | None) -> None:
    """Raises `Invalid`."""
    choice = subscription_forms.choice_of(request.form, incident)
    wording = subscription_pages.wording(_page()[0])
    contact = subscription_forms.contact()
    subscription_forms.limit(contact)
    subscribers.request_confirmation(contact, choice, wording=wording, at=clock.now())


def _refuse_machines() -> None:
    """Raises `Invalid` where the field is filled that no person sees.

    It is said, as a browser or a password manager may have filled it; the form comes back without.
    """
    if request.form.get(subscription_pages.TRAP):
        raise Invalid(form="Something filled in a hidden field. Press Subscribe again.")


# ── confirming ─────────────────────────────────────────────────────────────────


@bp.get("/subscriptions/confirm/<token>")
@limiter.limit(LINKS_PER_NETWORK, key_func=network)
def confirm_page(token: str) -> ResponseReturnValue:
    """Mail scanners follow links: this shows a button and changes nothing."""
    read_only()
    subscriber = _owner(Purpose.CONFIRM, token)
    if subscriber is None:
        return _private(subscription_pages.ended(*_page()))
    match subscriber.state:
        case SubscriberState.UNCONFIRMED:
            return _private(subscription_pages.confirm(*_page(), subscriber))
        case SubscriberState.QUARANTINED:
            return redirect(_path(Purpose.MANAGE, subscriber), 303)
    return _private(subscription_pages.confirmed(*_page(), _path(Purpose.MANAGE, subscriber)))


@bp.post("/subscriptions/confirm/<token>")
@limiter.limit(LINKS_PER_NETWORK, key_func=network)
def confirm(token: str) -> ResponseReturnValue:
    subscriber = _owner(Purpose.CONFIRM, token)
    if subscriber is None:
        return _private(subscription_pages.ended(*_page()))
    subscribers.confirm(subscriber, by=THEMSELVES, at=clock.now())
    db.session.commit()
    return redirect(_path(Purpose.CONFIRM, subscriber), 303)


# ── leaving ────────────────────────────────────────────────────────────────────


@bp.get("/subscriptions/unsubscribe/<token>")
@limiter.limit(LINKS_PER_NETWORK, key_func=network)
def unsubscribe_page(token: str) -> ResponseReturnValue:
    """Asks. Only POST unsubscribes (RFC 8058)."""
    read_only()
    subscriber = _owner(Purpose.UNSUBSCRIBE, token)
    if subscriber is not None:
        return _private(
            subscription_pages.unsubscribe(*_page(), subscriber, _path(Purpose.MANAGE, subscriber))
        )
    subscriber = _owner(Purpose.LEAVE, token)
    if subscriber is not None:
        return _private(subscription_pages.unsubscribe(*_page(), subscriber, None))
    return _private(subscription_pages.left(*_page()) if _is_ours(token) else _removed())


@bp.post("/subscriptions/unsubscribe/<token>")
def unsubscribe(token: str) -> ResponseReturnValue:
    """At once, as mail programs do it for their readers; never braked."""
    subscriber = _owner(Purpose.UNSUBSCRIBE, token) or _owner(Purpose.LEAVE, token)
    if subscriber is not None:
        subscribers.unsubscribe(subscriber, by=THEMSELVES, at=clock.now())
        db.session.commit()
    elif not _is_ours(token):
        return _private(_removed())
    return _private(subscription_pages.left(*_page()))


def lead_out(public_id: str) -> ResponseReturnValue:
    """`/?unsubscribe=<id>`, as Statuspage's messages have it, leads to the page that asks.

    An id stands in the Message-ID of each mail, so it opens nothing else.
    """
    token = signed_links.token(_secret(), Purpose.LEAVE, public_id[:64])
    response = redirect(url_for("subscriptions.unsubscribe_page", token=token), 303)
    response.headers.update(PRIVATE)
    return response


# ── one's own subscription ─────────────────────────────────────────────────────


@bp.get("/subscriptions/<token>")
@limiter.limit(LINKS_PER_NETWORK, key_func=network)
def show(token: str) -> ResponseReturnValue:
    read_only()
    subscriber = _owner(Purpose.MANAGE, token)
    if subscriber is None:
        return _private(_removed())
    return _private(_managing(subscriber, token, said=_SAID.get(request.args.get("done", ""))))


@bp.post("/subscriptions/<token>")
@limiter.limit(LINKS_PER_NETWORK, key_func=network)
def save(token: str) -> ResponseReturnValue:
    subscriber = _owner(Purpose.MANAGE, token)
    if subscriber is None:
        return _private(_removed())
    shown = {each.id for each in _take().components}
    # What the page does not show now cannot be ticked off there.
    unseen = [each for each in subscriber.components if each.public_id not in shown]
    try:
        chosen = [] if subscriber.incident else subscription_forms.chosen(request.form)
        if request.form.get("scope") == "some":
            chosen += unseen
        wants, zone = (
            subscription_forms.wants(request.form),
            subscription_forms.time_zone(request.form),
        )
        choice = Choice(chosen, subscriber.incident, wants, subscriber.language, zone)
        subscribers.choose(subscriber, choice, by=THEMSELVES, at=clock.now())
        db.session.commit()
    except Invalid as invalid:
        db.session.rollback()
        return _private(_managing(subscriber, token, errors=invalid.errors))
    return redirect(url_for(".show", token=token, done="saved"), 303)


@bp.post("/subscriptions/<token>/start")
@limiter.limit(LINKS_PER_NETWORK, key_func=network)
def start_again(token: str) -> ResponseReturnValue:
    """Out of quarantine: what could not be reached works again."""
    subscriber = _owner(Purpose.MANAGE, token)
    if subscriber is None:
        return _private(_removed())
    subscribers.reactivate(subscriber, by=THEMSELVES, at=clock.now())
    db.session.commit()
    return redirect(url_for(".show", token=token, done="started"), 303)


@bp.post("/subscriptions/<token>/leave")
@limiter.limit(LINKS_PER_NETWORK, key_func=network)
def leave(token: str) -> ResponseReturnValue:
    subscriber = _owner(Purpose.MANAGE, token)
    if subscriber is not None:
        subscribers.unsubscribe(subscriber, by=THEMSELVES, at=clock.now())
        db.session.commit()
    return _private(subscription_pages.left(*_page()))


@bp.get("/subscriptions/<token>/data.json")
@limiter.limit(LINKS_PER_NETWORK, key_func=network)
def export(token: str) -> ResponseReturnValue:
    """Everything that is kept about them."""
    read_only()
    subscriber = _owner(Purpose.MANAGE, token)
    if subscriber is None:
        return _private(_removed())
    body = json.dumps(subscriber.export, ensure_ascii=False, indent=2) + "\n"
    response = Response(body, content_type="application/json; charset=utf-8")
    response.headers.update(PRIVATE)
    response.headers["Content-Disposition"] = 'attachment; filename="subscription.json"'
    return response


_SAID = {
    "saved": "Saved.",
    "started": "Resumed. We’ll send messages again.",
}


def _managing(
    subscriber: Subscriber,
    token: str,
    *,
    said: str | None = None,
    errors: dict[str, str] | None = None,
) -> Rendering:
    secret = None
    if subscriber.channel is Channel.WEBHOOK:
        secret = signing_secret(_secret(), subscriber.public_id)
    return subscription_pages.manage(
        _take(),
        subscriber,
        link=url_for(".show", token=token),
        signing_secret=secret,
        zones=_zones(),
        said=said,
        errors=errors,
    )


@cache
def _zones() -> list[str]:
    """The names that people know; not the hundreds of old spellings."""
    areas = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe")
    more = ("Indian", "Pacific")
    names = (zone for zone in clock.time_zones() if zone.startswith((*areas, *more)))
    return ["UTC", *sorted(names)]


# ── what goes wrong ────────────────────────────────────────────────────────────


@bp.errorhandler(NoPageError)
def not_ready(_error: NoPageError) -> ResponseReturnValue:
    return _private(pages_html.not_ready())


def _unavailable(error: exc.SQLAlchemyError) -> Response:
    if isinstance(error, CommitInDoubtError):
        return error_response(
            HTTPStatus.SERVICE_UNAVAILABLE, IN_DOUBT, "Check before you send it again."
        )
    return error_response(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "We can’t reach our database right now. Nothing was changed.",
    )


database_outage.handle(bp, "subscribing.database_unavailable", _unavailable)


@bp.errorhandler(429)
def too_many(_error: HTTPException) -> ResponseReturnValue:
    response = _refuse(
        "Too many attempts",
        "There were too many attempts from your network or for this address. Nothing was saved;"
        " try again in an hour.",
        HTTPStatus.TOO_MANY_REQUESTS,
    )
    response.headers["Retry-After"] = "3600"
    return response


# ── helpers ────────────────────────────────────────────────────────────────────


def _owner(purpose: Purpose, token: str) -> Subscriber | None:
    """Who has this link; None for a wrong one, and where they left or did not confirm in time."""
    public_id = signed_links.subject_of(_link_keys(), purpose, token)
    subscriber = subscribers.get(public_id) if public_id else None
    is_late = (
        subscriber is not None
        and subscriber.purge_at is not None
        and subscriber.purge_at <= clock.now()
    )
    return None if is_late else subscriber


def _is_ours(token: str) -> bool:
    ways_out = (Purpose.UNSUBSCRIBE, Purpose.LEAVE)
    return any(
        signed_links.subject_of(_link_keys(), purpose, token) is not None for purpose in ways_out
    )


def _path(purpose: Purpose, subscriber: Subscriber) -> str:
    token = signed_links.token(_secret(), purpose, subscriber.public_id)
    views = {Purpose.CONFIRM: ".confirm_page", Purpose.MANAGE: ".show"}
    return url_for(views[purpose], token=token)


def open_incident(public_id: str) -> IncidentView | None:
    """An incident that readers see and that is not over."""
    match snapshot.incident(public_id, at=clock.now(), base_url=_base_url()):
        case IncidentPage(incident=found) if not found.is_over:
            return found
    return None


def _page() -> tuple[PageView, Times]:
    page = snapshot.describe(base_url=_base_url())
    return page, Times(page.zone, clock.now())


def _removed() -> Rendering:
    return subscription_pages.ended(*_page())


def _refuse(heading: str, words: str, status: HTTPStatus) -> Response:
    return _private(subscription_pages.refused(*_page(), heading, words, status))


def _private(rendering: Rendering) -> Response:
    """An answer for one reader, kept by nobody."""
    response = Response(
        rendering.body, rendering.status, content_type=rendering.content_type, headers=PRIVATE
    )
    response.headers["Content-Security-Policy"] = rendering.csp or HTML_POLICY
    return response


def _ready(render: Callable[[], Rendering | None]) -> Callable[[], Rendering | None]:
    def rendered() -> Rendering | None:
        try:
            return render()
        except NoPageError:
            return pages_html.not_ready()

    return rendered


def _take() -> Snapshot:
    return snapshot.take(at=clock.now(), base_url=_base_url())


def _link_keys() -> tuple[str, ...]:
    settings: Settings = current_app.config["SETTINGS"]
    return settings.link_keys


def _secret() -> str:
    secret: str = current_app.config["SETTINGS"].secret_key
    return secret


def _base_url() -> str:
    base_url: str = current_app.config["SETTINGS"].base_url
    return base_url
