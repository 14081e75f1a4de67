"""What each vendor's documentation asks of a message, as checks of what was received."""

import json
from html import unescape
from urllib.parse import parse_qs


def units(text) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def slack(body, _target):
    message = json.loads(body)
    assert message["text"]
    assert len(message["blocks"]) <= 50
    texts = []
    for block in message["blocks"]:
        found = block["elements"] if block["type"] == "context" else [block["text"]]
        assert len(found) <= 10
        for text in found:
            most = {"header": 150, "section": 3000, "context": 2000}[block["type"]]
            assert 1 <= units(text["text"]) <= most
            texts.append(text["text"])
    assert sum(map(units, texts)) <= 13_000


def teams(body, _target):
    assert len(body) <= 28 * 1024
    message = json.loads(body)
    assert message["type"] == "message"
    (attachment,) = message["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert all(run["text"] for block in card["body"] for run in block["inlines"])
    assert len(card["actions"]) <= 6


def discord(body, target):
    assert "wait=true" in target
    (embed,) = json.loads(body)["embeds"]
    assert units(embed["title"]) <= 256
    assert units(embed["description"]) <= 4096
    assert units(embed["footer"]["text"]) <= 2048
    assert len(embed["fields"]) <= 25
    for field in embed["fields"]:
        assert 1 <= units(field["name"]) <= 256
        assert 1 <= units(field["value"]) <= 1024
    parts = [embed["title"], embed["description"], embed["footer"]["text"]]
    parts += [text for field in embed["fields"] for text in (field["name"], field["value"])]
    assert sum(map(units, parts)) <= 6000


def google_chat(body, target):
    assert len(body) <= 32_000
    assert parse_qs(target.partition("?")[2])["messageReplyOption"] == [
        "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"
    ]
    (card,) = json.loads(body)["cardsV2"]
    (section,) = card["card"]["sections"]
    assert len(section["widgets"]) <= 100
    assert card["card"]["header"]["title"]


def mattermost(body, _target):
    (attachment,) = json.loads(body)["attachments"]
    assert attachment["fallback"]
    parts = [attachment["text"], attachment["title"], attachment["fallback"]]
    parts += [text for field in attachment["fields"] for text in (field["title"], field["value"])]
    assert sum(map(units, parts)) <= 16_383


def telegram(body, target):
    assert target == "/bot1:abc/sendMessage"
    message = json.loads(body)
    assert message["parse_mode"] == "HTML"
    text = message["text"]
    assert text.count("<b>") == text.count("</b>")
    assert text.count("<a ") == text.count("</a>") == 2
    shown = unescape(text.replace("<b>", "").replace("</b>", "").partition("<a ")[0])
    assert units(shown) + 40 <= 4096


def sms(body, target):
    assert target == "/messages"
    sent = parse_qs(body.decode(), strict_parsing=True)
    assert sent["To"] == ["+15551234567"]
    (text,) = sent["Body"]
    assert len(text) <= 160
    assert "https://status.example.com" in text


ALL = {
    "slack": slack,
    "teams": teams,
    "discord": discord,
    "google_chat": google_chat,
    "mattermost": mattermost,
    "telegram": telegram,
    "sms": sms,
}
