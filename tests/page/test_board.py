"""The list of components on the front page: order, what is folded, and targets of its bars."""

from datetime import UTC, datetime, timedelta

import pytest

from statuspage.domain.claims import Claim, Interval
from statuspage.domain.components import verbs as components
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.statuses import ComponentStatus
from statuspage.domain.uptime import Day
from statuspage.page.html import charts
from statuspage.page.html.board import board
from statuspage.page.html.formatting import Times
from statuspage.page.snapshot import build
from tests.conftest import on_sqlite
from tests.helpers import site

COUNT = 90
TODAY = datetime(2026, 3, 10, tzinfo=UTC)
MAJOR = ComponentStatus.MAJOR_OUTAGE


def bar(*troubled):
    days = []
    for index in range(COUNT):
        start = TODAY - timedelta(days=COUNT - 1 - index)
        part = Interval(Claim(MAJOR), start, start + timedelta(minutes=5))
        is_down = index in troubled
        days.append(
            Day(
                date=start.date(),
                length_s=86_400,
                downtime_s=300 * is_down,
                seconds={MAJOR: 300} if is_down else {},
                worst=MAJOR if is_down else ComponentStatus.OPERATIONAL,
                parts=(part,) if is_down else (),
            )
        )
    return charts.bar(days, Times(UTC, TODAY))


@pytest.mark.parametrize(
    ("troubled", "shared"),
    [
        ([], []),
        ([40], [1]),
        ([40, 41], [2]),
        ([40, 43], [2]),
        ([40, 44], [1, 1]),
        ([0, 89], [1, 1]),
        ([85, 89], [2]),
        (range(40, 50), [10]),
        (range(40, 51), [5, 6]),
        (range(90), [7, 8] * 6),
    ],
)
def test_days_that_are_close_share_a_target(troubled, shared):
    assert [target.days for target in bar(*troubled).targets] == shared


@pytest.mark.parametrize(
    "troubled", [[0], [89], [85, 89], [0, 3, 7, 11], range(90), range(0, 90, 3), range(5, 20)]
)
def test_targets_are_wide_enough_for_a_finger_and_never_overlap(troubled):
    targets = bar(*troubled).targets
    assert sum(target.days for target in targets) == len(troubled)
    ends = [-charts.GAP]
    for target in targets:
        assert target.width >= charts.TARGET_DAYS * charts.STEP
        assert target.x >= ends[-1] - 1
        ends.append(target.x + target.width)
    assert ends[-1] <= COUNT * charts.STEP


def test_target_leads_to_its_newest_day_and_names_all():
    (target,) = bar(70, 71).targets
    assert str(target.newest) == "2026-02-20"
    assert target.title == "19 Feb: Major outage 5 min; 20 Feb: Major outage 5 min"


@pytest.mark.parametrize(("index", "hidden"), [(28, "o60"), (29, "o30"), (58, "o30"), (59, "")])
def test_target_older_than_a_narrow_bar_is_hidden_with_its_day(index, hidden):
    (target,) = bar(index).targets
    assert target.within == hidden


# ── order and folding ──────────────────────────────────────────────────────────


@pytest.fixture
def world(committed, at):
    return site.northwind(committed, at)


def shown(app, at):
    with app.app_context():
        return board(build.take(at=at, base_url="https://status.example.com"))


def names(section):
    return (
        section.group and section.group.name,
        [component.name for component in section.shown],
        [component.name for component in section.others],
        section.is_open,
    )


@on_sqlite
def test_board_keeps_the_order_of_the_page_while_no_incident_is_open(app, committed, world, at):
    with committed():
        site.resolve(incidents.get(world.open), at)
    result = shown(app, at)
    assert result.has_bars
    assert [names(section) for section in result.sections] == [
        (None, ["Website"], [], True),
        ("Payments", ["Card payments", "Bank transfers"], [], True),
        (None, ["Search"], [], True),
        ("Account", ["Sign-in"], [], True),
        (None, ["Webhooks"], [], True),
    ]


@on_sqlite
def test_board_puts_trouble_first_and_folds_what_is_fine(app, world, at):
    assert [names(section) for section in shown(app, at).sections] == [
        ("Payments", ["Card payments"], ["Bank transfers"], True),
        (None, ["Website", "Search", "Webhooks"], [], True),
        ("Account", ["Sign-in"], [], False),
    ]


@on_sqlite
@pytest.mark.parametrize(
    ("more", "has_bars", "is_searchable"),
    [(14, True, False), (15, False, False), (33, False, False), (34, False, True)],
)
def test_board_drops_bars_above_20_components_and_searches_from_40(
    app, committed, world, at, more, has_bars, is_searchable
):
    with committed():
        for number in range(more):
            site.a_component(f"Region {number}", at)
        assert len(components.listed()) == more + 6
    result = shown(app, at)
    assert (result.has_bars, result.is_searchable) == (has_bars, is_searchable)
