"""Who is at the desk hears by mail of each change in how they sign in (OWASP ASVS 6.3.7)."""

from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest

from statuspage import clock
from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.events import SYSTEM, Actor, ActorKind
from statuspage.domain.staff import members as staff
from statuspage.domain.staff import second_factor, totp
from statuspage.domain.staff.members import Role
from statuspage.notify import staff_emails
from statuspage.notify.dispatcher import Dispatcher
from statuspage.notify.queue import queue_of
from tests.conftest import SECRET, on_sqlite
from tests.helpers.admin import BASE, Browser
from tests.helpers.mail_server import mail_server
from tests.helpers.totp_app import code_at

PASSWORD = "correct horse battery"
ANOTHER = "another horse battery"
KEYS = (SECRET,)

pytestmark = on_sqlite


@pytest.fixture
def bea(app, committed, world):
    with committed():
        return staff.create(
            "bea@example.com",
            name="Bea",
            role=Role.EDITOR,
            password=PASSWORD,
            by=SYSTEM,
            at=clock.now(),
        )


@pytest.fixture
def inbox(app, settings, monkeypatch):
    with mail_server() as inbox:
        sending = settings.model_copy(update={"smtp_url": inbox.url})
        monkeypatch.setitem(app.config, "SETTINGS", sending)
        yield inbox


def work(app):
    """One tick of the worker, and every job that is in the queue then."""
    Dispatcher(app, {}).step(clock.now())
    queue = queue_of(app)
    while job := queue.dequeue():
        queue.execute(job)


def read(inbox):
    """(recipients, subject, plain text, HTML) of each mail that came, and forget them."""
    mails, inbox.mails = inbox.mails, []
    return [_parts(recipients, content) for _, recipients, content in mails]


def _parts(recipients, content):
    message = message_from_bytes(content, policy=policy.default)
    assert "List-Unsubscribe" not in message
    parts = {part.get_content_subtype(): part.get_content() for part in message.iter_parts()}
    return recipients, message["Subject"], parts["plain"], parts["html"]


def test_new_password_email_has_time_place_and_advice(app, bea, inbox, traveller):
    traveller.move_to(datetime(2026, 4, 9, 7, 5, tzinfo=UTC))
    browser = Browser(app)
    browser.sign_in("bea@example.com", PASSWORD)
    form = {"current_password": PASSWORD, "password": ANOTHER}
    assert browser.post("/admin/account", form).status_code == 303
    work(app)
    work(app)
    ((recipients, subject, plain, html),) = read(inbox)
    assert recipients == ["bea@example.com"]
    assert subject == "[Northwind] Your password was changed"
    for words in (plain, html):
        assert "9 April 2026, 07:05 UTC" in words
        assert BASE in words
        assert "you, or someone signed in as you" in words
        assert "If this was not you:" in words
        assert "Tell an owner of the page at once." in words
        assert PASSWORD not in words
        assert ANOTHER not in words


def test_second_factor_emails_contain_no_secret(app, bea, inbox, committed):
    at = clock.now()
    olga = Actor(ActorKind.STAFF, "Olga")
    with committed():
        person = staff.with_email("bea@example.com")
        second_factor.set_up(person, keys=KEYS, at=at)
        secret = second_factor.secret_to_confirm(person, keys=KEYS, at=at)
        code = code_at(secret, at)
        codes = second_factor.confirm(person, code, keys=KEYS, by=person.actor, at=at)
        second_factor.accept_recovery_code(person, codes[0], by=person.actor, at=at)
    work(app)
    told = read(inbox)
    with committed():
        person = staff.with_email("bea@example.com")
        codes += second_factor.renew_recovery_codes(person, by=person.actor, at=at)
        second_factor.reset(person, by=olga, at=at)
    work(app)
    told += read(inbox)
    assert {subject.removeprefix("[Northwind] ") for _, subject, _, _ in told} == {
        "A second factor was turned on",
        "A recovery code was used",
        "New recovery codes were created",
        "Your second factor was turned off",
    }
    texts = {subject: plain for _, subject, plain, _ in told}
    assert "Recovery codes left: 9." in texts["[Northwind] A recovery code was used"]
    assert "By: Olga" in texts["[Northwind] Your second factor was turned off"]
    assert not any(one in plain + html for *_, plain, html in told for one in codes)
    assert not any(totp.as_text(secret) in plain + html for *_, plain, html in told)


def test_new_sign_in_link_is_emailed_to_its_member(app, bea, inbox):
    with app.app_context():
        person = staff.with_email("bea@example.com")
        olga = Actor(ActorKind.STAFF, "Olga")
        token = staff.create_sign_in_link(person, by=olga, at=clock.now())
        db.session.commit()
    work(app)
    ((recipients, subject, plain, html),) = read(inbox)
    assert recipients == ["bea@example.com"]
    assert "sign-in link was created for you" in subject
    assert "Olga" in plain
    assert token not in plain + html


def test_change_without_a_mail_server_sends_nothing_later(app, bea, committed):
    with committed():
        person = staff.with_email("bea@example.com")
        staff.set_password(person, ANOTHER, by=person.actor, at=clock.now())
    work(app)
    with app.app_context():
        assert events.pending_fanout(limit=1) == []
        assert staff.authenticate("bea@example.com", ANOTHER) is not None


def test_temporarily_refused_staff_email_is_retried(app, bea, inbox, committed, traveller):
    inbox.mode = "greylists"
    with committed():
        person = staff.with_email("bea@example.com")
        staff.set_password(person, ANOTHER, by=person.actor, at=clock.now())
    work(app)
    assert read(inbox) == []
    queue = queue_of(app)
    (later,) = queue.scheduled()
    assert later.eta - datetime.now() == staff_emails.FIRST_RETRY
    inbox.mode = "takes"
    traveller.shift(staff_emails.FIRST_RETRY)
    queue.execute(later)
    assert [subject for _, subject, _, _ in read(inbox)] == [
        "[Northwind] Your password was changed"
    ]


def test_staff_email_waits_for_the_queue(app, bea, inbox, committed):
    with committed():
        person = staff.with_email("bea@example.com")
        staff.set_password(person, ANOTHER, by=person.actor, at=clock.now())
    queue = queue_of(app)
    queue.storage.conn.execute("ALTER TABLE task RENAME TO away")
    Dispatcher(app, {}).step(clock.now())
    queue.storage.conn.execute("ALTER TABLE away RENAME TO task")
    work(app)
    assert len(read(inbox)) == 1


def test_refused_staff_address_is_not_logged(app, bea, inbox, committed, caplog):
    with committed():
        person = staff.with_email("bea@example.com")
        person.email = "bea,odd@example.com"
        db.session.flush()
        staff.set_password(person, ANOTHER, by=person.actor, at=clock.now())
    work(app)
    assert inbox.mails == []
    assert "notice.failed" in caplog.text
    assert "bea,odd" not in caplog.text
