"""Writes a recording into the database, next to what earlier imports wrote there.

It changes rows without the verbs of `domain`: those act now, an import tells what
was. One `page.imported` event is recorded, when anything changed; nobody is
notified. The caller commits.
"""

import html
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from statuspage.db import Model, db
from statuspage.domain import components as parts
from statuspage.domain import events, pages
from statuspage.domain.claims import Claim, Span
from statuspage.domain.components import Component, ComponentClaim, ComponentGroup
from statuspage.domain.events import Actor
from statuspage.domain.pages import Page
from statuspage.domain.status import (
    ComponentStatus,
    Impact,
    IncidentKind,
    IncidentStatus,
    incident_impact,
)
from statuspage.domain.timeline import (
    Affected,
    Incident,
    IncidentUpdate,
    UpdateChange,
    UpdateVersion,
)
from statuspage.errors import Invalid
from statuspage.importing import feed, recording, spans, stored
from statuspage.importing.errors import RefusedError
from statuspage.importing.recording import Recording, added
from statuspage.importing.spans import Held
from statuspage.importing.stored import Earlier
from statuspage.text import recorded_to_html, to_html

POSTED_BY = "Statuspage"
END_UNKNOWN = "no recording tells its end; taken as over since it was last seen open"
CHANGED_HERE = "changed here since it was imported; kept as it is"
_TAG = re.compile(r"<[A-Za-z/!][^>]*>")

Each = Callable[[Sequence[recording.Incident]], Iterable[recording.Incident]]


@dataclass
class Report:
    """Rows by kind: how many there are in the recording, and how many were written.

    `notes` tells what could not be placed: reason → ids.
    """

    page: str
    address: str | None = None
    read: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def note(self, reason: str, place: str) -> None:
        self.notes = added(self.notes, {reason: (place,)})


def write(wanted: Recording, *, by: Actor, at: datetime, each: Each = lambda rows: rows) -> Report:
    """Bring the database to what the recording tells; a second time nothing changes.

    `each` passes the incidents on as they are written. Raises `RefusedError`.
    """
    earlier = stored.earlier(wanted)
    work = _Import(wanted, earlier, at)
    page = work.page()
    work.components()
    work.incidents(each)
    work.claims()
    report = work.report
    report.notes = added(_still_true(wanted, work.told), report.notes)
    if report.written.total():
        _record(page, wanted, earlier, report, by, at)
    db.session.flush()
    return report


class _Import:
    """One import under way: the rows by public id, and what was found so far."""

    def __init__(self, wanted: Recording, earlier: Earlier | None, at: datetime) -> None:
        self.wanted = wanted
        self.is_first = earlier is None
        self.earlier = earlier or Earlier()
        self.at = at
        self.rows = {row.public_id: row for row in parts.listed(archived=True)}
        self.groups = {row.public_id: row for row in parts.groups()}
        self.incident_rows = stored.incidents()
        self.ended_before = {key: row.resolved_at for key, row in self.incident_rows.items()}
        self.claim_rows = stored.claims()
        self.told: dict[str, recording.Incident] = {}
        self.report = Report(page="", address=wanted.page.url if wanted.page else None)
        self.is_newest_list = wanted.components is not None and _is_as_new(
            wanted.listed_at, self.earlier.listed_at
        )
        self.is_newest_summary = wanted.open_ids is not None and _is_as_new(
            wanted.summarised_at, self.earlier.summarised_at
        )

    # ── the page ───────────────────────────────────────────────────────────────

    def page(self) -> Page:
        row, wanted = pages.get(), self.wanted.page
        if row is None:
            name = wanted.name if wanted else "Status"
            row = Page(name=name, time_zone="Etc/UTC", created_at=self.at, updated_at=self.at)
            db.session.add(row)
            self.report.written["page"] += 1
        self.report.page = row.name
        if self.wanted.page_id and row.public_id != self.wanted.page_id:
            self.set(row, "page", public_id=self.wanted.page_id)
        if wanted is not None and self._tells_the_page(wanted, row):
            zone = wanted.time_zone if wanted.id else row.time_zone
            self.set(row, "page", name=wanted.name, time_zone=zone, updated_at=wanted.updated_at)
            self.report.page = row.name
        return row

    def _tells_the_page(self, wanted: recording.Page, row: Page) -> bool:
        if row.public_id in self.earlier.touched:
            self.report.note(CHANGED_HERE, f"page {row.public_id}")
            return False
        if not _is_as_new(wanted.updated_at, self.earlier.page_at):
            return False
        return wanted.id is not None or self.is_first or not self.earlier.page_id

    # ── components ─────────────────────────────────────────────────────────────

    def components(self) -> None:
        listed = self.wanted.components or ()
        self.report.read["component"] = sum(not one.group for one in listed)
        self.report.read["group"] = sum(one.group for one in listed)
        for one in listed:
            if one.group and (self.is_newest_list or one.id not in self.groups):
                self._group(one)
        db.session.flush()
        for one in listed:
            if not one.group:
                self._listed(one)
        for one in self.wanted.older_components:
            if not one.group:
                self._older(one)
        for incident in self.wanted.incidents:
            for update in incident.incident_updates:
                for change in update.changes:
                    self._named(change, update, incident)
        if self.is_newest_list:
            self._take_off(listed)
        db.session.flush()

    def _group(self, one: recording.Component) -> None:
        row = self.groups.get(one.id)
        if row is None:
            row = self.groups[one.id] = ComponentGroup(public_id=one.id)
            self.add(row, "group")
        elif one.id in self.earlier.touched:
            self.report.note(CHANGED_HERE, one.id)
            return
        self.set(
            row,
            "group",
            name=one.name,
            description=one.description,
            position=one.position,
            created_at=one.created_at,
            updated_at=one.updated_at,
        )

    def _listed(self, one: recording.Component) -> None:
        if self.is_newest_list:
            self._component(one, archived_at=None)
        else:
            self._older(one)

    def _older(self, one: recording.Component) -> None:
        if one.id in self.rows:
            return
        listed_at = self._listed_at
        hidden = one.only_show_if_degraded  # Such a one is listed only while it is in trouble.
        self._component(one, archived_at=None if hidden else listed_at)

    @property
    def _listed_at(self) -> datetime | None:
        moments = (self.wanted.listed_at, self.earlier.listed_at)
        return max((one for one in moments if one), default=None)

    def _component(self, one: recording.Component, *, archived_at: datetime | None) -> None:
        row = self.rows.get(one.id)
        if row is None:
            row = self.rows[one.id] = Component(public_id=one.id)
            self.add(row, "component")
        elif one.id in self.earlier.touched:
            self.report.note(CHANGED_HERE, one.id)
            return
        group = self.groups.get(one.group_id or "")
        if one.group_id and group is None:
            self.report.note(f"its group {one.group_id} is in no recording", one.id)
        self.set(
            row,
            "component",
            name=one.name,
            description=one.description,
            group_id=group.id if group else None,
            position=one.position,
            showcase=one.showcase,
            only_show_if_degraded=one.only_show_if_degraded,
            start_date=one.start_date,
            archived_at=archived_at,
            created_at=one.created_at,
            updated_at=one.updated_at,
        )
        row.group = group

    def _named(
        self, change: recording.Change, update: recording.Update, incident: recording.Incident
    ) -> None:
        if change.code in self.rows or change.code in self.groups:
            return
        row = self.rows[change.code] = Component(public_id=change.code)
        self.add(row, "component")
        at = update.display_at
        self.set(
            row, "component", name=change.name, created_at=at, updated_at=at,
            archived_at=self._listed_at,
        )  # fmt: skip
        self.report.note(f"only its name is known, from incident {incident.id}", change.code)

    def _take_off(self, listed: Sequence[recording.Component]) -> None:
        """Archive what the newest list does not show any more."""
        present = {one.id for one in listed}
        for public_id, row in self.rows.items():
            if public_id in present or public_id in self.earlier.touched:
                continue
            if row.archived_at is None and not row.only_show_if_degraded:
                self.set(row, "component", archived_at=self.wanted.listed_at)
        for public_id, group in list(self.groups.items()):
            if public_id not in present and public_id not in self.earlier.touched:
                for row in self.rows.values():
                    if row.group_id == group.id:
                        self.set(row, "component", group_id=None)
                        row.group = None
                db.session.flush()
                db.session.delete(group)
                del self.groups[public_id]
                self.report.written["group"] += 1

    # ── incidents ──────────────────────────────────────────────────────────────

    def incidents(self, each: Each) -> None:
        todo = []
        recorded = {one.id for one in self.wanted.incidents}
        for one in self.wanted.incidents:
            self.report.read[str(one.kind)] += 1
            self.report.read["update"] += len(one.incident_updates)
            if one.id in self.earlier.touched:
                self.report.note(CHANGED_HERE, one.id)
                continue
            todo.append(self._with_earlier(one))
        for public_id, row in self.incident_rows.items():
            if public_id in recorded | self.earlier.touched or row.is_over:
                continue
            todo.append(stored.told(row))
        todo = [self._ended(one) for one in todo]
        self._refuse_shared_updates(todo)
        for one in each(todo):
            self.told[one.id] = one
            self._incident(one)

    def _with_earlier(self, one: recording.Incident) -> recording.Incident:
        row = self.incident_rows.get(one.id)
        if row is None:
            return one
        is_current = _is_as_new(self.wanted.summarised_at, self.earlier.summarised_at)
        pair = (stored.told(row), one) if is_current else (one, stored.told(row))
        return recording.merge_incident(*pair)

    def _ended(self, one: recording.Incident) -> recording.Incident:
        """Over, when a later summary does not show it any more."""
        if one.status.is_over:
            end = one.resolved_at or one.last_word_at
            return one.model_copy(update={"resolved_at": end})
        one = one.model_copy(update={"resolved_at": None})
        row = self.incident_rows.get(one.id)
        if self.is_newest_summary:
            is_open = one.id in (self.wanted.open_ids or ())
        else:
            is_open = row is not None and not row.is_over
        moments = (self.wanted.summarised_at, self.earlier.summarised_at)
        seen_at = max((moment for moment in moments if moment), default=None)
        if seen_at is None or is_open or one.updated_at > seen_at:
            return one
        is_work = one.kind is IncidentKind.MAINTENANCE
        seen_open_at = self.wanted.seen_open_at.get(one.id)
        if row is not None and not row.is_over:
            seen_open_at = seen_open_at or self.earlier.summarised_at
        end = max(one.last_word_at, seen_open_at or one.last_word_at)
        if is_work and one.scheduled_until and end <= one.scheduled_until <= seen_at:
            end = one.scheduled_until
        self.report.note(END_UNKNOWN, one.id)
        status = IncidentStatus.COMPLETED if is_work else IncidentStatus.RESOLVED
        return one.model_copy(update={"status": status, "resolved_at": end})

    def _refuse_shared_updates(self, incidents: Sequence[recording.Incident]) -> None:
        owner = {
            update.public_id: public_id
            for public_id, row in self.incident_rows.items()
            for update in row.updates
        }
        for one in incidents:
            for update in one.incident_updates:
                if owner.setdefault(update.id, one.id) != one.id:
                    raise RefusedError(
                        f"Update {update.id} belongs to two incidents: {owner[update.id]} and"
                        f" {one.id}."
                    )

    def _incident(self, one: recording.Incident) -> None:
        kind = one.kind
        row = self.incident_rows.get(one.id)
        if row is None:
            row = self.incident_rows[one.id] = Incident(
                public_id=one.id,
                kind=kind,
                # The API does not tell whether it starts and ends by itself.
                auto_start=False,
                auto_end=False,
                updates=[],
                affected=[],
                corrections=[],
            )
            self.add(row, kind)
        is_work = kind is IncidentKind.MAINTENANCE
        details = dict(row.details or {})
        if is_work and one.started_at:
            details["started_at"] = one.started_at.isoformat()
        impact = self._impact(one)
        told_at = min((update.display_at for update in one.incident_updates), default=None)
        self.set(
            row,
            kind,
            kind=kind,
            name=one.name,
            status=one.status,
            impact=impact,
            impact_override=impact if one.impact and impact is not self._rule(one) else None,
            started_at=_start(one),
            told_at=told_at or one.created_at,
            mitigated_at=one.monitoring_at,
            resolved_at=one.resolved_at,
            scheduled_for=(one.scheduled_for or one.began_at) if is_work else None,
            scheduled_until=one.scheduled_until,
            shortlink=one.shortlink,
            reminder_intervals=one.reminder_intervals,
            details=details,
            published_at=one.created_at,
            created_at=one.created_at,
            updated_at=one.updated_at,
        )
        db.session.flush()
        self._updates(row, one)
        self._affected(row, one)
        db.session.flush()

    def _impact(self, one: recording.Incident) -> Impact:
        if one.kind is IncidentKind.MAINTENANCE:
            return Impact.MAINTENANCE
        return one.impact or self._rule(one)

    def _rule(self, one: recording.Incident) -> Impact:
        """What our rule makes of everything its updates said."""
        if one.kind is IncidentKind.MAINTENANCE:
            return Impact.MAINTENANCE
        said = [
            status
            for update in one.incident_updates
            for change in update.changes
            for status in (change.old_status, change.new_status)
        ]
        return incident_impact(said, whole_page=False)

    def _updates(self, row: Incident, one: recording.Incident) -> None:
        wanted = {update.id for update in one.incident_updates}
        for update in [update for update in row.updates if update.public_id not in wanted]:
            row.updates.remove(update)
            self.report.written["update"] += 1
        present = {update.public_id: update for update in row.updates}
        for told in reversed(one.incident_updates):
            known = present.get(told.id)
            if known is None:
                update = IncidentUpdate(
                    public_id=told.id,
                    body=told.body,
                    body_html=rendered(told.body),
                    posted_by=POSTED_BY,
                    changes=[],
                    versions=[],
                )
                row.updates.insert(0, update)
                self.report.written["update"] += 1
            self._update(known or update, told, known is None)

    def _update(self, row: IncidentUpdate, told: recording.Update, fresh: bool) -> None:
        if row.body != told.body:
            row.versions.append(
                UpdateVersion(
                    number=len(row.versions) + 1,
                    body=row.body,
                    body_html=row.body_html,
                    replaced_at=told.updated_at,
                    replaced_by=POSTED_BY,
                )
            )
            self.set(
                row,
                "update",
                body=told.body,
                body_html=rendered(told.body),
                edited_at=told.updated_at,
                version=row.version + 1,
            )
        self.set(
            row,
            None if fresh else "update",
            status=told.status,
            posted_at=told.display_at,
            created_at=told.created_at,
            updated_at=told.updated_at,
            notify=told.deliver_notifications,
            tweet_id=told.tweet_id,
            custom_tweet=told.custom_tweet,
        )
        wanted = [self._change(change) for change in told.changes if self._is_component(change)]
        if [_saying(change) for change in row.changes] != [_saying(change) for change in wanted]:
            row.changes = wanted
            self.report.written["change"] += len(wanted)
        self.report.read["change"] += len(wanted)

    def _change(self, change: recording.Change) -> UpdateChange:
        return UpdateChange(
            component_id=self.rows[change.code].id,
            name=change.name,
            old_status=change.old_status,
            new_status=change.new_status,
        )

    def _is_component(self, change: recording.Change) -> bool:
        if change.code in self.rows:
            return True
        self.report.note("an update says something of a group", change.code)
        return False

    def _affected(self, row: Incident, one: recording.Incident) -> None:
        """Each component that it named, as the last update before its end left it."""
        said = {component.id: ComponentStatus.OPERATIONAL for component in one.components}
        for update in reversed(one.incident_updates):
            for change in update.changes:
                if not update.status.is_over or change.code not in said:
                    said[change.code] = change.new_status
        present = {affected.component_id: affected for affected in row.affected}
        for code, status in said.items():
            component = self.rows.get(code)
            if component is None:
                continue
            affected = present.get(component.id)
            if affected is None:
                row.affected.append(Affected(component_id=component.id, status=status))
                self.report.written["affected"] += 1
            elif code in {change.code for u in one.incident_updates for change in u.changes}:
                self.set(affected, "affected", status=status)

    # ── claims ─────────────────────────────────────────────────────────────────

    def claims(self) -> None:
        db.session.flush()
        public_ids = {row.id: public_id for public_id, row in self.rows.items()}
        wanted: list[Held] = []
        for public_id, row in self.incident_rows.items():
            known = stored.held(row, self.claim_rows.get(row.id, []), public_ids)
            wanted += self._held(public_id, known)
        wanted = [one for one in wanted if one.component_id in self.rows]
        wanted = spans.lasting(self._until_archived(one) for one in wanted)
        if self.is_newest_list:
            wanted = spans.reconciled(
                self._followed(), wanted, self.told, self.wanted.listed_at or self.at
            )
        by_incident: dict[str | None, list[Held]] = {}
        for one in wanted:
            by_incident.setdefault(one.incident_id, []).append(one)
        for public_id, row in self.incident_rows.items():
            if public_id in self.told:
                self._replace(row, by_incident.get(public_id, []))
        if self.is_newest_list:
            self._stand(by_incident.get(None, []))

    def _held(self, public_id: str, known: list[Held]) -> list[Held]:
        one = self.told.get(public_id)
        if one is None:  # Over long since, or changed here.
            return known
        before = self.ended_before.get(public_id)
        guessed = before if before != one.resolved_at else None
        return spans.with_known(spans.of_incident(one), known, one, guessed)

    def _followed(self) -> list[recording.Component]:
        """The listed components whose status nobody changed here."""
        return [
            one
            for one in self.wanted.components or ()
            if not one.group and one.id not in self.earlier.touched
        ]

    def _until_archived(self, one: Held) -> Held:
        end = self.rows[one.component_id].archived_at
        if end is None or (one.ends_at is not None and one.ends_at <= end):
            return one
        return replace(one, ends_at=end)

    def _replace(self, incident: Incident, wanted: list[Held]) -> None:
        rows = self.claim_rows.get(incident.id, [])
        ids = {component.public_id: component.id for component in self.rows.values()}
        present = {_claiming(row) for row in rows}
        told = {(ids[one.component_id], one.status, one.starts_at, one.ends_at) for one in wanted}
        if present == told:
            return
        for row in rows:
            if _claiming(row) not in told:
                db.session.delete(row)
        for one in wanted:
            if (ids[one.component_id], one.status, one.starts_at, one.ends_at) not in present:
                self._claim(one, incident)
        self.report.written["claim"] += len(told ^ present)

    def _stand(self, wanted: list[Held]) -> None:
        """Statuses that no incident speaks for, exactly where they are listed."""
        by_component = {one.component_id: one for one in wanted}
        rows: dict[int, list[ComponentClaim]] = {}
        for row in self.claim_rows.get(None, []):
            if row.ends_at is None:
                rows.setdefault(row.component_id, []).append(row)
        for one in self._followed():
            present = rows.get(self.rows[one.id].id, [])
            new = by_component.get(one.id)
            if [row.status for row in present] == ([new.status] if new else []):
                continue
            changed_at = min(one.updated_at, self.wanted.listed_at or self.at)
            for row in present:
                if changed_at > row.starts_at:
                    row.ends_at = changed_at
                else:
                    db.session.delete(row)
                self.report.written["claim"] += 1
            if new is not None:
                self._claim(new, None)
                self.report.written["claim"] += 1

    def _claim(self, one: Held, incident: Incident | None) -> None:
        span = Span(Claim(one.status), one.starts_at, one.ends_at)
        parts.record_spans(self.rows[one.component_id], incident, [span])

    # ── rows ───────────────────────────────────────────────────────────────────

    def add(self, row: Model, kind: str) -> None:
        db.session.add(row)
        self.report.written[str(kind)] += 1

    def set(self, row: Model, what: str | None, **values: object) -> None:
        """Write what differs; an existing row that changes counts as written."""
        is_new = row.id is None
        changed = {name: value for name, value in values.items() if getattr(row, name) != value}
        for name, value in changed.items():
            setattr(row, name, value)
        if changed and not is_new and what is not None:
            self.report.written[str(what)] += 1


def _start(one: recording.Incident) -> datetime:
    """When it began, a maintenance when the work did: Statuspage calls its announcement so."""
    begins = [one.began_at]
    if one.kind is IncidentKind.MAINTENANCE:
        begins = [one.scheduled_for or one.began_at]
        begins += [said.display_at for said in one.incident_updates if said.status.claims]
    return min([*begins, one.resolved_at or begins[0]])


def rendered(body: str) -> str:
    """Safe HTML of a recorded body: of its tags those that we allow, or of its Markdown."""
    if _TAG.search(body):
        return str(recorded_to_html(body))
    try:
        return str(to_html(body.strip()))
    except Invalid:
        # Longer or deeper than what is rendered: the words as they are.
        return "<p>" + html.escape(body.strip()).replace("\n", "<br>\n") + "</p>"


def _saying(row: UpdateChange) -> tuple[object, ...]:
    return row.component_id, row.name, row.old_status, row.new_status


def _claiming(row: ComponentClaim) -> tuple[object, ...]:
    return row.component_id, row.status, row.starts_at, row.ends_at


def _is_as_new(moment: datetime | None, known: datetime | None) -> bool:
    return known is None or (moment is not None and moment >= known)


def _still_true(
    wanted: Recording, told: dict[str, recording.Incident]
) -> dict[str, tuple[str, ...]]:
    """The recording's notes, without what another recording tells after all."""
    full = {one.id for one in told.values() if one.is_full}
    found = {}
    for reason, places in wanted.notes.items():
        rest = places
        if reason in (feed.NO_IMPACT, feed.NO_PLAN):
            rest = tuple(place for place in places if place not in full)
        if rest:
            found[reason] = rest
    return found


def _record(
    page: Page,
    wanted: Recording,
    earlier: Earlier | None,
    report: Report,
    by: Actor,
    at: datetime,
) -> None:
    before = earlier or Earlier()
    db.session.flush()
    events.record(
        stored.IMPORTED,
        subject=page.public_id,
        title=page.name,
        by=by,
        at=at,
        changed_at=_changed_at(wanted, earlier),
        data={
            "page_id": wanted.page_id or before.page_id,
            "host": wanted.host or before.host,
            "page_at": _later(wanted.page.updated_at if wanted.page else None, before.page_at),
            "listed_at": _later(wanted.listed_at, before.listed_at),
            "summarised_at": _later(wanted.summarised_at, before.summarised_at),
            "written": dict(report.written),
        },
    )


def _changed_at(wanted: Recording, earlier: Earlier | None) -> datetime | None:
    """When the page last changed there; None where this import itself is the newest change."""
    recorded = wanted.page.updated_at if wanted.page else None
    if recorded is None or earlier is None:
        return recorded
    before = events.changed_at()
    return recorded if before is None or recorded > before else None


def _later(one: datetime | None, other: datetime | None) -> str | None:
    moment = max((moment for moment in (one, other) if moment), default=None)
    return moment.isoformat() if moment else None
