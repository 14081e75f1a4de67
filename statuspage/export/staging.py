"""The files of an export on this machine, and the manifest that lists them.

Every file is replaced whole, by a rename; the manifest follows. Files that do not match
the manifest when the folder is opened are removed and rendered again.
"""

import hashlib
import json
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
AGE = "copy.json"
BEACON = "beacon.json"
"""The same, for health checks, under its name on the origin."""
AGE_FILES = ("mirror.js", AGE, BEACON)
"""The files that change with every build."""
FORMAT = 1


@dataclass(frozen=True)
class File:
    """`sha256` is of the bytes; `mark` of the bytes without the time of the build."""

    sha256: str
    size: int
    content_type: str
    address: str | None = None
    """Its public address; None for files that only exports have."""
    mark: str = ""

    def has_content_of(self, other: "File | None") -> bool:
        """Whether the two differ in nothing but their age."""
        content = self.mark or self.sha256
        return other is not None and content == (other.mark or other.sha256)


@dataclass(frozen=True)
class Draft:
    """A file to write."""

    path: str
    body: bytes
    content_type: str
    address: str | None = None
    mark: str = ""


@dataclass(frozen=True)
class Manifest:
    """The files of an export by path. `event` and `program` say where to continue."""

    origin: str = ""
    revision: int = 0
    made_at: str = ""
    event: int = 0
    program: str = ""
    files: Mapping[str, File] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether every page was rendered; until then there are the current pages and some more."""
        return self.event > 0

    def has(self, path: str, body: bytes | None) -> bool:
        """Whether the file has these bytes; None: whether it is not listed."""
        file = self.files.get(path)
        digest = None if body is None else hashlib.sha256(body).hexdigest()
        return digest == (file and file.sha256)

    def differing(self, other: "Manifest") -> list[str]:
        """The paths whose file is missing or different in `other`."""
        return [
            path
            for path, file in self.files.items()
            if (known := other.files.get(path)) is None or known.sha256 != file.sha256
        ]

    def to_json(self) -> bytes:
        # One line per file, each serialized by itself: there may be tens of thousands.
        files = ",\n".join(
            f"{json.dumps(path)}: {json.dumps(vars(file))}"
            for path, file in sorted(self.files.items())
        )
        fields = {"format": FORMAT, **vars(self)}
        del fields["files"]
        return f'{json.dumps(fields)[:-1]}, "files": {{\n{files}\n}}}}\n'.encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Manifest":
        """Raises `ValueError` if `data` is not a manifest."""
        try:
            fields: dict[str, Any] = json.loads(data)
            if fields.pop("format") != FORMAT:
                raise ValueError("another format")
            files = {path: File(**file) for path, file in fields.pop("files").items()}
            return cls(files=files, **fields)
        except (AttributeError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise ValueError("no manifest") from error


class StagingFolder:
    """`folder` holds the files in `site/`, the manifest among them.

    `time_of` derives the time of a file from the digest of its bytes; without it a file has
    the time when it was written.
    """

    def __init__(self, folder: Path, time_of: Callable[[str], int] | None = None) -> None:
        self.folder = folder
        self._time_of = time_of
        self.site = folder / "site"
        self.writing = threading.Lock()
        """Held while files change, and to read all of them at one moment."""
        self.content_version = 0
        """Rises when anything but the age changes."""
        self.site.mkdir(parents=True, exist_ok=True)
        self.manifest = self._opened()

    @property
    def addresses(self) -> dict[str, str]:
        """The file of each address."""
        return {file.address: path for path, file in self.manifest.files.items() if file.address}

    def write(
        self,
        drafts: Iterable[Draft],
        *,
        gone: Iterable[str] = (),
        origin: str,
        revision: int,
        event: int,
        program: str,
        made_at: datetime,
    ) -> None:
        """Write `drafts`, remove the paths `gone`. Raises `OSError`; then the manifest stays."""
        files = dict(self.manifest.files)
        with self.writing:
            is_changed = False
            for draft in drafts:
                file = File(
                    hashlib.sha256(draft.body).hexdigest(),
                    len(draft.body),
                    draft.content_type,
                    draft.address,
                    draft.mark,
                )
                before = files.get(draft.path)
                if before != file:
                    time = self._time_of and self._time_of(file.sha256)
                    write_atomically(self.site / draft.path, draft.body, time)
                    files[draft.path] = file
                    is_changed |= not _is_age_file(draft.path) and not file.has_content_of(before)
            for path in gone:
                is_changed |= files.pop(path, None) is not None
                (self.site / path).unlink(missing_ok=True)
            moment = f"{made_at:%Y-%m-%dT%H:%M:%SZ}"
            self.manifest = Manifest(origin, revision, moment, event, program, files)
            write_atomically(self.site / MANIFEST, self.manifest.to_json())
            self.content_version += is_changed

    def read(self, path: str) -> bytes | None:
        """The bytes of a file as in the manifest; None if the file changed meanwhile."""
        file = self.manifest.files.get(path)
        try:
            body = (self.site / path).read_bytes()
        except OSError:
            return None
        return body if file and hashlib.sha256(body).hexdigest() == file.sha256 else None

    def copy_to(self, folder: Path, held: Manifest = Manifest()) -> Manifest:
        """Put all files of one moment into `folder`, by links if possible; returns their manifest.

        `held` lists what the folder has already; files that are the same stay.
        """
        with self.writing:
            manifest = self.manifest
            self.link(manifest.differing(held), folder)
            for path in held.differing(manifest):
                if path not in manifest.files:
                    (folder / path).unlink(missing_ok=True)
            self.link([MANIFEST], folder)
        return manifest

    def link(self, paths: Collection[str], folder: Path) -> None:
        """Put these files into `folder`. The caller holds `writing`."""
        for parent in sorted(folders_of(paths)):
            place = folder / parent
            if not place.is_dir():
                place.mkdir(parents=True)
                place.chmod(0o755)
        for path in paths:
            link_or_copy(f"{self.site}/{path}", f"{folder}/{path}")

    def _opened(self) -> Manifest:
        try:
            manifest = Manifest.from_json((self.site / MANIFEST).read_bytes())
        except (OSError, ValueError):
            manifest = Manifest()
        present = {
            path: file
            for path, file in manifest.files.items()
            if _digest(self.site / path) == file.sha256
        }
        paths = {*present, MANIFEST}
        for path in [path for path in self.site.rglob("*") if path.is_file()]:
            if str(path.relative_to(self.site)) not in paths:
                path.unlink()
        self._date(present)
        return Manifest(
            manifest.origin,
            manifest.revision,
            manifest.made_at,
            manifest.event,
            manifest.program,
            present,
        )

    def _date(self, files: Mapping[str, File]) -> None:
        """Set the times of files that were copied or restored without them."""
        if self._time_of is None:
            return
        for path, file in files.items():
            time = self._time_of(file.sha256)
            if (self.site / path).stat().st_mtime != time:
                os.utime(self.site / path, (time, time))


def folders_of(paths: Iterable[str]) -> set[str]:
    """The folders of these paths and all above them; the root is the empty path."""
    folders = {""}
    for folder in {path.rpartition("/")[0] for path in paths}:
        while folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return folders


def link_or_copy(source: str, target: str) -> None:
    """Put `source` at `target`, replacing what is there."""
    try:
        os.link(source, target)
    except FileExistsError:
        os.unlink(target)
        link_or_copy(source, target)
    except OSError:  # Another file system, or one without links.
        shutil.copy2(source, target)


def write_atomically(path: Path, body: bytes, time: float | None = None) -> None:
    """Write a file so that readers see either the old or the new one.

    `time` is its modification time, in seconds."""
    folder, name = os.path.split(path)
    draft = f"{folder}/.{name}.{secrets.token_hex(4)}"
    try:
        try:
            _create(draft, body, time)
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)
            _create(draft, body, time)
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _create(path: str, body: bytes, time: float | None) -> None:
    with open(path, "xb") as file:
        # Whatever the umask: a web server of another user reads them.
        os.fchmod(file.fileno(), 0o644)
        file.write(body)
        if time is not None:
            file.flush()
            os.utime(file.fileno(), (time, time))


def _is_age_file(path: str) -> bool:
    return path.removesuffix(".gz").removesuffix(".br") in AGE_FILES


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
