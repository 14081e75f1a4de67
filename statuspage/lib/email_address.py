"""E-mail addresses in one normal form: two spellings of a mailbox become the same value.

email-validator knows the grammar. The domain is ASCII by IDNA 2008, because IDNA 2003, which Python
has built in, turns `straße.example` into another domain. The local part keeps its letters (RFC 5321
§2.4) and loses quotes that it does not need. `mailbox` is for comparing.
"""

import re
from email.headerregistry import Address

import email_validator
from email_validator import ValidatedEmail, validate_email

# `status@localhost` or `ops@mail.test` reach someone inside a company.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

MAX_TYPED = 512
"""Longer than any address, whatever its quotes and escapes."""

_ATOMS = re.compile(r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+")


def normalized(text: str, *, is_public: bool = False) -> str:
    """`Jane@Bücher.example.` as `Jane@xn--bcher-kva.example`. Raises `ValueError`.

    `is_public`: the domain needs a dot, so that other mail servers can reach it.
    """
    address = _validated(text, is_public=is_public).ascii_email
    assert address is not None  # Without SMTPUTF8 there always is one.
    return address


def mailbox(text: str) -> str:
    """The key by which two addresses are one mailbox; what is no address stays as typed."""
    return next(reversed(spellings(text)), "")


def spellings(text: str) -> list[str]:
    """The lower-case forms under which this mailbox may be stored, the normal one last.

    Earlier versions stored accounts as typed, and dots in a row without quotes. Empty for text
    with control characters or half a surrogate, which no version stored.
    """
    typed = text.strip().lower()
    try:
        validated = _validated(text)
    except ValueError:
        return [typed] if typed.isprintable() else []
    normal = (validated.ascii_email or "").lower()
    return list(dict.fromkeys([typed, validated.normalized.lower(), former(normal), normal]))


def former(address: str) -> str:
    """How earlier versions stored this normal form: `a..b@example.com` without quotes."""
    local, _, domain = address.rpartition("@")
    bare = local.strip('"')
    return f"{bare}@{domain}" if _ATOMS.fullmatch(bare) else address


def deliverable(stored: str) -> str:
    """The normal form of a stored address; what no rule of today accepts stays as it is."""
    try:
        return normalized(stored)
    except ValueError:
        return stored


def to_header(stored: str) -> str | Address:
    """A stored address for a `To` header. Raises `MessageError` if it would be another one.

    Only a normal form is safe as text; `Address` would write `"a..b"@` without its quotes.
    """
    try:
        return normalized(stored)
    except ValueError:
        return Address(addr_spec=stored)


def _validated(text: str, *, is_public: bool = False) -> ValidatedEmail:
    local, _, domain = text.strip().rpartition("@")
    if len(text) > MAX_TYPED:
        raise ValueError("is too long")
    # Some carriers in Japan gave out `a..b@` and `a.@`; only quoted are they valid.
    if _ATOMS.fullmatch(local) and "" in local.split("."):
        local = f'"{local}"'
    return validate_email(
        f"{local}@{domain.removesuffix('.')}",
        allow_smtputf8=False,
        allow_quoted_local=True,
        allow_domain_literal=not is_public,
        check_deliverability=False,
        globally_deliverable=is_public,
        strict=True,
    )
