"""Every setting, once: its type, its default, its name in the environment, one sentence.

`docs/settings.md` has the same table; a test keeps the two equal. An invalid
value stops the start with one sentence and no traceback.
"""

import os
import re
import secrets
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit

import sqlalchemy as sa
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import (
    AfterValidator,
    AliasChoices,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from statuspage.lib import email_address
from statuspage.lib.origin import Origin, url_host

PACKAGE = Path(__file__).resolve().parent


def _project_folder() -> Path:
    """The checkout, or inside an installation the folder that the build put the same files in."""
    installed = PACKAGE / "project"
    return installed if installed.is_dir() else PACKAGE.parent


PROJECT = _project_folder()
"""The folder of `templates/`, `static/` and `migrations/`."""

HOME = PROJECT if PACKAGE.parent == PROJECT else Path.cwd()
"""Where `data/` and `.env` are by default: the checkout, or the folder of the command."""

PREFIX = "STATUSPAGE_"
MIN_SECRET_LENGTH = 16
SQLITE = "sqlite:///"
REDIS_DATABASE = r"(/\d*)?(\?[^@#]*)?"
"""What may follow the host of a Redis URL: the number of a database, and options."""


class SettingsError(Exception):
    """A setting is wrong; the text is one sentence that names it."""


MADE: set[Path] = set()
"""Data folders that were not there before this process: one that only asks takes them away."""


def _path(path: Path) -> Path:
    """Absolute, with `~` as the home folder: nobody's shell has read this value."""
    try:
        return path.expanduser().resolve()
    except (RuntimeError, OSError) as error:
        raise ValueError("names a folder that cannot be found") from error


def _made_folder(folder: Path) -> Path:
    try:
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            MADE.add(folder)
        is_folder = folder.is_dir()
    except OSError as error:
        raise ValueError(f"cannot be created ({error.strerror})") from error
    if not is_folder:
        raise ValueError("is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError("is not writable")
    return folder


def _readable_file(path: Path) -> Path:
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error


_ESCAPES = "write / ? # @ in a user name or password as %2F %3F %23 %40"


def read_database_url(value: str) -> str:
    """As SQLAlchemy takes it. Raises `ValueError` for what is no address of ours."""
    scheme, separator, rest = value.strip().partition("://")
    if not separator:
        raise ValueError("is not a database address")
    match scheme.lower():
        case "sqlite":
            file = rest.removeprefix("/")
            if file in ("", ":memory:"):
                raise ValueError("does not name a file")
            # Flask-SQLAlchemy would look for a relative file in a folder of its own.
            return f"{SQLITE}{_path(Path(file))}"
        case "postgres" | "postgresql" | "postgresql+psycopg":
            return _postgresql_url(rest)
        case other:
            raise ValueError(f"starts with {other!r}; use sqlite:/// or postgresql://")


def _postgresql_url(rest: str) -> str:
    try:
        url = sa.make_url(f"postgresql+psycopg://{rest}")
    except (sa.exc.ArgumentError, ValueError):
        raise ValueError(f"is not a database address; {_ESCAPES}") from None
    # Half a password would be looked up as a host, and stand in the log.
    if "@" in f"{url.host}{url.database}" or (url.port is not None and not 0 < url.port < 65_536):
        raise ValueError(f"is not a database address; {_ESCAPES}")
    return url.render_as_string(hide_password=False)


def _usable_database(url: str) -> str:
    """Refuse an SQLite file that this user cannot write, before a page half works."""
    if not url.startswith(SQLITE):
        return url
    file = Path(url.removeprefix(SQLITE))
    if not file.parent.is_dir():
        raise ValueError(f"names a file in {file.parent}, which is not a folder")
    for path in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
        if path.is_dir():
            raise ValueError(f"names {path}, which is a folder")
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            raise ValueError(
                f"names {path}, which this user cannot write: make the user that runs the"
                " status page its owner"
            )
    return url


def _address(*schemes: str, path: str = ".*") -> AfterValidator:
    """A URL with a host, in one of these schemes; a slash at its end is dropped.

    `path` is a pattern for what may follow host and port.
    """

    def check(value: str) -> str:
        value = value.strip().rstrip("/")
        hint = f"; {_ESCAPES}" if "@" in value else ""
        try:
            parts = urlsplit(value)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError(f"is not an address{hint}") from None
        if parts.scheme not in schemes:
            allowed = " or ".join(f"{scheme}://" for scheme in schemes)
            scheme = parts.scheme if "://" in value else ""
            raise ValueError(f"starts with {scheme!r}; use {allowed}")
        if not host:
            raise ValueError(f"does not name a host{hint}")
        user, at, _ = parts.netloc.rpartition("@")
        place = url_host(host) if port is None else f"{url_host(host)}:{port}"
        url = urlunsplit(parts._replace(netloc=f"{user}{at}{place}"))
        if not re.fullmatch(path, url.partition("://")[2].removeprefix(f"{user}{at}{place}")):
            raise ValueError(f"has something after host and port that has no meaning; {_ESCAPES}")
        return url

    return AfterValidator(check)


def _listening_host(value: str) -> str:
    host = value.strip().removeprefix("[").removesuffix("]")
    try:
        # Not normalized: `fe80::1%eth0` has a zone that only this machine understands.
        return host if "%" in host and ip_address(host) else url_host(host).strip("[]")
    except ValueError:
        raise ValueError(
            "is not an address or a name of this machine; 0.0.0.0 is every IPv4 address, ::"
            " every address"
        ) from None


def _networks(value: str) -> str:
    """Networks apart by a blank, whatever separated them."""
    networks = value.replace(",", " ").split()
    for network in networks:
        try:
            ip_network(network)
        except ValueError as error:
            raise ValueError(f"contains {network!r}, which is not a network") from error
    return " ".join(networks)


MIRRORS = ("file:/", "published:/", "s3://", "command:", "rsync:", "sftp://", "git:")


def _mirrors(value: str) -> str:
    """Targets apart by a blank."""
    targets = value.split()
    for network in targets:
        if not network.startswith(MIRRORS):
            scheme = network.partition(":")[0]
            # A longer word may be part of a path with a space, or of a secret.
            shown = repr(scheme) if scheme.isalpha() and len(scheme) < 10 else "something else"
            raise ValueError(f"contains {shown}; start a target with one of {', '.join(MIRRORS)}")
    return " ".join(targets)


def _file_in(data: dict[str, Any]) -> str:
    return f"{SQLITE}{data['data_dir'] / 'statuspage.db'}"


def _own_address(data: dict[str, Any]) -> str:
    host = data["host"].partition("%")[0]
    if host in ("0.0.0.0", "::"):  # noqa: S104  everywhere: this machine is reached here
        host = "127.0.0.1"
    return f"http://[{host}]:{data['port']}" if ":" in host else f"http://{host}:{data['port']}"


def _mail_from(data: dict[str, Any]) -> str:
    """`status@` this site; a host that mail cannot name, such as `status_page`, is `localhost`."""
    try:
        return email_address.normalized(f"status@{Origin(data['base_url']).domain}")
    except ValueError:
        return "status@localhost"


def _email(value: str) -> str:
    try:
        return email_address.normalized(value)
    except ValueError:
        raise ValueError("is not an e-mail address, such as `status@example.com`") from None


def _bounce_address(value: str) -> str:
    """One address; `{key}` may end its local part, after a sign that sets it apart."""
    try:
        address = email_address.normalized(value)
    except ValueError:
        address = ""
    local = address.rpartition("@")[0]
    if not re.fullmatch(r"[^{}]+([^{}A-Za-z0-9]\{key\})?", local):
        raise ValueError("is not an address, such as `bounces+{key}@example.com`")
    return address


MIN_RSA_BITS = 1024
"""RFC 8301 §3.2: verifiers must not accept shorter keys. New keys should have 2048."""


def rsa_private_key(path: Path) -> bytes:
    """The RSA private key of a PEM file, as PKCS #1. Raises `ValueError` with half a sentence."""
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
    block = re.search(rb"-----BEGIN ([A-Z0-9 ]+)-----.+-----END \1-----", pem, re.DOTALL)
    if block is None:
        raise ValueError("holds no key in PEM format")
    if not block[1].endswith(b"PRIVATE KEY") or block[1].startswith(b"ENCRYPTED"):
        label = block[1].decode().lower()
        raise ValueError(f"holds no RSA private key without password, but this: {label}")
    try:
        key = serialization.load_pem_private_key(block[0], password=None)
    except TypeError as error:
        raise ValueError("holds a key with a password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("holds a damaged key") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("holds a key that is not for RSA")  # noqa: TRY004
    if key.key_size < MIN_RSA_BITS:
        raise ValueError(f"holds a key of fewer than {MIN_RSA_BITS} bits")
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _key_file(path: Path) -> Path:
    rsa_private_key(path)
    return path


def _domain(value: str) -> str:
    return url_host(value.strip()).strip("[]")


def _dkim_domain(data: dict[str, Any]) -> str:
    domain = str(data["mail_from"]).rpartition("@")[2]
    return domain if not domain.startswith("[") else "localhost"


def _stored_secret(data: dict[str, Any]) -> str:
    """The secret of this data folder, made at the first start.

    Written aside and linked into place, so that of several processes that start
    together all read the same one.
    """
    path: Path = data["data_dir"] / "secret_key"
    try:
        return _secret_in(path) or _made_secret(path)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SettingsError(
            f"STATUSPAGE_SECRET_KEY is not set, and {path} cannot be used ({reason})."
        ) from error


def _secret_in(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return None


def _made_secret(path: Path) -> str:
    draft = path.with_name(f"secret_key.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # Another process was first: its secret is the one.
    finally:
        draft.unlink()
    return path.read_text().strip()


def _old_keys(text: str) -> str:
    if any(len(key) < MIN_SECRET_LENGTH for key in text.split()):
        raise ValueError(
            f"has a short one: each key must have at least {MIN_SECRET_LENGTH} characters"
        )
    return text


class Settings(BaseSettings):
    """Read from the environment; a test may give values by field name instead."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        validate_by_name=True,
        validate_by_alias=True,
        validate_default=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    data_dir: Annotated[Path, AfterValidator(_path), AfterValidator(_made_folder)] = Field(
        default=HOME / "data",
        description="Folder for the database file, job queue, secret key and last good copies of"
        " pages. Created if missing.",
        json_schema_extra={"default": "`data` beside `app.py`"},
    )
    database_url: Annotated[
        str, AfterValidator(read_database_url), AfterValidator(_usable_database)
    ] = Field(
        default_factory=_file_in,
        repr=False,
        description="Where the data lives: `sqlite:////path/to/file` or"
        " `postgresql://user:password@host/name`.",
        json_schema_extra={"default": "`statuspage.db` in the data folder"},
    )
    redis_url: Annotated[str, _address("redis", "rediss", path=REDIS_DATABASE)] | None = Field(
        default=None,
        repr=False,
        description="Redis for jobs and rate limits, `redis://host:6379/0`. Required for several"
        " web processes.",
    )
    secret_key: Annotated[str, Field(min_length=MIN_SECRET_LENGTH)] = Field(
        default_factory=_stored_secret,
        repr=False,
        description="Signs sessions and links, at least 16 characters. Several machines must"
        " share it.",
        json_schema_extra={"default": "created at the first start, kept in the data folder"},
    )
    old_secret_keys: Annotated[str, AfterValidator(_old_keys)] = Field(
        default="",
        repr=False,
        description="Earlier secret keys, separated by spaces. Links in old mails and second"
        " factors keep working; sessions end with their key.",
        json_schema_extra={"default": "none"},
    )
    require_second_factor: bool = Field(
        default=False,
        description="`1`: everyone in the admin needs a second factor and sets it up first.",
        json_schema_extra={"default": "`0`"},
    )
    breached_passwords: (
        Annotated[Path, AfterValidator(_path), AfterValidator(_readable_file)] | None
    ) = Field(
        default=None,
        description="File with SHA-1 hashes of breached passwords, sorted by hash, one"
        " `HASH:COUNT` a line. They are refused; no service is contacted.",
    )
    demo: bool = Field(
        default=True,
        description="Fill an empty database with the demo page at the first start. `0` starts"
        " empty.",
        json_schema_extra={"default": "`1`"},
    )
    host: Annotated[str, AfterValidator(_listening_host)] = Field(
        default="127.0.0.1",
        validation_alias="HOST",
        description="Address the web server listens on.",
    )
    port: Annotated[int, Field(ge=1, le=65535)] = Field(
        default=8000,
        validation_alias="PORT",
        description="Port the web server listens on.",
    )
    base_url: Annotated[str, AfterValidator(Origin.parse)] = Field(
        default_factory=_own_address,
        description="Address that customers use, such as `https://status.example.com`. Feeds and"
        " links contain it.",
        json_schema_extra={"default": "`http://HOST:PORT`"},
    )
    hsts_subdomains: bool = Field(
        default=False,
        description="`1` tells browsers for a year to use HTTPS for all names below the page's"
        " own. Only if the page has a dedicated name such as `status.example.com`.",
        json_schema_extra={"default": "`0`"},
    )
    smtp_url: Annotated[str, _address("smtp", "smtps", path="")] | None = Field(
        default=None,
        repr=False,
        description="Mail server: `smtp://user:password@host:587` or"
        " `smtps://user:password@host:465`.",
    )
    mail_from: Annotated[str, AfterValidator(_email)] = Field(
        default_factory=_mail_from,
        description="Sender address of mail. Its domain should sign mail (SPF, DKIM).",
        json_schema_extra={"default": "`status@` and the host of the base address"},
    )
    dkim_key: Annotated[Path, AfterValidator(_path), AfterValidator(_key_file)] | None = Field(
        default=None,
        repr=False,
        description="PEM file with the RSA private key that signs mail (DKIM). Unset: mail is"
        " not signed here; the mail server may do it.",
    )
    dkim_selector: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")] = (
        Field(
            default="statuspage",
            description="DNS name of that key's public half: `statuspage._domainkey.example.com`.",
        )
    )
    dkim_domain: Annotated[str, AfterValidator(_domain)] = Field(
        default_factory=_dkim_domain,
        description="The domain that signs mail: that of the sender address, or a parent of it.",
        json_schema_extra={"default": "the domain of `STATUSPAGE_MAIL_FROM`"},
    )
    bounce_address: Annotated[str, AfterValidator(_bounce_address)] | None = Field(
        default=None,
        description="Return address for undeliverable mail (envelope sender), such as"
        " `bounces+{key}@example.com`; `{key}` is replaced to identify the mail.",
        json_schema_extra={"default": "`STATUSPAGE_MAIL_FROM`"},
    )
    bounce_imap_url: Annotated[str, _address("imap", "imaps", path="(/[^@?#]*)?")] | None = Field(
        default=None,
        repr=False,
        description="Mailbox for bounces, read every five minutes:"
        " `imaps://user:password@host:993/INBOX`. Unset: none is read.",
    )
    telegram_token: Annotated[str, Field(pattern=r"^[0-9]+:[A-Za-z0-9_-]+$")] | None = Field(
        default=None,
        repr=False,
        description="Token of the Telegram bot that sends messages. Unset: Telegram is off.",
    )
    telegram_url: Annotated[str, _address("http", "https")] = Field(
        default="https://api.telegram.org",
        description="Address of Telegram's Bot API, if you run your own server.",
    )
    sms_url: Annotated[str, _address("http", "https")] | None = Field(
        default=None,
        repr=False,
        description="Gateway for text messages. `{to}` and `{text}` are replaced, and the part"
        " after `#` is sent as a form; without placeholders it gets JSON with `to` and"
        " `text`. Unset: text messages are off.",
    )
    front: bool = Field(
        default=True,
        description="Run the caching proxy in front of the web process under `make run`. `0`:"
        " the web process listens itself.",
        json_schema_extra={"default": "`1`"},
    )
    web_processes: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1,
        validation_alias=AliasChoices(
            f"{PREFIX}WEB_PROCESSES", "WEB_CONCURRENCY", "GRANIAN_WORKERS"
        ),
        description="Number of web processes. `WEB_CONCURRENCY` and `GRANIAN_WORKERS` are also"
        " read.",
    )
    proxy_hops: Annotated[int, Field(ge=0, le=16)] = Field(
        default=0,
        description="Number of your reverse proxies in front. Only that many `X-Forwarded-*`"
        " entries are trusted.",
    )
    api_requests_per_second: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=60,
        description="Requests a second that each API token may send to `/v1`; beyond that 420"
        " with `Retry-After`.",
    )
    api_key_in_query: bool = Field(
        default=True,
        description="Whether `/v1` also accepts a token as `?api_key=`, as Statuspage does. `0`:"
        " only in a header, because proxies log addresses.",
        json_schema_extra={"default": "`1`"},
    )
    outgoing_allow: Annotated[str, AfterValidator(_networks)] = Field(
        default="",
        description="Internal networks that webhooks, chat messages and pushes may reach, such"
        " as `10.1.0.0/16, 192.168.7.9`. Unset: public addresses only.",
        json_schema_extra={"default": "none"},
    )
    mirror: Annotated[str, AfterValidator(_mirrors)] = Field(
        default="",
        repr=False,
        description="Where the worker exports the public site, targets separated by spaces:"
        " `file:/path`, `published:/path`, `s3://bucket/prefix?endpoint=https://host`,"
        " `command:program`, `rsync:host:path`, `sftp://user@host/path`, `git:remote#branch`.",
        json_schema_extra={"default": "none"},
    )
    bucket_key: str | None = Field(
        default=None,
        repr=False,
        validation_alias=AliasChoices(f"{PREFIX}BUCKET_KEY", "AWS_ACCESS_KEY_ID"),
        description="Access key of the storage for exports. `AWS_ACCESS_KEY_ID` is also read.",
    )
    bucket_secret: str | None = Field(
        default=None,
        repr=False,
        validation_alias=AliasChoices(f"{PREFIX}BUCKET_SECRET", "AWS_SECRET_ACCESS_KEY"),
        description="Secret key of that storage. `AWS_SECRET_ACCESS_KEY` is also read.",
    )
    backup_passphrase: Annotated[str, Field(min_length=12)] | None = Field(
        default=None,
        repr=False,
        description="Encrypts and decrypts backups (`flask backup --encrypt`).",
    )
    log_format: Literal["console", "json"] = Field(
        default="console",
        description="`console` for people, `json` for log collectors.",
    )
    sentry_dsn: Annotated[str, _address("http", "https")] | None = Field(
        default=None,
        repr=False,
        description="DSN for error reports, of Sentry or a compatible service. Needs the extra"
        " `statuspage[sentry]`.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """An empty value in the environment hides the one of `.env`: a copy of the page is kept
        away from the readers' mirror and from the mail server by it."""
        if isinstance(dotenv_settings, DotEnvSettingsSource):
            hidden = {name.lower() for name, value in os.environ.items() if not value}
            dotenv_settings.env_vars = {
                name: value
                for name, value in dotenv_settings.env_vars.items()
                if name.lower() not in hidden
            }
        return init_settings, env_settings, dotenv_settings

    @model_validator(mode="after")
    def _several_processes_share_redis(self) -> "Settings":
        if self.web_processes > 1 and self.redis_url is None:
            raise ValueError(
                "STATUSPAGE_REDIS_URL is missing: several web processes"
                f" ({self.web_processes}) count sign-in attempts together in Redis"
            )
        return self

    @model_validator(mode="after")
    def _dkim_covers_the_sender(self) -> "Settings":
        domain, sender = self.dkim_domain.lower(), self.mail_from.rpartition("@")[2].lower()
        if self.dkim_key is not None and not f".{sender}".endswith(f".{domain}"):
            raise ValueError(
                f"STATUSPAGE_DKIM_DOMAIN is {domain}, but mail comes from {sender}: receivers"
                " (DMARC) would not count the signature"
            )
        return self

    @property
    def outgoing_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Inner networks that were opened for what we send."""
        return tuple(ip_network(network) for network in self.outgoing_allow.split())

    @property
    def origin(self) -> Origin:
        """The base address in its parts."""
        return Origin(self.base_url)

    @property
    def link_keys(self) -> tuple[str, ...]:
        """The keys that links may be signed with, the present one first."""
        return (self.secret_key, *self.old_secret_keys.split())

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith(SQLITE)

    @property
    def sqlite_file(self) -> Path | None:
        """The database file; None on PostgreSQL."""
        return Path(self.database_url.removeprefix(SQLITE)) if self.is_sqlite else None

    @property
    def sqlalchemy_url(self) -> sa.URL:
        """Built from the file: parsed as text, `?` in a path would begin the options."""
        if self.sqlite_file:
            return sa.URL.create("sqlite", database=str(self.sqlite_file))
        return sa.make_url(self.database_url)


def load() -> Settings:
    """The settings of this process. Raises `SettingsError` for the first wrong one."""
    if os.environ.get("FLASK_DEBUG", "").lower() not in ("", "0", "false", "no"):
        raise SettingsError(
            "FLASK_DEBUG, or `flask run --debug`, would give readers tracebacks and a console on"
            " this machine. There is no debug mode: take it away."
        )
    file = HOME / ".env"
    try:
        return Settings(_env_file=file)  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from None
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SettingsError(f"{file} cannot be read ({reason}).") from error


def environment_names(field: str) -> list[str]:
    """The names a setting has in the environment, the first one preferred."""
    match Settings.model_fields[field].validation_alias:
        case AliasChoices(choices=choices):
            return [str(choice) for choice in choices]
        case None:
            return [PREFIX + field.upper()]
        case alias:
            return [str(alias)]


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    reason = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return f"{reason}."
    name = str(first["loc"][0])
    name = environment_names(name)[0] if name in Settings.model_fields else name
    if first["type"] != "value_error":
        reason = reason[0].lower() + reason[1:]
        return f"{name} is wrong: {reason}."
    return f"{name} {reason}."
