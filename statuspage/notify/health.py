"""Health of the notifications: heartbeats of the worker, late and failed deliveries."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from statuspage.domain.subscribers.subscriptions import Channel
from statuspage.notify import deliveries, delivery_stats, heartbeat
from statuspage.notify.deliveries import DeliveryState
from statuspage.notify.failure_log import FailureLog
from statuspage.notify.heartbeat import HeartbeatKind

SILENT_AFTER = timedelta(seconds=60)
LATE_AFTER = timedelta(seconds=60)
FAILURES_WINDOW = timedelta(days=1)
FAILED_WINDOW = timedelta(days=7)
"""How long failed deliveries cause a warning; they stay listed until they are deleted."""


@dataclass(frozen=True)
class Health:
    """The state `at` a moment."""

    at: datetime
    heartbeats: Mapping[HeartbeatKind, datetime]
    oldest_due: datetime | None
    """When the oldest unsent delivery became due."""
    counts: Mapping[tuple[Channel, DeliveryState], int]
    failures: Mapping[Channel, int]
    """By channel, deliveries of the last day that are failing."""
    failed: int
    """Deliveries of the last `FAILED_WINDOW` that failed for good."""

    def number(self, state: DeliveryState) -> int:
        """Deliveries in this state, over all channels."""
        return sum(number for (_, current), number in self.counts.items() if current is state)

    @property
    def silent_for(self) -> timedelta | None:
        """Time since the worker's last tick; None if there was none."""
        last = self.heartbeats.get(HeartbeatKind.TICK)
        return self.at - last if last else None

    @property
    def late_by(self) -> timedelta:
        """How late the oldest due delivery is."""
        return self.at - self.oldest_due if self.oldest_due else timedelta()

    @property
    def is_canary_lost(self) -> bool:
        return is_canary_lost(self.heartbeats, at=self.at)

    def problems(self) -> tuple[str, ...]:
        """A sentence for each problem, with what to do; empty if all is well."""
        sentences = []
        if self.silent_for is None:
            if self.late_by > LATE_AFTER:
                sentences.append(
                    "No worker has run yet, so no messages are sent. Start `flask work`."
                )
        elif self.silent_for > SILENT_AFTER:
            minutes = int(self.silent_for.total_seconds()) // 60
            sentences.append(
                f"The worker has been silent for {minutes} min, so no messages are sent and no"
                " maintenance starts. Check its log and restart it."
            )
        if self.is_canary_lost:
            sentences.append(
                "Jobs put into the queue do not reach the worker, so messages leave a"
                " second late. Check the worker's log and Redis."
            )
        if self.late_by > LATE_AFTER:
            minutes = int(self.late_by.total_seconds()) // 60
            sentences.append(f"The oldest message that is due is {minutes} min late.")
        if held := self.number(DeliveryState.HELD):
            waiting = "message waits" if held == 1 else "messages wait"
            sentences.append(f"{held:,} {waiting} for your decision before being sent.")
        if self.failed:
            messages = "message" if self.failed == 1 else "messages"
            days = f"the last {FAILED_WINDOW.days} days"
            sentences.append(f"{self.failed:,} {messages} could not be delivered in {days}.")
        return tuple(sentences)


def check(*, at: datetime) -> Health:
    """Run five queries, whatever the number of deliveries."""
    return Health(
        at=at,
        heartbeats=heartbeat.latest(),
        oldest_due=deliveries.oldest_due(at=at),
        counts=deliveries.counts(),
        failures=delivery_stats.failures(since=at - FAILURES_WINDOW),
        failed=delivery_stats.given_up(since=at - FAILED_WINDOW),
    )


def log_lost_canary(failure_log: FailureLog, *, at: datetime) -> None:
    """Log once when the canary is lost, and once when it or the next one arrives."""
    failure_log.note("canary", "lost", is_active=is_canary_lost(heartbeat.latest(), at=at))


def is_canary_lost(heartbeats: Mapping[HeartbeatKind, datetime], *, at: datetime) -> bool:
    """Whether the canary that the last worker queued at its start was not run in time."""
    started, ran = heartbeats.get(HeartbeatKind.STARTED), heartbeats.get(HeartbeatKind.CANARY)
    if started is None or at - started < SILENT_AFTER:
        return False
    return ran is None or ran < started
