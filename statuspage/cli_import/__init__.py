"""`flask import`: bring the history of a page elsewhere."""

import sys
from typing import TYPE_CHECKING

import click
from flask.cli import ScriptInfo

if TYPE_CHECKING:
    from flask import Flask

    from statuspage.cli_import.sources import File
    from statuspage.domain.imports import Report
    from statuspage.domain.recordings import Listing, Unplaced


@click.group("import")
def import_group() -> None:
    """Bring history from elsewhere."""


@import_group.command("statuspage")
@click.argument("source")
@click.pass_obj
def import_statuspage(info: ScriptInfo, source: str) -> None:
    """Import a Statuspage page from SOURCE: its address, or a folder of its JSON and feeds.

    Safe to repeat: what has not changed is left as it is. Nobody is notified.
    """
    from statuspage.cli_import import sources
    from statuspage.errors import Invalid

    app = info.load_app()
    try:
        listings, unplaced = _read(sources.read(source))
        report = _write(app, listings)
    except Invalid as invalid:
        raise click.ClickException(str(invalid)) from invalid
    report.unplaced[:0] = unplaced
    _tell(report)


def _read(files: "list[File]") -> "tuple[list[Listing], list[Unplaced]]":
    from statuspage.cli_import import feeds, json_files
    from statuspage.errors import Invalid

    listings, unplaced = [], []
    for file in files:
        if file.content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
            listings.append(feeds.read(file.name, file.content))
            continue
        listing, left = json_files.read(file.name, file.content)
        unplaced += left
        if listing is not None:
            listings.append(listing)
    if not listings:
        raise Invalid(source="There is nothing to import: no file holds components or incidents.")
    return listings, unplaced


def _write(app: "Flask", listings: "list[Listing]") -> "Report":
    """One transaction: all of it, or nothing."""
    from statuspage import clock, schema
    from statuspage.db import db
    from statuspage.domain import imports
    from statuspage.domain.events import SYSTEM

    schema.bring_up_to_date(app)
    with (
        app.app_context(),
        schema.alone(),
        click.progressbar(
            length=sum(len(one.incidents) for one in listings),
            label="Importing",
            file=sys.stderr,
            hidden=not sys.stderr.isatty(),
        ) as bar,
    ):
        try:
            report = imports.write(
                listings,
                by=SYSTEM,
                at=clock.now(),
                advance=lambda _done, _of: bar.update(1),
            )
            db.session.commit()
        except BaseException:
            db.session.rollback()
            raise
        bar.finish()
    return report


def _tell(report: "Report") -> None:
    held = ", ".join(f"{number} {what}" for what, number in report.read.items())
    click.echo(f"Read {held}.")
    if report.written:
        new = ", ".join(f"{number} {what}" for what, number in report.written.items())
        click.echo(f"Written: {new}.")
    else:
        click.echo("Nothing has changed since the last import.")
    if report.unplaced:
        click.echo(f"Not placed, or placed with a reservation ({len(report.unplaced)}):")
        for one in report.unplaced:
            click.echo(f"  {one.subject}: {one.reason}")
