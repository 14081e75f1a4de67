"""Which stored bytes answer a request: HTTP's rules for it, as pure functions.

RFC 9110 §12.5.3 (encodings), §13 (conditional requests), §15.4.5 (what a 304 carries).
"""

import re
from email.utils import parsedate_to_datetime
from functools import lru_cache

PARAMETERS = frozenset({"page"})
"""Query parameters that choose another public page. All others are ignored."""
OF_A_BADGE = PARAMETERS | {"label"}
"""Where a path ends in `/badge.svg`. Nothing is ever kept under a label, or anybody could
fill the store: those badges are drawn when they are asked for."""

OF_THE_FRONT = PARAMETERS | {"unsubscribe"}
"""What Statuspage's messages link to: it leads on, and is never kept."""

OF_THE_FORM = PARAMETERS | {"component"}
"""`/subscribe` with a component chosen; kept only for one that exists."""

OF_THE_HISTORY = PARAMETERS | {"q", "component", "severity"}
"""What `/history` is searched for; never kept, there are as many as anybody can think of."""

_NAMES = {"/": OF_THE_FRONT, "/subscribe": OF_THE_FORM, "/history": OF_THE_HISTORY}

PREFERENCE = ("br", "gzip", "identity")
"""Which encoding we like best where a reader likes them alike."""
LONGEST_REMEMBERED_HEADER = 200

ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')
QVALUE = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")


def canonical(path: str, query: str) -> str:
    """The address that stands for all spellings of `path?query`; junk parameters are dropped.

    A name we cannot read without decoding is kept: such an address is never
    published, and Flask judges it.
    """
    names = OF_A_BADGE if path.endswith("/badge.svg") else _NAMES.get(path, PARAMETERS)
    parts = [part for part in query.split("&") if _is_meaningful(part.partition("=")[0], names)]
    return f"{path}?{'&'.join(parts)}" if parts else path


def _is_meaningful(name: str, names: frozenset[str]) -> bool:
    return name in names or "%" in name or "+" in name


def has_it(
    if_none_match: str | None, if_modified_since: str | None, etag: str, last_modified: str | None
) -> bool:
    """Whether the reader's copy is the present one. An entity tag outranks a date."""
    if if_none_match is not None:
        return matches(if_none_match, etag)
    if if_modified_since is None or last_modified is None:
        return False
    return if_modified_since == last_modified or is_unchanged_since(
        if_modified_since, last_modified
    )


def matches(if_none_match: str, etag: str) -> bool:
    """Weak comparison (RFC 9110 §13.1.2) of one strong `etag` with a list of tags or `*`."""
    if if_none_match == etag:
        return True
    return if_none_match.strip() == "*" or etag in ENTITY_TAG.findall(if_none_match)


def is_unchanged_since(since: str, last_modified: str) -> bool:
    """Whether our date `last_modified` is no later than `since`. False for what is no date."""
    try:
        moment, changed_at = parsedate_to_datetime(since), parsedate_to_datetime(last_modified)
    except (ValueError, IndexError, OverflowError):
        return False
    return moment.tzinfo is not None and moment >= changed_at


def acceptable(accept_encoding: str) -> tuple[str, ...]:
    """The encodings a reader accepts, best first; malformed parts are as if not there.

    Plain bytes come last unless asked for: refusing them with nothing else on offer
    would help nobody, so `identity;q=0` only moves them behind the others.
    """
    if len(accept_encoding) > LONGEST_REMEMBERED_HEADER:
        return _acceptable(accept_encoding)
    return _remembered_acceptable(accept_encoding)


def _acceptable(accept_encoding: str) -> tuple[str, ...]:
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        coding, _, parameters = part.partition(";")
        weight = _weight(parameters)
        if weight is not None:
            weights[coding.strip().removeprefix("x-")] = weight
    anything = weights.get("*", 0.0)
    ranked = [(weights.get(coding, anything), coding) for coding in PREFERENCE]
    weighted = [(weight, coding) for weight, coding in ranked if weight > 0]
    return tuple(coding for _, coding in sorted(weighted, key=lambda item: -item[0]))


_remembered_acceptable = lru_cache(maxsize=256)(_acceptable)


def _weight(parameters: str) -> float | None:
    """1 where none is stated, None where it is no weight."""
    if not parameters.strip():
        return 1.0
    name, _, value = parameters.partition("=")
    if name.strip() != "q" or QVALUE.fullmatch(value.strip()) is None:
        return None
    return float(value)


def belongs_to_304(name: str) -> bool:
    """Whether a 304 carries this header; a script elsewhere also needs the CORS line to read it."""
    name = name.lower()
    names = ("etag", "cache-control", "vary", "content-location", "expires")
    return name in names or name.startswith("access-control-")
