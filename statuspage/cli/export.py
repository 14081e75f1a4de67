"""The mirror put together: the application that is asked, the worker's thread, `flask mirror`."""

import fcntl
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click
from flask import Flask
from flask.cli import ScriptInfo

from statuspage import clock
from statuspage.db import migrate
from statuspage.serving.cache import Key, Published, Render, UnavailableError
from statuspage.serving.response import Answer

if TYPE_CHECKING:
    from datetime import datetime

    from statuspage.config import Settings
    from statuspage.export.builder import LookSince
    from statuspage.export.changes import Look
    from statuspage.export.render import Together


def folder_of(settings: "Settings") -> Path:
    """Where the worker keeps the files of its mirrors."""
    return settings.data_dir / "mirror"


def beside(app: Flask) -> AbstractContextManager[object]:
    """Mirrors while the worker works; does nothing where no target is set."""
    return _running(app) if app.config["SETTINGS"].mirror else nullcontext()


@contextmanager
def _running(app: Flask) -> Iterator[None]:
    from statuspage.export.render import in_process
    from statuspage.export.targets import Keys
    from statuspage.export.worker import Mirror

    settings: Settings = app.config["SETTINGS"]
    published = ask_nothing_twice(app)
    mirror = Mirror(
        folder_of(settings),
        settings.mirror.split(),
        ask=in_process(app.wsgi_app, settings.base_url),
        look_since=looking(app),
        together=together(app),
        revision=published.read_revision,
        keys=Keys(settings.bucket_key, settings.bucket_secret),
    )
    mirror.start()
    try:
        yield
    finally:
        mirror.stop()


class Unkept(Published):
    """Renders whenever it is asked, and keeps nothing: in this process nobody reads."""

    def obtain(self, key: Key, render: Render) -> Answer | None:
        try:
            rendering = self._render(render)
        except Exception as error:
            self._tell_failure(key, error)
            raise UnavailableError(key) from error
        return None if rendering is None else Answer.plain(rendering, clock.now())

    def read_revision(self) -> int:
        """Raises what the database raises."""
        with self._within():
            return self._read_revision()


def ask_nothing_twice(app: Flask) -> Unkept:
    """Let the application render every public answer anew, for a process without readers."""
    from statuspage.domain import events

    published = Unkept(events.revision, within=within(app), watch=False)
    app.extensions["published"] = published
    return published


def within(app: Flask) -> Callable[[], AbstractContextManager[None]]:
    from statuspage.db import reading

    @contextmanager
    def entered() -> Iterator[None]:
        with app.app_context():
            reading()
            yield

    return entered


def together(app: Flask) -> "Together":
    """Reads ahead, in a few queries, what the pages of incidents are made of."""
    from statuspage.export.addresses import incidents_among
    from statuspage.page.memo import reading_once
    from statuspage.page.snapshot import build as snapshot

    base_url: str = app.config["SETTINGS"].base_url

    @contextmanager
    def reading(addresses: Collection[str]) -> Iterator[None]:
        with reading_once():
            try:
                with within(app)():
                    ids = incidents_among(addresses)
                    snapshot.read_ahead(ids, at=clock.now(), base_url=base_url)
            except Exception as error:
                # One that can not be read must not hold up the others: each by itself then.
                app.logger.warning("The mirror could not read ahead: %s", error)
            yield

    return reading


def looking(app: Flask) -> "LookSince":
    """What there is to mirror, since an event."""
    from statuspage.export.changes import look

    base_url: str = app.config["SETTINGS"].base_url

    def look_since(event: int, seen: frozenset[int], at: "datetime") -> "Look":
        with within(app)():
            return look(event, seen, at=at, base_url=base_url)

    return look_since


@click.command("mirror")
@click.argument("target", required=False)
@click.option(
    "--published",
    is_flag=True,
    help="Write what nginx serves at the origin's own addresses, packed forms beside it.",
)
@click.option(
    "--status", is_flag=True, help="Print how the worker's mirrors fare, and nothing else."
)
@click.option(
    "--take-over",
    is_flag=True,
    help="Also where another page mirrors, or one before a backup was restored. Without TARGET:"
    " those of STATUSPAGE_MIRROR.",
)
@click.pass_obj
def command(
    info: ScriptInfo, target: str | None, published: bool, status: bool, take_over: bool
) -> None:
    """Write the complete public site as files to TARGET: a folder, or a target as in the settings.

    The folder becomes a link to the newest files, so that readers never find half of them.
    """
    app = info.load_app()
    settings: Settings = app.config["SETTINGS"]
    if status:
        _print_standings(settings)
        return
    targets = [target] if target else settings.mirror.split() if take_over else []
    if not targets:
        raise click.UsageError(
            "STATUSPAGE_MIRROR names none." if take_over else "Name a folder or another target."
        )
    migrate.bring_up_to_date(app)
    for one in targets:
        click.echo(_mirror_once(app, one, published=published, take_over=take_over))


def _mirror_once(app: Flask, text: str, *, published: bool, take_over: bool) -> str:
    from statuspage.config import MIRRORS
    from statuspage.export.builder import Maker, MirrorError, Stages
    from statuspage.export.owner import refuse_anothers
    from statuspage.export.render import in_process
    from statuspage.export.targets import Keys, TargetError, is_published, parse
    from statuspage.page.snapshot.build import NoPageError

    settings: Settings = app.config["SETTINGS"]
    if not text.startswith(MIRRORS):
        text = f"{'published' if published else 'file'}:{os.path.abspath(text)}"
    work = folder_of(settings) / "by-hand"
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(work / "lock"):
        try:
            target = parse(text, work, Keys(settings.bucket_key, settings.bucket_secret))
            stages = Stages.within(work, {is_published(text)})
            (stage,) = stages
            ask_nothing_twice(app)
            ask = in_process(app.wsgi_app, settings.base_url)
            maker = Maker(ask, _everything(app), stages, together(app))
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
    return f"{len(stage.manifest.files)} files are at {target.name}."


def _everything(app: Flask) -> "LookSince":
    look_since = looking(app)
    return lambda _event, _seen, at: look_since(0, frozenset(), at)


def _print_standings(settings: "Settings") -> None:
    from statuspage.export.uploads import standings

    known = standings(folder_of(settings))
    if not known and not settings.mirror:
        click.echo("No mirror is set up (STATUSPAGE_MIRROR).")
    elif not known:
        click.echo("The worker of this data folder has not written to a mirror yet.")
    for one in known:
        trouble = f", failing since {one.failing_since}: {one.error}" if one.error else ""
        copy = f"copy of {one.made_at}" if one.made_at else "no copy of ours"
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
