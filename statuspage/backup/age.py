"""The age format, with a passphrase: https://age-encryption.org/v1.

Files that `age` and `rage` open too, without this program. Read and written in
pieces of 64 KiB, so that a large backup needs no memory. The primitives are those
of `cryptography`; this is only the order in which they stand in a file.
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

FIRST_LINE = b"age-encryption.org/v1\n"
WORK = 17
"""Logarithm of scrypt's work factor: 128 MiB and about half a second."""
MAX_WORK = 20
PIECE = 64 * 1024
TAG = 16
_LABEL = b"age-encryption.org/v1/scrypt"
_NO_NONCE = bytes(12)


class UnreadableError(Exception):
    """The passphrase is wrong, or the file is damaged; the text says which."""


def is_encrypted(head: bytes) -> bool:
    """Whether a file that begins like this is one of age's."""
    return head.startswith(FIRST_LINE)


def encrypt(plain: BinaryIO, sealed: BinaryIO, passphrase: str) -> None:
    """Write what is left of `plain` to `sealed`."""
    file_key, salt, nonce = (secrets.token_bytes(16) for _ in range(3))
    wrapped = ChaCha20Poly1305(_wrapping_key(passphrase, salt, WORK)).encrypt(
        _NO_NONCE, file_key, None
    )
    head = FIRST_LINE + f"-> scrypt {_text(salt)} {WORK}\n{_text(wrapped)}\n---".encode()
    sealed.write(head + f" {_text(_mac(file_key, head))}\n".encode() + nonce)
    cipher = ChaCha20Poly1305(_derived(file_key, nonce, b"payload"))
    for number, (piece, is_last) in enumerate(_pieces(plain, PIECE)):
        sealed.write(cipher.encrypt(_nonce(number, is_last), piece, None))


def decrypt(sealed: BinaryIO, plain: BinaryIO, passphrase: str) -> None:
    """Write what `sealed` holds to `plain`.

    Raises `UnreadableError`; what was written before it is worth nothing then.
    """
    file_key = _open_head(sealed, passphrase)
    nonce = sealed.read(16)
    cipher = ChaCha20Poly1305(_derived(file_key, nonce, b"payload"))
    for number, (piece, is_last) in enumerate(_pieces(sealed, PIECE + TAG)):
        try:
            plain.write(cipher.decrypt(_nonce(number, is_last), piece, None))
        except InvalidTag as error:
            raise UnreadableError("The file is damaged or was cut off.") from error


def _open_head(sealed: BinaryIO, passphrase: str) -> bytes:
    lines = [sealed.readline(200) for _ in range(4)]
    words = lines[1].split()
    if lines[0] != FIRST_LINE or words[:2] != [b"->", b"scrypt"] or len(words) != 4:
        raise UnreadableError("The file is not encrypted with a passphrase.")
    try:
        salt, wrapped = _bytes(words[2]), _bytes(lines[2].strip())
        work = int(words[3])
        mac = _bytes(lines[3].removeprefix(b"--- ").strip())
    except ValueError as error:
        raise UnreadableError("The head of the file is damaged.") from error
    if not 1 <= work <= MAX_WORK or len(wrapped) != 32:
        raise UnreadableError("The head of the file is damaged.")
    cipher = ChaCha20Poly1305(_wrapping_key(passphrase, salt, work))
    try:
        file_key = cipher.decrypt(_NO_NONCE, wrapped, None)
    except InvalidTag as error:
        raise UnreadableError("The passphrase is wrong.") from error
    head = b"".join(lines[:3]) + b"---"
    if not hmac.compare_digest(mac, _mac(file_key, head)):
        raise UnreadableError("The head of the file is damaged.")
    return file_key


def _pieces(file: BinaryIO, size: int) -> Iterator[tuple[bytes, bool]]:
    """Pieces, and whether it is the last; an empty file is one empty piece."""
    piece = file.read(size)
    while True:
        following = file.read(size) if len(piece) == size else b""
        yield piece, not following
        if not following:
            return
        piece = following


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


def _wrapping_key(passphrase: str, salt: bytes, work: int) -> bytes:
    return Scrypt(salt=_LABEL + salt, length=32, n=1 << work, r=8, p=1).derive(passphrase.encode())


def _derived(file_key: bytes, salt: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=purpose).derive(file_key)


def _mac(file_key: bytes, head: bytes) -> bytes:
    return hmac.new(_derived(file_key, b"", b"header"), head, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _bytes(text: bytes) -> bytes:
    return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
