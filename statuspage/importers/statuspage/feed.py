"""Statuspage's `history.atom` and `history.rss`: one entry per incident.

Pure. A feed tells names, times and words; it tells neither the impact nor the
components, nor the ids of updates.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from xml.etree import ElementTree as ET

from statuspage.domain.statuses import IncidentStatus
from statuspage.importers.statuspage import feed_entry
from statuspage.importers.statuspage.documents import (
    Incident,
    Page,
    Reading,
    Recording,
    added,
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
    id: str | None
    link: str
    title: str
    html: str
    published: datetime
    updated: datetime


def parse(source: bytes, reading: Reading) -> Recording:
    """The recording that a feed holds. Raises `RefusedError` when it is none."""
    root = _root(source, reading.name)
    if root.tag == f"{_ATOM}feed":
        return _atom(root, reading)
    channel = root.find("channel")
    if root.tag == "rss" and channel is not None:
        return _rss(channel, reading)
    raise RefusedError(f"{reading.name}: this is neither an Atom nor an RSS feed.")


def incident_of(
    incident_id: str,
    title: str,
    entries: tuple[feed_entry.Said, ...],
    *,
    published: datetime,
    updated: datetime,
    planned: tuple[datetime, datetime | None] | None,
    name: str,
    feed_id: str | None = None,
) -> Incident:
    """An incident told by updates alone, newest first."""
    exact = _exact(entries, published, is_ahead=planned is not None)
    oldest, newest = exact[-1], exact[0]
    values: dict[str, Any] = {
        "id": incident_id,
        "name": title,
        "status": newest.status,
        "created_at": _text(oldest.at),
        "started_at": _text(oldest.at),
        "updated_at": _text(max(updated, newest.at)),
        "impact": None,
        "feed_id": feed_id,
        "incident_updates": _updates(incident_id, exact),
    }
    monitored = [update.at for update in exact if update.status is IncidentStatus.MONITORING]
    if monitored:
        values["monitoring_at"] = _text(min(monitored))
    if newest.status.is_over:
        values["resolved_at"] = _text(_over_since(exact))
    if planned or any(update.status in _PLANNED for update in exact):
        begin, end = planned or _plan_from(exact)
        values["impact"] = "maintenance"
        values["scheduled_for"] = _text(begin)
        values["scheduled_until"] = _text(end) if end else None
    incident = Reading(name, is_strict=True).part(Incident, values, "incident")
    assert incident is not None
    return incident.model_copy(update={"is_full": False})


def _atom(root: ET.Element, reading: Reading) -> Recording:
    name = reading.name
    home = root.find(f"{_ATOM}link[@rel='alternate']")
    return _recording(
        [(_atom_item, entry) for entry in root.iter(f"{_ATOM}entry")],
        title=root.findtext(f"{_ATOM}author/{_ATOM}name") or root.findtext(f"{_ATOM}title") or "",
        url=home.get("href", "") if home is not None else "",
        updated=_iso(root.findtext(f"{_ATOM}updated"), name),
        reading=reading,
    )


def _atom_item(entry: ET.Element, name: str) -> _Item:
    link = entry.find(f"{_ATOM}link[@rel='alternate']")
    return _Item(
        id=(entry.findtext(f"{_ATOM}id") or "").strip() or None,
        link=link.get("href", "") if link is not None else "",
        title=entry.findtext(f"{_ATOM}title") or "",
        html=entry.findtext(f"{_ATOM}content") or "",
        published=_iso(entry.findtext(f"{_ATOM}published"), name),
        updated=_iso(entry.findtext(f"{_ATOM}updated"), name),
    )


def _rss(channel: ET.Element, reading: Reading) -> Recording:
    return _recording(
        [(_rss_item, item) for item in channel.iter("item")],
        title=channel.findtext("title") or "",
        url=channel.findtext("link") or "",
        updated=_rfc822(channel.findtext("pubDate"), reading.name),
        reading=reading,
    )


def _rss_item(item: ET.Element, name: str) -> _Item:
    published = _rfc822(item.findtext("pubDate"), name)
    return _Item(
        id=None,
        link=item.findtext("link") or item.findtext("guid") or "",
        title=item.findtext("title") or "",
        html=item.findtext("description") or "",
        published=published,
        updated=published,
    )


def _recording(
    elements: list[tuple[Callable[[ET.Element, str], _Item], ET.Element]],
    *,
    title: str,
    url: str,
    updated: datetime,
    reading: Reading,
) -> Recording:
    incidents = []
    notes: dict[str, tuple[str, ...]] = {}
    for item_of, element in elements:
        try:
            incident, reasons = _incident(item_of(element, reading.name), updated, reading.name)
        except RefusedError as refused:
            if reading.is_strict:
                raise
            reading.leave_out("an entry of a feed", str(refused))
            continue
        incidents.append(incident)
        notes = added(notes, dict.fromkeys(reasons, (incident.id,)))
    page_name = title.strip().removesuffix(_TITLE_END).strip()
    if not page_name:
        raise RefusedError(f"{reading.name}: the feed does not name its page.")
    host = host_of(url.strip())
    page = Page(name=page_name, url=url.strip() or None, updated_at=updated.isoformat())  # type: ignore[arg-type]
    return Recording(
        page=page,
        host=host,
        incidents=tuple(incidents),
        notes=added(reading.notes, notes),
    )


def _incident(item: _Item, feed_updated: datetime, name: str) -> tuple[Incident, list[str]]:
    incident_id = item.link.strip().rstrip("/").rpartition("/")[2]
    if "/incidents/" not in item.link:
        raise RefusedError(f"{name}: an entry does not link to its incident.")
    # A maintenance ahead is published at its planned start: it was told before.
    latest = min(item.published, item.updated.astimezone(item.published.tzinfo))
    if latest > feed_updated:
        latest = feed_updated.astimezone(item.published.tzinfo)
    read = feed_entry.parse(
        item.html,
        latest=latest,
        published=item.published,
        feed_updated=feed_updated,
        name=f"{name}: {incident_id}",
    )
    incident = incident_of(
        incident_id,
        item.title.strip(),
        read.said,
        published=item.published,
        updated=item.updated,
        planned=read.planned,
        name=f"{name}: {incident_id}",
        feed_id=item.id,
    )
    if incident.scheduled_for is None:
        return incident, [NO_IMPACT]
    return incident, [] if read.planned else [NO_PLAN]


def _exact(
    entries: tuple[feed_entry.Said, ...], published: datetime, *, is_ahead: bool
) -> tuple[feed_entry.Said, ...]:
    """The newest update was published at the entry's own time, which has seconds.

    A postmortem does not count: the entry keeps the time of the update before it.
    """
    number = next((n for n, update in enumerate(entries) if not update.is_postmortem), 0)
    begin = entries[number].at
    if not is_ahead and begin <= published and (published - begin).total_seconds() < 60:
        exact = replace(entries[number], at=published.astimezone(UTC))
        return (*entries[:number], exact, *entries[number + 1 :])
    return entries


def _updates(incident_id: str, entries: tuple[feed_entry.Said, ...]) -> list[dict[str, Any]]:
    counts: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    for update in reversed(entries):
        minute = f"{update.at:%Y-%m-%dT%H:%M} {update.status}"
        number = counts[minute] = counts.get(minute, -1) + 1
        rows.insert(
            0,
            {
                "id": derived_id(incident_id, update.status, update.at, number),
                "status": update.status,
                "body": update.body,
                "incident_id": incident_id,
                "created_at": _text(update.at),
                "updated_at": _text(update.at),
                "display_at": _text(update.at),
            },
        )
    return rows


def _over_since(entries: tuple[feed_entry.Said, ...]) -> datetime:
    """When the last stretch of updates that say it is over began."""
    since = entries[0].at
    for update in entries:
        if not update.status.is_over:
            break
        since = update.at
    return since


def _plan_from(entries: tuple[feed_entry.Said, ...]) -> tuple[datetime, datetime | None]:
    begun = [update.at for update in entries if update.status is not IncidentStatus.SCHEDULED]
    begin = min(begun, default=entries[-1].at)
    return begin, _over_since(entries) if entries[0].status.is_over else None


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
        moment = datetime.fromisoformat((text or "").strip())
    except ValueError:
        raise RefusedError(f"{name}: {(text or '')[:60]!r} is not a time.") from None
    return _in_reach(moment, name)


def _rfc822(text: str | None, name: str) -> datetime:
    try:
        moment = parsedate_to_datetime((text or "").strip())
    except (ValueError, TypeError, IndexError):
        raise RefusedError(f"{name}: {(text or '')[:60]!r} is not a time.") from None
    return _in_reach(moment, name)


def _in_reach(moment: datetime, name: str) -> datetime:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if not 1980 < moment.year < 2200:
        raise RefusedError(f"{name}: {moment.year} is not a plausible year.")
    return moment


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
