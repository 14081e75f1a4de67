"""The HTML of a Statuspage feed entry: updates newest first, with short local times.

Pure. The times lack the year and name their zone by abbreviation; both are found
from what stands beside them.
"""

import html
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from statuspage.domain.statuses import IncidentStatus
from statuspage.importers.statuspage.errors import RefusedError

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Hours east of UTC of the abbreviations that are written on Statuspage pages.
_ZONES = {
    "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "EET": 2,
    "EEST": 3, "AST": -4, "ADT": -3, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7,
    "MDT": -6, "PST": -8, "PDT": -7, "AKST": -9, "AKDT": -8, "HST": -10, "JST": 9, "KST": 9,
    "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13,
}  # fmt: skip
_TIME = re.compile(
    r"([A-Z][a-z]{2})[a-z]*\.?\s+(\d{1,2})\s*,\s*(\d{1,2}):(\d\d)(?:\s*([^\s<–-]+))?"
)
_UPDATE = re.compile(
    r"<p[^>]*>\s*<small>(?P<time>.*?)</small>\s*<br\s*/?>\s*"
    r"<strong>(?P<label>[^<]*)</strong>\s*(?:-\s?|–\s?)?(?P<body>.*?)"
    r"(?=</p>\s*(?:<p[^>]*>\s*<small>|$))",
    re.DOTALL,
)
_SCHEDULED = re.compile(r"<strong>\s*THIS IS A SCHEDULED EVENT(?P<times>.*?)</strong>", re.DOTALL)
_TAG = re.compile(r"<[A-Za-z/!][^>]*>")
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Said:
    """One update of an entry; `at` is exact to the minute."""

    at: datetime
    status: IncidentStatus
    body: str

    @property
    def is_postmortem(self) -> bool:
        return self.status is IncidentStatus.POSTMORTEM


@dataclass(frozen=True)
class Entry:
    """Updates newest first; `planned` is from and until of a maintenance that is ahead."""

    said: tuple[Said, ...]
    planned: tuple[datetime, datetime | None] | None


def parse(
    source: str, *, latest: datetime, published: datetime, feed_updated: datetime, name: str
) -> Entry:
    """The updates in `source`.

    No update is later than `latest`, whose offset from UTC holds where a zone is
    not known. A postmortem may be: it came after `published`, within the feed's own
    time. Raises `RefusedError` when it is not in Statuspage's form.
    """
    matches = list(_UPDATE.finditer(source.strip()))
    if not matches or not _is_all(source, matches):
        raise RefusedError(f"{name}: an entry is not in the form that Statuspage writes.")
    zone = latest.tzinfo or UTC
    ceiling, updates = latest, []
    for match in matches:
        label = match["label"].strip()
        if label.lower() == IncidentStatus.POSTMORTEM:
            at = _after(match["time"], published, until=feed_updated, zone=zone, name=name)
        else:
            at = moment(match["time"], not_after=ceiling + _DAY, zone=zone, name=name)
            ceiling = at
        updates.append((at, label, plain_body(match["body"])))
    return Entry(_with_status(updates, name), _planned(source, published, name))


def moment(text: str, *, not_after: datetime, zone: tzinfo, name: str) -> datetime:
    """The moment that `Nov 14, 14:07 PST` names: the last one before `not_after`.

    Raises `RefusedError` when it names none.
    """
    match = _TIME.search(html.unescape(_TAG.sub("", text)))
    if match is None or match[1].lower() not in _MONTHS:
        raise RefusedError(f"{name}: a time cannot be read: {_visible_text(text)}.")
    month = _MONTHS.index(match[1].lower()) + 1
    offset = _zone(match[5], zone, not_after)
    # A 29 February may be eight years back.
    for year in range(not_after.year + 1, not_after.year - 9, -1):
        try:
            at = datetime(
                year, month, int(match[2]), int(match[3]), int(match[4]), tzinfo=offset
            ).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
        if at <= not_after:
            return at
    raise RefusedError(f"{name}: a time cannot be read: {_visible_text(text)}.")


def _after(text: str, published: datetime, *, until: datetime, zone: tzinfo, name: str) -> datetime:
    """The first moment that `text` names after an entry was published, none after `until`."""
    at = moment(text, not_after=until.astimezone(zone) + _DAY, zone=zone, name=name)
    while (earlier := moment(text, not_after=at - _DAY, zone=zone, name=name)) >= published - _DAY:
        at = earlier
    return at


def plain_body(source: str) -> str:
    """A body as it was typed, as far as that can be told: HTML only where tags are in it."""
    source = source.strip()
    return source if _TAG.search(source) else html.unescape(source)


def _zone(word: str | None, beside: tzinfo, at: datetime) -> tzinfo:
    hours = _ZONES.get(word or "")
    offset = re.fullmatch(r"([+-])(\d\d):?(\d\d)?", word or "")
    if offset:
        sign = -1 if offset[1] == "-" else 1
        length = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
        return timezone(sign * length) if length < _DAY else beside
    if hours is None:
        return beside
    parsed = timezone(timedelta(hours=hours))
    # CST is also China's: an abbreviation far off the page's own offset is another one.
    own = at.astimezone(beside).utcoffset() or timedelta()
    is_utc = hours == 0
    return parsed if is_utc or abs(timedelta(hours=hours) - own) <= timedelta(hours=1) else beside


def _with_status(texts: list[tuple[datetime, str, str]], name: str) -> tuple[Said, ...]:
    updates: list[Said] = []
    before: IncidentStatus | None = None
    for at, label, body in reversed(texts):
        if label.lower() != "update":
            try:
                before = IncidentStatus(label.lower().replace(" ", "_"))
            except ValueError:
                raise RefusedError(f"{name}: {_visible_text(label)} is not a status.") from None
        elif before is None:
            before = IncidentStatus.INVESTIGATING
        updates.insert(0, Said(at, before, body))
    return tuple(updates)


def _planned(
    source: str, published: datetime, name: str
) -> tuple[datetime, datetime | None] | None:
    match = _SCHEDULED.search(source)
    if match is None:
        return None
    plain = html.unescape(_TAG.sub("", match["times"])).replace("\xa0", " ")
    zone = published.tzinfo or UTC
    begin = moment(plain, not_after=published + _DAY, zone=zone, name=name)
    times = list(_TIME.finditer(plain))
    if len(times) > 1:
        # Maintenance is rarely longer than half a year.
        ahead = begin + timedelta(days=183)
        end = moment(times[1][0], not_after=ahead, zone=zone, name=name)
        return begin, end if end > begin else None
    clock = re.search(r"-\s*(\d{1,2}):(\d\d)", plain)
    if clock is None:
        return begin, None
    same_day = re.sub(r"\d{1,2}:\d\d", f"{clock[1]}:{clock[2]}", times[0][0], count=1)
    end = moment(same_day, not_after=begin + _DAY, zone=zone, name=name)
    return begin, end if end > begin else None


def _is_all(source: str, matches: list[re.Match[str]]) -> bool:
    """No update was passed over: each `<small>` of the entry began one."""
    return len(re.findall(r"<p[^>]*>\s*<small>", source)) == len(matches)


def _visible_text(text: str) -> str:
    return repr(text[:60])
