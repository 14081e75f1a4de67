"""Mails as they are written: subject, plain text and HTML of a piece of news.

Three templates a kind, side by side in `templates/email/`. Knows nothing of servers.
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
"""Characters: what mail programs show of it is less."""

MAX_GLANCE = 140


@dataclass(frozen=True)
class RenderedEmail:
    """A mail without its headers."""

    subject: str
    text: str
    html: str


def render(news: Message, to: Recipient) -> RenderedEmail:
    """The mail that tells this recipient of it."""
    values = {
        "news": news,
        "page": news.page,
        "incident": news.incident,
        "update": news.update,
        "to": to,
        "times": Times(to.zone or news.page.zone, news.at),
        "step": step(news),
        "tone": tone(news),
        "glance": glance(news),
    }

    return render_template(news.kind, values)


def render_template(kind: str, values: Mapping[str, object]) -> RenderedEmail:
    """The three templates of a kind, filled in."""

    def filled_in(name: str) -> str:
        return _environment().get_template(f"{kind}/{name}").render(values).strip()

    subject = " ".join(filled_in("subject.txt").split())
    if len(subject) > MAX_SUBJECT:
        subject = f"{subject[: MAX_SUBJECT - 1].rstrip()}…"
    text = re.sub(r"\n{3,}", "\n\n", filled_in("body.txt"))
    return RenderedEmail(subject, text + "\n", filled_in("body.html") + "\n")


def step(news: Message) -> str:
    """What happened in a word or two: `Investigating`, `Resolved`, `Update`."""
    update = news.update
    if update is None:
        return ""
    if news.is_reminder:
        return "Reminder"
    if update.is_first_of_status or update.status is IncidentStatus.RESOLVED:
        return update.status.label
    return "Update"


def tone(news: Message) -> str:
    """The colours of what it says: those of the page."""
    update, incident = news.update, news.incident
    if update is None or incident is None:
        return "none"
    changed = worst(change.claim.status for change in update.changes)
    return wording.tone_of_step(update.status, changed if update.changes else incident.worst.status)


def glance(news: Message) -> str:
    """The first words, which mail programs show beside the subject."""
    if news.update is None:
        return ""
    text = " ".join(to_plain(news.update.html).split())
    return text if len(text) <= MAX_GLANCE else text[:MAX_GLANCE].rsplit(" ", 1)[0] + "…"


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
