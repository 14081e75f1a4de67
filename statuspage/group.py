"""All processes of one start end together, even when one of them is killed outright.

honcho ends the others when one it started ends. It can not know of a server's own
children, and nobody would end anything when honcho itself is killed.
"""

import multiprocessing
import os
import signal
import threading
import time

LEADER = "STATUSPAGE_GROUP"
"""In the environment: process id of the honcho that leads the group, if there is one."""

_LOOK_S = 1.0
_GRACE_S = 5.0


def end_with_the_others() -> None:
    """Let this process end within a second or so of its server's parent or its leader."""
    parent = multiprocessing.parent_process()
    leader = int(os.environ.get(LEADER) or 0)
    if parent is not None or leader:
        threading.Thread(target=_watch, args=(parent, leader), daemon=True).start()


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
