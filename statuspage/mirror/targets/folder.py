"""A folder on this machine: a fresh one is made beside it, then a link is moved over.

`path` is a symbolic link to a hidden folder beside it, so that all files change in one step.
"""

import secrets
import shutil
from datetime import timedelta
from pathlib import Path

from statuspage.mirror.stage import Stage
from statuspage.mirror.targets import TargetError


class Folder:
    every = timedelta(minutes=5)

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path

    def publish(self, stage: Stage) -> int:
        path = self._path
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir() and not path.is_symlink():
                self._take_over(path)
            before = path.resolve() if path.is_symlink() else None
            manifest = stage.picture(fresh)
            link = path.with_name(f".{path.name}.{secrets.token_hex(6)}.link")
            link.symlink_to(fresh.name)
            link.replace(path)
        except OSError as error:
            shutil.rmtree(fresh, ignore_errors=True)
            raise TargetError(f"{self._path}: {error.strerror or error}") from error
        self._sweep(fresh, before)
        return len(manifest.files)

    def _take_over(self, path: Path) -> None:
        """An empty folder may become ours; one with anything in it is somebody's."""
        if any(path.iterdir()):
            raise TargetError(f"{path} is a folder with files in it; name one that is not there.")
        path.rmdir()

    def _sweep(self, present: Path, before: Path | None) -> None:
        """Nothing that was withdrawn stays on the disk, nor what a crash left behind."""
        for other in self._path.parent.glob(f".{self._path.name}.*"):
            if other == present or not _is_ours(other.name, self._path.name):
                continue
            if other.is_symlink():
                other.unlink(missing_ok=True)
            else:
                shutil.rmtree(other, ignore_errors=True)
        if before is not None and before != present.resolve() and before.name.startswith("."):
            shutil.rmtree(before, ignore_errors=True)


def _is_ours(name: str, of: str) -> bool:
    token = name.removeprefix(f".{of}.").removesuffix(".link")
    return len(token) == 12 and all(one in "0123456789abcdef" for one in token)
