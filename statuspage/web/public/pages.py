"""The addresses that customers read. Each view asks for a view of the snapshot and its HTML."""

import re
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

from flask import Blueprint, Flask, Response, abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from limits import RateLimitItemPerMinute
from sqlalchemy.exc import DataError, SQLAlchemyError
from werkzeug.exceptions import BadRequest, InternalServerError, NotFound

from statuspage import clock
from statuspage.db import db, read_only
from statuspage.domain import page_settings
from statuspage.domain.incidents.search import Filter, Severity
from statuspage.lib.markdown import clean
from statuspage.page.exported import Exported, exported
from statuspage.page.html import pages as pages_html
from statuspage.page.html.formatting import Times
from statuspage.page.snapshot import build as snapshot
from statuspage.page.snapshot import components as component_views
from statuspage.page.snapshot.build import NoPageError
from statuspage.page.snapshot.values import Retracted, Snapshot
from statuspage.serving.cache import ResponseCache, UnavailableError
from statuspage.serving.middleware import LANGUAGE, error_response, publish, respond
from statuspage.serving.response import CachedResponse, Rendering
from statuspage.web import database_outage
from statuspage.web.public import subscriptions
from statuspage.web.security import limiter, network

MAX_PAGE_NUMBER = 1000
"""250 years of history; a larger number is a mistake."""
FILTERS = frozenset({"q", "component", "severity"})
MAX_QUERY = 100
SEARCHES_PER_NETWORK = RateLimitItemPerMinute(60)
MISSING = "missing"
"""Where the page for addresses that lead nowhere is kept: no address, so nobody can ask for it."""

bp = Blueprint("public", __name__)


def init_app(app: Flask) -> None:
    """Put the public pages on an application, and its page for unknown addresses."""
    app.register_blueprint(bp)
    app.register_error_handler(NotFound, missing)
    app.register_error_handler(DataError, unstorable)
    app.register_error_handler(InternalServerError, unexpected)


@bp.get("/")
@exported(Exported.AFTER_CHANGES)
def front() -> ResponseReturnValue:
    if leaving := request.args.get("unsubscribe"):
        return subscriptions.lead_out(leaving)
    return publish("/", _ready(lambda: pages_html.front(_take())))


@bp.get("/history")
@exported(Exported.AFTER_CHANGES_NUMBERED)
def history() -> ResponseReturnValue:
    """Three months a page; with `?q=`, `?component=` or `?severity=`, the matching incidents."""
    number = page_number()
    if not FILTERS.isdisjoint(request.args):
        return _search(number)

    def render() -> Rendering | None:
        shown = snapshot.history(number, at=clock.now(), base_url=_base_url())
        return pages_html.history(shown) if shown else None

    return publish(_numbered("/history", number), _ready(render))


@bp.get("/uptime")
@exported(Exported.AFTER_CHANGES_NUMBERED)
def uptime() -> ResponseReturnValue:
    number = page_number()

    def render() -> Rendering | None:
        shown = snapshot.uptime(number, at=clock.now(), base_url=_base_url())
        return pages_html.uptime(shown) if shown else None

    return publish(_numbered("/uptime", number), _ready(render))


@bp.get("/incidents/<public_id>")
@exported(Exported.PER_INCIDENT)
def incident(public_id: str) -> ResponseReturnValue:
    def render() -> Rendering | None:
        at = clock.now()
        match snapshot.incident(public_id, at=at, base_url=_base_url()):
            case None:
                return None
            case Retracted() as withdrawn:
                page = snapshot.describe(base_url=_base_url())
                return pages_html.retracted(page, withdrawn, Times(page.zone, at))
            case found:
                return pages_html.incident(found)

    return publish(f"/incidents/{public_id}", _ready(render))


@bp.get("/incidents/<public_id>/postmortem")
@exported(Exported.PER_POSTMORTEM)
def postmortem(public_id: str) -> ResponseReturnValue:
    """Where Statuspage has it; ours stands on the incident's page."""
    view = snapshot.incident(public_id, at=clock.now(), base_url=_base_url())
    if view is None:
        abort(404)
    if isinstance(view, Retracted):
        return incident(public_id)
    if view.incident.postmortem is None:
        abort(404)
    return redirect(url_for(".incident", public_id=public_id, _anchor="postmortem"))


@bp.get("/components/<public_id>")
@exported(Exported.PER_COMPONENT)
def component(public_id: str) -> ResponseReturnValue:
    def render() -> Rendering | None:
        shown = snapshot.component(public_id, at=clock.now(), base_url=_base_url())
        return pages_html.component(shown) if shown else None

    return publish(f"/components/{public_id}", _ready(render))


@bp.get("/maintenance")
@exported(Exported.AFTER_CHANGES)
def maintenance() -> ResponseReturnValue:
    def render() -> Rendering:
        at = clock.now()
        page, shown = snapshot.maintenances(at=at, base_url=_base_url())
        return pages_html.maintenance(page, shown, Times(page.zone, at))

    return publish("/maintenance", _ready(render))


# ── what belongs to a site ─────────────────────────────────────────────────────


@bp.get("/logo")
@exported(Exported.AFTER_CHANGES)
def logo() -> ResponseReturnValue:
    def render() -> Rendering | None:
        page = page_settings.get()
        if page is None or page.logo is None or page.logo_type is None:
            return None
        return Rendering(HTTPStatus.OK, page.logo_type, page.logo)

    return publish("/logo", render)


@bp.get("/favicon.svg")
@exported(Exported.AFTER_RELEASES)
def icon() -> ResponseReturnValue:
    return publish("/favicon.svg", pages_html.icon)


@bp.get("/favicon.ico")
@exported(Exported.AFTER_RELEASES)
def old_icon() -> ResponseReturnValue:
    return publish("/favicon.ico", pages_html.icon)


@bp.get("/public.js")
@exported(Exported.AFTER_RELEASES)
def script() -> ResponseReturnValue:
    return publish("/public.js", pages_html.script)


@bp.get("/robots.txt")
@exported(Exported.AFTER_RELEASES)
def robots() -> ResponseReturnValue:
    return publish("/robots.txt", pages_html.robots)


def missing(error: NotFound) -> ResponseReturnValue:
    """404 in the looks of the site. Made once, whatever is asked for; no rows are read."""
    if request.method not in ("GET", "HEAD"):
        return error
    published: ResponseCache = current_app.extensions["published"]
    try:
        answer = published.obtain((MISSING, LANGUAGE), _missing)
    except UnavailableError:
        answer = None
    if answer is None:
        return error
    status = HTTPStatus.NOT_FOUND
    answer = replace(
        answer, status=f"{status} {status.phrase}", rendering=replace(answer.rendering, status=404)
    )
    response: Response = respond(answer, request.environ)
    return response


def _missing() -> Rendering | None:
    try:
        page = snapshot.describe(base_url=_base_url())
    except NoPageError:
        return None
    return pages_html.missing(page, Times(page.zone, clock.now()))


# ── search ─────────────────────────────────────────────────────────────────────


def _search(number: int) -> ResponseReturnValue:
    """Read from the database for each reader, so limited per network."""
    if not limiter.limiter.hit(SEARCHES_PER_NETWORK, "search", network()):
        return error_response(
            HTTPStatus.TOO_MANY_REQUESTS, "Too many searches.", "Try again in a minute."
        )
    read_only()
    wanted = _filter()
    if wanted == Filter():
        return redirect(_numbered("/history", number))
    at = clock.now()
    try:
        found = snapshot.find(wanted, number, at=at, base_url=_base_url())
    except NoPageError:
        return redirect("/history")
    if found is None:
        abort(404)
    answer: Response = respond(CachedResponse.plain(pages_html.found(found), at), request.environ)
    return answer


def _filter() -> Filter:
    """404 for a component that is not public, and for an unknown severity."""
    chosen, severity = request.args.get("component", ""), request.args.get("severity", "")
    component = component_views.visible(chosen) if chosen else None
    if (chosen and component is None) or severity not in ("", *Severity):
        abort(404)
    return Filter(
        words=clean(request.args.get("q", "")).strip()[:MAX_QUERY],
        component=component,
        severity=Severity(severity) if severity else None,
    )


def _unavailable(_error: SQLAlchemyError) -> Response:
    return error_response(HTTPStatus.SERVICE_UNAVAILABLE, "We can’t reach our database right now.")


database_outage.handle(bp, "search.database_unavailable", _unavailable)


# ── helpers ────────────────────────────────────────────────────────────────────


def unstorable(_error: DataError) -> ResponseReturnValue:
    """What a stranger typed is none that PostgreSQL keeps or looks for: a NUL, a huge number."""
    db.session.rollback()
    return missing(NotFound()) if request.method in ("GET", "HEAD") else BadRequest()


def unexpected(_error: InternalServerError) -> ResponseReturnValue:
    """Calm words for what nobody foresaw; the traceback is in the log."""
    return error_response(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side.")


def _ready(render: Callable[[], Rendering | None]) -> Callable[[], Rendering | None]:
    """`render`, or the page that says that there is no page yet."""

    def rendered() -> Rendering | None:
        try:
            return render()
        except NoPageError:
            return pages_html.not_ready()

    return rendered


def _take() -> Snapshot:
    return snapshot.take(at=clock.now(), base_url=_base_url())


def page_number() -> int:
    """`?page=`, 1 where none is given. 404 for what is no page."""
    text = request.args.get("page", "1")
    if not re.fullmatch("[1-9][0-9]{0,3}", text) or int(text) > MAX_PAGE_NUMBER:
        abort(404)
    return int(text)


def _numbered(path: str, number: int) -> str:
    return path if number == 1 else f"{path}?page={number}"


def _base_url() -> str:
    base_url: str = current_app.config["SETTINGS"].base_url
    return base_url
