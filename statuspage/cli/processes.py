"""What the processes of a group do: `proxy`, `web` and `worker`.

Each runs in a fork of the leader (`run`), after `load` and `prepare`. If the leader is
killed outright, each notices within a second or so and ends.
"""

import contextlib
import multiprocessing
import os
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import click
import structlog
import uvloop
from flask import Flask
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import MPServer
from sqlalchemy import orm
from sqlalchemy.exc import OperationalError

from statuspage import clock
from statuspage.cli import liveness
from statuspage.config import Settings, SettingsError
from statuspage.db import integrity, migrate
from statuspage.demo import first_start
from statuspage.export import runner
from statuspage.factory import WEB_SOCKET, create_app
from statuspage.notify import worker as notify_worker
from statuspage.observability import error_reporting, logging, metrics
from statuspage.proxy.config import Counters, ProxyConfig
from statuspage.proxy.http import Paths
from statuspage.proxy.limits import Lifetimes
from statuspage.proxy.server import Proxy
from statuspage.serving import cache, response
from statuspage.serving.error_page import error_page
from statuspage.web import headers

PROXY, WEB, WORKER = PARTS = ("proxy", "web", "worker")

LEADER = "STATUSPAGE_GROUP"
"""In the environment: the process id of the leader, if there is one."""

PATHS = Paths(
    probe=b"/healthz",
    health=frozenset({b"/healthz", b"/readyz", b"/beacon.json"}),
    json=(b"/v1/", b"/api/"),
)
WEB_THREADS = 4
BACKLOG = 2048
MAX_CONNECTIONS = 4096
"""Includes kept-alive ones: with the server's default, sixteen idle browsers stop the page."""
HEADER_TIMEOUT_MS = 10_000
STOP_TIMEOUT_S = 12
"""How long a process that is told to stop may take: the worker finishes what it sends."""
DATABASE_RETRY_S = 5.0
EXIT_GRACE_S = 5.0
NICENESS_BEHIND_PROXY = 10
"""While staff and forms keep the web process busy, readers get 0.8 to 0.9 of their rate with
it and 0.5 without (docs/serving.md)."""

log = structlog.get_logger(__name__)


def print_start(
    name: str, process_id: int | None, *, previous_exit_code: int | None = None
) -> None:
    """Print the process id, and the exit code of the process before it (minus the signal that
    killed it)."""
    before = "" if previous_exit_code is None else f", exit code before: {previous_exit_code}"
    # The reader of our output may be gone.
    with contextlib.suppress(OSError):
        # In one write: other processes print here, too.
        print(f"{name} started (pid={process_id}){before}\n", end="", flush=True)


def load(settings: Settings) -> Flask:
    """The application that web and worker share; it has no connection and no thread yet."""
    hops = settings.proxy_hops + (1 if settings.front else 0)
    app = create_app(settings.model_copy(update={"proxy_hops": hops}))
    orm.configure_mappers()
    app.url_map.update()
    return app


def prepare(app: Flask) -> None:
    """Migrate and fill the database where that is needed.

    An unavailable database does not stop the start: readers get the last good copies. A wrong
    setting that only the database can tell ends the process with a sentence.
    """
    integrity.check_at_start(app)
    try:
        migrate.bring_up_to_date(app)
        first_start.fill(app, at=clock.now())
    except OperationalError as error:
        log.error("start.database_unavailable", reason=_first_line(error))
    except SettingsError as error:
        sys.exit(f"The status page cannot start: {error}")


def proxy(settings: Settings, web_socket: Path) -> None:
    """Answer readers from memory; forward the rest to the web process at `web_socket`."""
    logging.configure(settings.log_format)
    error_reporting.begin(settings, PROXY)
    _end_with_leader()
    # The name of the label value in dashboards.
    metrics.share(settings.data_dir / "counters", "front")

    async def serve() -> None:
        server = Proxy(proxy_config(settings, web_socket))
        metrics.SERVED_AGE_SECONDS.set_function(server.served_age)
        await server.serve(settings.host, settings.port)

    try:
        uvloop.run(serve())
    except OSError as error:
        sys.exit(f"The status page cannot listen: {error}")


def proxy_config(settings: Settings, web_socket: Path) -> ProxyConfig:
    """What the proxy is given, as it knows HTTP only."""
    hsts = (b"strict-transport-security", b"max-age=31536000")
    requests, passed_on = metrics.PAGE_REQUESTS.labels, metrics.PASSED_ON.labels
    return ProxyConfig(
        web_socket=web_socket,
        threads=WEB_THREADS * settings.web_processes,
        lifetimes=Lifetimes(in_use_s=cache.IN_USE_S, old_after_s=cache.OLD_AFTER_S),
        counters=Counters(
            hit=requests("hit"),
            not_modified=requests("not_modified"),
            stale=requests("stale"),
            made=requests("made"),
            error=requests("error"),
            answered=passed_on("answered"),
            failed=passed_on("failed"),
            refused=passed_on("refused"),
        ),
        now=clock.now,
        mark_old=response.with_age,
        error_page=error_page,
        paths=PATHS,
        policy=(hsts,) if settings.origin.is_https else (),
        by_network=not settings.proxy_hops,
    )


def web(app: Flask) -> Flask:
    """What a web process does before it serves the application that is returned."""
    # Away from the terminal's Ctrl-C: the leader tells us when to stop.
    os.setsid()
    print_start(WEB, os.getpid())
    begin_web(app)
    return app


def begin_web(app: Flask) -> None:
    """What a process does before it serves the application, in any WSGI server."""
    _end_with_leader()
    _let_the_proxy_go_first()
    if not os.environ.get(WEB_SOCKET):
        app.wsgi_app = headers.unnamed(app.wsgi_app)  # type: ignore[assignment, method-assign]
    metrics.share(app.config["SETTINGS"].data_dir / "counters", "web")
    error_reporting.begin(app.config["SETTINGS"], WEB)
    integrity.check_at_start(app)


def address_of(settings: Settings) -> tuple[socket.AddressFamily, Any]:
    """Where to listen, for a socket. Raises `OSError` if HOST is a name without an address."""
    infos = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    family, _, _, _, address = infos[0]
    return family, address


def web_server(settings: Settings, web_socket: Path | None) -> MPServer:
    """The server of the `web` processes, behind the proxy at `web_socket` or by itself."""
    multiprocessing.set_start_method("fork", force=True)
    return MPServer(
        "app:app",
        # It takes no name.
        address=settings.host if web_socket else address_of(settings)[1][0],
        port=settings.port,
        uds=web_socket,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT_MS),
        websockets=False,
        workers=settings.web_processes,
        workers_kill_timeout=STOP_TIMEOUT_S,
        respawn_failed_workers=True,
        blocking_threads=WEB_THREADS,
        backlog=BACKLOG,
        backpressure=MAX_CONNECTIONS,
        log_level=LogLevels.warning,
    )


def worker(app: Flask, *, is_announced: bool = False) -> None:
    """Run jobs and everything that is due; print the address of the page when announced."""
    _end_with_leader()
    _let_the_proxy_go_first()
    error_reporting.begin(app.config["SETTINGS"], WORKER)
    _wait_for_the_database(app)
    integrity.check_daily(app)
    if is_announced:
        # The reader of our output may be gone.
        with contextlib.suppress(OSError):
            click.echo(first_start.welcome(app, at=clock.now()))
    with runner.exporting(app):
        notify_worker.work(app)


def _wait_for_the_database(app: Flask) -> None:
    """A worker that exited while the database is unavailable would stop the whole group."""
    is_logged = False
    integrity.check(app)
    while True:
        try:
            migrate.bring_up_to_date(app)
            first_start.fill(app, at=clock.now())
        except OperationalError as error:
            if not is_logged:
                log.error("worker.database_unavailable", reason=_first_line(error))
            is_logged = True
            time.sleep(DATABASE_RETRY_S)
            integrity.check(app)
        except SettingsError as error:
            sys.exit(f"The worker cannot start: {error}")
        else:
            return


def _end_with_leader() -> None:
    """Let this process end soon after its server's parent or its leader, and show that it lives."""
    parent = multiprocessing.parent_process()
    leader = int(os.environ.get(LEADER) or 0)
    if parent is not None or leader:
        threading.Thread(target=_watch, args=(parent, leader), daemon=True).start()


def _let_the_proxy_go_first() -> None:
    """Lower the priority of this process where a proxy of ours answers readers.

    Linux weighs whole sessions where it groups them, and each process of the group leads
    one; elsewhere the niceness of the process itself counts.
    """
    if os.environ.get(WEB_SOCKET):
        os.nice(NICENESS_BEHIND_PROXY)
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(NICENESS_BEHIND_PROXY))


def _watch(parent: multiprocessing.process.BaseProcess | None, leader: int) -> None:
    while (parent is None or parent.is_alive()) and (not leader or _exists(leader)):
        liveness.beat()
        time.sleep(liveness.BEAT_S)
    if web_socket := os.environ.get(WEB_SOCKET):
        # A leader that is killed outright cannot remove its folder.
        shutil.rmtree(Path(web_socket).parent, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(EXIT_GRACE_S)
    os._exit(1)


def _exists(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
