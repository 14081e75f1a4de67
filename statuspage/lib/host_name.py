"""Host names as DNS knows them, by IDNA 2008."""

import idna


def to_ascii(host: str) -> str:
    """`Störung.example.` as `xn--strung-xxa.example`; addresses stay. Raises `ValueError`.

    Python's own codec is IDNA 2003, which names another host for `ß` and `ς`.
    """
    host = host.lower().removesuffix(".")
    return host if host.isascii() else idna.encode(host, uts46=True).decode("ascii")
