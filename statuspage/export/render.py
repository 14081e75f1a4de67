"""Requests to the application within this process (PEP 3333)."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


@dataclass(frozen=True)
class Response:
    """A response; the names of `headers` are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "application/octet-stream")

    @property
    def is_html(self) -> bool:
        return self.content_type.startswith("text/html")


Fetch: TypeAlias = Callable[[str], Response]


def in_process(app: "WSGIApplication", origin: str) -> Fetch:
    """Fetch addresses (path and query) from `app` as if they were requested at `origin`."""
    parts = urlsplit(origin)
    host = parts.hostname or "localhost"
    port = str(parts.port or (443 if parts.scheme == "https" else 80))

    def fetch(address: str) -> Response:
        path, _, query = address.partition("?")
        started: list[Any] = []
        environ = {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": host,
            "SERVER_PORT": port,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": parts.netloc,
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": parts.scheme,
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }

        def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> Any:
            started[:] = [status, headers]
            return lambda _data: None

        chunks = app(environ, start_response)
        try:
            body = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        status, headers = started
        return Response(int(status[:3]), {name.lower(): value for name, value in headers}, body)

    return fetch
