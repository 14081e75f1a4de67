"""The list of components on the front page: what comes first, what is open and what is folded."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from statuspage.domain.statuses import ComponentStatus
from statuspage.page.snapshot.values import ComponentView, GroupView, Snapshot

MOST_WITH_BARS = 20
"""A page of more components has rows only; their bars are on pages of their own."""
SEARCHABLE_FROM = 40


@dataclass(frozen=True)
class Section:
    """A card of the list: a group, or components without one."""

    group: GroupView | None
    shown: tuple[ComponentView, ...]
    others: tuple[ComponentView, ...]
    """Operational ones that are folded beside others in trouble."""
    is_open: bool

    @property
    def components(self) -> tuple[ComponentView, ...]:
        return (*self.shown, *self.others)

    @property
    def in_trouble(self) -> int:
        return sum(map(_is_troubled, self.shown))


@dataclass(frozen=True)
class Board:
    sections: tuple[Section, ...]
    has_bars: bool
    is_searchable: bool


def board(snapshot: Snapshot) -> Board:
    """In the order of the page; while an incident is open, trouble first and the rest folded."""
    total = len(snapshot.components)
    has_bars = total <= MOST_WITH_BARS
    is_busy = bool(snapshot.incidents)
    # While trouble goes first there is no order to keep: components without a group are together.
    items = sorted(snapshot.items, key=_is_group) if is_busy else snapshot.items
    sections = []
    for is_group, run in groupby(items, key=_is_group):
        if is_group:
            groups = [item for item in run if isinstance(item, GroupView)]
            sections += [_section(group, group.components, is_busy) for group in groups]
        else:
            loose = [item for item in run if isinstance(item, ComponentView)]
            sections.append(_section(None, loose, is_busy and not has_bars))
    if is_busy:
        sections.sort(key=_severity, reverse=True)
    return Board(tuple(sections), has_bars, is_searchable=total >= SEARCHABLE_FROM)


def _section(
    group: GroupView | None, components: Sequence[ComponentView], is_folding: bool
) -> Section:
    shown = [component for component in components if not _is_fine(component)]
    if not is_folding:
        return Section(group, tuple(components), (), is_open=True)
    if not shown:
        return Section(group, tuple(components), (), is_open=False)
    return Section(group, tuple(shown), tuple(filter(_is_fine, components)), is_open=True)


def _is_group(item: ComponentView | GroupView) -> bool:
    return isinstance(item, GroupView)


def _severity(section: Section) -> int:
    return max(component.status.severity for component in section.components)


def _is_fine(component: ComponentView) -> bool:
    return component.status is ComponentStatus.OPERATIONAL


def _is_troubled(component: ComponentView) -> bool:
    return component.status.severity > ComponentStatus.UNDER_MAINTENANCE.severity
