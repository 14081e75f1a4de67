"""The demo page of a first start: an invented company with a year behind it.

Told through the same verbs that staff use, in the order in which it happened, so
that the log, the figures and the timelines agree. The same story every time, told
relative to now.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from statuspage.demo.stories import MAINTENANCE, STORIES, Story, Work
from statuspage.domain import page_settings
from statuspage.domain.claims import Claim
from statuspage.domain.components import models
from statuspage.domain.components import verbs as components
from statuspage.domain.components.models import Component
from statuspage.domain.events import SYSTEM, Actor, ActorKind
from statuspage.domain.incidents import corrections, maintenance, postmortems
from statuspage.domain.incidents.models import Facts, Incident, Schedule, UpdateInput
from statuspage.domain.incidents.postmortems import Action, ActionState, Part
from statuspage.domain.incidents.verbs import open_incident, post_update
from statuspage.domain.page_settings import PageEdit
from statuspage.domain.staff import members as staff
from statuspage.domain.staff.members import Role
from statuspage.domain.statuses import ComponentStatus, IncidentStatus

OWNER_EMAIL = "owner@brambleway.example"
ZONE = "Europe/Vienna"
MIRA = Actor(ActorKind.STAFF, "Mira Olsen")
TOMEK = Actor(ActorKind.STAFF, "Tomek Baran")

_SEED = 2026
_YEAR = timedelta(days=365)

# Name, group, description, days since its start (None: always).
_COMPONENTS: tuple[tuple[str, str | None, str | None, int | None], ...] = (
    ("Website", None, None, None),
    ("API", None, "Everything under api.brambleway.example.", None),
    ("Labels", "Shipping", "Making and printing shipping labels.", None),
    ("Rates", "Shipping", "Prices and delivery times at the checkout.", None),
    ("Pickups", "Shipping", None, None),
    ("Address check", "Shipping", None, None),
    ("Customs documents", "Shipping", "Invoices and declarations outside the EU.", 80),
    ("Tracking page", "Tracking", None, None),
    ("Carrier events", "Tracking", "Scans that carriers send us.", None),
    ("Webhooks", "Tracking", None, None),
    ("Dashboard", "Account", None, None),
    ("Sign-in", "Account", None, None),
    ("Billing", "Account", None, None),
)

_STATUS = {
    "degraded": ComponentStatus.DEGRADED_PERFORMANCE,
    "partial": ComponentStatus.PARTIAL_OUTAGE,
    "major": ComponentStatus.MAJOR_OUTAGE,
}


@dataclass(frozen=True)
class _Step:
    at: datetime
    act: Callable[[datetime], object]


def seed(*, at: datetime) -> None:
    """Fill an empty database with the demo page; does nothing where there is a page.

    The caller commits. Nobody is notified of anything.
    """
    if page_settings.get() is not None:
        return
    at = at.replace(microsecond=0)
    begin = at - _YEAR
    page = page_settings.create("Brambleway", by=SYSTEM, at=begin, time_zone=ZONE)
    page_settings.edit(
        page,
        PageEdit(
            name="Brambleway",
            time_zone=ZONE,
            about="Brambleway is a fictional shipping company. This is the demo page of a new"
            " installation: look around, post an update, break something.",
            support_url="mailto:help@brambleway.example",
        ),
        by=SYSTEM,
        at=begin,
    )
    staff.create(OWNER_EMAIL, name=MIRA.name, role=Role.OWNER, password=None, by=SYSTEM, at=begin)
    parts = _build_components(begin, at)
    steps = [*_past_incidents(parts, at), *_past_maintenance(parts, at), *_today(parts, at)]
    for step in sorted(steps, key=lambda step: step.at):
        step.act(step.at)


def _build_components(begin: datetime, at: datetime) -> dict[str, Component]:
    groups: dict[str, models.ComponentGroup] = {}
    by_name = {}
    today = at.astimezone(ZoneInfo(ZONE)).date()
    for name, group, description, age in _COMPONENTS:
        if group is not None and group not in groups:
            groups[group] = components.add_group(group, by=SYSTEM, at=begin)
        by_name[name] = components.add_component(
            name,
            group=groups.get(group or ""),
            description=description,
            start_date=today - timedelta(days=age) if age is not None else None,
            by=SYSTEM,
            at=begin,
        )
    return by_name


# ── the year behind ────────────────────────────────────────────────────────────


def _past_incidents(parts: dict[str, Component], at: datetime) -> list[_Step]:
    chance = random.Random(_SEED)  # noqa: S311  a story, not a secret
    steps: list[_Step] = []
    for story in STORIES:
        started_at = _on_day(at, story.days_ago, chance)
        steps += _steps_of(story, parts, started_at, chance)
    return steps


def _on_day(at: datetime, days_ago: int, chance: random.Random) -> datetime:
    """A minute of that day, more often in business hours than at night."""
    hour = chance.choices(range(24), weights=[1] * 7 + [3] * 12 + [2] * 5)[0]
    day = (at - timedelta(days=days_ago)).astimezone(ZoneInfo(ZONE))
    local = day.replace(hour=hour, minute=chance.randrange(60), second=0)
    return min(local.astimezone(at.tzinfo), at - timedelta(days=days_ago, hours=-6))


def _steps_of(
    story: Story, parts: dict[str, Component], started_at: datetime, chance: random.Random
) -> list[_Step]:
    author = chance.choice((MIRA, TOMEK))
    told_at = started_at + timedelta(minutes=story.noticed_after + chance.randrange(2, 6))
    claims = _claims(story, parts)
    opened: list[Incident] = []

    def begin(now: datetime) -> None:
        first = story.updates[0]
        opened.append(
            open_incident(
                story.name,
                UpdateInput(
                    status=IncidentStatus(first.status),
                    body=first.body,
                    claims=claims,
                    facts=Facts(story.who, story.works, story.do),
                    next_update_by=_promise(now, first.promise),
                    notify=False,
                ),
                started_at=started_at,
                detected_at=started_at + timedelta(minutes=story.noticed_after),
                by=author,
                at=now,
            )
        )

    steps = [_Step(told_at, begin)]
    for update in story.updates[1:]:
        when = told_at + timedelta(minutes=update.after)
        held = claims if update.keeps else _eased(claims)

        def go_on(now: datetime, update=update, held=held) -> None:  # type: ignore[no-untyped-def]
            post_update(
                opened[0],
                UpdateInput(
                    status=IncidentStatus(update.status),
                    body=update.body,
                    claims=held,
                    next_update_by=_promise(now, update.promise),
                    notify=False,
                ),
                by=author,
                at=now,
            )

        steps.append(_Step(when, go_on))
        if update.corrected is not None:

            def edit(now: datetime, update=update) -> None:  # type: ignore[no-untyped-def]
                newest = opened[0].updates[0]
                corrections.edit_update(
                    newest,
                    body=update.corrected,
                    expected_version=newest.version,
                    reason=update.correction,
                    by=author,
                    at=now,
                )

            steps.append(_Step(when + timedelta(minutes=3), edit))
    if story.postmortem is not None:
        over = told_at + timedelta(minutes=story.updates[-1].after)
        steps += _postmortem_steps(story, opened, over)
    return steps


def _claims(story: Story, parts: dict[str, Component]) -> dict[Component, Claim]:
    share = Decimal(story.share) if story.share is not None else None
    return {
        parts[name]: Claim(_STATUS[story.severity], share, story.scope) for name in story.components
    }


def _eased(claims: dict[Component, Claim]) -> dict[Component, Claim]:
    """A fix is in: what was down is merely slow."""
    return {component: Claim(ComponentStatus.DEGRADED_PERFORMANCE) for component in claims}


def _promise(now: datetime, minutes: int | None) -> datetime | None:
    return now + timedelta(minutes=minutes) if minutes is not None else None


def _postmortem_steps(story: Story, opened: list[Incident], over: datetime) -> list[_Step]:
    postmortem = story.postmortem
    assert postmortem is not None
    zone = ZoneInfo(ZONE)

    def due(days: int) -> date:
        return (over + timedelta(days=days)).astimezone(zone).date()

    actions = [
        Action(title, ActionState(state), due(days), owner)
        for title, state, days, owner in postmortem.actions
    ]

    def publish(now: datetime) -> None:
        document = postmortems.save(
            opened[0],
            {Part(name): text for name, text in postmortem.parts.items()},
            actions,
            expected_version=None,
            by=TOMEK,
            at=now,
        )
        postmortems.submit_for_review(document, by=TOMEK, at=now)
        postmortems.publish(document, notify=False, by=MIRA, at=now)

    steps = [_Step(over + timedelta(days=2), publish)]
    if postmortem.added is not None:
        name, text = postmortem.added

        def add(now: datetime) -> None:
            document = postmortems.of(opened[0])
            assert document is not None
            parts = {Part(part): words for part, words in document.parts.items()}
            postmortems.save(
                opened[0],
                parts | {Part(name): text},
                [
                    Action(item.title, item.state, item.due_on, item.owner, item.public_id)
                    for item in document.actions
                ],
                expected_version=document.version,
                by=TOMEK,
                at=now,
            )
            postmortems.publish(
                document, reason="We learned more from the carrier.", notify=False, by=TOMEK, at=now
            )

        steps.append(_Step(over + timedelta(days=4), add))
    return steps


def _past_maintenance(parts: dict[str, Component], at: datetime) -> list[_Step]:
    steps: list[_Step] = []
    for work in MAINTENANCE:
        if work.days_ago > 0:
            start = _at_night(at, -work.days_ago)
            end = start + timedelta(minutes=work.minutes)
            steps.append(_scheduling(work, parts, start - timedelta(days=6), start, end))
            steps += [_Step(moment, _let_time_pass) for moment in (start, end)]
    return steps


def _let_time_pass(now: datetime) -> None:
    for public_id in maintenance.due(at=now):
        maintenance.advance(public_id, at=now, notify=False)


def _scheduling(
    work: Work,
    parts: dict[str, Component],
    announced_at: datetime,
    start: datetime,
    end: datetime,
) -> _Step:
    def announce(now: datetime) -> None:
        maintenance.schedule(
            work.name,
            UpdateInput(
                status=IncidentStatus.SCHEDULED,
                body=work.body,
                claims={parts[name]: maintenance.UNDER_MAINTENANCE for name in work.components},
                facts=Facts(what_still_works=work.works, what_you_can_do=work.do),
                notify=False,
            ),
            Schedule(scheduled_for=start, scheduled_until=end),
            by=TOMEK,
            at=now,
        )

    return _Step(announced_at, announce)


def _at_night(at: datetime, days: int) -> datetime:
    day = (at + timedelta(days=days)).astimezone(ZoneInfo(ZONE))
    return day.replace(hour=3, minute=0, second=0).astimezone(at.tzinfo)


# ── today ──────────────────────────────────────────────────────────────────────


def _today(parts: dict[str, Component], at: datetime) -> list[_Step]:
    """A partial outage in progress, and one maintenance ahead."""
    claim = Claim(ComponentStatus.PARTIAL_OUTAGE, Decimal(12), "EU shipments")
    opened: list[Incident] = []

    def begin(now: datetime) -> None:
        opened.append(
            open_incident(
                "Some labels cannot be printed in the EU",
                UpdateInput(
                    status=IncidentStatus.INVESTIGATING,
                    body="Some shipments inside the EU get an error instead of a label. We are"
                    " looking into it.",
                    claims={parts["Labels"]: Claim(ComponentStatus.DEGRADED_PERFORMANCE)},
                    facts=Facts(who_is_affected="Some shipments inside the EU"),
                    next_update_by=now + timedelta(minutes=30),
                    notify=False,
                ),
                started_at=at - timedelta(minutes=38),
                detected_at=at - timedelta(minutes=34),
                by=MIRA,
                at=now,
            )
        )

    def identify(now: datetime) -> None:
        post_update(
            opened[0],
            UpdateInput(
                status=IncidentStatus.IDENTIFIED,
                body="One of our eight label workers still holds last month's service codes, and"
                " the carrier stopped accepting them. About **12 % of labels inside the EU** fail."
                " We are taking that worker out; no orders are lost.",
                claims={parts["Labels"]: claim},
                facts=Facts(
                    who_is_affected="About 12 % of labels for shipments inside the EU",
                    what_still_works="Labels to all other countries, rates, pickups and tracking",
                    what_you_can_do="Press “Print” again: the second try usually works",
                ),
                next_update_by=at + timedelta(minutes=15),
                notify=False,
            ),
            by=MIRA,
            at=now,
        )

    (ahead,) = (work for work in MAINTENANCE if work.days_ago < 0)
    start = _at_night(at, -ahead.days_ago)
    end = start + timedelta(minutes=ahead.minutes)
    return [
        _scheduling(ahead, parts, at - timedelta(days=3), start, end),
        _Step(at - timedelta(minutes=32), begin),
        _Step(at - timedelta(minutes=9), identify),
    ]
