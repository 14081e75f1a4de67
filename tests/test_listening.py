"""A change is told to all processes by PostgreSQL; where that fails, they ask as before."""

import threading
import time

import psycopg
import pytest
from sqlalchemy.pool import NullPool

from statuspage.db import db, postgresql
from statuspage.domain import page_settings
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.serving import cache
from statuspage.web import listening
from tests.apps import create_app

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
FOREVER_S = 3600.0


@pytest.fixture
def never_asked(monkeypatch):
    """A process that is told of changes asks no more, so that none comes another way."""
    monkeypatch.setattr(cache, "LISTENING_CHECK_EVERY_S", FOREVER_S)
    monkeypatch.setattr(cache, "LISTENING_VALID_S", FOREVER_S)


@pytest.fixture
def another(settings, tmp_path, monkeypatch, committed, at):
    """Another process of the page: an application that watches, and has a reader."""
    ending = threading.Event()
    usual = listening.listen
    monkeypatch.setattr(listening, "listen", lambda app, it: usual(app, it, ending))
    monkeypatch.setattr(listening, "RETRY_S", 0.02)
    monkeypatch.setattr(listening, "SIGN_EVERY_S", 0.2)
    # Its threads may outlive the test; nothing of theirs stays open.
    options = {"poolclass": NullPool, "connect_args": postgresql.ENGINE_OPTIONS["connect_args"]}
    monkeypatch.setattr(postgresql, "ENGINE_OPTIONS", options)
    with committed():
        page_settings.create("Example", by=SYSTEM, at=at)
    app = create_app(settings.model_copy(update={"data_dir": tmp_path / "another"}))
    assert app.test_client().get("/").status_code == 200
    yield app
    ending.set()
    monkeypatch.setattr(cache, "IDLE_AFTER_S", -1)
    app.extensions["published"]._listener.join(10)


@pytest.fixture
def change(committed, at):
    def add(name: str) -> None:
        with committed():
            components.add_component(name, by=SYSTEM, at=at)

    return add


def until(is_so, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def shows(app, name: str) -> bool:
    return name in app.test_client().get("/").text


def told(app) -> bool:
    return app.extensions["published"].is_told


def cut_off(settings) -> int:
    """End every connection that listens, as a server does that restarts; returns how many."""
    address = settings.database_url.replace("+psycopg", "")
    with psycopg.connect(address, autocommit=True) as session:
        ended = session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN %'"
        )
        return len(ended.fetchall())


def test_a_change_is_told_to_the_other_process_which_need_not_ask(never_asked, another, change):
    until(lambda: told(another))
    change("Checkout")
    until(lambda: shows(another, "Checkout"))


def test_who_is_cut_off_asks_again_and_then_listens_again(another, change, settings, monkeypatch):
    monkeypatch.setattr(listening, "RETRY_S", FOREVER_S)
    until(lambda: told(another))
    assert cut_off(settings) == 1
    until(lambda: not told(another))
    change("Checkout")
    until(lambda: shows(another, "Checkout"))


def test_who_was_cut_off_listens_again(never_asked, another, change, settings):
    until(lambda: told(another))
    assert cut_off(settings) == 1
    until(lambda: not told(another))
    until(lambda: told(another))
    for name in ("Checkout", "Search"):
        change(name)
        until(lambda name=name: shows(another, name))


def test_a_connection_on_which_nothing_arrives_is_not_relied_on(app, monkeypatch):
    """As behind PgBouncer, which takes LISTEN and gives the session to others."""
    monkeypatch.setattr(listening, "PROOF_S", 0.02)
    with app.app_context():
        deaf = listening._connect(db.engine)
        with deaf, pytest.raises(listening.MuteError):
            listening._prove(db.engine, deaf)
