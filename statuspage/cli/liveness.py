"""Notices a process of the group that runs no more although it is there, and kills it.

Each process counts up in a file of its own; the leader, who restarts what ends, looks
whether the count still changes. A process that a signal stopped, or whose threads all wait
for one another, does not end by itself and would never be replaced.
"""

import contextlib
import multiprocessing
import os
import time
from pathlib import Path

import structlog

FOLDER = "STATUSPAGE_LIVENESS"
"""In the environment: the folder of the files."""
BEAT_S = 1.0
SILENT_S = 30.0
"""A process that has counted and then stands still for so long is killed."""

log = structlog.get_logger(__name__)


class Beat:
    """The count of this process."""

    def __init__(self) -> None:
        self._folder = os.environ.get(FOLDER)
        self._count = 0

    def beat(self) -> None:
        if not self._folder:
            return
        self._count += 1
        # A full disk, or a leader that ended and removed the folder.
        with contextlib.suppress(OSError):
            (Path(self._folder) / f"beat-{os.getpid()}").write_text(str(self._count))


class Watch:
    """What the leader remembers of the counts of its processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._looked_at = time.monotonic()
        self._seen: dict[int, tuple[str, float]] = {}
        """Process id → its last count, and for how long the leader has seen it stand still."""

    def kill_the_silent(self) -> None:
        """Call about once a second."""
        now = time.monotonic()
        # While this process itself stood still, the others may have, too: that is no silence.
        passed = min(now - self._looked_at, 2 * BEAT_S)
        self._looked_at = now
        seen = {}
        for process in multiprocessing.active_children():
            if process.pid is None or (count := self._count_of(process.pid)) is None:
                continue
            before, silent_s = self._seen.get(process.pid, (count, 0.0))
            silent_s = silent_s + passed if count == before else 0.0
            seen[process.pid] = (count, silent_s)
            if silent_s > SILENT_S:
                log.error("leader.process_silent", pid=process.pid, silent_s=round(silent_s))
                process.kill()
                # It may take a moment to end: do not kill and log it at each look.
                seen[process.pid] = (count, 0.0)
        self._seen = seen

    def _count_of(self, process_id: int) -> str | None:
        try:
            return (self._folder / f"beat-{process_id}").read_text()
        except OSError:
            return None
