"""Deliveries: whether the news get out, and what waits for a word of staff."""

from flask import Blueprint, abort, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue

from statuspage import clock
from statuspage.db import db
from statuspage.domain.events import Event
from statuspage.domain.staff.members import Permission
from statuspage.domain.subscribers.subscriptions import Channel
from statuspage.notify import delivery_stats, health
from statuspage.notify.channels import registry
from statuspage.notify.deliveries import DeliveryState
from statuspage.web.admin.forms import Form
from statuspage.web.admin.permissions import current_actor, requires
from statuspage.web.admin.submit import save

bp = Blueprint("deliveries", __name__, url_prefix="/deliveries")


@bp.get("")
@requires(Permission.CONFIGURE)
def index() -> ResponseReturnValue:
    return _page(Form())


@bp.post("/<int(max=2147483647):event_id>/<channel>/<state>/<decision>")
@requires(Permission.CONFIGURE)
def decide(event_id: int, channel: str, state: str, decision: str) -> ResponseReturnValue:
    """Send what is not through of an event by one channel, or drop it."""
    return _decide(_event(event_id), _channel(channel), state, decision)


@bp.post("/event/<int(max=2147483647):event_id>/<state>/<decision>")
@requires(Permission.CONFIGURE)
def decide_event(event_id: int, state: str, decision: str) -> ResponseReturnValue:
    """The same by all channels at once."""
    return _decide(_event(event_id), None, state, decision)


@bp.post("/channel/<channel>/<state>/<decision>")
@requires(Permission.CONFIGURE)
def decide_channel(channel: str, state: str, decision: str) -> ResponseReturnValue:
    """The same of all events at once."""
    return _decide(None, _channel(channel), state, decision)


def _event(event_id: int) -> Event:
    return db.session.get(Event, event_id) or abort(404)


def _channel(name: str) -> Channel:
    if name not in list(Channel):
        abort(404)
    return Channel(name)


def _decide(
    event: Event | None, channel: Channel | None, state: str, decision: str
) -> ResponseReturnValue:
    if state not in delivery_stats.UNDECIDED or decision not in ("send", "drop"):
        abort(404)
    form = Form(request.form)

    def act() -> str:
        delivery_stats.decide(
            event,
            channel,
            DeliveryState(state),
            send=decision == "send",
            by=current_actor(),
            at=clock.now(),
        )
        return url_for("admin.deliveries.index")

    message = "Being sent now." if decision == "send" else "Cancelled."
    return save(form, act, said=message, again=lambda: _page(form))


def _page(form: Form) -> str:
    at = clock.now()
    now = health.check(at=at)
    rows: dict[Channel, dict[DeliveryState, int]] = {}
    for (channel, state), number in sorted(now.counts.items()):
        rows.setdefault(channel, {})[state] = number
    return render_template(
        "admin/deliveries.html",
        form=form,
        health=now,
        stuck=delivery_stats.undelivered(),
        later=delivery_stats.retrying(),
        last_sent=delivery_stats.last_sent(),
        by_hour=delivery_stats.failures_by_hour(at=at),
        rows=rows,
        missing={
            channel: words
            for channel in rows
            if (words := registry.missing(channel, current_app.config["SETTINGS"]))
        },
        states=list(DeliveryState),
        undecided=delivery_stats.UNDECIDED,
    )
