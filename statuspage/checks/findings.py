"""One line for each thing that was looked at."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from flask import Flask


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    """It works, and will not for long or not for everybody."""
    PROBLEM = "problem"
    """Something that people rely on does not work."""


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, and in plain words what to do."""

    what: str
    level: Level
    words: str


CheckFunction = Callable[[Flask, datetime], Iterator[Finding]]


def ok(name: str, words: str) -> Finding:
    return Finding(name, Level.OK, words)


def warn(name: str, words: str) -> Finding:
    return Finding(name, Level.WARN, words)


def problem(name: str, words: str) -> Finding:
    return Finding(name, Level.PROBLEM, words)


class ClosedError(Exception):
    """The database cannot be read; `finding` says why and what to do."""

    def __init__(self, finding: Finding, state: str) -> None:
        """`state` goes on after "the database"."""
        super().__init__(state)
        self.finding = finding


def collect(
    looks: Mapping[str, CheckFunction], app: Flask, *, behind: Collection[str], at: datetime
) -> list[Finding]:
    """All findings. A look that fails is a finding itself: the others go on.

    `behind` names those that read the database: once one look finds it closed, they are left out.
    """
    findings: list[Finding] = []
    closed: ClosedError | None = None
    for name, look in looks.items():
        if closed and name in behind:
            findings.append(warn(name, f"not checked, since the database {closed}"))
            continue
        try:
            findings += look(app, at)
        except ClosedError as error:
            closed = error
            findings.append(error.finding)
        except Exception as error:
            reason = next(iter(str(error).splitlines()), "").rstrip(".")
            findings.append(
                problem(
                    name,
                    f"could not be checked ({type(error).__name__}: {reason}). Try again; if it"
                    " persists, see the log of the status page.",
                )
            )
    return findings
