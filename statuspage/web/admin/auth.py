"""Signing in and out."""

from urllib.parse import urlsplit

import structlog
from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from wtforms import EmailField, PasswordField, StringField

from statuspage import clock
from statuspage.db import db
from statuspage.domain.staff import members as staff
from statuspage.domain.staff import second_factor
from statuspage.domain.staff.members import Staff
from statuspage.lib import email_address
from statuspage.web.admin import known_devices, login_session
from statuspage.web.admin.forms import Form, words
from statuspage.web.admin.permissions import open_to_anyone
from statuspage.web.security import limiter, network

bp = Blueprint("auth", __name__)
log = structlog.get_logger()

# Only refusals count, so that a busy office behind one address is not locked out.
PER_ADDRESS = "20 per 5 minutes"
PER_ACCOUNT = "6 per 5 minutes"
"""From one network, or from a known device, which the other limits leave alone."""
PER_ACCOUNT_ANYWHERE = "20 per 5 minutes"
PER_CODE = "6 per 5 minutes;60 per day"
"""Six digits could be guessed in the end, by somebody who has the password."""


class SignInForm(Form):
    email = EmailField("E-mail", filters=[words])
    password = PasswordField("Password")


class CodeForm(Form):
    """Either the app's code or one of the recovery codes."""

    one_time_password = StringField("Code")
    recovery_code = StringField("Recovery code")


def _account() -> str:
    return "account:" + email_address.mailbox(request.form.get("email", ""))[:254]


def _account_here() -> str:
    """The account from this network, or from this device if its owner signed in with it."""
    return f"{_device() or network()} {_account()}"


def _device() -> str | None:
    email = email_address.mailbox(request.form.get("email", ""))
    return known_devices.id_for(staff.with_email(email))


def _is_known() -> bool:
    return _device() is not None


def _waiting() -> str:
    halfway = login_session.pending_login()
    if halfway is None:
        return f"code:{network()}"
    device = known_devices.id_for(halfway.person)
    return f"code:{halfway.person.id}" + (f" {device}" if device else "")


def _is_waiting_at_a_known_device() -> bool:
    halfway = login_session.pending_login()
    return halfway is not None and known_devices.id_for(halfway.person) is not None


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
@limiter.limit(PER_ADDRESS, deduct_when=_was_refused, exempt_when=_is_known)
@limiter.limit(
    PER_ACCOUNT_ANYWHERE, key_func=_account, deduct_when=_was_refused, exempt_when=_is_known
)
@limiter.limit(PER_ACCOUNT, key_func=_account_here, deduct_when=_was_refused)
def check_password() -> ResponseReturnValue:
    form = SignInForm(request.form)
    person = staff.authenticate(form.email.data or "", form.password.data or "")
    if person is None:
        form.others.append("Wrong e-mail or password.")
        return render_template("admin/sign_in.html", form=form, next=_next()), 422
    return _let_in(person, "password", _next())


@bp.get("/sign-in/code")
@open_to_anyone
def ask_code() -> ResponseReturnValue:
    """The second step, for those whose second factor is on."""
    if login_session.pending_login() is None:
        return redirect(url_for("admin.auth.sign_in", next=_next()))
    return _code_page(CodeForm())


@bp.post("/sign-in/code")
@open_to_anyone
@limiter.limit(PER_ADDRESS, deduct_when=_was_refused, exempt_when=_is_waiting_at_a_known_device)
@limiter.limit(PER_CODE, key_func=_waiting, deduct_when=_was_refused)
def check_code() -> ResponseReturnValue:
    halfway = login_session.pending_login()
    if halfway is None:
        flash("That took too long. Sign in again.")
        return redirect(url_for("admin.auth.sign_in", next=_next()), 303)
    form = CodeForm(request.form)
    person, at = halfway.person, clock.now()
    if typed := form.recovery_code.data:
        is_right = second_factor.accept_recovery_code(person, typed, by=person.actor, at=at)
        if not is_right:
            form.recovery_code.errors = ["That recovery code is not valid, or was already used."]
    else:
        typed = form.one_time_password.data or ""
        is_right = second_factor.accept_code(person, typed, keys=login_session.keys(), at=at)
        if not is_right:
            form.one_time_password.errors = [
                "That code is not valid, or was already used. Enter the next one."
            ]
    if not is_right:
        db.session.rollback()
        log.warning("staff.second_factor_refused", staff_id=person.id)
        return _code_page(form), 422
    login_session.begin(person, f"{halfway.how} and code")
    db.session.commit()
    return _go_on(person, _next())


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
    return _let_in(person, login_session.LINK, url_for("admin.overview.show"))


@bp.post("/sign-out")
@open_to_anyone
def sign_out() -> ResponseReturnValue:
    login_session.end()
    flash("You are signed out.")
    response = redirect(url_for("admin.auth.sign_in"), 303)
    # Not "storage": the browser of somebody who follows the page keeps its push messages.
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


def _let_in(person: Staff, how: str, next_: str) -> ResponseReturnValue:
    """Begin the session, or ask for the code first."""
    if second_factor.is_on(person):
        login_session.wait_for_code(person, how)
        # The link is used up, whatever becomes of the code.
        db.session.commit()
        return redirect(url_for("admin.auth.ask_code", next=next_), 303)
    login_session.begin(person, how)
    db.session.commit()
    return _go_on(person, next_)


def _go_on(person: Staff, next_: str) -> ResponseReturnValue:
    if person.password_hash is None:
        flash("Choose a password so that you can sign in without a link.")
        next_ = url_for("admin.account.show")
    return redirect(next_, 303)


def _code_page(form: CodeForm) -> str:
    return render_template("admin/sign_in_code.html", form=form, next=_next())


def _link_page(is_good: bool) -> ResponseReturnValue:
    return make_response(
        render_template("admin/sign_in_link.html", is_good=is_good), 200 if is_good else 404
    )


def _next() -> str:
    """Where to go after the sign-in: an address of the desk, never another site."""
    path = request.values.get("next", "")
    home = url_for("admin.overview.show")
    parts = urlsplit(path) if path.isprintable() and "\\" not in path else urlsplit("")
    inside = parts.path == "/admin" or parts.path.startswith("/admin/")
    if parts.scheme or parts.netloc or not inside or path.startswith("//"):
        return home
    return path
