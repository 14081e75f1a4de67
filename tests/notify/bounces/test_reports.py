"""What a status code says: that a mailbox is gone, or something that may pass."""

import pytest

from statuspage.notify.bounces import Verdict, reports


@pytest.mark.parametrize("status", ["5.2.2", "4.4.1", "5.7.1", "5.3.4", "5.1.8", ""])
def test_status_codes_not_about_the_address_are_soft(status):
    assert reports.verdict_on(status, "key").verdict is Verdict.SOFT


@pytest.mark.parametrize("status", ["5.1.1", "5.1.10", "5.2.1", "5.0.0", "5.4.4"])
def test_status_codes_of_a_missing_mailbox_are_hard(status):
    assert reports.verdict_on(status, "key").verdict is Verdict.HARD
