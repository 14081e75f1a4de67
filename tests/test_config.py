"""Settings: right ones work, wrong ones stop the start with one sentence."""

import os
import re
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from statuspage import config
from statuspage.config import PROJECT, Settings, SettingsError
from statuspage.db import db, migrate
from tests.helpers.apps import create_app


@pytest.fixture(autouse=True)
def _own_data_dir(monkeypatch, tmp_path):
    monkeypatch.setenv("STATUSPAGE_DATA_DIR", str(tmp_path / "data"))


def test_defaults_run_on_one_file_on_loopback(tmp_path):
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


def test_relative_database_path_is_resolved_from_the_working_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STATUSPAGE_DATABASE_URL", "sqlite:///here.db")
    assert config.load().database_url == f"sqlite:///{tmp_path}/here.db"


@pytest.mark.parametrize(
    "given, understood",
    [
        ("HTTPS://Status.Example.COM:443/", "https://status.example.com"),
        ("http://status.example.com:80", "http://status.example.com"),
        ("https://status.example.com:8443", "https://status.example.com:8443"),
        ("https://status.example.com.", "https://status.example.com"),
        (" https://störung.example \n", "https://xn--strung-xxa.example"),
        ("https://straße.example", "https://xn--strae-oqa.example"),
        ("http://[2001:DB8:0::1]:80", "http://[2001:db8::1]"),
        ("http://status_page:8000", "http://status_page:8000"),
    ],
)
def test_the_base_address_has_one_normal_form(monkeypatch, given, understood):
    monkeypatch.setenv("STATUSPAGE_BASE_URL", given)
    settings = config.load()
    assert settings.base_url == understood
    assert settings.origin.is_https is understood.startswith("https://")


@pytest.mark.parametrize(
    "host, base_url",
    [
        ("::", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("[::1]", "http://[::1]:8000"),
        (" LocalHost ", "http://localhost:8000"),
    ],
)
def test_the_default_base_address_answers_on_this_machine(monkeypatch, host, base_url):
    monkeypatch.setenv("HOST", host)
    settings = config.load()
    assert settings.base_url == base_url
    assert settings.origin.domain in ("127.0.0.1", "localhost")
    assert settings.mail_from == f"status@{settings.origin.domain}"


@pytest.mark.parametrize(
    "name, given, understood",
    [
        ("MAIL_FROM", "Status@STÖRUNG.example", "Status@xn--strung-xxa.example"),
        ("MAIL_FROM", "status@[192.0.2.1]", "status@[192.0.2.1]"),
        ("BOUNCE_ADDRESS", "b+{key}@Bücher.example", "b+{key}@xn--bcher-kva.example"),
        ("DKIM_DOMAIN", "Störung.example", "xn--strung-xxa.example"),
        ("SMTP_URL", "SMTP://u%40x:p%2Fq@[::1]:587/", "smtp://u%40x:p%2Fq@[::1]:587"),
        ("SMTP_URL", "smtp://ann@example.com:pw@mail", "smtp://ann@example.com:pw@mail"),
        ("REDIS_URL", "rediss://:pw@h/0?ssl_cert_reqs=none", "rediss://:pw@h/0?ssl_cert_reqs=none"),
        ("BOUNCE_IMAP_URL", "imaps://u:p@h:993/INBOX/x", "imaps://u:p@h:993/INBOX/x"),
    ],
)
def test_addresses_have_one_normal_form(monkeypatch, name, given, understood):
    monkeypatch.setenv(f"STATUSPAGE_{name}", given)
    assert getattr(config.load(), name.lower()) == understood


SECRET_PART = "hunter2"


@pytest.mark.parametrize(
    "name, value",
    [
        ("SMTP_URL", "smtp://user:123/hunter2@mail.example:587"),
        ("SMTP_URL", "smtp://user:hunter2/x@mail.example:587"),
        ("SMTP_URL", "smtp://user:12?hunter2@mail.example"),
        ("SMTP_URL", "smtp://user:12#hunter2@mail.example"),
        ("SMTP_URL", "smtp://user:[hunter2@mail.example"),
        ("SMTP_URL", "hunter2:x@mail.example"),
        ("SMTP_URL", "smtp://mail.example?starttls=hunter2"),
        ("REDIS_URL", "redis://:12/hunter2@cache:6379/0"),
        ("REDIS_URL", "redis://u:12/hunter2@cache:6379/0"),
        ("REDIS_URL", "redis://cache/hunter2"),
        ("BOUNCE_IMAP_URL", "imaps://u:12/hunter2@mail/INBOX"),
        ("DATABASE_URL", "postgresql://u:p@hunter2%20w/rd@host/db"),
        ("DATABASE_URL", "postgresql://u:p@hunter2@host/db"),
        ("DATABASE_URL", "postgresql://u:p@hunter2:5432@host/db"),
        ("DATABASE_URL", "postgresql://u:x@host:hunter2/db"),
        ("DATABASE_URL", "hunter2://x"[:7]),
        ("BASE_URL", "https://user:hunter2@status.example.com"),
        ("TELEGRAM_TOKEN", "hunter2"),
        ("BACKUP_PASSPHRASE", "hunter2"),
        ("SECRET_KEY", "hunter2"),
        ("OLD_SECRET_KEYS", "hunter2"),
        ("MIRROR", "s3//hunter2:x"),
        ("SENTRY_DSN", "hunter2@sentry.example"),
    ],
)
def test_a_refusal_names_the_setting_and_never_part_of_a_password(monkeypatch, name, value):
    monkeypatch.setenv(f"STATUSPAGE_{name}", value)
    with pytest.raises(SettingsError) as refusal:
        config.load()
    assert str(refusal.value).startswith(f"STATUSPAGE_{name} ")
    assert SECRET_PART not in str(refusal.value)


@pytest.mark.parametrize(
    "name, value, sentence",
    [
        ("STATUSPAGE_BASE_URL", "https://a b.example", "names a host that DNS does not allow."),
        ("STATUSPAGE_BASE_URL", "https://i❤.example", "names a host that DNS does not allow."),
        ("STATUSPAGE_BASE_URL", "https://x.example:99999", "is not an address, such as"),
        ("HOST", "*", "is not an address or a name of this machine; 0.0.0.0 is every IPv4"),
        ("STATUSPAGE_MAIL_FROM", "Status <a@b.example>", "is not an e-mail address, such as"),
        ("STATUSPAGE_BREACHED_PASSWORDS", "/nowhere", "cannot be read (No such file or directory)"),
        ("STATUSPAGE_BREACHED_PASSWORDS", "/tmp", "cannot be read (Is a directory)."),
        ("STATUSPAGE_DATA_DIR", "/etc/passwd", "is not a folder."),
        ("STATUSPAGE_DATA_DIR", "~nobody-of-this-name/x", "names a folder that cannot be found."),
        ("STATUSPAGE_DATABASE_URL", "sqlite:////tmp", "names /tmp, which is a folder."),
        ("STATUSPAGE_DATABASE_URL", "sqlite:////nowhere/x.db", "names a file in /nowhere, which"),
    ],
)
def test_a_refusal_names_the_setting_that_is_wrong(monkeypatch, name, value, sentence):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refusal:
        config.load()
    assert str(refusal.value).startswith(f"{name} {sentence}")


@pytest.mark.parametrize("name", ["a b", "ü", "q?x=1", "q#x", "50%", "a:b", "a@b", "'", "[x]"])
def test_a_database_lies_in_a_folder_of_any_name(monkeypatch, tmp_path, name):
    folder = tmp_path / name
    monkeypatch.setenv("STATUSPAGE_DATA_DIR", str(folder))
    app = create_app(config.load(), watch=False)
    migrate.bring_up_to_date(app)
    with app.app_context():
        db.engine.dispose()
    assert (folder / "statuspage.db").stat().st_size > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_paths_are_relative_to_the_folder_of_the_start_or_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("STATUSPAGE_DATA_DIR", "here")
    monkeypatch.setenv("STATUSPAGE_DATABASE_URL", "sqlite:///~/x.db")
    settings = config.load()
    assert settings.data_dir == tmp_path / "here"
    assert settings.sqlite_file == tmp_path / "home" / "x.db"


AS_ANOTHER_USER = """
import os
from statuspage.cli import run

if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
run.main([])
"""
"""Root may read every file."""


@pytest.mark.parametrize(
    "file, sentence",
    [
        ("secret_key", "STATUSPAGE_SECRET_KEY is not set, and {} cannot be used (Permission"),
        ("statuspage.db", "STATUSPAGE_DATABASE_URL names {}, which this user cannot write"),
        ("statuspage.db-wal", "STATUSPAGE_DATABASE_URL names {}, which this user cannot write"),
    ],
)
def test_a_file_of_another_user_is_named_in_one_sentence(file, sentence):
    # Not below pytest's folder, which other users cannot enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "secret_key").write_text("x" * 40)
        (folder / "secret_key").chmod(0o644)
        (folder / file).touch()
        (folder / file).chmod(0)
        done = subprocess.run(
            [sys.executable, "-c", AS_ANOTHER_USER],
            cwd=PROJECT,
            env=os.environ | {"STATUSPAGE_DATA_DIR": name},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    expected = sentence.format(folder.resolve() / file)
    assert done.stderr.startswith(f"The status page cannot start: {expected}")


def test_a_secret_that_is_no_text_is_named_in_one_sentence(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secret_key").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"secret_key cannot be used \(it is not text\)\.$"):
        config.load()


def test_a_settings_file_that_cannot_be_read_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(config, "HOME", tmp_path)
    (tmp_path / ".env").write_bytes(b"STATUSPAGE_DEMO=\xff")
    with pytest.raises(SettingsError, match=r"/\.env cannot be read \(it is not UTF-8\)\.$"):
        config.load()


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
def test_invalid_value_is_refused_in_one_sentence(monkeypatch, name, value, sentence):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refusal:
        config.load()
    assert str(refusal.value) == sentence


def test_debugger_is_refused(monkeypatch):
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


def test_secret_is_generated_once_and_private(tmp_path):
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


def test_logged_settings_show_no_secret():
    settings = Settings(
        secret_key="sesame-sesame-sesame",
        database_url="postgresql://u:hidden@db/x",
        redis_url="redis://:hidden@cache",
        smtp_url="smtp://u:hidden@mail",
    )
    assert "sesame" not in repr(settings)
    assert "hidden" not in repr(settings)


def test_documentation_lists_exactly_the_settings():
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
