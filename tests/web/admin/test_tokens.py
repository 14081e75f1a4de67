"""API tokens at the desk and on the command line."""

import re
from datetime import timedelta

import pytest

from statuspage.domain import events, tokens
from tests.conftest import on_sqlite
from tests.helpers.admin import text_of

pytestmark = on_sqlite


def made(owner, **more):
    form = {"name": "Deploy bot", "scopes": ["components"], "expires_on": "", **more}
    return owner.post("/admin/tokens", form)


def secret_in(response) -> str:
    return re.search(r'id="secret" value="(sp_[^"]+)"', response.text)[1]


def asks(client, secret, **more):
    return client.get("/v1/pages.json", headers={"Authorization": f"OAuth {secret}"}, **more)


def test_token_is_shown_once_and_works_at_once(owner, client):
    shown = made(owner)
    secret = secret_in(shown)
    assert asks(client, secret).status_code == 200
    listed = owner.get("/admin/tokens").text
    assert secret not in listed
    assert secret[:8] in listed


def test_revoked_token_is_refused_and_stays_listed(owner, client, stored):
    secret = secret_in(made(owner))
    (public_id,) = stored(lambda: [token.public_id for token in tokens.listed()])
    owner.post(f"/admin/tokens/{public_id}/revoke")
    assert asks(client, secret).status_code == 401
    assert "Deploy bot" in text_of(owner.get("/admin/tokens")).partition("Ended")[2]


def test_token_expires_at_the_end_of_its_day_in_the_page_zone(owner, client, traveller):
    secret = secret_in(made(owner, expires_on="2026-03-12"))
    traveller.move_to("2026-03-12T22:59:00Z")  # 23:59 in Vienna
    assert asks(client, secret).status_code == 200
    traveller.shift(timedelta(minutes=2))
    assert asks(client, secret).status_code == 401


def test_refused_token_form_keeps_the_input(owner):
    refused = made(owner, name="", scopes=["read"], expires_on="2020-01-01")
    assert refused.status_code == 422
    assert 'value="2020-01-01"' in refused.text
    assert re.search(r'value="read"[^>]*checked', refused.text)
    assert "Name the program" in text_of(refused)
    assert "in the future" in text_of(refused)


def test_active_token_names_are_unique(owner):
    assert made(owner).status_code == 200
    assert made(owner).status_code == 422


def test_token_use_is_shown_to_owners(owner, client):
    secret = secret_in(made(owner))
    assert "never used" in owner.get("/admin/tokens").text
    asks(client, secret)
    assert "last used" in text_of(owner.get("/admin/tokens"))


def test_tokens_are_for_owners(ann):
    assert ann.get("/admin/tokens").status_code == 403


def test_creating_and_revoking_is_audited_without_a_new_revision(owner, stored):
    before = stored(events.revision)
    made(owner)
    assert "Token: created" in text_of(owner.get("/admin/audit"))
    assert stored(events.revision) == before


@pytest.fixture
def flask(app):
    def run(*words: str):
        return app.test_cli_runner().invoke(args=words)

    return run


def test_token_from_the_command_line_is_alone_on_its_line(flask, client, world):
    result = flask("token", "create", "Deploy bot", "--scope", "read", "--scope", "incidents")
    assert result.exit_code == 0
    secret = result.output.rstrip("\n")
    assert re.fullmatch(r"sp_\S{40,}", secret)
    assert asks(client, secret).status_code == 200
    assert flask("token", "list").output == f"{secret[:8]}…  Deploy bot  read incidents\n"
    assert flask("token", "revoke", "Deploy bot").exit_code == 0
    assert asks(client, secret).status_code == 401
    assert flask("token", "revoke", "Deploy bot").exit_code == 1
