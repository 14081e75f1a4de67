"""The servers that are compared: ours, started as `make run` starts it, and nginx."""

import gzip
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

PROJECT = Path(__file__).resolve().parent.parent
START_S = 60

Answered = tuple[Mapping[str, str], bytes]
"""Headers and body."""

NGINX = """
{user}
worker_processes {workers};
daemon off;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 10000000;
    gzip_static on;
    gzip_vary on;
    types {{ text/html html; application/atom+xml atom; application/json json; }}
    client_body_temp_path {folder}/client;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {bare} backlog=1024;
        root {folder}/files;
        index page.html;
        open_file_cache max=100;
        open_file_cache_valid 60s;
    }}
    server {{
        listen {guarded_at} backlog=1024;
        root {folder}/files;
        open_file_cache max=100;
        open_file_cache_valid 60s;
{guarded}
    }}
{ours}
}}
"""

OF_NGINX = frozenset(
    {
        "accept-ranges",
        "connection",
        "content-length",
        "content-type",
        "date",
        "etag",
        "last-modified",
        "server",
        "vary",
    }
)
"""Headers that it sends by itself."""


class Nginx(NamedTuple):
    """Addresses of one nginx: bare files, the same with the headers that guard ours, the cache
    of the documentation before the group, and the files that we publish for it."""

    bare: str
    guarded: str
    cached: str
    published: str


@contextmanager
def product(environment: Mapping[str, str]) -> Iterator[str]:
    """The whole group, as `make run` starts it; gives its address."""
    port = free_port()
    # Compiled once, as the Makefile, the image and the installation by hand do.
    compiled = {"PYTHONDONTWRITEBYTECODE": ""}
    own = {"HOST": "127.0.0.1", "PORT": str(port)}
    names = {**os.environ, **compiled, **environment, **own}
    command = [sys.executable, "-m", "statuspage"]
    with _running(command, f"http://127.0.0.1:{port}", cwd=PROJECT, env=names) as url:
        yield url


def published_files(folder: Path) -> Path:
    """What `flask mirror --published` writes of the page."""
    command = [sys.executable, "-m", "flask", "mirror", "--published", str(folder)]
    subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    return folder


@contextmanager
def nginx(
    folder: Path,
    answers: Mapping[str, Answered],
    ours: str,
    published: Path,
    addresses: Mapping[str, str],
    workers: int,
) -> Iterator[Nginx]:
    """nginx with the bodies of `answers` as files of these names, each with its gzip form beside
    it, before the group at `ours` and the folder `published`. `addresses` has the name of each.

    `as_published(name)` is the file with the bytes that the published one has."""
    root = folder / "files"
    root.mkdir(parents=True)
    for name, (_, body) in answers.items():
        (root / name).write_bytes(body)
        (root / f"{name}.gz").write_bytes(gzip.compress(body, 9, mtime=0))
    ports = Nginx(*(f"127.0.0.1:{free_port()}" for _ in Nginx._fields))
    settings = folder / "nginx.conf"
    settings.write_text(
        NGINX.format(
            folder=folder,
            bare=ports.bare,
            guarded_at=ports.guarded,
            workers=workers,
            # As root, nginx would read the folder as somebody who may not.
            user="user root;" if os.geteuid() == 0 else "",
            guarded="".join(_guarded(name, headers) for name, (headers, _) in answers.items()),
            ours=_documented_cache(folder, ports.cached, ours)
            + _published_files(published, ports.published, ours),
        )
    )
    command = ["nginx", "-c", str(settings), "-p", str(folder), "-e", "stderr"]
    urls = Nginx(*(f"http://{place}" for place in ports))
    with _running(command, urls.bare, cwd=folder, env=dict(os.environ)):
        for address, name in addresses.items():
            for ending, coding in (("", "identity"), (".gz", "gzip")):
                _, body = fetch(urls.published + address, {"Accept-Encoding": coding})
                (root / f"{as_published(name)}{ending}").write_bytes(body)
        yield urls


def as_published(name: str) -> str:
    return f"published-{name}"


def _guarded(name: str, headers: Mapping[str, str]) -> str:
    lines = "".join(
        f'            add_header {field} "{value}";\n'
        for field, value in headers.items()
        if field.lower() not in OF_NGINX
    )
    return f"        location = /{name} {{\n{lines}        }}\n"


def _published_files(folder: Path, place: str, ours: str) -> str:
    """The configuration that we ship for published files, in the same nginx."""
    text = (PROJECT / "deploy" / "nginx" / "published.conf").read_text()
    return (
        text.replace("/srv/status", str(folder))
        .replace("upstream statuspage ", "upstream origin_of_files ")
        .replace("http://statuspage;", "http://origin_of_files;")
        .replace("127.0.0.1:8000", ours.removeprefix("http://"))
        .replace("listen 80;", f"listen {place};")
    )


def _documented_cache(folder: Path, place: str, ours: str) -> str:
    """The example of the documentation, with places and ports of this run."""
    text = (PROJECT / "docs" / "serving.md").read_text()
    example = re.search(r"^```nginx\n(.*?)^```", text, re.M | re.S)
    assert example is not None
    return (
        example[1]
        .replace("/var/cache/nginx/status", f"{folder}/cache")
        .replace("127.0.0.1:8000", ours.removeprefix("http://"))
        .replace("listen 80;", f"listen {place};")
    )


def fetch(url: str, headers: Mapping[str, str] | None = None) -> Answered:
    """Headers and body as they are on the wire. Raises `OSError` when nobody answers well."""
    request = urllib.request.Request(url, headers=dict(headers or {}))
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers, answer.read()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(process: "subprocess.Popen[Any]", url: str) -> None:
    """Return once it answers at `url`. Raises `RuntimeError` where it does not."""
    deadline = time.monotonic() + START_S
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"This did not start: {process.args!r}")
        time.sleep(0.05)


@contextmanager
def _running(command: list[str], url: str, *, cwd: Path, env: dict[str, str]) -> Iterator[str]:
    process = subprocess.Popen(command, cwd=cwd, env=env)
    try:
        wait_for(process, url)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        fetch(f"{url}/")
    except urllib.error.HTTPError:
        return True  # It listens; what it says is judged later.
    except OSError:
        return False
    return True
