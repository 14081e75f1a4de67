"""Renders e-mails: subject, plain text and HTML.

Three templates per kind in `templates/email/`. Knows nothing about mail servers.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from statuspage.config import PROJECT
from statuspage.domain.statuses import IncidentStatus, worst
from statuspage.lib.bidi import isolated
from statuspage.lib.markdown import to_plain
from statuspage.notify.message import Message, Recipient
from statuspage.page.html import formatting as wording
from statuspage.page.html.formatting import Times

MAX_SUBJECT = 150
"""In characters; mail programs show less."""

MAX_PREVIEW = 140


@dataclass(frozen=True)
class RenderedEmail:
    """An e-mail without headers."""

    subject: str
    text: str
    html: str


def render(message: Message, to: Recipient) -> RenderedEmail:
    """The e-mail for this recipient."""
    values = {
        "message": message,
        "page": message.page,
        "incident": message.incident,
        "update": message.update,
        "to": to,
        "times": Times(to.zone or message.page.zone, message.at),
        "step": step(message),
        "tone": tone(message),
        "glance": glance(message),
    }
    return render_template(message.kind, values)


def render_template(kind: str, values: Mapping[str, object]) -> RenderedEmail:
    """Render the three templates of a kind."""

    def render_file(name: str) -> str:
        return _environment().get_template(f"{kind}/{name}").render(values).strip()

    subject = " ".join(render_file("subject.txt").split())
    if len(subject) > MAX_SUBJECT:
        subject = f"{subject[: MAX_SUBJECT - 1].rstrip()}…"
    text = re.sub(r"\n{3,}", "\n\n", render_file("body.txt"))
    return RenderedEmail(subject, text + "\n", render_file("body.html") + "\n")


def step(message: Message) -> str:
    """What happened in a word or two: `Investigating`, `Resolved`, `Update`."""
    update = message.update
    if update is None:
        return ""
    if message.is_reminder:
        return "Reminder"
    if update.is_first_of_status or update.status is IncidentStatus.RESOLVED:
        return update.status.label
    return "Update"


def tone(message: Message) -> str:
    """The tone whose colours the page would use."""
    update, incident = message.update, message.incident
    if update is None or incident is None:
        return "none"
    changed = worst(change.claim.status for change in update.changes)
    return wording.tone_of_step(update.status, changed if update.changes else incident.worst.status)


def glance(message: Message) -> str:
    """The preview text that mail programs show beside the subject."""
    if message.update is None:
        return ""
    text = " ".join(to_plain(message.update.html).split())
    return text if len(text) <= MAX_PREVIEW else text[:MAX_PREVIEW].rsplit(" ", 1)[0] + "…"


@cache
def _environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(PROJECT / "templates" / "email"),
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    env.filters.update(
        isolated=isolated, plain=to_plain, claim=wording.claim, tone=wording.TONES.__getitem__
    )
    return env
