"""`flask check`."""

import json
import sys

import click
from flask import current_app
from flask.cli import with_appcontext

from statuspage import clock
from statuspage.checks import data, people, service
from statuspage.checks.findings import Level, collect


@click.command("check")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@with_appcontext
def check(as_json: bool) -> None:
    """Check everything the page needs, and say what to do. Exits with 1 on a problem."""
    looks = {
        "settings": service.settings,
        "database": data.database,
        "disk": data.disk,
        "rights": data.rights,
        "clock": data.clock,
        "owners": people.owners,
        "passwords": people.passwords,
        "web": service.web,
        "queue": service.queue,
        "worker": service.worker,
        "deliveries": service.deliveries,
        "mail": service.mail,
        "mirror": service.mirror,
        "backup": data.backup,
    }
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    at = clock.now()
    missing = data.missing(app)
    behind = ("clock", "owners", "worker", "deliveries")
    findings = [missing] if missing else collect(looks, app, behind=behind, at=at)
    if as_json:
        click.echo(
            json.dumps([vars(finding) for finding in findings], ensure_ascii=False, indent=1)
        )
    else:
        for finding in findings:
            click.echo(f"{finding.level:<8} {finding.what:<11} {finding.words}")
    sys.exit(any(finding.level is Level.PROBLEM for finding in findings))
