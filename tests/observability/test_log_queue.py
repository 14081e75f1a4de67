"""The log cannot be written: the program goes on, and the log says later what is missing."""

import logging
import os
import subprocess
import sys
import threading
import time

import pytest

from statuspage.config import PROJECT
from statuspage.observability import log_queue
from statuspage.observability import logging as logs
from statuspage.observability.log_queue import BoundedQueueHandler
from tests.conftest import on_sqlite


@pytest.fixture
def pipe():
    """Both ends of a pipe, as files."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", 0) as inner, os.fdopen(writing, "w") as outer:
        yield inner, outer


def say(handler: BoundedQueueHandler, text: str) -> None:
    handler.handle(logging.makeLogRecord({"msg": text}))


def test_a_log_that_nobody_reads_makes_nobody_wait_and_says_what_was_lost(pipe):
    inner, outer = pipe
    handler = BoundedQueueHandler(outer)
    began = time.monotonic()
    for number in range(3 * log_queue.MAX_LINES):
        say(handler, f"line {number} {'x' * 100}")
    assert time.monotonic() - began < 2
    assert not handler.drain(0)
    read = bytearray()
    reader = threading.Thread(target=lambda: read.extend(iter_to_end(inner)))
    reader.start()
    assert handler.drain(10)
    say(handler, "the end")
    assert handler.drain(10)
    outer.close()
    reader.join()
    *lines, last = read.decode().splitlines()
    assert lines[0].startswith("line 0 ")
    assert last == "the end"
    lost = [int(line.split()[0]) for line in lines if line.endswith("were lost here.")]
    assert sum(lost) == 3 * log_queue.MAX_LINES - (len(lines) - len(lost)) > 0


def iter_to_end(file):
    pieces = b""
    while piece := file.read(1 << 16):
        pieces += piece
    return pieces


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="This system has no full device.")
def test_full_disk_and_closed_pipe_do_not_stop_logging(pipe):
    inner, outer = pipe
    with open("/dev/full", "w") as full:
        handler = BoundedQueueHandler(full)
        say(handler, "one")
        say(handler, "two")
        assert handler.drain(5)
    gone = BoundedQueueHandler(outer)
    inner.close()
    say(gone, "three")
    assert gone.drain(5)
    outer.close()
    say(gone, "four")
    assert gone.drain(5)
    assert gone.take_dropped() == 2
    nothing = BoundedQueueHandler(None)  # As Python has it if standard error is closed at start.
    say(nothing, "five")
    assert nothing.drain(0)


def test_last_lines_are_written_before_exit_also_by_forks():
    program = (
        "import logging, multiprocessing, sys\n"
        "from statuspage.observability import logging as logs\n"
        "logs.configure('console')\n"
        "log = logging.getLogger('statuspage.x')\n"
        "log.warning('before')\n"
        "fork = multiprocessing.get_context('fork').Process(target=log.warning, args=('fork',))\n"
        "fork.start(); fork.join()\n"
        "log.warning('last – ünd')\n"
    )
    command = [sys.executable, "-c", program]
    plain = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=PROJECT, env=plain, capture_output=True, check=True)
    lines = done.stderr.decode("ascii").splitlines()
    assert [word in line for line, word in zip(lines, ("before", "fork", "last"), strict=True)]
    assert "last \\u2013 \\xfcnd" in lines[2]


@on_sqlite
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="This system has no full device.")
def test_requests_are_answered_while_the_log_cannot_be_written(app, client, pipe, monkeypatch):
    def broken():
        raise RuntimeError("x" * 100_000)

    app.add_url_rule("/broken", view_func=broken)
    root = logging.getLogger()
    before = list(root.handlers)
    with open("/dev/full", "w") as full:
        for stream in (full, pipe[1]):
            monkeypatch.setattr(sys, "stderr", stream)
            logs.configure("json")
            for _ in range(3):
                assert client.get("/broken").status_code == 500
            assert client.get("/robots.txt").status_code == 200
            assert client.get("/admin/sign-in").status_code == 200
        root.handlers[:] = before
