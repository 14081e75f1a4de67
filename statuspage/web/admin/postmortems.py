"""Postmortems at the desk: written in parts, reviewed, published, their actions followed."""

from datetime import date, timedelta
from typing import Any

from flask import Blueprint, abort, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import Form as WTForm
from wtforms import HiddenField, SelectField, StringField, TextAreaField, ValidationError

from statuspage import clock
from statuspage.domain.incidents import postmortems
from statuspage.domain.incidents.models import Incident
from statuspage.domain.incidents.postmortems import (
    Action,
    ActionItem,
    ActionState,
    Part,
    Postmortem,
)
from statuspage.domain.staff.members import Permission
from statuspage.domain.statuses import IncidentKind
from statuspage.errors import Conflict
from statuspage.web.admin.conflict import conflict_page
from statuspage.web.admin.forms import Form, VersionField, words
from statuspage.web.admin.lookup import get_or_404 as found
from statuspage.web.admin.permissions import current_actor, requires
from statuspage.web.admin.submit import save

bp = Blueprint("postmortems", __name__)

UNWRITTEN_WINDOW = timedelta(days=365)
STATES = {state.value: state.label for state in ActionState}

HELP = {
    Part.SUMMARY: "Three sentences for customers: what happened, for how long, what comes next.",
    Part.IMPACT: "Who was affected, how, how many, and from when to when.",
    Part.ROOT_CAUSE: "What broke, and why.",
    Part.FACTORS: "What allowed it to happen, and to last: there is rarely a single cause.",
    Part.WENT_WELL: "What kept it from getting worse.",
    Part.WENT_BADLY: "What made it longer or harder.",
    Part.LUCK: "What we cannot count on next time.",
}


class PostmortemForm(Form):
    summary = TextAreaField(Part.SUMMARY.heading, filters=[words])
    impact = TextAreaField(Part.IMPACT.heading, filters=[words])
    root_cause = TextAreaField(Part.ROOT_CAUSE.heading, filters=[words])
    contributing_factors = TextAreaField(Part.FACTORS.heading, filters=[words])
    went_well = TextAreaField(Part.WENT_WELL.heading, filters=[words])
    went_badly = TextAreaField(Part.WENT_BADLY.heading, filters=[words])
    luck = TextAreaField(Part.LUCK.heading, filters=[words])
    reason = StringField("Reason for the change", filters=[words])
    expected_version = VersionField()
    rows: list["ActionRow"]

    def validate(self, *args: Any, **kwargs: Any) -> bool:
        refused = [row for row in self.rows if not row.validate()]
        return bool(super().validate(*args, **kwargs)) and not refused

    @property
    def parts(self) -> dict[Part, str]:
        return {part: self[part.value].data or "" for part in Part}

    @property
    def actions(self) -> list[Action]:
        return [row.action for row in self.rows if not row.is_blank]

    @property
    def problems(self) -> list[tuple[str | None, str]]:
        problems_found = super().problems
        for row in self.rows:
            problems_found += [(field.id, str(error)) for field in row for error in field.errors]
        return problems_found


class ActionRow(WTForm):
    """One action item. A row without a title is left out."""

    public_id = HiddenField()
    title = StringField("Action", filters=[words])
    owner = StringField("Owner", filters=[words])
    due_on = StringField("Due", filters=[words])
    state = SelectField("State", choices=STATES)

    def validate_due_on(self, typed: StringField) -> None:
        """A day as browsers send it, or blank."""
        if typed.data:
            try:
                date.fromisoformat(typed.data)
            except ValueError:
                raise ValidationError("Enter a date such as 2026-03-10.") from None

    @property
    def is_blank(self) -> bool:
        return not (self.title.data or "").strip() and not (self.owner.data or "").strip()

    @property
    def action(self) -> Action:
        return Action(
            title=self.title.data or "",
            state=ActionState(self.state.data),
            due_on=date.fromisoformat(self.due_on.data) if self.due_on.data else None,
            owner=(self.owner.data or "").strip() or None,
            public_id=self.public_id.data or None,
        )


@bp.get("/postmortems")
@requires(Permission.VIEW)
def index() -> ResponseReturnValue:
    now = clock.now()
    return render_template(
        "admin/postmortems.html",
        postmortems=postmortems.listed(),
        unwritten=postmortems.missing(since=now - UNWRITTEN_WINDOW),
        states=STATES,
        today=now.date(),
    )


@bp.get("/incidents/<public_id>/postmortem")
@requires(Permission.VIEW)
def show(public_id: str) -> ResponseReturnValue:
    incident = found(public_id, kind=IncidentKind.INCIDENT)
    return _page(incident, _form(None, postmortems.of(incident)))


@bp.post("/incidents/<public_id>/postmortem")
@requires(Permission.PUBLISH)
def write(public_id: str) -> ResponseReturnValue:
    """Save it; `action` may also be `review`, `publish`, or `more` for another row."""
    incident = found(public_id, kind=IncidentKind.INCIDENT, lock=True)
    action = request.form.get("action", "save")
    form = _form(request.form, None)
    if action == "more":
        form.rows.append(ActionRow(prefix=f"action-{len(form.rows)}-"))
        return _page(incident, form)

    def act() -> str:
        now = clock.now()
        document = postmortems.save(
            incident,
            form.parts,
            form.actions,
            expected_version=form.expected_version.data,
            by=current_actor(),
            at=now,
        )
        if action == "review":
            postmortems.submit_for_review(document, by=current_actor(), at=now)
        if action == "publish":
            postmortems.publish(
                document, by=current_actor(), at=now, reason=form.reason.data or None
            )
        return url_for("admin.postmortems.show", public_id=public_id)

    message = {
        "review": "Saved. Ask a colleague to review it.",
        "publish": "Published.",
    }.get(action, "Saved. Customers cannot see it until it is published.")
    try:
        return save(
            form,
            act,
            said=message,
            again=lambda: _page(found(public_id, kind=IncidentKind.INCIDENT), form),
        )
    except Conflict as conflict:
        document = postmortems.of(incident)
        return conflict_page(
            conflict,
            version=document.version if document else 0,
            keep=url_for("admin.postmortems.show", public_id=public_id),
            labels={part.value: part.heading for part in Part},
        )


@bp.post("/postmortems/actions/<public_id>")
@requires(Permission.PUBLISH)
def set_action_state(public_id: str) -> ResponseReturnValue:
    action = postmortems.get_action(public_id) or abort(404)
    state = _state(request.form.get("state", ""))

    def act() -> str:
        postmortems.set_action_state(action, state, by=current_actor(), at=clock.now())
        return url_for("admin.postmortems.index", _anchor=f"action-{public_id}")

    return save(Form(request.form), act, said="Action updated.", again=lambda: abort(422))


def _state(word: str) -> ActionState:
    try:
        return ActionState(word)
    except ValueError:
        abort(make_response("Choose a state.", 422))


def _form(formdata: Any, document: Postmortem | None) -> PostmortemForm:
    values = dict(document.parts) if document else {}
    version = document.version if document else None
    form = PostmortemForm(formdata, **values, expected_version=version)
    if formdata is None:
        items = document.actions if document else []
        form.rows = [_filled(number, item) for number, item in enumerate(items)]
        form.rows.append(ActionRow(prefix=f"action-{len(items)}-"))
    else:
        form.rows = []
        while len(form.rows) < 100 and f"action-{len(form.rows)}-title" in formdata:
            form.rows.append(ActionRow(formdata, prefix=f"action-{len(form.rows)}-"))
    return form


def _filled(number: int, item: ActionItem) -> ActionRow:
    return ActionRow(
        prefix=f"action-{number}-",
        public_id=item.public_id,
        title=item.title,
        owner=item.owner or "",
        due_on=item.due_on.isoformat() if item.due_on else "",
        state=item.state.value,
    )


def _page(incident: Incident, form: PostmortemForm) -> str:
    return render_template(
        "admin/postmortem.html",
        incident=incident,
        document=postmortems.of(incident),
        form=form,
        parts_of=[(form[part.value], HELP[part]) for part in Part],
    )
