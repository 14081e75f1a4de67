"""Feeds with an entry for each update and each published postmortem.

An entry never changes once it is out, whatever happens to the incident: its words
are those of its own update, the incident's name and a maintenance's window are told
as they were then. Only an edit of the update itself moves `updated`, and says so.
What may change at any time (who is affected, what still works, what to do) is in
the description of an incident's own feed instead.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias
from zoneinfo import ZoneInfo

from markupsafe import escape

from statuspage.domain.statuses import IncidentStatus
from statuspage.lib.bidi import isolated
from statuspage.lib.markdown import clean, to_plain
from statuspage.page.feeds.entries import Entry, Feed, newest_change, one_line
from statuspage.page.snapshot.values import (
    ChangeView,
    EditView,
    IncidentPage,
    IncidentView,
    PageView,
    PostmortemView,
    Recent,
    UpdateView,
)

MAX_ENTRIES = 50

Words: TypeAlias = UpdateView | PostmortemView
"""What becomes an entry."""

# RFC 4122 §4.3: ids made of names. An address would not do, as the page may move.
_NAMES = uuid.UUID("6f3f3a5e-6f0e-4f0b-9d39-1f6f2f0f4c1d")


def of_page(recent: Recent) -> Feed:
    """Everything told on the page."""
    page = recent.page
    return _feed(
        page,
        stem="/feeds/updates",
        home="/",
        title=f"{page.name} Status - Updates",
        description=f"Every update on incidents and maintenance of {page.name}, as it was posted.",
        incidents=recent.incidents,
    )


def of_component(recent: Recent) -> Feed:
    """Everything told of incidents that named the component of `recent`."""
    page, component = recent.page, recent.component
    assert component is not None
    return _feed(
        page,
        stem=component.path,
        home=component.path,
        title=f"{page.name} Status - {component.full_name}",
        description=f"Every update on incidents and maintenance that affect {component.full_name}.",
        incidents=recent.incidents,
    )


def of_incident(shown: IncidentPage) -> Feed:
    """Everything told of one incident or maintenance; the description says how it stands."""
    incident = shown.incident
    return _feed(
        shown.page,
        stem=incident.path,
        home=incident.path,
        title=f"{shown.page.name} Status - {incident.name}",
        description=_facts(incident),
        incidents=(incident,),
        changed_at=incident.updated_at,
    )


def _feed(
    page: PageView,
    *,
    stem: str,
    home: str,
    title: str,
    description: str,
    incidents: Iterable[IncidentView],
    changed_at: datetime | None = None,
) -> Feed:
    newest = tuple(_entry(page, incident, words) for incident, words in _newest(incidents))
    updated = newest_change(page, newest)
    return Feed(
        id=_permanent_id("feed", f"{page.id} {stem}"),
        title=one_line(title),
        description=one_line(description),
        author=one_line(page.name, "Status page"),
        home_url=f"{page.url}{home}",
        stem=f"{page.url}{stem}",
        zone=page.zone,
        updated=max(updated, changed_at) if changed_at else updated,
        entries=newest,
    )


def _facts(incident: IncidentView) -> str:
    facts = (
        ("Who is affected", incident.who_is_affected),
        ("What still works", incident.what_still_works),
        ("What you can do", incident.what_you_can_do),
    )
    lines = [f"{heading}: {one_line(words)}" for heading, words in facts if words]
    return " · ".join([incident.status.label, *lines])


def _newest(incidents: Iterable[IncidentView]) -> list[tuple[IncidentView, Words]]:
    entries: list[tuple[IncidentView, Words]] = []
    for incident in incidents:
        if incident.postmortem is not None:
            entries.append((incident, incident.postmortem))
        entries.extend((incident, update) for update in incident.updates)
    entries.sort(key=lambda pair: _published(pair[1]), reverse=True)
    return entries[:MAX_ENTRIES]


def _published(words: Words) -> datetime:
    return words.published_at if isinstance(words, PostmortemView) else words.posted_at


def _entry(page: PageView, incident: IncidentView, words: Words) -> Entry:
    if isinstance(words, PostmortemView):
        return _of_postmortem(page, incident, words)
    return _of_update(page, incident, words)


def _of_update(page: PageView, incident: IncidentView, update: UpdateView) -> Entry:
    name = _as_it_was(incident, "name", incident.name, update.posted_at)
    html = "\n".join(
        part
        for part in (
            clean(update.html),
            _window(page.zone, incident, update),
            _changes(update),
            "<p>Posted automatically.</p>" if update.is_automatic else "",
            _promise(page.zone, update),
            _edited(page.zone, update.edits),
        )
        if part
    )
    return Entry(
        id=_permanent_id("update", update.id),
        title=one_line(f"{update.status.label}: {name}"),
        url=f"{page.url}{incident.path}#{update.anchor}",
        published=update.posted_at,
        updated=max(update.posted_at, update.updated_at),
        html=html,
        text=clean(to_plain(html)),
        tags=(incident.kind.value, update.status.value),
    )


def _of_postmortem(page: PageView, incident: IncidentView, document: PostmortemView) -> Entry:
    name = _as_it_was(incident, "name", incident.name, document.published_at)
    parts = [
        f"<h3>{escape(heading)}</h3>\n{clean(html)}" for _field, heading, html in document.parts
    ]
    html = "\n".join([*parts, _edited(page.zone, document.edits)]).strip()
    return Entry(
        id=_permanent_id("postmortem", document.id),
        title=one_line(f"Postmortem: {name}"),
        url=f"{page.url}{incident.path}#postmortem",
        published=document.published_at,
        updated=max(document.published_at, document.edited_at or document.published_at),
        html=html,
        text=clean(to_plain(html)),
        tags=(incident.kind.value, IncidentStatus.POSTMORTEM.value),
    )


def _permanent_id(kind: str, name: str) -> str:
    return uuid.uuid5(_NAMES, f"{kind} {clean(name)}").urn


def _as_it_was(incident: IncidentView, field: str, now: str, at: datetime) -> str:
    """What `field` said at that moment, before later corrections. Redactions hold throughout."""
    for correction in incident.corrections:
        if correction.field == field and correction.at > at:
            return correction.old or now
    return now


# ── the words of an entry ──────────────────────────────────────────────────────


def _window(zone: ZoneInfo, incident: IncidentView, update: UpdateView) -> str:
    """When announced maintenance takes place, in the words of that announcement."""
    if update.status is not IncidentStatus.SCHEDULED:
        return ""
    moments = []
    for field in ("scheduled_for", "scheduled_until"):
        value: datetime | None = getattr(incident, field)
        if value is None:
            return ""
        window = _as_it_was(incident, field, value.isoformat(), update.posted_at)
        moments.append(_time(datetime.fromisoformat(window), zone))
    return f"<p>Planned from {moments[0]} to {moments[1]}.</p>"


def _changes(update: UpdateView) -> str:
    """How it says that components stand; of what is only announced, what moves."""
    is_ahead = update.status is IncidentStatus.SCHEDULED
    changes_shown = [change for change in update.changes if change.is_move or not is_ahead]
    lines = "".join(f"<li>{escape(clean(_change(change)))}</li>" for change in changes_shown)
    return f"<ul>{lines}</ul>" if lines else ""


def _change(change: ChangeView) -> str:
    """`Payments - Card payments: Degraded performance → Partial outage, 12 %, EU`."""
    status = change.claim.status.label
    if change.is_move:
        status = f"{change.old_status.label} → {status}"
    words = [f"{isolated(change.statuspage_name)}: {status}"]
    if change.claim.share is not None:
        words.append(f"{_number(change.claim.share)} %")
    if change.claim.scope:
        words.append(isolated(change.claim.scope))
    return ", ".join(words) + change.reason


def _number(share: Decimal) -> str:
    return f"{share.normalize():f}"


def _promise(zone: ZoneInfo, update: UpdateView) -> str:
    if update.next_update_by is None:
        return ""
    return f"<p>Next update by {_time(update.next_update_by, zone)}.</p>"


def _edited(zone: ZoneInfo, edits: tuple[EditView, ...]) -> str:
    if not edits:
        return ""
    last = edits[-1]
    reason = f": {escape(clean(last.reason))}" if last.reason else ""
    return f"<p><small>Edited {_time(last.at, zone)}{reason}</small></p>"


def _time(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    words = f"{local.day} {local:%B %Y, %H:%M} {local.tzname()}"
    return f'<time datetime="{local.isoformat(timespec="seconds")}">{words}</time>'
