"""Turns events into deliveries and runs a sender thread for each channel that has some.

Part of the worker. After a crash it resumes from the rows.
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
"""How long a stopping worker waits for messages in flight."""
PIECES_PER_STEP = 4
"""Fan-out batches per event and step, so that a new event need not wait for a big one."""

log = structlog.get_logger(__name__)


class Dispatcher:
    """Fan-out and channel threads of one worker.

    `senders`: the channels that are set up. `clock_guard` detects clock jumps between steps.
    """

    def __init__(
        self,
        app: Flask,
        senders: dict[Channel, base.ChannelSender] | None = None,
        *,
        clock_guard: ClockGuard | None = None,
    ) -> None:
        self._app = app
        self._senders = (
            registry.channel_senders(app.config["SETTINGS"]) if senders is None else senders
        )
        self._workers: dict[Channel, ChannelWorker] = {}
        self._step_lock = threading.Lock()
        self._clock_guard = clock_guard

    def step(self, at: datetime) -> bool:
        """Requeue due deliveries, fan out new events, wake the channels with work.

        Returns True while events are left to fan out. Called by the tick and after commits.
        """
        with self._step_lock, self._app.app_context():
            read_only()
            ignore_leases = self._clock_guard is not None and self._clock_guard.was_set_lately(at)
            has_due = deliveries.has_due(at=at, ignore_leases=ignore_leases)
            has_events = bool(events.pending_fanout(limit=1))
            # Most ticks find nothing and must not block writers.
            db.session.rollback()
            if has_due:
                deliveries.requeue_due(at=at, ignore_leases=ignore_leases)
                db.session.commit()
            is_more = has_events and fan_out_pending(at)
        with self._app.app_context():
            read_only()
            for channel in deliveries.pending_channels():
                self._wake_worker(channel)
        return is_more

    def stop(self) -> None:
        """Finish messages in flight and release the rest, within `STOP_S`."""
        until = time.monotonic() + STOP_S
        for worker in self._workers.values():
            worker.stop()
        for worker in self._workers.values():
            if not worker.join(max(until - time.monotonic(), 0.1)):
                log.warning("worker.channel_still_running", channel=worker.channel)

    def _wake_worker(self, channel: Channel) -> None:
        if channel not in self._senders:
            return  # The deliveries stay pending, visibly, until the channel is set up.
        if channel not in self._workers:
            self._workers[channel] = ChannelWorker(self._app, channel, self._senders[channel])
            self._workers[channel].start()
        self._workers[channel].wake()


def fan_out_pending(at: datetime) -> bool:
    """Fan out a few batches of each pending event, the newest event first.

    Commits after each batch. Returns True while there is more.
    """
    is_more = False
    for event in reversed(events.pending_fanout(limit=100)):
        if staff_emails.is_about_staff(event):
            staff_emails.enqueue(event, at=at)
            continue
        for _ in range(PIECES_PER_STEP):
            has_more = fanout.fan_out_next(event, at=at)
            db.session.commit()
            if not has_more:
                break
        else:
            is_more = True
    return is_more
