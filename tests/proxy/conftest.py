"""A front before a web process, and how long it trusts what it has stored."""

import pytest

from tests.helpers.proxy import Behind, Running


@pytest.fixture
def behind(tmp_path):
    behind = Behind(tmp_path)
    yield behind
    behind.stop()


@pytest.fixture
def lifetimes():
    """Those that differ from the usual ones; see `tests.helpers.proxy.cached`."""
    return {}


@pytest.fixture
def front(behind, lifetimes):
    running = Running(behind.socket, **lifetimes)
    yield running
    running.stop()
