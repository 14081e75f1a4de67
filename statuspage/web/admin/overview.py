"""What is open, what is due, what customers see."""

from datetime import timedelta

from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue

from statuspage import clock
from statuspage.domain import alerts
from statuspage.domain.incidents import drafts, maintenance, postmortems
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.postmortems import ActionState
from statuspage.domain.staff.members import Permission
from statuspage.domain.statuses import IncidentKind
from statuspage.notify import health
from statuspage.page.snapshot import build as snapshot
from statuspage.page.snapshot.values import Snapshot
from statuspage.web.admin import local_time
from statuspage.web.admin.permissions import requires

bp = Blueprint("overview", __name__)

SOON = timedelta(minutes=10)
POSTMORTEM_WINDOW = timedelta(days=60)


@bp.get("/")
@requires(Permission.VIEW)
def show() -> ResponseReturnValue:
    now = clock.now()
    unresolved = incidents.unresolved()
    live = [one for one in unresolved if not one.is_draft]
    today = now.astimezone(local_time.zone()).date()
    written = postmortems.listed()
    return render_template(
        "admin/overview.html",
        now=now,
        seen=_seen(),
        delivery_troubles=health.check(at=now).troubles(),
        trouble=[one for one in live if one.kind is IncidentKind.INCIDENT],
        planned=[one for one in live if one.kind is IncidentKind.MAINTENANCE],
        drafts=[one for one in unresolved if one.is_draft],
        from_alerts=alerts.firing_of([one for one in unresolved if one.is_draft]),
        draft_updates=[one for one in live if drafts.update_of(one)],
        promises=[one for one in live if one.next_update_by and one.next_update_by <= now + SOON],
        by_hand=maintenance.due_by_hand(at=now),
        unwritten=postmortems.missing(since=now - POSTMORTEM_WINDOW),
        unpublished=[one for one in written if not one.is_published],
        late_actions=[
            (one, action)
            for one in written
            for action in one.actions
            if action.state in {ActionState.OPEN, ActionState.IN_PROGRESS}
            and action.due_on is not None
            and action.due_on < today
        ],
    )


def _seen() -> Snapshot | None:
    """The front page as customers have it; None before the first set-up."""
    base_url = current_app.config["SETTINGS"].base_url
    try:
        return snapshot.take(at=clock.now(), base_url=base_url)
    except snapshot.NoPageError:
        return None
