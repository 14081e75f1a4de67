"""The history feed as Statuspage writes it: an entry for each incident, at most 25.

Shape, order, dates, labels and ids are those measured on recorded feeds, so that a
reader of theirs needs only a new address.
"""

import re
from datetime import datetime
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

from markupsafe import escape

from statuspage.domain.statuses import IncidentStatus
from statuspage.lib.markdown import clean
from statuspage.lib.origin import Origin
from statuspage.page.feeds.entries import Entry, Feed, newest_change, one_line
from statuspage.page.snapshot.values import IncidentView, PageView, Recent

MAX_ENTRIES = 25


def of_page(recent: Recent) -> Feed:
    """One entry an incident; maintenance that has not begun comes first, by its future start."""
    page = recent.page
    entries = [_entry(page, incident) for incident in recent.incidents if incident.updates]
    entries.sort(key=lambda entry: entry.published, reverse=True)
    newest = tuple(entries[:MAX_ENTRIES])
    return Feed(
        id=f"tag:{_host(page)},2005:/history",
        title=one_line(f"{page.name} Status - Incident History"),
        description=one_line(f"Incidents and scheduled maintenance of {page.name}."),
        author=one_line(page.name, "Status page"),
        home_url=page.url,
        stem=f"{page.url}/history",
        zone=page.zone,
        updated=newest_change(page, newest),
        entries=newest,
        is_statuspage=True,
    )


def _entry(page: PageView, incident: IncidentView) -> Entry:
    url = f"{page.url}{incident.path}"
    return Entry(
        id=incident.feed_id or f"tag:{_host(page)},2005:Incident/{incident.row_id}",
        title=one_line(incident.name),
        url=url,
        published=_published(incident),
        updated=incident.updated_at,
        html=_window(page.zone, incident) + _story(page.zone, incident, url),
    )


def _host(page: PageView) -> str:
    return Origin(page.url).domain


def _published(incident: IncidentView) -> datetime:
    """The newest update's time; the start of what is scheduled and has not begun."""
    if incident.status is IncidentStatus.SCHEDULED and incident.scheduled_for is not None:
        return incident.scheduled_for
    newest = incident.updates[0].posted_at
    return max(newest, incident.postmortem.published_at) if incident.postmortem else newest


def _window(zone: ZoneInfo, incident: IncidentView) -> str:
    if incident.status is not IncidentStatus.SCHEDULED or incident.scheduled_for is None:
        return ""
    start = incident.scheduled_for.astimezone(zone)
    words = f"{day(start)}, {_clock(start)}"
    if incident.scheduled_until is not None:
        end = incident.scheduled_until.astimezone(zone)
        other_day = "" if end.date() == start.date() else f"{day(end)}, "
        words += f" &nbsp;-&nbsp; {other_day}{_clock(end)}"
    return f"<p><strong>THIS IS A SCHEDULED EVENT {words}</strong></p>"


def _story(zone: ZoneInfo, incident: IncidentView, url: str) -> str:
    """Every update, newest first, one paragraph each, the postmortem above them."""
    entries = [
        _paragraph(
            update.posted_at.astimezone(zone),
            update.status.label if update.is_first_of_status else "Update",
            in_one_paragraph(update.html),
        )
        for update in incident.updates
    ]
    if incident.postmortem is not None:
        link = f'<a href="{escape(url)}#postmortem">Read details</a>'
        at = incident.postmortem.published_at.astimezone(zone)
        entries.insert(0, _paragraph(at, IncidentStatus.POSTMORTEM.label, link))
    return "".join(entries)


def _paragraph(at: datetime, label: str, html: str) -> str:
    return f"<p><small>{day(at)}, {_clock(at)}</small><br><strong>{label}</strong> - {html}</p>"


def day(at: datetime) -> str:
    """`Nov  8`, marked as Statuspage marks it for its script."""
    return f"{at:%b} <var data-var='date'>{at.day:2d}</var>"


def time(at: datetime) -> str:
    """`14:07`, marked as Statuspage marks it for its script."""
    return f"<var data-var='time'>{at:%H:%M}</var>"


def _clock(at: datetime) -> str:
    return f"{time(at)} {at.tzname()}"


# ── one paragraph an update ────────────────────────────────────────────────────

_BLOCK, _LINE = "\x00", "\x01"
_BLOCKS = frozenset(
    "blockquote div h1 h2 h3 h4 h5 h6 hr ol p pre table tbody thead ul".split()  # noqa: SIM905
)
_LINES = frozenset({"br", "li", "tr"})


def in_one_paragraph(html: str) -> str:
    """The same words without blocks, parted by line breaks; links and emphasis stay.

    Clients take an entry apart at its paragraphs, one an update.
    """
    flat = _Flat()
    flat.feed(clean(html))
    flat.close()
    words = re.sub(r"\s+", " ", "".join(flat.parts))
    words = re.sub(rf" ?{_LINE} ?", _LINE, words).replace(f"{_LINE}</", "</")
    words = re.sub(rf"[\s{_LINE}]*{_BLOCK}[\s{_LINE}{_BLOCK}]*", _BLOCK, words)
    words = words.strip(f"{_BLOCK}{_LINE} ")
    return words.replace(_BLOCK, "<br /><br />").replace(_LINE, "<br />")


class _Flat(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[str] = []
        self._is_verbatim = False

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self.parts.append(_BLOCK)
        elif tag in _LINES:
            self.parts.append(_LINE)
        elif tag not in ("td", "th"):
            self.parts.append(self.get_starttag_text() or "")
        if tag == "li":
            self.parts.append("- ")
        if tag == "pre":
            self._is_verbatim = True

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.parts.append(_BLOCK)
        elif tag in ("td", "th"):
            self.parts.append(" ")
        elif tag not in _LINES:
            self.parts.append(f"</{tag}>")
        if tag == "pre":
            self._is_verbatim = False

    def handle_data(self, data: str) -> None:
        self.parts.append(data.replace("\n", _LINE if self._is_verbatim else " "))

    def handle_entityref(self, name: str) -> None:
        self.parts.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.parts.append(f"&#{name};")
