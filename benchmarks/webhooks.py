"""A thousand webhooks, three of which misbehave: `python -m benchmarks.faults webhooks`.

One never answers, one answers a byte a second, one answers without an end. Three incidents
are opened while their messages are on their way; how long the others wait is told.
"""

import re
import statistics
import time
from pathlib import Path

from benchmarks import engines
from benchmarks.drills import Group
from benchmarks.pressure import bar, until_written, write
from benchmarks.receivers import DRIBBLES, ENDLESS, HANGS, Receivers
from benchmarks.several import prepare

SUBSCRIBERS = 1_000
BAD = (HANGS, DRIBBLES, ENDLESS)
INCIDENTS = 3
APART_S = 10.0
LONGEST_S = 60.0


def webhooks() -> None:
    """The delay of all others, from the moment that the API acknowledged the incident."""
    receivers = Receivers()
    names = [name.removeprefix("/") for name in BAD]
    # The bad ones at the beginning, in the middle and at the end of the list.
    names[1:1] = [f"{number}" for number in range(SUBSCRIBERS // 2)]
    names[-1:-1] = [f"{number}" for number in range(SUBSCRIBERS // 2, SUBSCRIBERS - len(BAD))]
    with engines.sqlite() as settings:
        _, token = prepare(receivers.address(name) for name in names)
        group = Group(settings)
        group.start()
        url = group.url
        try:
            # Whatever is loaded with the first is loaded now.
            until_written(url, token)
            _until(receivers, {"Drill"})
            worker = group.ids["worker"]
            before = _resident_mb(worker)
            opened = {}
            for name in (f"Incident {number}" for number in range(INCIDENTS)):
                time.sleep(APART_S)
                status, _, _ = write(url, token, name)
                assert status == 201
                opened[name] = time.monotonic()
            _until(receivers, set(opened))
            grown = _resident_mb(worker) - before
        finally:
            group.stop()
    receivers.close()
    good = [one for one in receivers.arrived if one.path not in BAD]
    took = sorted(one.at - opened[one.incident] for one in good if one.incident in opened)
    wanted = INCIDENTS * (SUBSCRIBERS - len(BAD))
    p99 = took[int(len(took) * 0.99)]
    again = len(good) - len({(one.path, one.key) for one in good})
    print(
        f"webhooks: {len(took)} of {wanted} messages to the others arrived, {again} of them again;"
        f" after {statistics.median(took):.1f} s (median), {p99:.1f} s (p99), {took[-1]:.1f} s"
        f" (last); {len(receivers.arrived) - len(good)} tries at the {len(BAD)} bad ones;"
        f" the worker grew by {grown} MB"
    )
    bar("webhooks", len(took) == wanted and not again, "everybody else is told once")
    bar("webhooks", p99 <= 10, "99 % of the others within 10 s")
    bar("webhooks", grown < 20, "the worker grows by less than 20 MB")


def _until(receivers: Receivers, names: set[str]) -> None:
    """Wait until every other receiver has these, and nobody is sent anything any more."""
    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        seen = {(one.path, one.incident) for one in receivers.arrived if one.path not in BAD}
        if sum(name in names for _, name in seen) >= len(names) * (SUBSCRIBERS - len(BAD)):
            return
        time.sleep(0.2)


def _resident_mb(process_id: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process_id}/status").read_text())
    return int(found[1]) // 1024 if found else 0
