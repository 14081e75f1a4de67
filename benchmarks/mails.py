"""A mail server in every mood at once: `python -m benchmarks.faults mail`.

Some readers' mail is greylisted for five minutes, some is refused for good, some is lost after
it was handed over, and some addresses answer only after minutes. How long everybody else
waits is told, webhooks above all, and what came of the others.
"""

import asyncio
import re
import statistics
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiosmtpd.controller import Controller

from benchmarks import engines, servers
from benchmarks.drills import Group
from benchmarks.pressure import bar, write
from benchmarks.receivers import Receivers
from benchmarks.several import prepare

GREYLISTED, REFUSED, LOST, SLOW, WELL = "greylisted", "refused", "lost", "slow", "well"
READERS = {GREYLISTED: 20, REFUSED: 20, LOST: 20, SLOW: 3, WELL: 200}
"""How many there are of each manner; an address begins with its manner."""
WEBHOOKS = 200
GREYLISTED_S = 300.0
SLOW_S = 120.0
LONGEST_S = 900.0


@dataclass(frozen=True)
class Mail:
    to: str
    message_id: str
    text: str
    at: float
    """Seconds of the monotonic clock."""


class MailServer:
    """Takes mail on loopback, in the manner that an address begins with."""

    def __init__(self) -> None:
        self.tries: list[tuple[str, float]] = []
        """Who was named as a receiver, and when."""
        self.handed_over: list[Mail] = []
        """What came to its end, whether or not the sender heard so."""
        self.taken: list[Mail] = []

    async def handle_RCPT(  # noqa: N802  aiosmtpd names it
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        first = next((at for to, at in self.tries if to == address), time.monotonic())
        self.tries.append((address, time.monotonic()))
        if address.startswith(GREYLISTED) and time.monotonic() - first < GREYLISTED_S:
            return "451 4.7.1 Try again later"
        if address.startswith(REFUSED):
            return "550 5.1.1 No such user"
        if address.startswith(SLOW):
            await asyncio.sleep(SLOW_S)
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        text = envelope.content.decode().replace("\r\n", "\n")
        found = re.search(r"^Message-ID:\s*(<[^>]+>)", text, re.MULTILINE | re.IGNORECASE)
        assert found is not None
        mail = Mail(envelope.rcpt_tos[0], found[1], text, time.monotonic())
        is_known = any(one.message_id == mail.message_id for one in self.handed_over)
        self.handed_over.append(mail)
        if mail.to.startswith(LOST) and not is_known:
            server.transport.abort()
            return "421 gone"
        self.taken.append(mail)
        return "250 taken"


@contextmanager
def mail_server() -> Iterator[tuple[MailServer, str]]:
    """With its address, as the settings have it."""
    handler, port = MailServer(), servers.free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port, ready_timeout=10)
    controller.start()
    try:
        yield handler, f"smtp://127.0.0.1:{port}"
    finally:
        controller.stop()


def mail() -> None:
    receivers = Receivers()
    people = [f"{manner}-{n}@example.com" for manner, of in READERS.items() for n in range(of)]
    with (
        mail_server() as (server, smtp),
        engines.sqlite() as settings,
        engines.known({**settings, "STATUSPAGE_SMTP_URL": smtp}) as settings,
    ):
        _, token = prepare((receivers.address(n) for n in range(WEBHOOKS)), mails=people)
        group = Group(settings)
        group.start()
        try:
            opened = {}
            for name in ("First", "Second"):
                status, _, _ = write(group.url, token, name)
                assert status == 201
                opened[name] = time.monotonic()
                _wait_for(server, {GREYLISTED, LOST, WELL}, opened[name])
        finally:
            group.stop()
    receivers.close()
    _tell_webhooks(receivers, opened)
    _tell_mail(server, opened["First"], opened["Second"])


def _wait_for(server: MailServer, manners: Collection[str], since: float) -> None:
    wanted = sum(READERS[manner] for manner in manners)
    while time.monotonic() < since + LONGEST_S:
        arrived = {one.to for one in server.taken if one.at > since}
        if sum(to.partition("-")[0] in manners for to in arrived) >= wanted:
            return
        time.sleep(0.2)


def _tell_webhooks(receivers: Receivers, opened: dict[str, float]) -> None:
    took = sorted(one.at - opened[one.incident] for one in receivers.arrived)
    print(
        f"mail: {len(took)} of {2 * WEBHOOKS} webhooks arrived, after"
        f" {statistics.median(took):.1f} s (median), {took[-1]:.1f} s (last)"
    )
    bar("mail", len(took) == 2 * WEBHOOKS and took[-1] <= 5, "webhooks within 5 s meanwhile")


def _tell_mail(server: MailServer, began: float, second: float) -> None:
    tries = Counter(to.partition("-")[0] for to, at in server.tries if at < second)
    for manner in (WELL, GREYLISTED, LOST):
        first = [one for one in server.taken if one.to.startswith(manner) and one.at < second]
        took = sorted(one.at - began for one in first)
        again = len(first) - len({one.message_id for one in first})
        print(
            f"mail: {manner}: {len(took)} of {READERS[manner]} arrived, {again} of them again,"
            f" after {took[0]:.1f} to {took[-1]:.1f} s, in {tries[manner]} tries"
        )
        bar("mail", len(took) == READERS[manner] and not again, f"each {manner} one arrives once")
        bar("mail", took[-1] <= LONGEST_S, f"{manner} within 15 minutes")
    lost = [one for one in server.handed_over if one.to.startswith(LOST) and one.at < second]
    ids = {(one.to, one.message_id) for one in lost}
    print(f"mail: lost after DATA: {len(lost)} handed over under {len(ids)} ids")
    bar("mail", len(ids) == READERS[LOST], "what is sent again keeps its Message-ID")
    later = Counter(to.partition("-")[0] for to, at in server.tries if at > second)
    print(
        f"mail: refused for good: {tries[REFUSED]} tries for {READERS[REFUSED]} addresses,"
        f" {later[REFUSED]} at the next incident; slow: {tries[SLOW]} and {later[SLOW]} tries"
    )
    bar("mail", tries[REFUSED] == READERS[REFUSED], "one try where it is refused for good")
    bar("mail", later[REFUSED] == 0, "none afterwards")
