"""What customers will see, before anything is published."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from markupsafe import Markup

from statuspage.config import Settings
from statuspage.domain.claims import OPERATIONAL, Claim
from statuspage.domain.components import claims_store
from statuspage.domain.components.models import Component
from statuspage.domain.incidents.models import Facts, Incident, UpdateInput
from statuspage.domain.statuses import ComponentStatus, IncidentKind, IncidentStatus, worst
from statuspage.errors import Invalid
from statuspage.lib.markdown import to_html
from statuspage.notify import audience, email_examples, email_message
from statuspage.notify.channels import registry
from statuspage.notify.email_examples import Draft
from statuspage.notify.email_message import RenderedEmail
from statuspage.page.snapshot.build import NoPageError
from statuspage.page.snapshot.incidents import ref_of
from statuspage.web.admin import placeholders

FEW_WORDS = 6
"""A message with fewer words hardly says what customers notice."""


@dataclass(frozen=True)
class Check:
    """One line of “Before you publish”."""

    is_met: bool
    words: str


@dataclass(frozen=True)
class Outcome:
    """How a component stands after an update; `is_outranked` by `because_of`, or by hand."""

    component: Component
    claim: Claim
    is_outranked: bool = False
    because_of: Incident | None = None


@dataclass(frozen=True)
class Preview:
    """An update that does not exist yet. `problem` says why it cannot be rendered."""

    status: IncidentStatus
    html: Markup
    moves: list[Outcome]
    released: list[Outcome]
    """What the incident lets go of when it ends."""
    next_update_by: datetime | None
    facts: Facts
    checks: list[Check]
    mail: RenderedEmail | None
    """As subscribers would get it; None while it cannot be written."""
    problem: str | None = None

    @property
    def tone(self) -> ComponentStatus:
        if self.status.is_over:
            return ComponentStatus.OPERATIONAL
        return worst(move.claim.status for move in self.moves)


def of(
    update: UpdateInput,
    *,
    kind: IncidentKind,
    name: str,
    incident: Incident | None = None,
    at: datetime,
    settings: Settings,
) -> Preview:
    """The update as it would stand on the page; nothing is saved."""
    problem = None
    try:
        html = to_html(update.body)
    except Invalid as invalid:
        html, problem = Markup(""), str(invalid)
    status, facts = update.status, update.facts or Facts()
    freed = released(incident, at=at) if incident else []
    moves = freed if status.is_over else _outcomes(update.claims, incident, at)
    draft = Draft(
        name=name,
        kind=kind,
        status=status,
        is_first_of_status=incident is None or incident.is_draft or incident.status != status,
        body=update.body,
        claims=[(each.component.public_id, each.component.full_name, each.claim) for each in moves],
        because_of={
            each.component.public_id: ref_of(each.because_of) for each in moves if each.because_of
        },
        facts=facts,
        next_update_by=update.next_update_by,
        scheduled_for=incident.scheduled_for if incident else None,
        scheduled_until=incident.scheduled_until if incident else None,
    )
    return Preview(
        status=status,
        html=html,
        moves=[] if status.is_over else moves,
        released=freed,
        next_update_by=None if status.is_over else update.next_update_by,
        facts=facts,
        checks=[*_checks(update, kind, name), *_reach(update, incident, settings)],
        mail=None if problem or not update.body.strip() else _mail(draft, at, settings.base_url),
        problem=problem,
    )


def _mail(draft: Draft, at: datetime, base_url: str) -> RenderedEmail | None:
    try:
        rendered = email_examples.composed(draft, at=at, base_url=base_url)
    except NoPageError:
        return None
    return email_message.render(rendered, email_examples.reader("", base_url))


def released(incident: Incident, *, at: datetime) -> list[Outcome]:
    """What this incident holds now, and how each component stands once it lets go."""
    held = {row.component_id for row in claims_store.claims_of([incident.id]) if not row.ends_at}
    freed = {each: OPERATIONAL for each in incident.claims if each.id in held}
    return _outcomes(freed, incident, at)


def _outcomes(
    claims: Mapping[Component, Claim], incident: Incident | None, at: datetime
) -> list[Outcome]:
    others = claims_store.others(incident, [component.id for component in claims], at=at)
    result = []
    for component, claim in claims.items():
        other = others.get(component.id)
        if other is None or other.status.severity <= claim.status.severity:
            result.append(Outcome(component, claim))
        else:
            result.append(Outcome(component, Claim(other.status), True, other.incident))
    return result


def _reach(update: UpdateInput, incident: Incident | None, settings: Settings) -> list[Check]:
    """Whom it reaches; and who subscribed by a channel that cannot send."""
    is_edge = incident is None or incident.is_draft or update.status.is_over
    told = audience.size(audience.preview(update.claims, incident, is_edge=is_edge))
    missing = {channel: registry.missing(channel, settings) for channel in told}
    reached = {channel: count for channel, count in told.items() if not missing[channel]}
    total = sum(reached.values())
    if total:
        ways = ", ".join(f"{channel.label} {count:,}" for channel, count in sorted(reached.items()))
        reach = Check(True, f"Reaches {total:,} subscriber{'s' if total > 1 else ''}: {ways}")
    else:
        reach = Check(False, "Reaches no subscriber")
    return [reach] + [
        Check(False, f"Does not reach {count:,} by {channel.label}. {missing[channel]}")
        for channel, count in sorted(told.items())
        if missing[channel]
    ]


def _checks(update: UpdateInput, kind: IncidentKind, name: str) -> list[Check]:
    status, facts = update.status, update.facts or Facts()
    says_enough = len(update.body.split()) >= FEW_WORDS
    names_whom = bool(update.claims or facts.who_is_affected or status.is_over)
    if not says_enough:
        notice = Check(False, "Does not yet say what customers notice")
    elif not names_whom:
        notice = Check(False, "Does not yet name a component or who is affected")
    else:
        notice = Check(True, "Says what customers notice")
    typed = [name, update.body, *filter(None, asdict(facts).values())]
    checks = [notice]
    if left := placeholders.left_in("\n".join(typed)):
        words = Check(False, f"Still has placeholders: {', '.join(left)}")
        checks = [words] if notice.is_met else [notice, words]
    if status.is_over or kind is IncidentKind.MAINTENANCE:
        return checks
    return [
        *checks,
        Check(True, "Says when the next update comes")
        if update.next_update_by
        else Check(False, "Does not say when the next update comes"),
        Check(True, "Gives a workaround")
        if facts.what_you_can_do
        else Check(False, "No workaround yet"),
    ]
