"""Tests of the rules in `statuspage/domain/`: the moment they happen at, and short words."""

import importlib
import pkgutil
from datetime import UTC, datetime, timedelta

from statuspage import domain
from statuspage.domain.claims import Claim
from statuspage.domain.events import Actor, ActorKind
from statuspage.domain.incidents import maintenance
from statuspage.domain.incidents.models import Incident
from statuspage.domain.statuses import ComponentStatus

# Every table is known before any is made.
for module in pkgutil.walk_packages(domain.__path__, f"{domain.__name__}."):
    importlib.import_module(module.name)

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


def let_time_pass(at: datetime) -> list[Incident]:
    """Every maintenance takes the steps that are due, as with a tick; one entry a step."""
    return [
        update.incident
        for public_id in maintenance.due(at=at)
        for update in maintenance.advance(public_id, at=at)
    ]
