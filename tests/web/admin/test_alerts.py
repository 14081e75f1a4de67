"""What staff see of the alerts behind an incident."""

import pytest

from statuspage.domain import tokens
from statuspage.domain.events import SYSTEM
from statuspage.domain.tokens import Scope
from tests.conftest import on_sqlite
from tests.helpers.admin import text_of
from tests.helpers.alertmanager import an_alert, told

pytestmark = on_sqlite


@pytest.fixture
def report(app, committed, world, at):
    """`report(scope, alert, …)` posts alerts; the public id of their incident."""

    def post(scope, *alerts) -> str:
        with committed():
            _, secret = tokens.create(f"Tool {scope}", scopes=[scope], by=SYSTEM, at=at)
        answer = app.test_client().post(f"/hooks/alertmanager/{secret}", json=told(*alerts))
        return answer.json["incident"]

    return post


def test_alerts_are_visible_to_staff_only(ann, client, report):
    slow = an_alert(labels={"component": "Elsewhere"}, annotations={"summary": "<b>Slow</b>"})
    script = an_alert(2, generatorURL="javascript:alert(1)")
    public_id = report(Scope.ALERTS_PUBLISH, slow, script)
    answer = ann.get(f"/admin/incidents/{public_id}")
    page = answer.text
    assert "&lt;b&gt;Slow&lt;/b&gt;" in page
    assert 'href="http://prometheus.example/graph?g0.expr=up" rel="noopener noreferrer"' in page
    assert "javascript:" not in page
    assert "no such component on this page: Elsewhere" in text_of(answer)
    assert "Resolved automatically" in text_of(answer)
    assert "Elsewhere" not in client.get(f"/incidents/{public_id}").text


def test_draft_shows_its_alerts_and_that_it_resolves_automatically(ann, report):
    public_id = report(Scope.ALERTS, an_alert())
    page = text_of(ann.get(f"/admin/incidents/{public_id}"))
    assert "Firing since" in page
    assert "Discarded automatically once all alerts have been quiet for five minutes" in page
    overview = text_of(ann.get("/admin/"))
    assert "Draft from an alert, which still fires, visible to staff only" in overview


def test_edited_incident_says_that_alerts_no_longer_resolve_it(ann, world, report):
    public_id = report(Scope.ALERTS_PUBLISH, an_alert())
    ann.post(
        f"/admin/incidents/{public_id}/updates",
        {"status": "identified", "body": "A disk is full.", "action": "publish"},
    )
    page = text_of(ann.get(f"/admin/incidents/{public_id}"))
    assert "You edited this incident, so alerts will no longer resolve it." in page


@pytest.mark.parametrize("ending", ["updates", "retract"])
def test_ended_or_retracted_incident_shows_no_alert_hint(ann, report, ending):
    public_id = report(Scope.ALERTS_PUBLISH, an_alert())
    sent = {"status": "resolved", "body": "A disk was full.", "action": "publish"}
    sent["reason"] = "There was no trouble."
    assert ann.post(f"/admin/incidents/{public_id}/{ending}", sent).status_code == 303
    page = text_of(ann.get(f"/admin/incidents/{public_id}"))
    assert "Firing since" in page
    assert "by itself" not in page
    assert "It is yours" not in page
