"""Incidents at the desk: open, update, back-fill; and a maintenance's timeline."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from typing import Any

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, HiddenField, SelectField, StringField, TextAreaField

from statuspage import clock
from statuspage.domain import alerts, events
from statuspage.domain.claims import Claim
from statuspage.domain.components import verbs as components
from statuspage.domain.components.models import Component
from statuspage.domain.events import Event
from statuspage.domain.incidents import drafts, postmortems
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import (
    Incident,
    IncidentUpdate,
    Moment,
    Moments,
    UpdateInput,
)
from statuspage.domain.staff.members import Permission
from statuspage.domain.statuses import (
    INCIDENT_STEPS,
    MAINTENANCE_STEPS,
    IncidentKind,
    IncidentStatus,
)
from statuspage.errors import Invalid
from statuspage.notify import delivery_stats
from statuspage.web.admin import local_time, preview, templates
from statuspage.web.admin.corrections import MOMENTS
from statuspage.web.admin.forms import (
    IMPACTS,
    ClaimRows,
    ClaimsForm,
    FactsForm,
    Form,
    MomentField,
    UpdateFieldsForm,
    parse_impact,
    words,
)
from statuspage.web.admin.lookup import get_or_404
from statuspage.web.admin.permissions import current_actor, only_reads, requires
from statuspage.web.admin.submit import save

bp = Blueprint("incidents", __name__, url_prefix="/incidents")

PAGE_SIZE = 25

# ── the list ───────────────────────────────────────────────────────────────────


@bp.get("")
@requires(Permission.VIEW)
def index() -> ResponseReturnValue:
    number = request.args.get("page", 1, type=int)
    number = min(max(number, 1), 100_000)
    search = request.args.get("q", "").strip()[:100]
    listed, total = incidents.page_of(
        number, size=PAGE_SIZE, kind=IncidentKind.INCIDENT, words=search
    )
    return render_template(
        "admin/incidents.html",
        incidents=listed,
        total=total,
        asked=search,
        number=number,
        pages=max(-(-total // PAGE_SIZE), 1),
    )


# ── opening ────────────────────────────────────────────────────────────────────


class OpenForm(UpdateFieldsForm):
    name = StringField("Name", filters=[words])
    started_at = MomentField("Started at")
    impact_override = SelectField("Impact", choices=IMPACTS, validate_choice=False)

    def update(self, now: datetime) -> UpdateInput:
        override = parse_impact(self.impact_override.data)
        return replace(super().update(now), impact_override=override)


@bp.get("/new")
@requires(Permission.PUBLISH)
def new() -> ResponseReturnValue:
    return _new_page(templates.filled(_open_form(None, None)))


@bp.post("")
@requires(Permission.PUBLISH)
def open_incident() -> ResponseReturnValue:
    form = _open_form(request.form, None)
    is_draft = request.form.get("action") == "save"

    def act() -> str:
        now = clock.now()
        publish = drafts.create if is_draft else incidents.open_incident
        incident = publish(
            form.name.data or "",
            form.update(now),
            by=current_actor(),
            at=now,
            started_at=form.started_at.data,
        )
        return url_for("admin.incidents.show", public_id=incident.public_id)

    message = "Draft saved. Customers cannot see it." if is_draft else "Published."
    return save(form, act, said=message, again=lambda: _new_page(form))


@bp.post("/preview")
@requires(Permission.VIEW)
@only_reads
def preview_new() -> ResponseReturnValue:
    return _new_page(templates.filled(_open_form(request.form, None)))


@bp.post("/<public_id>/draft")
@requires(Permission.PUBLISH)
def save_draft(public_id: str) -> ResponseReturnValue:
    incident = get_or_404(public_id, lock=True)
    form = _open_form(request.form, incident)
    is_published = request.form.get("action") == "publish"

    def act() -> str:
        now = clock.now()
        drafts.edit(
            incident,
            form.name.data or "",
            form.update(now),
            by=current_actor(),
            at=now,
            started_at=form.started_at.data,
        )
        if is_published:
            drafts.publish(incident, by=current_actor(), at=now)
        return url_for("admin.incidents.show", public_id=public_id)

    message = "Published." if is_published else "Draft saved. Customers cannot see it."
    return save(form, act, said=message, again=lambda: _new_page(form, incident))


@bp.post("/<public_id>/draft/preview")
@requires(Permission.VIEW)
@only_reads
def preview_draft(public_id: str) -> ResponseReturnValue:
    incident = get_or_404(public_id)
    return _new_page(templates.filled(_open_form(request.form, incident)), incident)


@bp.post("/<public_id>/discard")
@requires(Permission.PUBLISH)
def discard(public_id: str) -> ResponseReturnValue:
    incident = get_or_404(public_id, lock=True)
    form = Form(request.form)

    discarded: list[Event] = []

    def act() -> str:
        discarded.append(drafts.delete(incident, by=current_actor(), at=clock.now()))
        return url_for("admin.overview.show")

    def undo() -> str:
        return url_for("admin.incidents.restore", event_id=discarded[0].id)

    again = partial(_page, incident, other=form)
    return save(form, act, said="Draft discarded.", again=again, undo=undo)


@bp.post("/drafts/<int(max=2147483647):event_id>/restore")
@requires(Permission.PUBLISH)
def restore(event_id: int) -> ResponseReturnValue:
    event = events.get(event_id, "incident.draft_deleted") or abort(404)
    form = Form(request.form)

    def act() -> str:
        incident = drafts.restore(event, by=current_actor(), at=clock.now())
        return url_for("admin.incidents.show", public_id=incident.public_id)

    again = partial(_undo_page, form)
    return save(form, act, said="The draft is back.", again=again)


def _undo_page(form: Form) -> str:
    return render_template("admin/stop.html", heading="Not restored", words=" ".join(form.others))


def _open_form(formdata: Any, incident: Incident | None) -> OpenForm:
    values: dict[str, Any] = {"status": IncidentStatus.INVESTIGATING.value}
    present: Mapping[Component, Claim] = {}
    if incident is not None:
        first = incident.updates[-1]
        present = incident.claims
        values = {
            **asdict(incident.facts),
            "name": incident.name,
            "status": first.status.value,
            "body": first.body,
            "started_at": incident.started_at,
            "impact_override": incident.impact_override.value if incident.impact_override else "",
            "promise": _nearest_promise(incident.next_update_by, incident.updated_at),
        }
    form = OpenForm(formdata, **values)
    form.status.choices = {step.value: step.label for step in INCIDENT_STEPS}
    form.rows = ClaimRows(components.listed(), formdata, present)
    return form


def _new_page(form: OpenForm, incident: Incident | None = None) -> str:
    return render_template(
        "admin/incident_new.html",
        form=form,
        templates=templates.offered(form),
        incident=incident,
        preview=_preview(form, IncidentKind.INCIDENT, form.name.data or "", None),
        **_alerts(incident),
    )


# ── one incident ───────────────────────────────────────────────────────────────


class UpdateForm(UpdateFieldsForm):
    seen = HiddenField()
    """The newest update that the writer had on the screen."""
    starts_early = BooleanField("Yes, before its planned start")
    """Asked for once somebody starts or ends maintenance before its time."""


@bp.get("/<public_id>")
@requires(Permission.VIEW)
def show(public_id: str) -> ResponseReturnValue:
    incident = get_or_404(public_id)
    if incident.is_draft and incident.kind is IncidentKind.MAINTENANCE:
        return redirect(url_for("admin.maintenance.edit_draft", public_id=public_id))
    if incident.is_draft:
        return _new_page(_open_form(None, incident), incident)
    return _page(incident, templates.filled(_update_form(None, incident)))


@bp.post("/<public_id>/updates")
@requires(Permission.PUBLISH)
def post_update(public_id: str) -> ResponseReturnValue:
    incident = get_or_404(public_id, lock=True)
    form = _update_form(request.form, incident)
    if request.form.get("action") == "save":
        return _save_draft_update(incident, form)
    newest = _newest(incident)

    def act() -> str:
        now = clock.now()
        is_early = form.step is not IncidentStatus.SCHEDULED and _is_ahead(incident)
        if is_early and not form.starts_early.data:
            raise Invalid(starts_early=_early(incident, form.step))
        drafts.discard_update(incident)
        incidents.post_update(incident, form.update(now), by=current_actor(), at=now)
        return url_for("admin.incidents.show", public_id=public_id)

    answer = save(form, act, said="Update posted.", again=lambda: _page(incident, form))
    if answer.status_code == 303 and newest and form.seen.data not in {"", newest.public_id}:
        flash(
            f"{newest.posted_by} posted an update while you wrote."
            " Both are published; yours is newer."
        )
    return answer


def _save_draft_update(incident: Incident, form: UpdateForm) -> Response:
    def act() -> str:
        now = clock.now()
        drafts.save_update(incident, form.update(now), by=current_actor(), at=now)
        return url_for("admin.incidents.show", public_id=incident.public_id)

    return save(
        form,
        act,
        said="Draft saved. Customers cannot see it.",
        again=lambda: _page(incident, form),
    )


@bp.post("/<public_id>/updates/preview")
@requires(Permission.VIEW)
@only_reads
def preview_update(public_id: str) -> ResponseReturnValue:
    incident = get_or_404(public_id)
    return _page(incident, templates.filled(_update_form(request.form, incident)))


@bp.post("/<public_id>/updates/discard")
@requires(Permission.PUBLISH)
def discard_update(public_id: str) -> ResponseReturnValue:
    incident = get_or_404(public_id, lock=True)
    form = Form(request.form)

    discarded: list[Event] = []

    def act() -> str:
        discarded.append(drafts.delete_update(incident, by=current_actor(), at=clock.now()))
        return url_for("admin.incidents.show", public_id=public_id)

    def undo() -> str:
        return url_for(
            "admin.incidents.restore_update", public_id=public_id, event_id=discarded[0].id
        )

    again = partial(_page, incident, other=form)
    return save(form, act, said="Draft discarded.", again=again, undo=undo)


@bp.post("/<public_id>/updates/<int(max=2147483647):event_id>/restore")
@requires(Permission.PUBLISH)
def restore_update(public_id: str, event_id: int) -> ResponseReturnValue:
    incident = get_or_404(public_id, lock=True)
    event = events.get(event_id, f"{incident.kind}.update_draft_deleted") or abort(404)
    if event.subject != public_id:
        abort(404)
    form = Form(request.form)

    def act() -> str:
        drafts.restore_update(incident, event, by=current_actor(), at=clock.now())
        return url_for("admin.incidents.show", public_id=public_id)

    again = partial(_page, incident, other=form)
    return save(form, act, said="The draft is back.", again=again)


def _update_form(formdata: Any, incident: Incident) -> UpdateForm:
    draft = drafts.update_of(incident)
    newest = _newest(incident)
    present = incident.claims
    is_maintenance = incident.kind is IncidentKind.MAINTENANCE
    values: dict[str, Any] = {
        **asdict(incident.facts),
        "status": _suggested(incident).value,
        "promise": "" if is_maintenance else "30",
        "body": _suggested_body(incident),
        "seen": newest.public_id if newest else "",
    }
    if draft is not None:
        values |= {
            **asdict(drafts.facts_of(draft)),
            "status": draft.status.value,
            "body": draft.body,
            "promise": _nearest_promise(draft.next_update_by, draft.updated_at),
        }
        present = drafts.claims_of(draft)
    form = UpdateForm(formdata, **values)
    form.status.choices = {
        step.value: step.label for step in (MAINTENANCE_STEPS if is_maintenance else INCIDENT_STEPS)
    }
    form.rows = ClaimRows(components.listed(), formdata, present, is_maintenance=is_maintenance)
    return form


def _suggested(incident: Incident) -> IncidentStatus:
    """The step that an empty form offers: for a maintenance the next, else where it stands."""
    if incident.kind is IncidentKind.INCIDENT:
        return IncidentStatus.INVESTIGATING if incident.is_over else incident.status
    steps = list(MAINTENANCE_STEPS)
    if incident.status not in steps:
        return IncidentStatus.IN_PROGRESS
    if _is_ahead(incident):
        return IncidentStatus.SCHEDULED
    return steps[min(steps.index(incident.status) + 1, len(steps) - 1)]


def _suggested_body(incident: Incident) -> str:
    if incident.kind is IncidentKind.INCIDENT or _is_ahead(incident):
        return ""
    return _suggested(incident).sentence


def _is_ahead(incident: Incident) -> bool:
    """Maintenance that is planned to start later."""
    start = incident.scheduled_for
    is_scheduled = incident.status is IncidentStatus.SCHEDULED
    return is_scheduled and start is not None and start > clock.now()


def _early(incident: Incident, step: IncidentStatus) -> str:
    assert incident.scheduled_for is not None
    zone, now = local_time.zone(), clock.now()
    start = local_time.short(incident.scheduled_for, zone, now=now)
    early = local_time.duration_words(incident.scheduled_for - now)
    return (
        f"This maintenance is planned to start {start} {zone.key}, in {early}. To publish"
        f" “{step.label}” now, tick the box and publish again."
    )


def _page(incident: Incident, form: UpdateForm | None = None, other: Form | None = None) -> str:
    # Read anew: what a refused verb had begun is rolled back.
    incident = get_or_404(incident.public_id)
    form = form or _update_form(None, incident)
    now = clock.now()
    return render_template(
        "admin/incident.html",
        incident=incident,
        form=form,
        templates=templates.offered(form),
        other=other,
        now=now,
        draft=drafts.update_of(incident),
        updates=[update for update in incident.updates if not update.is_draft],
        preview=_preview(form, incident.kind, incident.name, incident),
        released=preview.released(incident, at=now),
        overdue_by=incidents.overdue_by(incident, now),
        postmortem=postmortems.of(incident),
        moments=[(moment, *MOMENTS[moment], getattr(incident, moment.value)) for moment in Moment],
        log=events.about(incident.public_id, limit=20),
        telling=delivery_stats.of_incident(incident.public_id, at=now),
        **_alerts(incident),
    )


def _alerts(incident: Incident | None) -> dict[str, object]:
    if incident is None:
        return {"alerts": []}
    return {
        "alerts": alerts.of_incident(incident),
        "ends_by_itself": alerts.ends_by_itself(incident),
    }


# ── the past ───────────────────────────────────────────────────────────────────


class BackfillForm(ClaimsForm, FactsForm):
    name = StringField("Name", filters=[words])
    body = TextAreaField("What happened", filters=[words])
    started_at = MomentField("Started at", required=True)
    detected_at = MomentField("Detected at")
    resolved_at = MomentField("Resolved at", required=True)
    impact_override = SelectField("Impact", choices=IMPACTS, validate_choice=False)


@bp.get("/backfill")
@requires(Permission.PUBLISH)
def ask_to_backfill() -> ResponseReturnValue:
    return _backfill_page(_backfill_form(None))


@bp.post("/backfill")
@requires(Permission.PUBLISH)
def backfill() -> ResponseReturnValue:
    form = _backfill_form(request.form)

    def act() -> str:
        incident = incidents.backfill(
            form.name.data or "",
            UpdateInput(
                status=IncidentStatus.RESOLVED,
                body=form.body.data or "",
                claims=form.rows.data,
                facts=form.facts,
                impact_override=parse_impact(form.impact_override.data),
            ),
            Moments(
                started_at=form.started_at.data,
                resolved_at=form.resolved_at.data,
                detected_at=form.detected_at.data,
            ),
            by=current_actor(),
            at=clock.now(),
        )
        return url_for("admin.incidents.show", public_id=incident.public_id)

    return save(
        form,
        act,
        said="Added. No subscribers were notified.",
        again=lambda: _backfill_page(form),
    )


def _backfill_form(formdata: Any) -> BackfillForm:
    form = BackfillForm(formdata)
    form.rows = ClaimRows(components.listed(), formdata, {})
    return form


def _backfill_page(form: BackfillForm) -> str:
    return render_template("admin/backfill.html", form=form)


# ── helpers ────────────────────────────────────────────────────────────────────


def _newest(incident: Incident) -> IncidentUpdate | None:
    return next((update for update in incident.updates if not update.is_draft), None)


def _nearest_promise(promised: datetime | None, said_at: datetime) -> str:
    if promised is None:
        return ""
    minutes = (promised - said_at).total_seconds() / 60
    return min(("15", "30", "60", "120"), key=lambda choice: abs(int(choice) - minutes))


def _preview(
    form: UpdateFieldsForm, kind: IncidentKind, name: str, incident: Incident | None
) -> preview.Preview:
    now = clock.now()
    form.rows.validate()
    if form.status.data not in form.status.choices:
        form.status.data = incident.status if incident else IncidentStatus.INVESTIGATING
    return preview.of(
        UpdateFieldsForm.update(form, now),
        kind=kind,
        name=name,
        incident=incident,
        at=now,
        settings=current_app.config["SETTINGS"],
    )
