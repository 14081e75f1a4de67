"""What people type to be reached by, in one normal form."""

import phonenumbers
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from statuspage.db import db
from statuspage.domain import page_access
from statuspage.domain.events import SYSTEM
from statuspage.domain.subscribers import addresses, queries
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.subscribers.subscriptions import (
    Channel,
    Choice,
    Contact,
    ImportedSubscriber,
    SubscriberState,
)
from statuspage.errors import Invalid
from tests.helpers.domain import AT


def refusal(check, *typed) -> dict[str, str]:
    with pytest.raises(Invalid) as invalid:
        check(*typed)
    return invalid.value.errors


# ── e-mail ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("typed", ["", "jane", "jane@localhost", "jöhn@example.com", "a@b c.de"])
def test_a_refused_address_names_its_field(typed):
    assert refusal(addresses.email, typed) == {"email": "Enter a valid e-mail address."}


def stored(address: str, channel=Channel.EMAIL) -> subscribers.Subscriber:
    """A subscriber as an earlier version stored them."""
    contact = Contact(channel, address)
    return subscribers.add(contact, by=SYSTEM, at=AT, is_confirmed=True)


@pytest.mark.parametrize(
    "channel, former, typed, normal",
    [
        (Channel.EMAIL, "a..b@docomo.example", "A..b@docomo.example", '"A..b"@docomo.example'),
        (Channel.EMAIL, "a..b@docomo.example", '"a..b"@DOCOMO.example', '"a..b"@docomo.example'),
        (Channel.SMS, "+4402079460000", "+44 (0)20 7946 0000", "+442079460000"),
    ],
)
def test_a_subscriber_of_an_earlier_version_is_found_and_takes_the_normal_form(
    session, channel, former, typed, normal
):
    row = stored(former, channel)
    contact = Contact.of(channel, typed)
    assert (
        subscribers.take_over(
            [ImportedSubscriber(contact)], consent="They agreed.", by=SYSTEM, at=AT
        )
        == 0
    )
    assert subscribers.add(contact, by=SYSTEM, at=AT) is row
    assert (row.address, row.key) == (normal, contact.key(None))
    subscribers.request_confirmation(contact, Choice(), wording="Yes", at=AT)
    assert db.session.query(subscribers.Subscriber).one().state is SubscriberState.ACTIVE


def test_a_look_alike_domain_is_another_subscriber(session):
    row = stored("kunde@strasse.example")
    added = subscribers.add(Contact.of(Channel.EMAIL, "kunde@straße.example"), by=SYSTEM, at=AT)
    assert added is not row
    assert added.address == "kunde@xn--strae-oqa.example"


@pytest.mark.parametrize("text", ["kunde@straße.example", "KUNDE@", "xn--strae"])
def test_staff_find_a_subscriber_by_any_spelling(session, text):
    stored("kunde@xn--strae-oqa.example")
    found = queries.find(queries.Search(text=text))
    assert [row.address for row in found] == ["kunde@xn--strae-oqa.example"]


def test_a_page_access_user_is_found_by_any_spelling(session):
    user = page_access.add_user(email="Jane@bücher.example", external_login=None, by=SYSTEM, at=AT)
    assert user.email == "Jane@xn--bcher-kva.example"
    for spelling in ("jane@BÜCHER.example", '"jane"@xn--bcher-kva.example.'):
        assert page_access.users(email=spelling, offset=0, limit=9) == [user]


# ── URLs ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "typed, normal",
    [
        ("https://straße.example/x", "https://xn--strae-oqa.example/x"),
        ("https://STÖRUNG.example.", "https://xn--strung-xxa.example/"),
        ("https://xn--strung-xxa.example", "https://xn--strung-xxa.example/"),
        ("https://ς.example/", "https://xn--3xa.example/"),
        ("https://[2001:DB8::1]:443/x", "https://[2001:db8::1]/x"),
    ],
)
def test_a_url_names_its_host_by_idna_2008(typed, normal):
    assert addresses.url(typed) == normal


def test_a_host_that_no_registry_gives_out_is_refused():
    assert refusal(addresses.url, "https://i❤.example/") == {"endpoint": "Enter a valid URL."}


# ── phone numbers ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "typed, country, normal",
    [
        ("+43 660 1234567", None, "+436601234567"),
        ("0043 660 1234567", "DE", "+436601234567"),
        ("0660/1234567", "at", "+436601234567"),
        ("+44 (0)20 7946 0000", None, "+442079460000"),
        ("06 6982 1234", "IT", "+390669821234"),
        ("(555) 010-9999", "US", "+15550109999"),
        ("1-555-010-9999", "US", "+15550109999"),
        ("8 912 345-67-89", "RU", "+79123456789"),
        ("06 20 123 4567", "HU", "+36201234567"),
        ("+１２０２５５５０１２３", None, "+12025550123"),
    ],
)
def test_a_phone_number_has_one_normal_form(typed, country, normal):
    assert addresses.phone(typed, country) == normal


@given(country=st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)), data=st.data())
def test_a_number_typed_at_home_or_abroad_is_one_number(country, data):
    mobile = phonenumbers.PhoneNumberType.MOBILE
    number = phonenumbers.example_number_for_type(country, mobile)
    assume(number is not None)
    formats = phonenumbers.PhoneNumberFormat
    normal = phonenumbers.format_number(number, formats.E164)
    form = data.draw(st.sampled_from([formats.INTERNATIONAL, formats.NATIONAL, formats.E164]))
    typed = phonenumbers.format_number(number, form)
    assert addresses.phone(typed, country) == normal
    assert addresses.phone(normal, None) == normal


@pytest.mark.parametrize(
    "typed, country, field",
    [
        ("", "US", "phone_number"),
        ("call me", "US", "phone_number"),
        ("1-800-FLOWERS", "US", "phone_number"),
        ("+1 202 555 0123 ext. 5", None, "phone_number"),
        ("12", "US", "phone_number"),
        ("+43", None, "phone_number"),
        ("++43 660 1234567", None, "phone_number"),
        ("+999 123 456 789", None, "phone_number"),
        ("+43 660 12345678901234", None, "phone_number"),
        ("5550109999", "??", "phone_country"),
        ("5550109999", None, "phone_country"),
        ("1" * 10_000, "US", "phone_number"),
    ],
)
def test_a_refused_phone_number_names_its_field(typed, country, field):
    assert refusal(addresses.phone, typed, country).keys() == {field}


@pytest.mark.parametrize(
    "number, digits", [("+15550109999", "5550109999"), ("+4402079460000", "2079460000"), ("+", "")]
)
def test_the_national_number_has_no_country_code(number, digits):
    assert addresses.national(number) == digits
