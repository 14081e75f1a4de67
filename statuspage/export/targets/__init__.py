"""Where mirrors go: a target takes what a stage holds and makes itself equal to it.

Readers of a target never find half a file; a page is there before another links to it,
and what was withdrawn goes away with the same publication.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from statuspage.export.staging import MANIFEST, Manifest, Stage

LAST = ("index.html", "mirror.js", "copy.json", "beacon.json", MANIFEST)
"""Written last and in this order: whoever reads them finds all else in place."""


CREDENTIALS = re.compile(r"(?<=://)[^/\s]*@")


class TargetError(Exception):
    """A target did not take it. The text is for the operator and holds no secret."""


class Target(Protocol):
    name: str
    """As the operator wrote it, without secrets."""
    every: timedelta
    """How often its age is written anew while nothing changes."""

    def is_empty(self) -> bool:
        """Whether it holds no mirror yet. Raises `TargetError` where that cannot be seen."""
        ...

    def read(self, path: str) -> bytes | None:
        """A file that it holds; None where it has none. Raises `TargetError` as `is_empty`."""
        ...

    def publish(self, stage: Stage) -> int:
        """Make the target equal to `stage`; how many files were sent. Raises `TargetError`."""
        ...


def without_credentials(text: str) -> str:
    """`text` without the user and password of the URLs in it."""
    return CREDENTIALS.sub("", text)


@dataclass(frozen=True)
class Difference:
    """What to send, in order, and what to remove afterwards."""

    send: tuple[str, ...]
    remove: tuple[str, ...]


def difference(there: Manifest, wanted: Manifest) -> Difference:
    """From what is `there` to what is `wanted`, pages that are linked to before those that link.

    Where nothing is there yet the front page goes first: it is worth more than its links.
    """
    rank = {path: number for number, path in enumerate(LAST, 1 if there.files else -len(LAST))}
    send = sorted(
        wanted.differing(there), key=lambda path: (rank.get(path, 0), path.count("/") == 0)
    )
    return Difference(tuple(send), tuple(path for path in there.files if path not in wanted.files))


@dataclass(frozen=True)
class Keys:
    """Credentials of S3-compatible storage."""

    access: str | None = None
    secret: str | None = None
