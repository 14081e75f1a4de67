"""What every test may ask for: an application on a clean database, a client, a pinned moment.

The application comes twice, on SQLite and on PostgreSQL. Each test starts with
the migrated schema and no row.
"""

import gc
import os
import shutil
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import ClassVar

import psycopg
import pytest
import sqlalchemy as sa
import time_machine
from argon2 import PasswordHasher
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy.util import LRUCache
from werkzeug.routing import Map, Rule
from werkzeug.serving import make_server

from statuspage import create_app, schema
from statuspage.config import Settings
from statuspage.db import db
from statuspage.domain import second_factor, staff
from tests import servers

SECRET = "only-for-tests-and-nothing-else"
REQUIRE_ALL = "STATUSPAGE_REQUIRE_ALL"
TEST_ENVIRONMENT = (REQUIRE_ALL, servers.POSTGRES_URL, servers.REDIS_URL)


# ── the run ────────────────────────────────────────────────────────────────────


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        _keep_files_in_memory()
        config.stash[_SERVERS] = servers.start_missing()


def _keep_files_in_memory():
    """Each commit waits for the disk; in memory nothing does. Needs less than 1 GB."""
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 * 1024**3:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


# The same algorithm at its least cost: a tenth of all tests sign somebody in.
staff._hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
second_factor._hasher = staff._hasher


def pytest_collection_finish():
    """Spare the garbage collector what stays for the whole run: it took a third of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_unconfigure(config):
    for server in config.stash.get(_SERVERS, []):
        server.stop()


_SERVERS = pytest.StashKey[list[servers.Server]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and os.environ.get(REQUIRE_ALL) == "1" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Skipped where nothing may be skipped: {report.longrepr[2]}"
    return report


# ── time ───────────────────────────────────────────────────────────────────────


@pytest.fixture
def traveller():
    """The machine's clock, stopped at a Tuesday noon; `move_to` and `shift` set it."""
    with time_machine.travel(datetime(2026, 3, 10, 12, tzinfo=UTC), tick=False) as traveller:
        yield traveller


@pytest.fixture
def at(traveller) -> datetime:
    """The pinned moment: `clock.now()` gives it."""
    return datetime(2026, 3, 10, 12, tzinfo=UTC)


# ── the application ────────────────────────────────────────────────────────────


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    """A test sees the settings it makes, not those of the shell it runs in."""
    for name in os.environ:
        if name.startswith("STATUSPAGE_") and name not in TEST_ENVIRONMENT:
            monkeypatch.delenv(name)
    for name in ("HOST", "PORT", "WEB_CONCURRENCY", "GRANIAN_WORKERS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _push_request_context():
    """Undo pytest-flask's open context.

    It would make all clients of a test share `g`, where Flask-Login keeps the
    user: a client without a cookie would pass for the one that signed in.
    """


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path) -> str:
    """An empty database with the present schema, on each engine in turn."""
    if request.param == "sqlite":
        path = tmp_path / "statuspage.db"
        shutil.copyfile(request.getfixturevalue("_sqlite_template"), path)
        return f"sqlite:///{path}"
    return request.getfixturevalue("_emptied_postgres")


on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For tests whose subject does not depend on the engine, and which are slow."""


@pytest.fixture
def settings(database_url, tmp_path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        database_url=database_url,
        secret_key=SECRET,
        base_url="https://status.example.com",
        demo=False,
    )


@pytest.fixture
def app(settings):
    """The application, made as in production, but that each request sees the latest rows."""
    app = create_app(settings, watch=False)
    app.jinja_env.bytecode_cache = _TEMPLATES
    yield app
    with app.app_context():
        db.engine.dispose()


class _Templates(BytecodeCache):
    """Each template of the desk is compiled once a run, however many applications there are."""

    def __init__(self) -> None:
        self.compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.compiled:
            bucket.bytecode_from_string(self.compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.compiled[bucket.key] = bucket.bytecode_to_string()


_TEMPLATES = _Templates()


class _MadeOnce(Map):
    """Flask's map of addresses, which takes nearly all of the time to make an application.

    The same rules give the same map, so every application of a run may share the
    parts that are made of them.
    """

    _made: ClassVar[dict[tuple, dict[str, object]]] = {}

    def __init__(self, *arguments, **named) -> None:
        self._waiting: list[Rule] = []
        super().__init__(*arguments, **named)

    def add(self, rulefactory) -> None:
        self._waiting.append(rulefactory)

    def update(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            rules = tuple(
                (rule.rule, rule.endpoint, frozenset(rule.methods or ()), repr(rule.defaults))
                for rule in waiting
            )
            if rules not in self._made:
                for rule in waiting:
                    super().add(rule)
                super().update()
                self._made[rules] = {name: vars(self)[name] for name in _OF_RULES}
            vars(self).update(self._made[rules])
        super().update()


_OF_RULES = ("_matcher", "_rules_by_endpoint", "_remap")
Flask.url_map_class = _MadeOnce


def _compile_once(make_engine):
    """Engines of one kind share what they made of statements: a quarter of a test's time."""
    shared: dict[str, sa.Dialect] = {}
    compiled = LRUCache(5_000)

    def made(bind_key, options, app):
        engine = make_engine(bind_key, options, app)
        first = shared.get(engine.name)
        if getattr(first, "server_version_info", None) is None:
            # It knows its server from the first connection on.
            shared[engine.name] = engine.dialect
        else:
            engine.dialect = first
        engine._compiled_cache = compiled
        return engine

    return made


db._make_engine = _compile_once(db._make_engine)


@pytest.fixture
def client(app):
    """A browser without a cookie. Each request has a context and a session of its own,
    so that what a view forgot to commit is gone in the next."""
    return app.test_client()


@pytest.fixture
def committed(app):
    """`with committed(): …` arranges rows through the domain and commits once."""

    @contextmanager
    def unit():
        with app.app_context():
            yield db.session
            db.session.commit()

    return unit


@pytest.fixture
def live_url(app):
    """The application behind a real socket, for browsers; the address without a slash."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


# ── engines ────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory):
    path = tmp_path_factory.mktemp("template") / "statuspage.db"
    _migrate(f"sqlite:///{path}", tmp_path_factory)
    # All of it into the one file that tests copy.
    with sa.create_engine(f"sqlite:///{path}").connect() as connection:
        raw = connection.connection.dbapi_connection
        raw.rollback()
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The administration database of a PostgreSQL server, or a skip."""
    url = os.environ.get(servers.POSTGRES_URL)
    if not url:
        pytest.skip("PostgreSQL is not installed: the tests on it are left out.")
    return url


@pytest.fixture(scope="session")
def redis_url() -> str:
    """A Redis server, or a skip."""
    url = os.environ.get(servers.REDIS_URL)
    if not url:
        pytest.skip("Redis is not installed: the tests on it are left out.")
    return url


@pytest.fixture
def empty_postgres(postgres_url, request):
    """A new PostgreSQL database without any table, dropped afterwards."""
    name = f"statuspage_{_worker(request.config)}_empty"
    yield _new_postgres(postgres_url, name)
    _drop_postgres(postgres_url, name)


@pytest.fixture(scope="session")
def _migrated_postgres(postgres_url, tmp_path_factory, pytestconfig):
    name = f"statuspage_{_worker(pytestconfig)}"
    url = _new_postgres(postgres_url, name)
    _migrate(url, tmp_path_factory)
    yield url
    _drop_postgres(postgres_url, name)


@pytest.fixture
def _emptied_postgres(_migrated_postgres):
    # TRUNCATE makes new files for each table and index, which takes three times as long.
    emptied = [f'DELETE FROM "{table.name}"' for table in reversed(db.metadata.sorted_tables)]
    with psycopg.connect(_migrated_postgres.replace("+psycopg", ""), autocommit=True) as session:
        session.execute("; ".join(emptied))
        session.execute("SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'")
    return _migrated_postgres


def _migrate(url, tmp_path_factory):
    app = create_app(
        Settings(data_dir=tmp_path_factory.mktemp("data"), database_url=url, secret_key=SECRET)
    )
    schema.bring_up_to_date(app)
    with app.app_context():
        db.engine.dispose()


def _new_postgres(admin_url: str, name: str) -> str:
    _drop_postgres(admin_url, name)
    with psycopg.connect(admin_url, autocommit=True) as session:
        session.execute(f'CREATE DATABASE "{name}"')
    return admin_url.rpartition("/")[0] + "/" + name


def _drop_postgres(admin_url: str, name: str) -> None:
    with psycopg.connect(admin_url, autocommit=True) as session:
        session.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _worker(config) -> str:
    return getattr(config, "workerinput", {}).get("workerid", "main")


# ── browsers ───────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    """The distribution's Chromium, without anything that would leave the machine."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if not program:
        pytest.skip("Chromium is not installed: the browser tests are left out.")
    flags = (
        "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
        " --disable-background-networking --disable-component-update"
    )
    return {**browser_type_launch_args, "executable_path": program, "args": flags.split()}
