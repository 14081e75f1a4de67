"""E-mail: one connection for many messages, threads by incident, one click to leave.

Headers: RFC 5322 (Message-ID, References), RFC 8058 (List-Unsubscribe-Post), RFC 3834
(Auto-Submitted). Both the Message-ID and the envelope's sender carry the delivery's key,
by which `bounces` knows what came back.
"""

import re
import smtplib
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy, default
from email.utils import format_datetime
from functools import cached_property
from urllib.parse import unquote, urlsplit

from statuspage.config import Settings
from statuspage.notify import email_message
from statuspage.notify.bounces import reports
from statuspage.notify.channels.base import ChannelSender, Failed
from statuspage.notify.channels.dkim import Sign, signer
from statuspage.notify.message import Message, Recipient

STEP_S = 8.0
"""How long a server may take for one step of the conversation."""
KEPT_S = 20.0
"""A connection that is older is not used again: servers close idle ones."""
KEPT_MAILS = 100


class _InOneLine(UnstructuredHeader, BaseHeader):
    """An address in `<>`, as long as it is.

    The library writes what is longer than a line as encoded words, which RFC 2047 does not
    allow there: no mail program would find the link to leave.
    """

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


_HEADERS = HeaderRegistry()
for _name in ("References", "List-Id", "List-Unsubscribe"):
    _HEADERS.map_to_type(_name, _InOneLine)
POLICY = default.clone(header_factory=_HEADERS)


def channel_sender(settings: Settings, *, slots: int) -> ChannelSender:
    post = Post(settings)
    host = urlsplit(settings.base_url).hostname or "localhost"

    def send(news: Message, to: Recipient) -> None:
        message = compose(news, to, sender=settings.mail_from, host=host)
        post.send(message, to.key, to.address)

    return ChannelSender(send, slots, post.close)


class Post:
    """Signs mails and hands them to the server of the settings, which must name one."""

    def __init__(self, settings: Settings) -> None:
        assert settings.smtp_url is not None
        self._settings = settings
        self._server = Server(settings.smtp_url)

    def send(self, message: EmailMessage, key: str, address: str) -> None:
        """Hand one mail over; `key` says in the envelope which one. Raises `Failed`."""
        comes_back_to = self._settings.bounce_address or self._settings.mail_from
        signed = self._sign(message.as_bytes(policy=SMTP))
        self._server.send(signed, comes_back_to.replace("{key}", key), address)

    def close(self) -> None:
        """Hang up."""
        self._server.close()

    @cached_property
    def _sign(self) -> Sign:
        # Asked for by the first mail: a web process, which sends none, loads nothing for it.
        return signer(self._settings)


def compose(news: Message, to: Recipient, *, sender: str, host: str) -> EmailMessage:
    """The mail with all its headers."""
    written = email_message.render(news, to)
    message = EmailMessage(POLICY)
    message["From"] = Address(news.page.name, addr_spec=sender)
    message["To"] = Address(addr_spec=to.address)
    message["Subject"] = written.subject
    message["Date"] = format_datetime(news.at)
    message["Message-ID"] = f"<{to.key}@{host}>"
    if news.incident is not None:
        # A thread needs a common ancestor; it need not have been sent.
        message["References"] = f"<{news.incident.id}@{host}>"
    message["List-Id"] = f"<{news.page.id}.{host}>"
    message["List-Unsubscribe"] = f"<{to.unsubscribe_url}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    # Not 8bit: a server on the way that rewrites it would break the signature.
    message.set_content(written.text, cte="quoted-printable")
    message.add_alternative(written.html, subtype="html", cte="quoted-printable")
    return message


@dataclass
class Connection:
    """An open conversation with the server, and what it was used for."""

    smtp: smtplib.SMTP
    used_at: float
    sent: int = 0

    @property
    def is_worn(self) -> bool:
        return self.sent >= KEPT_MAILS or time.monotonic() - self.used_at > KEPT_S

    def close(self) -> None:
        with suppress(smtplib.SMTPException, OSError):
            self.smtp.close()


class Server:
    """A mail server by its address. Connections are kept for the next mail, for a while."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._idle: list[Connection] = []
        self._lock = threading.Lock()

    def send(self, message: bytes, sender: str, recipient: str) -> None:
        """Hand one message over. Raises `Failed`: final where the server says 5xx of it."""
        connection = None
        try:
            connection = self._take()
            connection.smtp.sendmail(sender, [recipient], message)
            connection.sent += 1
            self._give_back(connection)
        except smtplib.SMTPRecipientsRefused as refused:
            assert connection is not None
            code, said = next(iter(refused.recipients.values()))
            self._give_back(connection)
            raise _failed("The address was rejected", code, said) from None
        except (smtplib.SMTPException, OSError) as error:
            if connection is not None:
                connection.close()
            if isinstance(error, smtplib.SMTPDataError):
                raise _failed(
                    "The e-mail was rejected", error.smtp_code, error.smtp_error
                ) from None
            if isinstance(error, smtplib.SMTPResponseException):
                raise Failed(f"The mail server answered {error.smtp_code}.") from None
            words = _in_words(error)
            raise Failed(f"The mail server could not be used: {words}.") from None

    def try_out(self) -> str | None:
        """Connect, secure the connection and sign in; in words what failed, None when nothing."""
        try:
            Connection(self._connect(), time.monotonic()).close()
        except smtplib.SMTPAuthenticationError:
            return "it rejects the user name or the password"
        except smtplib.SMTPResponseException as error:
            return f"it answers {error.smtp_code}"
        except (smtplib.SMTPException, OSError) as error:
            return _in_words(error)
        return None

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> Connection:
        while True:
            with self._lock:
                kept = self._idle.pop() if self._idle else None
            if kept is None:
                return Connection(self._connect(), time.monotonic())
            if not kept.is_worn:
                return kept
            kept.close()

    def _give_back(self, connection: Connection) -> None:
        connection.used_at = time.monotonic()
        with self._lock:
            self._idle.append(connection)

    def _connect(self) -> smtplib.SMTP:
        host = self._parts.hostname or "localhost"
        is_tls = self._parts.scheme == "smtps"
        port = self._parts.port or (465 if is_tls else 587)
        if is_tls:
            context = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=STEP_S, context=context)
        else:
            server = smtplib.SMTP(host, port, timeout=STEP_S)
        try:
            server.ehlo()
            if not is_tls and server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
                server.ehlo()
            if self._parts.username:
                password = unquote(self._parts.password or "")
                server.login(unquote(self._parts.username), password)
        except BaseException:
            server.close()
            raise
        return server


def _failed(words: str, code: int, said: bytes | str) -> Failed:
    """5xx is for good, 4xx never is (RFC 5321 §4.2.1).

    But a full mailbox (5.2.2) may be emptied. And a server that blocks us (5.7.x) refuses
    everybody: that must not empty a list of subscribers.
    """
    status = reports.status_in(said.decode("ascii", "replace") if isinstance(said, bytes) else said)
    return Failed(
        f"{words}: {code} {status}".rstrip() + ".",
        is_final=500 <= code < 600 and status != "5.2.2",
        is_ours=bool(_ABOUT_US.match(status)),
    )


_ABOUT_US = re.compile(r"5\.(1\.[78]$|[3567]\.)")
"""RFC 3463: the sender's address, the system, the conversation, the content, the policy."""


def _in_words(error: Exception) -> str:
    match error:
        case smtplib.SMTPServerDisconnected() if "timed out" not in str(error):
            return "it closed the connection"
        case TimeoutError() | smtplib.SMTPServerDisconnected():
            return f"it took more than {STEP_S:.0f} seconds"
        case ssl.SSLError():
            return "no secure connection was possible"
        case ConnectionRefusedError():
            return "nothing listens there"
        case OSError():
            return "it cannot be reached"
        case _:
            return type(error).__name__
