"""Commands for operators: `flask work`, `flask metrics`, `flask staff`, `flask token`, and
those of the other parts.

Each brings the database up to date first, so that none depends on a start before it.
"""

import sys
from datetime import UTC, datetime, time
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import AppGroup, ScriptInfo
from prometheus_client import generate_latest

from statuspage import clock
from statuspage.cli import backup as backing_up
from statuspage.cli import check as checking
from statuspage.cli import db as db_commands
from statuspage.cli import export, importing, processes, run, staff_recovery
from statuspage.config import Settings
from statuspage.db import db, migrate
from statuspage.db.errors import with_plain_errors
from statuspage.domain import page_settings, tokens
from statuspage.domain.events import Actor, ActorKind
from statuspage.domain.staff import members as staff
from statuspage.errors import Invalid
from statuspage.observability.metrics import AllProcesses

OPERATOR = Actor(ActorKind.SYSTEM, "Command line")


def init_app(app: Flask) -> None:
    """Give `flask` our commands."""
    staff_commands.add_command(staff_recovery.reset_second_factor)
    app.cli.add_command(work)
    app.cli.add_command(metrics)
    app.cli.add_command(db_commands.command)
    for command in (
        staff_commands,
        token_commands,
        importing.group,
        export.command,
        backing_up.backup,
        backing_up.restore,
        checking.check,
    ):
        app.cli.add_command(with_plain_errors(command))


class _Prepared(AppGroup):
    """Commands on a database that is up to date."""

    def invoke(self, ctx: click.Context) -> Any:
        migrate.bring_up_to_date(ctx.ensure_object(ScriptInfo).load_app())
        return super().invoke(ctx)


@click.command("work")
@click.pass_obj
def work(info: ScriptInfo) -> None:
    """Run the worker: background jobs and everything that is due at a set time."""
    processes.worker(info.load_app())


@click.command("metrics")
@click.pass_obj
def metrics(info: ScriptInfo) -> None:
    """Print the metrics of the processes on this machine, in the format of `/metrics`.

    For a worker on its own machine, which Prometheus cannot scrape.
    """
    folder = info.load_app().config["SETTINGS"].data_dir / "counters"
    click.echo(generate_latest(AllProcesses(folder, with_own=False)), nl=False)


@click.group("staff", cls=_Prepared)
def staff_commands() -> None:
    """Manage who may sign in to the admin."""


@staff_commands.command("create")
@click.argument("email")
@click.option("--role", type=click.Choice([role.value for role in staff.Role]), required=True)
@click.option(
    "--name", default="", help="Shown in the audit log; by default the part before the @."
)
@click.option(
    "--password-stdin",
    is_flag=True,
    help="Read a password from standard input; otherwise they sign in by a link.",
)
def create_staff(email: str, role: str, name: str, password_stdin: bool) -> None:
    """Add EMAIL to the team."""
    password = sys.stdin.read().rstrip("\r\n") if password_stdin else None
    try:
        member = staff.create(
            email,
            name=name,
            role=staff.Role(role),
            password=password,
            by=OPERATOR,
            at=clock.now(),
            breached=current_app.config["SETTINGS"].breached_passwords,
        )
    except Invalid as invalid:
        raise click.ClickException(str(invalid)) from invalid
    db.session.commit()
    click.echo(f"{member.email} is on the team as {member.role}.")


@staff_commands.command("link")
@click.argument("email")
def link_for_staff(email: str) -> None:
    """Print a one-time sign-in link for EMAIL, and nothing else."""
    member = staff.with_email(email)
    if member is None or not member.is_active:
        raise click.ClickException("No one on the team has this address.")
    token = staff.create_sign_in_link(member, by=OPERATOR, at=clock.now())
    db.session.commit()
    click.echo(f"{_address(current_app.config['SETTINGS'])}/admin/sign-in/{token}")


def _address(settings: Settings) -> str:
    """Where the page is: as the settings say, else where it was last started on this machine."""
    if {"base_url", "host", "port"} & settings.model_fields_set:
        return settings.base_url
    return run.last_address(settings) or settings.base_url


@click.group("token", cls=_Prepared)
def token_commands() -> None:
    """Manage the tokens of programs that use the API."""


@token_commands.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in tokens.Scope]),
    multiple=True,
    required=True,
    help="What it may do; repeat for more scopes.",
)
@click.option(
    "--expires",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The last valid day, such as 2027-01-31, in the page's time zone.",
)
def create_token(name: str, scopes: tuple[str, ...], expires: datetime | None) -> None:
    """Print a new token for the program NAME, and nothing else. It is shown once."""
    try:
        _, secret = tokens.create(
            name,
            scopes=[tokens.Scope(scope) for scope in scopes],
            by=OPERATOR,
            at=clock.now(),
            expires_at=_end_of(expires) if expires else None,
        )
    except Invalid as invalid:
        raise click.ClickException(str(invalid)) from invalid
    db.session.commit()
    click.echo(secret)


@token_commands.command("list")
def list_tokens() -> None:
    """List the valid tokens: first characters, name and scopes."""
    for token in tokens.working(at=clock.now()):
        click.echo(f"{token.shown}…  {token.name}  {' '.join(token.scopes)}")


@token_commands.command("revoke")
@click.argument("name")
def revoke_token(name: str) -> None:
    """Revoke the token NAME at once."""
    at = clock.now()
    token = next((token_row for token_row in tokens.working(at=at) if token_row.name == name), None)
    if token is None:
        raise click.ClickException("No valid token has this name.")
    tokens.revoke(token, by=OPERATOR, at=at)
    db.session.commit()
    click.echo(f"{token.name} is revoked.")


def _end_of(day: datetime) -> datetime:
    page = page_settings.get()
    zone = page.zone if page else UTC
    return datetime.combine(day, time.max, tzinfo=zone).astimezone(UTC)
