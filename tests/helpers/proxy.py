"""A web process of the test's own, a proxy in front of it, and clients for both."""

import asyncio
import socket
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
import uvloop
from flask import Flask, request
from werkzeug.serving import make_server

from statuspage.cli import processes
from statuspage.config import Settings
from statuspage.observability.metrics import PAGE_CHECKS
from statuspage.proxy.server import Proxy
from statuspage.serving import middleware
from statuspage.serving.cache import ResponseCache
from statuspage.serving.middleware import PublishedMiddleware
from statuspage.serving.response import Rendering


def cached(**lifetimes: float) -> pytest.MarkDecorator:
    """Let the proxy of a test cache responses with these `Lifetimes`."""
    return pytest.mark.parametrize("lifetimes", [lifetimes], ids=[""])


cached_for_long = cached(check_after_s=60, valid_s=60)
"""A cached response is served without a check, however slow this machine is."""
always_checked = cached(check_after_s=0, valid_s=0)
soon_old = cached(old_after_s=0, retry_after_s=0.05)

WORDS = "All systems operational. " * 200


class WebProcess:
    """A web process of the test's own: a few addresses behind the real middleware."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "web.sock"
        self.text = WORDS
        self.asked: list[str] = []
        self.hold = threading.Event()
        self.hold.set()
        self.flask = Flask("web_process")
        published = ResponseCache(self._revision, watch=False)
        self.flask.extensions["published"] = published
        self.flask.add_url_rule("/", view_func=self._home)
        self.flask.add_url_rule("/gone", view_func=self._gone)
        self.flask.add_url_rule("/admin", view_func=self._admin, methods=["GET", "POST", "PUT"])
        self.flask.add_url_rule("/open", view_func=lambda: ("Anybody.", {"ETag": '"1"'}))
        self.flask.add_url_rule("/slow", view_func=self._slow)
        self.flask.add_url_rule("/healthz", "healthz", lambda: "The process answers.")
        self.flask.add_url_rule("/stream", view_func=self._stream)
        self.flask.add_url_rule("/big", view_func=self._big)
        self.flask.add_url_rule("/broken", view_func=self._broken)
        # As behind a real proxy, which alone counts clients.
        self.flask.extensions["page_counter"] = PAGE_CHECKS
        inner = PublishedMiddleware(self.flask.wsgi_app, published, PAGE_CHECKS)

        def app(environ, start_response):
            self.asked.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
            return inner(environ, start_response)

        self.app = app
        self.start()

    def start(self) -> None:
        self._server = make_server(f"unix://{self.socket}", 0, self.app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self.hold.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.socket.unlink(missing_ok=True)

    def _revision(self) -> int:
        return hash(self.text)

    def _home(self):
        def render() -> Rendering:
            html = f"<!doctype html><!--as-of--><p>{self.text}</p>"
            return Rendering(
                200,
                "text/html; charset=utf-8",
                html.encode(),
                shown_as="text/plain",
                headers=(("Vary", "Accept-Encoding, Sec-Fetch-Dest"),),
            )

        return middleware.publish("/", render)

    def _gone(self):
        return middleware.publish("/gone", lambda: Rendering(410, "text/html", b"Withdrawn."))

    def _admin(self):
        told = dict(request.headers.items())
        told |= {"method": request.method, "body": len(request.get_data())}
        return told, 200, {"Cache-Control": "no-store", "Set-Cookie": "statuspage=1"}

    def _slow(self):
        assert self.hold.wait(20)
        return "At last."

    def _stream(self):
        return self.flask.response_class(iter(["one ", "two ", "three"]), mimetype="text/plain")

    def _big(self):
        return self.flask.response_class(
            (b"x" * 100_000 for _ in range(50)), headers={"Content-Length": "5000000"}
        )

    def _broken(self):
        return self.flask.response_class(iter([b"half"]), headers={"Content-Length": "1000"})


class Running:
    """A proxy in a thread, with its event loop."""

    def __init__(self, path: Path, **lifetimes: float) -> None:
        self.loop = uvloop.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        config = processes.proxy_config(Settings(secret_key="x" * 16), path)
        self.server = Proxy(replace(config, lifetimes=replace(config.lifetimes, **lifetimes)))
        self.port = self.do(self.server.open("127.0.0.1", 0))

    def do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=20)

    def stop(self) -> None:
        self.do(self.server.close())
        self.do(self._settle())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _settle(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str):
        """Status, headers by lower-case name, body."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body=body, headers=names)
            return read(connection.getresponse())

    def say(self, words: bytes) -> bytes:
        """All that comes until the proxy closes the connection."""
        with self.connect() as connection:
            connection.sendall(words)
            return rest(connection)


def read(answer: HTTPResponse):
    return (
        answer.status,
        {name.lower(): value for name, value in answer.getheaders()},
        answer.read(),
    )


def rest(connection: socket.socket) -> bytes:
    said = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            said += piece
    return said


def until(is_so) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
