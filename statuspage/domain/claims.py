"""Claims: what an incident, a maintenance or a person says of a component, and for how long.

Pure. A component's status is never stored: at any moment it is the worst claim
in force. So resolving one incident cannot hide another, and nothing stays red
after everything is released.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from statuspage.domain.statuses import ComponentStatus
from statuspage.lib.markdown import clean

UNSTATED_SHARE = Fraction(3, 10)
"""Weight of a partial outage whose share nobody stated: Statuspage's own."""


@dataclass(frozen=True)
class Claim:
    """`status`, the `share` of requests or customers concerned (0–100 %), and whom (`scope`)."""

    status: ComponentStatus
    share: Decimal | None = None
    scope: str | None = None

    def __post_init__(self) -> None:
        # As the columns hold them, so that a claim equals itself once it is stored.
        if self.share is not None and self.share.is_finite() and abs(self.share) <= 100:
            object.__setattr__(self, "share", round(self.share, 2))
        object.__setattr__(self, "scope", clean(self.scope or "").strip() or None)

    @property
    def weight(self) -> Fraction:
        """How much of each second counts as down, 0 to 1."""
        if self.status is ComponentStatus.MAJOR_OUTAGE:
            return Fraction(1)
        if self.status is ComponentStatus.PARTIAL_OUTAGE:
            return UNSTATED_SHARE if self.share is None else Fraction(self.share) / 100
        return Fraction(0)

    @property
    def rank(self) -> tuple[int, Fraction, Fraction]:
        """Worse claims compare greater: by status, then by weight, then by stated share."""
        return (self.status.severity, self.weight, Fraction(self.share or 0))


OPERATIONAL = Claim(ComponentStatus.OPERATIONAL)


@dataclass(frozen=True)
class Span:
    """A claim from `starts_at` until before `ends_at`; None while it is in force."""

    claim: Claim
    starts_at: datetime
    ends_at: datetime | None = None

    def covers(self, at: datetime) -> bool:
        return self.starts_at <= at and (self.ends_at is None or at < self.ends_at)


@dataclass(frozen=True)
class Interval:
    """A stretch in which the effective claim does not change; `ends_at` is exclusive."""

    claim: Claim
    starts_at: datetime
    ends_at: datetime


def effective(spans: Iterable[Span], at: datetime) -> Claim:
    """The worst claim in force at that moment; operational when there is none."""
    in_force = [span.claim for span in spans if span.covers(at)]
    if len(in_force) < 2:
        return in_force[0] if in_force else OPERATIONAL
    return max(in_force, key=lambda claim: claim.rank)


def intervals(spans: Sequence[Span], start: datetime, end: datetime) -> list[Interval]:
    """`start` to `end` without gaps, cut where the effective claim changes.

    Empty when `end` is not after `start`.
    """
    if end <= start:
        return []
    cuts = sorted({start, end, *_edges_between(spans, start, end)})
    waiting = sorted(spans, key=lambda span: span.starts_at, reverse=True)
    in_force: list[Span] = []
    result: list[Interval] = []
    for begin, finish in pairwise(cuts):
        while waiting and waiting[-1].starts_at <= begin:
            in_force.append(waiting.pop())
        in_force = [span for span in in_force if span.covers(begin)]
        claim = effective(in_force, begin) if in_force else OPERATIONAL
        if result and result[-1].claim == claim:
            result[-1] = Interval(claim, result[-1].starts_at, finish)
        else:
            result.append(Interval(claim, begin, finish))
    return result


def status_since(spans: Sequence[Span], at: datetime, *, known_from: datetime) -> datetime | None:
    """Since when the effective status has been what it is at `at`, without a break.

    None when it is operational, or has been so since before `known_from`, where `spans` begin.
    """
    status = effective(spans, at).status
    if status is ComponentStatus.OPERATIONAL:
        return None
    since = at
    for part in reversed(intervals(spans, known_from, at)):
        if part.claim.status is not status:
            return since
        since = part.starts_at
    return None if since <= known_from else since


def _edges_between(spans: Iterable[Span], start: datetime, end: datetime) -> list[datetime]:
    edges = [span.starts_at for span in spans]
    edges += [span.ends_at for span in spans if span.ends_at is not None]
    return [edge for edge in edges if start < edge < end]
