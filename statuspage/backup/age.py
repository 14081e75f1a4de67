"""Files encrypted with a passphrase in the age format: https://age-encryption.org/v1.

`age` and `rage` open them without this program. Our own code over the primitives of
`cryptography`, because `pyrage` has no stream for passphrases: it holds the plain and the
encrypted file in memory (800 MB for a backup of 256 MB, where this needs 128 MB whatever the
size), and lets the speed of the machine choose scrypt's work factor. Tests open the files of
each with the other.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

VERSION_LINE = b"age-encryption.org/v1\n"
WORK_FACTOR = 17
"""Base-2 logarithm of scrypt's N: 128 MiB and about half a second."""
MAX_WORK_FACTOR = 20
CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
_SCRYPT_LABEL = b"age-encryption.org/v1/scrypt"
_ZERO_NONCE = bytes(12)


class UnreadableError(Exception):
    """The passphrase is wrong, or the file is damaged; the text says which."""


def is_encrypted(head: bytes) -> bool:
    """Whether a file that begins with `head` is in the age format."""
    return head.startswith(VERSION_LINE)


def encrypt(plain: BinaryIO, encrypted: BinaryIO, passphrase: str) -> None:
    """Encrypt the rest of `plain` into `encrypted`."""
    file_key, salt, nonce = (secrets.token_bytes(16) for _ in range(3))
    wrapped_key = ChaCha20Poly1305(_wrapping_key(passphrase, salt, WORK_FACTOR)).encrypt(
        _ZERO_NONCE, file_key, None
    )
    stanza = f"-> scrypt {_base64(salt)} {WORK_FACTOR}\n{_base64(wrapped_key)}\n"
    header = VERSION_LINE + stanza.encode() + b"---"
    encrypted.write(header + f" {_base64(_header_mac(file_key, header))}\n".encode() + nonce)
    cipher = ChaCha20Poly1305(_derived_key(file_key, nonce, b"payload"))
    for number, (chunk, is_last) in enumerate(_chunks(plain, CHUNK_BYTES)):
        encrypted.write(cipher.encrypt(_chunk_nonce(number, is_last), chunk, None))


def decrypt(encrypted: BinaryIO, plain: BinaryIO, passphrase: str) -> None:
    """Decrypt `encrypted` into `plain`.

    Raises `UnreadableError`; discard what was written to `plain` before it.
    """
    file_key = _read_header(encrypted, passphrase)
    nonce = encrypted.read(16)
    cipher = ChaCha20Poly1305(_derived_key(file_key, nonce, b"payload"))
    for number, (chunk, is_last) in enumerate(_chunks(encrypted, CHUNK_BYTES + TAG_BYTES)):
        try:
            plain.write(cipher.decrypt(_chunk_nonce(number, is_last), chunk, None))
        except InvalidTag as error:
            raise UnreadableError("The file is damaged or was cut off.") from error


def _read_header(encrypted: BinaryIO, passphrase: str) -> bytes:
    """Return the file key."""
    lines = [encrypted.readline(200) for _ in range(4)]
    words = lines[1].split()
    if lines[0] != VERSION_LINE or words[:2] != [b"->", b"scrypt"] or len(words) != 4:
        raise UnreadableError("The file is not encrypted with a passphrase.")
    try:
        salt, wrapped_key = _from_base64(words[2]), _from_base64(lines[2].strip())
        work_factor = int(words[3])
        mac = _from_base64(lines[3].removeprefix(b"--- ").strip())
    except ValueError as error:
        raise UnreadableError("The header of the file is damaged.") from error
    if not 1 <= work_factor <= MAX_WORK_FACTOR or len(wrapped_key) != 32:
        raise UnreadableError("The header of the file is damaged.")
    cipher = ChaCha20Poly1305(_wrapping_key(passphrase, salt, work_factor))
    try:
        file_key = cipher.decrypt(_ZERO_NONCE, wrapped_key, None)
    except InvalidTag as error:
        raise UnreadableError("The passphrase is wrong.") from error
    header = b"".join(lines[:3]) + b"---"
    if not hmac.compare_digest(mac, _header_mac(file_key, header)):
        raise UnreadableError("The header of the file is damaged.")
    return file_key


def _chunks(file: BinaryIO, size: int) -> Iterator[tuple[bytes, bool]]:
    """Yield each chunk and whether it is the last; an empty file is one empty chunk."""
    chunk = file.read(size)
    while True:
        following = file.read(size) if len(chunk) == size else b""
        yield chunk, not following
        if not following:
            return
        chunk = following


def _chunk_nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


def _wrapping_key(passphrase: str, salt: bytes, work_factor: int) -> bytes:
    scrypt = Scrypt(salt=_SCRYPT_LABEL + salt, length=32, n=1 << work_factor, r=8, p=1)
    return scrypt.derive(passphrase.encode())


def _derived_key(file_key: bytes, salt: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=purpose).derive(file_key)


def _header_mac(file_key: bytes, header: bytes) -> bytes:
    return hmac.new(_derived_key(file_key, b"", b"header"), header, hashlib.sha256).digest()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _from_base64(text: bytes) -> bytes:
    return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
