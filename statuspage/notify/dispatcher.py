"""The teller: turns events into deliveries, and keeps a lane for each channel that has some.

Part of the worker. Whatever stops it, the rows say where to go on.
"""

import threading
import time
from datetime import datetime

import structlog
from flask import Flask

from statuspage.db import db, read_only
from statuspage.domain import events
from statuspage.domain.subscribers.subscriptions import Channel
from statuspage.notify import deliveries, fanout, staff_emails
from statuspage.notify.channels import base, registry
from statuspage.notify.clock_jumps import ClockGuard
from statuspage.notify.sender import ChannelWorker

STOP_S = 8.0
"""How long a stopping worker waits for what is being sent."""
PIECES_PER_STEP = 4
"""Of an event's fan-out at a time: a new event gets its turn in between."""

log = structlog.get_logger(__name__)


class Dispatcher:
    """Fan-out and lanes of one worker. `ways` are the channels that can work here.

    `steady` says whether the moments that `step` gets can be trusted.
    """

    def __init__(
        self,
        app: Flask,
        ways: dict[Channel, base.ChannelSender] | None = None,
        *,
        steady: ClockGuard | None = None,
    ) -> None:
        self._app = app
        self._ways = registry.channel_senders(app.config["SETTINGS"]) if ways is None else ways
        self._lanes: dict[Channel, ChannelWorker] = {}
        self._stepping = threading.Lock()
        self._steady = steady

    def step(self, at: datetime) -> bool:
        """Wake what is due, enter what is new, start the lanes that have something to do.

        True while there is more to enter. Called by the tick and whenever news come in.
        """
        with self._stepping, self._app.app_context():
            read_only()
            spare = self._steady is not None and self._steady.was_set_lately(at)
            has_due = deliveries.has_due(at=at, spare_leases=spare)
            has_news = bool(events.pending_fanout(limit=1))
            # Most ticks find nothing, and must not stand in the way of who writes.
            db.session.rollback()
            if has_due:
                deliveries.requeue_due(at=at, spare_leases=spare)
                db.session.commit()
            is_more = has_news and fan_out_pending(at)
        with self._app.app_context():
            read_only()
            for channel in deliveries.pending_channels():
                self._lane(channel)
        return is_more

    def stop(self) -> None:
        """Finish what is being sent and give back the rest, within `STOP_S`."""
        until = time.monotonic() + STOP_S
        for lane in self._lanes.values():
            lane.stop()
        for lane in self._lanes.values():
            if not lane.join(max(until - time.monotonic(), 0.1)):
                log.warning("worker.lane_still_running", channel=lane.channel)

    def _lane(self, channel: Channel) -> None:
        if channel not in self._ways:
            return  # It waits, visibly, until an operator sets the channel up.
        if channel not in self._lanes:
            self._lanes[channel] = ChannelWorker(self._app, channel, self._ways[channel])
            self._lanes[channel].start()
        self._lanes[channel].wake()


def fan_out_pending(at: datetime) -> bool:
    """A few pieces of each event that is not through, the newest event first.

    Commits after each piece. True while there is more.
    """
    is_more = False
    for event in reversed(events.pending_fanout(limit=100)):
        if staff_emails.is_about_staff(event):
            staff_emails.enqueue(event, at=at)
            continue
        for _ in range(PIECES_PER_STEP):
            goes_on = fanout.fan_out_next(event, at=at)
            db.session.commit()
            if not goes_on:
                break
        else:
            is_more = True
    return is_more
