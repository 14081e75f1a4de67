"""A look that is broken in the records, however it came there, never takes the page away."""

import pytest
import sqlalchemy as sa

from statuspage.domain.page_settings import Page
from tests.conftest import on_sqlite


@on_sqlite
@pytest.mark.parametrize(
    ("column", "value"),
    [("accent", "#zzzzzz"), ("accent", "red"), ("accent_dark", "}</style>"), ("logo", b"no image")],
)
def test_broken_colour_or_logo_keeps_the_page_readable(client, committed, world, column, value):
    with committed() as session:
        session.execute(sa.update(Page).values({column: value}))
    answer = client.get("/")
    assert answer.status_code == 200
    assert "<h1" in answer.text
    assert answer.text.count("</style>") == answer.text.count("<style")
