"""One's own second factor: set up with an app, confirmed by a code, switched off."""

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from wtforms import StringField

from statuspage import clock
from statuspage.db import db
from statuspage.domain.staff import members as staff
from statuspage.domain.staff import second_factor, totp
from statuspage.domain.staff.members import Permission, Staff
from statuspage.errors import Invalid
from statuspage.web.admin import local_time, login_session, permissions, qr_code, reauthentication
from statuspage.web.admin.forms import Form
from statuspage.web.admin.permissions import current_actor, requires
from statuspage.web.admin.submit import save

bp = Blueprint("second_factor", __name__, url_prefix="/account/second-factor")


class ConfirmForm(Form):
    one_time_password = StringField("Code")


@bp.get("")
@requires(Permission.VIEW)
def show() -> ResponseReturnValue:
    return _page()


@bp.post("")
@requires(Permission.VIEW)
@reauthentication.slowed
def set_up() -> ResponseReturnValue:
    form = reauthentication.ProofForm(request.form)

    def act() -> str:
        reauthentication.prove(form)
        second_factor.set_up(_oneself(), keys=login_session.keys(), at=clock.now())
        return url_for("admin.second_factor.show")

    return save(form, act, said="Now scan the code with your app.", again=lambda: _page(form))


@bp.post("/confirm")
@requires(Permission.VIEW)
def confirm() -> ResponseReturnValue:
    """With the first code it is on; the recovery codes are shown once, here."""
    form = ConfirmForm(request.form)
    try:
        codes = second_factor.confirm(
            _oneself(),
            form.one_time_password.data or "",
            keys=login_session.keys(),
            by=current_actor(),
            at=clock.now(),
        )
        staff.end_ways_in(_oneself(), keep=login_session.present())
        login_session.renew()
    except Invalid as invalid:
        db.session.rollback()
        form.show(invalid)
        return _page(form), 422
    db.session.commit()
    return _codes_page(codes, is_new=True)


@bp.post("/recovery-codes")
@requires(Permission.VIEW)
@reauthentication.slowed
def renew_recovery_codes() -> ResponseReturnValue:
    """Shown once, here; those from before are worth nothing any more."""
    form = reauthentication.ProofForm(request.form)
    try:
        reauthentication.prove(form)
        codes = second_factor.renew_recovery_codes(_oneself(), by=current_actor(), at=clock.now())
    except Invalid as invalid:
        db.session.rollback()
        form.show(invalid)
        return _page(form), 422
    db.session.commit()
    return _codes_page(codes, is_new=False)


@bp.post("/off")
@requires(Permission.VIEW)
@reauthentication.slowed
def switch_off() -> ResponseReturnValue:
    form = reauthentication.ProofForm(request.form)

    def act() -> str:
        reauthentication.prove(form)
        second_factor.remove(_oneself(), by=current_actor(), at=clock.now())
        staff.end_ways_in(_oneself(), keep=login_session.present())
        login_session.renew()
        return url_for("admin.second_factor.show")

    message = "Your second factor is off. All your other sessions have ended."
    return save(form, act, said=message, again=lambda: _page(form))


def _oneself() -> Staff:
    person: Staff = current_user._get_current_object()
    return person


def _page(form: Form | None = None) -> str:
    """Where it stands: off, being set up, or on."""
    person = _oneself()
    if since := second_factor.on_since(person):
        left = second_factor.recovery_codes_left(person)
        return render_template(
            "admin/second_factor_on.html", form=form, since=since, left=left, asks=_asks(form)
        )
    secret = second_factor.secret_to_confirm(person, keys=login_session.keys(), at=clock.now())
    is_required = permissions.second_factor_is_required()
    if secret is None:
        return render_template(
            "admin/second_factor_off.html", form=form, asks=_asks(form), is_required=is_required
        )
    page = local_time.page()
    address = totp.address(secret, issuer=page.name if page else "Status", account=person.email)
    return render_template(
        "admin/second_factor_new.html",
        form=form,
        confirm=form if isinstance(form, ConfirmForm) else ConfirmForm(),
        secret=totp.as_text(secret),
        drawing=qr_code.qr_code(address),
        is_required=is_required,
    )


def _asks(form: Form | None) -> reauthentication.ProofForm:
    return form if isinstance(form, reauthentication.ProofForm) else reauthentication.ProofForm()


def _codes_page(codes: list[str], *, is_new: bool) -> str:
    return render_template("admin/recovery_codes.html", codes=codes, is_new=is_new)
