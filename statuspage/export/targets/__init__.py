"""Where mirrors go: a target takes what a stage holds and makes itself equal to it.

Readers of a target never find half a file; a page is there before another links to it,
and what was withdrawn goes away with the same publication.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from statuspage.export.staging import MANIFEST, Manifest, Stage

LAST = ("index.html", "mirror.js", "copy.json", "beacon.json", MANIFEST)
"""Written last and in this order: whoever reads them finds all else in place."""


class TargetError(Exception):
    """A target did not take it. The text is for the operator and holds no secret."""


class Target(Protocol):
    name: str
    """As the operator wrote it, without secrets."""
    every: timedelta
    """How often its age is written anew while nothing changes."""

    def is_empty(self) -> bool:
        """Whether it holds no mirror yet. Raises `TargetError` where that can not be seen."""
        ...

    def read(self, path: str) -> bytes | None:
        """A file that it holds; None where it has none. Raises `TargetError` as `is_empty`."""
        ...

    def publish(self, stage: Stage) -> int:
        """Make the target equal to `stage`; how many files were sent. Raises `TargetError`."""
        ...


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


def is_published(text: str) -> bool:
    """Whether a target takes the files for nginx rather than the portable ones."""
    return text.startswith("published:")


def parse(text: str, work: Path, keys: Keys) -> Target:
    """The target that an operator means by `text`; `work` is a folder for what it keeps.

    Raises `TargetError` for what is none.
    """
    # Each brings what it needs when it is used.
    scheme, _, rest = text.partition(":")
    if scheme in ("file", "published"):
        from statuspage.export.targets.folder import Folder

        if not rest.startswith("/"):
            raise TargetError(f"{text} names no folder; write {scheme}:/path.")
        path = unquote(urlsplit(f"file:{rest}").path)
        return Folder(text, Path(path))
    if scheme == "s3":
        from statuspage.export.targets import s3

        return s3.parse(text, keys)
    if scheme == "rsync":
        from statuspage.export.targets.rsync import Rsync

        return Rsync(text, rest, work)
    if scheme == "sftp":
        from statuspage.export.targets import sftp

        return sftp.parse(text, work)
    if scheme == "git":
        from statuspage.export.targets.git import Git

        remote, mark, branch = rest.rpartition("#")
        if not mark or not remote or remote.startswith("-"):
            raise TargetError("A Git target is git:<remote>#<branch>.")
        return Git(remote, branch, work)
    raise TargetError(f"{scheme}: is no kind of mirror.")
