"""The mailbox where mail comes back, read from a real IMAP server (Dovecot)."""

import grp
import imaplib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from statuspage.db import db
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber, SubscriberState
from statuspage.lib.deadline import Deadline
from statuspage.notify.bounces import job, mailbox
from statuspage.notify.bounces.mailbox import MailboxError
from statuspage.notify.deliveries import Delivery, DeliveryState
from statuspage.notify.dispatcher import fan_out_pending
from tests.conftest import on_sqlite
from tests.helpers import receivers
from tests.helpers.bounce_reports import report
from tests.helpers.mail_server import dripping_server, free_port

CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_login_user = {login}
default_internal_user = {user}
default_internal_group = {group}
first_valid_uid = 1
auth_failure_delay = 0
mail_location = maildir:{folder}/mail
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
passdb {{
  driver = static
  args = password=p@ss/word
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}
}}
"""


@pytest.fixture(scope="module")
def imap():
    """The address of a mailbox on a running server."""
    program = shutil.which("dovecot", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("Dovecot is not installed: the mailbox of bounces is not tried.")
    with _dovecot(program) as url:
        yield url


@contextmanager
def _dovecot(program):
    # Not in the folder of the run: other users of this machine have to get in.
    folder, port = Path(tempfile.mkdtemp()), free_port()
    user = "dovecot" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    login = "dovenull" if os.geteuid() == 0 else user
    group = grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
    (folder / "mail").mkdir()
    for path in (folder, folder / "mail"):
        path.chmod(0o755)
        shutil.chown(path, user)
    text = CONFIGURATION.format(folder=folder, port=port, user=user, login=login, group=group)
    (folder / "dovecot.conf").write_text(text)
    server = subprocess.Popen([program, "-F", "-c", str(folder / "dovecot.conf")])
    try:
        _await(port, folder / "log")
        yield f"imap://bounces%40example.com:p%40ss%2Fword@127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _await(port, log):
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            imaplib.IMAP4("127.0.0.1", port, timeout=1).logout()
        except (OSError, imaplib.IMAP4.error):
            time.sleep(0.02)
        else:
            return
    raise AssertionError(log.read_text() if log.exists() else "Dovecot did not start.")


@pytest.fixture
def app(settings, imap, request):
    """With the mailbox in its settings."""
    request.getfixturevalue("traveller")
    from statuspage.factory import create_app

    made = create_app(settings.model_copy(update={"bounce_imap_url": imap}), watch=False)
    yield made
    with made.app_context():
        db.engine.dispose()


def came_in(url, raw: bytes):
    with mailbox._open(url, Deadline(60)) as server:
        server.append("INBOX", None, None, raw)


@on_sqlite
def test_bounce_mailbox_is_read_once_and_kept(app, imap, committed, subscribed, an_incident, at):
    ada, bo = subscribed(2, channel=Channel.EMAIL)
    an_incident()
    with committed():
        fan_out_pending(at)
        for one in db.session.query(Delivery):
            one.state, one.attempts, one.sent_at = DeliveryState.SENT, 1, at
        event_id = one.event_id
    came_in(imap, b"Subject: Out of office\n\nI am away until Monday.\n")
    came_in(imap, report(f"{event_id}-{ada}"))
    came_in(imap, report("1-000000000000"))

    assert job.fetch(app, at) == 1
    with app.app_context():
        states = {one.public_id: one.state for one in db.session.query(Subscriber)}
    assert states == {ada: SubscriberState.QUARANTINED, bo: SubscriberState.ACTIVE}
    assert job.fetch(app, at) == 0
    with mailbox._open(imap, Deadline(60)) as server:
        _, (found,) = server.uid("SEARCH", "ALL")
        assert len(found.split()) == 3


def test_unprocessed_bounce_is_read_again(imap):
    came_in(imap, b"Subject: first\n\n")
    came_in(imap, b"Subject: second\n\n")
    # The caller stops at the second one, as where the database is away.
    reading = mailbox.unread(imap)
    assert b"first" in next(reading)
    assert b"second" in next(reading)
    reading.close()
    assert [b"second" in mail for mail in mailbox.unread(imap)] == [True]


def test_only_the_beginning_of_a_huge_email_is_read(imap, monkeypatch):
    monkeypatch.setattr(mailbox, "MAX_BYTES", 1000)
    came_in(imap, b"Subject: big\n\n" + b"x" * 5000)
    assert [len(mail) for mail in mailbox.unread(imap)] == [1000]


def test_unreadable_mailbox_says_why_without_its_password(imap):
    wrong = imap.replace("ss%2F", "ss")
    for url, words in (
        (wrong, "The mailbox refused: "),
        (f"{imap}/Nothing", "no such folder"),
        (f"imap://a:secret@127.0.0.1:{free_port()}", "cannot be reached: Connection refused"),
    ):
        with pytest.raises(MailboxError, match=words) as failed:
            list(mailbox.unread(url))
        assert "word" not in str(failed.value)


def test_mailbox_without_tls_gets_no_password():
    with (
        receivers.receiver(receivers.lies) as url,
        pytest.raises(MailboxError, match="No secure connection"),
    ):
        list(mailbox.unread(url.replace("http", "imaps").removesuffix("/hook")))


def test_hanging_mailbox_times_out(monkeypatch):
    monkeypatch.setattr(mailbox, "STEP_S", 0.2)
    with (
        receivers.receiver(receivers.hangs) as url,
        pytest.raises(MailboxError, match="took more than"),
    ):
        list(mailbox.unread(url.replace("http", "imap").removesuffix("/hook")))


def test_a_mailbox_that_drips_bytes_is_left_at_the_deadline(monkeypatch):
    monkeypatch.setattr(mailbox, "SESSION_S", 0.3)
    with (
        dripping_server("") as url,
        pytest.raises(MailboxError, match=r"took more than 0\.3 seconds"),
    ):
        list(mailbox.unread(url.replace("smtp", "imap").replace("//", "//a:b@")))
