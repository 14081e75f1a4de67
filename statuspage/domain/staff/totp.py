"""Time-based one-time passwords as authenticator apps make them: RFC 6238 on RFC 4226. Pure."""

import base64
import hashlib
import hmac
import secrets
import struct
from datetime import datetime
from urllib.parse import quote, urlencode

DIGITS = 6
STEP_S = 30
DRIFT = 1
"""Steps that the clock of a phone may be off, either way."""
SECRET_BYTES = 20
"""As long as the hash (RFC 4226 §4). With SHA-1, six digits and 30 s, all that every app can."""


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def step_at(at: datetime) -> int:
    """The number of the half minute that this moment lies in."""
    return int(at.timestamp()) // STEP_S


def code(secret: bytes, step: int) -> str:
    """The six digits of this half minute (RFC 4226 §5.3)."""
    digest = hmac.new(secret, struct.pack(">Q", step), hashlib.sha1).digest()
    start = digest[-1] & 0xF
    (number,) = struct.unpack(">I", digest[start : start + 4])
    return f"{(number & 0x7FFFFFFF) % 10**DIGITS:0{DIGITS}}"


def matching_step(secret: bytes, typed: str, *, at: datetime) -> int | None:
    """The half minute whose code this is; None for a wrong one, after the same time."""
    now, found = step_at(at), None
    for step in range(now - DRIFT, now + DRIFT + 1):
        if hmac.compare_digest(code(secret, step).encode(), typed.encode(errors="replace")):
            found = step
    return found


def as_text(secret: bytes) -> str:
    """Base32 in groups of four, for people who type it."""
    letters = _base32(secret)
    return " ".join(letters[start : start + 4] for start in range(0, len(letters), 4))


def address(secret: bytes, *, issuer: str, account: str) -> str:
    """What the QR code says. There is no standard; this is what apps read:
    https://github.com/google/google-authenticator/wiki/Key-Uri-Format
    """
    issuer = issuer.replace(":", " ").strip()
    query = urlencode({"secret": _base32(secret), "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{quote(issuer)}:{quote(account, safe='@')}?{query}"


def _base32(secret: bytes) -> str:
    return base64.b32encode(secret).decode().rstrip("=")
