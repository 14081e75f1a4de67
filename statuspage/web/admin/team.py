"""The team: who may come in, and as what. For owners."""

from flask import Blueprint, abort, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import EmailField, SelectField, StringField

from statuspage import clock
from statuspage.db import db
from statuspage.domain.staff import members as staff
from statuspage.domain.staff import second_factor
from statuspage.domain.staff.members import Permission, Role, Staff
from statuspage.errors import Invalid
from statuspage.web.admin import reauthentication
from statuspage.web.admin.forms import Form, words
from statuspage.web.admin.permissions import current_actor, requires
from statuspage.web.admin.submit import save

bp = Blueprint("team", __name__, url_prefix="/team")

ROLES = {
    Role.EDITOR.value: "Editor: publishes and configures",
    Role.VIEWER.value: "Viewer: reads only",
    Role.OWNER.value: "Owner: everything, including the team",
}


class PersonForm(reauthentication.ProofForm):
    email = EmailField("E-mail", filters=[words])
    name = StringField("Name", filters=[words])
    role = SelectField("Role", choices=ROLES)


class RoleForm(reauthentication.ProofForm):
    role = SelectField("Role", choices=ROLES)


@bp.get("")
@requires(Permission.MANAGE_STAFF)
def show() -> ResponseReturnValue:
    return _page(PersonForm())


@bp.post("")
@requires(Permission.MANAGE_STAFF)
@reauthentication.slowed
def create() -> ResponseReturnValue:
    form = PersonForm(request.form)

    def act() -> str:
        reauthentication.prove_lately(form)
        person = staff.create(
            form.email.data or "",
            name=form.name.data or "",
            role=Role(form.role.data),
            password=None,
            by=current_actor(),
            at=clock.now(),
        )
        return url_for("admin.team.show", _anchor=f"person-{person.id}")

    return save(form, act, said="Added. Now make them a sign-in link.", again=lambda: _page(form))


@bp.post("/<int(max=2147483647):staff_id>/role")
@requires(Permission.MANAGE_STAFF)
@reauthentication.slowed
def set_role(staff_id: int) -> ResponseReturnValue:
    person = _get_or_404(staff_id)
    form = RoleForm(request.form)

    def act() -> str:
        reauthentication.prove_lately(form)
        staff.set_role(person, Role(form.role.data), by=current_actor(), at=clock.now())
        return url_for("admin.team.show")

    return save(form, act, said="Role changed.", again=lambda: _ask_page(person, form))


@bp.get("/<int(max=2147483647):staff_id>/link")
@requires(Permission.MANAGE_STAFF)
def ask_link(staff_id: int) -> ResponseReturnValue:
    return _link_page(_get_or_404(staff_id), reauthentication.ProofForm())


@bp.post("/<int(max=2147483647):staff_id>/link")
@requires(Permission.MANAGE_STAFF)
@reauthentication.slowed
def make_link(staff_id: int) -> ResponseReturnValue:
    """The link is shown once, here; only its hash is kept.

    A stolen session must not make a way in that outlives it.
    """
    person = _get_or_404(staff_id)
    form = reauthentication.ProofForm(request.form)
    try:
        reauthentication.prove(form)
    except Invalid as invalid:
        db.session.rollback()
        form.show(invalid)
        return _link_page(person, form), 422
    token = staff.create_sign_in_link(person, by=current_actor(), at=clock.now())
    db.session.commit()
    base_url = current_app.config["SETTINGS"].base_url
    return render_template(
        "admin/team_link.html",
        person=person,
        link=base_url + url_for("admin.auth.link", token=token),
        hours=int(staff.LINK_LIFETIME.total_seconds() // 3600),
    )


@bp.post("/<int(max=2147483647):staff_id>/disable")
@requires(Permission.MANAGE_STAFF)
@reauthentication.slowed
def disable(staff_id: int) -> ResponseReturnValue:
    person = _get_or_404(staff_id)
    form = reauthentication.ProofForm(request.form)

    def act() -> str:
        reauthentication.prove_lately(form)
        staff.disable(person, by=current_actor(), at=clock.now())
        return url_for("admin.team.show")

    return save(
        form,
        act,
        said="Locked out. Their password no longer works.",
        again=lambda: _ask_page(person, form),
    )


@bp.post("/<int(max=2147483647):staff_id>/enable")
@requires(Permission.MANAGE_STAFF)
def enable(staff_id: int) -> ResponseReturnValue:
    person = _get_or_404(staff_id)
    form = Form(request.form)

    def act() -> str:
        staff.enable(person, by=current_actor(), at=clock.now())
        return url_for("admin.team.show")

    return save(
        form,
        act,
        said="Access restored. Now make them a sign-in link.",
        again=lambda: _page(PersonForm(), form),
    )


@bp.post("/<int(max=2147483647):staff_id>/end-sessions")
@requires(Permission.MANAGE_STAFF)
def end_sessions(staff_id: int) -> ResponseReturnValue:
    person = _get_or_404(staff_id)
    form = Form(request.form)

    def act() -> str:
        staff.end_sessions(person, by=current_actor(), at=clock.now())
        return url_for("admin.team.show")

    return save(form, act, said="Signed out everywhere.", again=lambda: _page(PersonForm(), form))


@bp.get("/<int(max=2147483647):staff_id>/second-factor")
@requires(Permission.MANAGE_STAFF)
def ask_second_factor(staff_id: int) -> ResponseReturnValue:
    return _second_factor_page(_get_or_404(staff_id), reauthentication.ProofForm())


@bp.post("/<int(max=2147483647):staff_id>/second-factor")
@requires(Permission.MANAGE_STAFF)
@reauthentication.slowed
def reset_second_factor(staff_id: int) -> ResponseReturnValue:
    """For somebody whose phone is gone: their password is enough again, everywhere anew."""
    person = _get_or_404(staff_id)
    form = reauthentication.ProofForm(request.form)

    def act() -> str:
        reauthentication.prove(form)
        second_factor.reset(person, by=current_actor(), at=clock.now())
        return url_for("admin.team.show", _anchor=f"person-{person.id}")

    message = (
        f"The second factor of {person.name} is off, and they have been signed out everywhere."
    )
    return save(form, act, said=message, again=lambda: _second_factor_page(person, form))


def _get_or_404(staff_id: int) -> Staff:
    return staff.get(staff_id) or abort(404)


def _page(form: PersonForm, other: Form | None = None) -> str:
    return render_template(
        "admin/team.html",
        form=form,
        other=other,
        people=staff.listed(),
        with_second_factor=second_factor.who_has_one(),
        roles=ROLES,
        is_proof_asked=not reauthentication.is_fresh(),
    )


def _ask_page(person: Staff, form: reauthentication.ProofForm) -> str:
    """The button of one person, once more with what it lacks; the team where that is no proof."""
    if reauthentication.is_fresh():
        return _page(PersonForm(), form)
    return render_template("admin/team_ask.html", form=form, person=person)


def _link_page(person: Staff, form: reauthentication.ProofForm) -> str:
    return render_template("admin/team_ask_link.html", form=form, person=person)


def _second_factor_page(person: Staff, form: reauthentication.ProofForm) -> str:
    return render_template("admin/team_second_factor.html", form=form, person=person)
