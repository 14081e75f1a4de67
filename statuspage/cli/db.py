"""`flask db`: Flask-Migrate's commands, and `move`."""

from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext
from flask_migrate import cli  # type: ignore[attr-defined]

from statuspage import clock
from statuspage.backup import move_engine, rows
from statuspage.db import migrate
from statuspage.db.errors import with_plain_errors


class _Database(click.Group):
    """Bring the schema up to date, or move all data to another database."""

    # Loaded when it is asked for: Alembic is large, and the worker is a `flask` command too.
    def list_commands(self, ctx: click.Context) -> list[str]:
        return self._loaded().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self._loaded().get_command(ctx, cmd_name)

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """The context is Flask-Migrate's own: its options work as they do elsewhere."""
        context = self._loaded().make_context(info_name, args, parent, **extra)
        context.command = with_plain_errors(context.command)
        return context

    def _loaded(self) -> click.Group:
        # Untyped: its stubs leave the commands out.
        if current_app and "migrate" not in current_app.extensions:
            migrate.use_alembic(current_app._get_current_object())  # type: ignore[attr-defined]
        group: click.Group = cli.db
        group.add_command(move)
        return group


command = _Database("db", help=_Database.__doc__)


@click.command("move")
@click.argument("url", envvar="STATUSPAGE_NEW_DATABASE_URL")
@with_appcontext
def move(url: str) -> None:
    """Copy all data into the empty database URL and verify the copy.

    From SQLite to PostgreSQL or back. URL defaults to the environment variable
    STATUSPAGE_NEW_DATABASE_URL, which keeps the password out of the process list.
    Stop the status page first; its current database is only read.
    """
    try:
        done = move_engine.move(
            current_app._get_current_object(),  # type: ignore[attr-defined]
            url,
            at=clock.now(),
            tell=click.echo,
        )
    except (move_engine.RefusedError, rows.DifferentError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"Moved {done.rows:,} rows in {done.tables} tables and verified each table."
        f" {done.addresses} public addresses return the same bytes."
    )
    click.echo(
        "Now set STATUSPAGE_DATABASE_URL to the new database and start the"
        " status page again. Do not start it on the old one as well: both would"
        " send messages."
    )
