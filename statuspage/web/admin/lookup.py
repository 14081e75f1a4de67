"""What the address of a screen names, or a 404."""

from flask import abort

from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Incident
from statuspage.domain.statuses import IncidentKind


def get_or_404(public_id: str, *, kind: IncidentKind | None = None, lock: bool = False) -> Incident:
    """An incident or maintenance of any state; `lock` keeps others waiting until the commit."""
    incident = incidents.get(public_id, lock=lock)
    if incident is None or (kind is not None and incident.kind is not kind):
        abort(404)
    return incident
