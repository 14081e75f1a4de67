"""Google Chat: a space's webhook, a card in the thread of its incident.

https://developers.google.com/workspace/chat/quickstart/webhooks: 32,000 bytes a message,
a hundred widgets a card. The answer 404 says that the space or its webhook is gone.
Paragraphs of a card read a little HTML, so typed text is escaped.
"""

import json
from html import escape
from typing import Any

from statuspage.config import Settings
from statuspage.lib.http_client import HttpClient
from statuspage.notify.channels.base import ChannelSender, ChannelType, Failed, Send, webhook_url
from statuspage.notify.channels.http import body_of, judge, post_json
from statuspage.notify.chat_message import chat_message, clipped
from statuspage.notify.message import Message, Recipient

Json = dict[str, Any]


def sender(settings: Settings) -> Send:
    client = HttpClient(settings.outgoing_networks)

    def send(message: Message, to: Recipient) -> None:
        joint = "&" if "?" in to.address else "?"
        option = f"{joint}messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"
        response = post_json(client, to.address + option, payload(message, to))
        if response.status == 404 and "error" in body_of(response):
            raise Failed("Google Chat: the space or its webhook is gone.", is_gone=True)
        judge(response)

    return send


def payload(message: Message, to: Recipient) -> Json:
    summary = chat_message(message, to)
    widgets = [_paragraph(summary.body, 9000)]
    for label, text in summary.rows:
        widgets.append(_paragraph(text, summary.room(14_000, 5000), before=f"<b>{label}</b><br>"))
    links = ((summary.link_label, summary.link), ("Manage", summary.manage_url))
    buttons = [{"text": text, "onClick": {"openLink": {"url": url}}} for text, url in links]
    widgets.append({"buttonList": {"buttons": buttons}})
    header = {
        "title": clipped(summary.headline, 200),
        "subtitle": clipped(summary.state or summary.page_name, 200),
    }
    body: Json = {
        "fallbackText": clipped(f"{summary.page_name}: {summary.headline}", 300).replace("<", "‹"),
        "cardsV2": [{"cardId": "news", "card": {"header": header, "sections": [_card(widgets)]}}],
    }
    return body | ({"thread": {"threadKey": summary.thread}} if summary.thread else {})


def _card(widgets: list[Json]) -> Json:
    return {"widgets": widgets}


def _paragraph(text: str, most: int, *, before: str = "") -> Json:
    """`most` is in bytes, as HTML within JSON."""
    markup = clipped(text, most, escape=_html, cost=lambda html: len(json.dumps(html).encode()))
    return {"textParagraph": {"text": before + markup}}


def _html(text: str) -> str:
    return escape(text).replace("\n", "<br>")


CHANNEL = ChannelType(
    sender=lambda settings: ChannelSender(sender(settings), slots=4),
    fields=("endpoint",),
    help="In Google Chat: the space’s Apps & integrations, Webhooks; copy the URL.",
    address=webhook_url("google.com", path="^$"),
)
