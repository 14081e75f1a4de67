"""The mailbox where mail comes back: read by IMAP, each mail once."""

import imaplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import unquote, urlsplit

STEP_S = 10.0
"""How long the server may take for one answer."""
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
    with _in_words(), _open(url) as server:
        for uid in _uids(server):
            yield _fetched(server, uid)
            server.uid("STORE", uid, "+FLAGS.SILENT", r"(\Seen)")


@contextmanager
def _open(url: str) -> Iterator[imaplib.IMAP4]:
    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    if parts.scheme == "imaps":
        context = ssl.create_default_context()
        server: imaplib.IMAP4 = imaplib.IMAP4_SSL(
            host, parts.port or 993, ssl_context=context, timeout=STEP_S
        )
    else:
        server = imaplib.IMAP4(host, parts.port or 143, timeout=STEP_S)
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
    _, found = server.uid("SEARCH", "UNSEEN")
    listed = found[0] if found and found[0] else b""
    return listed.decode().split()[:AT_ONCE]


def _fetched(server: imaplib.IMAP4, uid: str) -> bytes:
    # PEEK: reading alone does not mark it as read.
    _, found = server.uid("FETCH", uid, f"(BODY.PEEK[]<0.{MAX_BYTES}>)")
    return next((piece[1] for piece in found if isinstance(piece, tuple)), b"")


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except ssl.SSLError:
        raise MailboxError("No secure connection to the mailbox is possible.") from None
    except TimeoutError:
        raise MailboxError(f"The mailbox took more than {STEP_S:.0f} seconds.") from None
    except OSError as error:
        raise MailboxError(f"The mailbox cannot be reached: {error.strerror}.") from None
    except imaplib.IMAP4.error as error:
        # The server's own words; they repeat no password.
        raise MailboxError(f"The mailbox refused: {str(error)[:200]}") from None
