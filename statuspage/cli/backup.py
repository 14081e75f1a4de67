"""`flask backup` and `flask restore`."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click
from flask import current_app
from flask.cli import with_appcontext

from statuspage import clock
from statuspage.backup import age, archive
from statuspage.backup import restore as restoring
from statuspage.backup.second_app import make_schema
from statuspage.config import Settings
from statuspage.db import db
from statuspage.domain.events import Actor, ActorKind

if TYPE_CHECKING:
    from statuspage.backup.archive import Manifest

LEAST_PASSPHRASE = 12
LAST = "last_backup.json"
"""In the data folder: when the last backup was made, and where it went."""

_passphrase_file = click.option(
    "--passphrase-file",
    type=click.File("r"),
    help="Read the passphrase from this file, `-` for standard input.",
)


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--encrypt", is_flag=True, help="Encrypt it with a passphrase, in the age format.")
@_passphrase_file
@with_appcontext
def backup(file: Path, encrypt: bool, passphrase_file: TextIO | None) -> None:
    """Write a verified backup of all data to FILE while the page keeps running."""
    settings: Settings = current_app.config["SETTINGS"]
    is_sealed = encrypt or passphrase_file is not None
    passphrase = _passphrase(settings, passphrase_file, is_new=True) if is_sealed else None
    try:
        written = archive.write(
            db.engine,
            file,
            make_schema(current_app._get_current_object()),  # type: ignore[attr-defined]
            base_url=settings.base_url,
            secret_key=settings.secret_key,
            passphrase=passphrase,
            at=clock.now(),
        )
    except (archive.ArchiveError, OSError) as error:
        raise click.ClickException(f"No backup was made. {_reason(error)}") from error
    manifest = written.manifest
    _remember(settings, file, written.sha256, manifest.made_at.isoformat())
    sealed = ", encrypted" if is_sealed else ""
    click.echo(
        f"{file}: {written.size:,} bytes{sealed}, {manifest.rows:,} rows in"
        f" {len(manifest.tables)} tables, schema {manifest.revision}. Verified."
    )
    click.echo(f"sha256 {written.sha256}")


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--replace", is_flag=True, help="Replace existing data; the old data is kept beside it."
)
@click.option("--verify", is_flag=True, help="Only verify the backup; restore nothing.")
@_passphrase_file
@with_appcontext
def restore(file: Path, replace: bool, verify: bool, passphrase_file: TextIO | None) -> None:
    """Restore the backup FILE into an empty database. Unsent messages are held for staff."""
    settings: Settings = current_app.config["SETTINGS"]
    is_sealed = archive.is_encrypted(file)
    passphrase = _passphrase(settings, passphrase_file, is_new=False) if is_sealed else None
    try:
        if verify:
            with archive.opened(file, settings.data_dir / "verified", passphrase) as (_, manifest):
                click.echo(_summary(manifest) + " It is intact.")
            return
        done = restoring.restore(
            current_app._get_current_object(),  # type: ignore[attr-defined]
            file,
            passphrase=passphrase,
            replace=replace,
            by=Actor(ActorKind.SYSTEM, "Command line"),
            at=clock.now(),
        )
    except (
        archive.ArchiveError,
        age.UnreadableError,
        restoring.RefusedError,
        OSError,
    ) as error:
        raise click.ClickException(_reason(error)) from error
    click.echo(_summary(done.manifest) + " Restored.")
    if done.kept is not None:
        click.echo(f"The previous data is in {done.kept}.")
    click.echo(
        f"{done.calmed.held} messages are held for staff, and everyone is signed out."
        " People and tokens locked out since the backup have access again: review them."
    )
    if settings.mirror:
        click.echo(
            "The export is unchanged. If this installation is the live one from now"
            " on, run: flask mirror --take-over"
        )
    if not done.has_same_key:
        click.echo(
            "The secret key differs from the backup's: links in older e-mails do"
            " not work. Restore the old key if you still have it."
        )


def _summary(manifest: "Manifest") -> str:
    return (
        f"Backup of {manifest.base_url} from {manifest.made_at:%Y-%m-%d %H:%M} UTC:"
        f" {manifest.rows:,} rows in {len(manifest.tables)} tables, schema {manifest.revision}."
    )


def _passphrase(settings: Settings, file: TextIO | None, *, is_new: bool) -> str:
    """From the file, the setting, standard input or the keyboard. Raises `ClickException`."""
    if file is not None:
        text = file.read().strip("\r\n")
    elif settings.backup_passphrase is not None:
        text = settings.backup_passphrase
    elif sys.stdin.isatty():
        text = click.prompt("Passphrase", hide_input=True, confirmation_prompt=is_new)
    else:
        text = sys.stdin.read().strip("\r\n")
    if is_new and len(text) < LEAST_PASSPHRASE:
        raise click.ClickException(f"Use a passphrase of at least {LEAST_PASSPHRASE} characters.")
    return text


def _remember(settings: Settings, file: Path, sha256: str, made_at: str) -> None:
    """For `flask check`. A disk that is full does not undo the backup."""
    report = {"made_at": made_at, "file": str(file.absolute()), "sha256": sha256}
    try:
        (settings.data_dir / LAST).write_text(json.dumps(report) + "\n")
    except OSError as error:
        click.echo(f"The backup could not be recorded in the data folder: {error}", err=True)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        reason = os.strerror(error.errno) if error.errno else str(error)
        return f"{reason}: {error.filename}" if error.filename else reason
    return str(error)
