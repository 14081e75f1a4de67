"""Addresses in one normal form: equal meaning, equal value."""

import string
from email import message_from_bytes
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP, default

import idna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspage.lib import email_address

ATOMS = string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~-"
LETTERS = string.ascii_lowercase + "äöüßéñçςאبж中"


def labels() -> st.SearchStrategy[str]:
    def is_label(text: str) -> bool:
        try:
            return bool(idna.encode(text, uts46=True))
        except idna.IDNAError:
            return False

    return st.text(LETTERS, min_size=1, max_size=10).filter(is_label)


local_parts = st.text(ATOMS + ".", min_size=1, max_size=30)
domains = st.lists(labels(), min_size=2, max_size=3).map(".".join)


@st.composite
def respelt(draw, local: str, domain: str) -> str:
    """The same mailbox, written differently."""
    if draw(st.booleans()):
        domain = idna.encode(domain, uts46=True).decode()
    if draw(st.booleans()) and domain.upper().lower() == domain:
        domain = domain.upper()
    if draw(st.booleans()):
        domain = domain.replace(".", draw(st.sampled_from("。．｡")))
    if draw(st.booleans()):
        domain += "."
    if draw(st.booleans()):
        local = f'"{local}"'
    blank = draw(st.sampled_from(["", " ", "\t", "\n", " \u00a0"]))
    return f"{blank}{local}@{domain}{blank}"


@given(data=st.data(), local=local_parts, domain=domains)
def test_an_address_has_one_normal_form_however_it_is_spelt(data, local, domain):
    try:
        normal = email_address.normalized(f"{local}@{domain}")
    except ValueError:
        return  # Right-to-left labels beside others, which IDNA forbids.
    assert email_address.normalized(data.draw(respelt(local, domain))) == normal
    assert email_address.normalized(normal) == normal
    assert email_address.mailbox(normal.upper()) == email_address.mailbox(normal)
    assert normal.isascii()


@given(local=local_parts, domain=domains)
def test_a_normal_form_survives_a_mail_header(local, domain):
    try:
        normal = email_address.normalized(f"{local}@{domain}")
    except ValueError:
        return
    message = EmailMessage()
    message["To"] = normal
    received = message_from_bytes(message.as_bytes(policy=SMTP), policy=default)
    (address,) = received["To"].addresses
    assert not received["To"].defects
    assert email_address.normalized(f'"{address.username}"@{address.domain}') == normal


@pytest.mark.parametrize(
    "typed, normal",
    [
        ("Jane@Example.COM", "Jane@example.com"),
        ("kunde@straße.example", "kunde@xn--strae-oqa.example"),
        ("kunde@STRASSE.example", "kunde@strasse.example"),
        ("a@ς.example", "a@xn--3xa.example"),
        ("a..b@docomo.example", '"a..b"@docomo.example'),
        ("a.@docomo.example", '"a."@docomo.example'),
        (".a@docomo.example", '".a"@docomo.example'),
        ('"jane doe"@example.com', '"jane doe"@example.com'),
        ('"jane"@example.com', "jane@example.com"),
        ('"ja\\ne"@example.com', "jane@example.com"),
        ("status@localhost", "status@localhost"),
        ("ops@mail.test", "ops@mail.test"),
        ("status@192.168.1.5", "status@192.168.1.5"),
        ("status@[IPv6:2001:DB8:0::1]", "status@[IPv6:2001:db8::1]"),
    ],
)
def test_each_spelling_becomes_the_normal_form(typed, normal):
    assert email_address.normalized(typed) == normal


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "@",
        "jane",
        "jane@",
        "@example.com",
        "jane doe@example.com",
        "a b..c@example.com",
        "jöhn@example.com",
        "a@b@example.com",
        "Jane <jane@example.com>",
        "jane@example.com, joe@example.com",
        "jane@example.com\nBcc: joe@example.com",
        "v\x01iewer@example.com",
        "jane@exa mple.com",
        "jane@a_b.example",
        "jane@-a.example",
        "jane@a..example",
        "jane@i❤.example",
        "jane@xn--i-7iq.example",
        "jane@s\u200ds.example",
        f"{'a' * 65}@example.com",
        f"a@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.example.com",
        "a" * 1_000_000 + "@example.com",
        "\ud800@example.com",
        "jane@\ud800.example",
    ],
)
def test_what_is_no_address_is_refused(typed):
    with pytest.raises(ValueError):
        email_address.normalized(typed)
    assert email_address.mailbox(typed) in ("", typed.strip().lower())


@pytest.mark.parametrize("typed", ["jane@localhost", "jane@10.0.0.1", "jane@[192.0.2.1]"])
def test_a_public_address_needs_a_domain(typed):
    assert email_address.normalized(typed) == typed
    with pytest.raises(ValueError):
        email_address.normalized(typed, is_public=True)


def test_a_stored_address_that_is_refused_today_is_sent_to_as_it_is():
    assert email_address.deliverable("a..b@docomo.example") == '"a..b"@docomo.example'
    assert email_address.deliverable("jane@a_b.example") == "jane@a_b.example"


@pytest.mark.parametrize("stored", ["bea,odd@example.com", "a@b.example\nBcc: c@d.example", "x"])
def test_a_stored_address_that_would_be_another_one_has_no_header(stored):
    with pytest.raises((MessageError, ValueError)):
        email_address.to_header(stored)


@given(text=st.text(max_size=60))
def test_any_text_is_an_address_or_raises_value_error(text):
    try:
        normal = email_address.normalized(text)
    except ValueError:
        return
    assert email_address.normalized(normal) == normal
