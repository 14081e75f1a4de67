"""A log handler that never makes a request wait and never fails.

Lines are formatted by the thread that logs them and written by a listener's. Whoever reads our
output may be slow or gone, or its disk may be full: then lines are dropped, and the next one that
gets through says how many.
"""

import logging
import os
import select
from io import UnsupportedOperation
from logging.handlers import QueueHandler, QueueListener
from multiprocessing.util import Finalize
from queue import Full, Queue
from typing import TextIO

MAX_LINES = 2000
"""Lines that may wait for a slow reader; later ones are dropped."""
DRAIN_S = 1.0
"""How long the end of the process waits for lines that are not written yet."""


class BoundedQueueHandler(QueueHandler):
    """Writes to `stream` from a thread that each process starts with its first line."""

    queue: "Queue[logging.LogRecord]"

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__(Queue(MAX_LINES))
        self._stream = stream
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """Also in a fork: it has no thread, and what waits is the parent's to write."""
        self.queue = Queue(MAX_LINES)
        self._is_started = False
        self._dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        if self._stream is None:
            return
        if not self._is_started:
            self._is_started = True
            QueueListener(self.queue, _Writer(self._stream, self)).start()
            # Unlike `atexit`, forked processes run it too.
            Finalize(None, self.drain, exitpriority=0)
        try:
            self.queue.put_nowait(record)
        except Full:
            self.count_dropped(1)

    def count_dropped(self, lines: int) -> None:
        with self.lock:  # type: ignore[union-attr]
            self._dropped += lines

    def take_dropped(self) -> int:
        """How many lines were dropped since the last call."""
        with self.lock:  # type: ignore[union-attr]
            dropped, self._dropped = self._dropped, 0
        return dropped

    def drain(self, timeout_s: float = DRAIN_S) -> bool:
        """Wait until all is written. False if that takes too long."""
        # `QueueListener.stop` and `Queue.join` would wait without a limit.
        with self.queue.all_tasks_done:
            return self.queue.all_tasks_done.wait_for(
                lambda: not self.queue.unfinished_tasks, timeout_s
            )


class _Writer(logging.Handler):
    """Writes each line past the stream's buffer, where a line that failed would stay."""

    def __init__(self, stream: TextIO, dropped: BoundedQueueHandler) -> None:
        super().__init__()
        self._stream = stream
        self._dropped = dropped

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record) + "\n"
        dropped = self._dropped.take_dropped()
        if dropped:
            line = f"{dropped} lines of the log were lost here.\n{line}"
        # Closed, full, or nobody reads: this line is gone, and the next one may get through.
        try:
            self._write(line)
        except (OSError, ValueError):
            self._dropped.count_dropped(dropped + 1)

    def _write(self, text: str) -> None:
        try:
            descriptor = self._stream.fileno()
        except (AttributeError, UnsupportedOperation):  # No file, as in tests.
            self._stream.write(text)
            return
        rest = memoryview(text.encode(self._stream.encoding or "utf-8", "backslashreplace"))
        while rest:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:
                select.select((), (descriptor,), ())
