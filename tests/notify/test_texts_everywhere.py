"""A text that staff typed loses no word and no address, in whichever form it is read."""

import json
import re
from datetime import timedelta
from html import unescape

import icalendar
import pytest

from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import maintenance
from statuspage.domain.incidents.models import Schedule, UpdateInput
from statuspage.domain.statuses import IncidentStatus
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber
from statuspage.notify import email_message
from statuspage.notify import message as messages
from statuspage.notify.channels import (
    discord,
    google_chat,
    mattermost,
    slack,
    teams,
    telegram,
    web_push,
    webhook,
)
from tests.conftest import SECRET, on_sqlite
from tests.notify.conftest import DOWN

pytestmark = on_sqlite

BASE = "https://status.example.com"
URL = "https://docs.example/a_b-c/~me?x=1&y=2#part"
TEXTS = {
    "a link": (f"See the [migration guide]({URL}) first.", ["migration guide", URL, "first"]),
    "an image": (f"![Graph of errors]({URL})", ["Graph of errors", URL]),
    "an image among words": (f"Before ![the graph]({URL}) after", ["Before", "the graph", URL]),
    "a linked image": (
        f"[![small graph](https://img.example/s.png)]({URL})",
        ["small graph", "https://img.example/s.png", URL],
    ),
    "a reference": (
        f"See [the guide][g].\n\n[g]: {URL} 'Long title'",
        ["the guide", URL, "Long title"],
    ),
    "an address in brackets": (f"<{URL}>", [URL]),
    "a bare address": (f"See {URL}.", [URL]),
    "no scheme": ("[docs](docs.example/a_b)", ["docs", "https://docs.example/a_b"]),
    "a ticket": ("#1234 is the ticket", ["#1234 is the ticket"]),
    "a label": ("[Update]: fixed", ["[Update]: fixed"]),
    "nested lists": (
        "Affected:\n- one\n  - two\n    - three\n1. four",
        ["one", "two", "three", "four"],
    ),
    "a start": ("7. seven\n8. eight", ["7. seven", "8. eight"]),
    "a table": (
        "| Region | State |\n|---|---|\n| eu_1 | *down* |",
        ["Region", "State", "eu_1", "down"],
    ),
    "code": ("```\nif a < b & c:\n    stop\n```\nand `x_y`", ["if a < b & c:", "stop", "x_y"]),
    "raw HTML": (
        "a <b>bold</b> & <!-- note --> <br/>",
        ["<b>bold</b>", "&", "<!-- note -->", "<br/>"],
    ),
    "escapes": (r"5 \* 3 \_ \# and C:\temp", ["5 * 3 _ #", r"C:\temp"]),
    "a quote": ("> said\n> - and\n\nthen", ["said", "and", "then"]),
    "mail": (
        "[write](help@docs.example), <me@docs.example>",
        ["write", "help@docs.example", "me@docs.example"],
    ),
}

ZERO_WIDTH = "\u200b"


@pytest.fixture
def outputs(app, client, committed, component, subscribed, at):
    """`outputs(body)`: name of an output → its text, as its reader sees it."""
    subscribed(channel=Channel.EMAIL)

    def read(body):
        with committed():
            planned = maintenance.schedule(
                "Upgrade",
                UpdateInput(
                    status=IncidentStatus.SCHEDULED,
                    body=body,
                    claims={components.get(component): DOWN},
                ),
                Schedule(
                    scheduled_for=at + timedelta(hours=2), scheduled_until=at + timedelta(hours=3)
                ),
                by=SYSTEM,
                at=at,
            )
            public_id = planned.public_id
        texts = {}
        for path in (f"/incidents/{public_id}", "/feeds/updates.atom", "/feeds/updates.rss"):
            texts[path] = client.get(path).text
        for path in ("/history.atom", "/history.rss"):
            texts[path] = client.get(path).text
        texts |= {path: unescape(unescape(text)) for path, text in texts.items()}
        entry = client.get("/feeds/updates.json").json["items"][0]
        texts["JSON Feed, HTML"] = unescape(entry["content_html"])
        texts["JSON Feed, text"] = entry["content_text"]
        calendar = icalendar.Calendar.from_ical(client.get("/maintenance.ics").data)
        texts["calendar"] = str(calendar.walk("VEVENT")[0]["DESCRIPTION"])
        return texts | texts_of_messages()

    def texts_of_messages():
        with app.app_context():
            event = next(e for e in events.latest(20) if e.kind == "maintenance.scheduled")
            told = messages.of(event, at=at, base_url=BASE)
            person = db.session.query(Subscriber).first()
            person.address = "ada@example.com"
            to = messages.recipient(person, Channel.EMAIL, event.id, secret=SECRET, base_url=BASE)
        mail = email_message.render(told, to)
        blocks = slack.payload(told, to)["blocks"]
        embed = discord.payload(told, to)["embeds"][0]
        card = teams.payload(told, to)["attachments"][0]["content"]["body"]
        widgets = google_chat.payload(told, to)["cardsV2"][0]["card"]["sections"][0]["widgets"]
        attachment = mattermost.payload(told, to)["attachments"][0]
        return {
            "mail, text": mail.text,
            "mail, HTML": unescape(mail.html),
            "Slack": "\n".join(b["text"]["text"] for b in blocks if b["type"] == "section"),
            "Discord": unescaped(embed["description"]),
            "Teams": "\n".join(run["text"] for block in card for run in block["inlines"]),
            "Google Chat": unescape(widgets[0]["textParagraph"]["text"].replace("<br>", "\n")),
            "Mattermost": unescaped(attachment["text"]),
            "Telegram": unescape(telegram.payload(told, to)["text"]).replace(ZERO_WIDTH, ""),
            "browser": web_push.payload(told, to)["body"],
            "webhook": json.dumps(webhook.payload(told, to)["incident"]["incident_updates"][0]),
        }

    return read


def unescaped(markdown):
    """Without the backslashes that keep typed text from being markup; addresses have none."""
    return re.sub(r"\\([^a-zA-Z0-9\s])", r"\1", markdown).replace(ZERO_WIDTH, "")


@pytest.mark.parametrize(("body", "words"), TEXTS.values(), ids=TEXTS.keys())
def test_no_word_and_no_address_of_a_text_is_missing_anywhere(outputs, body, words):
    for name, text in outputs(body).items():
        if name == "webhook":  # The source, as Statuspage sends it.
            assert json.dumps(body)[1:-1] in text
            continue
        readable = " ".join(re.sub(r"(?i)mailto:", "", text).split())
        for part in words:
            found = part in readable
            if not found and ("HTML" in name or name.startswith("/")):
                # Without tags; numbers of a list are drawn by the browser.
                bare = re.sub(r"^\d+\. ", "", part)
                found = bare in " ".join(re.sub(r"</?[a-z][^>]*>", "", readable).split())
            assert found, (name, part, text)


def test_addresses_in_chats_stay_links(outputs):
    texts = outputs(f"See the [guide]({URL}) and [mine](https://docs.example/=/b).")
    for name in ("Discord", "Mattermost", "Telegram"):
        assert URL in texts[name]
