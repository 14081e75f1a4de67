"""No process of a start outlives its leader, even when that is killed outright.

The leader (`__main__`) starts the others again and tells them to end. Nobody would when the
leader itself is killed, so each looks after it.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

LEADER = "STATUSPAGE_GROUP"
"""In the environment: process id of who leads the group, if there is one."""

SOCKET = "STATUSPAGE_SOCKET"
"""In the environment: where the web process listens, if a front stands before it."""

_LOOK_S = 1.0
_GRACE_S = 5.0
_NICENESS = 10


def end_with_the_others() -> None:
    """Let this process end within a second or so of its server's parent or its leader."""
    parent = multiprocessing.parent_process()
    leader = int(os.environ.get(LEADER) or 0)
    if parent is not None or leader:
        threading.Thread(target=_watch, args=(parent, leader), daemon=True).start()


def let_readers_go_first() -> None:
    """Where a front answers readers, this process takes the processor after it.

    Linux weighs whole sessions where it groups them, and each process of the group
    leads one; elsewhere the niceness of the process itself counts.
    """
    if os.environ.get(SOCKET):
        os.nice(_NICENESS)
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(_NICENESS))


def _watch(parent: multiprocessing.process.BaseProcess | None, leader: int) -> None:
    while (parent is None or parent.is_alive()) and (not leader or _exists(leader)):
        time.sleep(_LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os._exit(1)


def _exists(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
