"""Requests to addresses that strangers typed: public ones only, and never for long.

A name is resolved once, every address it has is checked, and the connection goes to
the checked one, so that a name that changes its mind between two look-ups reaches
nothing. Redirects are not followed. The whole exchange has one deadline: a receiver
that sends a byte now and then is cut off like one that sends nothing.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

from AntiSSRF import IPAddressRanges

TOTAL_S = 15.0
MAX_RESPONSE_BYTES = 64 * 1024
"""Bytes of an answer that are read."""
PORTS = {"http": 80, "https": 443}

GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is given to anybody (IANA); elsewhere lie, for one, old ways to write IPv4."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class RequestError(Exception):
    """No response came. The sentence holds no address, so it may be stored and shown.

    `is_final`: trying again cannot help.
    """

    def __init__(self, sentence: str, *, is_final: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.is_final = is_final


@dataclass(frozen=True)
class Response:
    """What came back. `headers` by lower-case name; `body` is cut at `MOST_ANSWERED`."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Sends requests. `allowed` are inner networks that the operator opened,
    `trusted` is a host that the operator chose, wherever it lies.
    """

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        *,
        total_s: float = TOTAL_S,
        trusted: str | None = None,
    ) -> None:
        self._allowed = allowed
        self._total_s = total_s
        self._trusted = trusted

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, method: str = "POST"
    ) -> Response:
        """Send and read the answer, in `total_s` at most.

        Raises `RequestError`: final for an address that may not be reached, else to be tried
        again. The status is not judged.
        """
        until = time.monotonic() + self._total_s
        parts = urlsplit(url)
        host, scheme = parts.hostname, parts.scheme
        if scheme not in PORTS or not host:
            raise RequestError("The address is not a web address.", is_final=True)
        try:
            port = parts.port or PORTS[scheme]
        except ValueError:
            raise RequestError("The address has no valid port.", is_final=True) from None
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        where = self._checked(host, port)
        try:
            return _exchange(scheme, host, port, where, method, target, body, headers, until)
        except TimeoutError:
            raise RequestError(f"It did not respond within {self._total_s:.0f} seconds.") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            if time.monotonic() >= until:
                raise RequestError(
                    f"It did not respond within {self._total_s:.0f} seconds."
                ) from None
            raise RequestError(f"The connection failed: {_reason(error)}.") from None

    def _checked(self, host: str, port: int) -> tuple[str, int]:
        """(address, port) to connect to. Raises `RequestError` if any address of it is private."""
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise RequestError("Its host name could not be found (DNS).") from None
        addresses = [str(entry[4][0]) for entry in infos]
        for text in addresses:
            if host != self._trusted and not self.may_reach(text):
                raise RequestError(
                    "The address is in a network that may not be reached.", is_final=True
                )
        return addresses[0], port

    def may_try(self, url: str) -> bool:
        """Whether the host of `url` is worth a try: a name is judged when connecting."""
        host = urlsplit(url).hostname or ""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return True
        return self.may_reach(host)

    def may_reach(self, text: str) -> bool:
        """Whether an IP address is public, or in a network that the operator opened."""
        try:
            address = _unwrapped(ipaddress.ip_address(text.partition("%")[0]))
        except ValueError:
            return False
        if any(address in network for network in self._allowed):
            return True
        if address.version == 6 and address not in GLOBAL_UNICAST:
            return False
        return not any(address in network for network in _inner_networks())


def _unwrapped(address: Address) -> Address:
    """The IPv4 address within a mapped one; the others that carry one are refused whole."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


@cache
def _inner_networks() -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in IPAddressRanges.recommended_latest)


def _exchange(
    scheme: str,
    host: str,
    port: int,
    where: tuple[str, int],
    method: str,
    target: str,
    body: bytes,
    headers: Mapping[str, str],
    until: float,
) -> Response:
    connection = http.client.HTTPConnection(host, port)
    sock = socket.create_connection(where, timeout=max(until - time.monotonic(), 0.1))

    def shut() -> None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    # A socket's timeout counts from the last byte; this one counts from the beginning.
    cut = threading.Timer(max(until - time.monotonic(), 0.1), shut)
    cut.daemon = True
    cut.start()
    try:
        if scheme == "https":
            tls = _tls()
            sock = tls.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
            sock.do_handshake()
        connection.sock = sock
        # http.client names the port in `Host` unless it is 80.
        name = f"[{host}]" if ":" in host else host
        authority = name if port == PORTS[scheme] else f"{name}:{port}"
        connection.request(method, target, body, {"Host": authority, **headers})
        with connection.getresponse() as answer:
            if time.monotonic() >= until:
                raise TimeoutError  # We cut it, so its head may be half of one.
            fields = {key.lower(): value for key, value in answer.getheaders()}
            return Response(answer.status, fields, _beginning(answer))
    finally:
        cut.cancel()
        connection.close()
        sock.close()


def _beginning(answer: http.client.HTTPResponse) -> bytes:
    """As much of the body as comes in time: the status said already whether it was taken."""
    with suppress(OSError, http.client.HTTPException):
        return answer.read(MAX_RESPONSE_BYTES)
    return b""


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _reason(error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return "its certificate is not trusted"
        case ssl.SSLError():
            return "no secure connection was possible"
        case ConnectionRefusedError():
            return "nothing listens there"
        case ConnectionResetError() | http.client.RemoteDisconnected():
            return "it was closed"
        case http.client.HTTPException() | ValueError():
            return "the answer was not HTTP"
        case _:
            return "network error"
