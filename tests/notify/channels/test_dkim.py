"""Signed mail, as a receiver checks it with the key from the DNS."""

import base64
from email import message_from_bytes

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pydantic import ValidationError

from statuspage.config import Settings
from statuspage.notify.channels.registry import channel_senders
from statuspage.notify.message import Channel
from tests.conftest import on_sqlite
from tests.helpers.mail_server import mail_server


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)


def pem(key, form=serialization.PrivateFormat.PKCS8, lock=None) -> bytes:
    lock = lock or serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, lock)


@pytest.fixture
def received(settings, tmp_path, key, told):
    """`received()`: a signed mail as it reached the server."""

    def send() -> bytes:
        (tmp_path / "dkim.pem").write_bytes(pem(key))
        with mail_server() as inbox:
            way = channel_senders(
                settings.model_copy(
                    update={
                        "smtp_url": inbox.url,
                        "dkim_key": tmp_path / "dkim.pem",
                        "dkim_selector": "s2026",
                        "dkim_domain": "example.com",
                    }
                )
            )[Channel.EMAIL]
            way.send(*told())
            way.close()
            ((_, _, content),) = inbox.mails
        return content

    return send


def verified(mail: bytes, key) -> bool:
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)

    def look_up(name: bytes, timeout: int = 5) -> bytes | None:
        return record if name == b"s2026._domainkey.example.com." else None

    return dkim.verify(mail, dnsfunc=look_up)


@on_sqlite
def test_dkim_signature_verifies_and_detects_changes(received, key):
    mail = received()
    assert verified(mail, key)
    assert not verified(mail.replace(b"Some requests fail", b"All is well"), key)
    assert not verified(b"From: somebody@example.net\r\n" + mail, key)
    assert not verified(mail.replace(b"/subscriptions/unsubscribe/", b"/elsewhere/"), key)


@on_sqlite
def test_dkim_signs_all_relevant_headers(received):
    signature = message_from_bytes(received())["DKIM-Signature"]
    (signed,) = [tag for tag in signature.split(";") if tag.strip().startswith("h=")]
    names = {name.strip() for name in signed.replace("h=", "").split(":")}
    assert names >= {
        *("from", "to", "subject", "date", "message-id", "references", "mime-version"),
        *("content-type", "list-unsubscribe", "list-unsubscribe-post"),
    }


def locked(key, form=serialization.PrivateFormat.PKCS8) -> bytes:
    return pem(key, form, lock=serialization.BestAvailableEncryption(b"secret"))


def public(key) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.mark.parametrize(
    "content, words",
    [
        (None, "cannot be read (No such file or directory)"),
        (lambda key: b"v=DKIM1; p=abc", "holds no key in PEM format"),
        (public, "holds no RSA private key without password, but this: public key"),
        (locked, "password, but this: encrypted private key"),
        (lambda key: pem(ec.generate_private_key(ec.SECP256R1())), "is not for RSA"),
        (lambda key: pem(key).replace(b"\n", b"", 3).replace(b"A", b"", 4), "PEM|damaged"),
        (lambda key: pem(key).replace(pem(key)[200:300], b""), "holds a damaged key"),
        (lambda key: locked(key, serialization.PrivateFormat.TraditionalOpenSSL), "a password"),
        (lambda key: b"\xff\xfe\x00", "holds no key in PEM format"),
    ],
    ids=[
        *("missing", "text", "public", "locked", "elliptic", "cut"),
        *("damaged", "locked PKCS #1", "binary"),
    ],
)
def test_invalid_dkim_key_stops_the_start_with_a_sentence(tmp_path, key, content, words):
    file = tmp_path / "dkim.pem"
    if content is not None:
        file.write_bytes(content(key))
    with pytest.raises(ValidationError) as refused:
        Settings(data_dir=tmp_path, secret_key="x" * 16, dkim_key=file)
    sentence = refused.value.errors()[0]["msg"]
    assert any(part in sentence for part in words.split("|"))


def test_dkim_domain_must_match_the_sender(tmp_path, key):
    (tmp_path / "dkim.pem").write_bytes(pem(key, serialization.PrivateFormat.TraditionalOpenSSL))
    named = {"mail_from": "status@status.example.com", "dkim_key": tmp_path / "dkim.pem"}
    assert Settings(data_dir=tmp_path, secret_key="x" * 16, dkim_domain="example.com", **named)
    with pytest.raises(ValidationError, match="receivers \\(DMARC\\) would not count"):
        Settings(data_dir=tmp_path, secret_key="x" * 16, dkim_domain="ample.com", **named)
