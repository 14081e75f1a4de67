"""What a database or role may have set otherwise changes nothing; another encoding is refused."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import sqlalchemy as sa

from statuspage.config import PROJECT, Settings
from statuspage.db import db, migrate
from statuspage.domain import page_settings
from statuspage.domain.events import SYSTEM
from tests.conftest import SECRET
from tests.helpers.apps import create_app

AT = datetime(2027, 2, 3, 4, 5, 6, tzinfo=UTC)


@pytest.fixture
def database(empty_postgres):
    """`database(statement)`: run a statement about an empty database, named `{}` in it."""
    name = empty_postgres.rpartition("/")[2]

    def run(statement: str) -> str:
        with psycopg.connect(empty_postgres, autocommit=True) as session:
            session.execute(statement.format(f'"{name}"'))
        return empty_postgres

    return run


@pytest.fixture
def opened(tmp_path):
    """`opened(url)`: an application context on this database."""
    contexts = []

    def run(url: str):
        app = create_app(Settings(data_dir=tmp_path, database_url=url, secret_key=SECRET))
        context = app.app_context()
        context.push()
        contexts.append(context)
        return app

    yield run
    for context in contexts:
        db.session.remove()
        db.engine.dispose()
        context.pop()


@pytest.mark.parametrize(
    "setting",
    [
        "datestyle = 'German'",
        "datestyle = 'SQL, DMY'",
        "intervalstyle = 'sql_standard'",
        "timezone = 'Asia/Kathmandu'",
        "client_encoding = 'LATIN1'",
        "default_transaction_isolation = 'serializable'",
        "statement_timeout = 1",
    ],
)
def test_a_setting_of_the_database_changes_no_value(database, opened, setting):
    app = opened(database(f"ALTER DATABASE {{}} SET {setting}"))
    migrate.bring_up_to_date(app, keep_copy=False)
    page = page_settings.create("Störung ✓", by=SYSTEM, at=AT)
    db.session.commit()
    db.session.refresh(page)
    assert (page.name, page.updated_at) == ("Störung ✓", AT)
    assert db.session.scalar(sa.text("SELECT interval '90 minutes'")) == timedelta(minutes=90)
    isolation = db.session.scalar(sa.text("SHOW transaction_isolation"))
    assert isolation == "read committed"


def test_options_of_the_url_are_kept(database, opened):
    opened(database("CREATE SCHEMA status") + "?options=-c%20search_path%3Dstatus")
    assert db.session.scalar(sa.text("SHOW search_path")) == "status"
    assert db.session.scalar(sa.text("SHOW timezone")) == "UTC"


@pytest.fixture
def other_encoding(postgres_url, request):
    name = f"statuspage_encoding_{os.getpid()}"
    with psycopg.connect(postgres_url, autocommit=True) as session:
        session.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        session.execute(
            f"CREATE DATABASE {name} ENCODING '{request.param}' LOCALE 'C' TEMPLATE template0"
        )
    yield postgres_url.rpartition("/")[0] + "/" + name, request.param
    with psycopg.connect(postgres_url, autocommit=True) as session:
        session.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize(
    "other_encoding, command",
    [
        ("LATIN1", ["-m", "statuspage"]),
        ("SQL_ASCII", ["-m", "flask", "staff", "link", "ann@example.com"]),
    ],
    indirect=["other_encoding"],
)
def test_a_database_of_another_encoding_is_refused_in_a_sentence(
    other_encoding, tmp_path, monkeypatch, command
):
    url, encoding = other_encoding
    monkeypatch.setenv("STATUSPAGE_DATABASE_URL", url)
    monkeypatch.setenv("STATUSPAGE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PORT", "18173")
    done = subprocess.run(
        [sys.executable, *command], cwd=PROJECT, capture_output=True, text=True, timeout=60
    )
    sentence = f"STATUSPAGE_DATABASE_URL names a database in the encoding {encoding}, which"
    assert done.returncode == 1, done
    assert done.stderr.count(sentence) == 1, done
    assert "Traceback" not in done.stderr
