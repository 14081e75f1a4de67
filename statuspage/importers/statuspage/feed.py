"""Statuspage's `history.atom` and `history.rss`: one entry per incident.

Pure. A feed tells names, times and words; it tells neither the impact nor the
components, nor the ids of updates.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from xml.etree import ElementTree as ET

from statuspage.domain.statuses import IncidentStatus
from statuspage.importers.statuspage import feed_entry
from statuspage.importers.statuspage.documents import (
    Incident,
    Page,
    Recording,
    added,
    checked_incident,
    derived_id,
    host_of,
)
from statuspage.importers.statuspage.errors import RefusedError

_ATOM = "{http://www.w3.org/2005/Atom}"
_TITLE_END = " Status - Incident History"
_PLANNED = frozenset(
    {
        IncidentStatus.SCHEDULED,
        IncidentStatus.IN_PROGRESS,
        IncidentStatus.VERIFYING,
        IncidentStatus.COMPLETED,
    }
)
NO_IMPACT = "a feed does not contain the impact"
NO_PLAN = "the feed does not contain the planned times; those of the updates are used"


@dataclass(frozen=True)
class _Item:
    link: str
    title: str
    html: str
    published: datetime
    updated: datetime


def parse(source: bytes, name: str) -> Recording:
    """The recording that a feed holds. Raises `RefusedError` when it is none."""
    root = _root(source, name)
    if root.tag == f"{_ATOM}feed":
        return _atom(root, name)
    channel = root.find("channel")
    if root.tag == "rss" and channel is not None:
        return _rss(channel, name)
    raise RefusedError(f"{name}: this is neither an Atom nor an RSS feed.")


def incident_of(
    incident_id: str,
    title: str,
    said: tuple[feed_entry.Said, ...],
    *,
    published: datetime,
    updated: datetime,
    planned: tuple[datetime, datetime | None] | None,
    name: str,
) -> Incident:
    """An incident told by updates alone, newest first."""
    exact = _exact(said, published, is_ahead=planned is not None)
    oldest, newest = exact[-1], exact[0]
    values: dict[str, Any] = {
        "id": incident_id,
        "name": title,
        "status": newest.status,
        "created_at": _text(oldest.at),
        "started_at": _text(oldest.at),
        "updated_at": _text(max(updated, newest.at)),
        "impact": None,
        "incident_updates": _updates(incident_id, exact),
    }
    monitored = [one.at for one in exact if one.status is IncidentStatus.MONITORING]
    if monitored:
        values["monitoring_at"] = _text(min(monitored))
    if newest.status.is_over:
        values["resolved_at"] = _text(_over_since(exact))
    if planned or any(one.status in _PLANNED for one in exact):
        begin, end = planned or _plan_from(exact)
        values["impact"] = "maintenance"
        values["scheduled_for"] = _text(begin)
        values["scheduled_until"] = _text(end) if end else None
    return checked_incident(values, name)


def _atom(root: ET.Element, name: str) -> Recording:
    items = []
    for one in root.iter(f"{_ATOM}entry"):
        link = one.find(f"{_ATOM}link[@rel='alternate']")
        published = _iso(one.findtext(f"{_ATOM}published"), name)
        items.append(
            _Item(
                link=link.get("href", "") if link is not None else "",
                title=one.findtext(f"{_ATOM}title") or "",
                html=one.findtext(f"{_ATOM}content") or "",
                published=published,
                updated=_iso(one.findtext(f"{_ATOM}updated"), name),
            )
        )
    home = root.find(f"{_ATOM}link[@rel='alternate']")
    return _recording(
        items,
        title=root.findtext(f"{_ATOM}author/{_ATOM}name") or root.findtext(f"{_ATOM}title") or "",
        url=home.get("href", "") if home is not None else "",
        updated=_iso(root.findtext(f"{_ATOM}updated"), name),
        name=name,
    )


def _rss(channel: ET.Element, name: str) -> Recording:
    items = []
    for one in channel.iter("item"):
        published = _rfc822(one.findtext("pubDate"), name)
        items.append(
            _Item(
                link=one.findtext("link") or one.findtext("guid") or "",
                title=one.findtext("title") or "",
                html=one.findtext("description") or "",
                published=published,
                updated=published,
            )
        )
    return _recording(
        items,
        title=channel.findtext("title") or "",
        url=channel.findtext("link") or "",
        updated=_rfc822(channel.findtext("pubDate"), name),
        name=name,
    )


def _recording(
    items: list[_Item], *, title: str, url: str, updated: datetime, name: str
) -> Recording:
    incidents = []
    notes: dict[str, tuple[str, ...]] = {}
    for item in items:
        one, reasons = _incident(item, updated, name)
        incidents.append(one)
        notes = added(notes, dict.fromkeys(reasons, (one.id,)))
    page_name = title.strip().removesuffix(_TITLE_END).strip()
    if not page_name:
        raise RefusedError(f"{name}: the feed does not name its page.")
    host = host_of(url.strip())
    page = Page(name=page_name, url=url.strip() or None, updated_at=updated.isoformat())  # type: ignore[arg-type]
    return Recording(page=page, host=host, incidents=tuple(incidents), notes=notes)


def _incident(item: _Item, feed_updated: datetime, name: str) -> tuple[Incident, list[str]]:
    incident_id = item.link.strip().rstrip("/").rpartition("/")[2]
    if "/incidents/" not in item.link:
        raise RefusedError(f"{name}: an entry does not link to its incident.")
    # A maintenance ahead is published at its planned start: it was told before.
    latest = min(item.published, item.updated.astimezone(item.published.tzinfo))
    if latest > feed_updated:
        latest = feed_updated.astimezone(item.published.tzinfo)
    read = feed_entry.parse(
        item.html, latest=latest, published=item.published, name=f"{name}: {incident_id}"
    )
    one = incident_of(
        incident_id,
        item.title.strip(),
        read.said,
        published=item.published,
        updated=item.updated,
        planned=read.planned,
        name=f"{name}: {incident_id}",
    )
    if one.scheduled_for is None:
        return one, [NO_IMPACT]
    return one, [] if read.planned else [NO_PLAN]


def _exact(
    said: tuple[feed_entry.Said, ...], published: datetime, *, is_ahead: bool
) -> tuple[feed_entry.Said, ...]:
    """The newest update was published at the entry's own time, which has seconds."""
    newest = said[0]
    begin = newest.at
    if not is_ahead and begin <= published and (published - begin).total_seconds() < 60:
        return (feed_entry.Said(published.astimezone(UTC), newest.status, newest.body), *said[1:])
    return said


def _updates(incident_id: str, said: tuple[feed_entry.Said, ...]) -> list[dict[str, Any]]:
    taken: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    for one in reversed(said):
        minute = f"{one.at:%Y-%m-%dT%H:%M} {one.status}"
        number = taken[minute] = taken.get(minute, -1) + 1
        rows.insert(
            0,
            {
                "id": derived_id(incident_id, one.status, one.at, number),
                "status": one.status,
                "body": one.body,
                "incident_id": incident_id,
                "created_at": _text(one.at),
                "updated_at": _text(one.at),
                "display_at": _text(one.at),
            },
        )
    return rows


def _over_since(said: tuple[feed_entry.Said, ...]) -> datetime:
    """When the last stretch of updates that say it is over began."""
    since = said[0].at
    for one in said:
        if not one.status.is_over:
            break
        since = one.at
    return since


def _plan_from(said: tuple[feed_entry.Said, ...]) -> tuple[datetime, datetime | None]:
    begun = [one.at for one in said if one.status is not IncidentStatus.SCHEDULED]
    begin = min(begun, default=said[-1].at)
    return begin, _over_since(said) if said[0].status.is_over else None


def _root(source: bytes, name: str) -> ET.Element:
    # No declared entity, so none that grows or reads a file.
    if b"<!ENTITY" in source or b"<!DOCTYPE" in source:
        raise RefusedError(f"{name}: a feed with a DOCTYPE is not accepted.")
    try:
        return ET.fromstring(source)  # noqa: S314
    except (ET.ParseError, ValueError, LookupError, RecursionError) as error:
        raise RefusedError(f"{name}: this is not XML ({error}).") from error


def _iso(text: str | None, name: str) -> datetime:
    try:
        found = datetime.fromisoformat((text or "").strip())
    except ValueError:
        raise RefusedError(f"{name}: {(text or '')[:60]!r} is not a time.") from None
    return _in_reach(found, name)


def _rfc822(text: str | None, name: str) -> datetime:
    try:
        found = parsedate_to_datetime((text or "").strip())
    except (ValueError, TypeError, IndexError):
        raise RefusedError(f"{name}: {(text or '')[:60]!r} is not a time.") from None
    return _in_reach(found, name)


def _in_reach(found: datetime, name: str) -> datetime:
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    if not 1980 < found.year < 2200:
        raise RefusedError(f"{name}: {found.year} is not a plausible year.")
    return found


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
