"""Badges: how the page or one component stands, as a small picture for other sites.

A badge brings its own ground, so that it reads the same in light and in dark
surroundings, and it says in words and by a sign what its colour says.
"""

import json
import unicodedata
from dataclasses import asdict, dataclass

from markupsafe import escape

from statuspage.domain.statuses import ComponentStatus
from statuspage.lib.markdown import clean
from statuspage.page.html.charts import GLYPHS
from statuspage.page.html.formatting import TONES
from statuspage.page.snapshot.values import Snapshot

CONTENT_TYPE = "image/svg+xml; charset=utf-8"
MAX_LABEL = 40

# White on each of them has a contrast of 4.5 at least (WCAG 2.2, 1.4.3).
LABEL_GROUND = "#3d4147"
GROUNDS = {
    "ok": "#187849",
    "degraded": "#8a6000",
    "partial": "#ad4b18",
    "major": "#b3261e",
    "maint": "#3559c2",
    "none": "#62646a",
}

_HEIGHT, _PADDING, _SIGN, _GAP = 20, 7, 12, 4
_FONT_SIZE = 11
# Widths in Verdana and DejaVu Sans, in parts of the font's size; the drawing then holds
# the text to the width that was reckoned with, whatever font a reader has.
_NARROW, _SLIM, _BROAD = (
    frozenset("ijl|.,:;'!`"),
    frozenset('I frt()[]{}/\\-"*°'),
    frozenset("mwMWOQ@%&+=<>~—…"),
)


@dataclass(frozen=True)
class Badge:
    """What a badge says. `tone` is one of `GROUNDS`."""

    label: str
    words: str
    tone: str

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, document: bytes) -> "Badge":
        return cls(**json.loads(document))


def of_page(snapshot: Snapshot) -> Badge:
    """The page's badge: its banner in two words."""
    banner = snapshot.banner
    return Badge(tidy(snapshot.page.name) or "Status", banner.label, TONES[banner.tone])


def of_component(name: str, status: ComponentStatus) -> Badge:
    return Badge(tidy(name) or "Status", status.label, TONES[status])


def tidy(label: str) -> str:
    """`label` on one line, without what cannot be seen, at most `MAX_LABEL` characters."""
    visible = "".join(
        " " if letter.isspace() else letter
        for letter in clean(label[: 10 * MAX_LABEL])
        # Controls, marks that turn the direction of a text, what has no meaning.
        if letter.isspace() or not unicodedata.category(letter).startswith("C")
    )
    words = " ".join(visible.split())
    return words if len(words) <= MAX_LABEL else words[: MAX_LABEL - 1].rstrip() + "…"


def svg(badge: Badge) -> bytes:
    """The picture, 20 units high; equal badges are equal bytes."""
    label_width, words_width = (
        text_width(badge.label, _FONT_SIZE),
        text_width(badge.words, _FONT_SIZE),
    )
    left = label_width + 2 * _PADDING
    right = _PADDING + _SIGN + _GAP + words_width + _PADDING
    width = left + right
    name = escape(f"{badge.label}: {badge.words}")
    sign_at, words_at = left + _PADDING, left + _PADDING + _SIGN + _GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}"'
        f' viewBox="0 0 {width} {_HEIGHT}" role="img"><title>{name}</title>'
        f'<rect width="{width}" height="{_HEIGHT}" rx="4" fill="{LABEL_GROUND}"/>'
        f'<path d="M{left} 0h{right - 4}a4 4 0 0 1 4 4v12a4 4 0 0 1-4 4h-{right - 4}Z"'
        f' fill="{GROUNDS[badge.tone]}"/>'
        f'<rect x=".5" y=".5" width="{width - 1}" height="{_HEIGHT - 1}" rx="3.5" fill="none"'
        ' stroke="#fff" stroke-opacity=".3"/>'
        f'<g fill="#fff" font-family="Verdana,Geneva,DejaVu Sans,sans-serif"'
        f' font-size="{_FONT_SIZE}">'
        f'<path transform="translate({sign_at} 4) scale(.75)" d="{GLYPHS[badge.tone]}"/>'
        f"{_text(_PADDING, label_width, badge.label)}{_text(words_at, words_width, badge.words)}"
        "</g></svg>\n"
    ).encode()


def _text(x: int, width: int, words: str) -> str:
    fit = f'textLength="{width}" lengthAdjust="spacingAndGlyphs"'
    return f'<text x="{x}" y="14" {fit}>{escape(words)}</text>'


def text_width(text: str, font_size: int) -> int:
    """About how wide `text` is in a broad sans-serif font, in the units of `font_size`."""
    return max(round(sum(_share(letter) for letter in text) * font_size), 1)


def _share(letter: str) -> float:
    if unicodedata.combining(letter):
        return 0
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.1
    if letter in _NARROW:
        return 0.32
    if letter in _SLIM:
        return 0.42
    if letter in _BROAD:
        return 0.86
    return 0.7 if letter.isupper() else 0.61
