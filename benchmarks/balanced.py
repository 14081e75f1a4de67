"""Two groups on the same records behind the nginx that we ship, and who uses them meanwhile.

The cache of that configuration is left out, so that every read shows whether a group
answered it.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import servers
from benchmarks.pressure import ask, lower
from benchmarks.servers import PROJECT

START_S = 60.0
GIVEN_UP_S = 30.0
FRAME = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 1024; }}
http {{
    log_format tries "$request_method $status $upstream_status";
    access_log {folder}/access.log tries;
    client_body_temp_path {folder}/client;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{shipped}
}}
"""


class Member:
    """One group of several: the program in `program`, started and stopped at will."""

    def __init__(self, settings: Mapping[str, str], program: Path = PROJECT) -> None:
        self.port = servers.free_port()
        self._settings = {**os.environ, **settings, "PORT": str(self.port), "HOST": "127.0.0.1"}
        self._program = program

    def start(self) -> float:
        """Seconds until it answers."""
        began = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "statuspage"],
            cwd=self._program,
            env=self._settings,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while ask(f"http://127.0.0.1:{self.port}/")[0] != 200:
            if self._process.poll() is not None or time.monotonic() - began > START_S:
                raise RuntimeError("A group did not start.")
            time.sleep(0.05)
        return time.monotonic() - began

    def stop(self) -> float:
        """Ask it to end, as a service manager does; seconds until it has."""
        began = time.monotonic()
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(30)
        return time.monotonic() - began


@contextmanager
def nginx(ports: Sequence[int]) -> Iterator[tuple[str, Path]]:
    """The address of nginx before these groups, and its log of who was asked how often."""
    with tempfile.TemporaryDirectory(prefix="statuspage-nginx-") as name:
        folder, port = Path(name), servers.free_port()
        settings = folder / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        shipped = _shipped(ports, port)
        settings.write_text(FRAME.format(folder=folder, user=user, shipped=shipped))
        process = subprocess.Popen(["nginx", "-c", settings, "-p", folder, "-e", "stderr"])
        try:
            url = f"http://127.0.0.1:{port}"
            while ask(f"{url}/")[0] == 0:
                if process.poll() is not None:
                    raise RuntimeError("nginx did not start.")
                time.sleep(0.05)
            yield url, folder / "access.log"
        finally:
            process.terminate()
            process.wait()


def _shipped(ports: Sequence[int], port: int) -> str:
    text = (PROJECT / "deploy" / "nginx" / "compose.conf").read_text()
    text = re.sub(r"^ *proxy_(no_|ignore_)?(cache|headers).*\n", "", text, flags=re.M)
    for number, one in enumerate(ports, 1):
        text = text.replace(f"web-{number}:8000", f"127.0.0.1:{one}")
    return text.replace("listen 80;", f"listen 127.0.0.1:{port};")


def asked_again(log: Path) -> int:
    """How many requests nginx had to put to a second group."""
    return sum("," in line or " : " in line for line in log.read_text().splitlines())


class Poster:
    """Opens one incident after the other; the same key until it is taken."""

    def __init__(self, url: str, page: str, token: str, *, every_s: float) -> None:
        self.acknowledged: list[str] = []
        self.given_up: list[str] = []
        self.codes: Counter[int] = Counter()
        """Of all answers; 0: none came."""
        self.without_retry_after = 0
        self.slowest_s = 0.0
        """From the first try until it was taken."""
        self._address = f"{url}/v1/pages/{page}/incidents"
        self._token = token
        self._every_s = every_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._post_all)
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join()

    def _post_all(self) -> None:
        while not self._end.wait(self._every_s):
            name, began = f"Words {uuid.uuid4()}", time.monotonic()
            request = self._request(name)
            while not self._try(request):
                if time.monotonic() - began > GIVEN_UP_S:
                    self.given_up.append(name)
                    break
                time.sleep(0.1)
            else:
                self.acknowledged.append(name)
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)

    def _request(self, name: str) -> urllib.request.Request:
        body = {"incident": {"name": name, "status": "investigating", "body": name}}
        headers = {
            "Authorization": f"OAuth {self._token}",
            "Content-Type": "application/json",
            "Idempotency-Key": str(uuid.uuid4()),
        }
        return urllib.request.Request(self._address, json.dumps(body).encode(), headers)

    def _try(self, request: urllib.request.Request) -> bool:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, headers = answer.status, lower(answer.headers)
        except urllib.error.HTTPError as answer:
            with answer:
                status, headers = answer.code, lower(answer.headers)
        except OSError:
            status, headers = 0, {}
        self.codes[status] += 1
        self.without_retry_after += status == 503 and "retry-after" not in headers
        return 200 <= status < 300


def not_once(names: Sequence[str]) -> int:
    """How many of these are not in the history exactly once."""
    import sqlalchemy as sa

    from statuspage.db import db, read_only
    from statuspage.domain.incidents.models import IncidentUpdate
    from statuspage.factory import create_app

    app = create_app(watch=False)
    with app.app_context():
        read_only()
        kept = Counter(db.session.scalars(sa.select(IncidentUpdate.body)))
        db.session.rollback()
        db.engine.dispose()
    return sum(kept[name] != 1 for name in names)
