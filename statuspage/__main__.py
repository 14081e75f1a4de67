"""`python -m statuspage`: front, web and worker as one group; when one ends, all end.

`python -m statuspage front web` starts these alone, on a machine that has only readers to
serve; `python -m statuspage worker` the others.

The group is honcho's, and what it runs is in the Procfile. This process reads the
settings and looks after the group; the parts prepare the database themselves.
"""

import contextlib
import os
import resource
import socket
import sys
import tempfile
from pathlib import Path

from honcho.environ import Procfile, parse_procfile
from honcho.manager import Manager
from honcho.printer import Message, Printer

from statuspage import config, group
from statuspage.config import PROJECT, Settings, SettingsError

MAX_FILES = 8192
FRONT, WEB, WORKER = "front", "web", "worker"


def main() -> None:
    """Judge the settings and the port, then run until something ends."""
    try:
        settings = config.load()
    except SettingsError as error:
        sys.exit(f"The status page can not start: {error}")
    procfile: Procfile = parse_procfile((PROJECT / "Procfile").read_text())
    wanted = sys.argv[1:] or list(procfile.processes)
    if unknown := set(wanted) - set(procfile.processes):
        sys.exit(f"There is no {min(unknown)} to start, only {', '.join(procfile.processes)}.")
    if wanted != [WORKER]:
        _refuse_a_taken_port(settings)
    _allow_many_connections()
    manager = _Group(_Patient(prefix=False))
    # Only we may enter it, so only we can speak to the web process behind the front.
    with tempfile.TemporaryDirectory(prefix="statuspage-") as folder:
        for name, command in procfile.processes.items():
            if name in wanted and (name != FRONT or settings.front):
                environment = _environment(settings, name, Path(folder))
                manager.add_process(name, command, env=environment, cwd=str(PROJECT))
        manager.loop()
    sys.exit(manager.returncode)


class _Group(Manager):  # type: ignore[misc]
    """Can be stopped at any moment, also before each process has told its id.

    honcho's own `terminate` fails then and leaves behind what it has started.
    """

    _is_asked = False

    def terminate(self) -> None:
        self._is_asked = True
        self._all_started()

    def _all_started(self) -> bool:
        # The loop asks this after each message; one of them completes the ids.
        is_complete: bool = super()._all_started()
        if is_complete and self._is_asked:
            super().terminate()
        return is_complete


class _Patient(Printer):  # type: ignore[misc]
    """Passes on what the processes say; whoever listened may be gone before they are."""

    def write(self, message: Message) -> None:
        with contextlib.suppress(BrokenPipeError):
            super().write(message)


def _environment(settings: Settings, process: str, folder: Path) -> dict[str, str]:
    bin_folder = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}",
        "HOST": settings.host,
        "PORT": str(settings.port),
        "STATUSPAGE_WEB_PROCESSES": str(settings.web_processes),
        # Given as relative paths, these would be looked for beside the Procfile.
        "STATUSPAGE_DATA_DIR": str(settings.data_dir),
        "STATUSPAGE_DATABASE_URL": settings.database_url,
        "STATUSPAGE_ANNOUNCE": "1",
        group.LEADER: str(os.getpid()),
        # One heap a process: with one for each thread the web process holds 16 MB more.
        "MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX", "1"),
        "PYTHONUNBUFFERED": "1",
        "STATUSPAGE_LOG_FORMAT": settings.log_format,
        group.SOCKET: str(folder / "web.sock") if settings.front else "",
    }
    if process == WEB and settings.front:
        # The front is one more proxy before it.
        environment["STATUSPAGE_PROXY_HOPS"] = str(settings.proxy_hops + 1)
    return environment


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
