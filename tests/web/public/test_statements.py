"""For any history, each statement about status and time equals what the intervals say."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from statuspage.domain.claims import Claim, Span
from statuspage.domain.components.models import Component
from statuspage.domain.statuses import (
    ComponentStatus,
    Impact,
    IncidentKind,
    IncidentStatus,
    page_status,
)
from statuspage.page import badges, embed
from statuspage.page.html import pages
from statuspage.page.snapshot import banner
from statuspage.page.snapshot import components as component_views
from statuspage.page.snapshot.values import IncidentView, PageView, Snapshot, UpdateView
from tests.helpers import site

UTC_ZONE = ZoneInfo("UTC")
AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FIRST = AT - 88 * DAY
MAINTENANCE = Claim(ComponentStatus.UNDER_MAINTENANCE)
NAMES = ("Alpha", "Beta", "Gamma", "Delta")


HOURS = 88 * 24
CLAIMS = st.sampled_from(
    [site.MAJOR, site.PARTIAL, site.DEGRADED, MAINTENANCE, Claim(ComponentStatus.PARTIAL_OUTAGE)]
)
HOUR_OF = st.one_of(st.integers(1, HOURS), st.integers(HOURS - 30, HOURS))
SPANS = st.lists(
    st.builds(
        lambda claim, begin, length: Span(
            claim,
            FIRST + timedelta(hours=begin),
            None if length is None else FIRST + timedelta(hours=begin + length),
        ),
        CLAIMS,
        HOUR_OF,
        st.none() | st.integers(1, 60),
    ),
    max_size=5,
)


# The reference looks at each hour by itself.


def claim_at(spans, hour):
    """The worst claim of the hour that begins then; None while operational."""
    moment = FIRST + timedelta(hours=hour)
    claims = [
        span.claim
        for span in spans
        if span.starts_at <= moment and (span.ends_at is None or moment < span.ends_at)
    ]
    return max(claims, key=lambda claim: claim.rank, default=None)


def status_at(spans, hour):
    claim = claim_at(spans, hour)
    return claim.status if claim else ComponentStatus.OPERATIONAL


def since(spans):
    status, hour = status_at(spans, HOURS), HOURS
    while status_at(spans, hour - 1) is status:
        hour -= 1
    return FIRST + timedelta(hours=hour)


def uptime(spans, count):
    """Percent over `count` calendar days that end with today, which counts as a whole."""
    begin = datetime(2026, 3, 11, tzinfo=UTC) - count * DAY
    down = Fraction(0)
    for hour in range(HOURS):
        claim = claim_at(spans, hour)
        if claim and FIRST + timedelta(hours=hour) >= begin:
            down += claim.weight
    return Decimal(int((1 - down / (count * 24)) * 10_000)) / 100


@settings(max_examples=60, deadline=None)
@given(
    st.lists(SPANS, min_size=1, max_size=4),
    st.lists(st.sets(st.integers(0, 3)), max_size=3),
    st.booleans(),
)
def test_every_statement_of_the_front_page_equals_its_intervals(histories, named, is_working):
    snapshot = snapshot_of(histories, named, is_working=is_working)
    source = pages.front(snapshot).body.decode()
    head = source[source.index('<section class="state') : source.index("</section>")]
    now = [status_at(spans, HOURS) for spans in histories]
    troubled = [status for status in now if status is not ComponentStatus.OPERATIONAL]

    for name, status in zip(NAMES, now, strict=False):
        assert re.search(rf">{name}</a></h3><span [^>]*>.*?</svg> {status.label}\b", source), name

    counted = {"major outage": "major_outage", "partial outage": "partial_outage"}
    for count, word in re.findall(r"(\d+) (major outage|partial outage|degraded)s?\b", head):
        expected = counted.get(word, "degraded_performance")
        assert int(count) == sum(status == expected for status in now)
    for count, total in re.findall(r"(\d+) of (\d+) components? (?:is|are) operational", head):
        assert (int(count), int(total)) == (len(now) - len(troubled), len(now))
    for count in re.findall(r"(\d+) in maintenance", head):
        assert int(count) == sum(status is ComponentStatus.UNDER_MAINTENANCE for status in now)
    if "Everything else is operational" in head:
        assert len(troubled) == 1
    if "All components are operational" in head or "All systems operational" in head:
        assert troubled == []
    if "Every component is affected" in head:
        assert len(troubled) == len(now)

    spoken = [n for n in range(len(now)) if len(named) != 1 or n in named[0]]
    for label, moment in re.findall(
        r"(Major outage|Partial outage|Degraded performance|Under maintenance)"
        r' since <time datetime="([^"]+)"',
        head,
    ):
        held = [histories[n] for n in spoken if now[n].label == label]
        assert datetime.fromisoformat(moment) == min(since(spans) for spans in held)
        assert max(now[n].severity for n in spoken) == status_at(held[0], HOURS).severity

    for spans, view in zip(histories, snapshot.components, strict=True):
        bar = source[source.index(f'id="c-{view.id}"') :]
        for name, count in ((90, 90), (60, 61), (30, 31)):
            (figure,) = re.findall(rf'class="w{name}">([\d.]+) % uptime', bar)[:1]
            if count == 90 and any(span.starts_at < FIRST + DAY for span in spans):
                continue
            assert Decimal(figure) == uptime(spans, count)

    # One state has one name wherever it is shown.
    label, headline = snapshot.banner.label, snapshot.banner.headline
    assert badges.of_page(snapshot).words == label
    card = embed.card(snapshot).body.decode()
    assert re.findall(r"<h1[^>]*>(.*?)</h1>", card) == [headline]
    assert snapshot.banner.rest in card


# ── helpers of the property ────────────────────────────────────────────────────

PAGE = PageView(
    id="page",
    name="Northwind",
    is_named=True,
    url="https://status.example.com",
    zone=UTC_ZONE,
    about_html="",
    footer_html="",
    support_url=None,
    accent=None,
    accent_dark=None,
    logo_url=None,
    is_hidden=False,
    updated_at=AT,
    revision=1,
)


def snapshot_of(histories, named, *, is_working):
    views = tuple(
        component_views.of_component(
            Component(
                public_id=name.lower(),
                name=name,
                position=position,
                showcase=True,
                only_show_if_degraded=False,
                created_at=AT - 365 * DAY,
                updated_at=AT,
            ),
            spans,
            UTC_ZONE,
            AT,
        )
        for position, (name, spans) in enumerate(zip(NAMES, histories, strict=False))
    )
    opened = tuple(
        an_incident(
            f"Incident {number}",
            tuple((views[n].id, views[n].name) for n in chosen if n < len(views)),
        )
        for number, chosen in enumerate(named)
    )
    works = tuple(
        replace(
            an_incident("Work", tuple((one.id, one.name) for one in views[:1])),
            kind=IncidentKind.MAINTENANCE,
            status=IncidentStatus.IN_PROGRESS,
            impact=Impact.MAINTENANCE,
            scheduled_for=AT - timedelta(hours=1),
            scheduled_until=AT + timedelta(hours=1),
        )
        for _ in range(is_working)
    )
    return Snapshot(
        at=AT,
        page=PAGE,
        items=views,
        metrics=(),
        status=page_status([view.status for view in views]),
        banner=banner.banner(views, opened, works),
        incidents=opened,
        maintenances=works,
        past=((AT.date(), ()),),
    )


def an_incident(name, named):
    started = AT - timedelta(hours=7)
    update = UpdateView(
        id="update",
        status=IncidentStatus.INVESTIGATING,
        is_first_of_status=True,
        body="We look.",
        html="<p>We look.</p>",
        posted_at=started,
        updated_at=started,
        created_at=started,
        edited_at=None,
        edits=(),
        changes=(),
        next_update_by=None,
        is_automatic=False,
        notify=True,
        custom_tweet=None,
        tweet_id=None,
    )
    return IncidentView(
        id=name.lower().replace(" ", ""),
        row_id=1,
        kind=IncidentKind.INCIDENT,
        name=name,
        status=IncidentStatus.INVESTIGATING,
        impact=Impact.MINOR,
        who_is_affected=None,
        what_still_works=None,
        what_you_can_do=None,
        next_update_by=None,
        is_overdue=False,
        started_at=started,
        began_at=started,
        detected_at=None,
        told_at=started,
        mitigated_at=None,
        resolved_at=None,
        scheduled_for=None,
        scheduled_until=None,
        is_backfilled=False,
        created_at=started,
        updated_at=started,
        updates=(update,),
        components=named,
        worst=site.DEGRADED,
        promises_kept=0,
        promises_made=0,
        corrections=(),
        postmortem=None,
        shortlink=None,
        reminder_intervals=None,
        announced_at=started,
    )
