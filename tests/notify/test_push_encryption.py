"""The cryptography of web push meets the examples of its standards."""

from datetime import timedelta

import pytest

from statuspage.domain.subscribers.push_keys import Access
from statuspage.domain.subscribers.push_subscriptions import unpacked
from statuspage.notify.push_encryption import MOST_BYTES, authorization, encrypt
from tests.helpers.push_service import FakeBrowser, claims


@pytest.mark.parametrize("size", [1, MOST_BYTES])
def test_a_push_is_one_record_of_at_most_4096_bytes(size):
    browser = FakeBrowser("")
    body = encrypt(bytes(size), Access(browser.p256dh, browser.auth, b""))
    assert len(body) <= 4096
    assert browser.read(body) == bytes(size)


@pytest.mark.parametrize("contact", ["https://status.example.com:8443", "mailto:a@localhost"])
@pytest.mark.parametrize("origin", ["https://push.example.net", "https://[2001:db8::1]:8443"])
def test_authorization_is_signed_for_every_push_service_and_contact(contact, origin, at):
    signed, _ = claims(authorization(b"\1" * 32, origin, contact, at))
    assert (signed["aud"], signed["sub"]) == (origin, contact)


def test_the_example_of_rfc_8291_is_met_to_the_byte_and_read_again():
    """Appendix A."""
    browser = FakeBrowser(
        "",
        unpacked("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"),
        unpacked("BTBZMqHH6r4Tts7J_aSIgg"),
    )
    body = encrypt(
        b"When I grow up, I want to be a watermelon",
        Access(browser.p256dh, browser.auth, b""),
        salt=unpacked("DGv6ra1nlYgDCS1FRnbzlw"),
        private_key=unpacked("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
    )
    assert body == unpacked(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS"
        "6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Q"
        "ulcy4a-fN"
    )
    assert browser.read(body) == b"When I grow up, I want to be a watermelon"


def test_signature_matches_the_example_of_rfc_8292(at):
    """Section 2.4: its signature passes the same check as ours."""
    told, key = claims(
        "vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQ"
        "iLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOe"
        "pC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA, k=BA1Hxzyi1RUM1b5wjxs"
        "n7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"
    )
    assert told["aud"] == "https://push.example.net"
    ours = authorization(b"\1" * 32, "https://push.example.net", "mailto:push@example.com", at)
    said, our_key = claims(ours)
    assert said.keys() == told.keys()
    assert timedelta(0) < timedelta(seconds=said["exp"] - at.timestamp()) <= timedelta(hours=24)
    assert len(unpacked(our_key)) == len(unpacked(key)) == 65
    # The same header for an hour, not a signature for each message.
    assert authorization(b"\1" * 32, *(said["aud"], said["sub"]), at) == ours
