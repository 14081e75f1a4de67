"""The cryptography of web push: a message that only one browser reads, signed as ours. Pure.

RFC 8291 (keys of a message) on RFC 8188 (`aes128gcm`), RFC 8292 (VAPID). `cryptography`
is loaded when something is sent: it takes 12 MB.
"""

import hashlib
import hmac
import json
import secrets
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from statuspage.domain.subscribers.push_keys import Access
from statuspage.domain.subscribers.push_subscriptions import packed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

RECORD_BYTES = 4096
MOST_BYTES = 3993
"""Of a message, so that with all around it, it is one record (RFC 8291 §4)."""
VALID_FOR = timedelta(hours=12)
"""Of a signature; a day is the most that is allowed (RFC 8292 §2)."""


def encrypt(
    message: bytes, to: Access, *, salt: bytes | None = None, private_key: bytes | None = None
) -> bytes:
    """The body of a push: one `aes128gcm` record.

    `salt` (16 bytes) and `private_key` (32 bytes) are new for each message; only a test
    gives them.
    """
    assert len(message) <= MOST_BYTES
    salt = salt or secrets.token_bytes(16)
    ours = _pair(private_key) if private_key else ec.generate_private_key(ec.SECP256R1())
    our_point = _point(ours)
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), to.p256dh)
    shared = _hmac(to.auth, ours.exchange(ec.ECDH(), theirs))
    key = _hmac(salt, _hmac(shared, b"WebPush: info\0" + to.p256dh + our_point + b"\1"))
    content_key = _hmac(key, b"Content-Encoding: aes128gcm\0\1")[:16]
    nonce = _hmac(key, b"Content-Encoding: nonce\0\1")[:12]
    head = salt + RECORD_BYTES.to_bytes(4) + bytes([len(our_point)]) + our_point
    # 2: this record is the last one.
    return head + AESGCM(content_key).encrypt(nonce, message + b"\2", None)


def authorization(private_key: bytes, origin: str, contact: str, at: datetime) -> str:
    """The header that says to the push service at `origin` who we are, and how to reach us.

    The same for an hour: it is for the service, not for one message.
    """
    hour = at.replace(minute=0, second=0, microsecond=0)
    return _authorization(private_key, origin, contact, int((hour + VALID_FOR).timestamp()))


@lru_cache(maxsize=64)
def _authorization(private_key: bytes, origin: str, contact: str, until: int) -> str:
    claims = {"aud": origin, "exp": until, "sub": contact}
    signed = ".".join(
        packed(json.dumps(part, separators=(",", ":")).encode())
        for part in ({"typ": "JWT", "alg": "ES256"}, claims)
    )
    pair = _pair(private_key)
    r, s = decode_dss_signature(pair.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    token = f"{signed}.{packed(r.to_bytes(32) + s.to_bytes(32))}"
    return f"vapid t={token}, k={packed(_point(pair))}"


def _pair(private_key: bytes) -> "EllipticCurvePrivateKey":
    return ec.derive_private_key(int.from_bytes(private_key), ec.SECP256R1())


def _point(pair: "EllipticCurvePrivateKey") -> bytes:
    return pair.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()
