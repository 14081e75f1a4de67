"""The address of a website without a path, in one normal form."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from statuspage.lib import host_name

DEFAULT_PORTS = {"http": 80, "https": 443}

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


class Origin(str):
    """`https://status.example.com`: scheme and host in lower case, IDNA, no default port."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> "Origin":
        """Raises `ValueError` with half a sentence."""
        try:
            parts = urlsplit(text.strip())
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("is not an address, such as https://status.example.com") from None
        if parts.scheme not in DEFAULT_PORTS:
            scheme = parts.scheme if "://" in text else ""
            raise ValueError(f"starts with {scheme!r}; use http:// or https://")
        if not host:
            raise ValueError("does not name a host")
        if parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
            raise ValueError("may only have a scheme, a host and a port")
        host = url_host(host)
        if port is not None and port != DEFAULT_PORTS[parts.scheme]:
            host = f"{host}:{port}"
        return cls(f"{parts.scheme}://{host}")

    @property
    def is_https(self) -> bool:
        return self.startswith("https://")

    @property
    def host(self) -> str:
        """The host without brackets and port."""
        return urlsplit(self).hostname or "localhost"

    @property
    def domain(self) -> str:
        """The host as message ids, mail addresses and `tag:` URIs can hold it."""
        return self.host if ":" not in self.host else "localhost"


def url_host(host: str) -> str:
    """A host in its normal form, as a URL has it: `[2001:db8::1]`. Raises `ValueError`."""
    try:
        address = ip_address(host)
    except ValueError:
        pass
    else:
        if getattr(address, "scope_id", None):
            raise ValueError("names an address that only this machine understands")
        return f"[{address}]" if address.version == 6 else str(address)
    try:
        host = host_name.to_ascii(host)
    except ValueError:
        host = ""
    if not host or len(host) > 253 or not all(map(_LABEL.fullmatch, host.split("."))):
        raise ValueError("names a host that DNS does not allow")
    return host
