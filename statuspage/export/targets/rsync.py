"""Another machine by rsync: new files arrive aside and are moved into place together."""

import secrets
import shutil
from datetime import timedelta
from pathlib import Path

from statuspage.export.staging import MANIFEST, Stage
from statuspage.export.targets import TargetError
from statuspage.export.targets.programs import SSH_OPTIONS, run

PROGRAM = ("rsync", "--timeout=60", "--rsh", " ".join(("ssh", *SSH_OPTIONS)))


class Rsync:
    every = timedelta(minutes=5)

    def __init__(self, name: str, place: str, work: Path) -> None:
        if not place or place.startswith("-"):
            raise TargetError("An rsync target is rsync:<host>:<path>.")
        self.name = name
        self._place = place.rstrip("/") + "/"
        self._work = work

    def is_empty(self) -> bool:
        # One after the other: it may be that the folder is not there either.
        return not all(map(self._has, (self._place.rstrip("/"), f"{self._place}{MANIFEST}")))

    def _has(self, place: str) -> bool:
        return bool(run([*PROGRAM, "--list-only", "--ignore-missing-args", "--", place]))

    def read(self, path: str) -> bytes | None:
        if not self._has(self._place.rstrip("/")):
            return None
        folder = self._work / f"rsync-{secrets.token_hex(6)}"
        copy = folder / "there"
        try:
            folder.mkdir()
            run([*PROGRAM, "--ignore-missing-args", "--", f"{self._place}{path}", str(copy)])
            return copy.read_bytes() if copy.exists() else None
        except OSError as error:
            raise TargetError(f"{self.name}: {error.strerror or error}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, stage: Stage) -> int:
        folder = self._work / f"rsync-{secrets.token_hex(6)}"
        try:
            manifest = stage.picture(folder)
            run(
                [
                    *PROGRAM,
                    "--recursive",
                    "--times",
                    "--chmod=D755,F644",
                    "--delay-updates",
                    "--delete-delay",
                    "--",
                    f"{folder}/",
                    self._place,
                ]
            )
        except OSError as error:
            raise TargetError(f"{self.name}: {error.strerror or error}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return len(manifest.files)
