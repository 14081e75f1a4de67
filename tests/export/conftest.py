"""A page to mirror, and the mirror of it, made step by step at a pinned moment."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask

from statuspage import clock
from statuspage.config import Settings
from statuspage.db import db
from statuspage.export import runner
from statuspage.export.render import in_process
from statuspage.export.worker import ExportWorker
from tests.conftest import NOW
from tests.helpers import site
from tests.helpers.apps import create_app


@pytest.fixture
def database_url(request, tmp_path) -> str:
    """What is mirrored does not depend on the engine."""
    path = tmp_path / "statuspage.db"
    shutil.copyfile(request.getfixturevalue("_sqlite_template"), path)
    return f"sqlite:///{path}"


@dataclass(frozen=True)
class Part:
    """Public ids of what stands on a page that is mirrored in every test."""

    cards: str
    open: str
    past: str


@pytest.fixture
def northwind(committed, at) -> Part:
    """A part of Northwind: all of it, in `copy`, has three times as many addresses."""
    with committed():
        site.a_page(at)
        web, cards = site.a_component("Website", at), site.a_component("Card payments", at)
        opened = site.an_open_incident(cards, at)
        past = site.a_past_incident(web, at - timedelta(days=2, hours=3), at)
        return Part(cards.public_id, opened.public_id, past.public_id)


@pytest.fixture
def mirror_to(app, tmp_path):
    """`mirror_to(target, …)`: the mirror of a worker, whose steps a test takes itself."""
    return lambda *targets, **more: a_mirror(app, tmp_path / "work", *targets, **more)


def a_mirror(app, work, *targets, **more) -> ExportWorker:
    published = runner.disable_cache(app)
    return ExportWorker(
        work,
        targets,
        fetch=in_process(app.wsgi_app, app.config["SETTINGS"].base_url),
        read_changes=runner.changes_reader(app),
        revision=published.read_revision,
        **more,
    )


@pytest.fixture
def brought():
    """Takes steps until there is nothing left to make, then lets the couriers go once."""
    return bring


def bring(mirror) -> list[bool]:
    at = clock.now()
    mirror.step(at=at)
    while mirror.builder.later:
        mirror.step(at=at)
    return [uploader.deliver() for uploader in mirror.uploaders]


@dataclass(frozen=True)
class Copy:
    """A whole mirror for tests that only read it, made once: portable and for nginx."""

    app: Flask
    world: site.World
    folder: Path
    published: Path
    mirror: ExportWorker


@pytest.fixture(scope="session")
def copy(_sqlite_template, tmp_path_factory) -> Iterator[Copy]:
    with a_copy(_sqlite_template, tmp_path_factory.mktemp("mirrored"), NOW) as copy:
        yield copy


@contextmanager
def a_copy(template: Path, folder: Path, at: datetime) -> Iterator[Copy]:
    """Northwind's page in a database of its own, mirrored at that moment."""
    path = folder / "statuspage.db"
    shutil.copyfile(template, path)
    settings = Settings(
        data_dir=folder / "data",
        database_url=f"sqlite:///{path}",
        secret_key="only-for-tests-and-nothing-else",
        base_url="https://status.example.com",
        demo=False,
    )
    app = create_app(settings, watch=False)

    @contextmanager
    def committed():
        with app.app_context():
            yield
            db.session.commit()

    with time_machine.travel(at, tick=False):
        world = site.northwind(committed, at)
        places = (folder / "portable", folder / "published")
        mirror = a_mirror(app, folder / "work", f"file:{places[0]}", f"published:{places[1]}")
        assert bring(mirror) == [True, True]
    yield Copy(app, world, *places, mirror)
    with app.app_context():
        db.engine.dispose()
