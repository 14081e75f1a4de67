"""One's own account: the password."""

from flask import Blueprint, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user
from wtforms import PasswordField

from statuspage import clock
from statuspage.domain import staff
from statuspage.domain.staff import Permission
from statuspage.errors import Invalid
from statuspage.web.admin.auth import PER_ADDRESS
from statuspage.web.admin.forms import Form
from statuspage.web.admin.permissions import requires
from statuspage.web.admin.safety import limiter
from statuspage.web.admin.saving import save

bp = Blueprint("account", __name__, url_prefix="/account")


class PasswordForm(Form):
    current_password = PasswordField("Present password")
    password = PasswordField("New password")


def _was_refused(response: object) -> bool:
    return getattr(response, "status_code", None) == 422


@bp.get("")
@requires(Permission.VIEW)
def show() -> ResponseReturnValue:
    return _page(PasswordForm())


@bp.post("")
@requires(Permission.VIEW)
@limiter.limit(PER_ADDRESS, deduct_when=_was_refused)
def change_password() -> ResponseReturnValue:
    form = PasswordForm(request.form)

    def act() -> str:
        known = current_user.password_hash
        typed = form.current_password.data or ""
        if known and staff.authenticate(current_user.email, typed) is None:
            raise Invalid(**{form.current_password.name: "This is not your present password."})
        staff.set_password(
            current_user._get_current_object(),
            form.password.data or "",
            by=current_user.actor,
            at=clock.now(),
        )
        return url_for("admin.account.show")

    answer = save(
        form,
        act,
        said="Your password is changed. Every other session of yours has ended.",
        again=lambda: _page(form),
    )
    if answer.status_code == 303:
        # This session goes on under the new number; all others stop matching.
        login_user(current_user._get_current_object())
    return make_response(answer)


def _page(form: PasswordForm) -> str:
    return render_template("admin/account.html", form=form)
