"""Components by what people and tools call them. Pure."""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence

from statuspage.domain.components.models import Component


class ComponentNames:
    """Finds components among those `listed`.

    A public id comes first, then a full name (`Shipping › Labels`, or `Shipping - Labels` as
    Statuspage has it), then a name, then each of them in another case. A word that fits
    several components names none of them.
    """

    def __init__(self, listed: Sequence[Component]) -> None:
        self._levels = [
            (spelling, _by(attribute, spelling, listed))
            for spelling in (_spaced, _folded)
            for attribute in ("public_id", "full_name", "statuspage_name", "name")
        ]

    def find_all(
        self, text: str, *, between: str, most: int | None = None
    ) -> tuple[list[Component], list[str]]:
        """Components and unknown words of a list. Names may have the separator themselves: the
        longest one that fits counts."""
        words = [word for word in map(_spaced, text.split(between)) if word][:most]
        matched, unknown = [], []
        while words:
            for length in range(len(words), 0, -1):
                component = self._find(f"{between} ".join(words[:length]))
                if component is not None:
                    matched.append(component)
                    break
            else:
                unknown.append(words[0])
            del words[:length]
        return matched, unknown

    def _find(self, word: str) -> Component | None:
        for spelling, level in self._levels:
            if candidates := level.get(spelling(word)):
                return candidates[0] if len(candidates) == 1 else None
        return None


def _by(
    attribute: str, spelling: Callable[[str], str], listed: Sequence[Component]
) -> dict[str, list[Component]]:
    by_spelling = defaultdict(list)
    for component in listed:
        by_spelling[spelling(getattr(component, attribute))].append(component)
    return by_spelling


def _spaced(text: str) -> str:
    """`text` with one blank between words, and after a comma or semicolon."""
    for sign in ",;":
        text = f"{sign} ".join(text.split(sign))
    return " ".join(text.split())


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", _spaced(text)).casefold()
