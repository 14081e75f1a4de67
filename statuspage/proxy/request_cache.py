"""Parsed requests by their bytes, since most clients repeat the same request.

Monitors, feed readers, widgets and open tabs send one head over and over on a connection that
they keep. Parsing it takes longer than responding, and the same bytes between two messages
always mean the same (RFC 9112 §2: a message depends on nothing before it).
"""

from typing import NamedTuple

from statuspage.proxy.http import Fields, Key, Request

MAX_ENTRIES = 512
MAX_HEAD_BYTES = 1024
"""Longer heads are those of browsers on their first visit, with little to win."""


class ParsedRequest(NamedTuple):
    """How a request was parsed."""

    method: bytes
    fields: Fields
    key: Key


class RequestCache:
    """The latest requests whose responses everybody may be given, by all of their bytes."""

    def __init__(self) -> None:
        self._requests: dict[bytes, ParsedRequest] = {}
        self.get = self._requests.get

    def __len__(self) -> int:
        return len(self._requests)

    def remember(self, data: bytes, request: Request) -> None:
        """`data` is `request`, all of it and nothing else, on a connection that goes on."""
        key = request.key
        if key is None or len(data) > MAX_HEAD_BYTES or request.is_personal:
            return
        if b"expect" in request.fields:
            return  # It has two responses.
        if len(self._requests) >= MAX_ENTRIES:
            self._requests.clear()
        self._requests[data] = ParsedRequest(request.method, request.fields, key)
