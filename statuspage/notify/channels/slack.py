"""Slack: incoming webhooks, Block Kit.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and
https://docs.slack.dev/reference/block-kit/blocks: header 150, text 3,000 characters, 50
blocks. All texts of a message together are refused from about 13,000 on, so ours stay below.
"""

from typing import Any

from statuspage.config import Settings
from statuspage.lib.http_client import HttpClient
from statuspage.notify.channels.base import ChannelSender, ChannelType, Failed, Send, webhook_url
from statuspage.notify.channels.http import judge, post_json
from statuspage.notify.chat_message import chat_message, clipped
from statuspage.notify.message import Message, Recipient

Json = dict[str, Any]
GONE = {b"no_service", b"no_team", b"channel_is_archived", b"channel_not_found"}


def sender(settings: Settings) -> Send:
    client = HttpClient(settings.outgoing_networks)

    def send(message: Message, to: Recipient) -> None:
        response = post_json(client, to.address, payload(message, to))
        if response.status in (403, 404, 410) and response.body.strip() in GONE:
            raise Failed("Slack: the webhook or its channel is gone.", is_gone=True)
        judge(response)

    return send


def payload(message: Message, to: Recipient) -> Json:
    """`text` is what notifications show; the blocks are the message."""
    summary = chat_message(message, to)
    blocks: list[Json] = [{"type": "header", "text": _plain(summary.headline, 150)}]
    if summary.state:
        blocks.append({"type": "context", "elements": [_plain(summary.state, 300)]})
    if summary.body:
        blocks.append({"type": "section", "text": _plain(summary.body, 3000)})
    for label, text in summary.rows:
        text_shown = clipped(text, summary.room(7000, 2500), escape=escape)
        blocks.append({"type": "section", "text": _marked(f"*{label}*\n{text_shown}")})
    links = f"<{summary.link}|{summary.link_label}> · <{summary.manage_url}|Manage>"
    blocks.append({"type": "context", "elements": [_marked(links)]})
    text = clipped(f"{summary.page_name}: {summary.headline}. {summary.state}", 500, escape=escape)
    return {"text": text, "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def escape(text: str) -> str:
    """Slack's three control characters: without them nothing is a mention or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str, most: int) -> Json:
    return {"type": "plain_text", "text": clipped(text, most), "emoji": False}


def _marked(text: str) -> Json:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


CHANNEL = ChannelType(
    sender=lambda settings: ChannelSender(sender(settings), slots=4),
    fields=("endpoint",),
    help="In Slack: Apps, Incoming Webhooks, Add to Slack; copy the webhook URL.",
    address=webhook_url("slack.com", path=r"^hooks\."),
)
