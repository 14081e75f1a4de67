"""The staff desk, `/admin`: sign-in, and a screen for each thing staff do.

`init_app` puts all of it on an application. A blueprint per noun; each route
declares in `permissions` what it needs. Views translate, the domain decides.
"""

import hashlib
from datetime import date
from functools import cache
from pathlib import Path

import structlog
from flask import Blueprint, Flask, Response, current_app, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import AnonymousUserMixin, current_user
from flask_wtf.csrf import CSRFError
from sqlalchemy import exc
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException, NotFound

from statuspage import clock
from statuspage.db import CommitInDoubtError
from statuspage.db.errors import IN_DOUBT, explain
from statuspage.domain.staff.members import Permission
from statuspage.domain.statuses import ComponentStatus
from statuspage.page.html import charts
from statuspage.web import database_outage, security
from statuspage.web.admin import (
    account,
    audit,
    auth,
    components,
    corrections,
    deliveries,
    email_previews,
    groups,
    incidents,
    local_time,
    login_session,
    maintenance,
    overview,
    permissions,
    postmortems,
    resubmit,
    second_factor,
    settings,
    subscribers,
    team,
    templates,
    tokens,
)
from statuspage.web.admin.forms import show_share
from statuspage.web.database_outage import roll_back

log = structlog.get_logger()

bp = Blueprint("admin", __name__, url_prefix="/admin")
bp.before_request(permissions.gate)
bp.teardown_request(login_session.touch)
for child in (
    overview.bp,
    auth.bp,
    account.bp,
    second_factor.bp,
    incidents.bp,
    corrections.bp,
    maintenance.bp,
    components.bp,
    groups.bp,
    postmortems.bp,
    templates.bp,
    subscribers.bp,
    email_previews.bp,
    deliveries.bp,
    settings.bp,
    team.bp,
    tokens.bp,
    audit.bp,
):
    bp.register_blueprint(child)


def init_app(app: Flask) -> None:
    """Put the desk on an application."""
    security.init_app(app)
    app.register_blueprint(bp)


@bp.app_context_processor
def _for_every_screen() -> dict[str, object]:
    return {
        "asset": _asset,
        "desk_name": _desk_name,
        "may": _may,
        "show_share": show_share,
        "statuses": list(ComponentStatus),
        "zone_name": lambda: local_time.zone().key,
    }


@bp.app_template_filter("outline")
def _outline(tone: str) -> str:
    """The sign of a tone, the same as on the public page."""
    return charts.GLYPHS[tone]


@bp.app_template_filter("short")
def _short(moment: object) -> str:
    """A moment in the page's zone, as short as it can be said."""
    return local_time.short(moment, local_time.zone(), now=clock.now())  # type: ignore[arg-type]


@bp.app_template_filter("day")
def _day(date: date) -> str:
    """A calendar day as short as it can be said."""
    return local_time.short_day(date, clock.now().astimezone(local_time.zone()).date())


@bp.app_template_filter("until")
def _until(moment: object) -> str:
    """`in 3 minutes` or `3 minutes ago`."""
    length = moment - clock.now()  # type: ignore[operator]
    if length.total_seconds() < 0:
        return f"{local_time.duration_words(-length)} ago"
    return f"in {local_time.duration_words(length)}"


@bp.app_template_filter("event_words")
def _event_words(kind: str) -> str:
    """`incident.update_posted` as `Incident: update posted`."""
    noun, _, verb = kind.partition(".")
    return f"{noun.replace('_', ' ').capitalize()}: {verb.replace('_', ' ')}"


def _desk_name() -> str:
    page = local_time.page()
    return page.name if page else "Status page"


def _may(permission: str) -> bool:
    return bool(current_user.is_authenticated and current_user.role.may(Permission(permission)))


def _asset(name: str) -> str:
    folder = current_app.static_folder
    assert folder is not None
    return url_for("static", filename=name, v=_mark(Path(folder) / name))


@cache
def _mark(file: Path) -> str:
    """Changes with the file, so that a browser never keeps an old one after an upgrade."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:10] if file.exists() else "0"


# ── what can go wrong on any screen ────────────────────────────────────────────


@bp.errorhandler(CSRFError)
def _refuse_forgery(_error: CSRFError) -> ResponseReturnValue:
    return resubmit.page(
        "This form has expired",
        "It was opened before you signed in or out, so we cannot be sure that"
        " you sent it. Nothing was saved. Check it and send it again.",
        400,
    )


def _unavailable(error: exc.SQLAlchemyError) -> Response:
    if "_login_user" not in g:
        # Flask-Login would ask the database who this is when the page is rendered.
        g._login_user = AnonymousUserMixin()
    if isinstance(error, CommitInDoubtError):
        return resubmit.page(
            "Check whether this was saved",
            f"{IN_DOUBT} The connection to the database broke while it was being saved. Look before"
            " you send it again; what you wrote stays here.",
            503,
        )
    explanation = explain(error)
    return resubmit.page(
        f"The database {explanation.state}",
        "Nothing was saved. Customers still see the last good page."
        f" {explanation.for_staff}; what you wrote stays here.",
        503,
    )


@bp.errorhandler(exc.IntegrityError)
@bp.errorhandler(StaleDataError)
def _crossed(error: exc.SQLAlchemyError) -> ResponseReturnValue:
    log.warning("admin.write_conflict", error=_kind(error))
    roll_back()
    return resubmit.page(
        "Someone else changed this first",
        "They changed or removed the same thing at the same moment, so yours"
        " was not saved. Check the current version, then send yours again if it"
        " is still right.",
        409,
    )


database_outage.handle(bp, "admin.database_unavailable", _unavailable, on_deadlock=_crossed)


@bp.errorhandler(exc.DataError)
def _unstorable(error: exc.DataError) -> ResponseReturnValue:
    """PostgreSQL has no place for it; SQLite finds nothing there."""
    log.warning("admin.value_rejected", error=_kind(error))
    roll_back()
    if request.method != "POST":
        return _not_found()
    return resubmit.page(
        "This cannot be saved",
        "Contains characters we can't store. Nothing was saved.",
        422,
    )


@bp.errorhandler(429)
def _too_many(_error: HTTPException) -> ResponseReturnValue:
    response = Response(
        render_template(
            "admin/stop.html",
            heading="Too many attempts",
            words="Too many failed sign-ins. Try again in five minutes, or now from a browser"
            " you signed in with before. An owner can make you a sign-in link, and so can"
            " “flask staff link” on the server.",
        ),
        429,
    )
    response.headers["Retry-After"] = "300"
    return response


@bp.errorhandler(403)
def _forbidden(_error: HTTPException) -> ResponseReturnValue:
    return render_template(
        "admin/stop.html",
        heading="You are not allowed to do this",
        words="Your role does not permit it. An owner of this page can change your role.",
    ), 403


@bp.before_app_request
def _off_the_map() -> ResponseReturnValue | None:
    """The public page for addresses that lead nowhere has a style that the desk refuses."""
    if request.path.startswith("/admin/") and isinstance(request.routing_exception, NotFound):
        # Flask-Login would ask the database who this is when the page is rendered.
        g._login_user = AnonymousUserMixin()
        return _not_found()
    return None


@bp.errorhandler(404)
def _missing(_error: HTTPException) -> ResponseReturnValue:
    return _not_found()


def _not_found() -> ResponseReturnValue:
    return render_template(
        "admin/stop.html",
        heading="Not found",
        words="There is nothing at this address. It may have been a draft that was discarded.",
    ), 404


def _kind(error: exc.SQLAlchemyError) -> str:
    """What went wrong, without the values: they may be addresses."""
    return type(getattr(error, "orig", None) or error).__name__
