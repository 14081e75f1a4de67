"""The domain on a database in memory: every test gets empty tables and commits nothing.

What depends on the engine, on two sessions or on a commit asks for `app` instead.
"""

import pytest
from flask import Flask

from statuspage.db import db
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from tests.helpers.domain import AT


@pytest.fixture(scope="session")
def memory():
    """An application that has nothing but the tables."""
    app = Flask("domain")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db.init_app(app)
    with app.app_context():
        db.create_all()
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def session(memory):
    with memory.app_context():
        yield db.session
        db.session.rollback()


@pytest.fixture
def payments(session):
    return components.add_component("Payments", by=SYSTEM, at=AT)


@pytest.fixture
def search(session, payments):
    return components.add_component("Search", by=SYSTEM, at=AT)
