"""Finds processes of the group that no longer run, and kills them; the leader restarts them.

A thread of each process writes the time to a file once a second. It cannot in a process that
a signal stopped or that never releases the interpreter. Requests that hang are not noticed
here: they have time limits of their own.
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
"""A process whose last beat is the same for so long is killed."""

log = structlog.get_logger(__name__)


def beat() -> None:
    """Show that this process runs; does nothing outside a group."""
    # A full disk, or a leader that ended and removed the folder.
    if folder := os.environ.get(FOLDER):
        with contextlib.suppress(OSError):
            (Path(folder) / f"beat-{os.getpid()}").write_text(str(time.monotonic_ns()))


class Watch:
    """What the leader remembers of the beats of its processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._looked_at = time.monotonic()
        self._seen: dict[int, tuple[str, float]] = {}
        """Process id → its last beat, and for how long the leader has seen no other."""

    def kill_the_silent(self) -> None:
        """Call about once a second."""
        now = time.monotonic()
        # After a pause of the whole machine nobody has been silent for long.
        passed = min(now - self._looked_at, 2 * BEAT_S)
        self._looked_at = now
        seen = {}
        for process in multiprocessing.active_children():
            if process.pid is None or (last := self._last_beat(process.pid)) is None:
                continue
            before, silent_s = self._seen.get(process.pid, (last, 0.0))
            silent_s = silent_s + passed if last == before else 0.0
            seen[process.pid] = (last, silent_s)
            if silent_s > SILENT_S:
                log.error("leader.process_silent", pid=process.pid, silent_s=round(silent_s))
                process.kill()
                # It may take a moment to end: do not kill and log it at each look.
                seen[process.pid] = (last, 0.0)
        self._seen = seen

    def _last_beat(self, process_id: int) -> str | None:
        try:
            return (self._folder / f"beat-{process_id}").read_text()
        except OSError:
            return None
