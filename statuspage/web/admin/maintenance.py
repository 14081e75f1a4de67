"""Scheduled maintenance at the desk. Its timeline stands on the page of `incidents.show`."""

from dataclasses import asdict
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, StringField, TextAreaField

from statuspage import clock
from statuspage.domain.components import verbs as components
from statuspage.domain.incidents import drafts, maintenance
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Incident, Schedule, UpdateInput
from statuspage.domain.staff.members import Permission
from statuspage.domain.statuses import IncidentKind, IncidentStatus
from statuspage.web.admin import local_time
from statuspage.web.admin.forms import ClaimRows, ClaimsForm, FactsForm, Form, MomentField, words
from statuspage.web.admin.lookup import get_or_404
from statuspage.web.admin.permissions import current_actor, requires
from statuspage.web.admin.submit import save

bp = Blueprint("maintenance", __name__, url_prefix="/maintenance")

PAGE_SIZE = 25


class ScheduleForm(ClaimsForm, FactsForm):
    name = StringField("Name", filters=[words])
    body = TextAreaField("Message", filters=[words])
    scheduled_for = MomentField("Starts", required=True)
    scheduled_until = MomentField("Ends", required=True)
    auto_start = BooleanField("Start automatically", default=True)
    auto_end = BooleanField("End automatically", default=True)
    reminds = BooleanField("Remind subscribers one hour before", default=True)

    @property
    def update(self) -> UpdateInput:
        return UpdateInput(
            status=IncidentStatus.SCHEDULED,
            body=self.body.data or "",
            claims=self.rows.data,
            facts=self.facts,
        )

    @property
    def schedule(self) -> Schedule:
        return Schedule(
            scheduled_for=self.scheduled_for.data,
            scheduled_until=self.scheduled_until.data,
            auto_start=self.auto_start.data,
            auto_end=self.auto_end.data,
            reminds=self.reminds.data,
        )


class RescheduleForm(Form):
    scheduled_for = MomentField("Starts", required=True)
    scheduled_until = MomentField("Ends", required=True)
    body = TextAreaField("Message to customers", filters=[words])


class CancelForm(Form):
    body = TextAreaField("Message to customers", filters=[words])


@bp.get("")
@requires(Permission.VIEW)
def index() -> ResponseReturnValue:
    number = min(max(request.args.get("page", 1, type=int), 1), 100_000)
    search = request.args.get("q", "").strip()[:100]
    listed, total = incidents.page_of(
        number, size=PAGE_SIZE, kind=IncidentKind.MAINTENANCE, words=search
    )
    return render_template(
        "admin/maintenance.html",
        maintenances=listed,
        by_hand={row.id for row in maintenance.due_by_hand(at=clock.now())},
        total=total,
        asked=search,
        number=number,
        pages=max(-(-total // PAGE_SIZE), 1),
    )


@bp.get("/new")
@requires(Permission.PUBLISH)
def new() -> ResponseReturnValue:
    return _schedule_page(_schedule_form(None, None), None)


@bp.post("")
@requires(Permission.PUBLISH)
def schedule() -> ResponseReturnValue:
    form = _schedule_form(request.form, None)
    is_draft = request.form.get("action") == "save"

    def act() -> str:
        publish = maintenance.draft if is_draft else maintenance.schedule
        one = publish(
            form.name.data or "", form.update, form.schedule, by=current_actor(), at=clock.now()
        )
        return url_for("admin.incidents.show", public_id=one.public_id)

    message = "Draft saved. Customers cannot see it." if is_draft else "Announced."
    return save(form, act, said=message, again=lambda: _schedule_page(form, None))


@bp.get("/<public_id>/draft")
@requires(Permission.VIEW)
def edit_draft(public_id: str) -> ResponseReturnValue:
    draft = get_or_404(public_id, kind=IncidentKind.MAINTENANCE)
    if not draft.is_draft:
        return redirect(url_for("admin.incidents.show", public_id=public_id))
    return _schedule_page(_schedule_form(None, draft), draft)


@bp.post("/<public_id>/draft")
@requires(Permission.PUBLISH)
def save_draft(public_id: str) -> ResponseReturnValue:
    draft = get_or_404(public_id, kind=IncidentKind.MAINTENANCE, lock=True)
    form = _schedule_form(request.form, draft)
    is_published = request.form.get("action") == "publish"

    def act() -> str:
        now = clock.now()
        maintenance.edit_draft(
            draft, form.name.data or "", form.update, form.schedule, by=current_actor(), at=now
        )
        if is_published:
            drafts.publish(draft, by=current_actor(), at=now)
        return url_for("admin.incidents.show", public_id=public_id)

    message = "Announced." if is_published else "Draft saved. Customers cannot see it."
    return save(form, act, said=message, again=lambda: _schedule_page(form, draft))


@bp.get("/<public_id>/reschedule")
@requires(Permission.PUBLISH)
def ask_to_reschedule(public_id: str) -> ResponseReturnValue:
    window = get_or_404(public_id, kind=IncidentKind.MAINTENANCE)
    form = RescheduleForm(obj=window)
    return _reschedule_page(window, form)


@bp.post("/<public_id>/reschedule")
@requires(Permission.PUBLISH)
def reschedule(public_id: str) -> ResponseReturnValue:
    window = get_or_404(public_id, kind=IncidentKind.MAINTENANCE, lock=True)
    form = RescheduleForm(request.form, obj=window)

    def act() -> str:
        maintenance.reschedule(
            window,
            UpdateInput(status=window.status, claims=window.claims, body=form.body.data or ""),
            scheduled_for=form.scheduled_for.data,
            scheduled_until=form.scheduled_until.data,
            by=current_actor(),
            at=clock.now(),
        )
        return url_for("admin.incidents.show", public_id=public_id)

    return save(
        form, act, said="The new times are published.", again=lambda: _reschedule_page(window, form)
    )


@bp.get("/<public_id>/cancel")
@requires(Permission.PUBLISH)
def ask_to_cancel(public_id: str) -> ResponseReturnValue:
    return _cancel_page(get_or_404(public_id, kind=IncidentKind.MAINTENANCE), CancelForm())


@bp.post("/<public_id>/cancel")
@requires(Permission.PUBLISH)
def cancel(public_id: str) -> ResponseReturnValue:
    window = get_or_404(public_id, kind=IncidentKind.MAINTENANCE, lock=True)
    form = CancelForm(request.form)

    def act() -> str:
        maintenance.cancel(window, body=form.body.data or "", by=current_actor(), at=clock.now())
        return url_for("admin.incidents.show", public_id=public_id)

    return save(form, act, said="Maintenance cancelled.", again=lambda: _cancel_page(window, form))


def _schedule_form(formdata: Any, draft: Incident | None) -> ScheduleForm:
    values: dict[str, Any] = {}
    if draft is not None:
        values = {
            **asdict(draft.facts),
            "name": draft.name,
            "body": draft.updates[-1].body,
            "scheduled_for": draft.scheduled_for,
            "scheduled_until": draft.scheduled_until,
            "auto_start": draft.auto_start,
            "auto_end": draft.auto_end,
            "reminds": draft.reminds,
        }
    form = ScheduleForm(formdata, **values)
    present = draft.claims if draft else {}
    form.rows = ClaimRows(components.listed(), formdata, present, is_maintenance=True)
    return form


def _schedule_page(form: ScheduleForm, draft: Incident | None) -> str:
    return render_template(
        "admin/maintenance_new.html", form=form, draft=draft, zone=local_time.zone().key
    )


def _reschedule_page(incident: Incident, form: RescheduleForm) -> str:
    return render_template(
        "admin/reschedule.html",
        incident=incident,
        form=form,
        zone=local_time.zone().key,
        has_begun=incident.status is not IncidentStatus.SCHEDULED,
    )


def _cancel_page(incident: Incident, form: CancelForm) -> str:
    return render_template("admin/cancel.html", incident=incident, form=form)
