"""What the process that starts the proxy passes in: everything that is not HTTP."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from statuspage.proxy.http import ErrorPage, Paths, Policy
from statuspage.proxy.limits import Lifetimes


class Counter(Protocol):
    def inc(self, amount: float = 1) -> None: ...


@dataclass(frozen=True)
class Counters:
    """By what a client was given, and by what became of a request that was passed on."""

    hit: Counter
    not_modified: Counter
    stale: Counter
    """From the cache, marked with its age."""
    made: Counter
    """Fetched from the web process and stored."""
    error: Counter
    answered: Counter
    failed: Counter
    refused: Counter


@dataclass(frozen=True)
class ProxyConfig:
    web_socket: Path
    threads: int
    """Of all web processes together."""
    lifetimes: Lifetimes
    counters: Counters
    now: Callable[[], datetime]
    mark_old: Callable[[bytes, datetime], bytes]
    """An HTML page and when it was last known to be current → the page with a note of that."""
    error_page: ErrorPage
    paths: Paths
    policy: Policy = ()
    by_network: bool = True
    """Off behind another proxy, where every connection comes from one address."""
