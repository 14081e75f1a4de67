"""Addresses: what somebody typed to be reached by, checked and written one way.

Two spellings of one address are one subscriber. Whether an address may be connected
to is judged when it is (names change): `notify` does that.
"""

import re
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import phonenumbers

from statuspage.errors import Invalid
from statuspage.lib import email_address, host_name
from statuspage.lib.markdown import clean

Rule = Callable[[str], str]
"""Checks an address of one channel and writes it one way. Raises `Invalid`."""

MAX_URL = 2_000


def email(text: str) -> str:
    """`Jane@Example.COM` as `Jane@example.com`. Raises `Invalid` (field `email`)."""
    try:
        return email_address.normalized(text, is_public=True)
    except ValueError:
        raise Invalid(email="Enter a valid e-mail address.") from None


def url(text: str) -> str:
    """An address that a message can be posted to. Raises `Invalid` (field `endpoint`)."""
    text = clean(text).strip()
    try:
        parts = urlsplit(text)
        host, port = host_name.to_ascii(parts.hostname or ""), parts.port
    except ValueError:
        raise Invalid(endpoint="Enter a valid URL.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise Invalid(endpoint="Enter a URL that starts with https:// or http://.")
    if parts.username is not None or parts.password is not None:
        raise Invalid(endpoint="Remove the user name and password from the URL.")
    if len(text) > MAX_URL or re.search(r"[\s\\<>\"]", text):
        raise Invalid(endpoint="Enter a valid URL.")
    place = f"[{host}]" if ":" in host else host
    if port is not None and port != {"http": 80, "https": 443}[parts.scheme]:
        place = f"{place}:{port}"
    return urlunsplit((parts.scheme, place, parts.path or "/", parts.query, ""))


def phone(text: str, country: str | None) -> str:
    """`+` and all digits (E.164). `country` (`DE`) is needed where the number has no `+`.

    Raises `Invalid` (field `phone_number` or `phone_country`).
    """
    typed = re.sub(r"^00", "+", clean(text).strip())
    if not re.fullmatch(r"[+\uff0b]?[\d\s().\-/\u2010-\u2015]+", typed):
        raise Invalid(phone_number="Enter a phone number using digits only.")
    try:
        number = phonenumbers.parse(typed, (country or "").strip().upper() or None)
    except phonenumbers.NumberParseException as error:
        if error.error_type != error.INVALID_COUNTRY_CODE:
            raise Invalid(phone_number=_WRONG_LENGTH) from None
        if typed.startswith(("+", "\uff0b")):
            raise Invalid(phone_number="No country has this country code.") from None
        raise Invalid(phone_country="Start the number with + and the country code.") from None
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise Invalid(phone_number=_WRONG_LENGTH)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


_WRONG_LENGTH = "This phone number is too short or too long."


def former_phone(text: str) -> str:
    """How earlier versions stored a number typed with `+`: a 0 in `+44 (0)20` stayed in it."""
    digits = re.sub(r"[^0-9+]", "", text)
    return f"+{digits[2:]}" if digits.startswith("00") else digits


def national(number: str) -> str:
    """The digits of a stored number without the code of its country."""
    try:
        return phonenumbers.national_significant_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return number.removeprefix("+")
