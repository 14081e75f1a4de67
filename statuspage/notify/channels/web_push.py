"""Web push: a message to a browser, by the push service of its maker (RFC 8030).

The service sees that there is a message, how urgent it is and whether it replaces an
earlier one; what it says only the browser reads. `static/push-worker.js` shows it.
"""

import hashlib
import json
from datetime import timedelta
from urllib.parse import urlsplit

from statuspage import clock
from statuspage.config import Settings
from statuspage.lib.http_client import HttpClient
from statuspage.notify.channels.base import ChannelSender, ChannelType, Failed, Send
from statuspage.notify.channels.http import judge
from statuspage.notify.chat_message import ChatMessage, chat_message, clipped
from statuspage.notify.message import Message, MessageKind, Recipient
from statuspage.notify.push_encryption import MOST_BYTES, authorization, encrypt

GLYPHS = {
    "ok": "\N{HEAVY CHECK MARK}",
    "maint": "\N{HAMMER AND WRENCH}",
    "degraded": "\N{BLACK DOWN-POINTING TRIANGLE}",
    "partial": "\N{WARNING SIGN}",
    "major": "\N{HEAVY MULTIPLICATION X}",
}
"""Tone → what stands before the headline, as a notification has no colours of ours."""
MOST_HEADLINE, MOST_BODY, MOST_FACT = 120, 600, 120
"""Characters. A notification shows a few lines, and all of it must fit into one record."""

WORTH_TELLING = timedelta(days=1)
"""How long a push service keeps a message for a browser that is away."""
WORTH_READING = timedelta(days=7)
"""A postmortem is as good next week."""

URGENCY = {
    MessageKind.INCIDENT: "high",
    MessageKind.CONFIRMATION: "high",
    MessageKind.TEST: "high",
    MessageKind.POSTMORTEM: "low",
}
"""RFC 8030 §5.3; `normal` for all else. A phone that saves its battery waits with the others."""


def sender(settings: Settings) -> Send:
    client = HttpClient(settings.outgoing_networks)
    is_secure = settings.origin.is_https
    contact = settings.base_url if is_secure else f"mailto:{settings.mail_from}"

    def send(message: Message, to: Recipient) -> None:
        service = urlsplit(to.address)
        if to.push is None or service.scheme != "https":
            raise Failed("This browser cannot receive messages.", is_final=True)
        headers = {
            "Authorization": authorization(
                to.push.private_key, f"https://{service.netloc}", contact, clock.now()
            ),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": f"{lifetime(message).total_seconds():.0f}",
            "Urgency": URGENCY.get(message.kind, "normal"),
            "User-Agent": "Statuspage/1",
        }
        if topic := _topic(message):
            headers["Topic"] = topic
        response = client.post(to.address, encrypt(_packed(payload(message, to)), to.push), headers)
        if response.status == 404:
            # RFC 8030 §7.3: so a service answers where the subscription has run out.
            raise Failed("It answered 404: the browser has unsubscribed.", is_gone=True)
        # A service that refuses us (a clock that is wrong, say) has not lost the browser.
        judge(response, is_strict=False)

    return send


def lifetime(message: Message) -> timedelta:
    return WORTH_READING if message.kind is MessageKind.POSTMORTEM else WORTH_TELLING


def payload(message: Message, to: Recipient) -> dict[str, str]:
    """What the browser's worker reads: words, and where they lead."""
    if message.kind is MessageKind.CONFIRMATION:
        return {
            "title": f"{GLYPHS['ok']} {clipped(message.page.name, MOST_HEADLINE)}",
            "body": "Notifications are on. Tap to choose which updates you get.",
            # Where the browser could not confirm by itself, this page has a button for it.
            "url": to.confirm_url,
            "manage": to.manage_url,
            "confirm": to.confirm_url,
            "tag": "subscription",
        }
    summary = chat_message(message, to)
    glyph = GLYPHS.get(summary.tone)
    headline = clipped(summary.headline, MOST_HEADLINE)
    return {
        "title": f"{glyph} {headline}" if glyph else headline,
        "body": clipped("\n".join(_lines(summary)), MOST_BODY),
        "url": summary.link,
        "manage": summary.manage_url,
        "tag": summary.thread or "subscription",
    }


def _packed(fields: dict[str, str]) -> bytes:
    """The message as JSON that fits; what gives way is the end of its body."""
    while len(sent := json.dumps(fields, ensure_ascii=False).encode()) > MOST_BYTES:
        fields = fields | {"body": clipped(fields["body"], len(fields["body"]) // 2)}
    return sent


def _lines(summary: ChatMessage) -> list[str]:
    """First what is wrong and for whom, as only the first lines are sure to be read."""
    affected = ", ".join(f"{name}: {stands}" for name, stands in summary.components)
    facts = [clipped(f"{label}: {text}", MOST_FACT) for label, text in summary.facts]
    lines = (
        summary.state,
        clipped(affected, MOST_FACT),
        clipped(summary.body, MOST_BODY // 2),
        *facts,
    )
    return [line for line in lines if line]


def _topic(message: Message) -> str | None:
    """The same for all news of an incident: what was not delivered yet is replaced.

    RFC 8030 §5.4: 32 characters of base64url at most. Hashed, as the service reads it.
    """
    about = (
        message.incident.id
        if message.incident
        else message.retracted.id
        if message.retracted
        else None
    )
    return hashlib.sha256(about.encode()).hexdigest()[:32] if about else None


CHANNEL = ChannelType(sender=lambda settings: ChannelSender(sender(settings), slots=16))
