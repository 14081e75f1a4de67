"""The audit log: who did what, newest first."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from statuspage.domain import events
from statuspage.domain.staff.members import Permission
from statuspage.web.admin.permissions import requires

bp = Blueprint("audit", __name__, url_prefix="/audit")

PAGE_SIZE = 50


@bp.get("")
@requires(Permission.VIEW)
def show() -> ResponseReturnValue:
    before = request.args.get("before", type=int)
    if before is not None and not 0 < before < 2**31:
        before = None
    rows = events.latest(PAGE_SIZE + 1, before=before)
    return render_template(
        "admin/audit.html",
        events=rows[:PAGE_SIZE],
        older=rows[PAGE_SIZE - 1].id if len(rows) > PAGE_SIZE else None,
        is_first=before is None,
    )
