"""Gaps that a template leaves for its writer, and that are still there before publishing."""

import re

_GAP = re.compile(
    r"\[[^\]\n]{1,60}\](?!\()"  # [TIME], but no link of Markdown
    r"|\{{1,2}[^{}\n]{1,60}\}{1,2}|<[A-Za-z][A-Za-z _-]{1,60}>"
    r"|\bX{2,}\b|_{3,}"
    r"|\b[A-Z]{2,}(?:[ \N{NO-BREAK SPACE}](?:[A-Z]{2,}|I|A)\b)*"
)
_SHORTEST = 4
"""Letters of a word in capitals that is taken for a gap: names such as API and EU are shorter."""
_NAMES = frozenset(
    {
        "AJAX",
        "ASCII",
        "CORS",
        "CSRF",
        "DDOS",
        "DHCP",
        "EMEA",
        "GDPR",
        "HIPAA",
        "HTML",
        "HTTP",
        "HTTPS",
        "IBAN",
        "ICMP",
        "IMAP",
        "JPEG",
        "JSON",
        "LATAM",
        "LDAP",
        "MIME",
        "MQTT",
        "OAUTH",
        "OIDC",
        "POST",
        "QUIC",
        "REST",
        "SAML",
        "SCIM",
        "SEPA",
        "SFTP",
        "SMTP",
        "SNMP",
        "SOAP",
        "SWIFT",
        "TOTP",
        "UUID",
        "VISA",
        "VLAN",
        "VOIP",
        "WLAN",
        "XMPP",
        "YAML",
    }
)
"""Longer names that no one has to fill in."""


def left_in(text: str) -> list[str]:
    """`TIME`, `[REGION]`, `{{ name }}`, `XX`, `___`: each once, in the order of the text."""
    return list(dict.fromkeys(gap for gap in _GAP.findall(text) if _is_gap(gap)))


def _is_gap(text: str) -> bool:
    if not text[0].isalpha() or set(text) == {"X"}:
        return True
    return any(len(word) >= _SHORTEST and word not in _NAMES for word in text.split())
