"""What other sites and programs take from the page: calendars, badges, the card and its
script, and where all of it is found. Any site may read them.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus

from flask import Blueprint, current_app, request
from flask.typing import ResponseReturnValue

from statuspage import clock
from statuspage.page import badges, embed, share_image, well_known
from statuspage.page import calendar as calendar_file
from statuspage.page.badges import Badge
from statuspage.page.exported import Exported, exported
from statuspage.page.snapshot import build as snapshot
from statuspage.page.snapshot.build import NoPageError
from statuspage.page.snapshot.values import Retracted
from statuspage.serving.middleware import obtain, publish, respond
from statuspage.serving.response import CachedResponse, Rendering

bp = Blueprint("sharing", __name__)

ANY_SITE = (("Access-Control-Allow-Origin", "*"),)
NOTHING_ELSE = "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
LABELS_REMEMBERED = 256


# ── calendars ──────────────────────────────────────────────────────────────────


@bp.get("/maintenance.ics")
@exported(Exported.AFTER_CHANGES)
def calendar() -> ResponseReturnValue:
    return publish("/maintenance.ics", _ready(lambda: _calendar(None)))


@bp.get("/components/<public_id>.ics")
@exported(Exported.PER_COMPONENT)
def calendar_of_component(public_id: str) -> ResponseReturnValue:
    return publish(f"/components/{public_id}.ics", _ready(lambda: _calendar(public_id)))


def _calendar(component: str | None) -> Rendering | None:
    planned = snapshot.planned(at=clock.now(), base_url=_base_url(), component=component)
    if planned is None:
        return None
    return Rendering(
        HTTPStatus.OK,
        calendar_file.CONTENT_TYPE,
        calendar_file.render(planned),
        csp=NOTHING_ELSE,
        headers=ANY_SITE,
    )


# ── badges ─────────────────────────────────────────────────────────────────────


@bp.get("/badge.svg")
@exported(Exported.AFTER_CHANGES)
def badge() -> ResponseReturnValue:
    def stands() -> Badge:
        return badges.of_page(snapshot.take(at=clock.now(), base_url=_base_url()))

    return _badge("/badge.svg", stands)


@bp.get("/components/<public_id>/badge.svg")
@exported(Exported.PER_COMPONENT)
def badge_of_component(public_id: str) -> ResponseReturnValue:
    def stands() -> Badge | None:
        standing = snapshot.standing(public_id, at=clock.now())
        return badges.of_component(*standing) if standing else None

    return _badge(f"/components/{public_id}/badge.svg", stands)


def _badge(address: str, stands: Callable[[], Badge | None]) -> ResponseReturnValue:
    label = badges.tidy(request.args.get("label", ""))
    if label:
        return _labelled(address, stands, label)

    def render() -> Rendering | None:
        badge = stands()
        return _drawing(badge) if badge else None

    return publish(address, _ready(render))


def _labelled(address: str, stands: Callable[[], Badge | None], label: str) -> ResponseReturnValue:
    """The badge with words of the asker's.

    What it says of the status is published, under no address that can be asked for;
    the drawing is not: there are as many as anybody can think of.
    """

    def render() -> Rendering | None:
        badge = stands()
        return Rendering(HTTPStatus.OK, "application/json", badge.to_json()) if badge else None

    badge = obtain(f"said by {address}", _ready(render))
    return respond(_drawn(badge.rendering.body, badge.changed_at, label), request.environ)


@lru_cache(maxsize=LABELS_REMEMBERED)
def _drawn(badge_json: bytes, changed_at: datetime, label: str) -> CachedResponse:
    return CachedResponse.of(
        _drawing(replace(Badge.from_json(badge_json), label=label)), changed_at
    )


def _drawing(badge: Badge) -> Rendering:
    return Rendering(
        HTTPStatus.OK,
        badges.CONTENT_TYPE,
        badges.svg(badge),
        csp=NOTHING_ELSE,
        headers=ANY_SITE,
    )


# ── pictures beside shared links ───────────────────────────────────────────────


@bp.get("/share.png")
@exported(Exported.AFTER_CHANGES)
def picture() -> ResponseReturnValue:
    def render() -> bytes:
        return share_image.of_page(snapshot.take(at=clock.now(), base_url=_base_url()))

    return _picture("/share.png", render)


@bp.get("/incidents/<public_id>/share.png")
@exported(Exported.PER_PUBLISHED_INCIDENT)
def picture_of_incident(public_id: str) -> ResponseReturnValue:
    def render() -> bytes | None:
        shown = snapshot.incident(public_id, at=clock.now(), base_url=_base_url())
        if shown is None or isinstance(shown, Retracted):
            return None
        return share_image.of_incident(shown)

    return _picture(f"/incidents/{public_id}/share.png", render)


@bp.get("/components/<public_id>/share.png")
@exported(Exported.PER_COMPONENT)
def picture_of_component(public_id: str) -> ResponseReturnValue:
    def render() -> bytes | None:
        shown = snapshot.component(public_id, at=clock.now(), base_url=_base_url())
        return share_image.of_component(shown) if shown else None

    return _picture(f"/components/{public_id}/share.png", render)


def _picture(address: str, render: Callable[[], bytes | None]) -> ResponseReturnValue:
    def rendering() -> Rendering | None:
        image = render()
        if image is None:
            return None
        return Rendering(HTTPStatus.OK, "image/png", image, csp=NOTHING_ELSE, headers=ANY_SITE)

    return publish(address, _ready(rendering))


# ── a card, a script, and where everything is ──────────────────────────────────


@bp.get("/embed")
@exported(Exported.AFTER_CHANGES)
def card() -> ResponseReturnValue:
    def render() -> Rendering:
        return embed.card(snapshot.take(at=clock.now(), base_url=_base_url()))

    return publish("/embed", _ready(render))


@bp.get("/embed.js")
@exported(Exported.AFTER_RELEASES)
def script() -> ResponseReturnValue:
    return publish("/embed.js", embed.script)


@bp.get("/.well-known/status")
@exported(Exported.AFTER_CHANGES)
def directory_of_addresses() -> ResponseReturnValue:
    def render() -> Rendering:
        return well_known.render(snapshot.describe(base_url=_base_url()))

    return publish("/.well-known/status", _ready(render))


@bp.get("/.well-known/security.txt")
def security_txt() -> ResponseReturnValue:
    def render() -> Rendering | None:
        return well_known.security_txt(snapshot.describe(base_url=_base_url()), clock.now())

    return publish("/.well-known/security.txt", _ready(render))


def _ready(render: Callable[[], Rendering | None]) -> Callable[[], Rendering | None]:
    def rendered() -> Rendering | None:
        try:
            return render()
        except NoPageError:  # Nothing was set up: there is nothing to share yet.
            return None

    return rendered


def _base_url() -> str:
    base_url: str = current_app.config["SETTINGS"].base_url
    return base_url
