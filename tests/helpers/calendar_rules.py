"""The rules of RFC 5545 and RFC 7986 for what we publish: a broken one fails the calling test."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

LINE = re.compile(r"(?P<name>[A-Za-z0-9-]+)(?P<parameters>(?:;[^:]*)?):(?P<value>.*)", re.S)
PARAMETER = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^";:,]*)')
CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
UTC_FORM = re.compile(r"\d{8}T\d{6}Z")
DURATION = re.compile(r"P(\d+W|\d+D(T\d+H)?|T\d+[HMS](\d+M)?(\d+S)?)")

ONCE_IN_CALENDAR = {"VERSION", "PRODID"}
AT_MOST_ONCE_IN_CALENDAR = {
    *("METHOD", "CALSCALE", "URL", "SOURCE", "REFRESH-INTERVAL"),
    *("X-WR-CALNAME", "X-PUBLISHED-TTL"),
}
ONCE_IN_EVENT = {"UID", "DTSTAMP", "DTSTART"}
AT_MOST_ONCE_IN_EVENT = {
    *("CLASS", "CREATED", "DESCRIPTION", "GEO", "LAST-MODIFIED", "LOCATION", "PRIORITY"),
    *("SEQUENCE", "STATUS", "SUMMARY", "TRANSP", "URL", "DTEND"),
}
TEXTS = {"SUMMARY", "DESCRIPTION", "NAME", "X-WR-CALNAME", "UID", "PRODID", "STATUS", "TRANSP"}
MOMENTS = {"DTSTAMP", "DTSTART", "DTEND", "CREATED", "LAST-MODIFIED"}
ADDRESSES = {"URL", "SOURCE"}


@dataclass
class Part:
    """A calendar, an event or another component: its properties as they are written."""

    kind: str
    lines: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    parts: list["Part"] = field(default_factory=list)

    def count(self, name) -> int:
        return sum(one == name for one, _, _ in self.lines)

    def raw(self, name) -> str | None:
        return next((value for one, _, value in self.lines if one == name), None)

    def text(self, name) -> str | None:
        value = self.raw(name)
        return None if value is None else unescaped(value)

    def texts(self, name) -> list[str]:
        return [unescaped(one) for one in re.findall(r"(?:\\.|[^\\,])+", self.raw(name) or "")]

    def moment(self, name) -> datetime | None:
        value = self.raw(name)
        if value is None:
            return None
        return datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def check_calendar(document: bytes, address: str) -> list[Part]:
    """An object that is published at `address`. Returns its events."""
    calendar = _parsed(document)
    assert calendar.kind == "VCALENDAR"
    _counts(calendar, ONCE_IN_CALENDAR, AT_MOST_ONCE_IN_CALENDAR)
    assert calendar.raw("VERSION") == "2.0"  # §3.7.4
    assert calendar.raw("METHOD") == "PUBLISH"
    assert calendar.parts  # §3.6: one component at least
    assert {part.kind for part in calendar.parts} <= {"VEVENT", "VTIMEZONE"}
    _check_subscription(calendar, address)
    events = [part for part in calendar.parts if part.kind == "VEVENT"]
    for event in events:
        _check_event(event)
    uids = [event.raw("UID") for event in events]
    assert len(uids) == len(set(uids))
    for zone in (part for part in calendar.parts if part.kind == "VTIMEZONE"):
        _check_zone(zone)
    return events


def _check_subscription(calendar, address):
    """RFC 7986 §5, and what programs older than it look for."""
    assert calendar.text("NAME").strip() == calendar.text("X-WR-CALNAME") != ""
    values = {name: (parameters, value) for name, parameters, value in calendar.lines}
    assert values["SOURCE"] == ({"VALUE": "URI"}, address)
    parameters, interval = values["REFRESH-INTERVAL"]
    assert parameters == {"VALUE": "DURATION"}
    assert DURATION.fullmatch(interval)
    assert calendar.raw("X-PUBLISHED-TTL") == interval


def _check_event(event):
    """§3.6.1; and RFC 5546 §3.2.1 for what is published: a summary, nobody attends."""
    _counts(event, ONCE_IN_EVENT, AT_MOST_ONCE_IN_EVENT)
    assert event.text("SUMMARY").strip()
    assert event.count("ATTENDEE") == 0
    assert event.raw("STATUS") in ("CONFIRMED", "CANCELLED")
    assert event.raw("TRANSP") in ("OPAQUE", "TRANSPARENT")
    assert re.fullmatch(r"\d{1,9}", event.raw("SEQUENCE"))
    assert re.fullmatch(r"[^@\s]+@[^@\s]+", event.text("UID"))  # RFC 7986 §5.3 prefers no host
    if event.count("DTEND"):
        assert event.moment("DTEND") > event.moment("DTSTART")  # §3.8.2.2
    assert event.moment("CREATED") <= event.moment("LAST-MODIFIED") == event.moment("DTSTAMP")
    if event.count("CATEGORIES"):
        assert all(text.strip() for text in event.texts("CATEGORIES"))


def _check_zone(zone):
    """§3.6.5"""
    assert zone.count("TZID") == 1
    assert zone.parts
    for rule in zone.parts:
        assert rule.kind in ("STANDARD", "DAYLIGHT")
        assert re.fullmatch(r"\d{8}T\d{6}", rule.raw("DTSTART"))
        for name in ("TZOFFSETFROM", "TZOFFSETTO"):
            assert re.fullmatch(r"[+-]\d{4}", rule.raw(name))


def _counts(part, once, at_most_once):
    for name in once:
        assert part.count(name) == 1, name
    for name in at_most_once:
        assert part.count(name) <= 1, name


# ── lines ──────────────────────────────────────────────────────────────────────


def _parsed(document: bytes) -> Part:
    root = Part("")
    open_parts = [root]
    for line in _unfolded(document):
        name, parameters, value = _taken_apart(line)
        match name:
            case "BEGIN":
                part = Part(value)
                open_parts[-1].parts.append(part)
                open_parts.append(part)
            case "END":
                assert open_parts.pop().kind == value
            case _:
                assert open_parts[-1] is not root, name
                _check_value(name, value)
                open_parts[-1].lines.append((name, parameters, value))
    assert open_parts == [root]
    (calendar,) = root.parts
    return calendar


def _unfolded(document: bytes) -> list[str]:
    """§3.1: lines end in CRLF and have 75 octets at most, each of whole characters."""
    assert document.endswith(b"\r\n")
    assert document.count(b"\r") == document.count(b"\n") == document.count(b"\r\n")
    assert not document.startswith(b"\xef\xbb\xbf")
    found: list[str] = []
    for octets in document.removesuffix(b"\r\n").split(b"\r\n"):
        assert 0 < len(octets) <= 75, octets
        line = octets.decode()
        assert not CONTROL.search(line), line
        assert not re.search("[\x85\u2028\u2029]", line), "some readers end a line here"
        if line[0] in " \t":
            found[-1] += line[1:]
        else:
            found.append(line)
    return found


def _taken_apart(line: str) -> tuple[str, dict[str, str], str]:
    match = LINE.fullmatch(line)
    assert match, line
    parameters = PARAMETER.findall(match["parameters"])
    assert match["parameters"] == "".join(f";{name}={value}" for name, value in parameters)
    return match["name"], dict(parameters), match["value"]


def _check_value(name, value):
    if name in TEXTS:
        assert re.fullmatch(r"(?:[^\\;,]|\\[\\;,nN])*", value), (name, value)  # §3.3.11
    if name == "CATEGORIES":
        assert re.fullmatch(r"(?:[^\\;]|\\[\\;,nN])+", value), value
    if name in MOMENTS and not re.fullmatch(r"\d{8}T\d{6}", value):
        assert UTC_FORM.fullmatch(value), (name, value)  # §3.3.5, form 2
        datetime.strptime(value, "%Y%m%dT%H%M%SZ")
    if name in ADDRESSES:
        parts = urlsplit(value)
        assert parts.scheme in ("http", "https"), value
        assert parts.netloc, value


def unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] in "nN" else match[1], text)
