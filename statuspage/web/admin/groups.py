"""Groups of components: their names, and what becomes of the members of one that is removed."""

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import StringField, TextAreaField

from statuspage import clock
from statuspage.domain import events
from statuspage.domain.components import verbs as components
from statuspage.domain.components.models import ComponentGroup
from statuspage.domain.events import Event
from statuspage.domain.staff.members import Permission
from statuspage.web.admin.forms import Form, words
from statuspage.web.admin.permissions import current_actor, requires
from statuspage.web.admin.submit import save

bp = Blueprint("groups", __name__, url_prefix="/components/groups")


class GroupForm(Form):
    name = StringField("Name", filters=[words])
    description = TextAreaField("Description", filters=[words])


@bp.get("/new")
@requires(Permission.CONFIGURE)
def new() -> ResponseReturnValue:
    return _page(GroupForm(), None)


@bp.post("/new")
@requires(Permission.CONFIGURE)
def add() -> ResponseReturnValue:
    form = GroupForm(request.form)

    def act() -> str:
        components.add_group(
            form.name.data or "",
            by=current_actor(),
            at=clock.now(),
            description=form.description.data,
        )
        return url_for("admin.components.index")

    return save(form, act, said="Group added.", again=lambda: _page(form, None))


@bp.get("/<public_id>")
@requires(Permission.CONFIGURE)
def show(public_id: str) -> ResponseReturnValue:
    group = _get_or_404(public_id)
    return _page(GroupForm(obj=group), group)


@bp.post("/<public_id>")
@requires(Permission.CONFIGURE)
def edit(public_id: str) -> ResponseReturnValue:
    group = _get_or_404(public_id)
    form = GroupForm(request.form)

    def act() -> str:
        components.edit_group(
            group,
            by=current_actor(),
            at=clock.now(),
            name=form.name.data or "",
            description=form.description.data,
        )
        return url_for("admin.components.index")

    return save(form, act, said="Saved.", again=lambda: _page(form, group))


@bp.post("/<public_id>/remove")
@requires(Permission.CONFIGURE)
def remove(public_id: str) -> ResponseReturnValue:
    group = _get_or_404(public_id)
    removed: list[Event] = []

    def act() -> str:
        removed.append(components.remove_group(group, by=current_actor(), at=clock.now()))
        return url_for("admin.components.index")

    return save(
        Form(request.form),
        act,
        said="Group deleted. Its components are now at the end of the page.",
        again=lambda: _page(GroupForm(obj=group), group),
        undo=lambda: url_for("admin.groups.restore", event_id=removed[0].id),
    )


@bp.post("/removed/<int(max=2147483647):event_id>/restore")
@requires(Permission.CONFIGURE)
def restore(event_id: int) -> ResponseReturnValue:
    event = events.get(event_id, "group.removed") or abort(404)
    form = Form(request.form)

    def act() -> str:
        components.restore_group(event, by=current_actor(), at=clock.now())
        return url_for("admin.components.index")

    def refused() -> str:
        words = " ".join(form.others)
        return render_template("admin/stop.html", heading="Not restored", words=words)

    return save(form, act, said="The group is back.", again=refused)


def _page(form: GroupForm, group: ComponentGroup | None) -> str:
    return render_template("admin/group.html", form=form, group=group)


def _get_or_404(public_id: str) -> ComponentGroup:
    return components.get_group(public_id) or abort(404)
