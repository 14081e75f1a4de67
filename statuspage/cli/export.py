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
from statuspage.export.builder import Maker, MirrorError, Stages
from statuspage.export.owner import refuse_anothers
from statuspage.export.render import in_process
from statuspage.export.targets import Keys, TargetError
from statuspage.export.targets.registry import is_published, parse
from statuspage.export.uploads import standings
from statuspage.page.snapshot.build import NoPageError

if TYPE_CHECKING:
    from statuspage.config import Settings
    from statuspage.export.builder import LookSince


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
        _print_standings(settings)
        return
    targets = [target] if target else settings.mirror.split() if take_over else []
    if not targets:
        raise click.UsageError(
            "STATUSPAGE_MIRROR is not set." if take_over else "Name a folder or another target."
        )
    migrate.bring_up_to_date(app)
    for one in targets:
        click.echo(_mirror_once(app, one, published=published, take_over=take_over))


def _mirror_once(app: Flask, text: str, *, published: bool, take_over: bool) -> str:
    settings: Settings = app.config["SETTINGS"]
    if not text.startswith(MIRRORS):
        text = f"{'published' if published else 'file'}:{os.path.abspath(text)}"
    work = runner.folder_of(settings) / "by-hand"
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(work / "lock"):
        try:
            target = parse(text, work, Keys(settings.bucket_key, settings.bucket_secret))
            stages = Stages.within(work, {is_published(text)})
            (stage,) = stages
            runner.ask_nothing_twice(app)
            ask = in_process(app.wsgi_app, settings.base_url)
            maker = Maker(ask, _everything(app), stages)
            maker.begin(clock.now())
            if not take_over:
                refuse_anothers(target, stage)
            if not stage.manifest.is_whole and target.is_empty():
                target.publish(stage)
            maker.go_on(clock.now())
            target.publish(stage)
        except NoPageError as error:
            raise click.ClickException("There is no page yet.") from error
        except (MirrorError, TargetError) as error:
            raise click.ClickException(str(error)) from error
    return f"Exported {len(stage.manifest.files)} files to {target.name}."


def _everything(app: Flask) -> "LookSince":
    look_since = runner.looking(app)
    return lambda _event, _seen, at: look_since(0, frozenset(), at)


def _print_standings(settings: "Settings") -> None:
    known = standings(runner.folder_of(settings))
    if not known and not settings.mirror:
        click.echo("No export is set up (STATUSPAGE_MIRROR).")
    elif not known:
        click.echo("The worker of this data folder has not exported yet.")
    for one in known:
        trouble = f", failing since {one.failing_since}: {one.error}" if one.error else ""
        copy = f"export of {one.made_at}" if one.made_at else "no export of this page"
        click.echo(f"{one.name}  {copy}{trouble}")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One at a time on these files; another one waits."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
