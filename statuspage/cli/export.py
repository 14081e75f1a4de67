"""`statuspage export`: write the public site as files, once."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from flask import Flask
from flask.cli import ScriptInfo

from statuspage import clock
from statuspage.config import MIRRORS
from statuspage.db import migrate
from statuspage.export import runner
from statuspage.export.builder import Builder, ExportError, StagingFolders
from statuspage.export.owner import refuse_foreign_copy
from statuspage.export.render import in_process
from statuspage.export.targets import Keys, TargetError
from statuspage.export.targets.registry import is_published, parse
from statuspage.export.uploads import target_states
from statuspage.page.snapshot.build import NoPageError

if TYPE_CHECKING:
    from statuspage.config import Settings
    from statuspage.export.builder import ReadChanges


@click.command("mirror")
@click.argument("target", required=False)
@click.option(
    "--published",
    is_flag=True,
    help="Write files that nginx serves at the page's own addresses, with compressed versions.",
)
@click.option("--status", is_flag=True, help="Only print the state of the worker's exports.")
@click.option(
    "--take-over",
    is_flag=True,
    help="Replace the export of another page, or of this one before a backup was"
    " restored. TARGET defaults to STATUSPAGE_MIRROR.",
)
@click.pass_obj
def command(
    info: ScriptInfo, target: str | None, published: bool, status: bool, take_over: bool
) -> None:
    """Export the complete public site as files to TARGET: a folder, or a target as in the settings.

    The folder becomes a symlink to the newest files, so that readers never see half an export.
    """
    app = info.load_app()
    settings: Settings = app.config["SETTINGS"]
    if status:
        _print_states(settings)
        return
    targets = [target] if target else settings.mirror.split() if take_over else []
    if not targets:
        raise click.UsageError(
            "STATUSPAGE_MIRROR is not set." if take_over else "Name a folder or another target."
        )
    migrate.bring_up_to_date(app)
    for text in targets:
        click.echo(_export_once(app, text, published=published, take_over=take_over))


def _export_once(app: Flask, text: str, *, published: bool, take_over: bool) -> str:
    settings: Settings = app.config["SETTINGS"]
    if not text.startswith(MIRRORS):
        text = f"{'published' if published else 'file'}:{os.path.abspath(text)}"
    work = runner.folder_of(settings) / "by-hand"
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(work / "lock"):
        try:
            target = parse(text, work, Keys(settings.bucket_key, settings.bucket_secret))
            stages = StagingFolders.within(work, {is_published(text)})
            (stage,) = stages
            runner.disable_cache(app)
            fetch = in_process(app.wsgi_app, settings.base_url)
            builder = Builder(fetch, _everything(app), stages)
            builder.begin(clock.now())
            if not take_over:
                refuse_foreign_copy(target, stage)
            if not stage.manifest.is_whole and target.is_empty():
                target.publish(stage)
            builder.go_on(clock.now())
            target.publish(stage)
        except NoPageError as error:
            raise click.ClickException("There is no page yet.") from error
        except (ExportError, TargetError) as error:
            raise click.ClickException(str(error)) from error
    return f"Exported {len(stage.manifest.files)} files to {target.name}."


def _everything(app: Flask) -> "ReadChanges":
    read_changes = runner.changes_reader(app)
    return lambda _event, _seen, at: read_changes(0, frozenset(), at)


def _print_states(settings: "Settings") -> None:
    states = target_states(runner.folder_of(settings))
    if not states and not settings.mirror:
        click.echo("No export is set up (STATUSPAGE_MIRROR).")
    elif not states:
        click.echo("The worker of this data folder has not exported yet.")
    for state in states:
        trouble = f", failing since {state.failing_since}: {state.error}" if state.error else ""
        copy = f"export of {state.made_at}" if state.made_at else "no export of this page"
        click.echo(f"{state.name}  {copy}{trouble}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of these files; waits for it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
