"""The kinds of export targets, by the scheme of their setting."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from statuspage.export.targets import Keys, Target, TargetError, s3, sftp
from statuspage.export.targets.folder import Folder
from statuspage.export.targets.git import Git
from statuspage.export.targets.rsync import Rsync


def is_published(text: str) -> bool:
    """Whether a target takes the files for nginx rather than the portable ones."""
    return text.startswith("published:")


def parse(text: str, work: Path, keys: Keys) -> Target:
    """The target that an operator means by `text`; `work` is a folder for what it keeps.

    Raises `TargetError` for what is none.
    """
    scheme, _, rest = text.partition(":")
    if scheme in ("file", "published"):
        if not rest.startswith("/"):
            raise TargetError(f"{text} does not name a folder; write {scheme}:/path.")
        path = unquote(urlsplit(f"file:{rest}").path)
        return Folder(text, Path(path))
    if scheme == "s3":
        return s3.parse(text, keys)
    if scheme == "rsync":
        return Rsync(text, rest, work)
    if scheme == "sftp":
        return sftp.parse(text, work)
    if scheme == "git":
        remote, mark, branch = rest.rpartition("#")
        if not mark or not remote or remote.startswith("-"):
            raise TargetError("A Git target is git:<remote>#<branch>.")
        return Git(remote, branch, work)
    raise TargetError(f"{scheme}: is not a kind of target.")
