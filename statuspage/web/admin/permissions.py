"""Who may do what at the desk: every route declares it, one gate enforces it."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from statuspage.db import read_only
from statuspage.domain.events import Actor
from statuspage.domain.staff import second_factor
from statuspage.domain.staff.members import Permission
from statuspage.web.admin import resubmit
from statuspage.web.security import csrf

View = TypeVar("View", bound=Callable[..., Any])

ANYONE = "anyone"
"""What a route declares that needs no sign-in."""


def requires(permission: Permission) -> Callable[[View], View]:
    """Declare what a signed-in person needs for this route."""

    def declare(view: View) -> View:
        view.needs = permission  # type: ignore[attr-defined]
        return view

    return declare


def open_to_anyone(view: View) -> View:
    """Declare that this route needs no sign-in."""
    view.needs = ANYONE  # type: ignore[attr-defined]
    return view


def only_reads(view: View) -> View:
    """Declare that a route changes nothing although its method is POST."""
    view.only_reads = True  # type: ignore[attr-defined]
    return view


def declared(endpoint: str) -> Permission | str | None:
    """What the route needs; None when nobody declared it."""
    needs: Permission | str | None = getattr(current_app.view_functions[endpoint], "needs", None)
    return needs


def second_factor_is_required() -> bool:
    """Whether staff may do nothing before they have one."""
    return bool(current_app.config["SETTINGS"].require_second_factor)


def gate() -> ResponseReturnValue | None:
    """Before each request to the desk: sign-in, second factor, permission, then CSRF."""
    if request.endpoint is None:
        return None
    view = current_app.view_functions[request.endpoint]
    if request.method in {"GET", "HEAD"} or getattr(view, "only_reads", False):
        read_only()
    needs = declared(request.endpoint)
    if needs is None:
        abort(403)
    if needs != ANYONE:
        if not current_user.is_authenticated:
            return _sign_in_first()
        if _owes_second_factor(request.endpoint):
            return _set_up_first()
        if not current_user.role.may(needs):
            abort(403)
    csrf.protect()
    return None


def current_actor() -> Actor:
    """Whoever sends this request."""
    actor: Actor = current_user.actor
    return actor


def _sign_in_first() -> ResponseReturnValue:
    if request.method not in {"GET", "HEAD"}:
        return resubmit.page(
            "You are signed out",
            "Your session has ended, so nothing was saved. Sign in again in a new tab, then"
            " come back here and send it again.",
            401,
            sign_in=True,
        )
    here = request.full_path if request.query_string else request.path
    return redirect(url_for("admin.auth.sign_in", next=here))


def _owes_second_factor(endpoint: str) -> bool:
    """Whether it is required and not on yet; one's own account stays open, to set it up."""
    is_account = endpoint.startswith(("admin.account.", "admin.second_factor."))
    if is_account or not second_factor_is_required():
        return False
    return not second_factor.is_on(current_user)


def _set_up_first() -> ResponseReturnValue:
    if request.method not in {"GET", "HEAD"}:
        return resubmit.page(
            "Set up your second factor first",
            "Nothing was saved. Set up your second factor in a new tab, then come back here and"
            " send it again.",
            403,
            set_up=True,
        )
    return redirect(url_for("admin.second_factor.show"))
