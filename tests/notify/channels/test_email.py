"""Mail: what subscribers read, and what becomes of it at good and bad servers."""

import re
import ssl
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import SMTP, default
from email.utils import parseaddr

import pytest

from statuspage.db import db
from statuspage.domain.components.verbs import get as component_of
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import maintenance
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Schedule, UpdateInput
from statuspage.domain.statuses import IncidentStatus
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber, SubscriberState
from statuspage.notify import deliveries as ledger
from statuspage.notify import email_message, sender
from statuspage.notify.channels import email
from statuspage.notify.channels.base import Failed
from statuspage.notify.channels.registry import channel_senders
from statuspage.notify.deliveries import DeliveryState
from statuspage.notify.dispatcher import fan_out_pending
from statuspage.notify.message import MessageKind
from tests.conftest import on_sqlite
from tests.helpers.mail_server import free_port, mail_server
from tests.helpers.push_service import certificate

pytestmark = on_sqlite


@pytest.fixture
def inbox():
    with mail_server() as handler:
        yield handler


def composed(told):
    return email.compose(*told(), sender="status@example.com", host="status.example.com")


# ── what they read ─────────────────────────────────────────────────────────────


def test_email_starts_with_the_problem_and_ends_with_unsubscribe(told):
    message = composed(told)
    assert message["Subject"] == "[Brambleway] Investigating: Checkout errors"
    text = message.get_body(("plain",)).get_content()
    assert "Some requests fail." in text
    assert "- API: Partial outage" in text
    assert re.search(r"View incident: https://status.example.com/incidents/\w{12}", text)
    assert text.rstrip().splitlines()[-1].startswith("Unsubscribe: https://")
    html = message.get_body(("html",)).get_content()
    assert "<p>Some requests fail.</p>" in html
    assert "Unsubscribe" in html


@pytest.mark.parametrize("stored", ["a..b@docomo.example", '"a..b"@docomo.example'])
def test_a_mail_to_dots_in_a_row_is_delivered(told, committed, settings, inbox, stored):
    with committed():
        db.session.query(Subscriber).one().address = stored
    way = channel_senders(settings.model_copy(update={"smtp_url": inbox.url}))[Channel.EMAIL]
    way.send(*told())
    way.close()
    ((_, to, content),) = inbox.mails
    assert to == ["a..b@docomo.example"]  # As the server reads the quoted address.
    assert b'\r\nTo: "a..b"@docomo.example\r\n' in content


def test_its_headers_thread_an_incident_and_let_readers_leave_with_one_click(told):
    message = composed(told)
    _, to = told()
    assert message["Message-ID"] == f"<{to.key}@status.example.com>"
    assert re.fullmatch(r"<\w{12}@status\.example\.com>", message["References"])
    assert message["List-Unsubscribe"] == f"<{to.unsubscribe_url}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"


def test_long_unsubscribe_link_is_not_wrapped(told):
    _, to = told()
    sent = composed(told).as_bytes(policy=SMTP)
    assert len(to.unsubscribe_url) > 78
    assert f"\r\nList-Unsubscribe: <{to.unsubscribe_url}>\r\n".encode() in sent


def test_line_break_in_a_name_adds_no_header(told, committed, app):
    with committed():
        for row in incidents.published():
            row.name = "Broken\r\nBcc: victim@example.com"
    message = composed(told)
    assert message["Bcc"] is None
    assert "\n" not in message["Subject"]


def test_html_in_a_name_is_escaped(told, committed):
    with committed():
        for row in incidents.published():
            row.name = "<script>alert(1)</script>"
    html = composed(told).get_body(("html",)).get_content()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_maintenance_email_has_window_and_calendar(told, committed, component, at):
    with committed():
        maintenance.schedule(
            "Database upgrade",
            UpdateInput(
                status=IncidentStatus.SCHEDULED,
                body="Short interruptions.",
                claims={component_of(component): maintenance.UNDER_MAINTENANCE},
            ),
            Schedule(
                scheduled_for=at + timedelta(days=1),
                scheduled_until=at + timedelta(days=1, hours=2),
            ),
            by=SYSTEM,
            at=at,
        )
    written = email_message.render(*told("maintenance.scheduled"))
    assert written.subject == "[Brambleway] Scheduled: Database upgrade"
    assert "Planned for: 11 Mar, 12:00 UTC until 11 Mar, 14:00 UTC" in written.text
    assert "Affects: API" in written.text
    assert "Operational" not in written.text + written.html
    assert "/maintenance.ics" in written.text


def test_resolved_incident_says_so_in_the_subject(told, committed, at):
    with committed():
        (row,) = incidents.published()
        incidents.post_update(
            row, UpdateInput(status=IncidentStatus.RESOLVED, body="Fixed."), by=SYSTEM, at=at
        )
    written = email_message.render(*told("incident.update_posted"))
    assert written.subject == "[Brambleway] Resolved: Checkout errors"
    assert "- API: Operational (was: Partial outage)" in written.text


@pytest.mark.parametrize(
    "kind", [MessageKind.CONFIRMATION, MessageKind.LINK, MessageKind.QUARANTINE, MessageKind.TEST]
)
def test_every_direct_email_can_be_rendered(told, kind):
    from dataclasses import replace

    found, to = told()
    written = email_message.render(replace(found, kind=kind, incident=None, update=None), to)
    assert "Brambleway" in written.subject
    assert "https://status.example.com" in written.text
    if kind is MessageKind.CONFIRMATION:
        assert to.confirm_url in written.text
        assert to.confirm_url in written.html
        assert to.unsubscribe_url not in written.text


def test_email_times_use_the_subscribers_time_zone(told, committed, at):
    with committed():
        db.session.query(Subscriber).one().time_zone = "Asia/Kolkata"
    written = email_message.render(*told())
    assert "Investigating, 10 Mar, 17:30 IST (12:00 UTC)" in written.text


# ── servers ────────────────────────────────────────────────────────────────────


@pytest.fixture
def send(settings, inbox):
    way = channel_senders(settings.model_copy(update={"smtp_url": inbox.url}))[Channel.EMAIL]
    yield way.send
    way.close()


def test_smtp_connection_is_reused(send, inbox, told):
    found, to = told()
    for _ in range(20):
        send(found, to)
    assert len(inbox.mails) == 20
    assert inbox.connections == 1
    mail_from, rcpt, _ = inbox.mails[0]
    assert (mail_from, rcpt) == ("status@status.example.com", ["ada@example.com"])


def test_greylisted_email_is_retried_on_the_same_connection(send, inbox, told):
    found, to = told()
    inbox.mode = "greylists"
    with pytest.raises(Failed, match="451") as failed:
        send(found, to)
    assert not failed.value.is_final
    inbox.mode = "takes"
    send(found, to)
    assert len(inbox.mails) == inbox.connections == 1


@pytest.mark.parametrize("mode, code", [("refuses", "550"), ("refuses data", "554")])
def test_permanent_refusal_is_not_retried(send, inbox, told, mode, code):
    inbox.mode = mode
    with pytest.raises(Failed, match=code) as failed:
        send(*told())
    assert failed.value.is_final
    assert "ada@example.com" not in failed.value.sentence


@pytest.mark.parametrize(
    "mode, state, deliveries",
    [
        ("refuses", SubscriberState.QUARANTINED, {DeliveryState.FAILED: 1}),
        ("blocks us", SubscriberState.ACTIVE, {DeliveryState.FAILED: 1}),
        ("is full", SubscriberState.ACTIVE, {DeliveryState.RETRYING: 1}),
        ("greylists", SubscriberState.ACTIVE, {DeliveryState.RETRYING: 1}),
    ],
)
def test_only_a_wrong_address_fails_permanently(
    app, settings, inbox, told, at, mode, state, deliveries
):
    inbox.mode = mode
    way = channel_senders(settings.model_copy(update={"smtp_url": inbox.url}))[Channel.EMAIL]
    found, to = told()
    with app.app_context():
        fan_out_pending(at)
        (claimed,) = ledger.lease(Channel.EMAIL, 1, at=at)
        db.session.commit()
    sender.record_results(app, [sender.attempt(way, claimed, found, to)])
    way.close()
    with app.app_context():
        assert db.session.query(Subscriber).one().state is state
        states = {state: number for (_, state), number in ledger.counts().items()}
        assert states == deliveries


def test_email_lost_after_data_is_resent_with_the_same_id(send, inbox, told):
    found, to = told()
    inbox.mode = "drops"
    with pytest.raises(Failed, match="closed the connection") as failed:
        send(found, to)
    assert not failed.value.is_final
    inbox.mode = "takes"
    send(found, to)
    (_, _, content) = inbox.mails[0]
    assert f"Message-ID: <{to.key}@status.example.com>".encode() in content


def test_unavailable_mail_server_is_retried(settings, told):
    away = settings.model_copy(update={"smtp_url": f"smtp://127.0.0.1:{free_port()}"})
    with pytest.raises(Failed, match="nothing listens there") as failed:
        channel_senders(away)[Channel.EMAIL].send(*told())
    assert not failed.value.is_final


def test_without_a_mail_server_mail_waits_for_one(settings):
    assert Channel.EMAIL not in channel_senders(settings)


# ── headers as mail programs read them ─────────────────────────────────────────

TITLES = [
    "Zurzeit Rückerstattungen für Kreditkarten in Österreich, Südtirol und Übersee",
    "Shop: paiements retardés à l’étranger – remboursements différés, équipe mobilisée",
    "Оплата картой временно недоступна для клиентов банка в Сибири и на Урале",
    "決済 サービス の 一部 で 障害 が 発生 して います 。 調査 中 です 。 しばらく お待ち ください",
    "Cards declined in Switzerland " * 5 + "now",
    "a" * 90 + " ü " + "b" * 90,
    "😀 " * 40,
    "ü",
    'Quotes "here", commas, <angles> (and) more @ things that need quoting: all in one title',
]


@pytest.mark.parametrize("shift", range(0, 24, 3))
@pytest.mark.parametrize("title", TITLES)
def test_subject_and_sender_come_back_with_every_blank(told, title, shift):
    news, to = told()
    title = f"{'x' * shift} {title}".strip()
    page = replace(news.present.page, name=title)
    present = replace(news.present, page=page)
    news = replace(news, present=present, incident=replace(news.incident, name=title))
    message = email.compose(news, to, sender="status@example.com", host="status.example.com")
    data = message.as_bytes(policy=SMTP)

    subject = " ".join(f"[{title}] Investigating: {title}".split())
    subject = subject if len(subject) <= 150 else f"{subject[:149].rstrip()}…"
    assert message_from_bytes(data, policy=default)["Subject"] == subject
    # To the letter of RFC 2047; the reader above adds blanks to names.
    mail = message_from_bytes(data)
    assert str(make_header(decode_header(mail["Subject"]))) == subject
    name, address = parseaddr(mail["From"])
    assert (str(make_header(decode_header(name))), address) == (title, "status@example.com")
    lines = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert max(len(line) for line in lines if b"=?utf-8?" in line) <= 78 or title.isascii()


def test_a_sign_means_the_same_in_a_mail_as_on_the_page(app):
    """On the page a triangle is a partial outage, a bar in a circle is degraded."""
    parts = email_message._environment().get_template("parts.html").module
    assert {tone: sign for tone, (*_, sign) in parts.TONES.items()} == {
        "ok": "✓",
        "maint": "◷",
        "degraded": "⊖",
        "partial": "▲",
        "major": "⊗",
        "none": "•",
    }


def test_a_relay_on_this_machine_may_have_a_certificate_of_its_own(told, settings, tmp_path):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate(tmp_path))
    with mail_server(tls) as inbox:
        local = settings.model_copy(update={"smtp_url": inbox.url})
        sender = channel_senders(local)[Channel.EMAIL]
        sender.send(*told())
        sender.close()
        assert len(inbox.mails) == 1
        # With a password the certificate counts.
        url = inbox.url.replace("//", "//user:password@")
        strict = channel_senders(settings.model_copy(update={"smtp_url": url}))[Channel.EMAIL]
        with pytest.raises(Failed, match="no secure connection was possible"):
            strict.send(*told())
