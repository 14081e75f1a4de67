"""Trials: one mail to somebody of the staff, by the same way that subscribers' mails go.

No subscriber is concerned, so there is no delivery: the worker tries three times, and
its log says what came of it.
"""

from functools import partial
from typing import Any

import structlog
from flask import Flask
from huey import Huey

from statuspage import clock
from statuspage.config import Settings
from statuspage.db import read_only
from statuspage.domain.subscribers.subscriptions import Channel
from statuspage.notify import email_examples
from statuspage.notify.channels import base, registry
from statuspage.notify.message import MessageKind

log = structlog.get_logger(__name__)


def register(queue: Huey, app: Flask) -> None:
    """Have this queue send trials."""
    task = queue.task(name="send_trial", retries=2, retry_delay=30)
    app.extensions["send_trial"] = task(partial(send, app))


def send(app: Flask, kind: str, address: str) -> None:
    """Send the sample of a kind. Raises `Failed`, and the queue tries again."""
    settings: Settings = app.config["SETTINGS"]
    with app.app_context():
        read_only()
        sample = email_examples.of(MessageKind(kind), at=clock.now(), base_url=settings.base_url)
    sender = registry.channel_senders(settings)[Channel.EMAIL]
    try:
        sender.send(sample.message, email_examples.reader(address, settings.base_url))
    except base.Failed as failed:
        log.warning("test_message.failed", kind=kind, reason=failed.sentence)
        raise
    finally:
        sender.close()
    log.info("test_message.sent", kind=kind)


def enqueue(app: Flask, kind: MessageKind, address: str) -> Any:
    """Leave the job. Raises when the queue is away."""
    return app.extensions["send_trial"](kind.value, address)
