"""DKIM (RFC 6376): a signature by which receivers know that a mail is ours and unchanged."""

from collections.abc import Callable

import dkim

from statuspage.config import Settings, rsa_private_key

Sign = Callable[[bytes], bytes]
"""A mail with its signature before it."""

SIGNED = (
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "References",
    "MIME-Version",
    "Content-Type",
    "List-Id",
    # RFC 8058 §4: without these two signed, one-click unsubscribing is not offered.
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Auto-Submitted",
)
ONLY_ONCE = ("From", "To", "Subject", "Date")
"""Signed once more than they are there: nobody can add a second one (RFC 6376 §8.15)."""


def signer(settings: Settings) -> Sign:
    """Signs by these settings; as it is where they name no key."""
    if settings.dkim_key is None:
        return lambda mail: mail
    key = rsa_private_key(settings.dkim_key)
    selector, domain = settings.dkim_selector.encode(), settings.dkim_domain.encode()
    headers = [name.lower().encode() for name in SIGNED + ONLY_ONCE]

    def sign(mail: bytes) -> bytes:
        # Relaxed: servers on the way fold lines and change blanks.
        by_lines = (b"relaxed", b"relaxed")
        signature: bytes = dkim.sign(
            mail, selector, domain, key, canonicalize=by_lines, include_headers=headers
        )
        return signature + mail

    return sign
