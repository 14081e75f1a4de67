"""A mail server on a real socket, in good moods and bad ones."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ssl import SSLContext

from aiosmtpd.controller import Controller


class Inbox:
    """A mail server's handler: keeps mails, and answers as its mode says."""

    def __init__(self) -> None:
        self.mails = []
        self.connections = 0
        self.mode = "takes"
        self.thinks_s = 0.0
        self.over = threading.Event()

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.mode == "greylists":
            return "451 4.7.1 Try again later"
        if self.mode == "blocks us":
            return "550 5.7.1 Your network is on a list"
        if self.mode == "is full":
            return "552 5.2.2 Mailbox full"
        if self.mode == "refuses":
            return "550 5.1.1 No such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.mode == "drops":
            server.transport.abort()
            return "421 gone"
        if self.mode == "refuses data":
            return "554 5.6.0 Looks like spam"
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        if self.mode == "thinks":
            await asyncio.sleep(self.thinks_s)
        return "250 taken"


@contextmanager
def mail_server(tls: SSLContext | None = None) -> Iterator[Inbox]:
    """Its handler, which knows the address as `url`. With `tls` it offers STARTTLS."""
    handler = Inbox()
    controller = Controller(
        handler, hostname="127.0.0.1", port=0, ready_timeout=10, tls_context=tls
    )
    controller.port = free_port()
    controller.start()
    handler.url = f"smtp://127.0.0.1:{controller.port}"
    try:
        yield handler
    finally:
        controller.stop()


@contextmanager
def dripping_server(before: str) -> Iterator[str]:
    """The address of a mail server that answers well, but byte by byte from the command `before`.

    An empty `before` is the greeting.
    """
    over = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        connection.settimeout(5)
        with connection, connection.makefile("rb") as lines, suppress(OSError):
            if not before:
                _drip(connection, over)
            connection.sendall(b"220 ready\r\n")
            is_content = False
            for line in lines:
                if is_content and line != b".\r\n":
                    continue
                if line.upper().startswith(before.encode()):
                    _drip(connection, over)
                is_content = line == b"data\r\n"
                connection.sendall(b"354 go on\r\n" if is_content else b"250 ok\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"smtp://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        over.set()
        thread.join()
        listening.close()


def _drip(connection: socket.socket, over: threading.Event) -> None:
    while not over.wait(0.02):
        connection.sendall(b"2")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]
