"""`flask staff reset-second-factor`: the way back in for somebody who lost app and codes."""

import click
from flask.cli import with_appcontext

from statuspage import clock
from statuspage.db import db
from statuspage.domain.events import Actor, ActorKind
from statuspage.domain.staff import members as staff
from statuspage.domain.staff import second_factor
from statuspage.errors import Invalid


@click.command("reset-second-factor")
@click.argument("email")
@with_appcontext
def reset_second_factor(email: str) -> None:
    """Switch the second factor of EMAIL off, and sign them out everywhere."""
    member = staff.with_email(email)
    if member is None:
        raise click.ClickException("No one on the team has this address.")
    try:
        second_factor.reset(member, by=Actor(ActorKind.SYSTEM, "Command line"), at=clock.now())
    except Invalid as invalid:
        raise click.ClickException(str(invalid)) from invalid
    db.session.commit()
    click.echo(f"The second factor of {member.email} is off; their password alone signs them in.")
