"""`statuspage`: the console command, with everything that `flask` has for this application."""

import sys

import click
from flask import Flask
from flask.cli import FlaskGroup

from statuspage.cli import commands, run
from statuspage.cli.processes import WORKER
from statuspage.config import SettingsError
from statuspage.factory import create_app


def _create_app() -> Flask:
    try:
        app = create_app()
    except SettingsError as error:
        raise click.ClickException(f"The status page cannot start: {error}") from error
    commands.init_app(app)
    return app


@click.group(
    cls=FlaskGroup, create_app=_create_app, add_default_commands=False, add_version_option=False
)
def main() -> None:
    """A status page that people believe."""


@main.command("run")
@click.argument("processes", nargs=-1)
def run_group(processes: tuple[str, ...]) -> None:
    """Serve the page: proxy, web and worker, or only the PROCESSES named."""
    run.main(processes)


@main.command("worker")
def run_worker() -> None:
    """Run the worker alone, on a machine where the others run elsewhere."""
    run.main((WORKER,))


if __name__ == "__main__":
    sys.exit(main())
