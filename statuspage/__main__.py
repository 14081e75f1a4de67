"""`python -m statuspage`: web and worker as one group; when one ends, all end.

Becomes honcho, which reads the Procfile. The parts prepare the database themselves.
"""

import contextlib
import os
import resource
import socket
import sys
from pathlib import Path

from statuspage import config, group
from statuspage.config import PROJECT, Settings, SettingsError

MAX_FILES = 8192


def main() -> None:
    """Judge the settings and the port, then hand over."""
    try:
        settings = config.load()
    except SettingsError as error:
        sys.exit(f"The status page can not start: {error}")
    _refuse_a_taken_port(settings)
    _allow_many_connections()
    python = Path(sys.executable)
    honcho = [str(python), "-m", "honcho", "-d", str(PROJECT), "-f", str(PROJECT / "Procfile")]
    os.execve(  # noqa: S606
        python,
        [*honcho, "-e", os.devnull, "--no-prefix", "start", "-p", str(settings.port)],
        os.environ
        | {
            "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "HOST": settings.host,
            # honcho gives each process a PORT of its own; the address has only one.
            "STATUSPAGE_BASE_URL": settings.base_url,
            "STATUSPAGE_WEB_PROCESSES": str(settings.web_processes),
            # Given as relative paths, these would be looked for beside the Procfile.
            "STATUSPAGE_DATA_DIR": str(settings.data_dir),
            "STATUSPAGE_DATABASE_URL": settings.database_url,
            "STATUSPAGE_ANNOUNCE": "1",
            # honcho takes this process over and keeps its id.
            group.LEADER: str(os.getpid()),
            "PYTHONUNBUFFERED": "1",
        },
    )


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
