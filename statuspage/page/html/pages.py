"""The public pages as HTML: one file each with its style inline, complete without script.

Renders views and nothing else. What the pages have in common is in `document`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import urlencode

from statuspage.config import PROJECT
from statuspage.domain.statuses import ComponentStatus
from statuspage.lib.bidi import isolated
from statuspage.page.html import assets, charts, incident_details
from statuspage.page.html import formatting as wording
from statuspage.page.html.affected_days import affected_days
from statuspage.page.html.board import board
from statuspage.page.html.formatting import Times
from statuspage.page.html.layout import document, environment, rendering, sheet
from statuspage.page.snapshot.values import (
    ComponentPage,
    Found,
    History,
    IncidentPage,
    IncidentView,
    PageView,
    Retracted,
    Snapshot,
    UptimePage,
)
from statuspage.serving.response import Rendering, policy_within

FOUND_MAX_AGE_S = 30
"""A reader who goes back and forth does not search again."""


def front(snapshot: Snapshot) -> Rendering:
    """`/`: what is wrong now, the components, what is planned, what was."""
    banner = snapshot.banner
    sentences = [isolated(banner.headline.rstrip(".")) + "."]
    if banner.trouble:
        sentences.append(f"{banner.trouble}.")
    sentences.append(banner.rest)
    is_quiet = banner.tone in (None, ComponentStatus.OPERATIONAL)
    name = f"{isolated(snapshot.page.name)} status"
    return document(
        "front.html",
        snapshot.page,
        Times(snapshot.page.zone, snapshot.at),
        path="/",
        title=name if is_quiet else f"{banner.label} · {name}",
        description=" ".join(sentences).strip(),
        shared_title=f"{snapshot.banner.headline.rstrip('.')} · {snapshot.page.name} status",
        share_image="/share.png",
        tone=wording.TONES[banner.tone],
        snapshot=snapshot,
        board=board(snapshot),
        past=incident_details.folded(snapshot),
    )


def incident(shown: IncidentPage) -> Rendering:
    """`/incidents/<id>`: the whole story, with what was edited and corrected."""
    incident = shown.incident
    times = Times(shown.page.zone, shown.at)
    newest = re.sub(r"\s+", " ", incident.updates[0].body) if incident.updates else ""
    return document(
        "incident.html",
        shown.page,
        times,
        path=incident.path,
        title=f"{isolated(incident.name)} · {isolated(shown.page.name)} status",
        description=f"{incident.status.label}: {newest}",
        shared_title=f"{incident.status.label}: {isolated(incident.name)}"
        f" · {isolated(shown.page.name)} status",
        share_image=f"{incident.path}/share.png",
        tone=incident_details.tone_of(incident),
        incident=incident,
        figures=incident_details.figures(incident, shown.strips),
        strips=charts.strips(shown.strips, incident, times),
    )


def retracted(page: PageView, incident: Retracted, times: Times) -> Rendering:
    """410: an incident that was withdrawn, with the reason."""
    return document(
        "retracted.html",
        page,
        times,
        path=f"/incidents/{incident.id}",
        title=f"Withdrawn: {isolated(incident.name)} · {isolated(page.name)} status",
        description=incident.reason,
        status=HTTPStatus.GONE,
        incident=incident,
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


def found(shown: Found) -> Rendering:
    """`/history?q=…`: the incidents that were asked for. Nobody keeps it but the reader."""
    chosen = {
        "q": shown.words,
        "component": shown.component.id if shown.component else "",
        "severity": shown.severity or "",
    }

    def numbered(number: int) -> str:
        parts = {name: value for name, value in chosen.items() if value}
        return f"/history?{urlencode(parts | ({'page': number} if number > 1 else {}))}"

    rendering = document(
        "found.html",
        shown.page,
        Times(shown.page.zone, shown.at),
        path=None,
        title=f"Search in the history · {shown.page.name} status",
        description=f"Incidents and maintenance of {shown.page.name}.",
        found=shown,
        older=numbered(shown.number + 1) if shown.has_older else None,
        newer=numbered(shown.number - 1) if shown.number > 1 else None,
    )
    return replace(rendering, cache_control=f"private, max-age={FOUND_MAX_AGE_S}")


def maintenance(page: PageView, shown: Sequence[IncidentView], times: Times) -> Rendering:
    """`/maintenance`: what is planned or in progress, then what is over."""
    return document(
        "maintenance.html",
        page,
        times,
        path="/maintenance",
        title=f"Scheduled maintenance · {page.name} status",
        description=f"Planned and past maintenance of {page.name}.",
        ahead=[incident for incident in shown if not incident.is_over],
        over=[incident for incident in shown if incident.is_over],
    )


def component(shown: ComponentPage) -> Rendering:
    """`/components/<id>`: its bar, its figure explained, its incidents."""
    component = shown.component
    return document(
        "component.html",
        shown.page,
        Times(shown.page.zone, shown.at),
        path=component.path,
        title=f"{isolated(component.name)} · {isolated(shown.page.name)} status",
        description=f"{isolated(component.full_name)}: {wording.claim(component.claim)}.",
        shared_title=f"{component.status.label}: {isolated(component.full_name)}"
        f" · {isolated(shown.page.name)} status",
        share_image=f"{component.path}/share.png",
        tone=wording.TONES[component.status],
        component=component,
        days=affected_days(component.days, shown.causes),
        sums=incident_details.uptime_calculation(component.days),
        causes=shown.causes,
        incidents=shown.incidents,
    )


def uptime(shown: UptimePage) -> Rendering:
    """`/uptime`: components and months in a table, three months a page, each with its calendars."""
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
    return rendering(
        environment()
        .get_template("not_ready.html")
        .render(css=sheet(), policy=policy_within(sheet())),
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
        description=f"The status of {page.name} as JSON.",
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


def _numbered(path: str, number: int) -> str:
    return path if number == 1 else f"{path}?page={number}"
