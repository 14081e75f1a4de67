"""What a chat message says, before any vendor's format: a headline, facts, links. Pure."""

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
    """Plain texts: each format escapes them its own way."""

    headline: str
    state: str
    """`Investigating, 21 Nov, 14:02 CET (13:02 UTC)`; empty where nothing has one."""
    tone: str
    body: str
    facts: tuple[tuple[str, str], ...]
    """(label, text), in the order in which readers need them."""
    components: tuple[tuple[str, str], ...]
    """(name, how it stands)."""
    link: str
    link_label: str
    manage_url: str
    page_name: str
    thread: str | None
    """Public id of the incident that it belongs to."""
    wants_notice: bool = False
    """A reminder, or an end: where earlier messages are edited, a new one is posted too."""

    @property
    def colour(self) -> int:
        return COLOURS[self.tone]

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """Components and facts in one list."""
        listed = "\n".join(f"{name}: {stands}" for name, stands in self.components)
        return ((("Affected", listed),) if listed else ()) + self.facts

    def room(self, total: int, most: int) -> int:
        """What each row may cost where all of them may cost `total`, and one `most`."""
        return min(most, total // max(len(self.rows), 1))


def chat_message(news: Message, to: Recipient) -> ChatMessage:
    """Raises `Failed` for news that no chat is told."""
    if news.incident is not None:
        return _of_incident(news, news.incident, to)
    name, url = news.page.name, news.page.url
    match news.kind:
        case MessageKind.RETRACTION if news.retracted is not None:
            retraction = news.retracted
            facts = (("Why", retraction.reason),)
            link = f"{url}/incidents/{retraction.id}"
            sentence = "We have withdrawn this incident."
            return _plain(
                news, to, retraction.name, sentence, link, "View incident", facts, retraction.id
            )
        case MessageKind.COMPONENT if news.component is not None:
            change = news.component
            sentence = f"{isolated(change.full_name)}: {change.status.label}."
            return _plain(news, to, change.full_name, sentence, f"{url}{change.path}", "Details")
        case MessageKind.CONFIRMATION:
            sentence = (
                f"Someone (hopefully you) asked to get status updates from {name} ({url}) in this"
                " chat. If this wasn't you, ignore this message. We won't send another."
            )
            return _plain(
                news,
                to,
                f"Confirm your subscription to {name}",
                sentence,
                to.confirm_url,
                "Confirm",
            )
        case MessageKind.LINK:
            sentence = "This chat is already subscribed."
            return _plain(
                news,
                to,
                f"Your subscription to {name}",
                sentence,
                to.manage_url,
                "Manage or cancel",
            )
        case MessageKind.TEST:
            sentence = f"This is a test message from {name}. Nothing happened."
            return _plain(news, to, f"Test: {name}", sentence, url, "Status page")
    raise Failed(f"There is no chat message for {news.kind}.", is_final=True)


def units(text: str) -> int:
    """Length in UTF-16 code units, which is how most vendors count; never less than characters."""
    return len(text) + sum(1 for sign in text if sign > "\uffff")


def clipped(
    text: str,
    most: int,
    *,
    shown: Callable[[str], str] = str,
    cost: Callable[[str], int] = units,
) -> str:
    """The longest beginning that costs `most` at most as it is `shown` (escaped), so shown.

    An ellipsis stands where some is missing. No escape is ever cut in two.
    """
    if cost(shown(text)) <= most:
        return shown(text)
    fits, too_long = 0, min(len(text), most)
    while fits < too_long:
        middle = (fits + too_long + 1) // 2
        if cost(shown(f"{text[:middle].rstrip()}…")) <= most:
            fits = middle
        else:
            too_long = middle - 1
    return shown(f"{text[:fits].rstrip()}…")


def outside_urls(escape: Callable[[str], str], text: str) -> str:
    """`text` escaped, but for the addresses in it: chats make links of them as they stand."""
    parts = _URL.split(text)
    parts[::2] = map(escape, parts[::2])
    return "".join(parts)


# Without `@`, which may begin a mention.
_URL = re.compile(r"(https?://[^\s<>@]+)")


def unmentioned(text: str) -> str:
    """With a space of no width after each `@`, which keeps it from being a mention."""
    return text.replace("@", "@\u200b")


def _plain(
    news: Message,
    to: Recipient,
    headline: str,
    body: str,
    link: str,
    label: str,
    facts: tuple[tuple[str, str], ...] = (),
    thread: str | None = None,
) -> ChatMessage:
    name = news.page.name
    return ChatMessage(
        headline, "", "none", body, facts, (), link, label, to.manage_url, name, thread
    )


def _of_incident(news: Message, incident: IncidentView, to: Recipient) -> ChatMessage:
    times = Times(news.page.zone, news.at)
    update = news.update
    link = f"{news.page.url}{incident.path}"
    label = "View maintenance" if incident.kind is IncidentKind.MAINTENANCE else "View incident"
    changes = update.changes if update else ()
    stands = [
        (isolated(change.full_name), wording.claim(change.claim) + change.reason)
        for change in changes[:MOST_COMPONENTS]
    ]
    if len(changes) > MOST_COMPONENTS:
        stands.append(("More", f"{len(changes) - MOST_COMPONENTS} other components"))
    if news.kind is MessageKind.POSTMORTEM or update is None:
        body = "We published the postmortem of this incident."
        state, tone, link = "Postmortem", "ok", f"{link}#postmortem"
        label = "Read the postmortem"
    else:
        body = to_plain(update.html)
        said = "Corrected" if news.kind is MessageKind.CORRECTION else step(news)
        if news.is_reminder:
            said = "Reminder, announced"
        state = f"{said}, {_when(update.posted_at, times)}"
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
        facts=tuple(_facts(news, incident, times)),
        components=tuple(stands),
        link=link,
        link_label=label,
        manage_url=to.manage_url,
        page_name=news.page.name,
        thread=incident.id,
        wants_notice=news.is_reminder or _is_end(news),
    )


def _is_end(news: Message) -> bool:
    update = news.update
    return update is not None and update.status.is_over and news.kind is not MessageKind.CORRECTION


def _facts(news: Message, incident: IncidentView, times: Times) -> list[tuple[str, str]]:
    if news.kind is MessageKind.POSTMORTEM:
        return []
    if news.said_before is not None:
        reason = [("Why", news.reason)] if news.reason else []
        return [("Previously", news.said_before), *reason]
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
