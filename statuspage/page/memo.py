"""Whoever makes many pages at once reads what they share one time.

Outside of `reading_once` every page reads for itself, as it is asked for.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_answers: ContextVar[dict[Any, Any] | None] = ContextVar("answers", default=None)


@contextmanager
def memoized() -> Iterator[None]:
    """Within it, each question to a function marked `shared` is answered as it was the first time.

    Whatever changes meanwhile, and whatever moment is asked for: keep it short.
    """
    token = _answers.set({})
    try:
        yield
    finally:
        _answers.reset(token)


def shared(read: Callable[P, T]) -> Callable[P, T]:
    """Marks what is read once within `reading_once`; its argument `at` does not count."""

    @wraps(read)
    def answer(*args: P.args, **named: P.kwargs) -> T:
        answers = _answers.get()
        if answers is None:
            return read(*args, **named)
        key = _key(read, *args, **named)
        if key not in answers:
            answers[key] = read(*args, **named)
        found: T = answers[key]
        return found

    return answer


def know(read: Callable[P, T], value: T, *args: P.args, **named: P.kwargs) -> None:
    """Let `value` be the answer of `read` to this question; nothing outside of `reading_once`."""
    answers = _answers.get()
    if answers is not None:
        answers[_key(read, *args, **named)] = value


def _key(read: Callable[..., object], *args: object, **named: object) -> tuple[object, ...]:
    named.pop("at", None)
    return (read.__name__, args, tuple(sorted(named.items())))
