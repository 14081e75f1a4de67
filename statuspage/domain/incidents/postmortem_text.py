"""A postmortem as one text: for programs that know no parts.

Pure. Parts are told with their headings, as Markdown; a text that is written that way
is taken apart again, any other stays whole in the summary. Either way the text that
was written is the text that is read.
"""

import re
from collections.abc import Mapping

from statuspage.domain.incidents.postmortems import Part
from statuspage.lib.markdown import clean

_HEADING = re.compile(r"^## (.+)\n\n", re.MULTILINE)
_PARTS = {part.heading: part for part in Part}


def join_parts(parts: Mapping[str, str]) -> str:
    """Parts by their field names, as one Markdown text. A summary alone has no heading."""
    written = [part for part in Part if parts.get(part.value)]
    if written == [Part.SUMMARY]:
        return parts[Part.SUMMARY.value]
    return "\n\n".join(f"## {part.heading}\n\n{parts[part.value]}" for part in written)


def split_parts(text: str) -> dict[Part, str]:
    """The parts of which `whole` makes this text again; empty for a blank text."""
    text = clean(text)
    before, *pieces = _HEADING.split(text)
    texts = dict(zip(pieces[::2], pieces[1::2], strict=True))
    if before or not texts.keys() <= _PARTS.keys() or not all(map(str.strip, texts.values())):
        return {Part.SUMMARY: text}
    last = next(reversed(texts), "")
    parts = {
        _PARTS[heading]: words if heading == last else words.removesuffix("\n\n")
        for heading, words in texts.items()
    }
    same = join_parts({part.value: words for part, words in parts.items()}) == text
    return parts if same else {Part.SUMMARY: text}
