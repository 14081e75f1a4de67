"""Addresses: what somebody typed to be reached by, checked and written one way.

Two spellings of one address are one subscriber. Whether an address may be connected
to is judged when it is (names change): `notify` does that.
"""

import re
from urllib.parse import urlsplit, urlunsplit

from statuspage.errors import Invalid
from statuspage.lib.markdown import clean

MAX_EMAIL = 254
MAX_LOCAL_PART = 64
MAX_URL = 2_000
PHONE_DIGITS = range(7, 16)
"""With the country's code: E.164 has 15 digits at most."""

# The addresses that browsers take in `<input type=email>`, with a dot in the domain.
_LOCAL = re.compile(r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
_TELEGRAM = re.compile(r"@[A-Za-z][A-Za-z0-9_]{3,31}|-?[0-9]{1,20}")

# ITU-T E.164 calling codes of the countries whose numbers may be written without one.
_CALLING_CODES = {
    country: code
    for code, countries in {
        "1": "US CA PR DO JM TT BS BB BM KY",
        "7": "RU KZ",
        "20": "EG",
        "27": "ZA",
        "30": "GR",
        "31": "NL",
        "32": "BE",
        "33": "FR",
        "34": "ES",
        "36": "HU",
        "39": "IT",
        "40": "RO",
        "41": "CH",
        "43": "AT",
        "44": "GB GG IM JE",
        "45": "DK",
        "46": "SE",
        "47": "NO",
        "48": "PL",
        "49": "DE",
        "51": "PE",
        "52": "MX",
        "54": "AR",
        "55": "BR",
        "56": "CL",
        "57": "CO",
        "60": "MY",
        "61": "AU",
        "62": "ID",
        "63": "PH",
        "64": "NZ",
        "65": "SG",
        "66": "TH",
        "81": "JP",
        "82": "KR",
        "84": "VN",
        "86": "CN",
        "90": "TR",
        "91": "IN",
        "92": "PK",
        "94": "LK",
        "212": "MA",
        "234": "NG",
        "254": "KE",
        "351": "PT",
        "352": "LU",
        "353": "IE",
        "354": "IS",
        "356": "MT",
        "357": "CY",
        "358": "FI",
        "359": "BG",
        "370": "LT",
        "371": "LV",
        "372": "EE",
        "380": "UA",
        "381": "RS",
        "385": "HR",
        "386": "SI",
        "420": "CZ",
        "421": "SK",
        "423": "LI",
        "852": "HK",
        "880": "BD",
        "886": "TW",
        "966": "SA",
        "971": "AE",
        "972": "IL",
    }.items()
    for country in countries.split()
}
# Where the first 0 of a number belongs to it abroad too.
_KEEPS_ZERO = {"IT"}


def email(text: str) -> str:
    """`Jane@Example.COM` as `Jane@example.com`. Raises `Invalid` (field `email`)."""
    local, _, domain = clean(text).strip().rpartition("@")
    try:
        domain = domain.strip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        domain = ""
    found = f"{local}@{domain}"
    is_one = _LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain)
    if not is_one or len(local) > MAX_LOCAL_PART or len(found) > MAX_EMAIL:
        raise Invalid(email="Enter a valid e-mail address.")
    return found


def url(text: str) -> str:
    """An address that a message can be posted to. Raises `Invalid` (field `endpoint`)."""
    text = clean(text).strip()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        host = host.encode("idna").decode("ascii") if not host.isascii() else host
    except ValueError:  # `UnicodeError` too.
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


def hook(kind: str, text: str) -> str:
    """Where a chat tool of this kind takes messages. Raises `Invalid` (field `endpoint`)."""
    address = url(text)
    parts = urlsplit(address)
    vendor, hooks = _NO_HOOKS.get(kind, ("", ""))
    is_vendors = vendor and f".{parts.hostname}".endswith(f".{vendor}")
    if is_vendors and not re.search(hooks, f"{parts.hostname}{parts.path}"):
        raise Invalid(endpoint="This is not a webhook URL. Copy the one that the tool shows.")
    return address


# People paste the address of the channel they look at: on these hosts, only what matches is a hook.
_NO_HOOKS = {
    "slack": ("slack.com", r"^hooks\."),
    "discord": ("discord.com", "/api/webhooks/"),
    "google_chat": ("google.com", "^$"),
    "teams": ("teams.microsoft.com", "^$"),
}


def phone(text: str, country: str | None) -> str:
    """`+` and all digits. `country` (`DE`) is needed where the number has no `+`.

    Raises `Invalid` (field `phone_number` or `phone_country`).
    """
    digits = re.sub(r"[\s().\-/\u2010-\u2015]", "", clean(text))
    digits = f"+{digits[2:]}" if digits.startswith("00") else digits
    if not re.fullmatch(r"\+?[0-9]+", digits, re.ASCII):
        raise Invalid(phone_number="Enter a phone number using digits only.")
    if not digits.startswith("+"):
        digits = _abroad(digits, (country or "").strip().upper())
    if len(digits) - 1 not in PHONE_DIGITS:
        raise Invalid(phone_number="This phone number is too short or too long.")
    return digits


def national(number: str, country: str | None) -> str:
    """The digits of a number without the code of its country."""
    return number.removeprefix("+").removeprefix(_CALLING_CODES.get(country or "", ""))


def telegram(text: str) -> str:
    """`@channel` or the number of a chat. Raises `Invalid` (field `address`)."""
    text = clean(text).strip().removeprefix("https://t.me/")
    text = text if re.fullmatch(r"@.*|-?\d+", text) else f"@{text}"
    if not _TELEGRAM.fullmatch(text):
        raise Invalid(address="Enter the @name of a channel or the ID of a chat.")
    return text


def _abroad(digits: str, country: str) -> str:
    code = _CALLING_CODES.get(country)
    if code is None:
        raise Invalid(phone_country="Start the number with + and the country code.")
    if country not in _KEEPS_ZERO:
        digits = digits.lstrip("0")
    # Within North America many write the 1 in front.
    if code == "1" and len(digits) == 11 and digits.startswith("1"):
        digits = digits[1:]
    return f"+{code}{digits}"
