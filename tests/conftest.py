"""What every test may ask for: an application on a clean database, a client, a pinned moment.

The application comes twice, on SQLite and on PostgreSQL. Each test starts with
the migrated schema and no row.
"""

import gc
import os
import shutil
import sqlite3
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import hypothesis
import psycopg
import pytest
import sqlalchemy as sa
import time_machine
from argon2 import PasswordHasher
from jinja2 import FileSystemBytecodeCache
from werkzeug.serving import make_server

from statuspage import config
from statuspage.config import Settings
from statuspage.db import db, migrate
from statuspage.domain.staff import members as staff
from statuspage.domain.staff import second_factor
from tests.helpers import servers
from tests.helpers.apps import create_app

SECRET = "only-for-tests-and-nothing-else"
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
"""The pinned moment, a Tuesday noon."""
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


# The same examples in each run: a failure of the suite is a failure of the change.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("same")


# The same algorithm at its least cost: a tenth of all tests sign somebody in.
staff._hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
second_factor._hasher = staff._hasher


def pytest_collection_finish():
    """Spare the garbage collector what stays for the whole run: it took a third of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


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
    """The machine's clock, stopped at `NOW`; `move_to` and `shift` set it."""
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def at(traveller) -> datetime:
    """The pinned moment: `clock.now()` gives it."""
    return NOW


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
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
"""For what SQLite does not know: writers beside one another, characters it refuses."""


@pytest.fixture
def settings(database_url, tmp_path, _usual_settings) -> Settings:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return _usual_settings.model_copy(
        update={"data_dir": folder, "database_url": config.read_database_url(database_url)}
    )


@pytest.fixture(scope="session")
def _usual_settings(tmp_path_factory) -> Settings:
    """To judge all settings takes as long as many a test."""
    return Settings(
        data_dir=tmp_path_factory.mktemp("usual"),
        secret_key=SECRET,
        base_url="https://status.example.com",
        demo=False,
    )


@pytest.fixture
def app(settings, _templates):
    """The application, made as in production, but that each request sees the latest rows."""
    app = create_app(settings, watch=False)
    app.jinja_env.bytecode_cache = _templates
    with app.app_context():
        engine = db.engine
    _share(engine)
    yield app
    _give_back(engine)


@pytest.fixture(scope="session")
def _templates(tmp_path_factory) -> FileSystemBytecodeCache:
    """Each template is compiled once a run."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


_first_engines: dict[str, sa.Engine] = {}
"""Name of the dialect → the first engine that has seen its server."""
_statements: dict[object, object] = {}


def _share(engine: sa.Engine) -> None:
    """Compile each statement once per run, and keep the connections to PostgreSQL open.

    To compile took half of a test's time, and a new connection costs the server 10 ms.
    """
    if first := _first_engines.get(engine.name):
        engine.dialect = first.dialect
        if engine.url == first.url:
            engine.pool = first.pool
    engine.update_execution_options(compiled_cache=_statements)


def _give_back(engine: sa.Engine) -> None:
    if engine.dialect.server_version_info is not None:
        _first_engines.setdefault(engine.name, engine)
    first = _first_engines.get("postgresql")
    if first is None or engine.pool is not first.pool or engine.pool.checkedout():
        engine.dispose()


@pytest.fixture
def another(settings):
    """`another(base_url=…)`: a second program on the same records."""
    made = []

    def make(**changed):
        made.append(create_app(settings.model_copy(update=changed), watch=False))
        return made[-1]

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()


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
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
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
    with psycopg.connect(url, autocommit=True) as session:
        yield url, session
    _drop_postgres(postgres_url, name)


@pytest.fixture
def _emptied_postgres(_migrated_postgres):
    url, session = _migrated_postgres
    # TRUNCATE makes new files for each table and index, which takes three times as long.
    emptied = [f'DELETE FROM "{table.name}"' for table in reversed(db.metadata.sorted_tables)]
    session.execute("; ".join(emptied))
    session.execute("SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'")
    return url


def _migrate(url, tmp_path_factory):
    app = create_app(
        Settings(data_dir=tmp_path_factory.mktemp("data"), database_url=url, secret_key=SECRET)
    )
    migrate.bring_up_to_date(app)
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


WITH_WINDOWS = ("chromium", "chromium-browser")


def a_program(*names: str) -> str:
    """The first of them that is installed, or a skip."""
    for name in names:
        if program := shutil.which(name):
            return program
    pytest.skip("Chromium is not installed: the browser tests are left out.")


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    """The distribution's Chromium, without anything that would leave the machine.

    The same engine comes without windows too: a page of its own costs it a third.
    """
    program = a_program("chromium-headless-shell", *WITH_WINDOWS)
    flags = (
        "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
        " --disable-background-networking --disable-component-update"
    )
    return {**browser_type_launch_args, "executable_path": program, "args": flags.split()}
