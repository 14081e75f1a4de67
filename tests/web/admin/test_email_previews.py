"""What subscribers get by mail, to look at before anybody gets it."""

import pytest

from statuspage import clock
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import corrections
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.staff.members import Role
from statuspage.notify.email_examples import KINDS
from statuspage.notify.queue import queue_of
from tests.conftest import on_sqlite
from tests.helpers.admin import text_of
from tests.helpers.mail_server import mail_server

pytestmark = on_sqlite


def test_every_email_has_a_preview_without_data(ann):
    listed = ann.get("/admin/mails").text
    for kind in KINDS:
        assert f'href="/admin/mails/{kind.value}"' in listed
        shown = ann.get(f"/admin/mails/{kind.value}")
        assert shown.status_code == 200
        assert "Northwind" in text_of(shown)
        mail = ann.get(f"/admin/mails/{kind.value}/html")
        assert "Northwind" in mail.text
    assert "Example: card payments fail" in ann.get("/admin/mails/incident").text
    assert ann.get("/admin/mails/nothing").status_code == 404


def test_preview_uses_the_latest_event(ann, an_incident, committed):
    public_id = an_incident("Cards declined")
    with committed():
        update = incidents.get(public_id).updates[0]
        corrections.edit_update(
            update,
            expected_version=update.version,
            body="Few card payments are declined.",
            reason="Fewer.",
            by=SYSTEM,
            at=clock.now(),
        )
    shown = text_of(ann.get("/admin/mails/incident"))
    assert "[Northwind] Investigating: Cards declined" in shown
    assert "An example" not in shown
    assert "Corrected: Cards declined" in text_of(ann.get("/admin/mails/correction"))


def test_html_preview_is_sandboxed(ann, an_incident):
    an_incident("<script>alert(1)</script>")
    mail = ann.get("/admin/mails/incident/html")
    policy = mail.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert policy.endswith("; sandbox")
    assert "<script>" not in mail.text
    assert mail.headers["X-Content-Type-Options"] == "nosniff"
    page = ann.get("/admin/mails/incident")
    assert '<iframe class="mail" sandbox ' in page.text
    assert page.headers["Content-Security-Policy"].endswith("frame-src 'self'")


def test_test_email_goes_to_its_requester_by_the_worker(
    app, settings, person, an_incident, monkeypatch
):
    an_incident("Cards declined")
    with mail_server() as inbox:
        sending = settings.model_copy(update={"smtp_url": inbox.url})
        monkeypatch.setitem(app.config, "SETTINGS", sending)
        ann = person(Role.EDITOR, "Ann")
        answer = ann.post("/admin/mails/incident/test")
        assert answer.status_code == 303
        assert "On its way to ann@example.com" in ann.get(answer.location).text
        queue = queue_of(app)
        while job := queue.dequeue():
            queue.execute(job)
    ((_, recipients, content),) = inbox.mails
    assert recipients == ["ann@example.com"]
    assert b"Subject: [Northwind] Investigating: Cards declined" in content


def test_test_email_without_a_mail_server_says_what_is_missing(ann, an_incident):
    assert "STATUSPAGE_SMTP_URL" in ann.get("/admin/mails").text
    assert "Send me a test e-mail" not in ann.get("/admin/mails/test").text
    answer = ann.post("/admin/mails/test/test")
    assert answer.status_code == 422
    assert "set STATUSPAGE_SMTP_URL" in text_of(answer)


def test_viewer_sees_no_email_previews(person):
    vi = person(Role.VIEWER, "Vi")
    assert vi.get("/admin/mails").status_code == 403
    assert "/admin/mails" not in vi.get("/admin/").text


@pytest.mark.parametrize("is_first", [True, False])
def test_incident_form_previews_its_email(ann, an_incident, world, is_first):
    typed = {
        "status": "identified",
        "body": "Our bank refuses **some** cards.",
        "who_is_affected": "Shops in Austria",
        f"component-{world.cards}": "on",
    }
    if is_first:
        answer = ann.post("/admin/incidents/preview", {"name": "Cards declined", **typed})
    else:
        answer = ann.post(f"/admin/incidents/{an_incident()}/updates/preview", typed)
    shown = text_of(answer)
    assert "The e-mail: [Northwind] Identified: Cards declined" in shown
    assert "Our bank refuses some cards." in shown
    assert "Who is affected: Shops in Austria" in shown
