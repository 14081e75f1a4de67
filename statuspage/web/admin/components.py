"""Components: names, order, statuses set by hand, and their recorded history."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, SelectField, StringField, TextAreaField, ValidationError

from statuspage import clock
from statuspage.domain.claims import OPERATIONAL, Claim, Span, effective
from statuspage.domain.components import claims_store
from statuspage.domain.components import verbs as components
from statuspage.domain.components.claims_store import ComponentClaim
from statuspage.domain.components.models import Component, ComponentGroup
from statuspage.domain.components.verbs import ComponentEdit
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.staff.members import Permission
from statuspage.domain.statuses import ComponentStatus
from statuspage.errors import Invalid
from statuspage.web.admin import ordering
from statuspage.web.admin.forms import (
    Form,
    MomentField,
    optional,
    parse_share,
    show_share,
    words,
)
from statuspage.web.admin.permissions import current_actor, requires
from statuspage.web.admin.submit import save

bp = Blueprint("components", __name__, url_prefix="/components")

HISTORY = timedelta(days=90)
STATUSES = {status.value: status.label for status in ComponentStatus}


class ComponentForm(Form):
    name = StringField("Name", filters=[words])
    description = TextAreaField("Description", filters=[words])
    group = SelectField("Group", validate_choice=False)
    start_date = StringField("Uptime counts since", filters=[optional])
    showcase = BooleanField("Show bars and uptime", default=True)
    only_show_if_degraded = BooleanField("Show only while it is not operational")

    def validate_start_date(self, typed: StringField) -> None:
        """A day as browsers send it, or blank."""
        if typed.data:
            try:
                date.fromisoformat(typed.data)
            except ValueError:
                raise ValidationError("Enter a date such as 2026-03-10.") from None

    @property
    def first_day(self) -> date | None:
        return date.fromisoformat(self.start_date.data) if self.start_date.data else None


class StatusForm(Form):
    """A claim: how a component stands, what share is concerned, whom."""

    status = SelectField("Status", choices=STATUSES)
    share = StringField("Share affected", filters=[words])
    scope = StringField("Who is affected", filters=[words])

    def validate_share(self, typed: StringField) -> None:
        """`12 %`, `12,5` or blank."""
        try:
            parse_share(typed.data or "")
        except ValueError as error:
            raise ValidationError(str(error)) from error

    @property
    def claim(self) -> Claim:
        return Claim(
            ComponentStatus(self.status.data),
            parse_share(self.share.data or ""),
            (self.scope.data or "").strip() or None,
        )


class CorrectionForm(StatusForm):
    starts_at = MomentField("From", required=True)
    ends_at = MomentField("Until")
    reason = StringField("Reason", filters=[words])


# ── the list and its order ─────────────────────────────────────────────────────


@bp.get("")
@requires(Permission.VIEW)
def index() -> ResponseReturnValue:
    return _list_page(Form())


@bp.post("/arrange")
@requires(Permission.CONFIGURE)
def arrange() -> ResponseReturnValue:
    """Either `move` (`c-ID:up`), by a button, or `order` (`g-ID c-ID …`), after dragging."""
    form = Form(request.form)
    moved, _, way = request.form.get("move", "").partition(":")

    def act() -> str:
        top, children = ordering.present()
        if moved:
            ordering.move(top, children, moved, -1 if way == "up" else 1)
        else:
            top, children = ordering.dragged(request.form.get("order", ""))
        components.arrange(top, children, by=current_actor(), at=clock.now())
        # The browser puts the focus on the button that was pressed.
        anchor = f"{moved}-{way}" if moved and way in {"up", "down"} else None
        return url_for("admin.components.index", _anchor=anchor)

    return save(form, act, said="Order saved.", again=lambda: _list_page(form))


def _list_page(form: Form) -> str:
    top, children = ordering.present()
    now = clock.now()
    rows = claims_store.claims_since(now)
    spans: dict[int, list[Span]] = {}
    for row in rows:
        spans.setdefault(row.component_id, []).append(row.span)
    everything = components.listed(archived=True)
    return render_template(
        "admin/components.html",
        form=form,
        top=[item for item in top if not ordering.is_archived(item)],
        children={
            group.id: [member for member in members if not ordering.is_archived(member)]
            for group, members in children.items()
        },
        archived=[component for component in everything if component.archived_at],
        claims={
            component.id: effective(spans.get(component.id, []), now) for component in everything
        },
        item_name=ordering.name,
        is_group=lambda item: isinstance(item, ComponentGroup),
    )


# ── components ─────────────────────────────────────────────────────────────────


@bp.get("/new")
@requires(Permission.CONFIGURE)
def new() -> ResponseReturnValue:
    return _new_page(_component_form(None, None))


@bp.post("/new")
@requires(Permission.CONFIGURE)
def add() -> ResponseReturnValue:
    form = _component_form(request.form, None)

    def act() -> str:
        components.add_component(
            form.name.data or "",
            by=current_actor(),
            at=clock.now(),
            group=_chosen_group(form),
            description=form.description.data,
            start_date=form.first_day,
            showcase=form.showcase.data,
            only_show_if_degraded=form.only_show_if_degraded.data,
        )
        return url_for("admin.components.index")

    return save(form, act, said="Component added.", again=lambda: _new_page(form))


@bp.get("/<public_id>")
@requires(Permission.VIEW)
def show(public_id: str) -> ResponseReturnValue:
    return _page(_get_or_404(public_id))


@bp.post("/<public_id>")
@requires(Permission.CONFIGURE)
def edit(public_id: str) -> ResponseReturnValue:
    component = _get_or_404(public_id)
    form = _component_form(request.form, component)

    def act() -> str:
        components.edit_component(
            component,
            ComponentEdit(
                name=form.name.data or "",
                description=form.description.data,
                group=_chosen_group(form),
                start_date=form.first_day,
                showcase=form.showcase.data,
                only_show_if_degraded=form.only_show_if_degraded.data,
            ),
            by=current_actor(),
            at=clock.now(),
        )
        return url_for("admin.components.show", public_id=public_id)

    return save(form, act, said="Saved.", again=lambda: _page(component, form=form))


@bp.post("/<public_id>/status")
@requires(Permission.PUBLISH)
def set_status(public_id: str) -> ResponseReturnValue:
    component = _get_or_404(public_id)
    form = StatusForm(request.form)

    def act() -> str:
        standing = claims_store.standing(component)
        claim = form.claim
        if standing and claim.status is not standing.status and claim.share == standing.share:
            claim = replace(claim, share=None)  # It was that of the earlier status.
        claims_store.set_status(component, claim, by=current_actor(), at=clock.now())
        return url_for("admin.components.show", public_id=public_id)

    return save(form, act, said="Status set.", again=lambda: _page(component, status_form=form))


@bp.post("/<public_id>/archive")
@requires(Permission.CONFIGURE)
def archive(public_id: str) -> ResponseReturnValue:
    component = _get_or_404(public_id)

    def act() -> str:
        components.archive(component, by=current_actor(), at=clock.now())
        return url_for("admin.components.index")

    return save(
        Form(request.form),
        act,
        said=f"{component.name} has been archived. Its history stays.",
        again=lambda: _page(component),
    )


@bp.post("/<public_id>/restore")
@requires(Permission.CONFIGURE)
def restore(public_id: str) -> ResponseReturnValue:
    component = _get_or_404(public_id)

    def act() -> str:
        components.restore(component, by=current_actor(), at=clock.now())
        return url_for("admin.components.show", public_id=public_id)

    return save(
        Form(request.form),
        act,
        said=f"{component.name} is back on the page.",
        again=lambda: _page(component),
    )


def _component_form(formdata: Any, component: Component | None) -> ComponentForm:
    values: dict[str, Any] = {}
    if component is not None:
        values = {
            "name": component.name,
            "description": component.description or "",
            "group": component.group.public_id if component.group else "",
            "start_date": component.start_date.isoformat() if component.start_date else "",
            "showcase": component.showcase,
            "only_show_if_degraded": component.only_show_if_degraded,
        }
    form = ComponentForm(formdata, **values)
    form.group.choices = {
        "": "No group",
        **{group.public_id: group.name for group in components.groups()},
    }
    return form


def _chosen_group(form: ComponentForm) -> ComponentGroup | None:
    if not form.group.data:
        return None
    group = components.get_group(form.group.data)
    if group is None:
        raise Invalid(group="This group no longer exists. Choose another one.")
    return group


def _new_page(form: ComponentForm) -> str:
    return render_template("admin/component_new.html", form=form)


def _page(
    component: Component,
    *,
    form: ComponentForm | None = None,
    status_form: StatusForm | None = None,
) -> str:
    now = clock.now()
    rows = [
        row for row in claims_store.claims_since(now - HISTORY) if row.component_id == component.id
    ]
    names = {
        row_id: (public_id, name)
        for row_id, public_id, name, _ in incidents.names_of(
            [row.incident_id for row in rows if row.incident_id is not None]
        )
    }
    standing = claims_store.standing(component) or OPERATIONAL
    return render_template(
        "admin/component.html",
        component=component,
        form=form or _component_form(None, component),
        status_form=status_form or StatusForm(None, **_as_typed(standing)),
        standing=standing,
        now_claim=effective([row.span for row in rows], now),
        rows=sorted(rows, key=lambda row: row.starts_at, reverse=True),
        names=names,
    )


def _as_typed(claim: Claim) -> dict[str, str]:
    return {
        "status": claim.status.value,
        "share": show_share(claim.share) if claim.share is not None else "",
        "scope": claim.scope or "",
    }


# ── history ────────────────────────────────────────────────────────────────────


@bp.get("/<public_id>/claims/<int(max=2147483647):claim_id>")
@requires(Permission.PUBLISH)
def claim(public_id: str, claim_id: int) -> ResponseReturnValue:
    component, row = _found_claim(public_id, claim_id)
    return _claim_page(component, row, _correction_form(None, row))


@bp.post("/<public_id>/claims/<int(max=2147483647):claim_id>")
@requires(Permission.PUBLISH)
def correct_claim(public_id: str, claim_id: int) -> ResponseReturnValue:
    component, row = _found_claim(public_id, claim_id)
    form = _correction_form(request.form, row)

    def act() -> str:
        claims_store.correct_claim(
            row,
            by=current_actor(),
            at=clock.now(),
            claim=form.claim,
            starts_at=form.starts_at.data,
            ends_at=form.ends_at.data,
            reason=form.reason.data or "",
        )
        return url_for("admin.components.show", public_id=public_id)

    return save(
        form,
        act,
        said="Corrected. Uptime has been recalculated.",
        again=lambda: _claim_page(component, row, form),
    )


def _correction_form(formdata: Any, row: ComponentClaim) -> CorrectionForm:
    return CorrectionForm(
        formdata, **_as_typed(row.claim), starts_at=row.starts_at, ends_at=row.ends_at
    )


def _found_claim(public_id: str, claim_id: int) -> tuple[Component, ComponentClaim]:
    component, row = _get_or_404(public_id), claims_store.get_claim(claim_id)
    if row is None or row.component_id != component.id:
        abort(404)
    return component, row


def _claim_page(component: Component, row: ComponentClaim, form: CorrectionForm) -> str:
    return render_template("admin/claim.html", component=component, row=row, form=form)


# ── helpers ────────────────────────────────────────────────────────────────────


def _get_or_404(public_id: str) -> Component:
    return components.get(public_id) or abort(404)
