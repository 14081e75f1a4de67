"""Settings: right ones work, wrong ones stop the start with one sentence."""

import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from statuspage import config
from statuspage.config import PROJECT, Settings, SettingsError


@pytest.fixture(autouse=True)
def _own_data_dir(monkeypatch, tmp_path):
    monkeypatch.setenv("STATUSPAGE_DATA_DIR", str(tmp_path / "data"))


def test_without_any_setting_the_page_runs_on_one_file_on_loopback(tmp_path):
    settings = config.load()
    assert settings.database_url == f"sqlite:///{tmp_path}/data/statuspage.db"
    assert settings.redis_url is None
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.base_url == "http://127.0.0.1:8000"
    assert settings.demo is True


@pytest.mark.parametrize(
    "given, understood",
    [
        ("postgres://u:p%40ss@db/status", "postgresql+psycopg://u:p%40ss@db/status"),
        ("postgresql://u@db:5432/status", "postgresql+psycopg://u@db:5432/status"),
        ("sqlite:////srv/status.db", "sqlite:////srv/status.db"),
    ],
)
def test_database_addresses_of_both_engines_are_understood(monkeypatch, given, understood):
    monkeypatch.setenv("STATUSPAGE_DATABASE_URL", given)
    assert config.load().database_url == understood


def test_a_relative_database_file_is_found_from_the_folder_of_the_start(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STATUSPAGE_DATABASE_URL", "sqlite:///here.db")
    assert config.load().database_url == f"sqlite:///{tmp_path}/here.db"


def test_an_empty_value_in_the_environment_hides_the_one_of_the_file(monkeypatch, tmp_path):
    """A drill is kept from the readers' mirror by it."""
    file = tmp_path / "settings"
    file.write_text("STATUSPAGE_MIRROR=file:/srv/copy\nSTATUSPAGE_SMTP_URL=smtp://mail\n")
    monkeypatch.setenv("STATUSPAGE_MIRROR", "")
    settings = Settings(_env_file=file)
    assert (settings.mirror, settings.smtp_url) == ("", "smtp://mail")


@pytest.mark.parametrize(
    "name, value, sentence",
    [
        (
            "STATUSPAGE_DATABASE_URL",
            "mysql://db/status",
            "STATUSPAGE_DATABASE_URL starts with 'mysql'; use sqlite:/// or postgresql://.",
        ),
        (
            "STATUSPAGE_DATABASE_URL",
            "status.db",
            "STATUSPAGE_DATABASE_URL is not a database address.",
        ),
        ("STATUSPAGE_DATABASE_URL", "sqlite://", "STATUSPAGE_DATABASE_URL does not name a file."),
        (
            "STATUSPAGE_REDIS_URL",
            "http://cache",
            "STATUSPAGE_REDIS_URL starts with 'http'; use redis:// or rediss://.",
        ),
        ("STATUSPAGE_REDIS_URL", "redis://", "STATUSPAGE_REDIS_URL does not name a host."),
        (
            "STATUSPAGE_BASE_URL",
            "status.example.com",
            "STATUSPAGE_BASE_URL starts with ''; use http:// or https://.",
        ),
        (
            "STATUSPAGE_BASE_URL",
            "https://example.com/status",
            "STATUSPAGE_BASE_URL may only have a scheme, a host and a port.",
        ),
        (
            "STATUSPAGE_SMTP_URL",
            "smtp://mail:port",
            "STATUSPAGE_SMTP_URL is not an address.",
        ),
        (
            "STATUSPAGE_SECRET_KEY",
            "short",
            "STATUSPAGE_SECRET_KEY is wrong: string should have at least 16 characters.",
        ),
        (
            "STATUSPAGE_DEMO",
            "perhaps",
            "STATUSPAGE_DEMO is wrong: input should be a valid boolean, unable to interpret input.",
        ),
        ("PORT", "0", "PORT is wrong: input should be greater than or equal to 1."),
        (
            "PORT",
            "http",
            "PORT is wrong: input should be a valid integer, unable to parse string as an integer.",
        ),
        (
            "STATUSPAGE_LOG_FORMAT",
            "xml",
            "STATUSPAGE_LOG_FORMAT is wrong: input should be 'console' or 'json'.",
        ),
        (
            "STATUSPAGE_DATA_DIR",
            "/dev/null/data",
            "STATUSPAGE_DATA_DIR cannot be created (Not a directory).",
        ),
        (
            "WEB_CONCURRENCY",
            "4",
            "STATUSPAGE_REDIS_URL is missing: several web processes (4) count sign-in attempts"
            " together in Redis.",
        ),
    ],
)
def test_a_wrong_value_is_refused_in_one_sentence(monkeypatch, name, value, sentence):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refusal:
        config.load()
    assert str(refusal.value) == sentence


def test_the_debugger_is_refused(monkeypatch):
    monkeypatch.setenv("FLASK_DEBUG", "1")
    with pytest.raises(SettingsError, match="There is no debug mode"):
        config.load()


def test_several_web_processes_start_once_they_have_redis(monkeypatch):
    monkeypatch.setenv("STATUSPAGE_WEB_PROCESSES", "4")
    monkeypatch.setenv("STATUSPAGE_REDIS_URL", "redis://127.0.0.1:6379/0")
    assert config.load().web_processes == 4


@pytest.mark.parametrize(
    "command",
    [["-m", "statuspage"], ["-c", "import app"], ["-m", "flask", "work"]],
    ids=["make run", "web", "worker"],
)
def test_every_way_to_start_says_the_sentence_and_shows_no_traceback(monkeypatch, command):
    monkeypatch.setenv("PORT", "eighty")
    run = subprocess.run(
        [sys.executable, *command], cwd=PROJECT, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.splitlines() == [
        "The status page cannot start: PORT is wrong: input should be a valid integer, unable"
        " to parse string as an integer."
    ]


def test_a_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    first, second = config.load().secret_key, config.load().secret_key
    assert first == second
    assert len(first) >= 40
    file = tmp_path / "data" / "secret_key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_two_data_folders_have_two_secrets(tmp_path):
    assert (
        Settings(data_dir=tmp_path / "a").secret_key != Settings(data_dir=tmp_path / "b").secret_key
    )


def test_processes_that_start_together_agree_on_the_secret(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        secrets = set(pool.map(lambda _: config.load().secret_key, range(64)))
    assert len(secrets) == 1
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret_key"]


def test_a_log_line_of_the_settings_shows_no_secret():
    settings = Settings(
        secret_key="sesame-sesame-sesame",
        database_url="postgresql://u:hidden@db/x",
        redis_url="redis://:hidden@cache",
        smtp_url="smtp://u:hidden@mail",
    )
    assert "sesame" not in repr(settings)
    assert "hidden" not in repr(settings)


def test_the_page_of_settings_and_the_code_say_the_same():
    rows = re.findall(
        r"^\| `([A-Z_]+)` \| (.+?) \| (.+) \|$",
        Path(PROJECT / "docs" / "settings.md").read_text(),
        re.MULTILINE,
    )
    assert rows == [
        (config.environment_names(field)[0], _default(info), info.description)
        for field, info in Settings.model_fields.items()
    ]


def _default(info) -> str:
    if info.json_schema_extra:
        return info.json_schema_extra["default"]
    return "none" if info.default is None else f"`{info.default}`"
