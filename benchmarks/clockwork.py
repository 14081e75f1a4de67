"""The machine's clock jumps under the group: `python -m benchmarks.faults clock`.

Needs a C compiler: a small library, loaded into every process of the group, tells them another
time of day than the machine has. Clocks that only go on are left alone, as a real jump leaves
them. (libfaketime would do, but that it makes `time.sleep` fail while the time of day jumps.)
"""

import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import servers
from benchmarks.drills import Receivers
from benchmarks.pressure import PAGES, Readers, ask, bar
from benchmarks.servers import PROJECT

SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static long offset(void) {
    static volatile long *mapped;
    if (!mapped) {
        int file = open(getenv("CLOCK_OFFSET"), O_RDONLY);
        mapped = mmap(0, sizeof *mapped, PROT_READ, MAP_SHARED, file, 0);
    }
    return *mapped;
}

int clock_gettime(clockid_t which, struct timespec *told) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(which, told);
    if (!failed && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
        told->tv_sec += offset();
    return failed;
}

int gettimeofday(struct timeval *told, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    told->tv_sec = now.tv_sec;
    told->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *told) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (told) *told = now.tv_sec;
    return now.tv_sec;
}
"""
JUMPS_H = (1, -1, 0)
STAY_S = 8.0
SEEN_S = 10.0


def clock() -> None:
    """An hour forward, two back, one forward, with a maintenance in between."""
    compiler = shutil.which("cc")
    if compiler is None:
        print("clock: left out, there is no C compiler")
        return
    receivers = Receivers()
    with tempfile.TemporaryDirectory(prefix="statuspage-clock-") as folder:
        offset = Path(folder) / "offset"
        _set(offset, 0)
        environment = {
            "STATUSPAGE_DATA_DIR": f"{folder}/data",
            "STATUSPAGE_DEMO": "0",
            "STATUSPAGE_OUTGOING_ALLOW": "127.0.0.1",
        }
        token = _prepare(environment, receivers.port)
        library = Path(folder) / "clock.so"
        command = [compiler, "-O2", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library), "-ldl"]
        subprocess.run(command, input=SOURCE, text=True, check=True)
        faked = {**environment, "LD_PRELOAD": str(library), "CLOCK_OFFSET": str(offset)}
        with servers.product(faked) as url:
            for path in PAGES:
                ask(url + path)
            _play(url, token, offset, receivers)


def _play(url: str, token: str, offset: Path, receivers: Receivers) -> None:
    reads = Readers(url)
    now = datetime.now(UTC)
    public_id = _open(
        url,
        token,
        name="Upgrade",
        status="scheduled",
        scheduled_for=(now + timedelta(minutes=30)).isoformat(),
        scheduled_until=(now + timedelta(minutes=45)).isoformat(),
        scheduled_auto_in_progress=True,
        scheduled_auto_completed=True,
    )
    seen = []
    for hours in JUMPS_H:
        _set(offset, hours)
        time.sleep(STAY_S)
        seen.append(_until_seen(url, token, f"After a jump to {hours} h"))
    count, slowest, bad = reads.stop()
    steps = _steps(url, token, public_id)
    wanted = {"scheduled": 1, "in_progress": 1, "completed": 1}
    # Each incident and each step of the maintenance, to each subscriber.
    messages = 3 + len(JUMPS_H)
    deadline = time.monotonic() + 30
    while len(receivers.got) < messages and time.monotonic() < deadline:
        time.sleep(0.2)
    again = sum(receivers.got.values()) - len(receivers.got)
    print(
        f"clock: {count} reads, {bad} not 200, slowest {slowest:.2f} s; a change is seen after"
        f" {max(seen):.1f} s at most; the maintenance took {dict(steps)};"
        f" {len(receivers.got)} of {messages} messages arrived, {again} of them twice"
    )
    bar("clock", bad == 0 and slowest < 3, "every read 200 within 3 s")
    bar("clock", max(seen) < SEEN_S, "pages do not freeze")
    bar("clock", steps == wanted, "the maintenance begins and ends once")
    bar("clock", len(receivers.got) == messages and not again, "each message arrives once")


def _set(offset: Path, hours: int) -> None:
    """In place: the processes have the file mapped."""
    with offset.open("r+b" if offset.exists() else "wb") as file:
        file.write(struct.pack("q", hours * 3600))


def _open(url: str, token: str, **facts: object) -> str:
    status, body = _api(url, token, "/incidents", {"incident": {"body": "We look.", **facts}})
    assert status == 201, body
    return str(body["id"])


def _until_seen(url: str, token: str, name: str) -> float:
    _open(url, token, name=name, status="investigating")
    began = time.monotonic()
    while name.encode() not in ask(f"{url}/")[2]:
        if time.monotonic() - began > 60:
            return float("inf")
        time.sleep(0.05)
    return time.monotonic() - began


def _steps(url: str, token: str, public_id: str) -> Counter[str]:
    _, body = _api(url, token, f"/incidents/{public_id}")
    return Counter(update["status"] for update in body["incident_updates"])


def _api(url: str, token: str, path: str, body: object = None) -> tuple[int, dict[str, object]]:
    page = json.loads(ask(f"{url}/api/v2/summary.json")[2])["page"]["id"]
    headers = {"Authorization": f"OAuth {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    status, _, answer = ask(f"{url}/v1/pages/{page}{path}", data=data, headers=headers)
    return status, json.loads(answer)


def _prepare(environment: dict[str, str], port: int) -> str:
    """A page, one subscriber, and a token that may do everything; its text."""
    code = f"""
from benchmarks import drills
drills.SUBSCRIBERS = 1
print(drills.prepare({port})[1])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env=os.environ | environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split()[-1]
