"""With a list of breached passwords, none of them may be chosen, wherever passwords are."""

import hashlib
import json

import pytest

from statuspage import clock
from statuspage.domain import page_settings, tokens
from statuspage.domain.events import SYSTEM
from statuspage.domain.tokens import Scope
from tests.conftest import on_sqlite
from tests.helpers.admin import text_of

STOLEN = "correct horse battery"
SAID = "is in public lists of stolen passwords"

pytestmark = on_sqlite


@pytest.fixture
def breached(app, settings, monkeypatch, tmp_path):
    """The list that the settings name; it holds one password, and one more hash."""
    file = tmp_path / "breached"
    stolen = hashlib.sha1(STOLEN.encode()).hexdigest().upper()
    file.write_text(f"{stolen}:5\n{'F' * 40}:1\n")
    named = settings.model_copy(update={"breached_passwords": file})
    monkeypatch.setitem(app.config, "SETTINGS", named)
    return file


def test_breached_password_is_refused_in_admin_command_and_api(app, breached, ann, committed):
    refused = ann.post("/admin/account", {"password": STOLEN})
    assert refused.status_code == 422
    assert SAID in text_of(refused)
    assert STOLEN not in refused.text

    create = ["staff", "create", "ada@example.com", "--role", "viewer", "--password-stdin"]
    said = app.test_cli_runner().invoke(args=create, input=f"{STOLEN}\n")
    assert (said.exit_code, SAID in said.output) == (1, True)

    with committed():
        secret = tokens.create("Program", scopes=[Scope.MANAGE], by=SYSTEM, at=clock.now())[1]
        users = f"/v1/organizations/{page_settings.get().public_id}/users"
    bearer = {"Authorization": f"OAuth {secret}"}
    client = app.test_client()
    ada = {"user": {"email": "ada@example.com", "password": STOLEN}}
    assert SAID in client.post(users, json=ada, headers=bearer).text
    ada["user"]["password"] = "another horse battery"
    bea = client.post(users, json=ada, headers=bearer)
    assert bea.status_code == 201
    assert client.delete(f"{users}/{bea.json['id']}", headers=bearer).status_code == 200
    ada["user"]["password"] = STOLEN
    assert SAID in client.post(users, json=ada, headers=bearer).text

    assert ann.post("/admin/account", {"password": "another horse battery"}).status_code == 303


def test_flask_check_reports_the_breached_list(app, breached, world):
    def checked():
        done = app.test_cli_runner().invoke(args=["check", "--json"])
        (found,) = [one for one in json.loads(done.stdout) if one["what"] == "passwords"]
        return found["level"], found["words"]

    assert checked() == ("ok", f"those in {breached} are rejected")
    breached.write_text("".join(reversed(breached.read_text().splitlines(keepends=True))))
    level, words = checked()
    assert level == "problem"
    assert words.startswith(f"{breached} is not sorted by hash. ")
    breached.unlink()
    assert "cannot be read: No such file" in checked()[1]
