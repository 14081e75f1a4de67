"""Where exports go: a target makes itself equal to a staging folder.

Readers of a target never see half a file; a page is there before another links to it,
and withdrawn pages go away with the same publication.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from statuspage.export.staging import MANIFEST, Manifest, StagingFolder

LAST = ("index.html", "mirror.js", "copy.json", "beacon.json", MANIFEST)
"""Written last and in this order, when everything else is in place."""


CREDENTIALS = re.compile(r"(?<=://)[^/\s]*@")


class TargetError(Exception):
    """Publishing failed. The text is for the operator and has no secret in it."""


class Target(Protocol):
    name: str
    """As the operator wrote it, without credentials."""
    every: timedelta
    """How often its age is updated while nothing else changes."""

    def is_empty(self) -> bool:
        """Whether it holds no export yet. Raises `TargetError` if that cannot be read."""
        ...

    def read(self, path: str) -> bytes | None:
        """A file of the target; None if it has none. Raises `TargetError` as `is_empty`."""
        ...

    def publish(self, stage: StagingFolder) -> int:
        """Make the target equal to `stage`; returns how many files were sent.

        Raises `TargetError`.
        """
        ...


def without_credentials(text: str) -> str:
    """`text` without the user and password of the URLs in it."""
    return CREDENTIALS.sub("", text)


@dataclass(frozen=True)
class Difference:
    """What to send, in order, and what to remove afterwards."""

    send: tuple[str, ...]
    remove: tuple[str, ...]


def difference(there: Manifest, newer: Manifest) -> Difference:
    """From what is `there` to what is `wanted`; linked pages before those that link to them.

    An empty target gets the front page first: it is worth more than its links.
    """
    rank = {path: number for number, path in enumerate(LAST, 1 if there.files else -len(LAST))}
    send = sorted(
        newer.differing(there), key=lambda path: (rank.get(path, 0), path.count("/") == 0)
    )
    return Difference(tuple(send), tuple(path for path in there.files if path not in newer.files))


@dataclass(frozen=True)
class Keys:
    """Credentials of S3-compatible storage."""

    access: str | None = None
    secret: str | None = None
