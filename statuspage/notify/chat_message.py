"""The content of a chat message before a vendor's format: headline, facts, links. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from statuspage.domain.statuses import ComponentStatus, IncidentKind, worst
from statuspage.lib.bidi import isolated
from statuspage.lib.markdown import to_plain
from statuspage.notify.channels.base import Failed
from statuspage.notify.email_message import step
from statuspage.notify.message import Message, MessageKind, Recipient
from statuspage.page.html import formatting as wording
from statuspage.page.html.formatting import Times
from statuspage.page.snapshot.values import IncidentView

COLOURS = {
    "ok": 0x2E7D32,
    "maint": 0x1565C0,
    "degraded": 0xB7791F,
    "partial": 0xD9730D,
    "major": 0xC62828,
    "none": 0x6B7280,
}
"""Tone → RGB, for the stripe beside a message."""
MOST_COMPONENTS = 10


@dataclass(frozen=True)
class ChatMessage:
    """Plain text; each vendor's format escapes it."""

    headline: str
    state: str
    """`Investigating, 21 Nov, 14:02 CET (13:02 UTC)`; may be empty."""
    tone: str
    body: str
    facts: tuple[tuple[str, str], ...]
    """(label, text), most important first."""
    components: tuple[tuple[str, str], ...]
    """(name, status)."""
    link: str
    link_label: str
    manage_url: str
    page_name: str
    thread: str | None
    """Public id of the incident."""
    wants_notice: bool = False
    """A reminder or an end: channels that edit earlier messages post a new one too."""

    @property
    def colour(self) -> int:
        return COLOURS[self.tone]

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """Components and facts in one list."""
        lines = "\n".join(f"{name}: {status}" for name, status in self.components)
        return ((("Affected", lines),) if lines else ()) + self.facts

    def room(self, total: int, most: int) -> int:
        """The budget of each row if all rows share `total` and none gets more than `most`."""
        return min(most, total // max(len(self.rows), 1))


def chat_message(message: Message, to: Recipient) -> ChatMessage:
    """Raises `Failed` for messages that are not sent to chats."""
    if message.incident is not None:
        return _of_incident(message, message.incident, to)
    name, url = message.page.name, message.page.url
    match message.kind:
        case MessageKind.RETRACTION if message.retracted is not None:
            retraction = message.retracted
            facts = (("Why", retraction.reason),)
            link = f"{url}/incidents/{retraction.id}"
            sentence = "We have withdrawn this incident."
            return _plain(
                message, to, retraction.name, sentence, link, "View incident", facts, retraction.id
            )
        case MessageKind.COMPONENT if message.component is not None:
            change = message.component
            sentence = f"{isolated(change.full_name)}: {change.status.label}."
            return _plain(message, to, change.full_name, sentence, f"{url}{change.path}", "Details")
        case MessageKind.CONFIRMATION:
            sentence = (
                f"Someone (hopefully you) asked to get status updates from {name} ({url}) in this"
                " chat. If this wasn't you, ignore this message. We won't send another."
            )
            return _plain(
                message,
                to,
                f"Confirm your subscription to {name}",
                sentence,
                to.confirm_url,
                "Confirm",
            )
        case MessageKind.LINK:
            sentence = "This chat is already subscribed."
            return _plain(
                message,
                to,
                f"Your subscription to {name}",
                sentence,
                to.manage_url,
                "Manage or cancel",
            )
        case MessageKind.TEST:
            sentence = f"This is a test message from {name}. Nothing happened."
            return _plain(message, to, f"Test: {name}", sentence, url, "Status page")
    raise Failed(f"There is no chat message for {message.kind}.", is_final=True)


def units(text: str) -> int:
    """Length in UTF-16 code units, which most vendors count."""
    return len(text) + sum(1 for sign in text if sign > "\uffff")


def clipped(
    text: str,
    most: int,
    *,
    escape: Callable[[str], str] = str,
    cost: Callable[[str], int] = units,
) -> str:
    """Return the escaped text, cut with an ellipsis so that it costs at most `most`.

    Cuts before escaping, so an escape sequence is never split.
    """
    if cost(escape(text)) <= most:
        return escape(text)
    fits, too_long = 0, min(len(text), most)
    while fits < too_long:
        middle = (fits + too_long + 1) // 2
        if cost(escape(f"{text[:middle].rstrip()}…")) <= most:
            fits = middle
        else:
            too_long = middle - 1
    return escape(f"{text[:fits].rstrip()}…")


def outside_urls(escape: Callable[[str], str], text: str) -> str:
    """Escape `text` except for URLs, which chats turn into links."""
    parts = _URL.split(text)
    parts[::2] = map(escape, parts[::2])
    return "".join(parts)


# No `@`: it may begin a mention.
_URL = re.compile(r"(https?://[^\s<>@]+)")


def unmentioned(text: str) -> str:
    """Add a zero-width space after each `@` so that it mentions nobody."""
    return text.replace("@", "@\u200b")


def _plain(
    message: Message,
    to: Recipient,
    headline: str,
    body: str,
    link: str,
    label: str,
    facts: tuple[tuple[str, str], ...] = (),
    thread: str | None = None,
) -> ChatMessage:
    name = message.page.name
    return ChatMessage(
        headline, "", "none", body, facts, (), link, label, to.manage_url, name, thread
    )


def _of_incident(message: Message, incident: IncidentView, to: Recipient) -> ChatMessage:
    times = Times(message.page.zone, message.at)
    update = message.update
    link = f"{message.page.url}{incident.path}"
    label = "View maintenance" if incident.kind is IncidentKind.MAINTENANCE else "View incident"
    changes = update.changes if update else ()
    statuses = [
        (isolated(change.full_name), wording.claim(change.claim) + change.reason)
        for change in changes[:MOST_COMPONENTS]
    ]
    if len(changes) > MOST_COMPONENTS:
        statuses.append(("More", f"{len(changes) - MOST_COMPONENTS} other components"))
    if message.kind is MessageKind.POSTMORTEM or update is None:
        body = "We published the postmortem of this incident."
        state, tone, link = "Postmortem", "ok", f"{link}#postmortem"
        label = "Read the postmortem"
    else:
        body = to_plain(update.html)
        step_label = "Corrected" if message.kind is MessageKind.CORRECTION else step(message)
        if message.is_reminder:
            step_label = "Reminder, announced"
        state = f"{step_label}, {_when(update.posted_at, times)}"
        if update.is_automatic:
            state += ", posted automatically"
        status = (
            worst(change.claim.status for change in changes) if changes else incident.worst.status
        )
        tone = wording.tone_of_step(update.status, status or ComponentStatus.OPERATIONAL)
    return ChatMessage(
        headline=isolated(incident.name),
        state=state,
        tone=tone,
        body=body,
        facts=tuple(_facts(message, incident, times)),
        components=tuple(statuses),
        link=link,
        link_label=label,
        manage_url=to.manage_url,
        page_name=message.page.name,
        thread=incident.id,
        wants_notice=message.is_reminder or _is_end(message),
    )


def _is_end(message: Message) -> bool:
    update = message.update
    return (
        update is not None and update.status.is_over and message.kind is not MessageKind.CORRECTION
    )


def _facts(message: Message, incident: IncidentView, times: Times) -> list[tuple[str, str]]:
    if message.kind is MessageKind.POSTMORTEM:
        return []
    if message.previous_text is not None:
        reason = [("Why", message.reason)] if message.reason else []
        return [("Previously", message.previous_text), *reason]
    planned = ""
    if incident.scheduled_for and incident.scheduled_until and not incident.is_over:
        planned = (
            f"{_when(incident.scheduled_for, times)} until {_when(incident.scheduled_until, times)}"
        )
    due = _when(incident.next_update_by, times) if incident.next_update_by else ""
    facts = (
        ("Who is affected", incident.who_is_affected),
        ("What still works", incident.what_still_works),
        ("What you can do", incident.what_you_can_do),
        ("Planned for", planned),
        ("Next update by", due),
    )
    return [(label, text) for label, text in facts if text]


def _when(moment: datetime, times: Times) -> str:
    zone = times.zone_at(moment)
    utc = "" if zone == "UTC" else f" ({moment.astimezone(UTC):%H:%M} UTC)"
    return f"{times.full(moment)} {zone}{utc}"
