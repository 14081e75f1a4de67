"""The job that reads the mailbox of what came back, every few minutes."""

from contextlib import suppress
from datetime import datetime
from functools import partial

import structlog
from flask import Flask
from huey import Huey, crontab

from statuspage import clock
from statuspage.db import db
from statuspage.domain.events import SYSTEM
from statuspage.notify import bounces
from statuspage.notify.bounces import mailbox, reports
from statuspage.notify.failure_log import FailureLog

failure_log = FailureLog()
log = structlog.get_logger(__name__)


def register(queue: Huey, app: Flask) -> None:
    """Have the mailbox that the settings name read by this queue."""
    queue.periodic_task(crontab(minute="*/5"), name="fetch_bounces")(partial(_run, app))


def fetch(app: Flask, at: datetime) -> int:
    """Read what is unread; returns how many reports were of mail of ours.

    Each is committed before it is marked as read: one that a crash interrupts comes
    again, and counts once. Raises `MailboxError`.
    """
    count = 0
    for mail in mailbox.unread(app.config["SETTINGS"].bounce_imap_url):
        with app.app_context():
            count += bounces.record(reports.read(mail), by=SYSTEM, at=at)
            db.session.commit()
    if count:
        log.info("bounces.processed", number=count)
    return count


def _run(app: Flask) -> None:
    outages = (mailbox.MailboxError,)
    with (
        suppress(mailbox.MailboxError),
        failure_log.watch("bounces_mailbox", outages=outages),
    ):
        fetch(app, clock.now())
