"""`statuspage run`: proxy, web and worker processes as one group.

A process that ends or stops running is restarted.

    load settings and program → prepare the database → proxy, worker and web, each a fork

This process leads. It has loaded the program, so that its forks share that memory and a
killed one is back at once, and it holds the socket of the web processes. What each process
does is in `processes`. `statuspage run web` (or `proxy`, `worker`) starts some of them only.
"""

import contextlib
import errno
import multiprocessing
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import FrameType

from flask import Flask
from granian.server import MPServer

from statuspage import config
from statuspage.cli import liveness, processes
from statuspage.cli.processes import PARTS, PROXY, WEB, WORKER
from statuspage.config import Settings, SettingsError
from statuspage.factory import WEB_SOCKET

MAX_FILES = 8192
EARLY_EXIT_S = 5.0
"""A part that exits with an error this soon after its first start refuses to run."""
RESTART_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Before each restart in a row; the last one repeats."""
STABLE_AFTER_S = 60.0
"""After this long, restarts begin with the first pause again."""

_OLD_NAMES = {"front": PROXY}
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main(names: Sequence[str] | None = None) -> None:
    """Check the settings and the port, then run until told to stop."""
    try:
        settings = config.load()
    except SettingsError as error:
        sys.exit(f"The status page cannot start: {error}")
    arguments = sys.argv[1:] if names is None else names
    parts = [_OLD_NAMES.get(name, name) for name in arguments] or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        sys.exit(f"There is no process “{min(unknown)}”, only {', '.join(PARTS)}.")
    if parts != [WORKER]:
        _refuse_a_taken_port(settings)
        _address_file(settings).write_text(settings.base_url)
    _allow_many_connections()
    # Only this user may enter it, so only we can reach the web process behind the proxy.
    with tempfile.TemporaryDirectory(prefix="statuspage-") as folder:
        _lead(settings, parts, Path(folder))


def _lead(settings: Settings, parts: Sequence[str], folder: Path) -> None:
    leader = _Leader(folder)
    web_socket = folder / "web.sock" if settings.front else None
    os.environ |= {
        processes.LEADER: str(os.getpid()),
        WEB_SOCKET: str(web_socket or ""),
        liveness.FOLDER: str(folder),
    }
    with leader.ending_all():
        if PROXY in parts and web_socket is not None:
            leader.start(PROXY, partial(processes.proxy, settings, web_socket))
        if WEB in parts or WORKER in parts:
            app = processes.load(settings)
            leader.run_once(partial(processes.prepare, app))
            if WORKER in parts:
                worker = partial(processes.worker, app)
                leader.start(WORKER, partial(worker, is_announced=True), again=worker)
            if WEB in parts:
                leader.serve(settings, web_socket, partial(processes.web, app))
        leader.supervise()


class _Restarts:
    """How long a process has run, and how often in a row it did not run for long."""

    def __init__(self) -> None:
        self.failures = 0
        self._started = time.monotonic()

    def started(self) -> None:
        self._started = time.monotonic()

    def uptime_s(self) -> float:
        return time.monotonic() - self._started

    def next_pause_s(self) -> float:
        """Call when it ended: how long to wait before the next start."""
        self.failures = 1 if self.uptime_s() > STABLE_AFTER_S else self.failures + 1
        return RESTART_PAUSES_S[min(self.failures, len(RESTART_PAUSES_S)) - 1]


@dataclass(eq=False)
class _Part:
    """One process of the group, and how to start it again."""

    name: str
    again: Callable[[], None]
    process: ForkProcess
    restarts: _Restarts = field(default_factory=_Restarts)
    restart_at: float | None = None
    """By the monotonic clock: it ended, and is restarted then."""


class _Leader:
    """The processes of the group, each a fork of this one in a session of its own."""

    def __init__(self, folder: Path) -> None:
        self._parts: list[_Part] = []
        self._liveness = liveness.Watch(folder)
        self._process_id = os.getpid()
        self._received_signal = 0
        self._refused = 0
        # Not an Event: a signal handler that sets one while it is waited for would deadlock.
        self._is_leaving = False
        # A thread may fork a part while a signal tells another thread to end them all.
        self._forking = threading.Lock()
        self._handle_signals(self._leave)

    def start(
        self, name: str, part: Callable[[], None], again: Callable[[], None] | None = None
    ) -> None:
        """Fork and run `part` there. `again`: what to run instead after it ended."""
        started = self._fork(name, part, again or part)
        processes.print_start(name, started.process.pid)

    def run_once(self, part: Callable[[], None]) -> None:
        """Run `part` in a process that gives its memory back, and wait for its end.

        Raises `SystemExit` if it refuses to run.
        """
        once = self._fork("start", part, part)
        once.process.join()
        self._parts.remove(once)
        if (code := once.process.exitcode or 0) > 0:
            sys.exit(code)

    def serve(self, settings: Settings, web_socket: Path | None, web: Callable[[], Flask]) -> None:
        """Be the main process of the web server until told to stop."""
        threading.Thread(target=self._supervise_in_thread, daemon=True).start()
        restarts = _Restarts()
        while True:
            restarts.started()
            self._serve(processes.web_server(settings, web_socket), web)
            # The server gave up: a web process that it restarted ended at once.
            time.sleep(restarts.next_pause_s())

    def _serve(self, server: MPServer, web: Callable[[], Flask]) -> None:
        def leave(number: int, _frame: FrameType | None) -> None:
            # The first counts: a part that ends because of it makes us handle another.
            self._received_signal = self._received_signal or number
            self.ask_to_end()
            server.signal_handler_interrupt()  # type: ignore[no-untyped-call]

        # The server installs its own signal handlers at start; ours go on top.
        server.on_startup(lambda: self._handle_signals(leave))
        with contextlib.suppress(SystemExit):
            server.serve(target_loader=web, wrap_loader=False)
        self._handle_signals(self._leave)
        if self._received_signal or server.interrupt_signal:
            sys.exit(self._refused or 128 + (self._received_signal or signal.SIGTERM))

    def supervise(self) -> None:
        """Restart what ends, until told to stop.

        Raises `SystemExit` when a part refuses to run: restarting would not help.
        """
        while not self._is_leaving:
            alive = [part.process.sentinel for part in self._parts if part.restart_at is None]
            # With a timeout: a signal just before the wait would be noticed only after it.
            wait(alive, timeout=1.0 if len(alive) == len(self._parts) else 0.1)
            self._liveness.kill_the_silent()
            for part in self._parts:
                if part.restart_at is None and not part.process.is_alive():
                    self._exit_if_refused(part)
                    part.restart_at = time.monotonic() + part.restarts.next_pause_s()
                if part.restart_at is not None and time.monotonic() >= part.restart_at:
                    # Without memory for a fork now, try again later.
                    part.restart_at = time.monotonic() + RESTART_PAUSES_S[-1]
                    with contextlib.suppress(OSError):
                        self._restart(part)

    def _exit_if_refused(self, part: _Part) -> None:
        code = part.process.exitcode or 0
        if code > 0 and not part.restarts.failures and part.restarts.uptime_s() < EARLY_EXIT_S:
            sys.exit(code)

    def _restart(self, part: _Part) -> None:
        with self._forking, _signals_blocked():
            if self._is_leaving:
                return
            exit_code = part.process.exitcode
            part.process = _forked(part.name, part.again)
            part.restart_at = None
        part.restarts.started()
        processes.print_start(part.name, part.process.pid, previous_exit_code=exit_code)

    def _supervise_in_thread(self) -> None:
        try:
            self.supervise()
        except SystemExit as error:
            self._refused = int(error.code or 1)
            os.kill(self._process_id, signal.SIGTERM)

    def ask_to_end(self) -> None:
        """Send SIGTERM to each, once: a second one would make the worker drop its job."""
        # A new fork may hold our handlers for a moment.
        if os.getpid() != self._process_id or self._is_leaving:
            return
        self._is_leaving = True
        with self._forking:
            for part in self._parts:
                part.process.terminate()

    @contextlib.contextmanager
    def ending_all(self) -> Iterator[None]:
        """Leave no process behind, whatever ends the block."""
        try:
            yield
        finally:
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            deadline = time.monotonic() + processes.STOP_TIMEOUT_S
            self.ask_to_end()
            for part in self._parts:
                part.process.join(max(deadline - time.monotonic(), 0))
                if part.process.is_alive():
                    part.process.kill()
                    part.process.join()

    def _handle_signals(self, handler: Callable[[int, FrameType | None], object]) -> None:
        for number in _SIGNALS:
            signal.signal(number, handler)

    def _leave(self, number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    def _fork(self, name: str, part: Callable[[], None], again: Callable[[], None]) -> _Part:
        with self._forking, _signals_blocked():
            forked = _Part(name, again, _forked(name, part))
            self._parts.append(forked)
        return forked


def _forked(name: str, part: Callable[[], None]) -> ForkProcess:
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_run_part, args=(part,), name=name)
    process.start()
    return process


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """A signal must find a process either not there yet or in the list that is ended."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run_part(part: Callable[[], None]) -> None:
    """In the fork: leave the terminal's Ctrl-C to the leader, then run."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    part()


def last_address(settings: Settings) -> str | None:
    """Where the page with this data folder was last started; None before the first start."""
    try:
        return _address_file(settings).read_text().strip() or None
    except OSError:
        return None


def _address_file(settings: Settings) -> Path:
    return settings.data_dir / "address"


def _refuse_a_taken_port(settings: Settings) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        family, address = processes.address_of(settings)
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        is_of_the_port = error.errno in (errno.EADDRINUSE, errno.EACCES)
        advice = (
            "Choose another port with PORT=…"
            if is_of_the_port
            else "Set HOST to an address of this machine."
        )
        sys.exit(
            f"The status page cannot start: {host}:{settings.port} is not available"
            f" ({error.strerror}). {advice}"
        )


def _allow_many_connections() -> None:
    """Raise the limit of open files: each waiting reader holds one."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = MAX_FILES if hard_limit == resource.RLIM_INFINITY else min(hard_limit, MAX_FILES)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard_limit))
