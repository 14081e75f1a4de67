"""The file of an RSA private key, judged by its outside: PEM around DER.

Reading it for real takes a library that only a worker which signs should load; this
finds the mistakes people make: the public half, another kind, a file cut short.
"""

import base64
import binascii
import re
from pathlib import Path

MIN_BITS = 1024
"""RFC 8301 §3.2: what verifiers must not accept is shorter. 2048 is what to make."""

_PEM = re.compile(
    r"-----BEGIN (?P<kind>[A-Z ]+)-----\s+(?P<text>[A-Za-z0-9+/=\s]+)-----END (?P=kind)-----"
)
_KINDS = ("RSA PRIVATE KEY", "PRIVATE KEY")
_OF_RSA = bytes.fromhex("06092a864886f70d010101")
"""rsaEncryption, as PKCS #8 names it."""


def read(path: Path) -> str:
    """The key as it stands in the file. Raises `ValueError` with half a sentence."""
    try:
        text = path.read_text(encoding="ascii")
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ValueError("holds no key in PEM format") from error
    found = _PEM.search(text)
    if found is None:
        raise ValueError("holds no key in PEM format")
    if found["kind"] not in _KINDS:
        kind = found["kind"].lower()
        raise ValueError(f"holds no RSA private key without password, but this: {kind}")
    _judge(found["kind"], found["text"])
    return found[0] + "\n"


def _judge(kind: str, text: str) -> None:
    try:
        der = base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError("holds a damaged key") from error
    if kind == "PRIVATE KEY" and _OF_RSA not in der[:40]:
        raise ValueError("holds a key that is not for RSA")
    if not _is_whole(der):
        raise ValueError("holds a damaged key")
    # Modulus, exponents, both primes and what speeds them up: 4.5 times the modulus.
    if len(der) * 8 < MIN_BITS * 4.4:
        raise ValueError(f"holds a key of fewer than {MIN_BITS} bits")


def _is_whole(der: bytes) -> bool:
    """A DER SEQUENCE that says how long it is, and is."""
    if len(der) < 4 or der[0] != 0x30:
        return False
    if der[1] < 0x80:
        return len(der) == 2 + der[1]
    size = der[1] & 0x7F
    return len(der) == 2 + size + int.from_bytes(der[2 : 2 + size])
