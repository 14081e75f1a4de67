"""Statuspage's history feeds, Atom and RSS: entries taken apart into updates.

An entry is HTML, newest update first, with the month, day and minute of each:
`<p><small>Nov <var>14</var>, <var>14:07</var> PST</small><br><strong>Resolved</strong> - …</p>`.
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from lxml import etree

from statuspage.domain.recordings import (
    Listing,
    RecordedIncident,
    RecordedPage,
    RecordedUpdate,
    derived_id,
)
from statuspage.domain.status import (
    INCIDENT_STEPS,
    MAINTENANCE_STEPS,
    Impact,
    IncidentKind,
    IncidentStatus,
)
from statuspage.errors import Invalid
from statuspage.text import clean

_ATOM = "{http://www.w3.org/2005/Atom}"
_TITLE_END = " Status - Incident History"

_VAR = r"(?:<var[^>]*>)?\s*{}\s*(?:</var>)?"
_DATE = r"(?P<month{0}>[A-Z][a-z]{{2}})\s+" + _VAR.format(r"(?P<day{0}>\d{{1,2}})") + r",\s*"
_TIME = _VAR.format(r"(?P<hour{0}>\d\d):(?P<minute{0}>\d\d)")
_ZONE = r"\s*(?P<zone{0}>[A-Z]{{2,5}}|[+-]\d\d(?::?\d\d)?)?"
_HEAD = re.compile(
    r"<p>\s*<small>\s*"
    + (_DATE + _TIME + _ZONE).format("")
    + r"\s*</small>\s*<br\s*/?>\s*<strong>(?P<label>[^<]*)</strong> - "
)
_WINDOW = re.compile(
    r"THIS IS A SCHEDULED EVENT "
    + (_DATE + _TIME + _ZONE).format("")
    + r"\s*(?:&nbsp;|\s)*-(?:&nbsp;|\s)*(?:"
    + _DATE.format("_end")
    + ")?"
    + (_TIME + _ZONE).format("_end")
)
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # noqa: SIM905
_LABELS = {step.label: step for step in (*INCIDENT_STEPS, *MAINTENANCE_STEPS)} | {
    IncidentStatus.POSTMORTEM.label: IncidentStatus.POSTMORTEM
}
# The zones that Statuspage's labels name, in hours from UTC; any other is the entry's own.
_ZONES = {
    "UTC": 0, "GMT": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3,
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
    "JST": 9, "AEST": 10, "AEDT": 11,
}  # fmt: skip


@dataclass(frozen=True)
class _Entry:
    name: str
    address: str
    published: datetime
    updated: datetime
    body: str


def read(source: str, content: bytes) -> Listing:
    """What a feed tells. Raises `Invalid` on anything but a history feed of Statuspage."""
    root = _root(source, content)
    try:
        if root.tag == f"{_ATOM}feed":
            page, at, entries = _atom(root)
        elif root.tag == "rss" and root.find("channel") is not None:
            page, at, entries = _rss(root)
        else:
            raise Invalid(source=f"{source}: this is neither an Atom nor an RSS feed.")
        incidents = tuple(_incident(source, entry) for entry in entries)
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, Invalid):
            raise
        raise Invalid(source=f"{source}: a date or address in it can not be read.") from error
    return Listing(source=source, at=at, page=page, incidents=incidents)


def _root(source: str, content: bytes) -> etree._Element:
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise Invalid(source=f"{source}: a feed may not declare a document type.")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        return etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise Invalid(source=f"{source}: this is not XML: {error.msg}.") from error


def _atom(root: etree._Element) -> tuple[RecordedPage, datetime, list[_Entry]]:
    name = _text(root, f"{_ATOM}author/{_ATOM}name")
    address = _alternate(root)
    entries = [
        _Entry(
            name=_text(entry, f"{_ATOM}title"),
            address=_alternate(entry),
            published=_checked(datetime.fromisoformat(_text(entry, f"{_ATOM}published"))),
            updated=_checked(datetime.fromisoformat(_text(entry, f"{_ATOM}updated"))),
            body=_text(entry, f"{_ATOM}content"),
        )
        for entry in root.iterfind(f"{_ATOM}entry")
    ]
    at = _checked(datetime.fromisoformat(_text(root, f"{_ATOM}updated")))
    return _page(name, address), at.astimezone(UTC), entries


def _rss(root: etree._Element) -> tuple[RecordedPage, datetime, list[_Entry]]:
    channel = root[0]
    name = _text(channel, "title").removesuffix(_TITLE_END)
    entries = []
    for item in channel.iterfind("item"):
        at = _checked(parsedate_to_datetime(_text(item, "pubDate")))
        entries.append(
            _Entry(_text(item, "title"), _text(item, "link"), at, at, _text(item, "description"))
        )
    at = _checked(parsedate_to_datetime(_text(channel, "pubDate")))
    return _page(name, _text(channel, "link")), at.astimezone(UTC), entries


def _page(name: str, address: str) -> RecordedPage:
    url = address.rstrip("/")
    if not re.fullmatch(r"https?://[^\s\"'<>]{1,500}", url) or len(name) > 100:
        raise ValueError(url)
    return RecordedPage(None, name, url, None)


def _text(element: etree._Element, path: str) -> str:
    """The words at `path`. Raises `ValueError` when there are none."""
    words = clean(element.findtext(path) or "").strip()
    if not words:
        raise ValueError(path)
    return words


def _alternate(element: etree._Element) -> str:
    for link in element.iterfind(f"{_ATOM}link"):
        if link.get("rel") == "alternate":
            return link.get("href") or ""
    raise ValueError("no link")


def _checked(at: datetime) -> datetime:
    if at.tzinfo is None or not 1990 <= at.year <= 2200:
        raise ValueError(at)
    return at


# ── an entry ───────────────────────────────────────────────────────────────────


def _incident(source: str, entry: _Entry) -> RecordedIncident:
    public_id = entry.address.rstrip("/").rpartition("/")[2]
    if not re.fullmatch(r"[0-9A-Za-z_-]{1,64}", public_id):
        raise Invalid(source=f"{source}: {entry.address} is no address of an incident.")
    if len(entry.name) > 255:
        raise Invalid(source=f"{source}: the name of {public_id} is too long.")
    updates = _updates(source, public_id, entry)
    first, last = updates[0], updates[-1]
    planned = any(one.status in MAINTENANCE_STEPS for one in updates)
    ends = [one.posted_at for one in updates if one.status.is_over]
    mitigated = [one.posted_at for one in updates if one.status is IncidentStatus.MONITORING]
    starts_at, until = _window(entry, updates) if planned else (None, None)
    return RecordedIncident(
        public_id=public_id,
        kind=IncidentKind.MAINTENANCE if planned else IncidentKind.INCIDENT,
        name=entry.name,
        status=last.status,
        impact=Impact.MAINTENANCE if planned else Impact.NONE,
        started_at=first.posted_at,
        mitigated_at=min(mitigated, default=None),
        resolved_at=min(ends) if ends and last.status.is_over else None,
        scheduled_for=starts_at,
        scheduled_until=until,
        created_at=first.posted_at,
        updated_at=entry.updated.astimezone(UTC),
        updates=tuple(updates),
        is_brief=True,
    )


def _updates(source: str, public_id: str, entry: _Entry) -> list[RecordedUpdate]:
    """The updates of an entry, oldest first; only the newest has seconds."""
    heads = list(_HEAD.finditer(entry.body))
    if not heads:
        raise Invalid(source=f"{source}: no update can be read in the entry of {public_id}.")
    ends = [*(head.start() for head in heads[1:]), len(entry.body)]
    moments = _moments(heads, entry)
    found: list[RecordedUpdate] = []
    for head, end, at in reversed(list(zip(heads, ends, moments, strict=True))):
        body = entry.body[head.end() : end].strip().removesuffix("</p>")
        status = _status(source, head["label"], found)
        derived = derived_id(public_id, at.isoformat(timespec="minutes"), status, str(len(found)))
        found.append(RecordedUpdate(derived, status, body, at, at, at))
    return found


def _status(source: str, label: str, before: Sequence[RecordedUpdate]) -> IncidentStatus:
    words = html.unescape(label).strip()
    if words == "Update":
        return before[-1].status if before else IncidentStatus.INVESTIGATING
    if words not in _LABELS:
        raise Invalid(source=f"{source}: “{words[:40]}” is no status of Statuspage.")
    return _LABELS[words]


def _moments(heads: Sequence[re.Match[str]], entry: _Entry) -> list[datetime]:
    """When each update was posted, newest first; the year follows from the entry's own."""
    found: list[datetime] = []
    limit = entry.published
    for head in heads:
        at = _last_before(head, limit, entry)
        if not found and at == entry.published.replace(second=0, microsecond=0):
            at = entry.published
        found.append(at.astimezone(UTC))
        limit = at
    return found


def _last_before(words: re.Match[str], limit: datetime, entry: _Entry) -> datetime:
    """The latest such day and time that is not after `limit` (two hours of grace for DST)."""
    for year in range(limit.year + 1, limit.year - 9, -1):
        at = _moment(words, year, "", entry)
        if at is not None and at <= limit + timedelta(hours=2):
            return at
    raise ValueError(words[0])


def _moment(words: re.Match[str], year: int, suffix: str, entry: _Entry) -> datetime | None:
    """None where that year has no such day."""
    month = _MONTHS.index(words["month" + suffix] or words["month"]) + 1
    day = int(words["day" + suffix] or words["day"])
    zone = _zone(words["zone" + suffix], entry)
    try:
        return datetime(
            year, month, day, int(words["hour" + suffix]), int(words["minute" + suffix]),
            tzinfo=zone,
        )  # fmt: skip
    except ValueError:
        if (month, day) == (2, 29):
            return None
        raise


def _zone(label: str | None, entry: _Entry) -> timezone:
    if label in _ZONES:
        return timezone(timedelta(hours=_ZONES[label]))
    return timezone(entry.published.utcoffset() or timedelta())


def _window(
    entry: _Entry, updates: Sequence[RecordedUpdate]
) -> tuple[datetime | None, datetime | None]:
    """The planned window: as the entry tells, else from the work's own beginning and end."""
    words = _WINDOW.search(entry.body)
    if words is not None:
        start = entry.published
        for year in (start.year, start.year + 1):
            end = _moment(words, year, "_end", entry)
            if end is not None and end >= start:
                return start.astimezone(UTC), end.astimezone(UTC)
    begun = [one.posted_at for one in updates if one.status is not IncidentStatus.SCHEDULED]
    ended = [one.posted_at for one in updates if one.status.is_over]
    if not begun:
        return entry.published.astimezone(UTC), None
    return min(begun), min(ended, default=None)
