"""Scheduled maintenance as a calendar to subscribe to: RFC 5545, named and timed by RFC 7986.

Nothing here asks what time it is: the same words give the same bytes. Nobody is
invited to anything, so that events have neither organizer nor attendees.
"""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone, TimezoneStandard
from icalendar.prop import vDuration, vText, vUri

from statuspage.domain.statuses import IncidentStatus
from statuspage.lib.bidi import isolated
from statuspage.lib.markdown import clean, to_plain
from statuspage.lib.origin import Origin
from statuspage.page.feeds.entries import one_line
from statuspage.page.snapshot.values import IncidentView, PageView, Recent, UpdateView

# What the object says of itself and what HTTP says of it must agree: RFC 5545 §3.7.2.
METHOD = "PUBLISH"
CONTENT_TYPE = f"text/calendar; charset=utf-8; method={METHOD}"

ASK_AGAIN_AFTER = timedelta(hours=1)
UPDATES_TOLD = 10
LONGEST_DESCRIPTION = 4000

_LINE_ENDS = re.compile("[\x85\u2028\u2029]")
"""Legal in a text, but some readers take an object apart at them."""


def render(planned: Recent) -> bytes:
    """A calendar with an event for each maintenance of `planned`, by start."""
    page, component = planned.page, planned.component
    name, source = f"{page.name} maintenance", f"{page.url}/maintenance"
    if component is not None:
        name, source = f"{name}: {component.full_name}", f"{page.url}{component.path}"
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", "-//Status page//Scheduled maintenance//EN")
    calendar.add("method", METHOD)
    for field in ("name", "x-wr-calname"):
        calendar.add(field, vText(one_line(name)))
    calendar.add("url", vUri(source))
    calendar.add("source", vUri(f"{source}.ics"), parameters={"VALUE": "URI"})
    calendar.add("refresh-interval", ASK_AGAIN_AFTER, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", vDuration(ASK_AGAIN_AFTER))
    for incident in sorted(
        planned.incidents, key=lambda incident: (_starts_at(incident), incident.id)
    ):
        calendar.add_component(_event(page, incident))
    if not planned.incidents:
        calendar.add_component(_utc())
    document: bytes = calendar.to_ical()
    return document


def _event(page: PageView, incident: IncidentView) -> Event:
    is_cancelled = incident.status is IncidentStatus.CANCELLED
    host = Origin(page.url).domain
    name = f"{page.name}, cancelled" if is_cancelled else page.name
    starts_at, ends_at = _starts_at(incident), _ends_at(incident)
    event = Event()
    event.add("uid", f"{incident.id}@{host}")
    event.add("sequence", _revision(incident))
    # §3.8.7.2: with a method this is when the object was made, and it was made by the change.
    event.add("dtstamp", _utc_second(incident.updated_at))
    event.add("last-modified", _utc_second(incident.updated_at))
    event.add("created", _utc_second(incident.created_at))
    event.add("dtstart", starts_at)
    if ends_at is not None and ends_at > starts_at:
        event.add("dtend", ends_at)
    event.add("status", "CANCELLED" if is_cancelled else "CONFIRMED")
    event.add("transp", "TRANSPARENT")
    event.add("summary", one_line(f"{name}: {incident.name}"))
    event.add("description", _description(page, incident))
    event.add("url", vUri(page.url + incident.path))
    if incident.components:
        event.add("categories", [one_line(component) for _id, component in incident.components])
    return event


def _revision(incident: IncidentView) -> int:
    """How many things were told and put right since the first: no verb takes one away.

    A redaction is none of them; there the later DTSTAMP decides (RFC 5546 §2.1.5).
    """
    edits = sum(len(update.edits) for update in incident.updates)
    return max(len(incident.updates) - 1, 0) + edits + len(incident.corrections)


def _starts_at(incident: IncidentView) -> datetime:
    return _utc_second(incident.scheduled_for or incident.started_at)


def _ends_at(incident: IncidentView) -> datetime | None:
    end = incident.scheduled_until or incident.resolved_at
    return None if end is None else _utc_second(end)


def _utc_second(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def _description(page: PageView, incident: IncidentView) -> str:
    """How it stands, what customers should know, and what was told, newest first."""
    affected = ", ".join(isolated(one_line(name)) for _id, name in incident.components)
    facts = (
        ("Affects", affected),
        ("Who is affected", incident.who_is_affected),
        ("What still works", incident.what_still_works),
        ("What you can do", incident.what_you_can_do),
    )
    lines = [f"{heading}: {one_line(words)}" for heading, words in facts if words]
    parts = ["\n".join([incident.status.label, *lines])]
    parts += [_update_text(page.zone, update) for update in incident.updates[:UPDATES_TOLD]]
    text = _LINE_ENDS.sub("\n", clean("\n\n".join(parts)))
    if len(text) <= LONGEST_DESCRIPTION:
        return text
    return text[:LONGEST_DESCRIPTION].rstrip() + "…"


def _update_text(zone: ZoneInfo, update: UpdateView) -> str:
    local = update.posted_at.astimezone(zone)
    heading = f"{local.day} {local:%B %Y, %H:%M} {local.tzname()}: {update.status.label}"
    return f"{heading}\n{to_plain(update.html)}"


def _utc() -> Timezone:
    """What stands in a calendar without events: §3.6 asks for one component at least."""
    standard = TimezoneStandard()
    standard.add("dtstart", datetime(1970, 1, 1))  # noqa: DTZ001  local time by definition
    standard.add("tzoffsetfrom", timedelta(0))
    standard.add("tzoffsetto", timedelta(0))
    zone = Timezone()
    zone.add("tzid", "UTC")
    zone.add_component(standard)
    return zone
