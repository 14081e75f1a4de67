"""Receivers as they are met outside: good ones, and ones that hang, dribble, cut or lie."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Behaviour = Callable[[socket.socket, threading.Event], None]


@contextmanager
def receiver(behave: Behaviour) -> Iterator[str]:
    """The address of a server on a real socket; each connection is read, then treated so.

    A behaviour that waits does it on the event, which is set at the end.
    """
    over = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))
    threads = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            behave(connection, over)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
                threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/hook"
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join()
        for thread in threads:
            thread.join()


def answers(status: int, *lines: str, body: bytes = b"") -> Behaviour:
    def behave(connection: socket.socket, _over: threading.Event) -> None:
        head = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *lines, "", ""]
        connection.sendall("\r\n".join(head).encode() + body)

    return behave


def hangs(_connection: socket.socket, over: threading.Event) -> None:
    over.wait()


def cuts(_connection: socket.socket, _over: threading.Event) -> None:
    """Closes without a word."""


def lies(connection: socket.socket, _over: threading.Event) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def dribbles_its_head(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while not over.wait(0.05):
        connection.sendall(b"x")


def dribbles_its_body(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n")
    while not over.wait(0.05):
        connection.sendall(b"x")


def never_ends(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    while not over.is_set():
        connection.sendall(piece)
