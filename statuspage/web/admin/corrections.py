"""What was told is put right at the desk: edited, corrected, retracted, a secret taken out."""

from dataclasses import asdict
from typing import Any

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, SelectField, StringField, TextAreaField

from statuspage import clock
from statuspage.domain.incidents import corrections
from statuspage.domain.incidents.models import Incident, IncidentEdit, IncidentUpdate, Moment
from statuspage.domain.staff.members import Permission
from statuspage.errors import Conflict, Invalid
from statuspage.web.admin import preview
from statuspage.web.admin.conflict import conflict_page
from statuspage.web.admin.forms import (
    IMPACTS,
    FactsForm,
    Form,
    MomentField,
    VersionField,
    parse_impact,
    words,
)
from statuspage.web.admin.lookup import get_or_404
from statuspage.web.admin.permissions import current_actor, requires
from statuspage.web.admin.submit import save

bp = Blueprint("corrections", __name__, url_prefix="/incidents")

MOMENTS = {
    Moment.STARTED: ("Started", "When customers first noticed."),
    Moment.DETECTED: ("Detected", "When we first knew."),
    Moment.TOLD: ("First published", "When customers could first read about it."),
    Moment.MITIGATED: ("Mitigated", "When customers were no longer affected."),
    Moment.RESOLVED: ("Resolved", "When the incident ended."),
}


class EditForm(FactsForm):
    name = StringField("Name", filters=[words])
    next_update_by = MomentField("Next update by")
    impact_override = SelectField("Impact", choices=IMPACTS, validate_choice=False)
    reason = StringField("Reason for the change", filters=[words])
    expected_version = VersionField()


@bp.get("/<public_id>/edit")
@requires(Permission.PUBLISH)
def edit(public_id: str) -> ResponseReturnValue:
    incident = get_or_404(public_id)
    return _edit_page(incident, _edit_form(None, incident))


@bp.post("/<public_id>/edit")
@requires(Permission.PUBLISH)
def save_edit(public_id: str) -> ResponseReturnValue:
    incident = get_or_404(public_id, lock=True)
    form = _edit_form(request.form, incident)

    def act() -> str:
        corrections.edit_incident(
            incident,
            IncidentEdit(
                name=form.name.data or "",
                facts=form.facts,
                next_update_by=form.next_update_by.data,
                impact_override=parse_impact(form.impact_override.data),
            ),
            expected_version=form.expected_version.data,
            by=current_actor(),
            at=clock.now(),
            reason=form.reason.data or None,
        )
        return url_for("admin.incidents.show", public_id=public_id)

    try:
        return save(form, act, said="Saved.", again=lambda: _edit_page(incident, form))
    except Conflict as conflict:
        return conflict_page(
            conflict,
            version=incident.version,
            keep=url_for("admin.incidents.show", public_id=public_id),
            labels={field.name: field.label.text for field in form},
        )


def _edit_form(formdata: Any, incident: Incident) -> EditForm:
    return EditForm(
        formdata,
        **asdict(incident.facts),
        name=incident.name,
        next_update_by=incident.next_update_by,
        impact_override=incident.impact_override.value if incident.impact_override else "",
        expected_version=incident.version,
    )


def _edit_page(incident: Incident, form: EditForm) -> str:
    return render_template("admin/incident_edit.html", incident=incident, form=form)


class EditUpdateForm(Form):
    body = TextAreaField("Message", filters=[words])
    reason = StringField("Reason for the change", filters=[words])
    notify = BooleanField("Notify subscribers of the correction")
    expected_version = VersionField()


@bp.get("/<public_id>/updates/<update_id>/edit")
@requires(Permission.PUBLISH)
def edit_update(public_id: str, update_id: str) -> ResponseReturnValue:
    incident = get_or_404(public_id)
    update = _found_update(incident, update_id)
    form = EditUpdateForm(body=update.body, expected_version=update.version)
    return _edit_update_page(incident, update, form)


@bp.post("/<public_id>/updates/<update_id>/edit")
@requires(Permission.PUBLISH)
def save_edited_update(public_id: str, update_id: str) -> ResponseReturnValue:
    incident = get_or_404(public_id, lock=True)
    update = _found_update(incident, update_id)
    form = EditUpdateForm(request.form)

    def act() -> str:
        corrections.edit_update(
            update,
            body=form.body.data or "",
            expected_version=form.expected_version.data,
            by=current_actor(),
            at=clock.now(),
            reason=form.reason.data or None,
            notify=form.notify.data,
        )
        return url_for("admin.incidents.show", public_id=public_id, _anchor=update_id)

    try:
        return save(
            form,
            act,
            said="Saved. The earlier text is kept.",
            again=lambda: _edit_update_page(incident, update, form),
        )
    except Conflict as conflict:
        return conflict_page(
            conflict,
            version=update.version,
            keep=url_for("admin.incidents.show", public_id=public_id),
            labels={"body": "Message"},
        )


def _found_update(incident: Incident, update_id: str) -> IncidentUpdate:
    rows = [
        update
        for update in incident.updates
        if update.public_id == update_id and not update.is_draft
    ]
    return rows[0] if rows else abort(404)


def _edit_update_page(incident: Incident, update: IncidentUpdate, form: EditUpdateForm) -> str:
    return render_template("admin/update_edit.html", incident=incident, update=update, form=form)


class MomentForm(Form):
    value = MomentField("Time")
    reason = StringField("Reason", filters=[words])


@bp.get("/<public_id>/moments/<moment>")
@requires(Permission.PUBLISH)
def moment(public_id: str, moment: str) -> ResponseReturnValue:
    incident, name = get_or_404(public_id), _moment(moment)
    form = MomentForm(value=getattr(incident, name.value))
    return _moment_page(incident, name, form)


@bp.post("/<public_id>/moments/<moment>")
@requires(Permission.PUBLISH)
def correct_moment(public_id: str, moment: str) -> ResponseReturnValue:
    incident, field = get_or_404(public_id, lock=True), _moment(moment)
    form = MomentForm(request.form, value=getattr(incident, field.value))

    def act() -> str:
        try:
            corrections.correct_moment(
                incident,
                field,
                form.value.data,
                reason=form.reason.data or "",
                by=current_actor(),
                at=clock.now(),
            )
        except Invalid as invalid:
            raise Invalid(
                **{_as_value(name, field): text for name, text in invalid.errors.items()}
            ) from invalid
        return url_for("admin.incidents.show", public_id=public_id)

    return save(
        form,
        act,
        said="Corrected. The correction and its reason are public.",
        again=lambda: _moment_page(incident, field, form),
    )


def _as_value(name: str, which: Moment) -> str:
    return "value" if name == which.value else name


def _moment(word: str) -> Moment:
    try:
        return Moment(word)
    except ValueError:
        abort(404)


def _moment_page(incident: Incident, which: Moment, form: MomentForm) -> str:
    title, explained = MOMENTS[which]
    return render_template(
        "admin/moment.html",
        incident=incident,
        moment=which,
        title=title,
        explained=explained,
        form=form,
    )


class RetractForm(Form):
    reason = TextAreaField("Reason", filters=[words])


@bp.get("/<public_id>/retract")
@requires(Permission.PUBLISH)
def ask_to_retract(public_id: str) -> ResponseReturnValue:
    return _retract_page(get_or_404(public_id), RetractForm())


@bp.post("/<public_id>/retract")
@requires(Permission.PUBLISH)
def retract(public_id: str) -> ResponseReturnValue:
    incident = get_or_404(public_id, lock=True)
    form = RetractForm(request.form)

    def act() -> str:
        corrections.retract(
            incident, reason=form.reason.data or "", by=current_actor(), at=clock.now()
        )
        return url_for("admin.incidents.show", public_id=public_id)

    return save(form, act, said="Retracted.", again=lambda: _retract_page(incident, form))


def _retract_page(incident: Incident, form: RetractForm) -> str:
    return render_template(
        "admin/retract.html",
        incident=incident,
        form=form,
        released=preview.released(incident, at=clock.now()),
    )


class RedactForm(Form):
    words = StringField("Words to remove")


@bp.get("/<public_id>/redact")
@requires(Permission.PUBLISH)
def ask_to_redact(public_id: str) -> ResponseReturnValue:
    incident = get_or_404(public_id)
    return render_template("admin/redact.html", incident=incident, form=RedactForm())


@bp.post("/<public_id>/redact")
@requires(Permission.PUBLISH)
def redact(public_id: str) -> ResponseReturnValue:
    incident = get_or_404(public_id, lock=True)
    form = RedactForm(request.form)

    def act() -> str:
        corrections.redact(incident, form.words.data or "", by=current_actor(), at=clock.now())
        return url_for("admin.incidents.show", public_id=public_id)

    return save(
        form,
        act,
        said="Removed from every version.",
        again=lambda: render_template("admin/redact.html", incident=incident, form=form),
    )
