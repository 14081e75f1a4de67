"""The kinds of export targets, by the scheme of their setting."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from statuspage.export.targets import Keys, Target, TargetError, command, s3
from statuspage.export.targets.folder import Folder


def is_published(text: str) -> bool:
    """Whether a target gets the files for nginx rather than the portable ones."""
    return text.startswith("published:")


def parse(text: str, work: Path, keys: Keys) -> Target:
    """The target of one word of the setting; `work` is a folder for its own files.

    Raises `TargetError`.
    """
    scheme, _, rest = text.partition(":")
    if scheme in ("file", "published"):
        if not rest.startswith("/"):
            raise TargetError(f"{text} does not name a folder; write {scheme}:/path.")
        path = unquote(urlsplit(f"file:{rest}").path)
        return Folder(text, Path(path))
    if scheme == "s3":
        return s3.parse(text, keys)
    return command.parse(text, work)
