"""Statuspage's public API v2: its documents, to the letter, from our views.

Pure: views become JSON bytes. Order of keys and lists, nulls and words are those
measured on recorded answers, so that a client of theirs needs only a new address.
"""

import json
from calendar import monthrange
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from statuspage.domain.statuses import IncidentKind, IncidentStatus
from statuspage.page.feeds import history as feed
from statuspage.page.snapshot.values import (
    ChangeView,
    ComponentView,
    GroupView,
    History,
    IncidentView,
    Month,
    PageView,
    PostmortemView,
    Present,
    UpdateView,
)

MAX_LISTED = 50
"""How many incidents, and how many maintenances, the lists of all of them hold."""

MAX_EXAMPLE = 120
"""Characters of an update in an example."""

Json: TypeAlias = dict[str, Any]


# ── documents ──────────────────────────────────────────────────────────────────


def summary(present: Present, unfinished: Iterable[IncidentView]) -> bytes:
    """Everything at once: components, what is open, what is planned, the page's status."""
    shown = tuple(unfinished)
    return _written(
        page=_page(present.page),
        components=_components(present),
        incidents=_incidents(present, unresolved_first(shown)),
        scheduled_maintenances=_incidents(present, planned_first(shown)),
        status=_status(present),
    )


def status(present: Present) -> bytes:
    return _written(page=_page(present.page), status=_status(present))


def components(present: Present) -> bytes:
    return _written(page=_page(present.page), components=_components(present))


def incidents(present: Present, shown: Iterable[IncidentView]) -> bytes:
    """In the order given."""
    return _written(page=_page(present.page), incidents=_incidents(present, shown))


def scheduled_maintenances(present: Present, shown: Iterable[IncidentView]) -> bytes:
    """In the order given."""
    return _written(page=_page(present.page), scheduled_maintenances=_incidents(present, shown))


def incident(present: Present, view: IncidentView) -> bytes:
    return _written(page=_page(present.page), incident=incident_document(present, view))


def history(shown: History) -> bytes:
    """Three months, the newest first, a line for each incident: `/history.json`."""
    first, last = shown.months[-1].first, shown.months[0].first
    end = last + timedelta(days=monthrange(last.year, last.month)[1] - 1)
    return _written(
        months=[_month(month, shown) for month in shown.months],
        start_time=f"{first}T00:00:00Z",
        end_time=f"{end}T23:59:59Z",
    )


def examples(present: Present, newest: IncidentView | None) -> dict[str, str]:
    """Pieces of what is served now, to be read by people; long ones are cut short."""
    shown: dict[str, Json] = {
        "status": {"page": _page(present.page), "status": _status(present)},
    }
    if present.items:
        shown["component"] = _item(present.page, present.items[0])
    if newest is not None:
        rendered = incident_document(present, newest)
        for update in rendered["incident_updates"][:1]:
            update["body"] = _cut(update["body"])
            update["affected_components"] = (update["affected_components"] or [])[:1] or None
        shown["incident"] = rendered | {
            "incident_updates": rendered["incident_updates"][:1],
            "components": rendered["components"][:1],
        }
    return {
        name: json.dumps(document, ensure_ascii=False, indent=2) for name, document in shown.items()
    }


def _cut(words: str) -> str:
    return words if len(words) <= MAX_EXAMPLE else f"{words[:MAX_EXAMPLE].rstrip()}…"


def error(words: str, message: str) -> bytes:
    """Clients read one key or the other."""
    return _written(error=words, message=message)


def _written(**document: Any) -> bytes:
    # What is no character at all cannot come this far; if it did, nobody would get an answer.
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace")


# ── which, and in which order ──────────────────────────────────────────────────


def unresolved_first(unfinished: Iterable[IncidentView]) -> list[IncidentView]:
    """The incidents among them, last changed first."""
    shown = [incident for incident in unfinished if incident.kind is IncidentKind.INCIDENT]
    return sorted(shown, key=lambda incident: incident.updated_at, reverse=True)


def planned_first(unfinished: Iterable[IncidentView]) -> list[IncidentView]:
    """The maintenances among them: what is ahead, then what is in progress."""
    shown = tuple(unfinished)
    return upcoming(shown) + active(shown)


def upcoming(unfinished: Iterable[IncidentView]) -> list[IncidentView]:
    """Maintenance that has not begun, the next first."""
    shown = [
        maintenance for maintenance in unfinished if maintenance.status is IncidentStatus.SCHEDULED
    ]
    return sorted(shown, key=lambda incident: incident.scheduled_for or incident.started_at)


def active(unfinished: Iterable[IncidentView]) -> list[IncidentView]:
    """Maintenance in progress, the newest word first."""
    running = (IncidentStatus.IN_PROGRESS, IncidentStatus.VERIFYING)
    shown = [maintenance for maintenance in unfinished if maintenance.status in running]
    return sorted(shown, key=_newest_word, reverse=True)


def _newest_word(incident: IncidentView) -> datetime:
    return incident.updates[0].posted_at if incident.updates else incident.created_at


# ── the page and its components ────────────────────────────────────────────────


def _page(page: PageView) -> Json:
    return {
        "id": page.id,
        "name": page.name,
        "url": page.url,
        "time_zone": page.time_zone,
        "updated_at": moment(page.updated_at, page.zone),
    }


def _status(present: Present) -> Json:
    return {
        "indicator": present.status.indicator.value,
        "description": present.status.description,
    }


def _components(present: Present) -> list[Json]:
    return [_item(present.page, item) for item in present.items]


def _item(page: PageView, one: ComponentView | GroupView) -> Json:
    if isinstance(one, ComponentView):
        return component(page, one)
    return {
        "id": one.id,
        "name": one.name,
        "status": one.status.value,
        "created_at": moment(one.created_at, page.zone),
        "updated_at": moment(one.updated_at, page.zone),
        "position": one.position,
        "description": one.description,
        "showcase": False,
        "start_date": None,
        "group_id": None,
        "page_id": page.id,
        "group": True,
        "only_show_if_degraded": False,
        "components": [member.id for member in one.components],
    }


def component(page: PageView, component: ComponentView) -> Json:
    """A row of a component, alike in every list."""
    return {
        "id": component.id,
        "name": component.name,
        "status": component.status.value,
        "created_at": moment(component.created_at, page.zone),
        "updated_at": moment(component.updated_at, page.zone),
        "position": component.position,
        "description": component.description,
        "showcase": component.showcase,
        "start_date": component.start_date.isoformat() if component.start_date else None,
        "group_id": component.group_id,
        "page_id": page.id,
        "group": False,
        "only_show_if_degraded": component.only_show_if_degraded,
    }


# ── incidents and maintenances ─────────────────────────────────────────────────


def _incidents(present: Present, shown: Iterable[IncidentView]) -> list[Json]:
    return [incident_document(present, incident) for incident in shown]


def incident_document(present: Present, incident: IncidentView) -> Json:
    """An incident or a maintenance, alike in every document and message."""
    page, zone = present.page, present.page.zone
    document = {
        "id": incident.id,
        "name": incident.name,
        "status": _word(incident.status),
        # History that was filled in later is no news: it counts from when it happened.
        "created_at": moment(
            incident.started_at if incident.is_backfilled else incident.created_at, zone
        ),
        "updated_at": moment(incident.updated_at, zone),
        "monitoring_at": _optional(_monitored_at(incident.updates), zone),
        "resolved_at": _optional(incident.resolved_at, zone),
        "impact": incident.impact.value,
        "shortlink": incident.shortlink or f"{page.url}{incident.path}",
        "started_at": moment(incident.announced_at, zone),
        "page_id": page.id,
        "incident_updates": _updates(incident, zone),
        "components": _affected(present, incident),
    }
    if incident.kind is IncidentKind.MAINTENANCE:
        document["scheduled_for"] = _optional(incident.scheduled_for, zone)
        document["scheduled_until"] = _optional(incident.scheduled_until, zone)
    else:
        document["reminder_intervals"] = incident.reminder_intervals
    return document


def _affected(present: Present, incident: IncidentView) -> list[Json]:
    """As they stand now, in the order of the page; what is off the page is not among them."""
    rows = [present.components[key] for key, _ in incident.components if key in present.components]
    rows.sort(key=lambda row: (row.position, row.created_at))
    return [component(present.page, row) for row in rows]


def _updates(incident: IncidentView, zone: ZoneInfo) -> list[Json]:
    """Newest first; a published postmortem is an update too, as theirs is."""
    entries = [(update.posted_at, _update(incident, update, zone)) for update in incident.updates]
    if incident.postmortem is not None:
        entries.append(
            (incident.postmortem.published_at, _postmortem(incident, incident.postmortem, zone))
        )
        entries.sort(key=lambda pair: pair[0], reverse=True)
    return [document for _, document in entries]


def _update(incident: IncidentView, update: UpdateView, zone: ZoneInfo) -> Json:
    return {
        "id": update.id,
        "status": _word(update.status),
        "body": update.body,
        "incident_id": incident.id,
        "created_at": moment(update.created_at, zone),
        "updated_at": moment(update.updated_at, zone),
        "display_at": moment(update.posted_at, zone),
        "affected_components": [_change(change) for change in update.changes] or None,
        "deliver_notifications": update.notify,
        "custom_tweet": update.custom_tweet,
        "tweet_id": update.tweet_id,
    }


def _change(change: ChangeView) -> Json:
    line: Json = {
        "code": change.component_id,
        "name": change.statuspage_name,
        "old_status": change.old_status.value,
        "new_status": change.claim.status.value,
    }
    if change.because_of:
        line["because_of"] = {"id": change.because_of.id, "name": change.because_of.name}
    return line


def _postmortem(incident: IncidentView, postmortem: PostmortemView, zone: ZoneInfo) -> Json:
    at = moment(postmortem.published_at, zone)
    return {
        "id": postmortem.id,
        "status": IncidentStatus.POSTMORTEM.value,
        "body": postmortem.source,
        "incident_id": incident.id,
        "created_at": at,
        "updated_at": _optional(postmortem.edited_at, zone) or at,
        "display_at": at,
        "affected_components": None,
        "deliver_notifications": True,
        "custom_tweet": None,
        "tweet_id": None,
    }


def _word(step: IncidentStatus) -> str:
    """Statuspage has no `cancelled`, and clients know no more words than it has.

    What was called off is over: it leaves the lists of what is ahead and in progress,
    and `completed` is the one word of theirs that says so. Its last update tells why.
    """
    return (IncidentStatus.COMPLETED if step is IncidentStatus.CANCELLED else step).value


def _monitored_at(updates: Sequence[UpdateView]) -> datetime | None:
    """The first time it was said that a fix is being watched."""
    times = [update.posted_at for update in updates if update.status is IncidentStatus.MONITORING]
    return min(times, default=None)


# ── history ────────────────────────────────────────────────────────────────────


def _month(month: Month, shown: History) -> Json:
    weekday, length = monthrange(month.first.year, month.first.month)
    return {
        "name": f"{month.first:%B}",
        "year": month.first.year,
        "starts_on": (weekday + 1) % 7,  # 0 is Sunday.
        "days": length,
        "incidents": [_line(incident, shown.page.zone) for incident in month.incidents],
    }


def _line(incident: IncidentView, zone: ZoneInfo) -> Json:
    return {
        "code": incident.id,
        "name": incident.name,
        "message": feed.in_one_paragraph(incident.updates[0].html) if incident.updates else "",
        "impact": incident.impact.value,
        "timestamp": _stretch(incident, zone),
    }


def _stretch(incident: IncidentView, zone: ZoneInfo) -> str:
    """`Aug 10, 00:17 - 01:30 UTC`, each part in the mark-up that Statuspage's script looks for."""
    start = incident.started_at.astimezone(zone)
    words = f"{feed.day(start)}, {feed.time(start)}"
    end = start
    if incident.resolved_at is not None:
        end = incident.resolved_at.astimezone(zone)
        other_day = "" if end.date() == start.date() else f"{feed.day(end)}, "
        words += f" - {other_day}{feed.time(end)}"
    return f"{words} {end.tzname()}"


# ── times ──────────────────────────────────────────────────────────────────────


def moment(at: datetime, zone: ZoneInfo) -> str:
    """`2019-02-20T12:00:19.418-06:00`: in the page's zone, three decimals, `Z` for UTC."""
    local = at.astimezone(zone)
    text = local.isoformat(timespec="milliseconds")
    return f"{text[:-6]}Z" if local.tzname() == "UTC" else text


def _optional(at: datetime | None, zone: ZoneInfo) -> str | None:
    return None if at is None else moment(at, zone)
