"""The audit log in the admin."""

from statuspage import clock
from statuspage.domain import events
from statuspage.domain.events import SYSTEM
from tests.conftest import on_sqlite
from tests.helpers.admin import text_of


@on_sqlite
def test_audit_log_shows_kinds_in_words(ann, committed):
    with committed():
        events.record("metrics_provider.added", subject="x", title="X", by=SYSTEM, at=clock.now())
    text = text_of(ann.get("/admin/audit"))
    assert "Metrics provider: added" in text
    assert "_provider" not in text
