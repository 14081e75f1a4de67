"""Runs the export in this process, with the application that renders for it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path

from flask import Flask

from statuspage import clock
from statuspage.config import Settings
from statuspage.db import read_only
from statuspage.domain import events
from statuspage.export.builder import ReadChanges
from statuspage.export.changes import Changes, changes_since
from statuspage.export.render import in_process
from statuspage.export.sitemap import Sitemap
from statuspage.export.targets import Keys
from statuspage.export.worker import ExportWorker
from statuspage.serving.cache import Key, Render, ResponseCache, UnavailableError
from statuspage.serving.response import CachedResponse


def folder_of(settings: Settings) -> Path:
    """The folder in which the worker prepares exports."""
    return settings.data_dir / "mirror"


def exporting(app: Flask) -> AbstractContextManager[object]:
    """Export while the worker runs; does nothing if no target is set."""
    return _running(app) if app.config["SETTINGS"].mirror else nullcontext()


@contextmanager
def _running(app: Flask) -> Iterator[None]:
    settings: Settings = app.config["SETTINGS"]
    published = disable_cache(app)
    mirror = ExportWorker(
        folder_of(settings),
        settings.mirror.split(),
        fetch=in_process(app.wsgi_app, settings.base_url),
        read_changes=changes_reader(app),
        revision=published.read_revision,
        keys=Keys(settings.bucket_key, settings.bucket_secret),
    )
    mirror.start()
    try:
        yield
    finally:
        mirror.stop()


class UncachedRenderer(ResponseCache):
    """Renders every request and caches nothing: this process has no readers."""

    def obtain(self, key: Key, render: Render) -> CachedResponse | None:
        try:
            rendering = self._render(render)
        except Exception as error:
            self._tell_failure(key, error)
            raise UnavailableError(key) from error
        return None if rendering is None else CachedResponse.plain(rendering, clock.now())

    def read_revision(self) -> int:
        """Raises what the database raises."""
        with self._within():
            return self._read_revision()


def disable_cache(app: Flask) -> UncachedRenderer:
    """Let the application render every public response, for a process without readers."""
    published = UncachedRenderer(events.revision, within=within(app), watch=False)
    app.extensions["published"] = published
    return published


def within(app: Flask) -> Callable[[], AbstractContextManager[None]]:
    @contextmanager
    def entered() -> Iterator[None]:
        with app.app_context():
            read_only()
            yield

    return entered


def changes_reader(app: Flask) -> ReadChanges:
    """A function that reads what changed since an event."""
    base_url: str = app.config["SETTINGS"].base_url
    sitemap = Sitemap.of(app)

    def read_changes(event: int, seen: frozenset[int], at: datetime) -> Changes:
        with within(app)():
            return changes_since(event, seen, sitemap=sitemap, at=at, base_url=base_url)

    return read_changes
