"""Heartbeats of the worker, in the database so that every process sees them.

They are not events and do not raise the revision.
"""

from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from statuspage.db import Model, db, upsert

EVERY = timedelta(seconds=10)
"""How often the worker records a tick."""


class HeartbeatKind(StrEnum):
    STARTED = "started"
    """A worker queued a canary job."""
    CANARY = "canary"
    """A canary job ran."""
    TICK = "tick"
    """A tick ended without a failure."""


class Heartbeat(Model):
    __tablename__ = "pulse"

    __table_args__ = (sa.UniqueConstraint("sign"),)

    sign: Mapped[HeartbeatKind]
    at: Mapped[datetime]


def record(sign: HeartbeatKind, *, at: datetime) -> None:
    """Record a heartbeat; the caller commits."""
    db.session.execute(
        upsert(Heartbeat)
        .values(sign=sign, at=at)
        .on_conflict_do_update(index_elements=["sign"], set_={"at": at})
    )


def latest() -> dict[HeartbeatKind, datetime]:
    """The last heartbeat of each kind; kinds never seen are missing."""
    return {row.sign: row.at for row in db.session.scalars(sa.select(Heartbeat))}
