"""What an HTTP receiver's answer means for a delivery, the same for every channel that posts."""

from datetime import timedelta
from email.utils import parsedate_to_datetime

from statuspage import clock
from statuspage.notify.channels import Failed
from statuspage.notify.outgoing import Answered

FINAL = {400, 401, 403, 404, 405, 413, 414, 415, 422}
"""Sending the same again would be answered the same."""


def judge(answered: Answered, *, is_strict: bool = True) -> None:
    """Raise `Failed` unless the receiver took it (2xx).

    410 unsubscribes. Without `is_strict` a 4xx may pass: a receiver of one's own
    may be under repair.
    """
    status = answered.status
    if 200 <= status < 300:
        return
    if status == 410:
        raise Failed("It answered 410: it wants nothing any more.", is_gone=True)
    if 300 <= status < 400:
        raise Failed(f"It answered {status}: redirects are not followed.")
    raise Failed(
        f"It answered {status}.",
        is_final=is_strict and status in FINAL,
        retry_after=_asked(answered.headers.get("retry-after", "")),
    )


def _asked(retry_after: str) -> timedelta | None:
    """`Retry-After` in seconds or as a date (RFC 9110 §10.2.3)."""
    if retry_after.isascii() and retry_after.isdecimal():
        return timedelta(seconds=min(int(retry_after[:9]), 10_000_000))
    try:
        return max(parsedate_to_datetime(retry_after) - clock.now(), timedelta(0))
    except (ValueError, TypeError, IndexError):
        return None
