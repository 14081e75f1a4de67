"""What every channel provides: a `send(message, recipient)`, and the error it raises.

`send` returns the id that the other side gave the message, or None, and raises `Failed`.
Several threads call it at once, outside any transaction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

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
