"""The address of a site in one normal form, and its host where URLs are not understood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspage.lib.origin import Origin


@pytest.mark.parametrize(
    "text, domain",
    [
        ("https://Status.Example.com:8443", "status.example.com"),
        ("https://störung.example", "xn--strung-xxa.example"),
        ("http://192.0.2.1", "192.0.2.1"),
        ("http://[::1]:8000", "localhost"),
    ],
)
def test_the_domain_fits_into_message_ids_and_tag_uris(text, domain):
    assert Origin.parse(text).domain == domain


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "//x",
        "https://",
        "https://x/y",
        "https://x?y",
        "https://x#y",
        "https://u@x",
        "https://x:y",
        "https://-x",
        "https://x..y",
        "https://[::1",
        "https://[fe80::1%25eth0]",
        "ftp://x",
    ],
)
def test_what_is_no_origin_is_refused(text):
    with pytest.raises(ValueError):
        Origin.parse(text)


@given(text=st.text(max_size=40) | st.text(max_size=40).map("https://{}".format))
def test_any_text_is_an_origin_in_its_normal_form_or_raises_value_error(text):
    try:
        origin = Origin.parse(text)
    except ValueError:
        return
    assert origin.isascii()
    assert Origin.parse(origin) == origin
