"""Submissions: a form or an API request that is sent twice does its work once.

Each form carries a random `nonce`, an API request may carry an `Idempotency-Key`.
The first answer is remembered in the same transaction as the change; a repetition
is given the same one.
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


class ApiAnswer(Model):
    """What a token was answered when it sent a key for the first time."""

    __table_args__ = (sa.UniqueConstraint("token_id", "key"),)

    token_id: Mapped[int] = mapped_column(sa.ForeignKey("api_token.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(sa.String(255))
    request_hash: Mapped[str] = mapped_column(sa.String(64))
    """Of the address and the body: the same key with another request is a mistake."""
    status: Mapped[int]
    body: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)


def answer_to(token_id: int, key: str) -> ApiAnswer | None:
    """What this token was answered to this key; None when the key is new."""
    return db.session.scalar(
        sa.select(ApiAnswer).where(ApiAnswer.token_id == token_id, ApiAnswer.key == key)
    )


def remember_answer(
    token_id: int, key: str, *, request_hash: str, status: int, body: str, at: datetime
) -> None:
    """Note the answer. A concurrent twin fails on the unique key at the flush."""
    db.session.execute(sa.delete(ApiAnswer).where(ApiAnswer.at < at - KEPT_FOR))
    db.session.add(
        ApiAnswer(
            token_id=token_id,
            key=key,
            request_hash=request_hash,
            status=status,
            body=body,
            at=at,
        )
    )
    db.session.flush()
