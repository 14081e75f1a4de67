"""The worker's export: renders files within seconds of a change, and uploads them.

It runs outside any transaction, in threads of its own. One process per data folder exports
at a time; others wait for the lock.
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from statuspage import clock
from statuspage.export.builder import Builder, ReadChanges, StagingFolders
from statuspage.export.render import Fetch
from statuspage.export.targets import Keys, TargetError, command, without_credentials
from statuspage.export.targets.registry import is_published, parse
from statuspage.export.uploads import TargetState, TargetStates, Uploader
from statuspage.page.snapshot.build import NoPageError

log = structlog.get_logger(__name__)

CHECK_EVERY_S = 0.5
REMAKE_EVERY = timedelta(minutes=5)
"""How often time-dependent pages are rendered while nothing changes."""
STOP_S = 4.0


class ExportWorker:
    """Exports to these targets, from files in `folder`.

    `revision` reads the number that every change raises.
    """

    def __init__(
        self,
        folder: Path,
        targets: Sequence[str],
        *,
        fetch: Fetch,
        read_changes: ReadChanges,
        revision: Callable[[], int],
        keys: Keys = Keys(),  # noqa: B008  frozen
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._targets = targets
        self._revision = revision
        self._now = now
        stages = StagingFolders.within(folder, {is_published(text) for text in targets})
        self.builder = Builder(fetch, read_changes, stages)
        states = TargetStates(folder)
        self.uploaders: list[Uploader] = []
        for text in targets:
            stage = stages.published if is_published(text) else stages.portable
            assert stage is not None
            try:
                target = parse(text, folder, keys)
            except TargetError as error:
                # The others are exported, and the worker does the rest of its work.
                name = without_credentials(text)
                log.error("export.target_failed", target=name, reason=str(error))
                since = f"{now():%Y-%m-%dT%H:%M:%SZ}"
                states.note(TargetState(name, failing_since=since, error=str(error)))
            else:
                self.uploaders.append(Uploader(target, stage, states, now))
        self._made: int | None = None
        self._made_at: datetime | None = None
        self._checked_at = 0.0
        """By the monotonic clock: when the revision was last read."""
        self._is_failing = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for uploader in self.uploaders:
            uploader.stop()
        self._thread.join(STOP_S)

    def step(self, *, at: datetime) -> bool:
        """Render what is due at `at`. True if there is something new to upload.

        Raises what the database raises, and `ExportError`.
        """
        number = self._revision()
        if number != self._made or clock.is_due(self._made_at, REMAKE_EVERY, at):
            self.builder.begin(at)
            self._made, self._made_at = number, at
            return True
        if self.builder.later:
            self.builder.go_on(at, until=self._is_urgent)
            return all(stage.manifest.is_whole for stage in self.builder.stages)
        return False

    def _is_urgent(self) -> bool:
        """Called before each address; reads the revision twice a second."""
        if self._stopping.is_set():
            return True
        moment = time.monotonic()
        if moment - self._checked_at < CHECK_EVERY_S:
            return False
        self._checked_at = moment
        return self._revision() != self._made

    def _run(self) -> None:
        with _Lock(self._folder / "lock", self._stopping) as is_ours:
            if not is_ours:
                return
            command.remove_unused(self._folder, self._targets)
            for uploader in self.uploaders:
                uploader.start()
            while not self._stopping.wait(0 if self.builder.later else CHECK_EVERY_S):
                self._try()

    def _try(self) -> None:
        try:
            is_new = self.step(at=self._now())
        except NoPageError:
            return  # Nothing to export before the first set-up.
        except Exception as error:
            if not self._is_failing:
                log.error("export.failed", reason=str(error))
            self._is_failing = True
            self._stopping.wait(2.0)
            return
        if self._is_failing:
            log.warning("export.recovered")
        self._is_failing = False
        if is_new:
            for uploader in self.uploaders:
                uploader.wake()


class _Lock(AbstractContextManager[bool]):
    """Waits for the lock file; True when it is ours, False when stopped meanwhile."""

    def __init__(self, path: Path, stopping: threading.Event) -> None:
        self._path = path
        self._stopping = stopping

    def __enter__(self) -> bool:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        while not self._stopping.is_set():
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._stopping.wait(1.0)
            else:
                return True
        return False

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
