"""Names in Arabic and Hebrew stay where they are within a line, and turn nothing around them."""

from dataclasses import replace

import pytest

from statuspage.lib.bidi import isolated
from statuspage.notify import email_message
from statuspage.notify.channels import discord, slack, teams
from statuspage.notify.chat_message import chat_message
from tests.conftest import on_sqlite

HEBREW, ARABIC = "תשלומים", "شحن"


@pytest.mark.parametrize("name", ["API", "Zürich, 決済", "EU – 😀", ""])
def test_a_name_from_left_to_right_stays_as_it_is(name):
    assert isolated(name) == name


@pytest.mark.parametrize(
    ("name", "within"),
    [
        (HEBREW, HEBREW),
        (f"{ARABIC}\u202eabc", f"{ARABIC}\u202eabc"),
        ("abc\u202e", "abc\u202e"),
        ("abc\u2069\u2067def", "abcdef"),
    ],
)
def test_a_name_that_turns_is_isolated_once(name, within):
    assert isolated(name) == f"\u2068{within}\u2069"


@on_sqlite
def test_mails_and_chats_isolate_names_that_turn(told):
    news, to = told()
    (change,) = news.update.changes
    changes = tuple(
        replace(change, full_name=name) for name in (f"{ARABIC}\u202eabc", HEBREW, "API")
    )
    news = replace(news, update=replace(news.update, changes=changes))
    news = replace(news, incident=replace(news.incident, name=HEBREW))
    names = [f"\u2068{ARABIC}\u202eabc\u2069", f"\u2068{HEBREW}\u2069", "API"]

    assert [name for name, _ in chat_message(news, to).components] == names
    assert chat_message(news, to).headline == names[1]
    mail = email_message.render(news, to)
    for name in names:
        assert f"- {name}: Partial outage" in mail.text
    for format_ in (slack, discord, teams):
        assert names[0] in str(format_.payload(news, to)).replace("\\u202e", "\u202e").replace(
            "\\u2068", "\u2068"
        ).replace("\\u2069", "\u2069")
