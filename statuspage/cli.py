"""Commands for operators: `flask work`, and the groups of the other parts."""

import click
from flask import Flask
from flask.cli import ScriptInfo

from statuspage import clock, first_start, group, schema


def init_app(app: Flask) -> None:
    """Give `flask` our commands."""
    app.cli.add_command(work)


@click.command("work")
@click.option("--announce", is_flag=True, help="Print the address and a sign-in link first.")
@click.pass_obj
def work(info: ScriptInfo, announce: bool) -> None:
    """Run the worker: jobs, and everything that is due by the clock."""
    from statuspage.notify import jobs

    app = info.load_app()
    group.end_with_the_others()
    schema.bring_up_to_date(app)
    first_start.fill(app, at=clock.now())
    if announce:
        click.echo(first_start.welcome(app, at=clock.now()))
    jobs.work(app)
