"""Incident templates at the desk: words prepared in calm, and how a form is filled with them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.widgets import CheckboxInput, ListWidget

from statuspage import clock
from statuspage.domain.components import verbs as components
from statuspage.domain.components.models import Component
from statuspage.domain.incidents import templates as incident_templates
from statuspage.domain.incidents.templates import IncidentTemplate, TemplateInput
from statuspage.domain.staff.members import Permission
from statuspage.domain.statuses import (
    INCIDENT_STEPS,
    MAINTENANCE_STEPS,
    ComponentStatus,
    IncidentStatus,
)
from statuspage.web.admin.forms import Form, UpdateFieldsForm, optional, words
from statuspage.web.admin.permissions import current_actor, requires
from statuspage.web.admin.submit import save

bp = Blueprint("templates", __name__, url_prefix="/templates")

STATUSES = {
    "": "Keep the status",
    **{step.value: step.label for step in (*INCIDENT_STEPS, *MAINTENANCE_STEPS)},
}


class TemplateForm(Form):
    name = StringField("Name of the template", filters=[words])
    group_name = StringField("Kind", filters=[optional])
    title = StringField("Name of the incident", filters=[words])
    update_status = SelectField("Status", choices=STATUSES)
    body = TextAreaField("Message", filters=[words])
    components = SelectMultipleField(
        "Affected components",
        option_widget=CheckboxInput(),
        widget=ListWidget(prefix_label=False),
    )

    def fields(self, present: Sequence[Component]) -> TemplateInput:
        """What the verbs take."""
        ticked = self.components.data or ()
        status = self.update_status.data
        return TemplateInput(
            self.name.data or "",
            self.title.data or "",
            self.body.data or "",
            self.group_name.data,
            IncidentStatus(status) if status else None,
            components=[row for row in present if row.public_id in ticked],
        )


# ── the list ───────────────────────────────────────────────────────────────────


@bp.get("")
@requires(Permission.VIEW)
def index() -> ResponseReturnValue:
    kinds: dict[str, list[IncidentTemplate]] = {}
    for row in incident_templates.listed():
        kinds.setdefault(row.group_name or "", []).append(row)
    return render_template(
        "admin/templates.html", kinds=sorted(kinds.items()), opens=opens_an_incident
    )


def opens_an_incident(template: IncidentTemplate) -> bool:
    """Whether an incident can begin with it; false for the steps of a maintenance."""
    return template.update_status is None or template.update_status in INCIDENT_STEPS


# ── writing one ────────────────────────────────────────────────────────────────


@bp.get("/new")
@requires(Permission.PUBLISH)
def new() -> ResponseReturnValue:
    return _page(_form(None))


@bp.post("")
@requires(Permission.PUBLISH)
def create() -> ResponseReturnValue:
    form = _form(None, request.form)

    def act() -> str:
        incident_templates.create(
            form.fields(components.listed()), by=current_actor(), at=clock.now()
        )
        return url_for("admin.templates.index")

    return save(form, act, said="Template saved.", again=lambda: _page(form))


@bp.get("/<public_id>")
@requires(Permission.PUBLISH)
def show(public_id: str) -> ResponseReturnValue:
    template = _get_or_404(public_id)
    return _page(_form(template), template)


@bp.post("/<public_id>")
@requires(Permission.PUBLISH)
def edit(public_id: str) -> ResponseReturnValue:
    template = _get_or_404(public_id)
    form = _form(template, request.form)

    def act() -> str:
        incident_templates.edit(
            template,
            replace(form.fields(components.listed()), notify=template.notify),
            by=current_actor(),
            at=clock.now(),
        )
        return url_for("admin.templates.index")

    return save(
        form, act, said="Template saved.", again=lambda: _page(form, _get_or_404(public_id))
    )


@bp.post("/<public_id>/remove")
@requires(Permission.PUBLISH)
def remove(public_id: str) -> ResponseReturnValue:
    template = _get_or_404(public_id)
    form = Form(request.form)

    def act() -> str:
        incident_templates.remove(template, by=current_actor(), at=clock.now())
        return url_for("admin.templates.index")

    return save(
        form,
        act,
        said=f"{template.name} has been deleted.",
        again=lambda: _page(_form(template), template),
    )


def _get_or_404(public_id: str) -> IncidentTemplate:
    return incident_templates.get(public_id) or abort(404)


def _form(template: IncidentTemplate | None, formdata: Any = None) -> TemplateForm:
    values: dict[str, Any] = {}
    if template is not None:
        values = {
            "name": template.name,
            "group_name": template.group_name,
            "title": template.title,
            "update_status": template.update_status.value if template.update_status else "",
            "body": template.body,
            "components": [component.public_id for component in template.components],
        }
    form = TemplateForm(formdata, **values)
    form.components.choices = [
        (component.public_id, component.full_name)
        for component in sorted(components.listed(), key=_place)
    ]
    return form


def _place(component: Component) -> tuple[int, int]:
    """Where it stands on the page: by its group's position, then by its own."""
    top = component.group or component
    return top.position, component.position


def _page(form: TemplateForm, template: IncidentTemplate | None = None) -> str:
    kinds = sorted({row.group_name for row in incident_templates.listed() if row.group_name})
    return render_template("admin/template.html", form=form, template=template, kinds=kinds)


# ── filling a form with one ────────────────────────────────────────────────────

FormWithTemplate = TypeVar("FormWithTemplate", bound=UpdateFieldsForm)


def offered(form: UpdateFieldsForm) -> list[IncidentTemplate]:
    """The templates that this form can be filled with, by name."""
    steps = form.status.choices
    return [
        row
        for row in incident_templates.listed()
        if row.update_status is None or row.update_status.value in steps
    ]


def filled(form: FormWithTemplate) -> FormWithTemplate:
    """The form, filled with the template that the request names by `template`, if any.

    What somebody typed stays: words of another template are replaced, others added to.
    """
    name = request.values.get("template", "")
    templates = offered(form) if name else []
    template = next((row for row in templates if row.public_id == name), None)
    if template is not None:
        _fill(form, template, templates)
    return form


def _fill(
    form: UpdateFieldsForm, template: IncidentTemplate, templates: Sequence[IncidentTemplate]
) -> None:
    if "name" in form:
        name = form["name"]
        typed = (name.data or "").strip()
        if not typed or typed in {row.title for row in templates}:
            name.data = template.title
    # A maintenance opens with the sentence of its step.
    offered_words = {row.body for row in templates} | {step.sentence for step in IncidentStatus}
    form.body.data = _joined(form.body.data, template.body, offered_words)
    if template.update_status is not None:
        form.status.data = template.update_status.value
        if template.update_status.is_over:
            return  # Nothing is affected any more.
    ids = {component.public_id for component in template.components}
    for row in form.rows:
        if row.component.public_id in ids and not row.is_on:
            row.is_on = True
            if row.status is ComponentStatus.OPERATIONAL:
                # The mildest word for trouble; how bad it is, only a person can say.
                row.status = ComponentStatus.DEGRADED_PERFORMANCE


def _joined(typed: str | None, chosen: str, offered_words: set[str]) -> str:
    typed = (typed or "").replace("\r\n", "\n").strip()
    if not typed or typed in offered_words:
        return chosen
    return f"{typed}\n\n{chosen}"
