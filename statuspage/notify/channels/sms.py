"""Text messages through the operator's gateway: that something began, and that it is over.

Gateways differ: `{to}` and `{text}` are filled in where the address has them. What stands
behind `#` is sent as a form, a name and a password before the host as basic
authentication (Twilio and its like). Without places to fill it gets JSON.
"""

import base64
import json
from operator import attrgetter
from urllib.parse import quote, unquote, urlsplit

from statuspage.config import Settings
from statuspage.lib.http_client import HttpClient
from statuspage.notify.channels.base import ChannelSender, ChannelType, Send
from statuspage.notify.channels.http import judge
from statuspage.notify.chat_message import chat_message, clipped
from statuspage.notify.email_message import step
from statuspage.notify.message import Message, MessageKind, Recipient

MOST = 160
"""Characters of one message."""


def sender(settings: Settings) -> Send:
    gateway = settings.sms_url or ""
    client = HttpClient(settings.outgoing_networks, trusted=urlsplit(gateway).hostname)

    def send(message: Message, to: Recipient) -> None:
        text = payload(message, to)
        if text is None:
            return
        if "{to}" in gateway or "{text}" in gateway:
            # One pass, so that braces in a text are never read as a place to fill.
            before = gateway.split("{to}")
            filled = quote(to.address, safe="").join(
                part.replace("{text}", quote(text, safe="")) for part in before
            )
            address, _, form = filled.partition("#")
            kind, body = ("application/x-www-form-urlencoded", form) if form else ("", "")
        else:
            address, kind = gateway, "application/json"
            body = json.dumps({"to": to.address, "text": text}, ensure_ascii=False)
        response = client.post(address, body.encode(), _headers(gateway, kind))
        # A gateway that refuses may be set up wrongly: no number is given up for that.
        judge(response, is_strict=False, is_gone_by_410=False)

    return send


def payload(message: Message, to: Recipient) -> str | None:
    """At most `MOST` characters with the link; None for what a phone is not told."""
    if not _is_sent(message):
        return None
    summary = chat_message(message, to)
    link = summary.link.partition("#")[0]
    text_shown = " ".join(f"{summary.page_name}: {step(message)} {summary.headline}".split())
    room = MOST - len(link) - 1
    # A link is of no use in part: with a long one it is two messages.
    return f"{clipped(text_shown, max(room, 20))} {link}"


def _headers(gateway: str, kind: str) -> dict[str, str]:
    """What is sent, and who we are where the gateway's address says it."""
    headers = {"Content-Type": kind} if kind else {}
    parts = urlsplit(gateway)
    if parts.username is not None:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(credentials.encode()).decode()}"
    return headers


def _is_sent(message: Message) -> bool:
    incident, update = message.incident, message.update
    if incident is None:
        return True
    if update is None or message.kind is MessageKind.CORRECTION:
        return False
    if message.is_reminder:
        return True
    if message.kind is MessageKind.MAINTENANCE:
        begins = update.status.value == "in_progress" and update.is_first_of_status
        return begins or update.status.is_over
    first = incident.updates[-1]
    return update.id == first.id or update.status.is_over


CHANNEL = ChannelType(
    sender=lambda settings: ChannelSender(sender(settings), slots=4),
    is_set_up=attrgetter("sms_url"),
    fields=("phone_number",),
    help="With + and the country code.",
)
