"""The public pages as HTML: one file each with its style inline, complete without script.

Renders views and nothing else. The style's hash goes into the policy of the page,
so that no attribute and no other sheet can style it.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import cache
from http import HTTPStatus

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from statuspage.config import PROJECT
from statuspage.domain.claims import Claim
from statuspage.domain.status import ComponentStatus, IncidentKind, IncidentStatus, worst
from statuspage.domain.uptime import Day
from statuspage.page import assets, drawings
from statuspage.page import format as wording
from statuspage.page.answers import Rendering, content_security_policy
from statuspage.page.format import TONES, Times
from statuspage.page.views import (
    ComponentPage,
    History,
    IncidentPage,
    IncidentView,
    PageView,
    Retracted,
    Snapshot,
    UpdateView,
    UptimePage,
)

LATEST_UPDATES = 3
"""How many updates of an open incident the front page tells in full."""
DESCRIPTION_LENGTH = 200

CORRECTED = {
    "started_at": "Start",
    "detected_at": "Detection",
    "told_at": "First update",
    "mitigated_at": "Mitigation",
    "resolved_at": "End",
    "scheduled_for": "Planned start",
    "scheduled_until": "Planned end",
    "name": "Name",
    "impact": "Impact",
    "who_is_affected": "Who is affected",
    "what_still_works": "What still works",
    "what_you_can_do": "What you can do",
}


# ── pages ──────────────────────────────────────────────────────────────────────


def front(snapshot: Snapshot) -> Rendering:
    """`/`: what is wrong now, the components, what is planned, what was."""
    sentences = [snapshot.banner.headline.rstrip(".") + "."]
    if snapshot.banner.trouble:
        sentences.append(f"{snapshot.banner.trouble}.")
    sentences.append(snapshot.banner.rest)
    return document(
        "front.html",
        snapshot.page,
        Times(snapshot.page.zone, snapshot.at),
        path="/",
        title=f"{snapshot.page.name} status",
        description=" ".join(sentences).strip(),
        snapshot=snapshot,
        past=_folded(snapshot),
    )


def incident(shown: IncidentPage) -> Rendering:
    """`/incidents/<id>`: the whole story, with what was edited and corrected."""
    one = shown.incident
    times = Times(shown.page.zone, shown.at)
    newest = re.sub(r"\s+", " ", one.updates[0].body) if one.updates else ""
    return document(
        "incident.html",
        shown.page,
        times,
        path=one.path,
        title=f"{one.name} · {shown.page.name} status",
        description=f"{one.status.label}: {newest}",
        incident=one,
        figures=_figures(one),
        strips=[drawings.strip(strip, one, times) for strip in shown.strips],
    )


def retracted(page: PageView, one: Retracted, times: Times) -> Rendering:
    """410: an incident that was withdrawn, with the reason."""
    return document(
        "retracted.html",
        page,
        times,
        path=f"/incidents/{one.id}",
        title=f"Retracted: {one.name} · {page.name} status",
        description=one.reason,
        status=HTTPStatus.GONE,
        incident=one,
    )


def history(shown: History) -> Rendering:
    """`/history`: three months a page."""
    return document(
        "history.html",
        shown.page,
        Times(shown.page.zone, shown.at),
        path=_numbered("/history", shown.number),
        title=f"History · {shown.page.name} status",
        description=f"Incidents and maintenance of {shown.page.name}, month by month.",
        history=shown,
        older=_numbered("/history", shown.number + 1) if shown.has_older else None,
        newer=_numbered("/history", shown.number - 1) if shown.number > 1 else None,
    )


def maintenance(page: PageView, shown: Sequence[IncidentView], times: Times) -> Rendering:
    """`/maintenance`: what is planned or in progress, then what is over."""
    return document(
        "maintenance.html",
        page,
        times,
        path="/maintenance",
        title=f"Scheduled maintenance · {page.name} status",
        description=f"Planned and past maintenance of {page.name}.",
        ahead=[one for one in shown if not one.is_over],
        over=[one for one in shown if one.is_over],
    )


def component(shown: ComponentPage) -> Rendering:
    """`/components/<id>`: its bar, its figure explained, its incidents."""
    one = shown.component
    return document(
        "component.html",
        shown.page,
        Times(shown.page.zone, shown.at),
        path=one.path,
        title=f"{one.name} · {shown.page.name} status",
        description=f"{one.full_name}: {wording.claim(one.claim)}.",
        component=one,
        sums=_sums(one.days),
        causes=shown.causes,
        incidents=shown.incidents,
    )


def uptime(shown: UptimePage) -> Rendering:
    """`/uptime`: a calendar per component, three months a page."""
    return document(
        "uptime.html",
        shown.page,
        Times(shown.page.zone, shown.at),
        path=_numbered("/uptime", shown.number),
        title=f"Uptime · {shown.page.name} status",
        description=f"Uptime of {shown.page.name} by component and month.",
        uptime=shown,
        older=_numbered("/uptime", shown.number + 1) if shown.has_older else None,
        newer=_numbered("/uptime", shown.number - 1) if shown.number > 1 else None,
    )


def missing(page: PageView, times: Times) -> Rendering:
    """What stands at an address that leads nowhere. The same whatever was asked for."""
    return document(
        "missing.html",
        page,
        times,
        path=None,
        title=f"Not found · {page.name} status",
        description="There is no page at this address.",
    )


def not_ready() -> Rendering:
    """503: before the first set-up there is no page."""
    return _rendering(
        environment().get_template("not_ready.html").render(css=sheet()),
        sheet(),
        HTTPStatus.SERVICE_UNAVAILABLE,
        cache_control="no-store",
    )


def api(page: PageView, times: Times, examples: Mapping[str, str], newest: str | None) -> Rendering:
    """`/api`: how programs read this page. `newest` is the id of an incident to ask for."""
    return document(
        "api.html",
        page,
        times,
        path="/api",
        title=f"API · {page.name} status",
        description=f"Read the status of {page.name} with a program.",
        examples=examples,
        newest=newest,
    )


def reference(page: PageView, times: Times, sections: Sequence[tuple[str, object]]) -> Rendering:
    """`/api/reference`: every operation of the APIs, by noun."""
    return document(
        "reference.html",
        page,
        times,
        path="/api/reference",
        title=f"API reference · {page.name} status",
        description=f"Every operation of the APIs of {page.name}.",
        more_style="reference.css",
        sections=sections,
    )


def robots() -> Rendering:
    """`/robots.txt`: everything public may be found, the desk not."""
    return Rendering(
        HTTPStatus.OK, "text/plain; charset=utf-8", b"User-agent: *\nDisallow: /admin/\n"
    )


def icon() -> Rendering:
    """The page's small picture in a browser's tab."""
    body = (PROJECT / "static" / "favicon.svg").read_bytes()
    return Rendering(
        HTTPStatus.OK,
        "image/svg+xml; charset=utf-8",
        body,
        cache_control="public, max-age=86400",
    )


def script() -> Rendering:
    """The one script of the public pages, without its comments and indentation."""
    return Rendering(
        HTTPStatus.OK,
        "text/javascript; charset=utf-8",
        assets.script("public.js").encode(),
        cache_control="public, max-age=86400",
    )


# ── a page ─────────────────────────────────────────────────────────────────────


def document(
    template: str,
    page: PageView,
    times: Times,
    *,
    path: str | None,
    title: str,
    description: str,
    status: HTTPStatus = HTTPStatus.OK,
    more_style: str | None = None,
    **values: object,
) -> Rendering:
    """A whole page: this template between the head and the foot that all of them share."""
    css = sheet() + accents(page) + (assets.sheet(more_style) if more_style else "")
    text = (
        environment()
        .get_template(template)
        .render(
            page=page,
            times=times,
            css=css,
            url=None if path is None else page.url + path,
            title=title,
            description=_shortened(description),
            **values,
        )
    )
    return _rendering(text, css, status)


def _rendering(
    text: str, css: str, status: HTTPStatus, cache_control: str | None = None
) -> Rendering:
    return Rendering(
        status,
        "text/html; charset=utf-8",
        text.encode(),
        cache_control=cache_control,
        csp=content_security_policy(css),
    )


def accents(page: PageView) -> str:
    """The page's own link colours. Six hexadecimal digits each, or they are not used."""
    light, dark = (
        colour if colour and re.fullmatch("#[0-9a-fA-F]{6}", colour) else None
        for colour in (page.accent, page.accent_dark)
    )
    css = f":root{{--accent:{light}}}" if light else ""
    if dark or light:
        dark = dark or "#8fb0ff"
        css += f"@media(prefers-color-scheme:dark){{:root{{--accent:{dark}}}}}"
    return css


def _numbered(path: str, number: int) -> str:
    return path if number == 1 else f"{path}?page={number}"


def _shortened(text: str) -> str:
    if len(text) <= DESCRIPTION_LENGTH:
        return text
    return text[:DESCRIPTION_LENGTH].rsplit(" ", 1)[0] + "…"


def sheet() -> str:
    """The style of every public page."""
    return assets.sheet("tokens.css", "public.css")


@cache
def script_path() -> str:
    """The script's address; it changes with the script."""
    digest = hashlib.sha256(assets.script("public.js").encode()).hexdigest()
    return f"/public.js?v={digest[:8]}"


@cache
def environment() -> Environment:
    """The templates of the public pages, with the words and drawings that they use."""
    made = Environment(
        loader=FileSystemLoader(PROJECT / "templates" / "public"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters.update(
        tone=TONES.__getitem__,
        machine=wording.machine,
        dated=wording.dated,
        month=wording.month,
        brief=wording.brief,
        spoken=wording.spoken,
        percent=wording.percent,
        share=wording.share,
        claim=wording.claim,
        counted=wording.count,
        webcal=_webcal,
    )
    made.globals.update(
        GLYPHS=drawings.GLYPHS,
        LATEST_UPDATES=LATEST_UPDATES,
        Kind=IncidentKind,
        Status=ComponentStatus,
        Step=IncidentStatus,
        bar=drawings.bar,
        calendar=drawings.calendar,
        corrections=_corrections,
        has_trouble=lambda item: item.status is not ComponentStatus.OPERATIONAL,
        line=drawings.line,
        script_path=script_path(),
        told=_told,
        tone_of=_tone_of,
    )
    return made


def _webcal(path: str, page: PageView) -> str:
    """An address that calendar programs open by themselves."""
    return f"webcal://{page.url.partition('://')[2]}{path}"


# ── timelines ──────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Move:
    """What an update changed for a component, in words."""

    name: str
    old: str
    new: str


@dataclass(frozen=True)
class Told:
    """An update with what follows from those before it."""

    update: UpdateView
    tone: str
    moves: tuple[Move, ...]


def _told(one: IncidentView, limit: int | None = None) -> list[Told]:
    """The updates, newest first, at most `limit`."""
    present: dict[str, Claim] = {}
    found: list[Told] = []
    for update in reversed(one.updates):
        moves = []
        for change in update.changes:
            before = present.get(change.component_id, Claim(change.old_status))
            present[change.component_id] = change.claim
            if before != change.claim:
                old, new = wording.claim(before), wording.claim(change.claim)
                moves.append(Move(change.name, old, new))
        stands = worst(claim.status for claim in present.values())
        found.append(Told(update, wording.tone_of_step(update.status, stands), tuple(moves)))
    return found[::-1][:limit]


def _tone_of(one: IncidentView) -> str:
    return wording.tone_of_step(one.status, one.worst.status)


def _figures(one: IncidentView) -> list[tuple[str, str]]:
    """The four figures of an incident: heading and value. None for maintenance."""
    if one.kind is IncidentKind.MAINTENANCE:
        return []

    def until(moment: datetime) -> str:
        return wording.brief(max(moment - one.started_at, timedelta(0)))

    told = "recorded later" if one.is_backfilled else until(one.told_at) if one.told_at else "–"
    promised = f"{one.promises_kept} of {one.promises_made}" if one.promises_made else "none due"
    return [
        ("Until detected", until(one.detected_at) if one.detected_at else "not recorded"),
        ("Until first update", told),
        ("Until restored", until(one.resolved_at) if one.resolved_at else "not yet"),
        ("Updates kept on time", promised),
    ]


@dataclass(frozen=True)
class Corrected:
    """A correction in words; moments as they are, for `<time>`."""

    what: str
    old: object
    new: object
    is_moment: bool
    reason: str | None


def _corrections(one: IncidentView) -> list[Corrected]:

    found = []
    for correction in one.corrections:
        is_moment = correction.field.endswith("_at") or correction.field.startswith("scheduled_")
        old, new = (
            datetime.fromisoformat(value) if value and is_moment else value
            for value in (correction.old, correction.new)
        )
        what = CORRECTED.get(correction.field, correction.field.replace("_", " ").capitalize())
        found.append(Corrected(what, old, new, is_moment, correction.reason))
    return found


# ── days and months ────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class PastDay:
    """A day with incidents, or several quiet days in a row."""

    heading: str
    incidents: tuple[IncidentView, ...]
    is_today: bool = False


def _folded(snapshot: Snapshot) -> list[PastDay]:
    times = Times(snapshot.page.zone, snapshot.at)
    found: list[PastDay] = []
    quiet: list[date] = []

    def fold() -> None:
        if quiet:
            heading = times.stretch(quiet[0], quiet[-1]) if quiet[1:] else times.day(quiet[0])
            found.append(PastDay(heading, ()))
            quiet.clear()

    for day, incidents in snapshot.past:
        if day == times.today:
            found.append(PastDay("Today", incidents, is_today=True))
        elif incidents:
            fold()
            found.append(PastDay(times.day(day), incidents))
        else:
            quiet.append(day)
    fold()
    return found


# ── figures explained ──────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Sums:
    """What an uptime figure is made of."""

    length: str
    down: str
    not_counted: str | None
    without_data: int


def _sums(days: Sequence[Day]) -> Sums:
    harmless = (ComponentStatus.DEGRADED_PERFORMANCE, ComponentStatus.UNDER_MAINTENANCE)
    excluded = [
        f"{drawings.length(total)} of {status.label.lower()}"
        for status in harmless
        if (total := sum((day.seconds.get(status, Fraction(0)) for day in days), Fraction(0)))
    ]
    seconds = sum(day.length_s for day in days)
    down = sum((day.downtime_s for day in days), Fraction(0))
    return Sums(
        length=f"{sum(day.has_data for day in days)} days ({seconds:,} s)",
        down=f"{drawings.length(down)} ({float(down):,.1f} s)" if down else "none",
        not_counted=" and ".join(excluded) or None,
        without_data=sum(not day.has_data for day in days),
    )
