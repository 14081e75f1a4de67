"""Channel workers: each channel sends in threads of its own, so a slow one blocks no other.

A worker leases pending deliveries of its channel, sends them and stores the results. When it
stops it releases the rest; when it is killed its leases expire.
"""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from flask import Flask
from structlog.contextvars import bound_contextvars

from statuspage import clock
from statuspage.config import Settings
from statuspage.db import db, read_only
from statuspage.domain import events
from statuspage.domain.events import SYSTEM, Event
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber, SubscriberState
from statuspage.lib.http_client import RequestError
from statuspage.notify import deliveries, recipient_limits
from statuspage.notify import message as messages
from statuspage.notify.channels import registry
from statuspage.notify.channels.base import ChannelSender, Failed
from statuspage.notify.deliveries import DeliveryState, LeasedDelivery, Outcome
from statuspage.notify.failure_log import FailureLog
from statuspage.notify.message import Message, MessageKind, Recipient
from statuspage.observability import tracing
from statuspage.observability.logging import LogThrottle
from statuspage.observability.metrics import DELIVERY_ATTEMPTS, DELIVERY_SECONDS

IDLE_S = 0.5
SETTLED_EVERY_S = 0.2
RENEW_AFTER_S = deliveries.LEASE.total_seconds() / 3
SEND_WITHIN_S = deliveries.LEASE.total_seconds() * 0.6
"""A lease not renewed for so long is released unsent, since it could expire while sending."""
MAX_CACHED_MESSAGES = 128
"""Each is small, since all share the page."""
MOST_FAILURES = 10
FAILING_FOR = timedelta(hours=1)
"""A receiver is quarantined after `MOST_FAILURES` in a row over this time, as Statuspage does."""

log = structlog.get_logger(__name__)
_may_log = LogThrottle(60)


class ChannelWorker:
    """The sending threads of one channel."""

    def __init__(self, app: Flask, channel: Channel, sender: ChannelSender) -> None:
        self._app = app
        self.channel = channel
        self._sender = sender
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"The lane {channel}", daemon=True)
        self._prepare = Preparation(app)
        self._leased_at: dict[int, float] = {}
        """Delivery id → when its lease began or was renewed, for deliveries in flight."""
        self._troubles = FailureLog()

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Look for pending deliveries now."""
        self._wake.set()

    def stop(self) -> None:
        """Lease nothing more; deliveries in flight are finished."""
        self._stopping.set()
        self._wake.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for deliveries in flight. False if they took too long."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        with ThreadPoolExecutor(self._sender.slots, f"send-{self.channel}") as pool:
            in_flight: dict[Future[Outcome], LeasedDelivery] = {}
            while in_flight or not self._stopping.is_set():
                try:
                    with self._troubles.watch(
                        "lane", outages=(sa.exc.DBAPIError,), channel=self.channel
                    ):
                        self._turn(pool, in_flight)
                except Exception:
                    # The database may be down; leases expire by themselves.
                    time.sleep(IDLE_S)
        self._sender.close()

    def _turn(
        self, pool: ThreadPoolExecutor, in_flight: dict[Future[Outcome], LeasedDelivery]
    ) -> None:
        """Fill the free slots, wait a moment, store the results."""
        room = 2 * self._sender.slots - len(in_flight)
        if room >= self._sender.slots and not self._stopping.is_set():
            for leased, job in self._claim(room):
                in_flight[pool.submit(job)] = leased
        if not in_flight:
            self._wake.wait(IDLE_S)
            self._wake.clear()
            return
        self._renew_leases(in_flight.values())
        done, _ = wait(in_flight, timeout=SETTLED_EVERY_S, return_when=FIRST_COMPLETED)
        if len(done) < len(in_flight):
            # A few more may be through in a moment: one commit for all of them.
            time.sleep(0.01)
            done = {future for future in in_flight if future.done()}
        outcomes = [future.result() for future in done]
        record_results(self._app, outcomes)
        for future in done:
            del self._leased_at[in_flight.pop(future).id]

    def _renew_leases(self, in_flight: Iterable[LeasedDelivery]) -> None:
        """A mail server may take ten minutes to accept a message, far longer than a lease."""
        now = time.monotonic()
        due = [
            delivery for delivery in in_flight if now - self._leased_at[delivery.id] > RENEW_AFTER_S
        ]
        if not due:
            return
        with self._app.app_context():
            deliveries.renew(due, at=clock.now())
            db.session.commit()
        self._leased_at.update((delivery.id, now) for delivery in due)

    def _claim(self, room: int) -> list[tuple[LeasedDelivery, Callable[[], Outcome]]]:
        leased_at = time.monotonic()
        with self._app.app_context():
            at = clock.now()
            leased = recipient_limits.apply_limits(
                self.channel, deliveries.lease(self.channel, room, at=at), at=at
            )
            db.session.commit()
        if not leased:
            return []
        self._leased_at.update((delivery.id, leased_at) for delivery in leased)
        prepared = self._prepare(self.channel, leased)
        return [
            (delivery, self._job(delivery, content))
            for delivery, content in zip(leased, prepared, strict=True)
        ]

    def _job(
        self, leased: LeasedDelivery, prepared: tuple[Message, Recipient] | str
    ) -> Callable[[], Outcome]:
        def job() -> Outcome:
            if isinstance(prepared, str):
                return Outcome(leased, DeliveryState.CANCELLED, prepared)
            is_stale = time.monotonic() - self._leased_at[leased.id] > SEND_WITHIN_S
            if self._stopping.is_set() or is_stale:
                return Outcome(leased, DeliveryState.PENDING)
            return attempt(self._sender, leased, *prepared)

        return job


def attempt(
    sender: ChannelSender, leased: LeasedDelivery, message: Message, to: Recipient
) -> Outcome:
    """Send once. An unexpected exception counts as a failure that may pass."""
    incident = message.incident.id if message.incident else None
    with bound_contextvars(delivery=leased.id, event=leased.event_id, incident=incident):
        started = time.perf_counter()
        outcome = _attempt(sender, leased, message, to)
        seconds = time.perf_counter() - started
        DELIVERY_SECONDS.labels(to.channel.value).observe(seconds)
        tracing.record(
            f"send {to.channel.value}",
            seconds,
            {
                "statuspage.channel": to.channel.value,
                "statuspage.delivery": leased.id,
                "statuspage.incident": incident or "",
                "statuspage.result": outcome.state.value,
            },
            is_failed=outcome.state is not DeliveryState.SENT,
        )
        DELIVERY_ATTEMPTS.labels(to.channel.value, outcome.state.value).inc()
        if outcome.state is DeliveryState.FAILED:
            log.warning("delivery.given_up", channel=to.channel.value, reason=outcome.error)
        elif outcome.state is DeliveryState.RETRYING and _may_log():
            log.info("delivery.failed", channel=to.channel.value, reason=outcome.error)
    return outcome


def _attempt(
    sender: ChannelSender, leased: LeasedDelivery, message: Message, to: Recipient
) -> Outcome:
    try:
        remote_id = sender.send(message, to)
    except RequestError as error:
        state = DeliveryState.FAILED if error.is_final else DeliveryState.RETRYING
        return Outcome(leased, state, error.sentence)
    except Failed as failed:
        state = DeliveryState.FAILED if failed.is_final else DeliveryState.RETRYING
        return Outcome(
            leased,
            state,
            failed.sentence,
            failed.retry_after,
            is_gone=failed.is_gone,
            is_ours=failed.is_ours,
        )
    except Exception as error:
        log.exception("delivery.crashed", channel=to.channel.value)
        return Outcome(
            leased, DeliveryState.RETRYING, f"Could not be sent: {type(error).__name__}."
        )
    return Outcome(leased, DeliveryState.SENT, remote_id=remote_id)


def record_results(app: Flask, outcomes: list[Outcome]) -> None:
    """Store results and apply their consequences for the subscribers."""
    if not outcomes:
        return
    at = clock.now()
    with app.app_context():
        for outcome in deliveries.record_results(outcomes, at=at):
            conclude(outcome, at=at)
        db.session.commit()


def conclude(outcome: Outcome, *, at: datetime) -> None:
    """Count failures in a row; unsubscribe or quarantine subscribers who cannot be reached."""
    row = sa.update(Subscriber).where(Subscriber.id == outcome.leased.subscriber_id)
    row = row.execution_options(synchronize_session=False)
    match outcome.state:
        case DeliveryState.SENT:
            was_failing = Subscriber.failures > 0
            db.session.execute(row.where(was_failing).values(failures=0, failing_since=None))
        case DeliveryState.RETRYING | DeliveryState.FAILED if not outcome.is_ours:
            db.session.execute(
                row.values(
                    failures=Subscriber.failures + 1,
                    failing_since=sa.func.coalesce(Subscriber.failing_since, _moment(at)),
                )
            )
            _give_up_on(outcome, at)


def _give_up_on(outcome: Outcome, at: datetime) -> None:
    key = outcome.leased.subscriber_id
    subscriber = db.session.get(Subscriber, key, populate_existing=True)
    if subscriber is None or subscriber.state is not SubscriberState.ACTIVE:
        return
    if outcome.is_gone:
        subscribers.unsubscribe(subscriber, by=SYSTEM, at=at)
        return
    is_refused = outcome.state is DeliveryState.FAILED
    since = subscriber.failing_since or at
    if is_refused or (subscriber.failures >= MOST_FAILURES and at - since >= FAILING_FOR):
        subscribers.quarantine(subscriber, by=SYSTEM, at=at)


def _moment(at: datetime) -> sa.BindParameter[datetime]:
    return sa.literal(at, Subscriber.failing_since.type)


class Preparation:
    """Loads the messages and recipients of leased deliveries.

    Caches the messages of the last few events until the page changes, so that 100,000
    deliveries of one event read it once.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._settings: Settings = app.config["SETTINGS"]
        self._cache: dict[int, tuple[int, Message | None]] = {}

    def __call__(
        self, channel: Channel, leased: list[LeasedDelivery]
    ) -> list[tuple[Message, Recipient] | str]:
        """For each delivery: message and recipient, or the reason why nothing is sent."""
        with self._app.app_context():
            read_only()
            event_ids = {delivery.event_id: None for delivery in leased}
            by_event = {event_id: self._message(event_id) for event_id in event_ids}
            rows = sa.select(Subscriber).where(
                Subscriber.id.in_([delivery.subscriber_id for delivery in leased])
            )
            people = {row.id: row for row in db.session.scalars(rows)}
            remembers = registry.CHANNELS[channel].remembers
            earlier = deliveries.earlier_message_ids(channel, leased) if remembers else {}
            return [
                self._prepared(
                    channel,
                    delivery,
                    by_event[delivery.event_id],
                    people.get(delivery.subscriber_id),
                    earlier.get(delivery.id),
                )
                for delivery in leased
            ]

    def _prepared(
        self,
        channel: Channel,
        leased: LeasedDelivery,
        message: Message | None,
        person: Subscriber | None,
        earlier: str | None,
    ) -> tuple[Message, Recipient] | str:
        if message is None:
            return "There was nothing left to send."
        if person is None or person.address is None:
            return "The subscriber had already left."
        if person.state is not _STATES.get(message.kind, SubscriberState.ACTIVE):
            return f"The subscriber is {person.state.value}."
        to = messages.recipient(
            person,
            channel,
            leased.event_id,
            secret=self._settings.secret_key,
            base_url=message.page.url,
            earlier=earlier,
        )
        return message, to

    def _message(self, event_id: int) -> Message | None:
        revision = events.revision()
        cached = self._cache.get(event_id)
        if cached is None or cached[0] != revision:
            self._cache = {key: entry for key, entry in self._cache.items() if entry[0] == revision}
            event = db.session.get(Event, event_id)
            message = self._build(event) if event else None
            while len(self._cache) >= MAX_CACHED_MESSAGES:
                del self._cache[next(iter(self._cache))]
            cached = self._cache[event_id] = (revision, message)
        return cached[1]

    def _build(self, event: Event) -> Message | None:
        """Cached messages are of one revision, so they share one page."""
        present = next((message.present for _, message in self._cache.values() if message), None)
        base_url = self._settings.base_url
        return messages.of(event, at=clock.now(), base_url=base_url, present=present)


_STATES = {
    MessageKind.CONFIRMATION: SubscriberState.UNCONFIRMED,
    MessageKind.QUARANTINE: SubscriberState.QUARANTINED,
}
"""Messages sent to subscribers who are not active, by the state they must be in."""
