"""A page of some size: 20 components in four groups, 500 incidents in a year, one open."""

from datetime import datetime, timedelta

from statuspage.db import db
from statuspage.domain import page_settings
from statuspage.domain.claims import Claim
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.statuses import ComponentStatus, IncidentStatus

GROUPS = ("Website", "API", "Payments", "Infrastructure")
PARTS = ("Checkout", "Search", "Webhooks", "Exports", "Sign-in")
INCIDENTS = 500
STEPS = (IncidentStatus.IDENTIFIED, IncidentStatus.MONITORING, IncidentStatus.RESOLVED)
TROUBLE = (
    ComponentStatus.DEGRADED_PERFORMANCE,
    ComponentStatus.PARTIAL_OUTAGE,
    ComponentStatus.MAJOR_OUTAGE,
)
WORDS = (
    "Some requests take longer than they should and a few fail. We are looking into the"
    " cause together with our network provider. Data is safe and nothing has to be sent again."
)


def fill(at: datetime) -> None:
    """Write the page through the domain's verbs and commit once; its last update is of now.

    Nobody is told: the worker would be at it for as long as we measure.
    """
    year_ago = at - timedelta(days=365)
    if page_settings.get() is None:
        page_settings.create("Example", by=SYSTEM, at=year_ago)
    everything = []
    for name in GROUPS:
        group = components.add_group(name, by=SYSTEM, at=year_ago)
        everything += [
            components.add_component(
                f"{name} {part}", group=group, by=SYSTEM, at=year_ago, start_date=year_ago.date()
            )
            for part in PARTS
        ]
    gap = timedelta(days=364) / INCIDENTS
    for number in range(INCIDENTS):
        affected = everything[number % len(everything)]
        trouble = {affected: Claim(TROUBLE[number % len(TROUBLE)])}
        started = year_ago + gap * (number + 1)
        incident = incidents.open_incident(
            f"Errors in {affected.name}, case {number + 1}",
            UpdateInput(
                status=IncidentStatus.INVESTIGATING, body=WORDS, claims=trouble, notify=False
            ),
            by=SYSTEM,
            at=started,
        )
        is_last = number == INCIDENTS - 1
        for step, status in enumerate(STEPS[:2] if is_last else STEPS, 1):
            incidents.post_update(
                incident,
                UpdateInput(status=status, body=WORDS, claims=trouble, notify=False),
                by=SYSTEM,
                at=started + timedelta(minutes=20 * step),
            )
    db.session.commit()
