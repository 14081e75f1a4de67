"""The one place that asks the machine what time it is."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware, in UTC. Edges ask; everything below receives `at`."""
    return datetime.now(UTC)
