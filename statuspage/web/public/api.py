"""The public API: `/api/v2/…` as Statuspage has it, `/history.json`, and the page about them.

Every answer may be read by scripts of any site, an error too. Parameters without a
meaning are ignored, as they are there.
"""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from statuspage import clock
from statuspage.domain.statuses import IncidentKind
from statuspage.page import api_v2
from statuspage.page.api_v2 import MAX_LISTED, active, unresolved_first, upcoming
from statuspage.page.exported import Exported, exported
from statuspage.page.html import pages as pages_html
from statuspage.page.html.formatting import Times
from statuspage.page.snapshot import build as snapshot
from statuspage.page.snapshot.build import NoPageError, unfinished
from statuspage.page.snapshot.values import IncidentPage, Present
from statuspage.serving.middleware import publish
from statuspage.serving.response import Rendering
from statuspage.web.public.pages import page_number

JSON = "application/json; charset=utf-8"
ANY_SITE = (("Access-Control-Allow-Origin", "*"),)
READING = ("GET", "HEAD", "OPTIONS")
WRITING = ("POST", "PUT", "PATCH", "DELETE")
PREFLIGHT = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": ", ".join(READING),
    # The star does not stand for `Authorization`, which some clients send everywhere.
    "Access-Control-Allow-Headers": "*, Authorization",
    "Access-Control-Max-Age": "86400",
}
RETRY_AFTER_S = 30

bp = Blueprint("status_api", __name__)


def _summary(present: Present, at: datetime) -> bytes:
    return api_v2.summary(present, unfinished(at=at))


def _status(present: Present, _at: datetime) -> bytes:
    return api_v2.status(present)


def _components(present: Present, _at: datetime) -> bytes:
    return api_v2.components(present)


def _incidents(present: Present, at: datetime) -> bytes:
    shown = snapshot.latest(IncidentKind.INCIDENT, MAX_LISTED, at=at)
    return api_v2.incidents(present, shown)


def _unresolved(present: Present, at: datetime) -> bytes:
    return api_v2.incidents(present, unresolved_first(unfinished(at=at)))


def _maintenances(present: Present, at: datetime) -> bytes:
    shown = snapshot.latest(IncidentKind.MAINTENANCE, MAX_LISTED, at=at)
    return api_v2.scheduled_maintenances(present, shown)


def _upcoming(present: Present, at: datetime) -> bytes:
    return api_v2.scheduled_maintenances(present, upcoming(unfinished(at=at)))


def _active(present: Present, at: datetime) -> bytes:
    return api_v2.scheduled_maintenances(present, active(unfinished(at=at)))


DOCUMENTS: dict[str, Callable[[Present, datetime], bytes]] = {
    "summary": _summary,
    "status": _status,
    "components": _components,
    "incidents": _incidents,
    "incidents/unresolved": _unresolved,
    "scheduled-maintenances": _maintenances,
    "scheduled-maintenances/upcoming": _upcoming,
    "scheduled-maintenances/active": _active,
}


# ── addresses ──────────────────────────────────────────────────────────────────


def _serve(name: str, write: Callable[[Present, datetime], bytes]) -> None:
    address = f"/api/v2/{name}.json"

    @exported(Exported.AFTER_CHANGES)
    def view() -> ResponseReturnValue:
        def render() -> Rendering:
            at = clock.now()
            return _found(write(snapshot.present(at=at, base_url=_base_url()), at))

        return _publish(address, render)

    bp.add_url_rule(address, name.replace("/", "_"), view)


for _name, _write in DOCUMENTS.items():
    _serve(_name, _write)


@bp.get("/api/v2/incidents/<public_id>.json")
@exported(Exported.PER_PUBLISHED_INCIDENT)
def incident(public_id: str) -> ResponseReturnValue:
    """An incident or a maintenance; what was withdrawn is not there, as clients know it."""

    def render() -> Rendering | None:
        at = clock.now()
        shown = snapshot.incident(public_id, at=at, base_url=_base_url())
        if not isinstance(shown, IncidentPage):
            return None
        present = snapshot.present(at=at, base_url=_base_url())
        return _found(api_v2.incident(present, shown.incident))

    return _publish(f"/api/v2/incidents/{public_id}.json", render)


@bp.get("/history.json")
@exported(Exported.AFTER_CHANGES_NUMBERED)
def history() -> ResponseReturnValue:
    number = page_number()

    def render() -> Rendering | None:
        shown = snapshot.history(number, at=clock.now(), base_url=_base_url(), to_the_oldest=False)
        return _found(api_v2.history(shown)) if shown else None

    return _publish("/history.json" if number == 1 else f"/history.json?page={number}", render)


@bp.get("/api", strict_slashes=False)
@exported(Exported.AFTER_CHANGES)
def about() -> ResponseReturnValue:
    def render() -> Rendering:
        at = clock.now()
        try:
            present = snapshot.present(at=at, base_url=_base_url())
        except NoPageError:
            return pages_html.not_ready()
        newest = next(iter(snapshot.latest(IncidentKind.INCIDENT, 1, at=at)), None)
        return pages_html.api(
            present.page,
            Times(present.page.zone, at),
            api_v2.examples(present, newest),
            newest.id if newest else None,
        )

    return publish("/api", render)


# ── what is not there ──────────────────────────────────────────────────────────


@bp.before_request
def _answer_preflight() -> ResponseReturnValue | None:
    """A browser asks before a script may send a header of its own."""
    if request.method != "OPTIONS":
        return None
    return Response(status=HTTPStatus.NO_CONTENT, headers=PREFLIGHT)


@bp.route("/api/<path:rest>", methods=[*READING, *WRITING])
def nothing_here(rest: str) -> ResponseReturnValue:
    """What no document answers: 405 where it can be read, else 404."""
    if request.method in WRITING and _is_read(request.path):
        raise MethodNotAllowed(valid_methods=READING)
    raise NotFound


def _is_read(path: str) -> bool:
    endpoint, _ = current_app.url_map.bind("").match(path, "GET")
    return bool(endpoint != f"{bp.name}.{nothing_here.__name__}")


@bp.errorhandler(NotFound)
def _missing(_error: NotFound) -> ResponseReturnValue:
    return _refusal(HTTPStatus.NOT_FOUND, "Not found", "There is nothing at this address.")


@bp.errorhandler(MethodNotAllowed)
def _only_reading(error: MethodNotAllowed) -> ResponseReturnValue:
    answer = _refusal(
        HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed", "This address can only be read."
    )
    answer.headers["Allow"] = ", ".join(error.valid_methods or READING)
    return answer


def _unavailable() -> Response:
    answer = _refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Not available",
        "We cannot reach our own records at the moment. Please try again in half a minute.",
    )
    answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    return answer


# ── helpers ────────────────────────────────────────────────────────────────────


def _publish(address: str, render: Callable[[], Rendering | None]) -> ResponseReturnValue:
    def rendered() -> Rendering | None:
        try:
            return render()
        except NoPageError:  # Nothing was set up.
            return None

    try:
        return publish(address, rendered)
    except HTTPException as stopped:
        if stopped.get_response().status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            return _unavailable()
        raise


def _found(body: bytes) -> Rendering:
    return Rendering(HTTPStatus.OK, JSON, body, headers=ANY_SITE)


def _refusal(status: HTTPStatus, words: str, message: str) -> Response:
    answer = Response(api_v2.error(words, message), status, dict(ANY_SITE))
    answer.headers["Content-Type"] = JSON
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def _base_url() -> str:
    base_url: str = current_app.config["SETTINGS"].base_url
    return base_url
