"""How a public view declares its addresses to the static export.

A view without `@exported` stays on the origin.
"""

from collections.abc import Callable
from enum import Enum
from typing import TypeVar

View = TypeVar("View", bound=Callable[..., object])


class Exported(Enum):
    """Which addresses a view has, and after what they are rendered again."""

    AFTER_CHANGES = "one address, after every change"
    AFTER_CHANGES_NUMBERED = "the same, and older pages at `?page=2` and up"
    AFTER_RELEASES = "one address, after a release or a change of page settings or components"
    PER_COMPONENT = "one for each component"
    PER_INCIDENT = "one for each incident, retracted ones too"
    PER_PUBLISHED_INCIDENT = "one for each incident that is not retracted"
    PER_OPEN_INCIDENT = "one for each incident that is not over"
    PER_POSTMORTEM = "one for each incident with a published postmortem"


def exported(kind: Exported) -> Callable[[View], View]:
    """Declare a view to the export; stands below its route."""

    def declare(view: View) -> View:
        view.exported = kind  # type: ignore[attr-defined]
        return view

    return declare


def declaration(view: Callable[..., object]) -> Exported | None:
    """What a view declares; None if it stays on the origin."""
    return getattr(view, "exported", None)
