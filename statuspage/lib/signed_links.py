"""Links that prove who may follow them: signed, never stored, never out of date.

A mail from last year must still unsubscribe, so the link is derived from the secret
key and the subscriber's public id. Older keys are tried too, so that a rotated key
breaks no link that was sent.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from enum import StrEnum

_MAC_BYTES = 20


class Purpose(StrEnum):
    """What a link allows. A link for one purpose is worth nothing for another."""

    CONFIRM = "confirm"
    MANAGE = "manage"
    UNSUBSCRIBE = "unsubscribe"
    LEAVE = "leave"
    """For whoever knows the id, which no message calls a secret: to unsubscribe, and no more."""


def token(secret: str, purpose: Purpose, public_id: str) -> str:
    """`<public id>.<27 characters>`, safe in a URL."""
    return f"{public_id}.{_mac(secret, purpose, public_id)}"


def subject_of(secrets: Sequence[str], purpose: Purpose, text: str) -> str | None:
    """The public id that a token was made for by one of these secrets; None for a wrong one."""
    public_id, _, mac = text.partition(".")
    for secret in secrets:
        if hmac.compare_digest(_mac(secret, purpose, public_id).encode(), mac.encode()):
            return public_id
    return None


def _mac(secret: str, purpose: Purpose, public_id: str) -> str:
    message = f"{purpose}:{public_id}".encode(errors="replace")
    digest = hmac.new(secret.encode(), message, hashlib.sha256).digest()[:_MAC_BYTES]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
