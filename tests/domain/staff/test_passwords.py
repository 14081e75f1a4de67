"""Which passwords may be chosen: long enough, not everybody's, not the name of the place."""

import gzip

import pytest

from statuspage.domain.staff import passwords
from statuspage.errors import Invalid

NAMES = ("Northwind Pay – API", "bo.li", "smithy", "example")


@pytest.mark.parametrize(
    "password",
    [
        "123456789012",
        "passwordpassword",
        "PassWordPassWord",
        "1qaz2wsx3edc4rfv",
        "Administrator",
        "qwertyqwerty",
    ],
)
def test_common_password_is_refused(password):
    with pytest.raises(Invalid, match="This is a common password"):
        passwords.check(password, names=NAMES)


@pytest.mark.parametrize(
    "password, word",
    [
        ("my NORTHWIND horse 42", "northwind"),
        ("north-wind 4242 2424", "northwind"),
        ("N.o.r.t.h.w.i.n.d. 4242", "northwind"),
        ("Smithy & wesson 1852", "smithy"),
        ("Bo-Li 1234 Bo-Li 5678", "boli"),
        ("Example 2026, winter", "example"),
    ],
)
def test_password_containing_the_page_or_address_name_is_refused(password, word):
    with pytest.raises(Invalid, match=f"Leave out “{word}”"):
        passwords.check(password, names=NAMES)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "   a p i   d a y s   ",  # Names of three letters stand everywhere.
        "ünïcödé wörds, längér",
        "\ud800" * 12,
        "x" * 200 + "123456789012",
    ],
)
def test_any_other_password_of_twelve_characters_is_accepted(password):
    passwords.check(password, names=NAMES)
    passwords.check(password, names=("", "…"))


def test_common_password_list_is_long_enough_and_without_short_ones():
    """OWASP ASVS 5.0, 6.2.4: at least 3,000 that match the other rules."""
    with gzip.open(passwords.COMMON, "rt", encoding="ascii") as lines:
        common = lines.read().splitlines()
    assert len(common) > 6000
    assert common == sorted({password.casefold() for password in common})
    assert {len(password) >= passwords.MIN_PASSWORD for password in common} == {True}
