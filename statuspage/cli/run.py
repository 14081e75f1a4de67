"""`python -m statuspage`: front, web and worker as one group; one that ends is started again.

`python -m statuspage front web` starts these alone, on a machine that has only readers to
serve; `python -m statuspage worker` the others.

    settings → front, at once → load the program → prepare the database → web, worker
                                beside it, the first time: make the database

This process leads: it loads what web and worker have in common and forks them, so that
they share that memory, and it holds the socket of the web processes. What each of them
does is in `parts`. A killed worker or web process takes no reader's page away: its
successor is a fork of what is loaded already.
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
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from statuspage import config
from statuspage.cli import process_group, processes
from statuspage.cli.processes import FRONT, PARTS, WEB, WORKER
from statuspage.config import Settings, SettingsError

if TYPE_CHECKING:
    from flask import Flask
    from granian.server import MPServer

MAX_FILES = 8192
START_S = 5.0
"""A part that refuses to run within so long of its first start will not do so later."""
PAUSES_S = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Before a part is started again, the last one for ever after."""
GOOD_S = 60.0
"""Who lived so long begins with the first pause again."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_M_ARENA_MAX, _M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -8, -3, -1


def main() -> None:
    """Judge the settings and the port, then run until told to end."""
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
        os.environ |= {process_group.LEADER: str(os.getpid()), process_group.SOCKET: str(at or "")}
        if FRONT in wanted and at is not None:
            leader.start(FRONT, partial(processes.front, settings, at))
        if WEB in wanted or WORKER in wanted:
            with leader.beside(partial(processes.prepare_first, settings)):
                app = _loaded_to_be_shared(settings)
            with leader.beside(partial(processes.prepare, app)):
                pass
            if WORKER in wanted:
                worker = partial(processes.worker, app)
                leader.start(WORKER, partial(worker, is_announced=True), again=worker)
            if WEB in wanted:
                leader.serve(settings, at, partial(processes.web, app))
        leader.keep()


class _Life:
    """How long something has run, and how often in a row it did not run for long."""

    def __init__(self) -> None:
        self.failures = 0
        self._began = time.monotonic()

    def begin(self) -> None:
        self._began = time.monotonic()

    def length_s(self) -> float:
        return time.monotonic() - self._began

    def pause_s(self) -> float:
        """It ended: how long to wait before it begins again."""
        self.failures = 1 if self.length_s() > GOOD_S else self.failures + 1
        return PAUSES_S[min(self.failures, len(PAUSES_S)) - 1]


@dataclass(eq=False)
class _Part:
    """One process of the group, and how to make it again."""

    name: str
    again: Callable[[], None]
    """What its successor does."""
    process: ForkProcess
    life: _Life = field(default_factory=_Life)
    again_at: float | None = None
    """By the monotonic clock: it ended, and is to be started again then."""


class _Leader:
    """The processes of the group, each a fork of this one, in a session of its own."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._process_id = os.getpid()
        self._asked = 0
        self._refused = 0
        # No event: a signal handler that sets one while it is waited for would wait for ever.
        self._is_leaving = False
        # A thread may fork a part while a signal tells another to end them all.
        self._forking = threading.Lock()
        self._take_signals(self._leave)

    def start(
        self, name: str, part: Callable[[], None], again: Callable[[], None] | None = None
    ) -> None:
        """Fork, do `part` there, and go on here. `again`: what to do instead after it ended."""
        started = self._fork(name, part, again or part)
        processes.tell_start(name, started.process.pid)

    @contextlib.contextmanager
    def beside(self, part: Callable[[], None]) -> Iterator[None]:
        """Do `part` beside the block, in a process that gives its memory back; wait for its end."""
        once = self._fork("start", part, part)
        yield
        once.process.join()
        self._parts.remove(once)

    def serve(self, settings: Settings, at: Path | None, web: "Callable[[], Flask]") -> None:
        """Be the main process of the web server, at `at` behind the front, until told to end."""
        threading.Thread(target=self._keep_beside, daemon=True).start()
        life = _Life()
        while True:
            life.begin()
            self._serve(processes.web_server(settings, at), web)
            # It gave up: a web process that was started again ended at once.
            time.sleep(life.pause_s())

    def _serve(self, server: "MPServer", web: "Callable[[], Flask]") -> None:
        def leave(number: int, _frame: FrameType | None) -> None:
            # The first counts: what ends on our word makes us ask again.
            self._asked = self._asked or number
            self.ask_to_end()
            server.signal_handler_interrupt()  # type: ignore[no-untyped-call]

        # From here on it has signals to itself, and gives them back.
        server.on_startup(lambda: self._take_signals(leave))
        with contextlib.suppress(SystemExit):
            server.serve(target_loader=web, wrap_loader=False)
        self._take_signals(self._leave)
        if self._asked or server.interrupt_signal:
            sys.exit(self._refused or 128 + (self._asked or signal.SIGTERM))

    def keep(self) -> None:
        """Start again what ends, until told to end.

        Raises `SystemExit` when a part refuses to run: its settings are wrong, not its luck.
        """
        while not self._is_leaving:
            alive = [part.process.sentinel for part in self._parts if part.again_at is None]
            # Not for ever: a signal that comes just before the wait would be noticed after it.
            wait(alive, timeout=1.0 if len(alive) == len(self._parts) else 0.1)
            for part in self._parts:
                if part.again_at is None and not part.process.is_alive():
                    self._refuse_what_never_ran(part)
                    part.again_at = time.monotonic() + part.life.pause_s()
                if part.again_at is not None and time.monotonic() >= part.again_at:
                    # A machine without memory has some later.
                    part.again_at = time.monotonic() + PAUSES_S[-1]
                    with contextlib.suppress(OSError):
                        self._start_again(part)

    def _refuse_what_never_ran(self, part: _Part) -> None:
        code = part.process.exitcode or 0
        if code > 0 and not part.life.failures and part.life.length_s() < START_S:
            sys.exit(code)

    def _start_again(self, part: _Part) -> None:
        with self._forking, _signals_later():
            if self._is_leaving:
                return
            ended_with = part.process.exitcode
            part.process = _forked(part.name, part.again)
            part.again_at = None
        part.life.begin()
        processes.tell_start(part.name, part.process.pid, ended_with=ended_with)

    def _keep_beside(self) -> None:
        try:
            self.keep()
        except SystemExit as error:
            self._refused = int(error.code or 1)
            os.kill(self._process_id, signal.SIGTERM)

    def ask_to_end(self) -> None:
        """Tell all of them, once: told again, the worker would drop what it is finishing."""
        # A fork of ours may hold our handlers for a moment.
        if os.getpid() != self._process_id or self._is_leaving:
            return
        self._is_leaving = True
        with self._forking:
            for part in self._parts:
                part.process.terminate()

    @contextlib.contextmanager
    def ending_all(self) -> Iterator[None]:
        """At the end of the block, whatever ends it, no process is left."""
        try:
            yield
        finally:
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            deadline = time.monotonic() + processes.GRACE_S
            self.ask_to_end()
            for part in self._parts:
                part.process.join(max(deadline - time.monotonic(), 0))
                if part.process.is_alive():
                    part.process.kill()
                    part.process.join()

    def _take_signals(self, handler: Callable[[int, FrameType | None], object]) -> None:
        for number in _SIGNALS:
            signal.signal(number, handler)

    def _leave(self, number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    def _fork(self, name: str, part: Callable[[], None], again: Callable[[], None]) -> _Part:
        with self._forking, _signals_later():
            forked = _Part(name, again, _forked(name, part))
            self._parts.append(forked)
        return forked


def _forked(name: str, part: Callable[[], None]) -> ForkProcess:
    process = multiprocessing.get_context("fork").Process(target=_be, args=(part,), name=name)
    process.start()
    return process


@contextlib.contextmanager
def _signals_later() -> Iterator[None]:
    """A signal must find a process either not there yet or among those that are told to end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _be(part: Callable[[], None]) -> None:
    """What a fork does first: it leaves the terminal's Ctrl-C to the leader."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    part()


def _loaded_to_be_shared(settings: Settings) -> "Flask":
    """The application; what is there stays where it is, and is not copied to be looked at."""
    # Next to nothing of what is loaded is garbage: to look for it takes an eighth of the time.
    usual = gc.get_threshold()
    gc.set_threshold(20_000, 50, 100)
    app = processes.load(settings)
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
