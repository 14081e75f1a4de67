"""The other side of web push: a service as browser makers run them, and a browser behind it.

Both speak the protocol for real: TLS, RFC 8030, and the browser's half of RFC 8291.
"""

import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from statuspage.domain.subscribers.push_subscriptions import packed, unpacked

CURVE = ec.SECP256R1()


@dataclass(frozen=True)
class Push:
    """A request as it arrived. `headers` by lower-case name."""

    path: str
    headers: dict[str, str]
    body: bytes


class PushService:
    """Takes pushes and keeps them; `status` and `more` are what it answers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.taken: list[Push] = []
        self.status, self.more = 201, {}


@contextmanager
def push_service(folder: Path) -> Iterator[PushService]:
    """One on a real socket with TLS; `folder` gets its certificate, `trusted.pem`."""
    service = PushService("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            service.taken.append(Push(self.path, headers, body))
            self.send_response(service.status)
            for name, value in service.more.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate(folder))
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    service.url = f"https://127.0.0.1:{server.server_port}"
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class FakeBrowser:
    """A browser that has subscribed at `service`: its half of the keys."""

    def __init__(
        self, service: str, private_key: bytes | None = None, auth: bytes = b"sixteen bytes !!"
    ) -> None:
        self.endpoint = f"{service}/push/{packed(auth)}"
        number = int.from_bytes(private_key) if private_key else None
        self._pair = ec.derive_private_key(number, CURVE) if number else generate()
        self.p256dh = self._pair.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )
        self.auth = auth

    @property
    def subscription(self) -> dict[str, object]:
        """What `PushSubscription.toJSON()` gives."""
        keys = {"p256dh": packed(self.p256dh), "auth": packed(self.auth)}
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}

    def read(self, body: bytes) -> bytes:
        """What was said. Raises for what was not encrypted for this browser."""
        salt, point_bytes = body[:16], body[20]
        point = body[21 : 21 + point_bytes]
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, point)
        shared = _hmac(self.auth, self._pair.exchange(ec.ECDH(), theirs))
        key = _hmac(salt, _hmac(shared, b"WebPush: info\0" + self.p256dh + point + b"\1"))
        content_key = _hmac(key, b"Content-Encoding: aes128gcm\0\1")[:16]
        nonce = _hmac(key, b"Content-Encoding: nonce\0\1")[:12]
        padded = AESGCM(content_key).decrypt(nonce, body[21 + point_bytes :], None)
        said, end, padding = padded.rpartition(b"\2")
        assert end
        assert not padding.strip(b"\0")
        return said


def generate():
    return ec.generate_private_key(CURVE)


def claims(authorization: str) -> tuple[dict[str, object], str]:
    """(claims, public key) of a VAPID header. Raises `InvalidSignature`."""
    scheme, _, rest = authorization.partition(" ")
    assert scheme == "vapid"
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    signed, _, signature = fields["t"].rpartition(".")
    head, body = (json.loads(unpacked(part)) for part in signed.split("."))
    assert head == {"typ": "JWT", "alg": "ES256"}
    raw = unpacked(signature)
    if len(raw) != 64:
        raise InvalidSignature
    ours = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, unpacked(fields["k"]))
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    ours.verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
    return body, fields["k"]


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def certificate(folder: Path) -> Path:
    """A certificate of 127.0.0.1 by itself, and its key, in one file."""
    pair = generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "push service")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, pair.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2049, 1, 1, tzinfo=UTC))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(pair, hashes.SHA256())
    )
    path = folder / "trusted.pem"
    private = pair.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + private)
    return path
