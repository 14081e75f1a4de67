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
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
START_S = 60

NGINX = """
{user}
worker_processes 2;
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
        listen 127.0.0.1:{port} backlog=1024;
        root {folder}/files;
        index page.html;
        open_file_cache max=100;
        open_file_cache_valid 60s;
    }}
{cache}
}}
"""


@contextmanager
def product(environment: Mapping[str, str]) -> Iterator[str]:
    """The whole group, as `make run` starts it; gives its address."""
    port = free_port()
    names = {**os.environ, **environment, "HOST": "127.0.0.1", "PORT": str(port)}
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
    folder: Path, files: Mapping[str, bytes], ours: str, published: Path
) -> Iterator[tuple[str, str, str]]:
    """nginx with two workers: its address with `files`, each with its gzip form beside it,
    its address with the cache of the documentation before `ours`, and the one with the files
    that we publish for it."""
    root = folder / "files"
    root.mkdir(parents=True)
    for name, body in files.items():
        (root / name).write_bytes(body)
        (root / f"{name}.gz").write_bytes(gzip.compress(body, 9, mtime=0))
    port, cached_port, published_port = free_port(), free_port(), free_port()
    # As root, nginx would read the folder as somebody who may not.
    user = "user root;" if os.geteuid() == 0 else ""
    settings = folder / "nginx.conf"
    cache = _documented_cache(folder, cached_port, ours)
    cache += _published_files(published, published_port, ours)
    settings.write_text(NGINX.format(folder=folder, port=port, user=user, cache=cache))
    command = ["nginx", "-c", str(settings), "-p", str(folder), "-e", "stderr"]
    with _running(command, f"http://127.0.0.1:{port}", cwd=folder, env=dict(os.environ)) as url:
        yield url, f"http://127.0.0.1:{cached_port}", f"http://127.0.0.1:{published_port}"


def _published_files(folder: Path, port: int, ours: str) -> str:
    """The configuration that we ship for published files, in the same nginx."""
    text = (PROJECT / "deploy" / "nginx" / "published.conf").read_text()
    return (
        text.replace("/srv/status", str(folder))
        .replace("upstream statuspage ", "upstream origin_of_files ")
        .replace("http://statuspage;", "http://origin_of_files;")
        .replace("127.0.0.1:8000", ours.removeprefix("http://"))
        .replace("listen 80;", f"listen 127.0.0.1:{port};")
    )


def _documented_cache(folder: Path, port: int, ours: str) -> str:
    """The example of the documentation, with places and ports of this run."""
    text = (PROJECT / "docs" / "serving.md").read_text()
    example = re.search(r"^```nginx\n(.*?)^```", text, re.M | re.S)
    assert example is not None
    return (
        example[1]
        .replace("/var/cache/nginx/status", f"{folder}/cache")
        .replace("127.0.0.1:8000", ours.removeprefix("http://"))
        .replace("listen 80;", f"listen 127.0.0.1:{port};")
    )


def fetch(url: str, headers: Mapping[str, str] | None = None) -> tuple[Mapping[str, str], bytes]:
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
