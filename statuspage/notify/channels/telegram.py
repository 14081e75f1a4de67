"""Telegram: a bot's messages in HTML, replies to the first one of their incident.

https://core.telegram.org/bots/api#sendmessage: 4,096 characters, entities not counted. A
group that became a supergroup says its new number (`migrate_to_chat_id`).
"""

import re
from datetime import timedelta
from html import escape, unescape
from operator import attrgetter
from typing import Any
from urllib.parse import urlsplit

from statuspage.config import Settings
from statuspage.errors import Invalid
from statuspage.lib.http_client import HttpClient, Response
from statuspage.lib.markdown import clean
from statuspage.notify.channels.base import ChannelSender, ChannelType, Failed, Send
from statuspage.notify.channels.http import body_of, judge, post_json
from statuspage.notify.chat_message import chat_message, clipped, outside_urls, units, unmentioned
from statuspage.notify.message import Message, Recipient

Json = dict[str, Any]
_CHAT = re.compile(r"@[A-Za-z][A-Za-z0-9_]{3,31}|-?[0-9]{1,20}")
_COMMAND = re.compile(r"(?<![\w/<])/(?=\w)")
"""Where Telegram would offer one to whoever reads: a space of no width keeps it from that."""


def sender(settings: Settings) -> Send:
    base = settings.telegram_url
    client = HttpClient(settings.outgoing_networks, trusted=urlsplit(base).hostname)
    url = f"{base.rstrip('/')}/bot{settings.telegram_token}/sendMessage"

    def send(message: Message, to: Recipient) -> str | None:
        body = payload(message, to)
        response = post_json(client, url, body)
        if response.status == 400 and (moved := _moved_to(response)) is not None:
            response = post_json(client, url, body | {"chat_id": moved})
        _judge(response)
        result = body_of(response).get("result")
        message_id = result.get("message_id") if isinstance(result, dict) else None
        return str(message_id) if isinstance(message_id, int) else None

    return send


def payload(message: Message, to: Recipient) -> Json:
    summary = chat_message(message, to)
    room = summary.room(1600, 900)
    paragraphs = [
        f"<b>{_typed(summary.headline, 300)}</b>",
        _typed(summary.state, 200),
        _typed(summary.body, 1700),
    ]
    paragraphs += [f"<b>{label}</b>: {_typed(text, room)}" for label, text in summary.rows]
    links = ((summary.link, summary.link_label), (summary.manage_url, "Manage"))
    paragraphs.append(" · ".join(f'<a href="{escape(url)}">{label}</a>' for url, label in links))
    body: Json = {
        "chat_id": to.address,
        "text": "\n\n".join(filter(None, paragraphs)),
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }
    if to.earlier and to.earlier.isascii() and to.earlier.isdecimal():
        reply = {"message_id": int(to.earlier), "allow_sending_without_reply": True}
        body["reply_parameters"] = reply
    return body


def _typed(text: str, most: int) -> str:
    """Nobody is mentioned and no command offered by what was typed."""
    return clipped(
        text,
        most,
        escape=lambda typed: outside_urls(_unmentioned, escape(typed)),
        cost=lambda html: units(unescape(html)),
    )


def _unmentioned(text: str) -> str:
    return _COMMAND.sub("/\u200b", unmentioned(text))


def _moved_to(response: Response) -> int | None:
    parameters = body_of(response).get("parameters")
    chat_id = parameters.get("migrate_to_chat_id") if isinstance(parameters, dict) else None
    return chat_id if isinstance(chat_id, int) else None


def _judge(response: Response) -> None:
    if response.status == 403:
        raise Failed("Telegram: the bot was blocked or removed.", is_gone=True)
    if response.status in (401, 404):
        # Our token is wrong, not their address.
        raise Failed("Telegram does not know the bot's token.", retry_after=timedelta(minutes=10))
    judge(response)


def address(text: str) -> str:
    """`@channel` or the number of a chat. Raises `Invalid` (field `address`)."""
    text = clean(text).strip().removeprefix("https://t.me/")
    text = text if re.fullmatch(r"@.*|-?\d+", text) else f"@{text}"
    if not _CHAT.fullmatch(text):
        raise Invalid(address="Enter the @name of a channel or the ID of a chat.")
    return text


CHANNEL = ChannelType(
    sender=lambda settings: ChannelSender(sender(settings), slots=4),
    is_set_up=attrgetter("telegram_token"),
    fields=("chat",),
    help="Add our bot to it first.",
    address=address,
    remembers=True,
)
