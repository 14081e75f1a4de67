"""The id of a request: its log lines, its answer and the page of an error have it in common."""

import re
import secrets

HEADER = "X-Request-ID"
_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")


def accepted(sent: str | None) -> str:
    """The id that a proxy in front has given, where it is well formed; else a new one."""
    return sent if sent and _FORM.fullmatch(sent) else secrets.token_hex(8)
