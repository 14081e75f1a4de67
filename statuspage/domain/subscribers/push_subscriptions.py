"""Browsers: where one takes pushes and the keys it gave for them, checked. Pure.

The names are the Push API's: https://www.w3.org/TR/push-api/#pushsubscription-interface
"""

import base64
import binascii
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec

from statuspage.domain.subscribers import addresses
from statuspage.errors import Invalid

POINT_BYTES = 65
AUTH_BYTES = 16

_MAKERS = {
    "mozilla.com": "Firefox",
    "googleapis.com": "Chrome or one like it",
    "apple.com": "Safari",
    "windows.com": "Edge",
}
"""Whose push service lies in which domain. For people to read: nothing is decided by it."""


@dataclass(frozen=True)
class Browser:
    """What a browser gives to be written to. Whoever has all of it can write to it."""

    endpoint: str
    p256dh: str = field(repr=False)
    """Its public key, a point on P-256: 65 bytes in base64url."""
    auth: str = field(repr=False)
    """A secret that only the browser and we know: 16 bytes in base64url."""

    @classmethod
    def of(cls, endpoint: str, p256dh: str, auth: str) -> "Browser":
        """Raises `Invalid` (field `endpoint`, `p256dh` or `auth`)."""
        address = addresses.url(endpoint)
        if urlsplit(address).scheme != "https":
            raise Invalid(endpoint="The address of a push service must start with https://.")
        point, secret = unpacked(p256dh), unpacked(auth)
        if not _is_public_key(point):
            raise Invalid(p256dh="This is not a browser's public key.")
        if len(secret) != AUTH_BYTES:
            raise Invalid(auth="This is not a browser's secret.")
        return cls(address, packed(point), packed(secret))


def name(endpoint: str) -> str:
    """`Firefox`; the host of a push service that we do not know."""
    host = urlsplit(endpoint).hostname or endpoint
    makers = (maker for domain, maker in _MAKERS.items() if f".{host}".endswith(f".{domain}"))
    return next(makers, host)


def packed(value: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def unpacked(text: str) -> bytes:
    """The bytes of base64url, padded or not; none for what is none."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _is_public_key(point: bytes) -> bool:
    """Whether this is an uncompressed point on P-256: only to such a key can we encrypt."""
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        return False
    return len(point) == POINT_BYTES
