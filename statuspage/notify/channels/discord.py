"""Discord: a webhook's embed, edited while its incident goes on.

https://discord.com/developers/docs/resources/webhook: `wait=true` answers the message;
title 256, description 4,096, field 1,024, all of an embed 6,000 characters. A message in
a thread (`thread_id` in the address) is edited there.
"""

import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from statuspage.config import Settings
from statuspage.lib.http_client import HttpClient, Response
from statuspage.notify.channels.base import ChannelSender, ChannelType, Failed, Send, webhook_url
from statuspage.notify.channels.http import body_of, judge, post_json
from statuspage.notify.chat_message import chat_message, clipped, outside_urls, unmentioned
from statuspage.notify.message import Message, Recipient

Json = dict[str, Any]
UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK = 10008, 10015


def sender(settings: Settings) -> Send:
    client = HttpClient(settings.outgoing_networks)

    def send(message: Message, to: Recipient) -> str | None:
        body = payload(message, to)
        if to.earlier and to.earlier.isascii() and to.earlier.isdecimal():
            edited = post_json(client, _address(to, to.earlier), body, method="PATCH")
            if body_of(edited).get("code") != UNKNOWN_MESSAGE:
                _judge(edited)
                # Nobody is notified of an edit: an end and a reminder are posted too.
                if not chat_message(message, to).wants_notice:
                    return to.earlier
        response = post_json(client, _address(to), body)
        _judge(response)
        message_id = body_of(response).get("id")
        return message_id if isinstance(message_id, str) else None

    return send


def payload(message: Message, to: Recipient) -> Json:
    summary = chat_message(message, to)
    room = summary.room(2800, 1000)
    embed = {
        "title": clipped(summary.headline, 256, escape=escape),
        "url": summary.link,
        "color": summary.colour,
        "description": clipped(
            "\n".join(filter(None, (summary.state, summary.body))), 2000, escape=escape
        ),
        "fields": [
            {"name": label, "value": clipped(text, room, escape=escape)}
            for label, text in summary.rows
        ]
        + [{"name": "Manage", "value": summary.manage_url}],
        "footer": {"text": clipped(summary.page_name, 200, escape=unmentioned)},
    }
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def escape(text: str) -> str:
    """Markdown as typed; a space of no width keeps `@everyone` from being a mention."""
    return outside_urls(_escape, text)


def _escape(text: str) -> str:
    return unmentioned(re.sub(r"([\\*_~`|>#\[\]()<:-])", r"\\\1", text))


def _address(to: Recipient, message_id: str | None = None) -> str:
    parts = urlsplit(to.address)
    path = parts.path.rstrip("/")
    if message_id:
        return urlunsplit(parts._replace(path=f"{path}/messages/{message_id}"))
    query = f"{parts.query}&wait=true" if parts.query else "wait=true"
    return urlunsplit(parts._replace(path=path, query=query))


def _judge(response: Response) -> None:
    if response.status == 404 and body_of(response).get("code") == UNKNOWN_WEBHOOK:
        raise Failed("Discord: the webhook was deleted.", is_gone=True)
    judge(response)


CHANNEL = ChannelType(
    sender=lambda settings: ChannelSender(sender(settings), slots=4),
    fields=("endpoint",),
    help="In Discord: the channel’s settings, Integrations, Webhooks; copy the URL.",
    address=webhook_url("discord.com", path="/api/webhooks/"),
    remembers=True,
)
