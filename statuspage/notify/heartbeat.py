"""Signs of life of the worker, in the database, where every process sees them.

They change nothing public, so they are no events and leave the revision alone.
"""

from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from statuspage.db import Model, db, upsert

EVERY = timedelta(seconds=10)
"""How often the worker shows that it ticks."""


class HeartbeatKind(StrEnum):
    """What was seen last, each at its own moment."""

    STARTED = "started"
    """A worker left a canary in the queue."""
    CANARY = "canary"
    """A canary came out of the queue and was run."""
    TICK = "tick"
    """Time passed for the domain and the ledger, without a failure."""


class Heartbeat(Model):
    __tablename__ = "pulse"

    __table_args__ = (sa.UniqueConstraint("sign"),)

    sign: Mapped[HeartbeatKind]
    at: Mapped[datetime]


def record(sign: HeartbeatKind, *, at: datetime) -> None:
    """Write down that `sign` was seen; the caller commits."""
    db.session.execute(
        upsert(Heartbeat)
        .values(sign=sign, at=at)
        .on_conflict_do_update(index_elements=["sign"], set_={"at": at})
    )


def latest() -> dict[HeartbeatKind, datetime]:
    """When each sign was seen last; those never seen are missing."""
    return {row.sign: row.at for row in db.session.scalars(sa.select(Heartbeat))}
