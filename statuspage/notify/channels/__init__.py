"""Channels: the ways by which news go out, a module each.

A channel's `send(news, to)` returns what the other side calls the message, or None,
and raises `Failed`. It is called by several threads at once, in no transaction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from statuspage.config import Settings
from statuspage.domain.subscribers.subscriptions import Channel
from statuspage.notify.message import News, Recipient

Send = Callable[[News, Recipient], str | None]


class Failed(Exception):
    """A message that was not taken. The sentence holds no address: it is kept and shown.

    `is_final`: trying again can not help. `is_gone`: the receiver wants nothing any
    more (410), they are unsubscribed. `is_ours`: the refusal is about us or this text,
    nobody is put in quarantine for it.
    """

    def __init__(
        self,
        sentence: str,
        *,
        is_final: bool = False,
        is_gone: bool = False,
        is_ours: bool = False,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.is_final = is_final or is_gone
        self.is_gone = is_gone
        self.is_ours = is_ours
        self.retry_after = retry_after


@dataclass(frozen=True)
class Way:
    """A channel that works with these settings: how it sends, and how many at a time.

    `close` lets go of what it keeps between two messages.
    """

    send: Send
    slots: int
    close: Callable[[], None] = lambda: None


def ways(settings: Settings) -> dict[Channel, Way]:
    """The channels that can work here. Mail needs a server, SMS a gateway, Telegram a bot."""
    # Loaded when a worker starts: no web process sends anything.
    from statuspage.notify.channels import (
        discord,
        email,
        google_chat,
        mattermost,
        slack,
        sms,
        teams,
        telegram,
        web_push,
        webhook,
    )

    found = {Channel.WEBHOOK: Way(webhook.sender(settings), slots=16)}
    found[Channel.SLACK] = Way(slack.sender(settings), slots=4)
    found[Channel.TEAMS] = Way(teams.sender(settings), slots=4)
    found[Channel.DISCORD] = Way(discord.sender(settings), slots=4)
    found[Channel.GOOGLE_CHAT] = Way(google_chat.sender(settings), slots=4)
    found[Channel.MATTERMOST] = Way(mattermost.sender(settings), slots=4)
    found[Channel.WEB_PUSH] = Way(web_push.sender(settings), slots=16)
    if settings.telegram_token:
        found[Channel.TELEGRAM] = Way(telegram.sender(settings), slots=4)
    if settings.sms_url:
        found[Channel.SMS] = Way(sms.sender(settings), slots=4)
    if settings.smtp_url:
        found[Channel.EMAIL] = email.way(settings, slots=4)
    return found
