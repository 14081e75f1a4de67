"""A status page with something to tell: trouble now, trouble past, work ahead."""

import pytest

from tests.helpers import site


@pytest.fixture
def world(committed, at) -> site.World:
    return site.northwind(committed, at)
