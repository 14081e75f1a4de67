"""Browsers in the words of those who use them."""

import pytest

from statuspage.web.admin import user_agents
from tests.web.admin.test_sessions import FIREFOX, IPHONE


@pytest.mark.parametrize(
    "agent, words",
    [
        (FIREFOX, "Firefox on Linux"),
        (IPHONE, "Safari on iPhone"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
            " Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 (KHTML, like Gecko)"
            " Chrome/140.0.0.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", "A browser on macOS"),
        ("curl/8.5", "curl"),
        ("", "Unknown browser"),
        ("x" * 10_000, "Unknown browser"),
    ],
)
def test_user_agent_is_named_as_people_know_it(agent, words):
    assert user_agents.describe(agent) == words
