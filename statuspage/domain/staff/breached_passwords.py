"""Breached passwords: a file of hashes on this machine, looked up without loading it.

The form is that of the public list ordered by hash: a line each, `HASH:COUNT`, where HASH is
the SHA-1 of the password in 40 hexadecimal digits. Tens of gigabytes are halved about forty
times, a few milliseconds. Nothing is asked of anybody else.
"""

import hashlib
import re
from pathlib import Path
from typing import BinaryIO

MAX_LINE = 128
"""Bytes; a longer line is none of such a list."""
PROBES = 500
"""Places at which `flaw` looks whether a list is ordered."""

_LINE = re.compile(rb"([0-9A-Fa-f]{40})(:[0-9]*)?\r?\n?\Z")


class NotTheList(ValueError):
    """The file holds something else; the text says what."""


def holds(file: Path, password: str) -> bool:
    """Whether the list names this password. Raises `OSError` and `NotTheList`."""
    digest = _hash(password)
    with file.open("rb") as lines:
        low, high = 0, lines.seek(0, 2)
        # The line, if there is one, begins at `low` or later and before `high`.
        while low < high:
            middle = (low + high) // 2
            start = _next_line(lines, middle)
            if start >= high:
                high = middle
                continue
            line = _read(lines)
            if line == digest:
                return True
            if line < digest:
                low = lines.tell()
            else:
                high = middle
    return False


def flaw(file: Path) -> str | None:
    """What is wrong with a list, in words; None when it can be used.

    It looks at many places, not at all of it: a list in another order shows at some of them.
    """
    try:
        with file.open("rb") as lines:
            size = lines.seek(0, 2)
            last = (-1, b"")
            for place in range(0, size, max(size // PROBES, 1)):
                start = _next_line(lines, place)
                if last[0] < start < size:
                    line = _read(lines)
                    if line < last[1]:
                        return "is not sorted by hash"
                    last = start, line
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except NotTheList as error:
        return str(error)
    return None if size else "is empty"


def _hash(password: str) -> bytes:
    data = password.encode(errors="surrogatepass")
    # The list's choice; it protects nothing here.
    return hashlib.sha1(data, usedforsecurity=False).hexdigest().upper().encode()


def _next_line(lines: BinaryIO, place: int) -> int:
    """Go to the first line that begins at `place` or later; where that is."""
    if place == 0:
        return lines.seek(0)
    lines.seek(place - 1)
    if not lines.readline(MAX_LINE).endswith(b"\n") and lines.read(1):
        raise NotTheList(f"has a line of more than {MAX_LINE} bytes")
    return lines.tell()


def _read(lines: BinaryIO) -> bytes:
    """The hash of the line that begins here."""
    match = _LINE.match(lines.readline(MAX_LINE))
    if match is None:
        raise NotTheList("has a line that is not HASH:COUNT with a full SHA-1")
    return match[1].upper()
