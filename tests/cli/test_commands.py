"""Commands for operators."""

import pytest

from statuspage.config import Settings
from statuspage.domain import events
from statuspage.domain.staff import members as staff
from statuspage.domain.staff import second_factor
from tests.conftest import SECRET, on_sqlite
from tests.helpers.apps import create_app
from tests.helpers.totp_app import code_at


@pytest.fixture
def flask(app):
    """`flask("staff create …", stdin)` as an operator types it."""

    def run(line: str, stdin: str = ""):
        return app.test_cli_runner().invoke(args=line.split(), input=stdin)

    return run


def test_command_creates_the_first_owner(flask, committed):
    result = flask(
        "staff create Ada@Example.com --role owner --password-stdin", "correct horse battery\n"
    )
    assert (result.exit_code, result.output) == (0, "ada@example.com is on the team as owner.\n")
    with committed():
        member = staff.authenticate("ada@example.com", "correct horse battery")
        assert member is not None
        assert member.role is staff.Role.OWNER


@pytest.mark.parametrize(
    "line, stdin, sentence",
    [
        (
            "staff create ada@example.com --role editor --password-stdin",
            "short\n",
            "Error: Use at least 12 characters.\n",
        ),
        (
            "staff create ada@example.com --role owner --password-stdin",
            "passwordpassword\n",
            "Error: This is a common password, so attackers try it first. Choose another one.\n",
        ),
        ("staff create ada --role editor", "", "Error: Enter an e-mail address.\n"),
        (
            "staff link nobody@example.com",
            "",
            "Error: No one on the team has this address.\n",
        ),
    ],
)
def test_impossible_command_says_why(flask, committed, line, stdin, sentence):
    result = flask(line, stdin)
    assert (result.exit_code, result.output) == (1, sentence)
    with committed():
        assert staff.listed() == []


def test_sign_in_link_from_the_command_line_works_once(flask, client):
    flask("staff create ada@example.com --role viewer")
    address = flask("staff link ada@example.com").output.strip()
    assert address.startswith("https://status.example.com/admin/sign-in/")
    path = address.removeprefix("https://status.example.com")
    assert client.get(path).status_code == 200


@on_sqlite
@pytest.mark.parametrize(
    ("named", "noted", "expected"),
    [
        ({}, "http://127.0.0.1:9123", "http://127.0.0.1:9123"),
        ({}, None, "http://127.0.0.1:8000"),
        ({"port": 8600}, "http://127.0.0.1:9123", "http://127.0.0.1:8600"),
        ({"base_url": "https://s.example"}, "http://127.0.0.1:9123", "https://s.example"),
    ],
)
def test_a_link_leads_to_where_the_page_was_started(settings, named, noted, expected):
    usual = {"data_dir": settings.data_dir, "secret_key": settings.secret_key, "demo": False}
    own = Settings(**usual, **named, database_url=settings.database_url)
    if noted:
        (settings.data_dir / "address").write_text(noted)
    runner = create_app(own, watch=False).test_cli_runner()
    runner.invoke(args=["staff", "create", "ada@example.com", "--role", "viewer"])
    link = runner.invoke(args=["staff", "link", "ada@example.com"]).output
    assert link.startswith(f"{expected}/admin/sign-in/")


def test_an_operator_lets_somebody_back_in_who_lost_the_phone(flask, committed, at):
    flask("staff create ada@example.com --role owner")
    with committed():
        ada = staff.with_email("ada@example.com")
        second_factor.set_up(ada, keys=[SECRET], at=at)
        secret = second_factor.secret_to_confirm(ada, keys=[SECRET], at=at)
        code = code_at(secret, at)
        second_factor.confirm(ada, code, keys=[SECRET], by=ada.actor, at=at)
    said = flask("staff reset-second-factor Ada@Example.com")
    assert said.output == (
        "The second factor of ada@example.com is off; their password alone signs them in.\n"
    )
    with committed():
        assert second_factor.who_has_one() == set()
        event = events.latest(1)[0]
        assert (event.kind, event.actor_name) == ("staff.second_factor_off", "Command line")
    again = flask("staff reset-second-factor ada@example.com")
    assert (again.exit_code, again.output) == (1, "Error: ada has no second factor.\n")


@on_sqlite
def test_every_command_reports_an_unavailable_database_in_one_sentence(settings, tmp_path):
    away = {"database_url": "postgresql+psycopg://postgres:hidden@127.0.0.1:1/nowhere"}
    app = create_app(settings.model_copy(update=away), watch=False)
    (tmp_path / "some.backup").touch()
    for line in ("staff link ada@example.com", "token list", f"mirror {tmp_path}/copy",
                 f"backup {tmp_path}/new.backup", f"restore {tmp_path}/some.backup",
                 f"db move sqlite:///{tmp_path}/moved.db"):  # fmt: skip
        ended = app.test_cli_runner().invoke(args=line.split())
        assert (ended.exit_code, ended.output.count("\n")) == (1, 1), (line, ended.output)
        assert "Connection refused" in ended.output
        assert "hidden" not in ended.output


@on_sqlite
def test_export_status_without_an_export_says_so(flask):
    assert flask("mirror --status").output == "No export is set up (STATUSPAGE_MIRROR).\n"
