"""Google Chat: a space's webhook, a card in the thread of its incident.

https://developers.google.com/workspace/chat/quickstart/webhooks. Paragraphs of a card
read a little HTML, so typed text is escaped.
"""

from html import escape
from typing import Any

from statuspage.config import Settings
from statuspage.notify.brief import brief, clipped
from statuspage.notify.channels import Send
from statuspage.notify.channels.answers import judge, post_json
from statuspage.notify.news import News, Recipient
from statuspage.notify.outgoing import Outgoing

Json = dict[str, Any]


def sender(settings: Settings) -> Send:
    outgoing = Outgoing(settings.outgoing_networks)

    def send(news: News, to: Recipient) -> None:
        joint = "&" if "?" in to.address else "?"
        option = f"{joint}messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"
        judge(post_json(outgoing, to.address + option, message(news, to)))

    return send


def message(news: News, to: Recipient) -> Json:
    one = brief(news, to)
    widgets = [_paragraph(escape(clipped(one.body, 3000)))]
    for label, text in one.rows:
        widgets.append(_paragraph(f"<b>{label}</b><br>{escape(clipped(text, 800))}"))
    links = ((one.link_label, one.link), ("Change or stop", one.manage_url))
    buttons = [{"text": text, "onClick": {"openLink": {"url": url}}} for text, url in links]
    widgets.append({"buttonList": {"buttons": buttons}})
    header = {"title": clipped(one.headline, 200), "subtitle": one.state or one.page_name}
    told: Json = {
        "fallbackText": clipped(f"{one.page_name}: {one.headline}", 300).replace("<", "‹"),
        "cardsV2": [{"cardId": "news", "card": {"header": header, "sections": [_of(widgets)]}}],
    }
    return told | ({"thread": {"threadKey": one.thread}} if one.thread else {})


def _of(widgets: list[Json]) -> Json:
    return {"widgets": widgets}


def _paragraph(html: str) -> Json:
    return {"textParagraph": {"text": html.replace("\n", "<br>")}}
