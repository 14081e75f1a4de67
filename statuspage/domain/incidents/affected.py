"""Amendments: what of an incident changes without an update.

Which components it names and what it says of them, what API clients attach to it, and
when staff are reminded of it. Knows nothing of HTTP.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from statuspage.domain import events
from statuspage.domain.claims import OPERATIONAL, Claim
from statuspage.domain.components import claims_store
from statuspage.domain.components.models import Component
from statuspage.domain.events import Actor
from statuspage.domain.incidents import updates
from statuspage.domain.incidents.models import Incident
from statuspage.domain.statuses import ComponentStatus
from statuspage.errors import Invalid

MAX_REMINDERS = 24
MAX_REMINDER_H = 24 * 365


def set_affected_components(
    incident: Incident, claims: Mapping[Component, Claim], *, by: Actor, at: datetime
) -> None:
    """From `at` on the incident claims exactly this, and nobody writes a word.

    What has not begun or is over remembers it and claims nothing. Raises `Invalid` on a
    draft, on what was retracted, and on a share out of 0–100.
    """
    claims_store.check_claims(claims)
    updates.lock(incident)
    _refuse_untold(incident)
    before = incident.claims
    if before == claims:
        return
    updates.set_affected(incident, claims)
    claims_store.replace_claims(incident, claims if incident.status.claims else {}, at=at)
    if not incident.is_over:
        updates.recompute_impact(incident, claims)
    incident.updated_at = at
    data: dict[str, object] = {
        component.statuspage_name: claims.get(component, OPERATIONAL).status.value
        for component in {**before, **claims}
        if before.get(component) != claims.get(component, OPERATIONAL)
    }
    updates.record(f"{incident.kind}.components_changed", incident, by=by, at=at, data=data)


def remove_components(
    incident: Incident, removed: Collection[Component], *, by: Actor, at: datetime
) -> None:
    """The incident does not name these components any more; what it claimed of them ends.

    What its updates said of them stays, and a correction tells of it. Raises `Invalid`.
    """
    updates.lock(incident)
    _refuse_untold(incident)
    before = incident.claims
    remaining = {
        component: claim for component, claim in before.items() if component not in removed
    }
    if remaining == before:
        return
    incident.affected = [row for row in incident.affected if row.component in remaining]
    claims_store.replace_claims(incident, remaining if incident.status.claims else {}, at=at)
    incident.updated_at = at
    updates.note_correction(incident, "components", _names(before), _names(remaining), None, by, at)
    data: dict[str, object] = {"components": _names(removed)}
    updates.record(f"{incident.kind}.components_left_out", incident, by=by, at=at, data=data)


def set_metadata(
    incident: Incident, details: Mapping[str, Any], *, by: Actor, at: datetime
) -> None:
    """Keep what an API client attached, beside what is kept already. The public sees nothing."""
    updates.lock(incident)
    merged = {**(incident.details or {}), **details}
    if merged == incident.details:
        return
    incident.details = merged
    events.record(
        f"{incident.kind}.details_attached",
        subject=incident.public_id,
        title=incident.name,
        by=by,
        at=at,
        data={"details": sorted(details)},
        is_public=False,
    )


def set_reminders(
    incident: Incident, hours: int | Sequence[int] | None, *, by: Actor, at: datetime
) -> None:
    """When staff are reminded of it: every so many hours, or after each of these.

    None: as the page does; an empty sequence: never. Stored as Statuspage writes it.
    Raises `Invalid`.
    """
    several = [hours] if isinstance(hours, int) else hours or []
    if len(several) > MAX_REMINDERS or not all(1 <= hours <= MAX_REMINDER_H for hours in several):
        raise Invalid(
            reminder_intervals=f"Enter at most {MAX_REMINDERS} hours from 1 to {MAX_REMINDER_H}."
        )
    words = None if hours is None else json.dumps(hours if isinstance(hours, int) else several)
    updates.lock(incident)
    if words == incident.reminder_intervals:
        return
    incident.reminder_intervals = words
    incident.updated_at = at
    data: dict[str, object] = {"hours": words}
    updates.record(f"{incident.kind}.reminders_set", incident, by=by, at=at, data=data)


def claims_with(
    incident: Incident | None,
    *,
    said: Mapping[Component, ComponentStatus],
    only: Collection[Component] | None,
    otherwise: Claim | None = None,
    reopens: bool = False,
) -> dict[Component, Claim]:
    """What an incident (None: a new one) claims once somebody `said` this of some components.

    The others keep what it claims of them, nothing where it `reopens`; `only` says which
    it names at all (None: as before). A component that is new to it has `otherwise`, or
    the status that was set by hand.
    """
    present = dict(incident.claims) if incident else {}
    if reopens:
        present = dict.fromkeys(present, OPERATIONAL)
    chosen = [*(present if only is None else only), *said]
    claims = {}
    for component in dict.fromkeys(chosen):
        claim = present.get(component)
        if claim is None:
            claim = otherwise or claims_store.standing(component) or OPERATIONAL
        status = said.get(component, claim.status)
        claims[component] = claim if claim.status is status else Claim(status)
    return claims


# ── helpers ────────────────────────────────────────────────────────────────────


def _refuse_untold(incident: Incident) -> None:
    if incident.is_draft:
        raise Invalid(components="Publish the incident before you change it.")
    if incident.retracted_at is not None:
        raise Invalid(components="This incident was retracted. Open a new one.")


def _names(components: Collection[Component]) -> str | None:
    return ", ".join(sorted(component.statuspage_name for component in components)) or None
