"""PostgreSQL tells of changes as they are committed (`LISTEN`), so nobody waits for a check.

Only a matter of speed: where this connection is missing or mute, `Published` asks for the
revision four times a second, as it does on SQLite.
"""

import secrets
import time
from threading import Event
from typing import Any, TypeAlias

import sqlalchemy as sa
import structlog
from flask import Flask

from statuspage.db import db
from statuspage.domain.events import CHANGES
from statuspage.serving.cache import ResponseCache

Connection: TypeAlias = Any
"""A `PatientConnection`: loaded with the engine, and only where that is PostgreSQL."""

SIGN_EVERY_S = 5.0
"""How often a connection that hears nothing is asked whether it lives."""
PROOF_S = 2.0
"""How long the first notice may take, which another connection sends."""
RETRY_S = 1.0
MUTE_RETRY_S = 60.0
"""Pause where the notice never came. PgBouncer swallows it, unless it pools sessions."""
NEVER = Event()

log = structlog.get_logger(__name__)


class MuteError(Exception):
    """Connected, but what others tell does not arrive."""


def listen(app: Flask, published: ResponseCache, stopping: Event = NEVER) -> None:
    """Wake `published` whenever a commit moved the revision, until `stopping`. Never raises.

    Holds one connection besides those of the pool, and makes it anew when it breaks.
    Returns at once where the database is not PostgreSQL.
    """
    with app.app_context():
        engine = db.engine
    if engine.dialect.name != "postgresql":
        return
    is_first = True
    while not stopping.is_set():
        pause = RETRY_S
        try:
            _hear(engine, published, stopping)
        except Exception as error:
            if is_first or published.is_told:
                log.warning("changes.not_told", reason=f"{type(error).__name__}: {error}")
            if isinstance(error, MuteError):
                pause = MUTE_RETRY_S
        is_first = False
        published.rely_on_news(False)
        stopping.wait(pause)


def _hear(engine: sa.Engine, published: ResponseCache, stopping: Event) -> None:
    connection = _connect(engine)
    try:
        connection.execute(f"LISTEN {CHANGES}")
        _prove(engine, connection)
        log.info("changes.told")
        published.rely_on_news(True)
        while not stopping.is_set():
            if _notices(connection, SIGN_EVERY_S):
                published.look()
            else:
                connection.show_a_sign()
    finally:
        connection.close()


def _connect(engine: sa.Engine) -> Connection:
    """A connection as those of the pool are, which never goes back there."""
    pooled: Any = engine.raw_connection()
    connection: Connection = pooled.driver_connection
    pooled.detach()
    connection.autocommit = True
    return connection


def _prove(engine: sa.Engine, connection: Connection) -> None:
    """Hear what another connection tells. Raises `MuteError` where it does not arrive."""
    token = secrets.token_hex(8)
    with engine.begin() as other:
        other.execute(sa.select(sa.func.pg_notify(CHANGES, token)))
    deadline = time.monotonic() + PROOF_S
    while (left := deadline - time.monotonic()) > 0:
        if token in _notices(connection, left):
            return
    raise MuteError("what another connection says is not heard here")


def _notices(connection: Connection, wait_s: float) -> list[str]:
    """What was told, as soon as anything is; empty after `wait_s`. Many at once are one answer."""
    limit, connection.limit_s = connection.limit_s, None
    heard = [one.payload for one in connection.notifies(timeout=wait_s, stop_after=1)]
    connection.limit_s = limit
    return heard
