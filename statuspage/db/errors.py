"""What it means for an operator that the database did not do as it was asked: plain words."""

import copy
import errno
import sqlite3
from dataclasses import dataclass
from typing import Any

import click
from sqlalchemy.exc import OperationalError, ProgrammingError, SQLAlchemyError

from statuspage.config import SettingsError
from statuspage.db import DamagedError

FAILURES = (OperationalError, ProgrammingError)
UNDEFINED_TABLE = "42P01"
"""https://www.postgresql.org/docs/current/errcodes-appendix.html"""
UNAVAILABLE = "is unavailable"
IN_DOUBT = "We do not know whether this was saved."
SET = "STATUSPAGE_DATABASE_URL and STATUSPAGE_DATA_DIR"


@dataclass(frozen=True)
class Explanation:
    """How the database is, and what to do about it."""

    state: str
    words: str
    """For the operator: one or two sentences, what is wrong and what to do."""
    for_staff: str = "Wait a moment, then try again"
    """For whoever was writing when it failed; without a full stop."""

    @property
    def public(self) -> str:
        """What is wrong, without the name of a server."""
        if self.state == UNAVAILABLE:
            return f"The database {UNAVAILABLE}."
        return self.words.partition(". ")[0] + "."


DAMAGED = Explanation(
    "is damaged",
    "The database file is damaged. Stop the status page and restore the last backup: flask restore"
    " --replace FILE",
    "Ask your server administrator to restore the last backup (flask restore --replace FILE)",
)
EMPTY = Explanation(
    "is empty", "The database is empty. Start the status page once, or restore a backup."
)
OF_SQLITE = {
    sqlite3.SQLITE_BUSY: Explanation(
        "is busy",
        "The database is busy: another program has held it for several seconds. Try again.",
        "Another program has held it for several seconds. Wait a moment, then try again",
    ),
    sqlite3.SQLITE_FULL: Explanation(
        "is full",
        "The database’s disk is full. Free some space.",
        "The database’s disk is full. Ask your server administrator to free some space, then try"
        " again",
    ),
    sqlite3.SQLITE_READONLY: Explanation(
        "is read-only",
        "The database file is read-only. Check the disk, and run this as the"
        " user that runs the status page or make that user the owner of the"
        " file.",
        "Ask your server administrator to check the disk and the owner of the file, then try again",
    ),
    sqlite3.SQLITE_CANTOPEN: Explanation(
        UNAVAILABLE,
        f"The database file cannot be opened. Check {SET}, and that the folder belongs to"
        " the user that runs the status page.",
    ),
}


def explain(error: SQLAlchemyError) -> Explanation:
    """What SQLAlchemy reports, in words without a secret."""
    cause = getattr(error, "orig", error)
    reason = next(iter(str(cause).splitlines()), "").rstrip(".")
    if isinstance(cause, DamagedError):
        return DAMAGED
    if getattr(cause, "errno", None) == errno.ENOSPC:
        return OF_SQLITE[sqlite3.SQLITE_FULL]
    if isinstance(cause, sqlite3.Error):
        if reason.startswith("no such table"):
            return EMPTY
        other = Explanation(UNAVAILABLE, f"The database file cannot be used ({reason}).")
        return OF_SQLITE.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF, other)
    if getattr(cause, "sqlstate", None) == UNDEFINED_TABLE:
        return EMPTY
    return Explanation(
        UNAVAILABLE,
        f"PostgreSQL cannot be used ({reason}). Check that it runs, that this machine can reach it,"
        " and that STATUSPAGE_DATABASE_URL is right.",
    )


def with_plain_errors(command: click.Command) -> click.Command:
    """The command; where the database fails under it, it ends with a sentence."""
    plain = copy.copy(command)

    def invoke(ctx: click.Context) -> Any:
        try:
            return command.invoke(ctx)
        except FAILURES as error:
            raise click.ClickException(explain(error).words) from error
        except SettingsError as error:
            raise click.ClickException(str(error)) from error

    plain.invoke = invoke  # type: ignore[method-assign]
    return plain
