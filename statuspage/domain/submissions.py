"""Submissions: a form sent twice does its work once.

Each form carries a random `nonce`; the first answer is remembered in the same
transaction as the change, a repetition is sent to the same place.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from statuspage.db import Model, db

KEPT_FOR = timedelta(days=2)


class Submission(Model):
    nonce: Mapped[str] = mapped_column(sa.String(64), unique=True)
    location: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)


def location_of(nonce: str) -> str | None:
    """Where the first sending of this form was answered; None when it is new."""
    return db.session.scalar(sa.select(Submission.location).where(Submission.nonce == nonce))


def remember(nonce: str, location: str, *, at: datetime) -> None:
    """Note the answer. A concurrent twin fails on the unique nonce at the flush."""
    db.session.execute(sa.delete(Submission).where(Submission.at < at - KEPT_FOR))
    db.session.add(Submission(nonce=nonce, location=location, at=at))
    db.session.flush()
