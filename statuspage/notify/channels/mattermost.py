"""Mattermost: incoming webhooks, a message attachment.

https://developers.mattermost.com/integrate/reference/message-attachments/: a message has
16,383 characters at most.
"""

import re
from typing import Any

from statuspage.config import Settings
from statuspage.domain.subscribers import addresses
from statuspage.lib.http_client import HttpClient
from statuspage.notify.channels.base import ChannelSender, ChannelType, Failed, Send
from statuspage.notify.channels.http import body_of, judge, post_json
from statuspage.notify.chat_message import chat_message, clipped, outside_urls, unmentioned
from statuspage.notify.message import Message, Recipient

Json = dict[str, Any]
GONE = {"web.incoming_webhook.invalid.app_error", "store.sql_webhooks.get_incoming.app_error"}


def sender(settings: Settings) -> Send:
    client = HttpClient(settings.outgoing_networks)

    def send(message: Message, to: Recipient) -> None:
        response = post_json(client, to.address, payload(message, to))
        # What else is not found may be a proxy whose server is away.
        if response.status in (400, 404) and body_of(response).get("id") in GONE:
            raise Failed("Mattermost: the webhook was removed.", is_gone=True)
        judge(response)

    return send


def payload(message: Message, to: Recipient) -> Json:
    summary = chat_message(message, to)
    room = summary.room(8000, 3000)
    text_shown = "\n\n".join(
        filter(None, (escape(summary.state), clipped(summary.body, 5000, escape=escape)))
    )
    links = f"[{summary.link_label}]({summary.link}) · [Manage]({summary.manage_url})"
    attachment = {
        "fallback": clipped(f"{summary.page_name}: {summary.headline}", 300, escape=escape),
        "color": f"#{summary.colour:06X}",
        "title": clipped(summary.headline, 300, escape=escape),
        "title_link": summary.link,
        "text": f"{text_shown}\n\n{links}",
        "fields": [
            {"short": False, "title": label, "value": clipped(text, room, escape=escape)}
            for label, text in summary.rows
        ],
        "footer": clipped(summary.page_name, 200, escape=unmentioned),
    }
    return {"attachments": [attachment]}


def escape(text: str) -> str:
    """Markdown as typed; a space of no width keeps `@all` from being a mention."""
    return outside_urls(_escape, text)


def _escape(text: str) -> str:
    return unmentioned(re.sub(r"([\\*_~`|>#\[\]()<!:-])", r"\\\1", text))


CHANNEL = ChannelType(
    sender=lambda settings: ChannelSender(sender(settings), slots=4),
    fields=("endpoint",),
    help="In Mattermost: Integrations, Incoming Webhooks; copy the URL.",
    address=addresses.url,
)
