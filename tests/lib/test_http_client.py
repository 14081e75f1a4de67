"""What strangers typed is reached when it is public, and never holds us up."""

import time
from datetime import timedelta
from ipaddress import ip_network

import pytest

from statuspage.lib.http_client import MAX_RESPONSE_BYTES, HttpClient, RequestError, Response
from statuspage.notify.channels.base import Failed
from statuspage.notify.channels.http import judge
from tests.helpers import receivers

LOOPBACK = [ip_network("127.0.0.0/8")]
SHORT_S = 0.4


def sent_to(behave):
    """POST to a receiver that behaves so: (answer or None, failure or None, seconds)."""
    with receivers.receiver(behave) as url:
        began = time.monotonic()
        try:
            answered, failed = HttpClient(LOOPBACK, total_s=SHORT_S).post(url, b"{}", {}), None
        except RequestError as error:
            answered, failed = None, error
        return answered, failed, time.monotonic() - began


def test_response_is_read_with_status_and_headers():
    answered, _, _ = sent_to(receivers.answers(202, "Retry-After: 7", body=b"thanks"))
    assert (answered.status, answered.body) == (202, b"thanks")
    assert answered.headers["retry-after"] == "7"


@pytest.mark.parametrize("behave", [receivers.hangs, receivers.dribbles_its_head])
def test_slow_receiver_is_cut_off(behave):
    _, failed, seconds = sent_to(behave)
    assert "did not respond within" in failed.sentence
    assert not failed.is_final
    assert seconds < SHORT_S + 1


def test_message_counts_as_accepted_once_the_status_arrives():
    answered, _, seconds = sent_to(receivers.dribbles_its_body)
    assert answered.status == 200
    assert seconds < SHORT_S + 1


def test_endless_response_is_read_up_to_the_limit():
    answered, _, seconds = sent_to(receivers.never_ends)
    assert len(answered.body) == MAX_RESPONSE_BYTES
    assert seconds < SHORT_S + 1


@pytest.mark.parametrize("behave", [receivers.cuts, receivers.lies])
def test_invalid_response_is_retried(behave):
    _, failed, _ = sent_to(behave)
    assert failed.sentence.startswith("The connection failed")
    assert not failed.is_final


def test_redirect_is_not_followed():
    answered, _, _ = sent_to(receivers.answers(302, "Location: http://169.254.169.254/"))
    with pytest.raises(Failed, match="redirects are not followed"):
        judge(answered)


INNER = [
    "http://127.0.0.1/",
    "http://localhost/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://0/",
    "http://127.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[64:ff9b::7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://[fd00::1]/",
    "http://[fe80::1]/",
    "http://[ff02::1]/",
    "http://[::]/",
]


@pytest.mark.parametrize("url", INNER)
def test_private_address_is_never_connected_to(url):
    with pytest.raises(RequestError) as refused:
        HttpClient(total_s=1).post(url, b"", {})
    assert refused.value.is_final or "not known" in refused.value.sentence


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.com/", "x", "http://", ""])
def test_invalid_url_fails_permanently(url):
    with pytest.raises(RequestError) as refused:
        HttpClient().post(url, b"", {})
    assert refused.value.is_final


@pytest.mark.parametrize("text", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
def test_public_address_is_allowed(text):
    assert HttpClient().may_reach(text)


def test_operator_can_allow_a_private_network():
    assert HttpClient([ip_network("10.1.0.0/16")]).may_reach("10.1.2.3")
    assert HttpClient([ip_network("10.1.0.0/16")]).may_reach("::ffff:10.1.2.3")
    assert not HttpClient([ip_network("10.1.0.0/16")]).may_reach("10.2.0.1")


@pytest.mark.parametrize(
    "status, is_final, is_gone",
    [
        (200, None, None),
        (204, None, None),
        (410, True, True),
        (400, True, False),
        (503, False, False),
    ],
)
def test_http_status_decides_retry_or_failure(status, is_final, is_gone):
    answered = Response(status, {"retry-after": "120"}, b"")
    if is_final is None:
        judge(answered)
        return
    with pytest.raises(Failed) as failed:
        judge(answered)
    assert (failed.value.is_final, failed.value.is_gone) == (is_final, is_gone)
    if not is_gone:
        assert failed.value.retry_after == timedelta(minutes=2)
