"""What all public pages have in common: head and foot, style, words for templates, policy.

The style stands in the page, and its hash in the page's policy, which is in its head, so that no
attribute and no other sheet can style it.
"""

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from http import HTTPStatus

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from statuspage.config import PROJECT
from statuspage.domain.incidents.search import Severity
from statuspage.domain.statuses import ComponentStatus, IncidentKind, IncidentStatus
from statuspage.lib.bidi import isolated
from statuspage.page.html import assets, charts, incident_details
from statuspage.page.html import formatting as wording
from statuspage.page.html.formatting import TONES, Times
from statuspage.page.snapshot.values import PageView
from statuspage.serving.response import PAGE_POLICY, Rendering, policy_within

LATEST_UPDATES = 3
"""How many updates of an open incident the front page tells in full."""
DESCRIPTION_LENGTH = 200


def document(
    template: str,
    page: PageView,
    times: Times,
    *,
    path: str | None,
    title: str,
    description: str,
    shared_title: str | None = None,
    share_image: str | None = None,
    tone: str | None = None,
    status: HTTPStatus = HTTPStatus.OK,
    more_style: str | None = None,
    more_policy: Sequence[str] = (),
    **values: object,
) -> Rendering:
    """A whole page: this template between the head and the foot that all of them share.

    Chats and social networks show `shared_title` (default: `title`) and the picture at the path
    `share_image` beside a link. The tab has the sign of `tone`, where the page has a state.
    """
    css = sheet() + accents(page) + (assets.stylesheet(more_style) if more_style else "")
    text = (
        environment()
        .get_template(template)
        .render(
            page=page,
            times=times,
            css=css,
            policy=policy_within(css, *more_policy),
            url=None if path is None else page.url + path,
            title=title,
            shared_title=shared_title or title,
            share_image=share_image,
            tone=tone,
            description=_shortened(description),
            **values,
        )
    )
    return rendering(text, status)


def rendering(text: str, status: HTTPStatus, cache_control: str | None = None) -> Rendering:
    """HTML with its policy in its head."""
    return Rendering(
        status,
        "text/html; charset=utf-8",
        text.encode(),
        cache_control=cache_control,
        csp=PAGE_POLICY,
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


def _shortened(text: str) -> str:
    if len(text) <= DESCRIPTION_LENGTH:
        return text
    return text[:DESCRIPTION_LENGTH].rsplit(" ", 1)[0] + "…"


def sheet() -> str:
    """The style of every public page."""
    return assets.stylesheet("tokens.css", "public.css")


@cache
def script_path() -> str:
    """The script's address; it changes with the script."""
    digest = hashlib.sha256(assets.script("public.js").encode()).hexdigest()
    return f"/public.js?v={digest[:8]}"


@cache
def environment() -> Environment:
    """The templates of the public pages, with the words and drawings that they use."""
    env = Environment(
        loader=FileSystemLoader(PROJECT / "templates" / "public"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    env.filters.update(
        tone=TONES.__getitem__,
        machine=wording.machine,
        dated=wording.dated,
        month=wording.month,
        weekday=wording.weekday,
        brief=wording.brief,
        drawn=wording.drawn,
        spoken=wording.spoken,
        cell=wording.cell,
        percent=wording.percent,
        share=wording.share,
        claim=wording.claim,
        counted=wording.count,
        isolated=isolated,
        reachable=_reachable,
        webcal=_webcal,
    )
    env.globals.update(
        GLYPHS=charts.GLYPHS,
        LATEST_UPDATES=LATEST_UPDATES,
        Kind=IncidentKind,
        Severity=Severity,
        Status=ComponentStatus,
        Step=IncidentStatus,
        bar=charts.bar,
        group_bar=charts.group_bar,
        windows=charts.windows,
        length=charts.length,
        calendar=charts.calendar,
        column=charts.column,
        corrections=incident_details.corrections,
        folded=incident_details.folded_timeline,
        icon=charts.icon,
        has_trouble=lambda item: item.status is not ComponentStatus.OPERATIONAL,
        line=charts.line,
        script_path=script_path(),
        severity=incident_details.severity,
        summary=incident_details.summary,
        told=incident_details.timeline,
        tone_of=incident_details.tone_of,
    )
    return env


def _reachable(html: str) -> str:
    """Safe HTML of ours whose code and tables, which may scroll, take the keyboard's focus."""
    return html.replace("<pre>", '<pre tabindex="0">').replace("<table>", '<table tabindex="0">')


def _webcal(path: str, page: PageView) -> str:
    """An address that calendar programs open by themselves."""
    return f"webcal://{page.url.partition('://')[2]}{path}"
