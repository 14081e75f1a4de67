"""Words that follow from the truth: the banner, and what changed between two texts. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from difflib import SequenceMatcher

from statuspage.domain.statuses import ComponentStatus, Impact, IncidentStatus, worst
from statuspage.lib.bidi import isolated
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
_COUNTED = {
    ComponentStatus.MAJOR_OUTAGE: ("major outage", "major outages"),
    ComponentStatus.PARTIAL_OUTAGE: ("partial outage", "partial outages"),
    ComponentStatus.DEGRADED_PERFORMANCE: ("degraded", "degraded"),
}
"""Status → one and several components in it, the worst first. Maintenance is counted apart."""
_NAMED_AT_MOST = 3


def banner(
    components: Sequence[ComponentView],
    incidents: Sequence[IncidentView],
    maintenances: Sequence[IncidentView],
    *,
    is_monitored: bool = True,
) -> Banner:
    """What a customer should know first.

    An open incident is named even where every component is operational; a
    maintenance never hides an outage. Not `is_monitored`: the page has no component.
    """
    troubled = [
        component for component in components if component.status is not ComponentStatus.OPERATIONAL
    ]
    active = [
        maintenance
        for maintenance in maintenances
        if maintenance.status is not IncidentStatus.SCHEDULED
    ]
    tone = worst(component.status for component in troubled)
    if len(incidents) == 1:
        return _of_incident(incidents[0], components, troubled)
    if incidents:
        return Banner(
            tone=_tone(incidents, troubled),
            label=_label(incidents, troubled),
            headline=f"{len(incidents)} open incidents",
            rest=_join(_counts(troubled), _rest(components, troubled)),
            troubled=_chips(troubled),
        )
    if active and tone not in _COUNTED:
        return _of_maintenance(active, components, troubled)
    if troubled:
        return _of_components(components, troubled)
    if not is_monitored:
        return Banner(
            tone=None, label="Nothing monitored yet", headline="Nothing is monitored here yet"
        )
    return Banner(
        tone=ComponentStatus.OPERATIONAL,
        label=ComponentStatus.OPERATIONAL.label,
        headline="All systems operational",
        rest="No open incidents.",
    )


def changed(old: str, new: str) -> tuple[tuple[str, str], ...]:
    """The words of both texts in order: `same`, `old` (gone) or `new` (added)."""
    before, after = re.findall(r"\s+|\S+", old), re.findall(r"\s+|\S+", new)
    changes: list[tuple[str, str]] = []
    matcher = SequenceMatcher(a=before, b=after, autojunk=False)
    for kind, a1, a2, b1, b2 in matcher.get_opcodes():
        if kind == "equal":
            changes.append(("same", "".join(before[a1:a2])))
            continue
        if a2 > a1:
            changes.append(("old", "".join(before[a1:a2])))
        if b2 > b1:
            changes.append(("new", "".join(after[b1:b2])))
    return tuple(changes)


def _of_incident(
    incident: IncidentView, components: Sequence[ComponentView], troubled: Sequence[ComponentView]
) -> Banner:
    ids = {component_id for component_id, _ in incident.components}
    held = [
        component for component in troubled if component.id in ids and component.status in _COUNTED
    ]
    besides = [
        component
        for component in troubled
        if component.id not in ids and component.status in _COUNTED
    ]
    if held:
        status = worst(component.status for component in held)
        trouble, since = (
            status.label,
            _earliest(component for component in held if component.status is status),
        )
    else:
        trouble, since = incident.status.label, _step_since(incident)
    is_told = since is not None and _minute(since) == _minute(incident.started_at)
    return Banner(
        tone=_tone([incident], troubled),
        label=_label([incident], troubled),
        headline=incident.name,
        href=incident.path,
        started_at=None if is_told else incident.started_at,
        trouble=trouble,
        since=since,
        rest=_join(_besides(besides), _rest(components, troubled, is_named=bool(held))),
        troubled=_chips(troubled) if besides else (),
    )


def _of_maintenance(
    active: Sequence[IncidentView],
    components: Sequence[ComponentView],
    troubled: Sequence[ComponentView],
) -> Banner:
    if len(active) > 1:
        return Banner(
            tone=ComponentStatus.UNDER_MAINTENANCE,
            label=ComponentStatus.UNDER_MAINTENANCE.label,
            headline=f"{len(active)} maintenance windows in progress",
            rest=_rest(components, troubled),
        )
    (only,) = active
    ids = {component_id for component_id, _ in only.components}
    return Banner(
        tone=ComponentStatus.UNDER_MAINTENANCE,
        label=ComponentStatus.UNDER_MAINTENANCE.label,
        headline=only.name,
        href=only.path,
        trouble="Scheduled maintenance",
        since=only.began_at,
        until=only.scheduled_until,
        rest=_rest(
            components, troubled, is_named=all(component.id in ids for component in troubled)
        ),
    )


def _of_components(
    components: Sequence[ComponentView], troubled: Sequence[ComponentView]
) -> Banner:
    tone = worst(component.status for component in troubled)
    of_tone = [component for component in troubled if component.status is tone]
    counts = _counts(troubled) if len(of_tone) < len(troubled) else ""
    return Banner(
        tone=tone,
        label=tone.label,
        headline=f"{_names(of_tone)}{_VERBS[tone][len(of_tone) > 1]}",
        href=of_tone[0].path if len(of_tone) == 1 else None,
        trouble=tone.label,
        since=_earliest(of_tone),
        rest=_join(counts, _rest(components, troubled, is_named=True)),
        troubled=_chips(troubled) if len(troubled) > 1 else (),
    )


def _tone(incidents: Sequence[IncidentView], troubled: Sequence[ComponentView]) -> ComponentStatus:
    tone = worst(component.status for component in troubled)
    return tone if tone in _COUNTED else worst(_TONES[incident.impact] for incident in incidents)


def _label(incidents: Sequence[IncidentView], troubled: Sequence[ComponentView]) -> str:
    tone = worst(component.status for component in troubled)
    if tone in _COUNTED:
        return tone.label
    return f"{len(incidents)} open incident{'s' if len(incidents) > 1 else ''}"


def _earliest(components: Iterable[ComponentView]) -> datetime | None:
    """Since when one of them has been as it is; None where one has for longer than is known."""
    moments = [component.since for component in components]
    dates = [moment for moment in moments if moment is not None]
    return min(dates) if len(dates) == len(moments) else None


def _step_since(incident: IncidentView) -> datetime | None:
    """When the first of its newest updates with the same status was posted."""
    since = None
    for update in incident.updates:
        if update.status is not incident.status:
            break
        since = update.posted_at
    return since


def _besides(components: Sequence[ComponentView]) -> str:
    """Trouble that the open incident does not speak for, so that it is not taken for its own."""
    if not components:
        return ""
    tone = worst(component.status for component in components)
    if any(component.status is not tone for component in components):
        return f"{len(components)} other components are also affected."
    return f"Also affected: {_names(components)} ({tone.label.lower()})."


def _counts(troubled: Sequence[ComponentView]) -> str:
    """`1 major outage, 3 partial outages, 4 degraded.`"""
    by_status = Counter(component.status for component in troubled)
    parts = [
        f"{by_status[status]} {words[by_status[status] > 1]}"
        for status, words in _COUNTED.items()
        if by_status[status]
    ]
    return f"{', '.join(parts)}." if parts else ""


def _rest(
    components: Sequence[ComponentView],
    troubled: Sequence[ComponentView],
    *,
    is_named: bool = False,
) -> str:
    """`32 of 40 components are operational, 1 in maintenance.`

    `is_named` where the headline speaks of what is troubled.
    """
    total, fine = len(components), len(components) - len(troubled)
    if not components:
        return ""
    if not troubled:
        return "All components are operational."
    if not fine:
        return "Every component is affected." if total > 1 else ""
    if is_named and len(troubled) == 1:
        return "Everything else is operational."
    planned = sum(component.status is ComponentStatus.UNDER_MAINTENANCE for component in troubled)
    return (
        f"{fine} of {total} components {'is' if fine == 1 else 'are'} operational"
        f"{f', {planned} in maintenance' if planned else ''}."
    )


def _chips(troubled: Sequence[ComponentView]) -> tuple[ComponentView, ...]:
    counted = [component for component in troubled if component.status in _COUNTED]
    return tuple(sorted(counted, key=lambda component: component.claim.rank, reverse=True))


def _names(components: Sequence[ComponentView]) -> str:
    names = [isolated(component.name) for component in components]
    if len(names) > _NAMED_AT_MOST:
        return f"{len(names)} components"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _join(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
