"""Encrypts a web push for one browser and signs it as ours. Pure.

RFC 8291 (message encryption) by `http_ece`, RFC 8292 (VAPID) by `py_vapid`.
"""

from datetime import datetime, timedelta
from functools import lru_cache

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import jwt

from statuspage.domain.subscribers.push_keys import Access
from statuspage.domain.subscribers.push_subscriptions import packed

MOST_BYTES = 3993
"""So that the whole push fits into 4096 bytes and one record (RFC 8291 §4)."""
TOKEN_LIFETIME = timedelta(hours=12)
"""A day is the longest that is allowed (RFC 8292 §2)."""


def encrypt(
    message: bytes, to: Access, *, salt: bytes | None = None, private_key: bytes | None = None
) -> bytes:
    """Return the body of a push: one `aes128gcm` record.

    `salt` (16 bytes) and `private_key` (32 bytes) are random unless a test gives them.
    """
    assert len(message) <= MOST_BYTES
    key = _key_pair(private_key) if private_key else ec.generate_private_key(ec.SECP256R1())
    body: bytes = http_ece.encrypt(
        message, salt=salt, private_key=key, dh=to.p256dh, auth_secret=to.auth
    )
    return body


def authorization(private_key: bytes, origin: str, contact: str, at: datetime) -> str:
    """Return the `Authorization` header that tells the push service at `origin` who we are.

    The same for an hour, as it identifies us and not the message.
    """
    hour = at.replace(minute=0, second=0, microsecond=0)
    return _authorization(private_key, origin, contact, int((hour + TOKEN_LIFETIME).timestamp()))


@lru_cache(maxsize=64)
def _authorization(private_key: bytes, origin: str, contact: str, expires: int) -> str:
    key = _key_pair(private_key)
    # Not `Vapid.sign`: it refuses a contact with a port and a service at an IPv6 address.
    token = jwt.sign({"aud": origin, "exp": expires, "sub": contact}, key)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return f"vapid t={token}, k={packed(point)}"


def _key_pair(private_key: bytes) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(private_key), ec.SECP256R1())
