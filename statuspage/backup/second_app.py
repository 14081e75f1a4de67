"""The same application on another database: to migrate, to fill or to read that one."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask

from statuspage.config import Settings
from statuspage.db import db, migrate
from statuspage.factory import create_app


@contextmanager
def application_on(app: Flask, database_url: str) -> Iterator[Flask]:
    """An application with the settings of `app`, but for its database and its data folder.

    It publishes nothing where readers' copies are kept.
    """
    settings: Settings = app.config["SETTINGS"]
    with tempfile.TemporaryDirectory(prefix="statuspage-") as folder:
        changed = {"database_url": database_url, "data_dir": Path(folder)}
        other = create_app(settings.model_copy(update=changed), watch=False)
        try:
            yield other
        finally:
            with other.app_context():
                db.session.remove()
                db.engine.dispose()


def make_schema(app: Flask) -> Callable[[Path, str], None]:
    """Gives a new SQLite file the schema of a revision."""

    def make(file: Path, revision: str) -> None:
        with application_on(app, f"sqlite:///{file}") as other:
            migrate.upgrade(other, revision)

    return make
