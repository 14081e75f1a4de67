"""What a restored copy must not do: send what was due when it was made, let old sessions in.

The world went on since the backup. Whoever was told in between must not be told again by a
copy that does not know of it, so everything unsent waits for staff.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.events import Actor
from statuspage.domain.incidents import maintenance
from statuspage.domain.staff.members import SignInLink, Staff
from statuspage.domain.staff.sessions import AdminSession
from statuspage.notify import fanout
from statuspage.notify.deliveries import Delivery, DeliveryState

REASON = "Restored from a backup: send it if it is still current."
MOST_STEPS = 1_000
"""Of maintenance that begins or ends at once: each window takes at most a few."""


@dataclass(frozen=True)
class RestoreReport:
    """What was done to a restored copy."""

    held: int
    """Deliveries that wait for staff."""
    staff: int
    """Members whose sessions ended."""


def settle_after_restore(*, made_at: datetime, by: Actor, at: datetime) -> RestoreReport:
    """Let time catch up in a restored copy without a word to anybody; the caller commits.

    Maintenance that should have begun or ended meanwhile does so now, every event gets its
    deliveries, and all that is unsent is held.
    """
    _catch_up(at)
    held = _hold_unsent(at)
    members = _end_sessions(at)
    events.record(
        "backup.restored",
        subject="backup",
        title=f"Backup of {made_at:%Y-%m-%d %H:%M} UTC",
        by=by,
        at=at,
        data={"held": held},
        is_public=False,
    )
    return RestoreReport(held, members)


def _catch_up(at: datetime) -> None:
    for _ in range(MOST_STEPS):
        due = maintenance.due(at=at)
        for public_id in due:
            maintenance.advance(public_id, at=at)
        db.session.flush()
        if not due or maintenance.due(at=at) == due:
            break
    while waiting := events.pending_fanout(limit=100):
        for event in waiting:
            while fanout.fan_out_next(event, at=at):
                db.session.flush()
        db.session.flush()


def _hold_unsent(at: datetime) -> int:
    unsent = (DeliveryState.PENDING, DeliveryState.RETRYING, DeliveryState.SENDING)
    query = sa.update(Delivery).where(Delivery.state.in_(unsent))
    db.session.execute(
        query.values(
            state=DeliveryState.HELD, due_at=at, lease=None, last_error=REASON
        ).execution_options(synchronize_session=False)
    )
    held = sa.select(sa.func.count()).where(Delivery.state == DeliveryState.HELD)
    return db.session.scalar(held) or 0


def _end_sessions(at: datetime) -> int:
    """No cookie from before works: the minutes since 1970 are more than any earlier version."""
    later = int(at.timestamp() // 60)
    db.session.execute(sa.delete(SignInLink))
    db.session.execute(sa.delete(AdminSession))
    ended = db.session.execute(
        sa.update(Staff)
        .values(
            session_version=sa.case(
                (Staff.session_version < later, later), else_=Staff.session_version + 1
            )
        )
        .execution_options(synchronize_session=False)
    )
    return ended.rowcount  # type: ignore[attr-defined, no-any-return]
