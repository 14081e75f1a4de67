"""Whether the news get out: the worker's signs of life, what is late, what fails."""

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
FAILURES_OF = timedelta(days=1)
DEAD_OF = timedelta(days=7)
"""What could not be delivered is warned of for so long; it is listed until it is forgotten."""


@dataclass(frozen=True)
class Health:
    """How things stood `at`."""

    at: datetime
    signs: Mapping[HeartbeatKind, datetime]
    oldest_due: datetime | None
    """Since when the oldest delivery that should be on its way has been due."""
    counts: Mapping[tuple[Channel, DeliveryState], int]
    failures: Mapping[Channel, int]
    """Deliveries of the last day that failed and did not get through since."""
    dead: int
    """Deliveries of the last `DEAD_OF` that were given up."""

    def number(self, state: DeliveryState) -> int:
        """How many deliveries stand so, over all channels."""
        return sum(number for (_, current), number in self.counts.items() if current is state)

    @property
    def silent_for(self) -> timedelta | None:
        """Since the last sign of a worker; None where none was ever seen."""
        last = self.signs.get(HeartbeatKind.TICK)
        return self.at - last if last else None

    @property
    def late_by(self) -> timedelta:
        """How long the oldest due delivery has waited."""
        return self.at - self.oldest_due if self.oldest_due else timedelta()

    @property
    def is_canary_lost(self) -> bool:
        return is_canary_lost(self.signs, at=self.at)

    def troubles(self) -> tuple[str, ...]:
        """What is wrong, a sentence each, with what to do; none when all is well."""
        causes = []
        if self.silent_for is None:
            if self.late_by > LATE_AFTER:
                causes.append("No worker has run yet, so no messages are sent. Start `flask work`.")
        elif self.silent_for > SILENT_AFTER:
            minutes = int(self.silent_for.total_seconds()) // 60
            causes.append(
                f"The worker has been silent for {minutes} min, so no messages are sent and no"
                " maintenance starts. Check its log and restart it."
            )
        if self.is_canary_lost:
            causes.append(
                "Jobs put into the queue do not reach the worker, so messages leave a"
                " second late. Check the worker's log and Redis."
            )
        if self.late_by > LATE_AFTER:
            minutes = int(self.late_by.total_seconds()) // 60
            causes.append(f"The oldest message that is due is {minutes} min late.")
        if held := self.number(DeliveryState.HELD):
            waiting = "message waits" if held == 1 else "messages wait"
            causes.append(f"{held:,} {waiting} for your decision before being sent.")
        if self.dead:
            messages = "message" if self.dead == 1 else "messages"
            days = f"the last {DEAD_OF.days} days"
            causes.append(f"{self.dead:,} {messages} could not be delivered in {days}.")
        return tuple(causes)


def check(*, at: datetime) -> Health:
    """Five queries, whatever the number of deliveries."""
    return Health(
        at=at,
        signs=heartbeat.latest(),
        oldest_due=deliveries.oldest_due(at=at),
        counts=deliveries.counts(),
        failures=delivery_stats.failures(since=at - FAILURES_OF),
        dead=delivery_stats.given_up(since=at - DEAD_OF),
    )


def log_lost_canary(troubles: FailureLog, *, at: datetime) -> None:
    """Log once that the canary is lost, and once that it, or the next one, was found."""
    troubles.note("canary", "lost", is_so=is_canary_lost(heartbeat.latest(), at=at))


def is_canary_lost(signs: Mapping[HeartbeatKind, datetime], *, at: datetime) -> bool:
    """The last worker to start left a canary in the queue that nobody ran in time."""
    started, ran = signs.get(HeartbeatKind.STARTED), signs.get(HeartbeatKind.CANARY)
    if started is None or at - started < SILENT_AFTER:
        return False
    return ran is None or ran < started
