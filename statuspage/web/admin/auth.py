"""Signing in and out."""

from urllib.parse import urlsplit

import structlog
from flask import (
    Blueprint,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user, logout_user
from wtforms import EmailField, PasswordField

from statuspage import clock
from statuspage.db import db
from statuspage.domain import staff
from statuspage.domain.staff import Staff
from statuspage.web.admin.forms import Form, words
from statuspage.web.admin.permissions import open_to_anyone
from statuspage.web.admin.safety import limiter

bp = Blueprint("auth", __name__)
log = structlog.get_logger()

# Only refusals count, so that a busy office behind one address is not locked out.
PER_ADDRESS = "20 per 5 minutes"
PER_ACCOUNT = "6 per 5 minutes"


class SignInForm(Form):
    email = EmailField("E-mail", filters=[words])
    password = PasswordField("Password")


def _account() -> str:
    return "account:" + request.form.get("email", "").strip().lower()[:254]


def _was_refused(response: object) -> bool:
    return getattr(response, "status_code", None) in {422, 404}


@bp.get("/sign-in")
@open_to_anyone
def sign_in() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return redirect(_next())
    return render_template("admin/sign_in.html", form=SignInForm(), next=_next())


@bp.post("/sign-in")
@open_to_anyone
@limiter.limit(PER_ADDRESS, deduct_when=_was_refused)
@limiter.limit(PER_ACCOUNT, key_func=_account, deduct_when=_was_refused)
def check_password() -> ResponseReturnValue:
    form = SignInForm(request.form)
    person = staff.authenticate(form.email.data or "", form.password.data or "")
    if person is None:
        form.others.append("This e-mail and password do not belong together. Check both.")
        return render_template("admin/sign_in.html", form=form, next=_next()), 422
    _begin_session(person, "password")
    db.session.commit()
    return redirect(_next(), 303)


@bp.get("/sign-in/<token>")
@open_to_anyone
@limiter.limit(PER_ADDRESS, deduct_when=_was_refused)
def link(token: str) -> ResponseReturnValue:
    """Asks for a press of the button: scanners of mail follow links, they do not press."""
    is_good = staff.link_is_good(token, at=clock.now())
    return _link_page(is_good)


@bp.post("/sign-in/<token>")
@open_to_anyone
@limiter.limit(PER_ADDRESS, deduct_when=_was_refused)
def use_link(token: str) -> ResponseReturnValue:
    person = staff.use_sign_in_link(token, at=clock.now())
    if person is None:
        return _link_page(is_good=False)
    _begin_session(person, "link")
    db.session.commit()
    if person.password_hash is None:
        flash("Choose a password, so that you can sign in without a link.")
        return redirect(url_for("admin.account.show"), 303)
    return redirect(url_for("admin.overview.show"), 303)


@bp.post("/sign-out")
@open_to_anyone
def sign_out() -> ResponseReturnValue:
    logout_user()
    session.clear()
    flash("You are signed out.")
    return redirect(url_for("admin.auth.sign_in"), 303)


def _begin_session(person: Staff, how: str) -> None:
    """A new session: nothing of the one before the sign-in is kept."""
    session.clear()
    session.permanent = True
    login_user(person)
    person.last_seen_at = clock.now()
    # A line in the log and no event: an event would make every public page new.
    log.info("staff.signed_in", staff_id=person.id, how=how)


def _link_page(is_good: bool) -> ResponseReturnValue:
    return make_response(
        render_template("admin/sign_in_link.html", is_good=is_good), 200 if is_good else 404
    )


def _next() -> str:
    """Where to go after the sign-in: an address of the desk, never another site."""
    wanted = request.values.get("next", "")
    home = url_for("admin.overview.show")
    parts = urlsplit(wanted) if wanted.isprintable() and "\\" not in wanted else urlsplit("")
    inside = parts.path == "/admin" or parts.path.startswith("/admin/")
    if parts.scheme or parts.netloc or not inside or wanted.startswith("//"):
        return home
    return wanted
