"""Uptime from intervals: Statuspage's figures, and days as people's calendars have them."""

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspage.config import PROJECT
from statuspage.domain import uptime
from statuspage.domain.claims import Claim, Span, effective, intervals, status_since
from statuspage.domain.components import claims_store
from statuspage.domain.incidents import corrections
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Moment, Moments, UpdateInput
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from statuspage.domain.uptime import Window
from statuspage.errors import Invalid
from tests.helpers.domain import (
    ANNA,
    AT,
    DEGRADED,
    HOUR,
    MAINTENANCE,
    MAJOR,
    MINUTE,
    OPERATIONAL,
    PARTIAL,
)

UTC_ZONE = ZoneInfo("UTC")
SAMPLES = PROJECT / "tests/samples/uptime/cases.jsonl"
CASES = [json.loads(line) for line in SAMPLES.read_text().splitlines()]


def share(percent: str) -> Claim:
    return Claim(ComponentStatus.PARTIAL_OUTAGE, Decimal(percent))


def spans_of(case) -> list[Span]:
    """Each day's seconds of partial, then of major outage, in one row from midnight."""
    spans = []
    for day, lengths in case["outages"].items():
        begin = datetime.fromisoformat(day).replace(tzinfo=UTC)
        for claim, seconds in zip((PARTIAL, MAJOR), lengths, strict=True):
            if seconds:
                spans.append(Span(claim, begin, begin + timedelta(seconds=seconds)))
                begin = spans[-1].ends_at
    return spans


def one_day(spans, day, zone=UTC_ZONE, **options) -> uptime.Day:
    options.setdefault("at", datetime(2100, 1, 1, tzinfo=UTC))
    return uptime.days(spans, last=day, count=1, zone=zone, **options)[0]


# ── Statuspage's own figures ───────────────────────────────────────────────────


@pytest.mark.parametrize("window", Window)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["component"])
def test_uptime_matches_recordings_of_statuspage(case, window):
    last = date.fromisoformat(case["last"])
    found = uptime.days(
        spans_of(case),
        last=last,
        count=window.days,
        zone=UTC_ZONE,
        at=datetime.combine(last, time(12), UTC),
    )
    assert uptime.percentage(found) == Decimal(str(case["shown"][window.value]))


def test_uptime_samples_have_three_windows_of_17_components():
    assert sum(len(case["shown"]) for case in CASES) == 51


# ── weights ────────────────────────────────────────────────────────────────────

A_DAY = date(2026, 3, 10)
MIDNIGHT = datetime(2026, 3, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "claim, weighted_s",
    [
        (MAJOR, 3600),
        (PARTIAL, 1080),
        (share("12"), 432),
        (share("0"), 0),
        (share("100"), 3600),
        (share("0.01"), Fraction(36, 100)),
        (Claim(ComponentStatus.MAJOR_OUTAGE, Decimal(12)), 3600),
        (DEGRADED, 0),
        (Claim(ComponentStatus.DEGRADED_PERFORMANCE, Decimal(80)), 0),
        (MAINTENANCE, 0),
    ],
    ids=str,
)
def test_downtime_is_weighted_by_status_and_share(claim, weighted_s):
    day = one_day([Span(claim, MIDNIGHT, MIDNIGHT + HOUR)], A_DAY)
    assert day.downtime_s == weighted_s
    assert day.seconds == {claim.status: 3600}
    assert day.worst is claim.status


def test_uptime_percentage_is_truncated():
    second = timedelta(seconds=1)
    assert uptime.percentage([one_day([Span(MAJOR, MIDNIGHT, MIDNIGHT + second)], A_DAY)]) == (
        Decimal("99.99")
    )
    nearly_all = [Span(MAJOR, MIDNIGHT, MIDNIGHT + timedelta(days=1) - second)]
    assert uptime.percentage([one_day(nearly_all, A_DAY)]) == 0


@pytest.mark.parametrize(
    "other, weighted_s",
    [(PARTIAL, 3600), (MAINTENANCE, 3600), (OPERATIONAL, 3600), (MAJOR, 3600)],
    ids=str,
)
def test_overlapping_claims_count_once_at_their_worst(other, weighted_s):
    spans = [Span(MAJOR, MIDNIGHT, MIDNIGHT + HOUR), Span(other, MIDNIGHT, MIDNIGHT + HOUR)]
    assert one_day(spans, A_DAY).downtime_s == weighted_s
    assert one_day(spans[::-1], A_DAY).downtime_s == weighted_s


def test_larger_share_of_two_partial_outages_counts():
    spans = [
        Span(share("10"), MIDNIGHT, MIDNIGHT + 2 * HOUR),
        Span(PARTIAL, MIDNIGHT + HOUR, MIDNIGHT + 3 * HOUR),
        Span(share("50"), MIDNIGHT + 2 * HOUR, MIDNIGHT + 4 * HOUR),
    ]
    assert one_day(spans, A_DAY).downtime_s == 360 + 1080 + 1800 + 1800


def test_maintenance_inside_an_outage_does_not_hide_it():
    spans = [
        Span(MAJOR, MIDNIGHT, MIDNIGHT + 3 * HOUR),
        Span(MAINTENANCE, MIDNIGHT + HOUR, MIDNIGHT + 4 * HOUR),
    ]
    day = one_day(spans, A_DAY)
    assert day.downtime_s == 3 * 3600
    assert day.seconds == {
        ComponentStatus.MAJOR_OUTAGE: 10_800,
        ComponentStatus.UNDER_MAINTENANCE: 3600,
    }


# ── days ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "zone, day, hours",
    [
        ("Europe/Vienna", date(2026, 3, 29), 23),
        ("Europe/Vienna", date(2026, 10, 25), 25),
        ("Europe/Vienna", date(2026, 10, 26), 24),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), Fraction(49, 2)),
        ("Australia/Lord_Howe", date(2026, 10, 4), Fraction(47, 2)),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),
        ("Africa/Cairo", date(2026, 4, 24), 23),
        ("Africa/Cairo", date(2026, 10, 29), 25),
        ("Asia/Beirut", date(2026, 3, 29), 23),
        ("Asia/Kathmandu", date(2026, 3, 29), 24),
    ],
)
def test_day_length_follows_the_time_zone(zone, day, hours):
    zone = ZoneInfo(zone)
    begin, end = uptime.day_start(day, zone), uptime.day_start(day + timedelta(days=1), zone)
    whole = one_day([Span(MAJOR, begin, end)], day, zone)
    assert whole.length_s == hours * 3600
    assert whole.downtime_s == whole.length_s
    assert uptime.percentage([whole]) == 0
    outside = [Span(MAJOR, begin - HOUR, begin), Span(MAJOR, end, end + HOUR)]
    assert one_day(outside, day, zone).downtime_s == 0


def test_day_begins_at_one_where_midnight_is_skipped():
    zone = ZoneInfo("America/Sao_Paulo")
    begin = uptime.day_start(date(2018, 11, 4), zone)
    assert begin.astimezone(zone).time() == time(1)
    assert (begin - timedelta(seconds=1)).astimezone(zone).date() == date(2018, 11, 3)


@pytest.mark.parametrize("zone", ["America/Havana", "Atlantic/Azores"])
def test_day_begins_at_the_first_of_two_midnights(zone):
    # Both zones turn the clock back from 01:00 to 00:00.
    zone = ZoneInfo(zone)
    day = {"America/Havana": date(2026, 11, 1), "Atlantic/Azores": date(2026, 10, 25)}[zone.key]
    begin = uptime.day_start(day, zone)
    assert begin.astimezone(zone).time() == time(0)
    assert (begin - timedelta(seconds=1)).astimezone(zone).date() == day - timedelta(days=1)
    assert one_day([], day, zone).length_s == 25 * 3600


def test_outage_over_midnight_is_split_in_the_page_time_zone():
    zone = ZoneInfo("Europe/Vienna")
    begin = datetime(2026, 3, 9, 22, 30, tzinfo=UTC)  # 23:30 in Vienna
    spans = [Span(MAJOR, begin, begin + HOUR)]
    before, after = uptime.days(spans, last=A_DAY, count=2, zone=zone, at=AT)
    assert (before.downtime_s, after.downtime_s) == (1800, 1800)
    assert before.parts[0].ends_at == after.parts[0].starts_at == begin + HOUR / 2


@given(
    zone=st.sampled_from(
        ["Europe/Vienna", "Australia/Lord_Howe", "Africa/Cairo", "America/Havana"]
    ),
    last=st.dates(date(2025, 1, 1), date(2026, 12, 31)),
    count=st.integers(1, 90),
)
def test_days_have_no_gap_or_overlap(zone, last, count):
    zone = ZoneInfo(zone)
    begin = uptime.day_start(last - timedelta(days=count - 1), zone)
    end = uptime.day_start(last + timedelta(days=1), zone)
    always = [Span(PARTIAL, begin - HOUR)]
    found = uptime.days(always, last=last, count=count, zone=zone, at=end + HOUR)
    parts = [part for day in found for part in day.parts]
    assert (parts[0].starts_at, parts[-1].ends_at) == (begin, end)
    assert all(one.ends_at == two.starts_at for one, two in pairwise(parts))
    assert sum(day.length_s for day in found) == (end - begin).total_seconds()


def test_days_before_the_start_date_have_no_data():
    spans = [Span(MAJOR, MIDNIGHT - timedelta(days=3), MIDNIGHT + 6 * HOUR)]
    found = uptime.days(spans, last=A_DAY, count=4, zone=UTC_ZONE, at=AT, start_date=A_DAY)
    assert [day.has_data for day in found] == [False, False, False, True]
    assert [day.downtime_s for day in found] == [0, 0, 0, 6 * 3600]
    assert uptime.percentage(found) == 75


def test_uptime_is_none_without_a_day_of_data():
    tomorrow = A_DAY + timedelta(days=1)
    found = uptime.days([], last=A_DAY, count=90, zone=UTC_ZONE, at=AT, start_date=tomorrow)
    assert uptime.percentage(found) is None


def test_today_counts_as_a_whole_day_with_its_rest_up():
    open_end = [Span(MAJOR, AT - 6 * HOUR)]
    day = one_day(open_end, A_DAY, at=AT)
    assert day.length_s == 86_400
    assert day.downtime_s == 6 * 3600
    assert uptime.percentage([day]) == 75


# ── the figure explained ───────────────────────────────────────────────────────


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4 * 86_400),
            st.integers(0, 86_400),
            st.sampled_from([MAJOR, PARTIAL, share("33.33"), DEGRADED, MAINTENANCE]),
        ),
        max_size=8,
    )
)
def test_daily_parts_add_up_to_the_uptime(rows):
    first = MIDNIGHT - timedelta(days=3)
    spans = [
        Span(claim, first + timedelta(seconds=begin), first + timedelta(seconds=begin + length))
        for begin, length, claim in rows
    ]
    found = uptime.days(spans, last=A_DAY, count=4, zone=UTC_ZONE, at=MIDNIGHT + timedelta(days=1))
    down = Fraction(0)
    for day in found:
        explained = sum(
            (
                int((part.ends_at - part.starts_at).total_seconds()) * part.claim.weight
                for part in day.parts
            ),
            Fraction(0),
        )
        assert explained == day.downtime_s
        assert sum(day.seconds.values()) <= day.length_s
        assert all(one.ends_at <= two.starts_at for one, two in pairwise(day.parts))
        down += explained
    hundredths = (1 - down / (4 * 86_400)) * 10_000
    assert uptime.percentage(found) == Decimal(int(hundredths)) / 100


# ── intervals ──────────────────────────────────────────────────────────────────

MOMENTS = [MIDNIGHT + n * MINUTE for n in range(12)]
SPANS = st.lists(
    st.builds(
        lambda claim, begin, length: Span(
            claim, MOMENTS[begin], None if length is None else MOMENTS[min(begin + length, 11)]
        ),
        st.sampled_from([MAJOR, PARTIAL, share("10"), share("60"), DEGRADED, MAINTENANCE]),
        st.integers(0, 11),
        st.none() | st.integers(0, 6),
    ),
    max_size=8,
)


@given(SPANS)
def test_intervals_have_no_gap_and_hold_the_worst_claim(spans):
    found = intervals(spans, MOMENTS[0], MOMENTS[-1])
    assert (found[0].starts_at, found[-1].ends_at) == (MOMENTS[0], MOMENTS[-1])
    assert all(one.ends_at == two.starts_at for one, two in pairwise(found))
    assert all(one.claim != two.claim for one, two in pairwise(found))
    for moment in MOMENTS[:-1]:
        here = next(part for part in found if part.starts_at <= moment < part.ends_at)
        assert here.claim == effective(spans, moment)


@given(SPANS, st.integers(0, 11))
def test_a_status_is_dated_from_the_first_moment_of_its_unbroken_row(spans, index):
    at = MOMENTS[index]
    since = status_since(spans, at, known_from=MIDNIGHT - MINUTE)
    statuses = [effective(spans, moment).status for moment in MOMENTS]
    if statuses[index] is ComponentStatus.OPERATIONAL:
        assert since is None
        return
    first = index
    while first > 0 and statuses[first - 1] is statuses[index]:
        first -= 1
    assert since == MOMENTS[first]


def test_a_status_older_than_what_is_known_has_no_start():
    spans = [Span(MAJOR, MIDNIGHT - HOUR)]
    assert status_since(spans, MIDNIGHT + HOUR, known_from=MIDNIGHT) is None


def test_no_interval_lies_in_an_empty_window():
    assert intervals([Span(MAJOR, MIDNIGHT)], AT, AT) == []


# ── edits of the past ──────────────────────────────────────────────────────────


def figure(component, day=A_DAY, at=AT) -> Decimal:
    rows = claims_store.claims_since(MIDNIGHT - timedelta(days=90))
    spans = [row.span for row in rows if row.component_id == component.id]
    return uptime.percentage([one_day(spans, day, at=at)])


def six_hours_down(component):
    return incidents.backfill(
        "Outage",
        UpdateInput(
            status=IncidentStatus.RESOLVED, body="All is well again.", claims={component: MAJOR}
        ),
        Moments(started_at=AT - 7 * HOUR, resolved_at=AT - HOUR),
        by=ANNA,
        at=AT,
    )


def test_correcting_a_claim_corrects_the_uptime(payments):
    six_hours_down(payments)
    assert figure(payments) == 75
    (row,) = claims_store.claims_since(MIDNIGHT)
    told = {"by": ANNA, "at": AT, "starts_at": row.starts_at, "ends_at": row.ends_at}
    claims_store.correct_claim(row, claim=share("50"), reason="Only half failed", **told)
    assert figure(payments) == Decimal("87.5")
    claims_store.correct_claim(row, claim=OPERATIONAL, reason="Never was", **told)
    assert figure(payments) == 100


def test_claim_correction_requires_a_reason_and_ordered_times(payments):
    six_hours_down(payments)
    (row,) = claims_store.claims_since(MIDNIGHT)
    good = {
        "by": ANNA,
        "at": AT,
        "claim": MAJOR,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "reason": "Log of the load balancer",
    }
    for field, wrong in [
        ("reason", " "),
        ("starts_at", AT + HOUR),
        ("ends_at", AT + HOUR),
        ("ends_at", row.starts_at - HOUR),
        ("ends_at", None),
        ("claim", share("101")),
    ]:
        with pytest.raises(Invalid):
            claims_store.correct_claim(row, **{**good, field: wrong})
    assert figure(payments) == 75


def test_correcting_an_incidents_times_corrects_the_uptime(payments):
    incident = six_hours_down(payments)
    told = {"reason": "Log of the load balancer", "by": ANNA, "at": AT}
    corrections.correct_moment(incident, Moment.STARTED, AT - 4 * HOUR, **told)
    assert figure(payments) == Decimal("87.5")
    corrections.correct_moment(incident, Moment.RESOLVED, AT - 2 * HOUR, **told)
    assert figure(payments) == Decimal("91.66")


def test_retracted_incident_does_not_count_as_downtime(payments):
    incident = six_hours_down(payments)
    corrections.retract(incident, reason="Another company's outage.", by=ANNA, at=AT)
    assert figure(payments) == 100


def test_incident_reported_late_counts_from_its_start(payments):
    incident = incidents.open_incident(
        "Outage",
        UpdateInput(
            status=IncidentStatus.INVESTIGATING, body="We are looking.", claims={payments: MAJOR}
        ),
        started_at=AT - 3 * HOUR,
        by=ANNA,
        at=AT,
    )
    assert figure(payments) == Decimal("87.5")
    incidents.post_update(
        incident, UpdateInput(status=IncidentStatus.RESOLVED, body="Fixed."), by=ANNA, at=AT + HOUR
    )
    assert figure(payments, at=AT + 5 * HOUR) == Decimal("83.33")
