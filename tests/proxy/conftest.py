"""A front before a web process, and how long it trusts what it has stored."""

import pytest

from statuspage.proxy import cache as kept
from tests.helpers.proxy import Behind, Running


@pytest.fixture
def behind(tmp_path):
    behind = Behind(tmp_path)
    yield behind
    behind.stop()


@pytest.fixture
def front(behind):
    running = Running(behind.socket)
    yield running
    running.stop()


@pytest.fixture
def _long_lived(monkeypatch):
    """A stored answer is given for long without a check, however slow this machine is."""
    monkeypatch.setattr(kept, "CHECK_AFTER_S", 60)
    monkeypatch.setattr(kept, "VALID_S", 60)


@pytest.fixture
def _always_checked(monkeypatch):
    monkeypatch.setattr(kept, "CHECK_AFTER_S", 0)
    monkeypatch.setattr(kept, "VALID_S", 0)
