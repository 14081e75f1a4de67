"""Ranges: a date at both ends if they differ as shown, a zone at both ends if they differ."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from statuspage.page.html.formatting import Times

AT = datetime(2026, 11, 30, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    "zone, start, end, style, expected",
    [
        ("Etc/UTC", "2026-11-30T14:02Z", "2026-11-30T15:10Z", "moment", "14:02–15:10 UTC"),
        ("Etc/UTC", "2026-11-30T14:02Z", "2026-11-30T15:10Z", "full", "30 Nov, 14:02–15:10 UTC"),
        ("Etc/UTC", "2026-11-29T14:02Z", "2026-11-29T15:10Z", "moment", "29 Nov, 14:02–15:10 UTC"),
        ("Etc/UTC", "2026-11-29T14:02Z", "2026-11-29T15:10Z", "clock", "14:02–15:10 UTC"),
        (
            "Etc/UTC",
            "2026-11-05T23:05Z",
            "2026-11-06T00:17Z",
            "clock",
            "5 Nov, 23:05 – 6 Nov, 00:17 UTC",
        ),
        # The same hours are one day in Vienna.
        ("Europe/Vienna", "2026-11-05T23:05Z", "2026-11-06T00:17Z", "clock", "00:05–01:17 CET"),
        # The hour that comes twice, and the one that is left out.
        (
            "Europe/Vienna",
            "2026-10-25T00:15Z",
            "2026-10-25T01:15Z",
            "moment",
            "25 Oct, 02:15 CEST – 02:15 CET",
        ),
        (
            "Europe/Vienna",
            "2026-03-29T00:30Z",
            "2026-03-29T01:30Z",
            "moment",
            "29 Mar, 01:30 CET – 03:30 CEST",
        ),
        (
            "America/New_York",
            "2026-11-01T03:30Z",
            "2026-11-01T09:30Z",
            "moment",
            "31 Oct, 23:30 EDT – 1 Nov, 04:30 EST",
        ),
        (
            "Asia/Tokyo",
            "2025-12-31T14:50Z",
            "2025-12-31T15:10Z",
            "moment",
            "31 Dec 2025, 23:50 – 1 Jan, 00:10 JST",
        ),
        ("Asia/Kathmandu", "2026-11-30T17:00Z", None, "moment", "30 Nov, 22:45 UTC+05:45 – now"),
        ("Etc/UTC", "2026-11-30T20:00Z", "2026-11-30T21:00Z", "moment", "20:00 UTC – now"),
    ],
)
def test_a_range_names_what_differs(zone, start, end, style, expected):
    times = Times(ZoneInfo(zone), AT)
    moments = [text and datetime.fromisoformat(text) for text in (start, end)]
    assert times.span(*moments, style=style) == expected
