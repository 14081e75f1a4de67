"""Microsoft Teams: the webhook of a Workflow, an Adaptive Card. It answers 202.

https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using:
28 KB a message, so texts are measured in bytes. Text runs are not read as Markdown, so
nothing typed is markup.
"""

import json
from typing import Any

from statuspage.config import Settings
from statuspage.lib.http_client import HttpClient, Response
from statuspage.notify.channels.base import ChannelSender, ChannelType, Failed, Send, webhook_url
from statuspage.notify.channels.http import body_of, judge, post_json
from statuspage.notify.chat_message import chat_message, clipped
from statuspage.notify.message import Message, Recipient

Json = dict[str, Any]
COLOURS = {"ok": "Good", "maint": "Accent", "degraded": "Warning", "partial": "Warning"}


def sender(settings: Settings) -> Send:
    client = HttpClient(settings.outgoing_networks)

    def send(message: Message, to: Recipient) -> None:
        response = post_json(client, to.address, payload(message, to))
        if response.status == 404 and _code(response) == "WorkflowNotFound":
            raise Failed("Microsoft Teams: the workflow was deleted.", is_gone=True)
        judge(response)

    return send


def payload(message: Message, to: Recipient) -> Json:
    summary = chat_message(message, to)
    colour = COLOURS.get(summary.tone, "Attention" if summary.tone == "major" else "Default")
    body = [_text(_run(summary.headline, 600, weight="Bolder", size="Large", color=colour))]
    if summary.state:
        body.append(_text(_run(summary.state, 600, isSubtle=True)))
    if summary.body:
        body.append(_text(_run(summary.body, 9000)))
    for label, text in summary.rows:
        body.append(
            _text(_run(f"{label}: ", 100, weight="Bolder"), _run(text, summary.room(12_000, 5000)))
        )
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": clipped(f"{summary.page_name}: {summary.headline}", 300),
        "body": body,
        "actions": [
            {"type": "Action.OpenUrl", "title": summary.link_label, "url": summary.link},
            {"type": "Action.OpenUrl", "title": "Manage", "url": summary.manage_url},
        ],
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


def _text(*runs: Json) -> Json:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, most: int, **look: object) -> Json:
    """`most` is in bytes."""
    return {"type": "TextRun", "text": clipped(text, most, cost=_weight), **look}


def _weight(text: str) -> int:
    """Bytes as JSON."""
    return len(json.dumps(text, ensure_ascii=False).encode())


def _code(response: Response) -> object:
    error = body_of(response).get("error")
    return error.get("code") if isinstance(error, dict) else None


CHANNEL = ChannelType(
    sender=lambda settings: ChannelSender(sender(settings), slots=4),
    fields=("endpoint",),
    help="In Teams: the channel’s Workflows, “Post to a channel when a webhook request is"
    " received”; copy the URL.",
    address=webhook_url("teams.microsoft.com", path="^$"),
)
