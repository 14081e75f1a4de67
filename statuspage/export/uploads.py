"""One uploader per target, so that a target that hangs or fails holds up no other.

A failure is retried with a growing pause, logged once (and again when it works), and
recorded for `flask check` and `flask mirror --status`.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import structlog

from statuspage import clock
from statuspage.export.owner import refuse_foreign_copy
from statuspage.export.staging import StagingFolder
from statuspage.export.targets import Target, TargetError

log = structlog.get_logger(__name__)

FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 300.0
STATES_FILE = "targets.json"


@dataclass(frozen=True)
class TargetState:
    """Times as in ISO 8601, UTC; None: never."""

    name: str
    made_at: str | None = None
    """When the export that it holds was made."""
    failing_since: str | None = None
    error: str | None = None


class TargetStates:
    """The states of all targets, in a file for other processes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / STATES_FILE
        self._lock = threading.Lock()
        self._all: dict[str, TargetState] = {}

    def note(self, state: TargetState) -> None:
        with self._lock:
            self._all[state.name] = state
            draft = self._path.with_suffix(".draft")
            try:
                draft.write_text(json.dumps([asdict(state) for state in self._all.values()]))
                draft.replace(self._path)
            except OSError as error:
                log.warning("export.status_write_failed", reason=str(error))


def target_states(folder: Path) -> list[TargetState]:
    """The states of the targets of the export in `folder`; empty if there is none."""
    try:
        return [TargetState(**fields) for fields in json.loads((folder / STATES_FILE).read_text())]
    except (OSError, TypeError, ValueError):
        return []


class Uploader:
    """Publishes a staging folder to one target, in a thread of its own, when woken."""

    def __init__(
        self,
        target: Target,
        stage: StagingFolder,
        states: TargetStates,
        now: Callable[[], datetime],
    ) -> None:
        self.target = target
        self._stage = stage
        self._states = states
        self._now = now
        self._state = TargetState(target.name)
        self._sent: int | None = None
        """The content version that the target has."""
        self._sent_at: datetime | None = None
        self._has_begun = False
        """The target was given something, if only the current pages."""
        self._pause_s = FIRST_PAUSE_S
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"mirror {target.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def wake(self) -> None:
        self._wake.set()

    def deliver(self) -> bool:
        """Publish what is staged. False if that failed; never raises."""
        manifest, content_version, at = (
            self._stage.manifest,
            self._stage.content_version,
            self._now(),
        )
        if content_version == self._sent and not clock.is_due(self._sent_at, self.target.every, at):
            return True
        try:
            if not (manifest.is_whole or self._has_begun or self.target.is_empty()):
                return True  # It keeps its complete older export until this one is complete.
            refuse_foreign_copy(self.target, self._stage)
            self._has_begun = True
            self.target.publish(self._stage)
        except Exception as error:
            self._record_failure(error)
            return False
        if self._state.error is not None:
            log.warning("export.target_recovered", target=self.target.name)
        self._sent, self._sent_at = content_version, at
        self._state = TargetState(self.target.name, made_at=manifest.made_at)
        self._states.note(self._state)
        return True

    def _run(self) -> None:
        while True:
            self._wake.wait()
            if self._stopping.is_set():
                return
            self._wake.clear()
            if self.deliver():
                self._pause_s = FIRST_PAUSE_S
                continue
            # A change does not shorten the pause: the next try publishes the newest state.
            self._stopping.wait(self._pause_s)
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
            self._wake.set()

    def _record_failure(self, error: Exception) -> None:
        is_known = isinstance(error, TargetError)
        reason = str(error) if is_known else f"{type(error).__name__}: {error}"
        if self._state.error is None:
            log.error(
                "export.target_failed",
                target=self.target.name,
                reason=reason,
                exc_info=not is_known,
            )
        self._state = replace(
            self._state,
            error=reason,
            failing_since=self._state.failing_since or f"{self._now():%Y-%m-%dT%H:%M:%SZ}",
        )
        self._states.note(self._state)
