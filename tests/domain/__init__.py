"""Tests of the rules in `statuspage/domain/`: the moment they happen at, and short words."""

from datetime import UTC, datetime, timedelta

from statuspage.domain import (  # noqa: F401  every table is known before any is made
    incidents,
    maintenance,
    pages,
    postmortems,
    staff,
    submissions,
)
from statuspage.domain.claims import Claim
from statuspage.domain.events import Actor, ActorKind
from statuspage.domain.status import ComponentStatus

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)

ANNA = Actor(ActorKind.STAFF, "Anna")
BEN = Actor(ActorKind.STAFF, "Ben")

OPERATIONAL = Claim(ComponentStatus.OPERATIONAL)
MAINTENANCE = Claim(ComponentStatus.UNDER_MAINTENANCE)
DEGRADED = Claim(ComponentStatus.DEGRADED_PERFORMANCE)
PARTIAL = Claim(ComponentStatus.PARTIAL_OUTAGE)
MAJOR = Claim(ComponentStatus.MAJOR_OUTAGE)
