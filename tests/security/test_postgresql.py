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


def test_an_address_it_can_not_look_for_leads_nowhere(reader):
    for address in NOWHERE:
        assert reader.get(address).status_code == 404, address


def test_a_form_with_a_character_it_does_not_keep_is_refused(reader):
    for name in ("email", "endpoint", "channel", "scope", "wants"):
        form = {"channel": "email", "email": "ann@example.com", "scope": "all", name: "\0"}
        assert 200 <= reader.post("/subscribe", data=form).status_code < 500
