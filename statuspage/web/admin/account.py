"""One's own account: the password, and where one is signed in."""

from flask import Blueprint, abort, current_app, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from wtforms import PasswordField

from statuspage import clock
from statuspage.domain.staff import members as staff
from statuspage.domain.staff import second_factor, sessions
from statuspage.domain.staff.members import Permission, Staff
from statuspage.domain.staff.passwords import MAX_PASSWORD, MIN_PASSWORD
from statuspage.web.admin import login_session, reauthentication
from statuspage.web.admin.permissions import requires
from statuspage.web.admin.submit import save

bp = Blueprint("account", __name__, url_prefix="/account")


class PasswordForm(reauthentication.ProofForm):
    current_password = PasswordField("Current password")
    password = PasswordField("New password")


class EndForm(reauthentication.ProofForm):
    """Ends sessions. It stands on one screen with the other form, so its field has an id of
    its own."""

    current_password = PasswordField("Your password", id="end_password")


@bp.get("")
@requires(Permission.VIEW)
def show() -> ResponseReturnValue:
    return _page(PasswordForm())


@bp.post("")
@requires(Permission.VIEW)
@reauthentication.slowed
def change_password() -> ResponseReturnValue:
    form = PasswordForm(request.form)

    def act() -> str:
        if not (_has_none() or _forgot_it()):
            reauthentication.prove(form)
        staff.set_password(
            _oneself(),
            form.password.data or "",
            by=current_user.actor,
            at=clock.now(),
            keep=login_session.present(),
            breached=current_app.config["SETTINGS"].breached_passwords,
        )
        login_session.renew()
        login_session.note_proof()
        return url_for("admin.account.show")

    message = "Your password has been changed. All your other sessions have ended."
    return make_response(save(form, act, said=message, again=lambda: _page(form)))


@bp.post("/sessions/end-others")
@requires(Permission.VIEW)
@reauthentication.slowed
def end_other_sessions() -> ResponseReturnValue:
    form = EndForm(request.form)

    def act() -> str:
        reauthentication.prove(form)
        here = login_session.present()
        staff.end_sessions(_oneself(), by=current_user.actor, at=clock.now(), keep=here)
        login_session.renew()
        return url_for("admin.account.show", _anchor="sessions")

    message = "You are now signed out everywhere else."
    return save(form, act, said=message, again=lambda: _page(PasswordForm(), form))


@bp.post("/sessions/<public_id>/end")
@requires(Permission.VIEW)
@reauthentication.slowed
def end_session(public_id: str) -> ResponseReturnValue:
    """One of one's own; nobody ends another's here."""
    row = next((session for session in _sessions() if session.public_id == public_id), None)
    if row is None:
        abort(404)
    form = EndForm(request.form)

    def act() -> str:
        reauthentication.prove(form)
        sessions.end(row)
        return url_for("admin.account.show", _anchor="sessions")

    return save(
        form, act, said="The session has been ended.", again=lambda: _page(PasswordForm(), form)
    )


def _has_none() -> bool:
    """Someone without a password got in by a link and chooses their first one."""
    return current_user.password_hash is None


def _forgot_it() -> bool:
    """A link that an owner made just now is proof enough: it is the way back in."""
    return login_session.came_by_link_within(reauthentication.FRESH)


def _oneself() -> Staff:
    person: Staff = current_user._get_current_object()
    return person


def _sessions() -> list[sessions.AdminSession]:
    return sessions.of(current_user.id, at=clock.now())


def _page(form: PasswordForm, ending: EndForm | None = None) -> str:
    return render_template(
        "admin/account.html",
        form=form,
        ending=ending or EndForm(),
        is_present_asked=not (_has_none() or _forgot_it()),
        has_second_factor=second_factor.is_on(_oneself()),
        sessions=_sessions(),
        present=login_session.present(),
        idle_days=sessions.IDLE.days,
        longest_days=sessions.LONGEST.days,
        shortest=MIN_PASSWORD,
        longest=MAX_PASSWORD,
    )
