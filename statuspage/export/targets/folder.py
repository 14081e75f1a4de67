"""A folder on this machine: a hidden one is made beside it, then a link is moved over.

`path` is a symbolic link to a hidden folder, so that all files change in one step. The one that
it led to before is kept for the next time, without what changed: a change then costs no more
than it is large, however long the history.
A mount point cannot be moved: there each file is renamed into place, the front page last.
"""

import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from time import monotonic

from statuspage.export.staging import MANIFEST, Manifest, Stage, folders_of, put_file
from statuspage.export.targets import TargetError, difference

OF_THE_FILE_SYSTEM = "lost+found"
ANEW_EVERY_S = 3600.0


class Folder:
    every = timedelta(minutes=5)

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path
        self._shown: _Held | None = None
        self._spare: _Held | None = None
        self._anew_at = 0.0

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

    def publish(self, stage: Stage) -> int:
        path = self._path
        if path.is_mount():
            return self._publish_in_place(stage)
        spare = self._taken()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir() and not path.is_symlink():
                self._take_over(path)
            fresh = _Held(spare.folder, stage.picture(spare.folder, spare.manifest))
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

    def _taken(self) -> "_Held":
        """The folder to fill: the spare one, but now and then a new one whatever it is like."""
        spare, self._spare = self._spare, None
        if spare is None or not spare.folder.is_dir() or monotonic() > self._anew_at:
            self._anew_at = monotonic() + ANEW_EVERY_S
            return _Held(self._beside(), Manifest())
        return spare

    def _beside(self, ending: str = "") -> Path:
        return self._path.with_name(f".{self._path.name}.{secrets.token_hex(6)}{ending}")

    def _publish_in_place(self, stage: Stage) -> int:
        try:
            with stage.writing:
                send = difference(self._held(), stage.manifest).send
                for parent in sorted(folders_of(stage.manifest.files) - {""}):
                    (self._path / parent).mkdir(exist_ok=True)
                    (self._path / parent).chmod(0o755)
                for name in (*send, MANIFEST):
                    made = stage.site / name
                    put_file(self._path / name, made.read_bytes(), made.stat().st_mtime)
                self._remove_all_but({*stage.manifest.files, MANIFEST})
        except OSError as error:
            raise TargetError(f"{self._path}: {error.strerror or error}") from error
        return len(send)

    def _held(self) -> Manifest:
        """What a mount point holds of ours. It may be empty; anything else is somebody's."""
        try:
            return Manifest.from_json((self._path / MANIFEST).read_bytes())
        except (OSError, ValueError):
            if any(one.name != OF_THE_FILE_SYSTEM for one in self._path.iterdir()):
                raise TargetError(
                    f"{self._path} holds files that are not ours; empty it first."
                ) from None
            return Manifest()

    def _remove_all_but(self, known: set[str]) -> None:
        """What was withdrawn, and what a crash left behind."""
        for one in self._path.rglob("*"):
            name = one.relative_to(self._path)
            if one.is_file() and str(name) not in known and name.parts[0] != OF_THE_FILE_SYSTEM:
                one.unlink()

    def _take_over(self, path: Path) -> None:
        """An empty folder may become ours; one with anything in it is somebody's."""
        if any(path.iterdir()):
            raise TargetError(f"{path} is a folder with files in it; name one that is not there.")
        path.rmdir()

    def _sweep(self, before: Path | None) -> None:
        """Nothing that was withdrawn stays on the disk, nor what a crash left behind."""
        kept = [one.folder for one in (self._shown, self._spare) if one is not None]
        for other in self._path.parent.glob(f".{self._path.name}.*"):
            if other in kept or not _is_ours(other.name, self._path.name):
                continue
            if other.is_symlink():
                other.unlink(missing_ok=True)
            else:
                shutil.rmtree(other, ignore_errors=True)
        is_kept = before in [one.resolve() for one in kept]
        if before is not None and not is_kept and before.name.startswith("."):
            shutil.rmtree(before, ignore_errors=True)


@dataclass(frozen=True)
class _Held:
    """A folder and the files that it has of a manifest."""

    folder: Path
    manifest: Manifest

    def without_what_differs(self, newer: Manifest) -> "_Held":
        """Whoever still reads here finds a file gone rather than a newer one."""
        gone = set(self.manifest.differing(newer))
        for path in (*gone, MANIFEST):
            (self.folder / path).unlink(missing_ok=True)
        left = {path: one for path, one in self.manifest.files.items() if path not in gone}
        return _Held(self.folder, replace(self.manifest, files=left))


def _is_ours(name: str, of: str) -> bool:
    token = name.removeprefix(f".{of}.").removesuffix(".link")
    return len(token) == 12 and all(one in "0123456789abcdef" for one in token)
