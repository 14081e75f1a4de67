"""Microsoft Teams: the webhook of a Workflow, an Adaptive Card. It answers 202.

https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using:
28 KB a message. Text runs are not read as Markdown, so nothing typed is markup.
"""

from typing import Any

from statuspage.config import Settings
from statuspage.notify.brief import brief, clipped
from statuspage.notify.channels import Send
from statuspage.notify.channels.answers import judge, post_json
from statuspage.notify.news import News, Recipient
from statuspage.notify.outgoing import Outgoing

Json = dict[str, Any]
COLOURS = {"ok": "Good", "maint": "Accent", "degraded": "Warning", "partial": "Warning"}


def sender(settings: Settings) -> Send:
    outgoing = Outgoing(settings.outgoing_networks)

    def send(news: News, to: Recipient) -> None:
        judge(post_json(outgoing, to.address, message(news, to)))

    return send


def message(news: News, to: Recipient) -> Json:
    one = brief(news, to)
    colour = COLOURS.get(one.tone, "Attention" if one.tone == "major" else "Default")
    body = [_text(_run(one.headline, 300, weight="Bolder", size="Large", color=colour))]
    if one.state:
        body.append(_text(_run(one.state, 300, isSubtle=True)))
    body.append(_text(_run(one.body, 3000)))
    for label, text in one.rows:
        body.append(_text(_run(f"{label}: ", 100, weight="Bolder"), _run(text, 800)))
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": clipped(f"{one.page_name}: {one.headline}", 300),
        "body": body,
        "actions": [
            {"type": "Action.OpenUrl", "title": one.link_label, "url": one.link},
            {"type": "Action.OpenUrl", "title": "Change or stop", "url": one.manage_url},
        ],
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


def _text(*runs: Json) -> Json:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, most: int, **look: object) -> Json:
    return {"type": "TextRun", "text": clipped(text, most), **look}
