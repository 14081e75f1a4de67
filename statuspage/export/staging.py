"""The stage: the files of a mirror on this machine, and what is known of each.

Every file is replaced whole, by a rename; the manifest follows. Files that do not match
it when the stage is opened are dropped and made again.
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
"""The same for health checks, under the name it has on the origin."""
AGES = ("mirror.js", AGE, BEACON)
"""New with every making."""
FORMAT = 1


@dataclass(frozen=True)
class File:
    """`sha256` is of the bytes; `mark` of them without the time of making."""

    sha256: str
    size: int
    content_type: str
    address: str | None = None
    """The public address it answers; None for what only mirrors have."""
    mark: str = ""

    def says_as(self, other: "File | None") -> bool:
        """Whether they differ in age at most."""
        mine = self.mark or self.sha256
        return other is not None and mine == (other.mark or other.sha256)


@dataclass(frozen=True)
class Draft:
    """A file to be: its path, bytes, type and address."""

    path: str
    body: bytes
    content_type: str
    address: str | None = None
    mark: str = ""


@dataclass(frozen=True)
class Manifest:
    """What a mirror holds, by path. `event` and `program` say where to go on."""

    origin: str = ""
    revision: int = 0
    made_at: str = ""
    event: int = 0
    program: str = ""
    files: Mapping[str, File] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether every page was made. Before, there is the present, and what was made so far."""
        return self.event > 0

    def has(self, path: str, body: bytes | None) -> bool:
        """Whether it names this file with these bytes; None: that there is none."""
        known = self.files.get(path)
        digest = None if body is None else hashlib.sha256(body).hexdigest()
        return digest == (known and known.sha256)

    def differing(self, other: "Manifest") -> list[str]:
        """The paths of which `other` has no file, or not the same."""
        return [
            path
            for path, one in self.files.items()
            if (known := other.files.get(path)) is None or known.sha256 != one.sha256
        ]

    def to_json(self) -> bytes:
        # A line for each file, and each written by itself: there may be tens of thousands.
        files = ",\n".join(
            f"{json.dumps(path)}: {json.dumps(vars(one))}"
            for path, one in sorted(self.files.items())
        )
        told = {"format": FORMAT, **vars(self)}
        del told["files"]
        return f'{json.dumps(told)[:-1]}, "files": {{\n{files}\n}}}}\n'.encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Manifest":
        """Raises `ValueError` for what is none."""
        try:
            told: dict[str, Any] = json.loads(data)
            if told.pop("format") != FORMAT:
                raise ValueError("another format")
            files = {path: File(**one) for path, one in told.pop("files").items()}
            return cls(files=files, **told)
        except (AttributeError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise ValueError("no manifest") from error


class Stage:
    """`folder` holds the files in `site/`, the manifest among them.

    `time_of` makes the time of a file of the digest of its bytes; without it a file has the
    time when it was written.
    """

    def __init__(self, folder: Path, time_of: Callable[[str], int] | None = None) -> None:
        self.folder = folder
        self._time_of = time_of
        self.site = folder / "site"
        self.writing = threading.Lock()
        """Held while files change, and by whoever needs all of them at one moment."""
        self.news = 0
        """Moves when anything changed but the age."""
        self.site.mkdir(parents=True, exist_ok=True)
        self.manifest = self._opened()

    @property
    def addresses(self) -> dict[str, str]:
        """The file of each address."""
        return {one.address: path for path, one in self.manifest.files.items() if one.address}

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
        """Bring in `drafts`, let go of the paths `gone`. Raises `OSError`; then what was stays."""
        files = dict(self.manifest.files)
        with self.writing:
            is_news = False
            for draft in drafts:
                found = File(
                    hashlib.sha256(draft.body).hexdigest(),
                    len(draft.body),
                    draft.content_type,
                    draft.address,
                    draft.mark,
                )
                before = files.get(draft.path)
                if before != found:
                    time = self._time_of and self._time_of(found.sha256)
                    put_file(self.site / draft.path, draft.body, time)
                    files[draft.path] = found
                    is_news |= not _tells_age(draft.path) and not found.says_as(before)
            for path in gone:
                is_news |= files.pop(path, None) is not None
                (self.site / path).unlink(missing_ok=True)
            moment = f"{made_at:%Y-%m-%dT%H:%M:%SZ}"
            self.manifest = Manifest(origin, revision, moment, event, program, files)
            put_file(self.site / MANIFEST, self.manifest.to_json())
            self.news += is_news

    def read(self, path: str) -> bytes | None:
        """The bytes of a file as the manifest has them; None where they moved on meanwhile."""
        known = self.manifest.files.get(path)
        try:
            body = (self.site / path).read_bytes()
        except OSError:
            return None
        return body if known and hashlib.sha256(body).hexdigest() == known.sha256 else None

    def picture(self, folder: Path, held: Manifest = Manifest()) -> Manifest:
        """All files of one moment in `folder`, linked where that can be; gives their manifest.

        What the folder has already, those of the manifest `held`, is left where it is the same.
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
        """These files in `folder`, for whoever holds `writing`."""
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
            path: one
            for path, one in manifest.files.items()
            if _digest(self.site / path) == one.sha256
        }
        known = {*present, MANIFEST}
        for path in [one for one in self.site.rglob("*") if one.is_file()]:
            if str(path.relative_to(self.site)) not in known:
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
        """Give the files their times where they were copied or restored without, or are older."""
        if self._time_of is None:
            return
        for path, one in files.items():
            time = self._time_of(one.sha256)
            if (self.site / path).stat().st_mtime != time:
                os.utime(self.site / path, (time, time))


def folders_of(paths: Iterable[str]) -> set[str]:
    """Every folder that holds one of these, and those above it; the empty path for the root."""
    found = {""}
    for folder in {path.rpartition("/")[0] for path in paths}:
        while folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def link_or_copy(source: str, target: str) -> None:
    """Put `source` at `target`, whatever is there."""
    try:
        os.link(source, target)
    except FileExistsError:
        os.unlink(target)
        link_or_copy(source, target)
    except OSError:  # Another file system, or one without links.
        shutil.copy2(source, target)


def put_file(path: Path, body: bytes, time: float | None = None) -> None:
    """Write a file so that readers find it whole, as it was or as it is.

    `time`, in seconds, is what it says of when it changed."""
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
        # Public, whatever the habits of this process: another user's server reads them.
        os.fchmod(file.fileno(), 0o644)
        file.write(body)
        if time is not None:
            file.flush()
            os.utime(file.fileno(), (time, time))


def _tells_age(path: str) -> bool:
    return path.removesuffix(".gz").removesuffix(".br") in AGES


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
