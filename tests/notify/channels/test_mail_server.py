"""Handing mail to a server within time limits, however the server spreads its bytes over them."""

import time

import pytest

from statuspage.notify.channels.base import Failed
from statuspage.notify.channels.email import Server, TimeLimits
from tests.helpers import receivers
from tests.helpers.mail_server import dripping_server, mail_server


def test_a_silent_server_is_left_at_the_deadline():
    with receivers.receiver(receivers.hangs) as url:
        server = Server(
            url.replace("http", "smtp").removesuffix("/hook"), TimeLimits(connect_s=0.3)
        )
        with pytest.raises(Failed, match=r"took more than 0\.3 seconds") as failed:
            server.send(b"Hello\r\n", "a@b.example", "c@d.example")
    assert not failed.value.is_final


@pytest.mark.parametrize("before", ["", "EHLO", "MAIL", "RCPT", "DATA", "."])
def test_a_server_that_drips_bytes_is_left_at_the_deadline(before):
    limits = TimeLimits(connect_s=0.3, transfer_s=0.3, accept_s=0.3)
    started = time.monotonic()
    with (
        dripping_server(before) as url,
        pytest.raises(Failed, match=r"took more than 0\.3 seconds") as failed,
    ):
        Server(url, limits).send(b"Hello\r\n", "a@b.example", "c@d.example")
    assert time.monotonic() - started < 5
    assert not failed.value.is_final


def test_a_server_that_accepts_slowly_gets_one_copy():
    with mail_server() as inbox:
        inbox.mode, inbox.thinks_s = "thinks", 0.8
        server = Server(inbox.url, TimeLimits(connect_s=0.4, transfer_s=0.4, accept_s=10))
        server.send(b"Subject: Hello\r\n\r\n.dot\r\n", "a@b.example", "c@d.example")
        server.close()
    assert [content for _, _, content in inbox.mails] == [b"Subject: Hello\r\n\r\n.dot\r\n"]


def test_acceptance_may_take_as_long_as_the_standard_says():
    assert TimeLimits().accept_s >= 600
