"""What many tests begin with, told through the domain once, and its rows copied afterwards."""

import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import Any

from statuspage.db import db
from statuspage.domain.events import Event

_KEPT: dict[Callable[[datetime], Any], tuple[datetime, Any, sqlite3.Connection]] = {}
"""What was told → the last moment that it was told for, what it gave, and the whole database."""


def once(committed, tell: Callable[[datetime], Any], at: datetime) -> Any:
    """What `tell(at)` gives, with the rows that it makes.

    To tell a page takes ten times as long as to copy its rows. That is done on SQLite, into
    a database without a row; elsewhere `tell` is called each time.
    """
    with committed():
        can_be_kept = db.engine.name == "sqlite" and not db.session.query(Event).first()
    if can_be_kept and tell in _KEPT and _KEPT[tell][0] == at:
        _, given, rows = _KEPT[tell]
        _copy(committed, rows.backup)
        return given
    with committed():
        given = tell(at)
    if can_be_kept:
        if tell in _KEPT:
            _KEPT.pop(tell)[2].close()
        rows = sqlite3.connect(":memory:", check_same_thread=False)
        _copy(committed, lambda file: file.backup(rows))
        _KEPT[tell] = at, given, rows
    return given


def _copy(committed, copy: Callable[[sqlite3.Connection], None]) -> None:
    with committed():
        lent = db.engine.raw_connection()
        copy(lent.dbapi_connection)
        lent.close()
