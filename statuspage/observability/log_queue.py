"""A stream for log lines that never makes anybody wait and never fails.

Whoever reads our output may be slow, may have hung up, or its disk may be full. Then
lines are lost, and the program goes on; the next line that gets through says how many.
"""

import os
import select
import threading
from collections import deque
from io import UnsupportedOperation
from multiprocessing.util import Finalize
from typing import TextIO

MOST_WAITING = 2000
"""Pieces of text that may wait for a slow reader; what comes then is lost."""
AT_END_S = 1.0
"""How long the end of the process waits for what is not written yet."""


class QueueHandler:
    """Writes to `stream` in a thread of its own. Safe to share between threads."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """Also in a fork: there the thread is gone, and what waits is the parent's to write."""
        self._waiting: deque[str] = deque()
        self._lost = 0
        self._is_writing = False
        self._changed = threading.Condition()
        self._has_thread = False

    def isatty(self) -> bool:
        try:
            return self._stream is not None and self._stream.isatty()
        except ValueError:
            return False  # It is closed.

    def write(self, text: str) -> int:
        """Take `text`; it is written in its turn."""
        if self._stream is not None:
            with self._changed:
                if len(self._waiting) < MOST_WAITING:
                    self._waiting.append(text)
                    self._changed.notify_all()
                else:
                    self._lost += 1
                if not self._has_thread:
                    self._has_thread = True
                    threading.Thread(target=self._write_on, name="outlet", daemon=True).start()
                    # Unlike `atexit`, it is heeded by processes that were forked, too.
                    Finalize(None, self.drain, exitpriority=0)
        return len(text)

    def flush(self) -> None:
        """Nothing: everything is written at once as far as it can be."""

    def drain(self, timeout_s: float = AT_END_S) -> bool:
        """Wait until all is written. False where that took too long."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._waiting and not self._is_writing, timeout_s
            )

    def _write_on(self) -> None:
        while True:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting)
                text = "".join(self._waiting)
                self._waiting.clear()
                lost, self._lost = self._lost, 0
                self._is_writing = True
            if lost:
                text += f"{lost} lines of the log were lost here.\n"
            # Closed, full, or nobody reads: the text is gone, and the next one may get through.
            try:
                self._put(text)
            except (OSError, ValueError):
                with self._changed:
                    self._lost += lost + text.count("\n")

    def _put(self, text: str) -> None:
        assert self._stream is not None
        try:
            descriptor = self._stream.fileno()
        except (AttributeError, UnsupportedOperation):  # No file, as in tests.
            self._stream.write(text)
            return
        # Past the stream's own buffer: what could not be written would stay in it.
        rest = memoryview(text.encode(self._stream.encoding or "utf-8", "backslashreplace"))
        while rest:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:
                select.select((), (descriptor,), ())
