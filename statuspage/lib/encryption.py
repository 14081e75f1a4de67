"""Secrets that must be read again: stored under a key that is not in the database. Pure.

AES-256-GCM; the key is derived from the secret key of the settings. Older keys open what
they sealed, so that a rotated key locks nobody out. `cryptography` is loaded when something
is sealed or opened: it takes 12 MB.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
"""Random for each seal (NIST SP 800-38D §8.2.2)."""


def encrypt(key: str, secret: bytes, *, purpose: str) -> str:
    """`secret` as text that only `key` opens, and only for this purpose."""
    nonce = os.urandom(_NONCE_BYTES)
    box = AESGCM(_derived(key)).encrypt(nonce, secret, purpose.encode())
    return base64.b64encode(nonce + box).decode()


def decrypt(keys: Sequence[str], text: str, *, purpose: str) -> tuple[bytes, str] | None:
    """The secret and which of these keys sealed it; None when it was none of them."""
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    nonce, box = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
    for key in keys:
        try:
            return AESGCM(_derived(key)).decrypt(nonce, box, purpose.encode()), key
        except (InvalidTag, ValueError):
            continue
    return None


def _derived(key: str) -> bytes:
    return hmac.new(key.encode(), b"sealed", hashlib.sha256).digest()
