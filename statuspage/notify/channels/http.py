"""What an HTTP receiver's answer means for a delivery, the same for every channel that posts."""

import json
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from statuspage import clock
from statuspage.lib.http_client import HttpClient, Response
from statuspage.notify.channels.base import Failed

FINAL = {400, 401, 403, 404, 405, 413, 414, 415, 422}
"""Sending the same again would be answered the same."""


def post_json(
    client: HttpClient, url: str, payload: Mapping[str, Any], *, method: str = "POST"
) -> Response:
    """Send a message as JSON."""
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "Statuspage/1"}
    return client.post(url, body, headers, method=method)


def body_of(response: Response) -> dict[str, Any]:
    """The JSON object that came back; an empty one when none did."""
    try:
        data = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def judge(response: Response, *, is_strict: bool = True, is_gone_by_410: bool = True) -> None:
    """Raise `Failed` unless the receiver took it (2xx).

    410 unsubscribes. Without `is_strict` a 4xx may pass: a receiver of one's own
    may be under repair.
    """
    status = response.status
    if 200 <= status < 300:
        return
    if status == 410 and is_gone_by_410:
        raise Failed("It answered 410: it no longer accepts messages.", is_gone=True)
    if 300 <= status < 400:
        raise Failed(f"It answered {status}: redirects are not followed.")
    raise Failed(
        f"It answered {status}.",
        is_final=is_strict and status in FINAL,
        retry_after=_retry_after(response.headers.get("retry-after", ""))
        or _retry_after_in_body(response),
    )


def _retry_after(retry_after: str) -> timedelta | None:
    """`Retry-After` in seconds or as a date (RFC 9110 §10.2.3)."""
    if retry_after.isascii() and retry_after.isdecimal():
        return timedelta(seconds=min(int(retry_after[:9]), 10_000_000))
    try:
        return max(parsedate_to_datetime(retry_after) - clock.now(), timedelta(0))
    except (ValueError, TypeError, IndexError):
        return None


def _retry_after_in_body(response: Response) -> timedelta | None:
    """Seconds, as Discord (`retry_after`) and Telegram (`parameters.retry_after`) write them."""
    if response.status != 429:
        return None
    data = body_of(response)
    inner = data.get("parameters")
    seconds = data.get("retry_after", inner.get("retry_after") if isinstance(inner, dict) else None)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 1e7:
        return None
    return timedelta(seconds=seconds)
