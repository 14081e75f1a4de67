"""Two groups, restarted one after the other: `python -m benchmarks.faults rolling`.

On PostgreSQL and Redis behind nginx, with readers on both and a program that posts. Needs
the programs of PostgreSQL, Redis and nginx.
"""

import time

from benchmarks import balanced, engines
from benchmarks.balanced import Member, Poster
from benchmarks.drills import let_go
from benchmarks.pressure import Readers, bar
from benchmarks.receivers import Receivers
from benchmarks.several import prepare

RESTARTS = 50
READERS = 2
SUBSCRIBERS = 20
POSTED_EVERY_S = 1.0
TOLD_S = 60.0


def rolling() -> None:
    """What readers, writers and subscribers notice of it."""
    receivers = Receivers()
    with engines.postgresql_and_redis() as settings:
        page, token = prepare(receivers.address(number) for number in range(SUBSCRIBERS))
        members = [Member(settings), Member(settings)]
        try:
            for member in members:
                member.start()
            with balanced.nginx([member.port for member in members]) as (url, log):
                readers = [Readers(url) for _ in range(READERS)]
                poster = Poster(url, page, token, every_s=POSTED_EVERY_S)
                stopped, started = [], []
                for number in range(RESTARTS):
                    member = members[number % len(members)]
                    stopped.append(member.stop())
                    started.append(member.start())
                poster.stop()
                reads = [reader.stop() for reader in readers]
                again = balanced.asked_again(log)
            missing = until_told(receivers, len(poster.acknowledged) * SUBSCRIBERS)
        finally:
            for member in members:
                member.stop()
        wrong = balanced.not_once(poster.acknowledged)
    receivers.close()
    bad = sum(one[2] for one in reads)
    print(
        f"rolling: {RESTARTS} restarts, {max(stopped):.1f} s to end and {max(started):.1f} s to"
        f" start at most; {sum(one[0] for one in reads)} reads, {bad} not 200, slowest"
        f" {max(one[1] for one in reads):.2f} s; {len(poster.acknowledged)} updates acknowledged"
        f" ({dict(poster.codes)}, slowest {poster.slowest_s:.1f} s), {len(poster.given_up)} given"
        f" up, {wrong} not in the history once; {len(receivers.arrived)} messages,"
        f" {receivers.repeated()} of them again, {missing} missing; {again} requests that nginx"
        " put to the other group"
    )
    bar("rolling", bad == 0, "every read 200")
    bar("rolling", wrong == 0 and not poster.given_up, "what is acknowledged is there once")
    bar("rolling", receivers.repeated() == 0 and missing == 0, "each message once")
    bar("rolling", max(stopped) <= 12, "a group ends within 12 s")


def until_told(receivers: Receivers, wanted: int) -> int:
    """Let go what is braked, and wait for all messages; how many are missing in the end."""
    until = time.monotonic() + TOLD_S
    while time.monotonic() < until:
        let_go()
        missing = wanted - len({(one.path, one.key) for one in receivers.arrived})
        if missing <= 0:
            break
        time.sleep(0.5)
    return missing
