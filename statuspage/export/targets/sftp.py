"""Another machine by the system's `sftp`: each file arrives aside and is renamed into place.

The order is that of `targets.difference`; what is gone goes last, in the same session.
"""

import secrets
import shutil
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from statuspage.export.staging import MANIFEST, Manifest, Stage
from statuspage.export.targets import TargetError, difference
from statuspage.export.targets.programs import SSH_OPTIONS, run


def parse(text: str, work: Path) -> "Sftp":
    """`sftp://user@host:port/path`. Raises `TargetError`."""
    parts = urlsplit(text)
    host = parts.hostname or ""
    if not host or host.startswith("-") or parts.password or not parts.path.strip("/"):
        raise TargetError("An SFTP target is sftp://user@host/path, with a key of the system.")
    who = f"{parts.username}@{host}" if parts.username else host
    return Sftp(text, who, parts.port, unquote(parts.path), work)


class Sftp:
    every = timedelta(minutes=5)

    def __init__(self, name: str, host: str, port: int | None, folder: str, work: Path) -> None:
        self.name = name
        self._command = ["sftp", "-q", *SSH_OPTIONS, *(["-P", str(port)] if port else ())]
        self._host = host
        self._folder = folder.rstrip("/")
        self._work = work
        self._there: Manifest | None = None

    def is_empty(self) -> bool:
        folder = self._work / f"sftp-{secrets.token_hex(6)}"
        try:
            folder.mkdir()
            return not self._read(folder).files
        except OSError as error:
            raise TargetError(f"{self.name}: {error.strerror or error}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def read(self, path: str) -> bytes | None:
        folder = self._work / f"sftp-{secrets.token_hex(6)}"
        try:
            folder.mkdir()
            body = self._got(path, folder)
        except OSError as error:
            raise TargetError(f"{self.name}: {error.strerror or error}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if self._there is not None and not self._there.has(path, body):
            self._there = None  # Somebody else wrote there.
        return body

    def publish(self, stage: Stage) -> int:
        folder = self._work / f"sftp-{secrets.token_hex(6)}"
        try:
            folder.mkdir()
            there = self._there or self._read(folder)
            self._there = None  # Known again once all of it arrived.
            with stage.writing:
                wanted = stage.manifest
                todo = difference(there, wanted)
                stage.link([*todo.send, MANIFEST], folder)
            lines = [f"-mkdir {_quoted(one)}" for one in self._folders([*todo.send, MANIFEST])]
            for path in (*todo.send, MANIFEST):
                aside = f"{self._folder}/{path}.part"
                lines.append(f"put {_quoted(str(folder / path))} {_quoted(aside)}")
                lines.append(f"rename {_quoted(aside)} {_quoted(f'{self._folder}/{path}')}")
            lines += [f"-rm {_quoted(f'{self._folder}/{path}')}" for path in todo.remove]
            self._run(lines)
        except OSError as error:
            raise TargetError(f"{self.name}: {error.strerror or error}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self._there = wanted
        return len(todo.send)

    def _read(self, folder: Path) -> Manifest:
        """What the target holds by its own account; nothing where it has none."""
        try:
            return Manifest.from_json(self._got(MANIFEST, folder) or b"")
        except ValueError:
            return Manifest()

    def _got(self, path: str, folder: Path) -> bytes | None:
        copy = folder / ".there"
        self._run([f"-get {_quoted(f'{self._folder}/{path}')} {_quoted(str(copy))}"])
        return copy.read_bytes() if copy.exists() else None

    def _folders(self, paths: list[str]) -> list[str]:
        found = {self._folder: None}
        for path in paths:
            parts = path.split("/")[:-1]
            for length in range(1, len(parts) + 1):
                found["/".join([self._folder, *parts[:length]])] = None
        return sorted(found)

    def _run(self, lines: list[str]) -> None:
        sent = "".join(f"{line}\n" for line in lines).encode()
        run([*self._command, "-b", "-", self._host], sent=sent)


def _quoted(path: str) -> str:
    if "\n" in path:
        raise TargetError("A path holds a line break.")
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
