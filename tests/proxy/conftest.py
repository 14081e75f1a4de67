"""A proxy in front of a web process, and how long it caches responses."""

import pytest

from tests.helpers.proxy import Running, WebProcess


@pytest.fixture
def web_process(tmp_path):
    web_process = WebProcess(tmp_path)
    yield web_process
    web_process.stop()


@pytest.fixture
def lifetimes():
    """Those that differ from the usual ones; see `tests.helpers.proxy.cached`."""
    return {}


@pytest.fixture
def proxy(web_process, lifetimes):
    running = Running(web_process.socket, **lifetimes)
    yield running
    running.stop()
