"""The export inside this process: the worker's thread, and the application that renders for it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path

from flask import Flask

from statuspage import clock
from statuspage.config import Settings
from statuspage.db import read_only as reading
from statuspage.domain import events
from statuspage.export.builder import LookSince
from statuspage.export.changes import Look, look
from statuspage.export.render import in_process
from statuspage.export.sitemap import Sitemap
from statuspage.export.targets import Keys
from statuspage.export.worker import Mirror
from statuspage.serving.cache import Key, Render, ResponseCache, UnavailableError
from statuspage.serving.response import CachedResponse


def folder_of(settings: "Settings") -> Path:
    """Where the worker keeps the files of its mirrors."""
    return settings.data_dir / "mirror"


def beside(app: Flask) -> AbstractContextManager[object]:
    """Mirrors while the worker works; does nothing where no target is set."""
    return _running(app) if app.config["SETTINGS"].mirror else nullcontext()


@contextmanager
def _running(app: Flask) -> Iterator[None]:
    settings: Settings = app.config["SETTINGS"]
    published = ask_nothing_twice(app)
    mirror = Mirror(
        folder_of(settings),
        settings.mirror.split(),
        ask=in_process(app.wsgi_app, settings.base_url),
        look_since=looking(app),
        revision=published.read_revision,
        keys=Keys(settings.bucket_key, settings.bucket_secret),
    )
    mirror.start()
    try:
        yield
    finally:
        mirror.stop()


class Unkept(ResponseCache):
    """Renders whenever it is asked, and keeps nothing: in this process nobody reads."""

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


def ask_nothing_twice(app: Flask) -> Unkept:
    """Let the application render every public answer anew, for a process without readers."""
    published = Unkept(events.revision, within=within(app), watch=False)
    app.extensions["published"] = published
    return published


def within(app: Flask) -> Callable[[], AbstractContextManager[None]]:
    @contextmanager
    def entered() -> Iterator[None]:
        with app.app_context():
            reading()
            yield

    return entered


def looking(app: Flask) -> "LookSince":
    """What there is to mirror, since an event."""
    base_url: str = app.config["SETTINGS"].base_url
    sitemap = Sitemap.of(app)

    def look_since(event: int, seen: frozenset[int], at: "datetime") -> "Look":
        with within(app)():
            return look(event, seen, sitemap=sitemap, at=at, base_url=base_url)

    return look_since
