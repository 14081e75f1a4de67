"""One line for each thing that was looked at."""

from collections.abc import Callable, Iterator, Mapping
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


Look = Callable[[Flask, datetime], Iterator[Finding]]


def ok(what: str, words: str) -> Finding:
    return Finding(what, Level.OK, words)


def warn(what: str, words: str) -> Finding:
    return Finding(what, Level.WARN, words)


def problem(what: str, words: str) -> Finding:
    return Finding(what, Level.PROBLEM, words)


def collect(looks: Mapping[str, Look], app: Flask, *, at: datetime) -> list[Finding]:
    """All findings. A look that fails is a finding itself: the others go on."""
    found: list[Finding] = []
    for what, look in looks.items():
        try:
            found += look(app, at)
        except Exception as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()
            found.append(problem(what, f"could not be looked at: {reason[0] if reason else error}"))
    return found
