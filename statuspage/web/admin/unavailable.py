"""What staff are told when the database does not take what they wrote."""

import errno
import sqlite3

from statuspage.db import DamagedError

_WAIT = "Nothing was saved. Customers still see the last good page. "
_STAYS = "; what you wrote stays here."


def in_words(error: object) -> tuple[str, str]:
    """A heading and a sentence or two, by what the driver said."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    if isinstance(error, DamagedError):
        return (
            "The database file is damaged",
            _WAIT
            + "Ask your server administrator to restore the last backup (flask restore --replace"
            " FILE)" + _STAYS,
        )
    if primary == sqlite3.SQLITE_FULL or getattr(error, "errno", None) == errno.ENOSPC:
        return (
            "The database’s disk is full",
            _WAIT + "Ask your server administrator to free some space, then try again" + _STAYS,
        )
    if primary == sqlite3.SQLITE_READONLY:
        return (
            "The database file is read-only",
            _WAIT
            + "Ask your server administrator to check the disk and the owner of the file, then"
            " try again" + _STAYS,
        )
    if primary == sqlite3.SQLITE_BUSY:
        return (
            "The database is busy",
            _WAIT
            + "Another program has held it for several seconds. Wait a moment, then try again"
            + _STAYS,
        )
    return ("The database is unavailable", _WAIT + "Wait a moment, then try again" + _STAYS)
