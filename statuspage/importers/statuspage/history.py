"""Statuspage's `history.json`: by month, one line per incident.

Pure. It tells the least: name, impact, the last words, and from when to when.
"""

import calendar
import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from statuspage.domain.statuses import Impact, IncidentStatus
from statuspage.importers.statuspage import feed, feed_entry
from statuspage.importers.statuspage.documents import Incident, Reading, Recording, added
from statuspage.importers.statuspage.errors import RefusedError

ONLY_LAST_WORDS = "history.json contains only the last update; the earlier ones are missing"
_MONTHS = tuple(calendar.month_name)[1:]


def is_history(document: Any) -> bool:
    return isinstance(document, dict) and isinstance(document.get("months"), list)


def parse(document: Any, reading: Reading, *, zone: tzinfo = UTC) -> Recording:
    """The recording that a history holds; `zone` is the page's.

    Raises `RefusedError` on what is not in its form.
    """
    name = reading.name
    incidents: list[Incident] = []
    notes: dict[str, tuple[str, ...]] = {}
    for month in document["months"]:
        if not isinstance(month, dict) or not isinstance(month.get("incidents"), list):
            raise RefusedError(f"{name}: a month has no list of incidents.")
        for row in month["incidents"]:
            try:
                incident = _incident(row, _month_end(month, name), zone, name)
            except RefusedError as refused:
                if reading.is_strict:
                    raise
                reading.leave_out("an incident of the history", str(refused))
                continue
            incidents.append(incident)
            notes = added(notes, {ONLY_LAST_WORDS: (incident.id,)})
    return Recording(incidents=tuple(incidents), notes=added(reading.notes, notes))


def _incident(row: Any, month_end: datetime, zone: tzinfo, name: str) -> Incident:
    if not isinstance(row, dict):
        raise RefusedError(f"{name}: an incident is not an object.")
    code, title, message, stamp, impact = (
        row.get(key) for key in ("code", "name", "message", "timestamp", "impact")
    )
    if not all(isinstance(text, str) for text in (code, title, message, stamp, impact)):
        raise RefusedError(f"{name}: an incident lacks its code, name, impact, message or time.")
    place = f"{name}: {code}"
    if impact not in set(Impact):
        raise RefusedError(f"{place}: {str(impact)[:40]!r} is not an impact.")
    began, ended = _times(str(stamp), month_end, zone, place)
    planned = (began, ended) if impact == Impact.MAINTENANCE else None
    status = IncidentStatus.COMPLETED if planned else IncidentStatus.RESOLVED
    incident = feed.incident_of(
        str(code),
        str(title),
        (feed_entry.Said(ended, status, feed_entry.plain_body(str(message))),),
        published=ended,
        updated=ended,
        planned=planned,
        name=place,
    )
    return incident.model_copy(
        update={"started_at": began, "created_at": began, "impact": Impact(str(impact))}
    )


def _times(stamp: str, month_end: datetime, zone: tzinfo, name: str) -> tuple[datetime, datetime]:
    """`Aug 10, 00:17 - 01:30 UTC`, or with a second date where the day differs."""
    plain = re.sub(r"<[^>]*>", "", stamp).replace("&nbsp;", " ").replace("\xa0", " ")
    first, dash, second = plain.partition(" - ")
    word = plain.split()[-1] if plain.split() else ""
    # Both ends name one zone, after the last.
    suffix = f" {word}" if re.fullmatch(r"[A-Z]{1,5}|[+-]\d\d:?\d{0,2}", word) else ""
    day = first.partition(",")[0]
    end_text = second if "," in second else f"{day}, {second}"
    if not dash:
        end_text, suffix = first, ""
    ended = feed_entry.moment(end_text, not_after=month_end, zone=zone, name=name)
    if not dash:
        return ended, ended
    began = feed_entry.moment(first + suffix, not_after=ended, zone=zone, name=name)
    return began, ended


def _month_end(month: dict[str, Any], name: str) -> datetime:
    word, year = month.get("name"), month.get("year")
    if word not in _MONTHS or not isinstance(year, int) or not 1980 < year < 2200:
        raise RefusedError(f"{name}: a month has no name or no year.")
    number = _MONTHS.index(word)
    begin = datetime(year + (number == 11), (number + 1) % 12 + 1, 1, tzinfo=UTC)
    # Zones reach a day beyond UTC's month.
    return begin + timedelta(days=1)
