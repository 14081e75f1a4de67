"""No line of the log holds a password, however the URL around it is written."""

import pytest

from statuspage.observability.logging import scrubbed


@pytest.mark.parametrize(
    "line, shown",
    [
        ("x postgresql://u:hunter2@db/status y", "x postgresql://db/status y"),
        ("postgresql+psycopg://u:p@hunter2/x@db/status", "postgresql+psycopg://db/status"),
        ("REDIS://:12/hunter2'@cache:6379/0", "REDIS://cache:6379/0"),
        ("smtp://u:hunter2?#@mail:587", "smtp://mail:587"),
        ("https://u:hunter2@site.example/token/abc", "https://site.example/[hidden]"),
        ("HTTPS://site.example/token/hunter2", "HTTPS://site.example/[hidden]"),
        ("https://social.example/@ann and more", "https://social.example/[hidden] and more"),
        ("mail to ann@example.com", "mail to [address]"),
    ],
)
def test_a_line_keeps_the_host_and_loses_the_password(line, shown):
    assert scrubbed(line) == shown
