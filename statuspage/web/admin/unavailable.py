"""What staff are told when the database does not take what they wrote."""

import errno
import sqlite3

from statuspage.db import DamagedError

_WAIT = "Nothing was saved. Customers go on seeing the last good page. "
_STAYS = "; what you wrote stays here."


def in_words(error: object) -> tuple[str, str]:
    """A heading and a sentence or two, by what the driver said."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    if isinstance(error, DamagedError):
        return (
            "The database file is damaged",
            _WAIT + "Ask whoever runs this machine to restore the last backup"
            " (flask restore --replace)" + _STAYS,
        )
    if primary == sqlite3.SQLITE_FULL or getattr(error, "errno", None) == errno.ENOSPC:
        return (
            "The disk is full",
            _WAIT + "Ask whoever runs this machine to make room, then try again" + _STAYS,
        )
    if primary == sqlite3.SQLITE_READONLY:
        return (
            "The database may not be written to",
            _WAIT + "Ask whoever runs this machine to look at the disk and at whose file the"
            " database is, then try again" + _STAYS,
        )
    if primary == sqlite3.SQLITE_BUSY:
        return (
            "The database is busy",
            _WAIT + "Another program has held it for some seconds. Wait a moment, then"
            " try again" + _STAYS,
        )
    return ("The database does not answer", _WAIT + "Wait a moment, then try again" + _STAYS)
