"""Time-based one-time passwords (RFC 6238), by pyotp. Pure.

A secret is bytes here and in the database; apps and people read it as Base32. SHA-1, six digits
and 30 s are the only choice that every app supports.
"""

import base64
import secrets
from datetime import datetime

import pyotp
from pyotp.exceptions import OTPVerificationError

STEP_S = 30
DRIFT = 1
"""Steps that the clock of a phone may be off, either way."""
SECRET_BYTES = 20
"""As long as the hash (RFC 4226 §4)."""


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def matching_step(secret: bytes, typed: str, *, at: datetime) -> int | None:
    """The half minute whose code this is; None for a wrong code."""
    if not typed.isdecimal():
        return None
    try:
        return _totp(secret).verify_and_get_timecode(typed, for_time=at, valid_window=DRIFT)
    except OTPVerificationError:
        return None


def as_text(secret: bytes) -> str:
    """Base32 in groups of four, for people who type it."""
    letters = _base32(secret)
    return " ".join(letters[start : start + 4] for start in range(0, len(letters), 4))


def address(secret: bytes, *, issuer: str, account: str) -> str:
    """The address in the QR code. A colon separates issuer and account, so it leaves the issuer:
    https://github.com/google/google-authenticator/wiki/Key-Uri-Format
    """
    issuer = issuer.replace(":", " ").strip()
    return _totp(secret).provisioning_uri(name=account, issuer_name=issuer)


def _totp(secret: bytes) -> pyotp.TOTP:
    return pyotp.TOTP(_base32(secret), interval=STEP_S)


def _base32(secret: bytes) -> str:
    return base64.b32encode(secret).decode().rstrip("=")
