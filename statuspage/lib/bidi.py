"""Names in any script inside a sentence: what surrounds them keeps its order (Unicode UAX #9)."""

import re
import unicodedata

_FIRST_STRONG_ISOLATE, _POP_ISOLATE = "\u2068", "\u2069"
_ISOLATES = re.compile("[\u2066-\u2069]")
"""One within a name could end the isolate around it."""
_TURNING = frozenset(
    ["R", "AL", "AN", "RLE", "RLO", "LRE", "LRO", "PDF", "RLI", "LRI", "FSI", "PDI"]
)
"""Classes of characters that can change the direction of their neighbours."""


def isolated(name: str) -> str:
    """`name` for plain text; unchanged if it cannot change the direction of what surrounds it."""
    if name.isascii() or not any(unicodedata.bidirectional(char) in _TURNING for char in name):
        return name
    return f"{_FIRST_STRONG_ISOLATE}{_ISOLATES.sub('', name)}{_POP_ISOLATE}"
