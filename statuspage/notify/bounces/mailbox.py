"""The mailbox where mail comes back: read by IMAP, each mail once."""

import imaplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import unquote, urlsplit

from statuspage.lib.deadline import Deadline

STEP_S = 10.0
"""How long the server may be silent."""
SESSION_S = 300.0
"""How long reading may take in all, however the server spreads its bytes over that time."""
AT_ONCE = 200
MAX_BYTES = 256 * 1024
"""Of a mail: a report begins with what counts, and may end with the mail that came back."""


class MailboxError(Exception):
    """The mailbox cannot be read now; one sentence without a password."""


def unread(url: str) -> Iterator[bytes]:
    """The next unread mails, the oldest first, at most `AT_ONCE`.

    Each is marked as read when the next one is asked for: what the caller could not
    finish comes again. Raises `MailboxError`.
    """
    with (
        Deadline(SESSION_S) as deadline,
        _readable_errors(deadline),
        _open(url, deadline) as server,
    ):
        for uid in _uids(server):
            yield _fetched(server, uid)
            server.uid("STORE", uid, "+FLAGS.SILENT", r"(\Seen)")


class _Client(imaplib.IMAP4):
    """Known to its deadline before it connects, so that a slow greeting is cut off too."""

    def __init__(self, host: str, port: int, deadline: Deadline) -> None:
        deadline.client = self
        super().__init__(host, port, timeout=STEP_S)


class _TlsClient(imaplib.IMAP4_SSL):
    def __init__(self, host: str, port: int, deadline: Deadline) -> None:
        deadline.client = self
        context = ssl.create_default_context()
        super().__init__(host, port, ssl_context=context, timeout=STEP_S)


@contextmanager
def _open(url: str, deadline: Deadline) -> Iterator[imaplib.IMAP4]:
    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    if parts.scheme == "imaps":
        server: imaplib.IMAP4 = _TlsClient(host, parts.port or 993, deadline)
    else:
        server = _Client(host, parts.port or 143, deadline)
    try:
        if parts.scheme == "imap" and "STARTTLS" in server.capabilities:
            server.starttls(ssl.create_default_context())
        server.login(unquote(parts.username or ""), unquote(parts.password or ""))
        folder = unquote(parts.path.removeprefix("/")) or "INBOX"
        quoted = folder.replace("\\", "\\\\").replace('"', '\\"')
        answer, _ = server.select(f'"{quoted}"')
        if answer != "OK":
            raise MailboxError("The mailbox has no such folder.")
        yield server
    finally:
        with suppress(imaplib.IMAP4.error, OSError):
            server.logout()


def _uids(server: imaplib.IMAP4) -> list[str]:
    _, data = server.uid("SEARCH", "UNSEEN")
    listed = data[0] if data and data[0] else b""
    return listed.decode().split()[:AT_ONCE]


def _fetched(server: imaplib.IMAP4, uid: str) -> bytes:
    # PEEK: reading alone does not mark it as read.
    _, data = server.uid("FETCH", uid, f"(BODY.PEEK[]<0.{MAX_BYTES}>)")
    return next((piece[1] for piece in data if isinstance(piece, tuple)), b"")


@contextmanager
def _readable_errors(deadline: Deadline) -> Iterator[None]:
    try:
        yield
    except (imaplib.IMAP4.error, OSError) as error:
        if deadline.is_over:
            raise MailboxError(f"The mailbox took more than {SESSION_S:g} seconds.") from None
        raise MailboxError(_sentence(error)) from None


def _sentence(error: Exception) -> str:
    match error:
        case ssl.SSLError():
            return "No secure connection to the mailbox is possible."
        case TimeoutError():
            return f"The mailbox took more than {STEP_S:g} seconds."
        case OSError():
            return f"The mailbox cannot be reached: {error.strerror}."
    # The server's own words; they repeat no password.
    return f"The mailbox refused: {str(error)[:200]}"
