"""`python -m statuspage`: front, web and worker as one group; when one ends, all end.

`python -m statuspage front web` starts these alone, on a machine that has only readers to
serve; `python -m statuspage worker` the others.

    settings → front, at once → load the program → prepare the database → web, worker

This process leads: it loads what web and worker have in common and forks them, so that
they share that memory, and it holds the socket of the web processes. What each of them
does is in `parts`.
"""

import contextlib
import gc
import multiprocessing
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from ctypes import CDLL
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from statuspage import config, group, parts
from statuspage.config import Settings, SettingsError
from statuspage.parts import FRONT, PARTS, WEB, WORKER

if TYPE_CHECKING:
    from flask import Flask
    from granian.server import MPServer

MAX_FILES = 8192

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_M_ARENA_MAX, _M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -8, -3, -1


def main() -> None:
    """Judge the settings and the port, then run until something ends."""
    try:
        settings = config.load()
    except SettingsError as error:
        sys.exit(f"The status page can not start: {error}")
    wanted = sys.argv[1:] or list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        sys.exit(f"There is no {min(unknown)} to start, only {', '.join(PARTS)}.")
    if wanted != [WORKER]:
        _refuse_a_taken_port(settings)
    _allow_many_connections()
    _keep_the_heap_small()
    leader = _Leader()
    # Only we may enter it, so only we can speak to the web process behind the front.
    with tempfile.TemporaryDirectory(prefix="statuspage-") as folder, leader.ending_all():
        at = Path(folder) / "web.sock" if settings.front else None
        os.environ |= {group.LEADER: str(os.getpid()), group.SOCKET: str(at or "")}
        if FRONT in wanted and at is not None:
            leader.start(FRONT, parts.front, settings, at)
        if WEB in wanted or WORKER in wanted:
            app = _loaded_to_be_shared(settings)
            leader.run(parts.prepare, app)
            if WORKER in wanted:
                leader.start(WORKER, partial(parts.worker, app, is_announced=True))
            if WEB in wanted:
                leader.serve(parts.web_server(settings, at), partial(parts.web, app))
        leader.wait_for_an_end()


class _Leader:
    """The processes of the group, each a fork of this one, in a session of its own."""

    def __init__(self) -> None:
        self._running: list[ForkProcess] = []
        self._process_id = os.getpid()
        self._asked = 0
        self._has_asked = False
        self._take_signals(self._leave)

    def start(self, name: str, part: Callable[..., None], *arguments: object) -> None:
        """Fork, do `part` there, and go on here."""
        process = self._fork(name, part, *arguments)
        parts.tell_start(name, process.pid)

    def run(self, part: Callable[..., None], *arguments: object) -> None:
        """Do `part` in a process that gives its memory back, and wait for its end."""
        process = self._fork(part.__name__, part, *arguments)
        process.join()
        self._running.remove(process)

    def serve(self, server: "MPServer", web: "Callable[[], Flask]") -> None:
        """Be the main process of the web server, until that or one of ours ends."""

        def leave(number: int, _frame: FrameType | None) -> None:
            # The first counts: what ends on our word makes us ask again.
            self._asked = self._asked or number
            self.ask_to_end()
            server.signal_handler_interrupt()  # type: ignore[no-untyped-call]

        # From here on it has signals to itself, and gives them back.
        server.on_startup(lambda: self._take_signals(leave))
        threading.Thread(target=self._leave_with_the_first, daemon=True).start()
        server.serve(target_loader=web, wrap_loader=False)
        sys.exit(128 + self._asked)

    def wait_for_an_end(self) -> None:
        """Wait until one of them ends, and exit as it did, but never as if all were well."""
        # Not for ever: a signal that comes just before the wait would be noticed after it only.
        while not wait([process.sentinel for process in self._running], timeout=1.0):
            pass
        ended = next(process for process in self._running if not process.is_alive())
        code = ended.exitcode or 1
        sys.exit(code if code > 0 else 128 - code)

    def ask_to_end(self) -> None:
        """Tell all of them, once: told again, the worker would drop what it is finishing."""
        # A fork of ours may hold our handlers for a moment.
        if os.getpid() == self._process_id and not self._has_asked:
            self._has_asked = True
            for process in self._running:
                process.terminate()

    @contextlib.contextmanager
    def ending_all(self) -> Iterator[None]:
        """At the end of the block, whatever ends it, no process is left."""
        try:
            yield
        finally:
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            deadline = time.monotonic() + parts.GRACE_S
            self.ask_to_end()
            for process in self._running:
                process.join(max(deadline - time.monotonic(), 0))
                if process.is_alive():
                    process.kill()
                    process.join()

    def _leave_with_the_first(self) -> None:
        wait([process.sentinel for process in self._running])
        os.kill(self._process_id, signal.SIGTERM)

    def _take_signals(self, handler: Callable[[int, FrameType | None], object]) -> None:
        for number in _SIGNALS:
            signal.signal(number, handler)

    def _leave(self, number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    def _fork(self, name: str, part: Callable[..., None], *arguments: object) -> ForkProcess:
        process = multiprocessing.get_context("fork").Process(
            target=_be, args=(part, *arguments), name=name
        )
        # A signal must find it either not there yet or among those that are running.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            process.start()
            self._running.append(process)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return process


def _be(part: Callable[..., None], *arguments: object) -> None:
    """What a fork does first: it leaves the terminal's Ctrl-C to the leader."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    part(*arguments)


def _loaded_to_be_shared(settings: Settings) -> "Flask":
    """The application; what is there stays where it is, and is not copied to be looked at."""
    # Next to nothing of what is loaded is garbage: to look for it takes an eighth of the time.
    usual = gc.get_threshold()
    gc.set_threshold(20_000, 50, 100)
    app = parts.load(settings)
    gc.set_threshold(*usual)
    gc.freeze()
    with contextlib.suppress(OSError, AttributeError):
        CDLL(None).malloc_trim(0)
    return app


def _keep_the_heap_small() -> None:
    """Two rules for the memory allocator of glibc, mallopt(3); others have none of the kind.

    With a heap for each thread the web process held 16 MB more; and with thresholds that
    grow by themselves it kept the 13 MB that a compressor needs for a moment.
    """
    with contextlib.suppress(OSError, AttributeError):
        change = CDLL(None).mallopt
        change(_M_ARENA_MAX, 1)
        change(_M_MMAP_THRESHOLD, 128 * 1024)
        change(_M_TRIM_THRESHOLD, 128 * 1024)


def _refuse_a_taken_port(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            sys.exit(
                f"The status page can not start: {settings.host}:{settings.port} can not be used"
                f" ({error.strerror}). Choose another port with PORT=…"
            )


def _allow_many_connections() -> None:
    """As many open files as the machine grants: each waiting reader holds one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if most == resource.RLIM_INFINITY else min(most, MAX_FILES)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


if __name__ == "__main__":
    main()
