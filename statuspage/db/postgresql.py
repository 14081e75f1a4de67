"""PostgreSQL: session settings that no database or role may change, and servers that hang.

A server that is gone refuses connections, and the kernel notices a machine that is gone
(`tcp_user_timeout`). Nothing in libpq limits the wait for a server that accepts a statement and
never responds, as a proxy before a dead server does, or a server whose disk hangs:
`PatientConnection` does, and `_Gate` lets one thread at a time try to connect to such a server.
"""

import secrets
import threading
import time
from collections.abc import Generator
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.pool import Pool

from statuspage.config import SettingsError

STATEMENT_S = 10
"""How long the server works on one statement."""
ANSWER_S = 11.0
"""How long we wait for its answer."""
SIGN_S = 2.0
"""How long a connection that was idle may take to show that it lives."""
CONNECT_S = 3
PAUSE_S = 0.5
"""Between two attempts to connect to a server that was not heard."""

PROGRAM = "statuspage "
"""How the name begins that each of our connections has at the server (`pg_stat_activity`)."""
OUR_NAME = PROGRAM + secrets.token_hex(4)
"""That of this process and those it forks: a command tells them from those of a running page."""

SESSION = {
    "statement_timeout": STATEMENT_S * 1000,
    "timezone": "UTC",
    # The driver reads no other date style and no other interval style.
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "default_transaction_isolation": r"read\ committed",
}
"""`ALTER DATABASE … SET` and `ALTER ROLE … SET` may say otherwise."""

ENGINE_OPTIONS = {
    # A database that hangs is a database that is gone: say so within seconds.
    "pool_timeout": 5,
    "connect_args": {
        "connect_timeout": CONNECT_S,
        "tcp_user_timeout": 5000,
        "application_name": OUR_NAME,
        "client_encoding": "utf8",
        "options": " ".join(f"-c {name}={value}" for name, value in SESSION.items()),
    },
}


def engine_options(url: str) -> dict[str, Any]:
    """`ENGINE_OPTIONS` after the `options` of the URL, such as `-c search_path=status`."""
    arguments: dict[str, Any] = dict(ENGINE_OPTIONS["connect_args"])  # type: ignore[call-overload]
    own = sa.make_url(url).query.get("options", "")
    arguments["options"] = f"{own} {arguments['options']}".strip()
    return {**ENGINE_OPTIONS, "connect_args": arguments}


class SilentError(psycopg.OperationalError):
    """The server took our words and did not answer; the connection is closed."""


class PatientConnection(psycopg.Connection[Any]):
    """Waits for an answer so long, and no longer."""

    limit_s: float | None = ANSWER_S
    """None: as long as it takes."""

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **named: Any) -> Any:
        if self.limit_s is None:
            return super().wait(gen, *arguments, **named)
        try:
            return super().wait(_until(time.monotonic() + self.limit_s, gen), *arguments, **named)
        except SilentError:
            self.close()
            raise

    def show_a_sign(self) -> None:
        """Ask for nothing. Raises `psycopg.Error` where the connection is of no more use."""
        limit, self.limit_s = self.limit_s, SIGN_S
        was_autocommit = self.autocommit
        self.autocommit = True
        self.execute("")
        self.autocommit = was_autocommit
        self.limit_s = limit


def _until(deadline: float, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """What `gen` does, as long as it is done by `deadline`; it is woken ten times a second."""
    try:
        awaited = next(gen)
        while True:
            ready = yield awaited
            awaited = gen.send(ready)
            if not ready and time.monotonic() > deadline:
                gen.close()
                raise SilentError("the server does not answer")
    except StopIteration as done:
        return done.value


def count_other_connections(connection: sa.Connection) -> int:
    """How many connections of a status page, but for this process, are in the same database."""
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND starts_with(application_name, :program) AND application_name <> :ours"
    )
    return connection.scalar(sa.text(query), {"program": PROGRAM, "ours": OUR_NAME}) or 0


class _Gate:
    """While a server does not respond, one thread tries to connect and all others fail at once.

    Otherwise each request would wait for the timeout, and so would those behind it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_shut = self._is_asking = False
        self._found_at = 0.0

    def connect(self, *arguments: Any, **named: Any) -> PatientConnection:
        with self._lock:
            is_soon = time.monotonic() - self._found_at < PAUSE_S
            if self._is_shut and (self._is_asking or is_soon):
                raise SilentError("the server did not answer a moment ago")
            self._is_asking = self._is_shut
        try:
            connection = PatientConnection.connect(*arguments, **named)
        except psycopg.errors.ConnectionTimeout:
            self._found(is_silent=True)
            raise
        except BaseException:
            self._found(is_silent=False)
            raise
        self._found(is_silent=False)
        _refuse_other_encodings(connection)
        return connection

    def _found(self, *, is_silent: bool) -> None:
        with self._lock:
            self._is_shut, self._is_asking = is_silent, False
            self._found_at = time.monotonic()


def _refuse_other_encodings(connection: PatientConnection) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        connection.close()
        raise SettingsError(
            f"STATUSPAGE_DATABASE_URL names a database in the encoding {encoding}, which cannot"
            " store every text: create one with ENCODING 'UTF8'."
        )


_gates: dict[tuple[object, object], _Gate] = {}


@event.listens_for(Engine, "do_connect")
def _connect(
    dialect: sa.Dialect, _record: Any, arguments: list[Any], keywords: dict[str, Any]
) -> PatientConnection | None:
    if dialect.name != "postgresql":
        return None
    gate = _gates.setdefault((keywords.get("host"), keywords.get("port")), _Gate())
    return gate.connect(*arguments, **keywords)


@event.listens_for(Pool, "checkout")
def _look(connection: Any, _record: Any, _proxy: Any) -> None:
    # As `pool_pre_ping`, which would wait `ANSWER_S` for a server that hangs.
    if not isinstance(connection, PatientConnection):
        return
    try:
        connection.show_a_sign()
    except psycopg.Error as error:
        # The others of the pool are no better; new ones are made.
        raise sa.exc.InvalidatePoolError from error


@event.listens_for(Engine, "handle_error")
def _leave_a_standby(context: Any) -> None:
    """A server that only reads is, for who wants to write, one that is away.

    Connections to it are given up: the address may lead to another one by now.
    """
    if isinstance(context.original_exception, psycopg.errors.ReadOnlySqlTransaction):
        context.is_disconnect = True
        raise sa.exc.OperationalError(
            context.statement, context.parameters, context.original_exception
        ) from context.original_exception
