"""`flask import`: bring the page of another product over."""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

import click
from flask.cli import ScriptInfo
from sqlalchemy.exc import SQLAlchemyError

from statuspage import clock
from statuspage.db import db, migrate
from statuspage.domain.events import Actor, ActorKind
from statuspage.importers.statuspage import source, write
from statuspage.importers.statuspage.errors import RefusedError

if TYPE_CHECKING:
    from flask import Flask

    from statuspage.importers.statuspage.context import Report

Item = TypeVar("Item")


@click.group("import")
def group() -> None:
    """Import a page from another product."""


@group.command("statuspage")
@click.argument("place", metavar="SOURCE")
@click.option("--strict", is_flag=True, help="Refuse a source that cannot be read completely.")
@click.pass_obj
def statuspage(info: ScriptInfo, place: str, strict: bool) -> None:
    """Import an Atlassian Statuspage page.

    SOURCE is the address of a live page, a folder of its JSON and feeds, or one such file.
    What cannot be read is left out and listed.
    """
    app = info.load_app()
    try:
        report = run(app, place, is_strict=strict)
    except RefusedError as refused:
        raise click.ClickException(str(refused)) from refused
    click.echo(report_text(report))


def run(app: "Flask", place: str, *, is_strict: bool = False) -> "Report":
    """Read, write, commit: all of it or nothing. Raises `RefusedError`."""
    by = Actor(ActorKind.SYSTEM, "Import")
    recording = source.read(place, each=_with_progress("Reading"), is_strict=is_strict)
    migrate.bring_up_to_date(app)
    with app.app_context():
        try:
            report = write.write(
                recording,
                by=by,
                at=clock.now(),
                each=_with_progress("Writing incidents"),
                is_strict=is_strict,
            )
            db.session.commit()
        except SQLAlchemyError as error:
            db.session.rollback()
            raise RefusedError(
                f"The database rejected the recorded data ({type(error).__name__})."
            ) from error
        except BaseException:
            db.session.rollback()
            raise
    return report


def report_text(report: "Report") -> str:
    """The report in words: rows read and written, then what could not be placed."""
    lines = [f"{report.page}{f' ({report.address})' if report.address else ''}"]
    read = [f"{report.read[kind]:,} {name}" for kind, name in _KINDS.items()]
    lines.append(f"Read {', '.join(read)}.")
    names = {**_KINDS, "claim": "spans of status", "page": "page"}
    written = [
        f"{number:,} {names[kind]}"
        for kind, number in report.written.items()
        if number and kind in names
    ]
    lines.append(f"Written: {', '.join(written)}." if report.written.total() else NOTHING_NEW)
    if report.notes:
        lines.append("Not imported, or imported with reservations:")
    for reason, places in report.notes.items():
        lines.append(f"  {reason} ({len(places)}): {', '.join(places)}")
    return "\n".join(lines)


NOTHING_NEW = "Nothing has changed since the last import."
_KINDS = {
    "group": "groups",
    "component": "components",
    "incident": "incidents",
    "maintenance": "maintenances",
    "update": "updates",
    "change": "status changes",
}


def _with_progress(label: str) -> Callable[[Sequence[Item]], Iterable[Item]]:
    """Passes a list on and shows how far it is, where somebody looks at a terminal."""

    def pass_on(items: Sequence[Item]) -> Iterable[Item]:
        if not sys.stderr.isatty():
            yield from items
            return
        with click.progressbar(items, label=label, file=sys.stderr) as bar:
            yield from bar

    return pass_on
