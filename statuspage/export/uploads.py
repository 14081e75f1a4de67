"""Couriers: one for each target, so that one that hangs or fails holds up no other.

What fails is tried again with a growing pause, told in the log once and again when it
works, and written down for whoever looks after the page.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import structlog

from statuspage import clock
from statuspage.export.owner import refuse_anothers
from statuspage.export.staging import Stage
from statuspage.export.targets import Target, TargetError

log = structlog.get_logger(__name__)

FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 300.0
STANDINGS = "targets.json"


@dataclass(frozen=True)
class Standing:
    """How a target fares. Times as in ISO 8601, UTC; None: never."""

    name: str
    made_at: str | None = None
    """When the copy that it holds was made."""
    failing_since: str | None = None
    error: str | None = None


class Standings:
    """The standings of all targets, kept in a file for other processes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / STANDINGS
        self._lock = threading.Lock()
        self._all: dict[str, Standing] = {}

    def note(self, standing: Standing) -> None:
        with self._lock:
            self._all[standing.name] = standing
            draft = self._path.with_suffix(".draft")
            try:
                draft.write_text(json.dumps([asdict(one) for one in self._all.values()]))
                draft.replace(self._path)
            except OSError as error:
                log.warning("export.status_write_failed", reason=str(error))


def standings(folder: Path) -> list[Standing]:
    """How the targets of the mirror in `folder` fare; nothing where there is none."""
    try:
        return [Standing(**one) for one in json.loads((folder / STANDINGS).read_text())]
    except (OSError, TypeError, ValueError):
        return []


class Courier:
    """Brings a stage to one target, in a thread of its own, whenever it is woken."""

    def __init__(
        self, target: Target, stage: Stage, standings: Standings, now: Callable[[], datetime]
    ) -> None:
        self.target = target
        self._stage = stage
        self._standings = standings
        self._now = now
        self._standing = Standing(target.name)
        self._sent: int | None = None
        """The news of the stage that it has, whatever its age."""
        self._sent_at: datetime | None = None
        self._has_begun = False
        """It was brought something, if only the present."""
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
        """Bring what there is. False where the target did not take it; never raises."""
        manifest, news, at = self._stage.manifest, self._stage.news, self._now()
        if news == self._sent and not clock.is_due(self._sent_at, self.target.every, at):
            return True
        try:
            if not (manifest.is_whole or self._has_begun or self.target.is_empty()):
                return True  # It has a whole mirror of before, and keeps it until this one is.
            refuse_anothers(self.target, self._stage)
            self._has_begun = True
            self.target.publish(self._stage)
        except Exception as error:
            self._tell_failure(error)
            return False
        if self._standing.error is not None:
            log.warning("export.target_recovered", target=self.target.name)
        self._sent, self._sent_at = news, at
        self._standing = Standing(self.target.name, made_at=manifest.made_at)
        self._standings.note(self._standing)
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
            # News do not shorten the pause: the newest state is what the next try brings.
            self._stopping.wait(self._pause_s)
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
            self._wake.set()

    def _tell_failure(self, error: Exception) -> None:
        is_known = isinstance(error, TargetError)
        words = str(error) if is_known else f"{type(error).__name__}: {error}"
        if self._standing.error is None:
            log.error(
                "export.target_failed",
                target=self.target.name,
                reason=words,
                exc_info=not is_known,
            )
        self._standing = replace(
            self._standing,
            error=words,
            failing_since=self._standing.failing_since or f"{self._now():%Y-%m-%dT%H:%M:%SZ}",
        )
        self._standings.note(self._standing)
