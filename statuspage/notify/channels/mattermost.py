"""Mattermost: incoming webhooks, a message attachment.

https://developers.mattermost.com/integrate/reference/message-attachments/
"""

import re
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
        judge(post_json(outgoing, to.address, message(news, to)))

    return send


def message(news: News, to: Recipient) -> Json:
    one = brief(news, to)
    said = "\n\n".join(filter(None, (escape(one.state), escape(clipped(one.body, 3000)))))
    links = f"[{one.link_label}]({one.link}) · [Change or stop]({one.manage_url})"
    attachment = {
        "fallback": escape(clipped(f"{one.page_name}: {one.headline}", 300)),
        "color": f"#{one.colour:06X}",
        "title": escape(clipped(one.headline, 300)),
        "title_link": one.link,
        "text": f"{said}\n\n{links}",
        "fields": [
            {"short": False, "title": label, "value": escape(clipped(text, 800))}
            for label, text in one.rows
        ],
        "footer": clipped(one.page_name, 200),
    }
    return {"attachments": [attachment]}


def escape(text: str) -> str:
    """Markdown as typed; a space of no width keeps `@all` from being a mention."""
    return re.sub(r"([\\*_~`|>#\[\]()<!:-])", r"\\\1", text).replace("@", "@\u200b")
