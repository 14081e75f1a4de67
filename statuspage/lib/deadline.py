"""A time limit for a whole conversation over a socket.

A socket's own timeout counts from the last byte, so a peer that sends one byte a second is never
too slow for it.
"""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class Deadline:
    """Cuts the connection of `client` if the block takes longer than `seconds`.

    `client` is one of the standard library (SMTP, IMAP), which holds its socket in `sock`. What it
    waits for then fails as if the peer had hung up; `is_over` tells the two apart.
    """

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self.client: object = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        self.is_over = True
        sock = getattr(self.client, "sock", None)
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
