"""Writes for how long each component was held in which status."""

from dataclasses import replace

from statuspage.db import db
from statuspage.domain.claims import Claim, Span
from statuspage.domain.components import claims_store
from statuspage.domain.components.claims_store import ComponentClaim
from statuspage.domain.incidents.models import Incident
from statuspage.importers.statuspage import documents, existing, spans
from statuspage.importers.statuspage.context import ImportContext
from statuspage.importers.statuspage.spans import Held


def write(work: ImportContext) -> None:
    """Bring the spans of all components to what the incidents and the newest list say."""
    db.session.flush()
    public_ids = {row.id: public_id for public_id, row in work.rows.items()}
    claims: list[Held] = []
    for public_id, row in work.incident_rows.items():
        existing_claims = existing.held(row, work.claim_rows.get(row.id, []), public_ids)
        claims += _held(work, public_id, existing_claims)
    claims = [claim for claim in claims if claim.component_id in work.rows]
    claims = spans.lasting(_until_archived(work, claim) for claim in claims)
    if work.is_newest_list:
        claims = spans.reconciled(
            _followed(work), claims, work.told, work.wanted.listed_at or work.at
        )
    by_incident: dict[str | None, list[Held]] = {}
    for claim in claims:
        by_incident.setdefault(claim.incident_id, []).append(claim)
    for public_id, row in work.incident_rows.items():
        if public_id in work.told:
            _replace(work, row, by_incident.get(public_id, []))
    if work.is_newest_list:
        _stand(work, by_incident.get(None, []))


def _held(work: ImportContext, public_id: str, older: list[Held]) -> list[Held]:
    event = work.told.get(public_id)
    if event is None:  # Over long since, or changed here.
        return older
    before = work.ended_before.get(public_id)
    guessed = before if before != event.resolved_at else None
    return spans.with_known(spans.of_incident(event), older, event, guessed)


def _followed(work: ImportContext) -> list[documents.Component]:
    """The listed components whose status nobody changed here."""
    return [
        component
        for component in work.wanted.components or ()
        if not component.group and component.id not in work.earlier.touched
    ]


def _until_archived(work: ImportContext, span: Held) -> Held:
    end = work.rows[span.component_id].archived_at
    if end is None or (span.ends_at is not None and span.ends_at <= end):
        return span
    return replace(span, ends_at=end)


def _replace(work: ImportContext, incident: Incident, claims: list[Held]) -> None:
    rows = work.claim_rows.get(incident.id, [])
    ids = {component.public_id: component.id for component in work.rows.values()}
    present = {_claiming(row) for row in rows}
    replaced = {
        (ids[claim.component_id], claim.status, claim.starts_at, claim.ends_at) for claim in claims
    }
    if present == replaced:
        return
    for row in rows:
        if _claiming(row) not in replaced:
            db.session.delete(row)
    for claim in claims:
        if (ids[claim.component_id], claim.status, claim.starts_at, claim.ends_at) not in present:
            _claim(work, claim, incident)
    work.report.written["claim"] += len(replaced ^ present)


def _stand(work: ImportContext, claims: list[Held]) -> None:
    """Statuses that no incident speaks for, exactly where they are listed."""
    by_component = {claim.component_id: claim for claim in claims}
    rows: dict[int, list[ComponentClaim]] = {}
    for row in work.claim_rows.get(None, []):
        if row.ends_at is None:
            rows.setdefault(row.component_id, []).append(row)
    for event in _followed(work):
        present = rows.get(work.rows[event.id].id, [])
        new = by_component.get(event.id)
        if [row.status for row in present] == ([new.status] if new else []):
            continue
        changed_at = min(event.updated_at, work.wanted.listed_at or work.at)
        for row in present:
            if changed_at > row.starts_at:
                row.ends_at = changed_at
            else:
                db.session.delete(row)
            work.report.written["claim"] += 1
        if new is not None:
            _claim(work, new, None)
            work.report.written["claim"] += 1


def _claim(work: ImportContext, one: Held, incident: Incident | None) -> None:
    span = Span(Claim(one.status), one.starts_at, one.ends_at)
    claims_store.record_spans(work.rows[one.component_id], incident, [span])


def _claiming(row: ComponentClaim) -> tuple[object, ...]:
    return row.component_id, row.status, row.starts_at, row.ends_at
