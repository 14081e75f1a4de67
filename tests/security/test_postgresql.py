"""What a stranger types that only PostgreSQL refuses."""

import pytest

from tests.conftest import on_postgresql
from tests.helpers import site

pytestmark = on_postgresql

NOWHERE = (
    "/incidents/%00",
    "/incidents/%00/postmortem",
    "/incidents/a%00b/subscribe",
    "/components/%00.ics",
    "/components/%00/badge.svg",
    "/api/v2/incidents/%00.json",
)


@pytest.fixture
def reader(client, committed, at):
    site.northwind(committed, at)
    return client


def test_path_with_nul_is_a_404(reader):
    for address in NOWHERE:
        assert reader.get(address).status_code == 404, address


def test_form_with_nul_is_refused(reader):
    for name in ("email", "endpoint", "channel", "scope", "wants"):
        form = {"channel": "email", "email": "ann@example.com", "scope": "all", name: "\0"}
        assert 200 <= reader.post("/subscribe", data=form).status_code < 500
