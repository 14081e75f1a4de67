"""What a client may make this process hold, and for how long; how long responses are cached.

Every byte of a request without a response yet is counted (heads, bodies, chunk framing, requests
sent ahead), and every byte of a response that the client has not read: for each connection, for
each network and in all. Where a limit is reached, the oldest unfinished request or unread
response ends and the newcomer is served.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

MAX_HEAD_BYTES = 32 * 1024
MAX_TARGET_BYTES = 8 * 1024
MAX_FIELDS = 100
MAX_BODY_BYTES = 1_000_000
"""As the web process."""
MAX_FRAMING_BYTES = 16 * 1024
MAX_FRAMING_PER_BODY_BYTE = 8
"""Of chunked bodies: sizes, extensions and line ends. A chunk of one byte takes six."""
MAX_PIPELINED_REQUESTS = 100
"""Requests sent ahead of their responses."""

MAX_HELD_BYTES = 32 * 1024 * 1024
"""Of all clients together."""
NETWORK_SHARE = 4
"""One network may have a quarter of the bytes and of the connections."""

HEADER_TIMEOUT_S = 10.0
"""For the head of a request; one is a packet or two, on a phone as well."""
BODY_TIMEOUT_S = 60.0
"""For a whole body, so that slow bodies do not fill the memory."""
BODY_GRACE_S = 10.0
"""From then on a body must keep `MIN_BODY_BYTES_PER_S`."""
MIN_BODY_BYTES_PER_S = 1024
IDLE_TIMEOUT_S = 75.0
"""Between requests; browsers keep a connection for about as long."""
CROWDED_IDLE_TIMEOUT_S = 5.0
"""The same while half of the connections are taken."""
WRITE_TIMEOUT_S = 60.0
"""A client that takes nothing of its response for this long is gone."""
CROWDED_WRITE_TIMEOUT_S = 10.0
"""The same for one that keeps a thread of the web process busy while other requests wait."""
LINGER_S = 2.0
"""After a refusal: closing at once could destroy it on its way."""
RESPONSE_TIMEOUT_S = 60.0
"""For a view of the web process."""
HEALTH_TIMEOUT_S = 2.0
"""For a health check."""
PROBE_AFTER_S = 2.0
"""Without a response for this long, the web process gets a probe."""
PROBE_TIMEOUT_S = 3.0
"""For a probe; it takes no time if the web process works at all."""
CONNECT_TIMEOUT_S = 5.0
"""For a connection to the web process, whose queue is full if it takes longer."""
SWEEP_INTERVAL_S = 1.0
"""Between two looks for connections that took too long."""
STOP_TIMEOUT_S = 4.0
"""For requests under way once the proxy is asked to stop."""


@dataclass(frozen=True)
class Lifetimes:
    """How long a cached response may be used, in seconds.

    The first two are those of the web process, so that both say the same of an old page.
    """

    in_use_s: float
    """Unread for this long, a response is dropped: it may hold words that were withdrawn."""
    old_after_s: float
    """A page that could not be checked for this long says so."""
    check_after_s: float = 0.2
    """From this age on a client's request starts a check, without waiting for it."""
    valid_s: float = 0.5
    """From this age on the client waits for the check: nobody has read it for a while."""
    check_grace_s: float = 1.0
    """A response whose check started in time is served this long while the check runs."""
    check_timeout_s: float = 2.0
    """A web process that takes longer is down."""
    retry_after_s: float = 2.0
    """Between two checks while it is down."""
    served_age_window_s: float = 10.0
    """`served_age` covers this long, two writes of the metrics."""


MAX_EVICTION_TRIES = 64


class Client(Protocol):
    """A connection, as the limits see it."""

    network: str
    held_bytes: int
    progress: int
    """Changes whenever a request is complete."""

    @property
    def is_unfinished(self) -> bool:
        """Part of a request has come, and nothing else is under way."""

    @property
    def is_reclaimable(self) -> bool:
        """Nothing is under way: it is unfinished or idle."""

    @property
    def is_unread(self) -> bool:
        """Part of a response waits for the client to read on."""

    def evict(self) -> None: ...


class Limits:
    """All connections of this process, and what they hold.

    `by_network` is off behind another proxy, where every connection comes from one address.
    """

    def __init__(self, max_connections: int, *, by_network: bool = True) -> None:
        self.max_connections = max_connections
        self.max_held_bytes = MAX_HELD_BYTES
        self.network_share = NETWORK_SHARE if by_network else 1
        self._queues: dict[str, dict[Client, int]] = {}
        """By network, the one looked at longest ago first: its connections, oldest first, each
        with its progress when it was queued."""
        self.connections: dict[Client, None] = {}
        self.held_bytes = 0
        self._held_by_network: Counter[str] = Counter()

    def add(self, client: Client) -> bool:
        """Admit a connection; False where there is no room and nothing to end for it."""
        queue = self._queues.setdefault(client.network, {})
        self.connections[client] = None
        queue[client] = client.progress
        if len(queue) > self.max_connections // self.network_share:
            return self._end_oldest(client.network, client)
        if len(self.connections) > self.max_connections:
            return self._end_oldest_of_any(client)
        return True

    def remove(self, client: Client) -> None:
        self.hold(client, -client.held_bytes)
        self.connections.pop(client, None)
        queue = self._queues.get(client.network)
        if queue is not None:
            queue.pop(client, None)
            if not queue:
                del self._queues[client.network]

    def hold(self, client: Client, size: int) -> None:
        """Count `size` more bytes (or fewer) that this connection holds."""
        client.held_bytes += size
        self.held_bytes += size
        self._held_by_network[client.network] += size
        if not self._held_by_network[client.network]:
            del self._held_by_network[client.network]

    def make_room(self, client: Client) -> bool:
        """Bring the bytes held within the limits; False where `client` itself must end."""
        while self._held_by_network[client.network] > self.max_held_bytes // self.network_share:
            if not self._end_oldest(client.network, client, holds_bytes=True):
                return False
        while self.held_bytes > self.max_held_bytes:
            if not self._end_oldest_of_any(client, holds_bytes=True):
                return False
        return True

    def _end_oldest_of_any(self, newcomer: Client, *, holds_bytes: bool = False) -> bool:
        for network in list(islice(self._queues, MAX_EVICTION_TRIES)):
            # To the end of the line, so that each network is asked in turn.
            self._queues[network] = self._queues.pop(network)
            if self._end_oldest(network, newcomer, holds_bytes=holds_bytes):
                return True
        return False

    def _end_oldest(self, network: str, newcomer: Client, *, holds_bytes: bool = False) -> bool:
        queue = self._queues.get(network, {})
        oldest = list(islice(queue, MAX_EVICTION_TRIES))
        candidates = [
            client
            for client in oldest
            if client is not newcomer
            and (client.is_unfinished or client.is_unread if holds_bytes else client.is_reclaimable)
        ]
        # One without a complete request since it was queued, if there is one.
        stalled = (client for client in candidates if queue[client] == client.progress)
        victim = next(stalled, candidates[0] if candidates else None)
        if victim is None and not holds_bytes:
            unread = (client for client in oldest if client is not newcomer and client.is_unread)
            victim = next(unread, None)
        for client in oldest:
            if queue[client] != client.progress or client not in candidates:
                # It went on since, or it is busy: behind the others.
                del queue[client]
                queue[client] = client.progress
        if victim is None:
            return False
        self.remove(victim)
        victim.evict()
        return True
