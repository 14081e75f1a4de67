"""Fault 19: copies on disk outlive a restart; damaged ones are dropped and made again."""

import os
from pathlib import Path

import pytest

from statuspage.db import db
from statuspage.serving.response import AS_OF, note
from tests.conftest import on_sqlite
from tests.helpers import site

pytestmark = on_sqlite
ADDRESSES = ("/", "/history", "/history.rss", "/api/v2/summary.json", "/badge.svg", "/subscribe")


@pytest.fixture
def copies(settings, app, client, committed, at) -> list[Path]:
    """The files of the answers of a page that was read."""
    site.northwind(committed, at)
    for address in ADDRESSES:
        assert client.get(address).status_code == 200
    return sorted((settings.data_dir / "published").iterdir())


def take_the_database_away(app):
    with app.app_context():
        path = Path(db.engine.url.database)
        db.engine.dispose()
    path.rename(path.with_suffix(".away"))
    path.mkdir()


def test_restart_without_database_serves_every_page_read_before(another, app, client, copies, at):
    good = {address: client.get(address).data for address in ADDRESSES}
    take_the_database_away(app)
    again = another().test_client()
    for address in ADDRESSES:
        answer = again.get(address)
        assert answer.status_code == 200
        assert answer.data.replace(note(at), AS_OF) == good[address]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(os.urandom(2000)),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: path.write_bytes(copy_of_another(path)),
    ],
    ids=["random bytes", "empty", "cut off", "a folder", "another page's"],
)
def test_damaged_files_never_give_readers_another_page(another, app, client, copies, damage):
    good = {address: client.get(address).data for address in ADDRESSES}
    for path in copies:
        damage(path)
    again = another().test_client()
    assert {address: again.get(address).data for address in ADDRESSES} == good


def copy_of_another(path: Path) -> bytes:
    return next(file for file in sorted(path.parent.iterdir()) if file != path).read_bytes()


def test_damaged_copies_are_not_served_without_a_database(another, app, client, copies):
    for path in copies:
        path.write_bytes(os.urandom(2000))
    take_the_database_away(app)
    again = another().test_client()
    answers = [again.get(address) for address in ADDRESSES]
    assert [answer.status_code for answer in answers] == [503] * len(ADDRESSES)
    assert all(answer.headers["Retry-After"] for answer in answers)
