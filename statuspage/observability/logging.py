"""How the processes speak to their operator: one line per happening, on standard error.

Lines that are written during a request carry its id (`request_ids`). No line holds a mail
address, the path of an address elsewhere, or a secret: who logs leaves them out, and
`scrubbed` looks over each line once more, as libraries and tracebacks log too.
"""

import logging
import re
import sys
import threading
import time
from typing import TextIO

import structlog

from statuspage.observability.log_queue import BoundedQueueHandler


def configure(log_format: str) -> None:
    """Send our log lines and those of the libraries through one format: `console` or `json`."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    last: list[structlog.typing.Processor]
    # Tracebacks without local variables, whatever is installed: they hold passwords and tokens.
    if log_format == "json":
        frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        last = [structlog.processors.ExceptionRenderer(frames), structlog.processors.JSONRenderer()]
    else:
        last = [
            _on_one_line,
            structlog.dev.ConsoleRenderer(
                colors=_is_terminal(sys.stderr), exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    formatter = _Formatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    ours = logging.getLogger("statuspage")
    root = logging.getLogger()
    for before in [
        handler for handler in root.handlers if isinstance(handler, BoundedQueueHandler)
    ]:
        root.removeHandler(before)
    handler = BoundedQueueHandler(sys.stderr)
    handler.setFormatter(formatter)
    root.addHandler(handler)
    ours.setLevel(logging.INFO)
    # Alembic and huey tell at INFO what nobody asked; their warnings matter.
    root.setLevel(logging.WARNING)


_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _on_one_line(
    _logger: object, _method: str, values: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """What somebody typed must not look like a line of ours; other values are quoted anyway."""
    event = str(values["event"])
    values["event"] = _CONTROLS.sub(lambda match: repr(match[0])[1:-1], event)
    return values


def drain() -> None:
    """Wait until what was logged is written, a second at most."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, BoundedQueueHandler):
            handler.drain()


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False  # It is closed.


class _Formatter(structlog.stdlib.ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return scrubbed(super().format(record))


# ── what no line may hold ──────────────────────────────────────────────────────

_URL = re.compile(
    r"\b(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[^\s/\"'<>\\]*@)?(?P<host>[^\s/?#\"'<>\\]*)"
    r"(?P<rest>[^\s\"'<>\\]*)",
    re.IGNORECASE,
)
_CREDENTIALS = re.compile(r"(?i)\b((?!https?:|wss?:)[a-z][a-z0-9+.-]*://)\S*@")
"""Up to the last @: someone may have written a password with / or a quote as it is."""
_WEB = ("http", "https", "ws", "wss")
_ADDRESS = re.compile(r"[\w.+%&=-]+@[\w-]+(?:\.[\w-]+)*\.\w+")
_RANDOM = re.compile(r"(?<![\w-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])(?=[\w-]*[0-9])[\w-]{24,}")


def scrubbed(line: str) -> str:
    """Without mail addresses, passwords and paths in addresses, and what looks like a secret."""
    if "://" in line:
        line = _CREDENTIALS.sub(r"\1", line)
        line = _URL.sub(_only_host, line)
    if "@" in line:
        line = _ADDRESS.sub("[address]", line)
    return _RANDOM.sub("[secret]", line)


def _only_host(match: re.Match[str]) -> str:
    scheme, host, rest = match["scheme"], match["host"], match["rest"]
    if scheme.lower() in _WEB and rest not in ("", "/"):
        rest = "/[hidden]"
    return f"{scheme}://{host}{rest}"


# ── what must not flood the log ────────────────────────────────────────────────


class LogThrottle:
    """Says whether one more line of a kind may be written: so many a minute at most."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._minute = -1
        self._number = 0

    def __call__(self) -> bool:
        minute = int(time.monotonic() // 60)
        with self._lock:
            if minute != self._minute:
                self._minute, self._number = minute, 0
            self._number += 1
            return self._number <= self._most
