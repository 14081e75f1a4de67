"""A folder on this machine: a symbolic link to a hidden folder beside it.

Each publication fills a hidden folder and moves the link, so that all files change at once.
The previous folder is reused, without what changed: a publication costs as much as the change,
however long the history. A mount point cannot be moved: there each file is renamed into place,
the front page last.
"""

import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from time import monotonic

from statuspage.export.staging import (
    MANIFEST,
    Manifest,
    StagingFolder,
    folders_of,
    write_atomically,
)
from statuspage.export.targets import TargetError, difference

OF_THE_FILE_SYSTEM = "lost+found"
NEW_FOLDER_EVERY_S = 3600.0


class Folder:
    every = timedelta(minutes=5)

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path
        self._shown: _Version | None = None
        self._spare: _Version | None = None
        self._new_folder_at = 0.0

    def is_empty(self) -> bool:
        try:
            if self._path.is_mount():
                return not self._held().files
            return not self._path.exists() or not any(self._path.iterdir())
        except OSError as error:
            raise TargetError(f"{self._path}: {error.strerror or error}") from error

    def read(self, path: str) -> bytes | None:
        try:
            return (self._path / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise TargetError(f"{self._path}: {error.strerror or error}") from error

    def publish(self, stage: StagingFolder) -> int:
        path = self._path
        if path.is_mount():
            return self._publish_in_place(stage)
        spare = self._folder_to_fill()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir() and not path.is_symlink():
                self._take_over(path)
            fresh = _Version(spare.folder, stage.copy_to(spare.folder, spare.manifest))
            link = self._beside(".link")
            link.symlink_to(fresh.folder.name)
            before = path.resolve() if path.is_symlink() else None
            link.replace(path)
        except OSError as error:
            shutil.rmtree(spare.folder, ignore_errors=True)
            raise TargetError(f"{self._path}: {error.strerror or error}") from error
        shown, self._shown = self._shown, fresh
        if shown is not None:
            with suppress(OSError):
                self._spare = shown.without_what_differs(fresh.manifest)
        self._sweep(before)
        return len(fresh.manifest.files)

    def _folder_to_fill(self) -> "_Version":
        """The folder to fill: the spare one, but once an hour a new one."""
        spare, self._spare = self._spare, None
        if spare is None or not spare.folder.is_dir() or monotonic() > self._new_folder_at:
            self._new_folder_at = monotonic() + NEW_FOLDER_EVERY_S
            return _Version(self._beside(), Manifest())
        return spare

    def _beside(self, ending: str = "") -> Path:
        return self._path.with_name(f".{self._path.name}.{secrets.token_hex(6)}{ending}")

    def _publish_in_place(self, stage: StagingFolder) -> int:
        try:
            with stage.writing:
                send = difference(self._held(), stage.manifest).send
                for parent in sorted(folders_of(stage.manifest.files) - {""}):
                    (self._path / parent).mkdir(exist_ok=True)
                    (self._path / parent).chmod(0o755)
                for name in (*send, MANIFEST):
                    temporary = stage.site / name
                    write_atomically(
                        self._path / name, temporary.read_bytes(), temporary.stat().st_mtime
                    )
                self._remove_all_but({*stage.manifest.files, MANIFEST})
        except OSError as error:
            raise TargetError(f"{self._path}: {error.strerror or error}") from error
        return len(send)

    def _held(self) -> Manifest:
        """Our files in a mount point. It may be empty; other files are not ours to remove."""
        try:
            return Manifest.from_json((self._path / MANIFEST).read_bytes())
        except (OSError, ValueError):
            if any(path.name != OF_THE_FILE_SYSTEM for path in self._path.iterdir()):
                raise TargetError(
                    f"{self._path} holds files that are not ours; empty it first."
                ) from None
            return Manifest()

    def _remove_all_but(self, paths: set[str]) -> None:
        """Remove withdrawn files, and what a crash left behind."""
        for path in self._path.rglob("*"):
            name = path.relative_to(self._path)
            if path.is_file() and str(name) not in paths and name.parts[0] != OF_THE_FILE_SYSTEM:
                path.unlink()

    def _take_over(self, path: Path) -> None:
        """An empty folder may become ours; one with files is not ours to replace."""
        if any(path.iterdir()):
            raise TargetError(f"{path} is a folder with files in it; name one that is not there.")
        path.rmdir()

    def _sweep(self, before: Path | None) -> None:
        """Remove withdrawn files from the disk, and what a crash left behind."""
        in_use = [version.folder for version in (self._shown, self._spare) if version is not None]
        for other in self._path.parent.glob(f".{self._path.name}.*"):
            if other in in_use or not _is_ours(other.name, self._path.name):
                continue
            if other.is_symlink():
                other.unlink(missing_ok=True)
            else:
                shutil.rmtree(other, ignore_errors=True)
        is_kept = before in [folder.resolve() for folder in in_use]
        if before is not None and not is_kept and before.name.startswith("."):
            shutil.rmtree(before, ignore_errors=True)


@dataclass(frozen=True)
class _Version:
    """A hidden folder and its files."""

    folder: Path
    manifest: Manifest

    def without_what_differs(self, newer: Manifest) -> "_Version":
        """Readers who are still here find a changed file missing rather than newer."""
        changed = set(self.manifest.differing(newer))
        for path in (*changed, MANIFEST):
            (self.folder / path).unlink(missing_ok=True)
        left = {path: file for path, file in self.manifest.files.items() if path not in changed}
        return _Version(self.folder, replace(self.manifest, files=left))


def _is_ours(name: str, of: str) -> bool:
    token = name.removeprefix(f".{of}.").removesuffix(".link")
    return len(token) == 12 and set(token) <= set("0123456789abcdef")
