"""The picture that chats and social networks show beside a link (Open Graph), 1200 × 630.

An SVG template is filled from the views and rasterised with a packaged font. That font has Latin,
Greek and Cyrillic letters; a title in another script is replaced by how many components are
affected, since boxes instead of letters say nothing.
"""

import unicodedata
from dataclasses import dataclass
from datetime import datetime

import resvg_py
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from statuspage.config import PROJECT
from statuspage.domain.claims import Claim
from statuspage.domain.statuses import ComponentStatus, IncidentKind
from statuspage.page.badges import text_width
from statuspage.page.html import formatting, incident_details
from statuspage.page.html.charts import GLYPHS
from statuspage.page.html.formatting import TONES, Times
from statuspage.page.snapshot.values import (
    ComponentPage,
    ComponentView,
    IncidentPage,
    IncidentView,
    PageView,
    Snapshot,
)

WIDTH, HEIGHT = 1200, 630
TITLE_SIZE, TITLE_WIDTH, MAX_TITLE_LINES = 54, 950, 2
NAME_SIZE, HOST_SIZE, HEAD_WIDTH = 34, 26, 470
DETAIL_SIZE, DETAIL_WIDTH = 28, 850
FONTS = [
    str(PROJECT / "static" / "fonts" / name) for name in ("Inter-Regular.otf", "Inter-Bold.otf")
]
SCRIPTS = ("LATIN ", "GREEK ", "CYRILLIC ")
"""The Unicode names of the letters in the fonts begin with one of these."""

# The light theme of `static/tokens.css`.
COLOURS = {
    "ok": {"ink": "#187849", "ground": "#e7f5ed", "stripe": "#35a56d"},
    "degraded": {"ink": "#8a6000", "ground": "#fcf3dc", "stripe": "#e8b931"},
    "partial": {"ink": "#ad4b18", "ground": "#fdece2", "stripe": "#f0803c"},
    "major": {"ink": "#b3261e", "ground": "#fdeae8", "stripe": "#d6392f"},
    "maint": {"ink": "#3559c2", "ground": "#e9eefc", "stripe": "#6f8fe8"},
    "none": {"ink": "#5e6066", "ground": "#efefed", "stripe": "#d3d3ce"},
}

_templates = Environment(
    loader=FileSystemLoader(PROJECT / "templates" / "public"),
    autoescape=True,
    trim_blocks=True,
    undefined=StrictUndefined,
)


@dataclass(frozen=True)
class Picture:
    """The words of one picture. `tone` is one of `COLOURS`."""

    tone: str
    state: str
    title: str
    plain_title: str
    """Shown where the fonts lack letters of `title`."""
    detail: str
    since: str


def of_page(snapshot: Snapshot) -> bytes:
    times = Times(snapshot.page.zone, snapshot.at)
    return _render(snapshot.page, times, picture_of_page(snapshot, times))


def of_incident(shown: IncidentPage) -> bytes:
    """Of an incident or a maintenance."""
    times = Times(shown.page.zone, shown.at)
    return _render(shown.page, times, picture_of_incident(shown.incident, times))


def of_component(shown: ComponentPage) -> bytes:
    times = Times(shown.page.zone, shown.at)
    return _render(shown.page, times, picture_of_component(shown.component, times))


def picture_of_page(snapshot: Snapshot, times: Times) -> Picture:
    """The open incident if it is all the trouble there is, else the headline of the page."""
    troubled = {
        component.id
        for component in snapshot.components
        if component.status is not ComponentStatus.OPERATIONAL
    }
    if len(snapshot.incidents) == 1 and troubled <= dict(snapshot.incidents[0].components).keys():
        return picture_of_incident(snapshot.incidents[0], times)
    affected = _affected(len(troubled))
    banner = snapshot.banner
    return Picture(
        tone=TONES[banner.tone],
        state=banner.label,
        title=banner.headline,
        plain_title=affected or banner.label,
        detail=affected,
        since="",
    )


def picture_of_component(component: ComponentView, times: Times) -> Picture:
    return Picture(
        tone=TONES[component.status],
        state=component.status.label,
        title=component.full_name,
        plain_title=component.status.label,
        detail=_extent(component.claim),
        since=f"Since {_moment(component.since, times)}" if component.since else "",
    )


def picture_of_incident(incident: IncidentView, times: Times) -> Picture:
    affected = _affected(len(incident.components))
    is_outage = incident.kind is IncidentKind.INCIDENT and incident.components
    is_open_outage = bool(is_outage) and not incident.is_over
    return Picture(
        tone=incident_details.tone_of(incident),
        state=incident.worst.status.label if is_open_outage else incident.status.label,
        title=incident.name,
        plain_title=affected or incident.status.label,
        detail=(_extent(incident.worst) if is_open_outage else "") or affected,
        since=_when(incident, times),
    )


def _when(incident: IncidentView, times: Times) -> str:
    if incident.resolved_at is not None:
        return f"Ended {_moment(incident.resolved_at, times)}"
    if incident.scheduled_for is not None and incident.started_at > times.at:
        return f"Starts {_moment(incident.scheduled_for, times)}"
    return f"Started {_moment(incident.started_at, times)}"


def _render(page: PageView, times: Times, picture: Picture) -> bytes:
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg(page, times, picture), font_files=FONTS, skip_system_fonts=True
        )
    )


def svg(page: PageView, times: Times, picture: Picture) -> str:
    """The drawing; texts are clipped and wrapped to the space they have."""
    return _templates.get_template("share.svg").render(
        colours=COLOURS[picture.tone],
        glyph=GLYPHS.get(picture.tone, ""),
        name=_clip(_drawable(page.name), NAME_SIZE, HEAD_WIDTH),
        host=_clip(page.url.partition("://")[2], HOST_SIZE, HEAD_WIDTH),
        state=picture.state,
        detail=_clip(_drawable(picture.detail), DETAIL_SIZE, DETAIL_WIDTH),
        title=_wrap(_drawable(picture.title) or picture.plain_title),
        since=picture.since,
        as_of=f"As of {_moment(times.at, times)}",
    )


def _affected(number: int) -> str:
    return f"{formatting.count(number, 'component')} affected" if number else ""


def _extent(claim: Claim) -> str:
    """`12 %, EU`; empty where neither is stated."""
    share = formatting.share(claim.share) if claim.share is not None else None
    return ", ".join(filter(None, (share, claim.scope)))


def _moment(moment: datetime, times: Times) -> str:
    """Always with date and zone: a shared picture is seen on another day, elsewhere."""
    return f"{times.full(moment)} {times.zone_at(moment)}"


def _drawable(text: str) -> str:
    """`text` without symbols that the fonts lack; empty where they lack one of its letters."""
    shown = [letter for letter in text if ord(letter) < 128 or _is_in_fonts(letter)]
    lost = [letter for letter in text if letter.isalpha() and letter not in shown]
    return "" if lost else " ".join("".join(shown).split())


def _is_in_fonts(letter: str) -> bool:
    is_punctuation = unicodedata.category(letter)[0] in "PNZ" and ord(letter) < 0x2100
    return is_punctuation or unicodedata.name(letter, "").startswith(SCRIPTS)


def _wrap(title: str) -> list[str]:
    lines = [""]
    for word in title.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, TITLE_SIZE) > TITLE_WIDTH:
            lines.append(word)
        else:
            lines[-1] = longer
    if len(lines) > MAX_TITLE_LINES:
        lines = [*lines[: MAX_TITLE_LINES - 1], " ".join(lines[MAX_TITLE_LINES - 1 :])]
    return [_clip(line, TITLE_SIZE, TITLE_WIDTH) for line in lines]


def _clip(text: str, size: int, width: int) -> str:
    clipped = text
    while text_width(clipped, size) > width:
        clipped = clipped.removesuffix("…")[:-1].rstrip() + "…"
    return clipped
