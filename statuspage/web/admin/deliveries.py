"""Deliveries: whether the news get out, and what waits for a word of staff."""

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue

from statuspage import clock
from statuspage.db import db
from statuspage.domain.events import Event
from statuspage.domain.staff import Permission
from statuspage.domain.subscribers import Channel
from statuspage.notify import health, ledger
from statuspage.notify.ledger import DeliveryState
from statuspage.web.admin.forms import Form
from statuspage.web.admin.permissions import current_actor, requires
from statuspage.web.admin.saving import save

bp = Blueprint("deliveries", __name__, url_prefix="/deliveries")


@bp.get("")
@requires(Permission.CONFIGURE)
def index() -> ResponseReturnValue:
    return _page(Form())


@bp.post("/<int:event_id>/<channel>/<state>/<decision>")
@requires(Permission.CONFIGURE)
def decide(event_id: int, channel: str, state: str, decision: str) -> ResponseReturnValue:
    """Send what is held or dead of an event by one channel, or drop it."""
    event = db.session.get(Event, event_id) or abort(404)
    if (
        channel not in list(Channel)
        or state not in (DeliveryState.HELD, DeliveryState.DEAD)
        or decision not in ("send", "drop")
    ):
        abort(404)
    form = Form(request.form)

    def act() -> str:
        ledger.decide(
            event,
            Channel(channel),
            DeliveryState(state),
            send=decision == "send",
            by=current_actor(),
            at=clock.now(),
        )
        return url_for("admin.deliveries.index")

    said = "They go out now." if decision == "send" else "They are dropped."
    return save(form, act, said=said, again=lambda: _page(form))


def _page(form: Form) -> str:
    now = health.look(at=clock.now())
    rows: dict[Channel, dict[DeliveryState, int]] = {}
    for (channel, state), number in sorted(now.counts.items()):
        rows.setdefault(channel, {})[state] = number
    return render_template(
        "admin/deliveries.html",
        form=form,
        health=now,
        stuck=ledger.stuck(),
        rows=rows,
        states=list(DeliveryState),
    )
