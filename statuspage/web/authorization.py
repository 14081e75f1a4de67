"""The token that a program sends: in a header, which no proxy writes down (RFC 6750 §2.1)."""

from flask import request


def sent_token(*kinds: str) -> str:
    """What follows one of these words in `Authorization`; empty where there is none."""
    kind, _, secret = request.headers.get("Authorization", "").strip().partition(" ")
    return secret.strip() if kind.lower() in kinds else ""
