"""Whatever is told in whatever order, each component stands as the worst claim says.

Hypothesis plays staff, worker and programs against the real verbs on a real
database. Beside it runs a model that knows nothing of rows and spans: one list per
(who claims, component) with a claim for each second.
"""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from statuspage.db import db
from statuspage.domain import events, uptime
from statuspage.domain.claims import Claim, effective, intervals
from statuspage.domain.components import claims_store
from statuspage.domain.components import verbs as components
from statuspage.domain.incidents import corrections, drafts, maintenance, postmortems
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import (
    Facts,
    Incident,
    Moment,
    Moments,
    Schedule,
    UpdateInput,
)
from statuspage.domain.incidents.postmortems import Part
from statuspage.domain.statuses import (
    INCIDENT_STEPS,
    MAINTENANCE_STEPS,
    ComponentStatus,
    IncidentKind,
    IncidentStatus,
)
from statuspage.errors import Conflict, Invalid
from tests.helpers.domain import (
    ANNA,
    DEGRADED,
    MAINTENANCE,
    MAJOR,
    OPERATIONAL,
    PARTIAL,
    SECOND,
    let_time_pass,
)

ZONE = ZoneInfo("Europe/Vienna")
BEFORE_S, AFTER_S = 60, 340
LENGTH_S = BEFORE_S + AFTER_S
# Two minutes before midnight on the page, so that what happens here falls on two days.
FIRST = datetime(2026, 3, 27, 22, 58, tzinfo=UTC) - BEFORE_S * SECOND
DAYS = (date(2026, 3, 27), date(2026, 3, 28))
MIDNIGHT_S = BEFORE_S + 120


def moment(second: int) -> datetime:
    return FIRST + second * SECOND


@cache
def rank(claim: Claim):
    return claim.rank


CLAIMS = st.sampled_from(
    [
        OPERATIONAL,
        MAINTENANCE,
        DEGRADED,
        PARTIAL,
        MAJOR,
        Claim(ComponentStatus.PARTIAL_OUTAGE, Decimal("12.5"), "EU"),
        Claim(ComponentStatus.PARTIAL_OUTAGE, Decimal(70)),
        Claim(ComponentStatus.PARTIAL_OUTAGE, Decimal(0), "One customer"),
        Claim(ComponentStatus.DEGRADED_PERFORMANCE, None, "Mobile apps"),
    ]
)
NAMED = st.dictionaries(st.integers(0, 2), CLAIMS, max_size=3)
ANY = st.integers(0, 11)


class Told:
    """What the model knows of one incident or maintenance."""

    def __init__(self, kind, status, *, started_s, is_draft=False):
        self.kind = kind
        self.status = status
        self.started_s = started_s
        self.resolved_s = None
        self.is_draft = is_draft
        self.is_retracted = False
        self.has_postmortem = False
        self.named = {}
        self.words = []
        """Each update's bodies, oldest update first, oldest body first."""
        self.changes = []
        """Each update's {component: (old status, new status)}."""
        self.window = None


class TruthModel(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.context = MEMORY.app_context()
        self.context.push()
        self.now_s = BEFORE_S
        self.count = 0
        self.events = 0
        self.told: dict[str, Told] = {}
        self.painted = defaultdict(lambda: [None] * LENGTH_S)
        self.archived = [False] * 3
        self.components = [
            components.add_component(name, by=ANNA, at=moment(0)).public_id for name in "ABC"
        ]
        self.events += 3
        self._settle()

    def teardown(self):
        try:
            self._nothing_stays_red_after_everything_is_released()
        finally:
            db.session.rollback()
            self.context.pop()

    # ── the world ──────────────────────────────────────────────────────────────

    def at(self) -> datetime:
        return moment(self.now_s)

    def wait(self, seconds):
        self.now_s = min(self.now_s + seconds, LENGTH_S - 40)

    def word(self) -> str:
        self.count += 1
        return f"Word {self.count}"

    def component(self, index):
        return components.get(self.components[index])

    def real(self, named):
        return {self.component(index): claim for index, claim in named.items()}

    def pick(self, which, keep=lambda told: True):
        found = [key for key, told in self.told.items() if keep(told)]
        return found[which % len(found)] if found else None

    def recorded(self, number=1):
        """That many events."""
        self.events += number
        self._settle()

    def _settle(self):
        db.session.flush()
        db.session.expunge_all()
        assert len(events.latest(10_000)) == self.events

    def paint(self, owner, index, claim, begin_s, end_s=LENGTH_S):
        for second in range(max(begin_s, 0), end_s):
            self.painted[owner, index][second] = claim

    # ── the rules of the model ─────────────────────────────────────────────────

    def take_on(self, key, status, named, *, since_s=None):
        told = self.told[key]
        first = since_s is not None
        was_claiming = not first and told.status.claims
        old = {index: claim.status for index, claim in told.named.items()}
        said = {
            index: claim.status if status.claims else ComponentStatus.OPERATIONAL
            for index, claim in named.items()
        }
        for index in old:
            if index not in named and (
                status.is_over or old[index] is not ComponentStatus.OPERATIONAL
            ):
                said[index] = ComponentStatus.OPERATIONAL
        changes = {}
        if status.claims or status.is_over or was_claiming:
            for index, new in said.items():
                before = old.get(index, ComponentStatus.OPERATIONAL)
                changes[index] = (before if was_claiming else ComponentStatus.OPERATIONAL, new)
        elif status is IncidentStatus.SCHEDULED:
            for index in named:
                changes[index] = (self.worst(index)[self.now_s].status,) * 2
        told.changes.append(changes)

        for index in range(3):
            claim = named.get(index) if status.claims else None
            if claim == OPERATIONAL:
                claim = None
            begin_s = self.now_s
            if claim is not None and first:
                begin_s = since_s
            self.paint(key, index, None, self.now_s)
            self.paint(key, index, claim, begin_s)
            speaks = status.claims or status.is_over
            if told.kind is IncidentKind.INCIDENT and index in named and speaks:
                self.paint("standing", index, None, self.now_s)
        if status.is_over:
            told.named |= {i: claim for i, claim in named.items() if i not in told.named}
        else:
            told.named = dict.fromkeys(told.named, OPERATIONAL) | named
        if not status.is_over:
            told.resolved_s = None
        elif first or not told.status.is_over:
            told.resolved_s = self.now_s
        if status is IncidentStatus.RESOLVED and told.has_postmortem:
            status = IncidentStatus.POSTMORTEM
        told.status = status

    # ── what people and programs do ────────────────────────────────────────────

    @rule(
        wait=st.integers(0, 9),
        status=st.sampled_from(INCIDENT_STEPS),
        named=NAMED,
        ago_s=st.sampled_from([0, 0, 1, 30]),
    )
    def open(self, wait, status, named, ago_s):
        self.wait(wait)
        word = self.word()
        incident = incidents.open_incident(
            "Trouble",
            UpdateInput(status=status, body=word, claims=self.real(named)),
            started_at=self.at() - ago_s * SECOND,
            by=ANNA,
            at=self.at(),
        )
        key = incident.public_id
        self.told[key] = Told(IncidentKind.INCIDENT, status, started_s=self.now_s - ago_s)
        self.told[key].words.append([word])
        self.take_on(key, status, named, since_s=self.now_s - ago_s)
        self.recorded()

    @rule(wait=st.integers(0, 9), status=st.sampled_from(INCIDENT_STEPS), named=NAMED)
    def draft(self, wait, status, named):
        self.wait(wait)
        update = UpdateInput(status, "Never read", self.real(named))
        incident = drafts.create("Trouble", update, by=ANNA, at=self.at())
        told = Told(IncidentKind.INCIDENT, status, started_s=self.now_s, is_draft=True)
        told.named = named
        self.told[incident.public_id] = told
        self.recorded()

    @precondition(lambda self: any(told.is_draft for told in self.told.values()))
    @rule(which=ANY, wait=st.integers(0, 9), status=st.sampled_from(INCIDENT_STEPS), named=NAMED)
    def publish_draft(self, which, wait, status, named):
        self.wait(wait)
        key = self.pick(which, lambda told: told.is_draft)
        word, told = self.word(), self.told[key]
        incident = incidents.get(key)
        update = UpdateInput(status, word, self.real(named))
        drafts.edit(incident, "Trouble", update, by=ANNA, at=self.at())
        drafts.publish(incident, by=ANNA, at=self.at())
        drafts.publish(incident, by=ANNA, at=self.at())
        told.is_draft, told.named = False, named
        told.words.append([word])
        self.take_on(key, status, named, since_s=told.started_s)
        self.recorded(2)

    def _updatable(self, told):
        return not (told.is_draft or told.is_retracted)

    @precondition(lambda self: any(map(self._updatable, self.told.values())))
    @rule(which=ANY, wait=st.integers(0, 9), step=st.integers(0, 4), named=NAMED)
    def update(self, which, wait, step, named):
        self.wait(wait)
        key = self.pick(which, self._updatable)
        steps = INCIDENT_STEPS
        if self.told[key].kind is IncidentKind.MAINTENANCE:
            steps = (*MAINTENANCE_STEPS, IncidentStatus.CANCELLED)
        self._post(key, steps[step % len(steps)], named)

    @precondition(lambda self: any(map(self._updatable, self.told.values())))
    @rule(which=ANY, wait=st.integers(0, 9))
    def resolve(self, which, wait):
        self.wait(wait)
        key = self.pick(which, self._updatable)
        is_incident = self.told[key].kind is IncidentKind.INCIDENT
        self._post(key, IncidentStatus.RESOLVED if is_incident else IncidentStatus.COMPLETED, {})

    def _post(self, key, status, named):
        word = self.word()
        incidents.post_update(
            incidents.get(key),
            UpdateInput(status=status, body=word, claims=self.real(named)),
            by=ANNA,
            at=self.at(),
        )
        told = self.told[key]
        told.words.append([word])
        if told.status is IncidentStatus.SCHEDULED and status is not told.status:
            told.started_s = min(told.started_s, self.now_s)
        self.take_on(key, status, named)
        self.recorded()

    def _taught(self, told):
        is_resolved = told.status is IncidentStatus.RESOLVED
        return is_resolved and not told.has_postmortem and self._updatable(told)

    @precondition(lambda self: any(map(self._taught, self.told.values())))
    @rule(which=ANY, wait=st.integers(0, 9), comes_back=st.booleans())
    def publish_postmortem(self, which, wait, comes_back):
        self.wait(wait)
        key = self.pick(which, self._taught)
        parts = {Part.SUMMARY: self.word(), Part.ROOT_CAUSE: "A bad deploy."}
        document = postmortems.save(
            incidents.get(key), parts, [], expected_version=None, by=ANNA, at=self.at()
        )
        postmortems.publish(document, by=ANNA, at=self.at())
        self.told[key].has_postmortem = True
        self.told[key].status = IncidentStatus.POSTMORTEM
        self.recorded(2)
        if comes_back:
            self._post(key, IncidentStatus.IDENTIFIED, {0: MAJOR})
            self._post(key, IncidentStatus.RESOLVED, {})

    @precondition(lambda self: any(told.words for told in self.told.values()))
    @rule(which=ANY, update=ANY, wait=st.integers(0, 3), stale=st.booleans())
    def edit_update(self, which, update, wait, stale):
        self.wait(wait)
        key = self.pick(which, lambda told: told.words)
        words = self.told[key].words
        index = update % len(words)
        row = incidents.get(key).updates[::-1][index]
        expected = len(words[index]) - (1 if stale else 0)
        word = self.word()
        told = {"body": word, "expected_version": expected, "by": ANNA, "at": self.at()}
        if stale:
            with pytest.raises(Conflict) as conflict:
                corrections.edit_update(row, **told)
            assert conflict.value.theirs == {"body": words[index][-1]}
            self.recorded(0)
        else:
            corrections.edit_update(row, **told)
            words[index].append(word)
            self.recorded()

    @precondition(lambda self: any(map(self._updatable, self.told.values())))
    @rule(which=ANY, by_s=st.integers(-40, 40))
    def correct_start(self, which, by_s):
        key = self.pick(which, self._updatable)
        told = self.told[key]
        old_s, new_s = told.started_s, told.started_s + by_s
        latest_s = self.now_s if told.resolved_s is None else told.resolved_s
        arguments = {"reason": "Logs", "by": ANNA, "at": self.at()}
        if new_s > latest_s or told.status is IncidentStatus.SCHEDULED:
            with pytest.raises(Invalid):
                corrections.correct_moment(
                    incidents.get(key), Moment.STARTED, moment(new_s), **arguments
                )
            return self.recorded(0)
        corrections.correct_moment(incidents.get(key), Moment.STARTED, moment(new_s), **arguments)
        for index in range(3):
            if 0 <= old_s < LENGTH_S:
                self.paint(key, index, self.painted[key, index][old_s], new_s, old_s)
            self.paint(key, index, None, 0, max(new_s, 0))
        told.started_s = new_s
        return self.recorded(0 if by_s == 0 else 1)

    @precondition(lambda self: any(told.resolved_s is not None for told in self.told.values()))
    @rule(which=ANY, by_s=st.integers(-40, 40))
    def correct_end(self, which, by_s):
        key = self.pick(which, lambda told: told.resolved_s is not None)
        told = self.told[key]
        old_s, new_s = told.resolved_s, told.resolved_s + by_s
        arguments = {"reason": "Logs", "by": ANNA, "at": self.at()}
        if new_s > self.now_s or new_s < told.started_s:
            with pytest.raises(Invalid):
                corrections.correct_moment(
                    incidents.get(key), Moment.RESOLVED, moment(new_s), **arguments
                )
            return self.recorded(0)
        corrections.correct_moment(incidents.get(key), Moment.RESOLVED, moment(new_s), **arguments)
        for index in range(3):
            self.paint(key, index, self.painted[key, index][old_s - 1], old_s, new_s)
            self.paint(key, index, None, new_s)
        told.resolved_s = new_s
        return self.recorded(0 if by_s == 0 else 1)

    @rule(named=NAMED, begin_s=st.integers(0, 300), length_s=st.integers(1, 60))
    def backfill(self, named, begin_s, length_s):
        begin_s = min(begin_s, self.now_s - 1)
        end_s = min(begin_s + length_s, self.now_s)
        word = self.word()
        incident = incidents.backfill(
            "Found in the logs",
            UpdateInput(status=IncidentStatus.RESOLVED, body=word, claims=self.real(named)),
            Moments(started_at=moment(begin_s), resolved_at=moment(end_s)),
            by=ANNA,
            at=self.at(),
        )
        told = Told(IncidentKind.INCIDENT, IncidentStatus.RESOLVED, started_s=begin_s)
        told.resolved_s, told.named = end_s, named
        told.words.append([word])
        told.changes.append(
            {index: (claim.status, ComponentStatus.OPERATIONAL) for index, claim in named.items()}
        )
        self.told[incident.public_id] = told
        for index, claim in named.items():
            if claim != OPERATIONAL:
                self.paint(incident.public_id, index, claim, begin_s, end_s)
        self.recorded()

    @rule(
        wait=st.integers(0, 9), named=NAMED, in_s=st.integers(-5, 30), length_s=st.integers(6, 30)
    )
    def schedule(self, wait, named, in_s, length_s):
        self.wait(wait)
        begin_s, end_s = self.now_s + in_s, self.now_s + in_s + length_s
        word = self.word()
        planned = maintenance.schedule(
            "New disks",
            UpdateInput(status=IncidentStatus.SCHEDULED, body=word, claims=self.real(named)),
            Schedule(scheduled_for=moment(begin_s), scheduled_until=moment(end_s)),
            by=ANNA,
            at=self.at(),
        )
        key = planned.public_id
        self.told[key] = told = Told(
            IncidentKind.MAINTENANCE, IncidentStatus.SCHEDULED, started_s=begin_s
        )
        told.window = (begin_s, end_s)
        told.words.append([word])
        self.take_on(key, IncidentStatus.SCHEDULED, named, since_s=begin_s)
        self.recorded()

    @rule(wait=st.integers(0, 40))
    def tick(self, wait):
        self.wait(wait)
        moved = let_time_pass(self.at())
        expected = 0
        for status, edge, then, word in [
            (IncidentStatus.SCHEDULED, 0, IncidentStatus.IN_PROGRESS, "The maintenance has begun."),
            (
                IncidentStatus.IN_PROGRESS,
                1,
                IncidentStatus.COMPLETED,
                "The maintenance is complete.",
            ),
            (IncidentStatus.VERIFYING, 1, IncidentStatus.COMPLETED, "The maintenance is complete."),
        ]:
            for key, told in self.told.items():
                due = told.window is not None and told.window[edge] <= self.now_s
                if due and told.status is status and not told.is_retracted:
                    named = dict(told.named) if then.claims else {}
                    self.take_on(key, then, named)
                    told.words.append([word])
                    expected += 1
        assert len(moved) == expected
        self.recorded(expected)
        assert let_time_pass(self.at()) == []
        self.recorded(0)

    def _running(self, told):
        return told.window is not None and not told.status.is_over and not told.is_retracted

    @precondition(lambda self: any(map(self._running, self.told.values())))
    @rule(which=ANY, by_s=st.integers(0, 30))
    def extend(self, which, by_s):
        key = self.pick(which, self._running)
        told, word = self.told[key], self.word()
        begin_s, end_s = told.window
        end_s = max(end_s, self.now_s + 1) + by_s
        maintenance.reschedule(
            incidents.get(key),
            UpdateInput(
                status=incidents.get(key).status, claims=incidents.get(key).claims, body=word
            ),
            scheduled_for=moment(begin_s),
            scheduled_until=moment(end_s),
            by=ANNA,
            at=self.at(),
        )
        told.window = (begin_s, end_s)
        if told.status is IncidentStatus.SCHEDULED:
            told.started_s = begin_s
        told.words.append([word])
        self.take_on(key, told.status, dict(told.named))
        self.recorded()

    @precondition(lambda self: any(map(self._running, self.told.values())))
    @rule(which=ANY, wait=st.integers(0, 9))
    def cancel(self, which, wait):
        self.wait(wait)
        key = self.pick(which, self._running)
        word = self.word()
        maintenance.cancel(incidents.get(key), body=word, by=ANNA, at=self.at())
        self.told[key].words.append([word])
        self.take_on(key, IncidentStatus.CANCELLED, {})
        self.recorded()

    @rule(wait=st.integers(0, 9), index=st.integers(0, 2), claim=CLAIMS)
    def set_status(self, wait, index, claim):
        self.wait(wait)
        painted = None if claim == OPERATIONAL else claim
        present = self.painted["standing", index][self.now_s]
        claims_store.set_status(self.component(index), claim, by=ANNA, at=self.at())
        self.paint("standing", index, painted, self.now_s)
        self.recorded(0 if present == painted else 1)

    @rule(wait=st.integers(0, 9), index=st.integers(0, 2))
    def archive_or_restore(self, wait, index):
        self.wait(wait)
        if self.archived[index]:
            components.restore(self.component(index), by=ANNA, at=self.at())
        else:
            components.archive(self.component(index), by=ANNA, at=self.at())
            for owner in ["standing", *self.told]:
                self.paint(owner, index, None, self.now_s)
        self.archived[index] = not self.archived[index]
        self.recorded()

    @precondition(lambda self: any(map(self._updatable, self.told.values())))
    @rule(which=ANY, wait=st.integers(0, 9))
    def retract(self, which, wait):
        self.wait(wait)
        key = self.pick(which, self._updatable)
        corrections.retract(incidents.get(key), reason="Not ours.", by=ANNA, at=self.at())
        self.told[key].is_retracted = True
        for index in range(3):
            self.paint(key, index, None, 0)
        self.recorded()

    @rule(which=ANY, begin_s=st.integers(0, 300), length_s=st.integers(0, 30), claim=CLAIMS)
    def correct_claim(self, which, begin_s, length_s, claim):
        rows = [
            row
            for row in claims_store.claims_since(moment(-1000))
            if row.incident_id is None and row.ends_at is not None
        ]
        if not rows:
            return
        row = rows[which % len(rows)]
        begin_s = min(begin_s, self.now_s)
        end_s = min(begin_s + length_s, self.now_s)
        index = [self.component(i).id for i in range(3)].index(row.component_id)
        owner = ("corrected", row.id)
        if (owner, index) in self.painted:
            self.painted.pop((owner, index))
        else:
            second = timedelta(seconds=1)
            self.paint(
                "standing",
                index,
                None,
                (row.starts_at - FIRST) // second,
                (row.ends_at - FIRST) // second,
            )
        claims_store.correct_claim(
            row,
            claim=claim,
            starts_at=moment(begin_s),
            ends_at=moment(end_s),
            reason="Read it wrongly",
            by=ANNA,
            at=self.at(),
        )
        self.paint(owner, index, claim if claim != OPERATIONAL else None, begin_s, end_s)
        self.recorded()

    @precondition(lambda self: self.told)
    @rule(which=ANY, wrong=st.sampled_from(["body", "name", "share", "status", "promise", "facts"]))
    def refuse(self, which, wrong):
        """A verb that refuses has changed nothing."""
        key = self.pick(which)
        claim = Claim(ComponentStatus.PARTIAL_OUTAGE, Decimal(101 if wrong == "share" else 5))
        status = IncidentStatus.POSTMORTEM if wrong == "status" else IncidentStatus.MONITORING
        update = UpdateInput(
            status,
            "[" * 999 if wrong == "body" else "Words",
            {self.component(0): claim},
            facts=Facts("x" * (301 if wrong == "facts" else 5)),
            next_update_by=self.at() if wrong == "promise" else None,
        )
        name = " " if wrong != "promise" else "T"
        incident = incidents.get(key)
        with pytest.raises(Invalid):
            incidents.open_incident(name, update, by=ANNA, at=self.at())
        if wrong != "name" and not self.told[key].is_draft:
            with pytest.raises(Invalid):
                incidents.post_update(incident, update, by=ANNA, at=self.at())
        assert not db.session.new
        assert not [row for row in db.session.dirty if db.session.is_modified(row)]
        self.recorded(0)

    # ── what always holds ──────────────────────────────────────────────────────

    def spans(self):
        found = [[], [], []]
        ids = [self.component(index).id for index in range(3)]
        for row in claims_store.claims_since(moment(-1000)):
            found[ids.index(row.component_id)].append(row.span)
        return found

    def worst(self, index) -> list[Claim]:
        layers = [layer for (_, of), layer in self.painted.items() if of == index and any(layer)]
        if not layers:
            return [OPERATIONAL] * LENGTH_S
        return [
            max(filter(None, second), key=rank, default=OPERATIONAL)
            for second in zip(*layers, strict=True)
        ]

    @invariant()
    def each_component_stands_as_the_worst_claim_of_each_second(self):
        for index, spans in enumerate(self.spans()):
            expected = self.worst(index)
            found = []
            for part in intervals(spans, moment(0), moment(LENGTH_S)):
                found += [part.claim] * int((part.ends_at - part.starts_at).total_seconds())
            assert [*map(rank, found)] == [*map(rank, expected)]
            assert rank(effective(spans, self.at())) == rank(expected[self.now_s])
            self._uptime_equals_seconds_counted_one_by_one(spans, expected)

    def _uptime_equals_seconds_counted_one_by_one(self, spans, expected):
        found = uptime.days(spans, last=DAYS[1], count=2, zone=ZONE, at=self.at())
        counted = [Fraction(0), Fraction(0)]
        for second, claim in enumerate(expected[: self.now_s]):
            if claim.weight:
                counted[second >= MIDNIGHT_S] += claim.weight
        # Starts may be corrected to before the model's first second.
        early = [row for row in spans if row.starts_at < FIRST]
        if not early:
            assert [day.downtime_s for day in found] == counted
        assert 0 <= uptime.percentage(found) <= 100

    @invariant()
    def no_published_word_is_lost_and_each_update_says_what_changed(self):
        ids = {public_id: index for index, public_id in enumerate(self.components)}
        query = sa.select(Incident).options(*incidents.FULL)
        found = {incident.public_id: incident for incident in db.session.scalars(query)}
        assert found.keys() == self.told.keys()
        for key, told in self.told.items():
            incident = found[key]
            assert incident.status is told.status
            assert incident.started_at == moment(told.started_s)
            expected_end = None if told.resolved_s is None else moment(told.resolved_s)
            assert incident.resolved_at == expected_end
            if told.window is not None:
                window = (incident.scheduled_for, incident.scheduled_until)
                assert window == (moment(told.window[0]), moment(told.window[1]))
            assert {
                ids[component.public_id]: claim for component, claim in incident.claims.items()
            } == told.named
            if told.is_draft:
                continue
            updates = incident.updates[::-1]
            assert [
                [*(version.body for version in update.versions), update.body] for update in updates
            ] == told.words
            assert [
                {
                    ids[change.component.public_id]: (change.old_status, change.new_status)
                    for change in update.changes
                }
                for update in updates
            ] == told.changes

    def _nothing_stays_red_after_everything_is_released(self):
        self.wait(1)
        for key, told in self.told.items():
            if self._updatable(told) and not told.status.is_over:
                is_incident = told.kind is IncidentKind.INCIDENT
                status = IncidentStatus.RESOLVED if is_incident else IncidentStatus.COMPLETED
                incidents.post_update(
                    incidents.get(key),
                    UpdateInput(status=status, body="Over."),
                    by=ANNA,
                    at=self.at(),
                )
        for index in range(3):
            claims_store.set_status(self.component(index), OPERATIONAL, by=ANNA, at=self.at())
        db.session.flush()
        for spans in self.spans():
            assert effective(spans, self.at()) == OPERATIONAL
            assert all(span.ends_at is not None for span in spans)


MEMORY = None


@pytest.fixture
def _memory_for_the_machine(memory):
    global MEMORY
    MEMORY = memory
    yield
    MEMORY = None


class TestTruthModel(TruthModel.TestCase):
    settings = settings(max_examples=20, stateful_step_count=25, deadline=None)

    @pytest.fixture(autouse=True)
    def _on_a_real_database(self, _memory_for_the_machine):
        pass
