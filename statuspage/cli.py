"""Commands for operators: `flask up`, `flask work` and the groups of the other parts."""

import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

import click
from flask import Flask
from flask.cli import ScriptInfo

from statuspage import clock, first_start, schema
from statuspage.config import PROJECT, Settings
from statuspage.notify import jobs


def init_app(app: Flask) -> None:
    """Give `flask` our commands."""
    for command in (up, work):
        app.cli.add_command(command)


@click.command("up")
@click.pass_obj
def up(info: ScriptInfo) -> None:
    """Prepare the database, then run web and worker until Ctrl-C."""
    app = info.load_app()
    settings: Settings = app.config["SETTINGS"]
    _refuse_a_taken_port(settings)
    schema.bring_up_to_date(app)
    token = first_start.prepare(app, at=clock.now())
    click.echo(f"\nStatus page   {settings.base_url}/")
    if token:
        click.echo(f"Sign in once  {settings.base_url}/admin/sign-in/{token}")
    else:
        click.echo("First owner   flask staff create EMAIL --role owner --password-stdin")
    click.echo("Stop          Ctrl-C\n")
    sys.stdout.flush()
    _become_the_group(settings)


@click.command("work")
@click.pass_obj
def work(info: ScriptInfo) -> None:
    """Run the worker: jobs, and everything that is due by the clock."""
    app = info.load_app()
    schema.bring_up_to_date(app)
    jobs.work(app)


def _refuse_a_taken_port(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise click.ClickException(
                f"{settings.host}:{settings.port} can not be used ({error.strerror})."
                " Choose another with PORT=…"
            ) from error


def _become_the_group(settings: Settings) -> NoReturn:
    """Replace this process by honcho, which ends both when either ends."""
    python = Path(sys.executable)
    environment = os.environ | {
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "HOST": settings.host,
        "STATUSPAGE_WEB_PROCESSES": str(settings.web_processes),
        # A relative one would be looked for from the project's folder.
        "STATUSPAGE_DATA_DIR": str(settings.data_dir),
        "STATUSPAGE_DATABASE_URL": settings.database_url,
        "PYTHONUNBUFFERED": "1",
    }
    environment.pop("FLASK_RUN_FROM_CLI", None)
    project = ["-d", str(PROJECT), "-f", str(PROJECT / "Procfile"), "-e", os.devnull]
    group = [str(python), "-m", "honcho", *project, "start", "-p", str(settings.port)]
    os.execve(python, group, environment)  # noqa: S606
