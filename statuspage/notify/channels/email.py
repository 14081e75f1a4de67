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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.header import Header
from email.headerregistry import (
    Address,
    BaseHeader,
    HeaderRegistry,
    UniqueSingleAddressHeader,
    UniqueUnstructuredHeader,
    UnstructuredHeader,
)
from email.message import EmailMessage
from email.policy import SMTP, Policy, default
from email.utils import format_datetime
from functools import cached_property
from ipaddress import ip_address
from operator import attrgetter
from urllib.parse import unquote, urlsplit

from statuspage.config import Settings
from statuspage.lib import email_address
from statuspage.lib.deadline import Deadline
from statuspage.notify import email_message
from statuspage.notify.bounces import reports
from statuspage.notify.channels.base import ChannelSender, ChannelType, Failed
from statuspage.notify.channels.dkim import Sign, signer
from statuspage.notify.message import Message, Recipient

KEPT_S = 20.0
"""A connection that is older is not used again: servers close idle ones."""
KEPT_MAILS = 100


@dataclass(frozen=True)
class TimeLimits:
    """How long the server may take, however it spreads its bytes over that time."""

    connect_s: float = 30.0
    """To connect, secure the connection and sign in."""
    transfer_s: float = 60.0
    """To take one message: sender, recipient and content."""
    accept_s: float = 600.0
    """To say that it has the message (RFC 5321 §4.5.3.2.6). Whoever hangs up earlier and sends the
    message again delivers it twice."""


class _InOneLine(UnstructuredHeader, BaseHeader):
    """An address in `<>`, as long as it is.

    The library writes what is longer than a line as encoded words, which RFC 2047 does not
    allow there: no mail program would find the link to leave.
    """

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


class _Subject(UniqueUnstructuredHeader):
    """Folded with all its blanks: the library loses some between encoded words (cpython #92081)."""

    def fold(self, *, policy: Policy) -> str:
        return _folded("Subject", str(self), policy.linesep)


class _From(UniqueSingleAddressHeader):
    """The name with all its blanks, the address behind it."""

    def fold(self, *, policy: Policy) -> str:
        name = self.address.display_name
        if name.isascii():
            return f"From: {self}{policy.linesep}"
        return f"{_folded('From', name, policy.linesep)} <{self.address.addr_spec}>{policy.linesep}"


def _folded(name: str, text: str, linesep: str) -> str:
    """A header's line, or lines. Words beyond ASCII are one run of encoded words (RFC 2047)."""
    charset = "us-ascii" if text.isascii() else "utf-8"
    header = Header(text, charset, maxlinelen=76, header_name=name)
    return f"{name}: {header.encode(splitchars=' ', linesep=linesep)}{linesep}"


_HEADERS = HeaderRegistry()
for _name in ("References", "List-Id", "List-Unsubscribe"):
    _HEADERS.map_to_type(_name, _InOneLine)
_HEADERS.map_to_type("Subject", _Subject)  # type: ignore[arg-type]
_HEADERS.map_to_type("From", _From)  # type: ignore[arg-type]
POLICY = default.clone(header_factory=_HEADERS)


def sender(settings: Settings) -> ChannelSender:
    post = Post(settings)
    host = settings.origin.domain

    def send(message: Message, to: Recipient) -> None:
        mail = compose(message, to, sender=settings.mail_from, host=host)
        post.send(mail, to.key, email_address.deliverable(to.address))

    return ChannelSender(send, slots=4, close=post.close)


class Post:
    """Signs mails and hands them to the server of the settings, which must name one."""

    def __init__(self, settings: Settings) -> None:
        assert settings.smtp_url is not None
        self._settings = settings
        self._server = Server(settings.smtp_url)

    def send(self, mail: EmailMessage, key: str, address: str) -> None:
        """Hand one mail over; `key` says in the envelope which one. Raises `Failed`."""
        comes_back_to = self._settings.bounce_address or self._settings.mail_from
        signed = self._sign(mail.as_bytes(policy=SMTP))
        self._server.send(signed, comes_back_to.replace("{key}", key), address)

    def close(self) -> None:
        """Hang up."""
        self._server.close()

    @cached_property
    def _sign(self) -> Sign:
        # Asked for by the first mail: a web process, which sends none, loads nothing for it.
        return signer(self._settings)


def compose(message: Message, to: Recipient, *, sender: str, host: str) -> EmailMessage:
    """The mail with all its headers."""
    written = email_message.render(message, to)
    mail = EmailMessage(POLICY)
    mail["From"] = Address(message.page.name, addr_spec=sender)
    mail["To"] = email_address.to_header(to.address)
    mail["Subject"] = written.subject
    mail["Date"] = format_datetime(message.at)
    mail["Message-ID"] = f"<{to.key}@{host}>"
    if message.incident is not None:
        # A thread needs a common ancestor; it need not have been sent.
        mail["References"] = f"<{message.incident.id}@{host}>"
    mail["List-Id"] = f"<{message.page.id}.{host}>"
    mail["List-Unsubscribe"] = f"<{to.unsubscribe_url}>"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    # Not 8bit: a server on the way that rewrites it would break the signature.
    mail.set_content(written.text, cte="quoted-printable")
    mail.add_alternative(written.html, subtype="html", cte="quoted-printable")
    return mail


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


class _Client(smtplib.SMTP):
    """Known to its deadline before it connects, so that a slow greeting is cut off too."""

    def __init__(self, host: str, port: int, deadline: Deadline, seconds: float) -> None:
        deadline.client = self
        super().__init__(host, port, timeout=seconds)


class _TlsClient(smtplib.SMTP_SSL):
    def __init__(self, host: str, port: int, deadline: Deadline, seconds: float) -> None:
        deadline.client = self
        super().__init__(host, port, timeout=seconds, context=ssl.create_default_context())


class Server:
    """A mail server by its address. Connections are kept for the next mail, for a while."""

    def __init__(self, url: str, limits: TimeLimits | None = None) -> None:
        self._parts = urlsplit(url)
        self._limits = limits or TimeLimits()
        self._idle: list[Connection] = []
        self._lock = threading.Lock()

    def send(self, mail: bytes, sender: str, recipient: str) -> None:
        """Hand one message over. Raises `Failed`: final where the server says 5xx of it."""
        connection = None
        try:
            connection = self._take()
            self._transfer(connection.smtp, mail, sender, recipient)
            connection.sent += 1
            self._give_back(connection)
        except smtplib.SMTPRecipientsRefused as refused:
            assert connection is not None
            code, reply = next(iter(refused.recipients.values()))
            self._give_back(connection)
            raise _failed("The address was rejected", code, reply) from None
        except (smtplib.SMTPException, OSError) as error:
            if connection is not None:
                connection.close()
            if isinstance(error, smtplib.SMTPDataError):
                raise _failed(
                    "The e-mail was rejected", error.smtp_code, error.smtp_error
                ) from None
            if isinstance(error, smtplib.SMTPResponseException):
                raise Failed(f"The mail server answered {error.smtp_code}.") from None
            words = _reason(error)
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
            return _reason(error)
        return None

    def _transfer(self, smtp: smtplib.SMTP, mail: bytes, sender: str, recipient: str) -> None:
        """One mail transaction. Like `smtplib.SMTP.sendmail`, with a limit for each part of it."""
        with _limit(self._limits.transfer_s, smtp):
            smtp.ehlo_or_helo_if_needed()
            size = [f"size={len(mail)}"] if smtp.has_extn("size") else []
            code, reply = smtp.mail(sender, size)
            if code != 250:
                raise smtplib.SMTPSenderRefused(code, reply, sender)
            code, reply = smtp.rcpt(recipient)
            if code not in (250, 251):
                with suppress(smtplib.SMTPServerDisconnected):
                    smtp.rset()
                raise smtplib.SMTPRecipientsRefused({recipient: (code, reply)})
            code, reply = smtp.docmd("data")
            if code != 354:
                raise smtplib.SMTPDataError(code, reply)
            smtp.send(_LINE_WITH_DOT.sub(b"..", mail) + b".\r\n")
        with _limit(self._limits.accept_s, smtp):
            code, reply = smtp.getreply()
        if code != 250:
            raise smtplib.SMTPDataError(code, reply)

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> Connection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return Connection(self._connect(), time.monotonic())
            if not connection.is_worn:
                return connection
            connection.close()

    def _give_back(self, connection: Connection) -> None:
        connection.used_at = time.monotonic()
        with self._lock:
            self._idle.append(connection)

    def _connect(self) -> smtplib.SMTP:
        host = self._parts.hostname or "localhost"
        is_tls = self._parts.scheme == "smtps"
        port = self._parts.port or (465 if is_tls else 587)
        seconds = self._limits.connect_s
        client = _TlsClient if is_tls else _Client
        server: smtplib.SMTP | None = None
        try:
            with _limit(seconds) as deadline:
                server = client(host, port, deadline, seconds)
                server.ehlo()
                # A relay on this machine often signed its certificate itself, and nobody can listen
                # on the way. A password is never sent without TLS that was offered.
                is_local = _is_loopback(host) and not self._parts.username
                if not is_tls and not is_local and server.has_extn("starttls"):
                    server.starttls(context=ssl.create_default_context())
                    server.ehlo()
                if self._parts.username:
                    password = unquote(self._parts.password or "")
                    server.login(unquote(self._parts.username), password)
        except BaseException:
            if server is not None:
                server.close()
            raise
        return server


_LINE_WITH_DOT = re.compile(rb"^\.", re.MULTILINE)
"""Such a line gets another dot, since a dot alone ends the content (RFC 5321 §4.5.2)."""


@contextmanager
def _limit(seconds: float, smtp: smtplib.SMTP | None = None) -> Iterator[Deadline]:
    """Raises `TimeoutError` whatever the client makes of the end of its time."""
    with Deadline(seconds) as deadline:
        if smtp is not None and smtp.sock is not None:
            deadline.client = smtp
            smtp.sock.settimeout(seconds)
        try:
            yield deadline
        except (smtplib.SMTPException, OSError) as error:
            if not deadline.is_over and "timed out" not in str(error):
                raise
            deadline.is_over = True
    if deadline.is_over:  # Also without an error: half a line can look like a whole reply.
        raise TimeoutError(f"it took more than {seconds:g} seconds")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _failed(words: str, code: int, reply: bytes | str) -> Failed:
    """5xx is for good, 4xx never is (RFC 5321 §4.2.1).

    But a full mailbox (5.2.2) may be emptied. And a server that blocks us (5.7.x) refuses
    everybody: that must not empty a list of subscribers.
    """
    status = reports.status_in(
        reply.decode("ascii", "replace") if isinstance(reply, bytes) else reply
    )
    return Failed(
        f"{words}: {code} {status}".rstrip() + ".",
        is_final=500 <= code < 600 and status != "5.2.2",
        is_ours=bool(_ABOUT_US.match(status)),
    )


_ABOUT_US = re.compile(r"5\.(1\.[78]$|[3567]\.)")
"""RFC 3463: the sender's address, the system, the conversation, the content, the policy."""


def _reason(error: Exception) -> str:
    match error:
        case TimeoutError():
            return str(error)
        case smtplib.SMTPServerDisconnected():
            return "it closed the connection"
        case ssl.SSLError():
            return "no secure connection was possible"
        case ConnectionRefusedError():
            return "nothing listens there"
        case OSError():
            return "it cannot be reached"
        case _:
            return type(error).__name__


CHANNEL = ChannelType(sender, is_set_up=attrgetter("smtp_url"), fields=("email",))
