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
    live = [incident for incident in unresolved if not incident.is_draft]
    today = now.astimezone(local_time.zone()).date()
    written = postmortems.listed()
    return render_template(
        "admin/overview.html",
        now=now,
        seen=_seen(),
        delivery_troubles=health.check(at=now).problems(),
        trouble=[incident for incident in live if incident.kind is IncidentKind.INCIDENT],
        planned=[incident for incident in live if incident.kind is IncidentKind.MAINTENANCE],
        drafts=[incident for incident in unresolved if incident.is_draft],
        from_alerts=alerts.firing_of([incident for incident in unresolved if incident.is_draft]),
        draft_updates=[incident for incident in live if drafts.update_of(incident)],
        promises=[
            incident
            for incident in live
            if incident.next_update_by and incident.next_update_by <= now + SOON
        ],
        by_hand=maintenance.due_by_hand(at=now),
        unwritten=postmortems.missing(since=now - POSTMORTEM_WINDOW),
        unpublished=[postmortem for postmortem in written if not postmortem.is_published],
        late_actions=[
            (postmortem, action)
            for postmortem in written
            for action in postmortem.actions
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
