"""What the processes of a group do: `front`, `web` and `worker`.

Each begins in a fork of the leader (`__main__`). `prepare_first`, `load` and `prepare` come
before: what they need is loaded once, and what only a start needs is given back.
"""

import contextlib
import gc
import os
import sys
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING

from statuspage.cli import process_group
from statuspage.config import Settings

if TYPE_CHECKING:
    from flask import Flask
    from granian.server import MPServer

FRONT, WEB, WORKER = PARTS = ("front", "web", "worker")

WEB_THREADS = 4
BACKLOG = 2048
CONNECTIONS = 4096
"""Kept-alive ones too: with the server's default, sixteen idle browsers stop the page."""
HEADERS_WITHIN_MS = 10_000
GRACE_S = 12
"""How long what is asked to end may take: the worker finishes what it sends."""
_WAIT_S = 5.0
"""Between two tries of a worker whose database is away."""


def tell_start(name: str, process_id: int | None, *, ended_with: int | None = None) -> None:
    """Say which process is which, and how the one before it ended: its exit code, or minus
    the signal that killed it. Whoever started us may listen no more."""
    before = "" if ended_with is None else f", the one before ended with {ended_with}"
    with contextlib.suppress(OSError):
        # With its end in one piece: others write here, too.
        print(f"{name} started (pid={process_id}){before}\n", end="", flush=True)


def front(settings: Settings, socket: Path) -> None:
    """Answer readers from memory, and pass on to the web process at `socket` what is not there."""
    import uvloop

    from statuspage.front.server import Front
    from statuspage.observability import error_reporting, metrics
    from statuspage.observability import logging as logs

    logs.configure(settings.log_format)
    error_reporting.begin(settings, "front")
    process_group.end_with_the_others()
    metrics.share(settings.data_dir / "counters", "front")

    async def serve() -> None:
        threads = WEB_THREADS * settings.web_processes
        is_https = settings.base_url.startswith("https://")
        answering = Front(socket, threads=threads, is_https=is_https)
        await answering.serve(settings.host, settings.port)

    try:
        uvloop.run(serve())
    except OSError as error:
        sys.exit(f"The status page can not listen: {error}")


def load(settings: Settings) -> "Flask":
    """The application, with all that web and worker need of it; nothing runs yet.

    It has no connection and no thread: both are made where they are used.
    """
    _leave_out_what_is_not_configured(settings)
    import granian.server  # noqa: F401
    from sqlalchemy import orm

    from statuspage.factory import create_app
    from statuspage.notify import (
        fanout_run,  # noqa: F401
        worker,  # noqa: F401
    )

    hops = settings.proxy_hops + (1 if settings.front else 0)
    app = create_app(settings.model_copy(update={"proxy_hops": hops}))
    orm.configure_mappers()
    app.url_map.update()
    return app


def _leave_out_what_is_not_configured(settings: Settings) -> None:
    """The job queue loads every driver that it finds: eleven megabytes for nothing.

    A module that is None in `sys.modules` is taken as not installed.
    """
    if settings.is_sqlite:
        sys.modules.setdefault("psycopg", None)  # type: ignore[arg-type]
    if settings.redis_url is None:
        sys.modules.setdefault("redis", None)  # type: ignore[arg-type]


def prepare_first(settings: Settings) -> None:
    """Make the database of a first start, which takes as long as to load the program beside it.

    What goes wrong here is told by `prepare`, which comes after both.
    """
    file = settings.sqlite_file
    if file is None or file.exists():
        return
    from statuspage import clock
    from statuspage.db import migrate
    from statuspage.demo import first_start
    from statuspage.factory import create_records_app

    # It ends before looking for garbage would pay.
    gc.disable()
    with contextlib.suppress(Exception):
        app = create_records_app(settings)
        migrate.bring_up_to_date(app)
        first_start.fill(app, at=clock.now())


def prepare(app: "Flask") -> None:
    """Migrate and fill the database where that is needed.

    One that is away is no reason not to start: readers get the last good copies.
    """
    from sqlalchemy.exc import OperationalError

    from statuspage import clock
    from statuspage.db import integrity, migrate
    from statuspage.demo import first_start

    integrity.look_at_start(app)
    try:
        migrate.bring_up_to_date(app)
        first_start.fill(app, at=clock.now())
    except OperationalError as error:
        app.logger.error("The database could not be prepared: %s", str(error).splitlines()[0])


def web(app: "Flask") -> "Flask":
    """What a web process does before it serves the application that it is given back."""
    # Away from the terminal's Ctrl-C: the leader says when to end.
    os.setsid()
    tell_start(WEB, os.getpid())
    begin_web(app)
    return app


def begin_web(app: "Flask") -> None:
    """What a process does before it serves the application, whatever server it belongs to."""
    from statuspage.db import integrity
    from statuspage.observability import error_reporting, metrics
    from statuspage.web import headers

    process_group.end_with_the_others()
    process_group.let_readers_go_first()
    if not os.environ.get(process_group.SOCKET):
        app.wsgi_app = headers.unnamed(app.wsgi_app)  # type: ignore[assignment, method-assign]
    metrics.share(app.config["SETTINGS"].data_dir / "counters", "web")
    error_reporting.begin(app.config["SETTINGS"], "web")
    integrity.look_at_start(app)


def web_server(settings: Settings, socket: Path | None) -> "MPServer":
    """What `web` runs in: behind the front at `socket`, or by itself. It is not started."""
    import multiprocessing

    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server import MPServer

    multiprocessing.set_start_method("fork", force=True)
    return MPServer(
        "app:app",
        address=settings.host,
        port=settings.port,
        uds=socket,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_WITHIN_MS),
        websockets=False,
        workers=settings.web_processes,
        workers_kill_timeout=GRACE_S,
        respawn_failed_workers=True,
        blocking_threads=WEB_THREADS,
        backlog=BACKLOG,
        backpressure=CONNECTIONS,
        log_level=LogLevels.warning,
    )


def worker(app: "Flask", *, is_announced: bool = False) -> None:
    """Run jobs and everything that is due by the clock; say where the page is if asked to."""
    import click

    from statuspage import clock
    from statuspage.cli import export
    from statuspage.db import integrity
    from statuspage.demo import first_start
    from statuspage.notify import worker as jobs
    from statuspage.observability import error_reporting

    process_group.end_with_the_others()
    process_group.let_readers_go_first()
    error_reporting.begin(app.config["SETTINGS"], "worker")
    _wait_for_the_database(app)
    integrity.look_daily(app)
    if is_announced:
        # Whoever started us may listen no more.
        with contextlib.suppress(OSError):
            click.echo(first_start.welcome(app, at=clock.now()))
    with export.beside(app):
        jobs.work(app)


def _wait_for_the_database(app: "Flask") -> None:
    """A worker that refused to start while it is away would end the group, and readers with it."""
    from sqlalchemy.exc import OperationalError

    from statuspage import clock
    from statuspage.db import integrity, migrate
    from statuspage.demo import first_start

    is_told = False
    integrity.look(app)
    while True:
        try:
            migrate.bring_up_to_date(app)
            first_start.fill(app, at=clock.now())
        except OperationalError as error:
            if not is_told:
                app.logger.error(
                    "The worker waits for the database: %s", str(error).splitlines()[0]
                )
            is_told = True
            sleep(_WAIT_S)
            integrity.look(app)
        else:
            return
