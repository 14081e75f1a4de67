"""Anywhere else: a program carries the export.

`PROGRAM read PATH` prints a file that the target holds, nothing if it has none.
`PROGRAM publish` makes the target equal to the current folder. `../changed` and `../removed`
list the paths to send and to delete, one a line, in the order that keeps readers from
following a link to a missing page; the program may keep files of its own in `..`.

`rsync:`, `sftp:` and `git:` are short for the programs in `recipes/`.
"""

import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from statuspage.export.staging import MANIFEST, Manifest, StagingFolder
from statuspage.export.targets import TargetError, difference, without_credentials

TIMEOUT_S = 300
FOLDER = re.compile("(command|rsync|sftp|git)-[0-9a-f]{12}")
RECIPES = Path(__file__).parent / "recipes"


def parse(text: str, work: Path) -> "Command":
    """A target of one of the schemes `command`, `rsync`, `sftp` and `git`.

    Raises `TargetError`.
    """
    scheme, _, rest = text.partition(":")
    if scheme not in _PARSERS:
        raise TargetError(f"{scheme}: is not a kind of target.")
    arguments = _PARSERS[scheme](rest)
    folder = _folder_of(text, work)
    if scheme == "command":
        return Command(text, arguments, folder, program=arguments[0])
    script = ["sh", str(RECIPES / f"{scheme}.sh")]
    # Hosters of pages rebuild a site with every push.
    every = timedelta(minutes=15 if scheme == "git" else 5)
    return Command(text, [*script, *arguments], folder, program=scheme, every=every)


def remove_unused(work: Path, targets: Sequence[str]) -> None:
    """Remove from `work` what programs kept for other targets: it may hold withdrawn pages."""
    used = {_folder_of(text, work) for text in targets}
    for folder in work.iterdir():
        if FOLDER.fullmatch(folder.name) and folder not in used:
            shutil.rmtree(folder, ignore_errors=True)


def _folder_of(text: str, work: Path) -> Path:
    scheme = text.partition(":")[0]
    return work / f"{scheme}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


class Command:
    def __init__(
        self,
        text: str,
        arguments: Sequence[str],
        folder: Path,
        *,
        program: str,
        every: timedelta = timedelta(minutes=5),
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.name = without_credentials(text)
        self.every = every
        self._arguments = arguments
        self._program = program
        self._folder = folder
        self._site = folder / "site"
        self._timeout_s = timeout_s
        self._there: Manifest | None = None
        """The files of the target; None if unknown."""

    def is_empty(self) -> bool:
        return not self._read_manifest().files

    def read(self, path: str) -> bytes | None:
        body = self._run("read", path) or None
        if self._there is not None and not self._there.has(path, body):
            self._there = None  # Someone else wrote there.
        return body

    def publish(self, stage: StagingFolder) -> int:
        older = self._there or self._read_manifest()
        self._there = None  # Known again once everything has arrived.
        try:
            shutil.rmtree(self._site, ignore_errors=True)
            manifest = stage.copy_to(self._site)
            changes = difference(older, manifest)
            (self._folder / "changed").write_text(_lines([*changes.send, MANIFEST]))
            (self._folder / "removed").write_text(_lines(changes.remove))
            self._run("publish")
        except OSError as error:
            raise TargetError(f"{self.name}: {error.strerror or error}") from error
        finally:
            shutil.rmtree(self._site, ignore_errors=True)
        self._there = manifest
        return len(changes.send)

    def _read_manifest(self) -> Manifest:
        """What the target holds according to its own manifest; nothing if it has none."""
        try:
            return Manifest.from_json(self.read(MANIFEST) or b"")
        except ValueError:
            return Manifest()

    def _run(self, *arguments: str) -> bytes:
        """What the program wrote. Raises `TargetError` with its last line."""
        program = Path(self._program).name
        if shutil.which(self._program) is None:
            raise TargetError(f"The program {program} is not installed.")
        self._site.mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen(
            [*self._arguments, *arguments],
            cwd=self._site,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        try:
            output, errors = process.communicate(timeout=self._timeout_s)
        except subprocess.TimeoutExpired as error:
            # With all that it started: they hold its output open.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise TargetError(f"{program} took more than {self._timeout_s:g} seconds.") from error
        if process.returncode != 0:
            lines = (errors or output).decode(errors="replace").strip().splitlines()
            reason = lines[-1] if lines else f"exit status {process.returncode}"
            raise TargetError(f"{program}: {without_credentials(reason)}")
        return output


def _command(rest: str) -> list[str]:
    try:
        arguments = shlex.split(unquote(rest))
    except ValueError:
        arguments = []
    if not arguments:
        raise TargetError("A command is command:<program>, with %20 for a space.")
    return arguments


def _rsync(rest: str) -> list[str]:
    if not rest or rest.startswith("-"):
        raise TargetError("An rsync target is rsync:<host>:<path>.")
    return [rest]


def _sftp(rest: str) -> list[str]:
    parts = urlsplit(f"sftp:{rest}")
    host = parts.hostname or ""
    if not host or host.startswith("-") or parts.password or not parts.path.strip("/"):
        raise TargetError("An SFTP target is sftp://user@host/path, with a key of the system.")
    return [f"sftp://{parts.netloc}", unquote(parts.path).rstrip("/")]


def _git(rest: str) -> list[str]:
    remote, mark, branch = rest.rpartition("#")
    if not mark or not remote or remote.startswith("-"):
        raise TargetError("A Git target is git:<remote>#<branch>.")
    return [remote, branch]


_PARSERS = {"command": _command, "rsync": _rsync, "sftp": _sftp, "git": _git}


def _lines(paths: Sequence[str]) -> str:
    return "".join(f"{path}\n" for path in paths)
