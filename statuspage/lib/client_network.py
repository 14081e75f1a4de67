"""The network of a client, by which limits count: proxies write its address in several ways."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

_BRACKETS = re.compile(r"\[([^\]]*)\](?::\d+)?")


def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """`203.0.113.7:40001`, `"[2001:db8::1]:443"`, `fe80::1%eth0`, `::ffff:203.0.113.7`, or None."""
    text = text.strip().strip('"')
    if brackets := _BRACKETS.fullmatch(text):
        text = brackets[1]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def network_of(text: str) -> str:
    """The address; of IPv6 the /64 that one customer has. Anything else stays as it is."""
    address = address_of(text)
    if address is None:
        return text
    return str(address) if address.version == 4 else f"{int(address) >> 64:x}::/64"
