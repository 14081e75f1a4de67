"""Words that follow from the truth: the banner, and what changed between two texts. Pure."""

import re
from collections.abc import Sequence
from datetime import datetime
from difflib import SequenceMatcher

from statuspage.domain.statuses import ComponentStatus, Impact, IncidentStatus, worst
from statuspage.page.snapshot.values import Banner, ComponentView, IncidentView

_TONES = {
    Impact.NONE: ComponentStatus.DEGRADED_PERFORMANCE,
    Impact.MAINTENANCE: ComponentStatus.UNDER_MAINTENANCE,
    Impact.MINOR: ComponentStatus.DEGRADED_PERFORMANCE,
    Impact.MAJOR: ComponentStatus.MAJOR_OUTAGE,
    Impact.CRITICAL: ComponentStatus.MAJOR_OUTAGE,
}
_VERBS = {
    ComponentStatus.MAJOR_OUTAGE: (" is down", " are down"),
    ComponentStatus.PARTIAL_OUTAGE: (": partial outage", ": partial outage"),
    ComponentStatus.DEGRADED_PERFORMANCE: (": degraded performance", ": degraded performance"),
    ComponentStatus.UNDER_MAINTENANCE: (" is under maintenance", " are under maintenance"),
}
_NAMED_AT_MOST = 3


def banner(
    components: Sequence[ComponentView],
    incidents: Sequence[IncidentView],
    maintenances: Sequence[IncidentView],
) -> Banner:
    """What a customer should know first.

    An open incident is named even where every component is operational; a
    maintenance never hides an outage.
    """
    troubled = [one for one in components if one.status is not ComponentStatus.OPERATIONAL]
    active = [one for one in maintenances if one.status is not IncidentStatus.SCHEDULED]
    tone = worst(one.status for one in troubled)
    rest = _rest(components, troubled)
    if incidents:
        return _of_incidents(incidents, troubled, tone, rest)
    if tone.severity > ComponentStatus.UNDER_MAINTENANCE.severity:
        return _of_components(troubled, tone, rest)
    if active:
        first = active[0]
        return Banner(
            tone=ComponentStatus.UNDER_MAINTENANCE,
            headline=first.name
            if len(active) == 1
            else f"{len(active)} maintenance windows in progress",
            since=min(one.started_at for one in active),
            trouble="Scheduled maintenance",
            rest=rest,
            href=first.path,
        )
    if troubled:
        return _of_components(troubled, tone, rest)
    return Banner(
        tone=ComponentStatus.OPERATIONAL,
        headline="All systems operational",
        since=None,
        trouble=None,
        rest="No open incidents.",
        href=None,
    )


def changed(old: str, new: str) -> tuple[tuple[str, str], ...]:
    """The words of both texts in order: `same`, `old` (gone) or `new` (added)."""
    before, after = re.findall(r"\s+|\S+", old), re.findall(r"\s+|\S+", new)
    found: list[tuple[str, str]] = []
    matcher = SequenceMatcher(a=before, b=after, autojunk=False)
    for kind, a1, a2, b1, b2 in matcher.get_opcodes():
        if kind == "equal":
            found.append(("same", "".join(before[a1:a2])))
            continue
        if a2 > a1:
            found.append(("old", "".join(before[a1:a2])))
        if b2 > b1:
            found.append(("new", "".join(after[b1:b2])))
    return tuple(found)


def _of_incidents(
    incidents: Sequence[IncidentView],
    troubled: Sequence[ComponentView],
    tone: ComponentStatus,
    rest: str,
) -> Banner:
    first = incidents[0]
    more = len(incidents) - 1
    headline = first.name
    if more:
        headline += f", and {more} more incident{'s' if more > 1 else ''}"
    implied = max((_TONES[one.impact] for one in incidents), key=lambda status: status.severity)
    named = {component_id for one in incidents for component_id, _ in one.components}
    told = [one.status for one in troubled if one.id in named]
    besides = [one for one in troubled if one.id not in named]
    return Banner(
        tone=tone if tone is not ComponentStatus.OPERATIONAL else implied,
        headline=headline,
        since=min(one.started_at for one in incidents),
        trouble=worst(told).label if told else first.status.label,
        rest=f"{_besides(besides)} {rest}" if besides else rest,
        href=first.path,
    )


def _besides(components: Sequence[ComponentView]) -> str:
    """What no open incident speaks for, so that its trouble is not taken for theirs."""
    tone = worst(one.status for one in components)
    if any(one.status is not tone for one in components):
        return f"{len(components)} other components are also affected."
    return f"Also affected: {_names(components)} ({tone.label.lower()})."


def _of_components(troubled: Sequence[ComponentView], tone: ComponentStatus, rest: str) -> Banner:
    worst_ones = [one for one in troubled if one.status is tone]
    lesser = len(troubled) - len(worst_ones)
    if lesser:
        others = "component is" if lesser == 1 else "components are"
        rest = f"{lesser} other {others} less affected. {rest}".strip()
    since: list[datetime] = [one.since for one in worst_ones if one.since is not None]
    return Banner(
        tone=tone,
        headline=f"{_names(worst_ones)}{_VERBS[tone][len(worst_ones) > 1]}",
        since=min(since, default=None),
        trouble=tone.label,
        rest=rest,
        href=worst_ones[0].path,
    )


def _rest(components: Sequence[ComponentView], troubled: Sequence[ComponentView]) -> str:
    if not components:
        return ""
    if not troubled:
        return "All components are operational."
    if len(troubled) == len(components):
        return "Every component is affected." if len(components) > 1 else ""
    return "Everything else is operational."


def _names(components: Sequence[ComponentView]) -> str:
    names = [one.name for one in components]
    if len(names) > _NAMED_AT_MOST:
        return f"{len(names)} components"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
