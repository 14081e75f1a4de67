"""What every channel provides: its `CHANNEL`, and a `send(message, recipient)`.

`send` returns the id that the other side gave the message, or None, and raises `Failed`.
Several threads call it at once, outside any transaction.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from statuspage.config import Settings
from statuspage.domain.subscribers import addresses
from statuspage.errors import Invalid
from statuspage.notify.message import Message, Recipient

Send = Callable[[Message, Recipient], str | None]


class Failed(Exception):
    """A message that was not taken. The sentence holds no address: it is kept and shown.

    `is_final`: trying again cannot help. `is_gone`: the receiver wants nothing any
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
class ChannelSender:
    """A channel that works with these settings: how it sends, and how many at a time.

    `close` lets go of what it keeps between two messages.
    """

    send: Send
    slots: int
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class ChannelType:
    """All that the program knows of a channel beside its name: `CHANNEL` in the channel's file."""

    sender: Callable[[Settings], ChannelSender]
    is_set_up: Callable[[Settings], object] = lambda _settings: True
    """Whether the settings have what it needs to send, such as a mail server."""
    fields: tuple[str, ...] = ()
    """Of the public form: `email`, `endpoint`, `owner`, `chat` or `phone_number`; none: it is not
    offered there."""
    help: str = ""
    """How to get what goes into the field."""
    address: addresses.Rule | None = None
    """Checks an address and writes it one way. None where the domain does (e-mail, text
    messages), or where nobody types one."""
    remembers: bool = False
    """The other side names a message, so that the next one of the same incident can edit or answer
    it."""


def webhook_url(vendor: str, *, path: str) -> addresses.Rule:
    """The rule for a chat tool's webhook.

    People paste the address of the channel that they look at: on the `vendor`'s hosts only what
    matches the pattern `path` (host and path) is a webhook.
    """

    def check(text: str) -> str:
        url = addresses.url(text)
        parts = urlsplit(url)
        is_vendors = f".{parts.hostname}".endswith(f".{vendor}")
        if is_vendors and not re.search(path, f"{parts.hostname}{parts.path}"):
            raise Invalid(endpoint="This is not a webhook URL. Copy the one that the tool shows.")
        return url

    return check
