"""The addresses of feeds.

`/history` has an entry for each incident, as Statuspage's; `/feeds/updates` and the
feeds of one component and of one incident have an entry for each update.
"""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

from flask import Blueprint, current_app
from flask.typing import ResponseReturnValue

from statuspage import clock
from statuspage.page.exported import Exported, exported
from statuspage.page.feeds import history, jsonfeed, updates, xml
from statuspage.page.feeds.entries import Feed, Form
from statuspage.page.snapshot import build as snapshot
from statuspage.page.snapshot.build import NoPageError
from statuspage.page.snapshot.values import IncidentPage, Retracted
from statuspage.serving.middleware import publish
from statuspage.serving.response import Rendering

bp = Blueprint("feeds", __name__)

# The stylesheet of a browser's view comes from here.
CSP = "default-src 'none'; style-src 'self'; frame-ancestors 'none'"
SHOWN_AS = "text/xml; charset=utf-8"
"""Chromium shows feeds by their right names as plain text; as XML they get their stylesheet."""


@bp.get("/history.<any(rss, atom):form>")
@exported(Exported.AFTER_CHANGES)
def of_incidents(form: str) -> ResponseReturnValue:
    return _publish(f"/history.{form}", lambda: _history(Form(form)))


@bp.get("/feeds/updates.<any(rss, atom, json):form>")
@exported(Exported.AFTER_CHANGES)
def of_updates(form: str) -> ResponseReturnValue:
    return _publish(f"/feeds/updates.{form}", lambda: _updates(Form(form)))


@bp.get("/components/<public_id>.<any(rss, atom, json):form>")
@exported(Exported.PER_COMPONENT)
def of_component(public_id: str, form: str) -> ResponseReturnValue:
    address = f"/components/{public_id}.{form}"
    return _publish(address, lambda: _component(public_id, Form(form)))


@bp.get("/incidents/<public_id>.<any(rss, atom, json):form>")
@exported(Exported.PER_PUBLISHED_INCIDENT)
def of_incident(public_id: str, form: str) -> ResponseReturnValue:
    address = f"/incidents/{public_id}.{form}"
    return _publish(address, lambda: _incident(public_id, Form(form)))


# ── renderings ─────────────────────────────────────────────────────────────────


def _publish(address: str, render: Callable[[], Rendering | None]) -> ResponseReturnValue:
    def rendered() -> Rendering | None:
        try:
            return render()
        except NoPageError:  # Nothing was set up: there are no feeds yet.
            return None

    return publish(address, rendered)


def _history(form: Form) -> Rendering | None:
    recent = snapshot.recent(
        at=clock.now(), base_url=_base_url(), limit=history.MAX_ENTRIES, planned_by_start=True
    )
    return _written(history.of_page(recent), form) if recent else None


def _updates(form: Form) -> Rendering | None:
    # Each of the newest updates belongs to one of as many incidents with the newest words.
    recent = snapshot.recent(at=clock.now(), base_url=_base_url(), limit=updates.MAX_ENTRIES)
    return _written(updates.of_page(recent), form) if recent else None


def _component(public_id: str, form: Form) -> Rendering | None:
    feed = _feed_of_component(public_id, at=clock.now())
    return _written(feed, form) if feed else None


def _incident(public_id: str, form: Form) -> Rendering | None:
    match _feed_of_incident(public_id, at=clock.now()):
        case None:
            return None
        case Retracted() as retracted:
            return _retracted(retracted)
        case feed:
            return _written(feed, form)


def _feed_of_component(public_id: str, *, at: datetime) -> Feed | None:
    recent = snapshot.recent(
        at=at, base_url=_base_url(), limit=updates.MAX_ENTRIES, component=public_id
    )
    return updates.of_component(recent) if recent else None


def _feed_of_incident(public_id: str, *, at: datetime) -> Feed | Retracted | None:
    view = snapshot.incident(public_id, at=at, base_url=_base_url())
    return updates.of_incident(view) if isinstance(view, IncidentPage) else view


def _written(feed: Feed, form: Form) -> Rendering:
    return Rendering(
        status=HTTPStatus.OK,
        content_type=form.content_type,
        body=_bytes(feed, form),
        csp=CSP,
        headers=(
            ("Access-Control-Allow-Origin", "*"),
            ("Vary", "Accept-Encoding, Sec-Fetch-Dest"),
        ),
        shown_as=None if form is Form.JSON else SHOWN_AS,
    )


def _bytes(feed: Feed, form: Form) -> bytes:
    if form is Form.JSON:
        return jsonfeed.render(feed)
    return xml.rss(feed) if form is Form.RSS else xml.atom(feed)


def _retracted(retracted: Retracted) -> Rendering:
    words = f"Withdrawn on {retracted.at:%Y-%m-%d}: {retracted.name}\n{retracted.reason}\n"
    return Rendering(
        status=HTTPStatus.GONE,
        content_type="text/plain; charset=utf-8",
        body=words.encode(errors="replace"),
        headers=(("Access-Control-Allow-Origin", "*"),),
    )


def _base_url() -> str:
    base_url: str = current_app.config["SETTINGS"].base_url
    return base_url
